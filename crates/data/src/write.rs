//! A registered table as plain delimited text: its columns and rows after everything that its version says of reading.

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::options::Format;
use crate::pipeline::pump;
use crate::read::open;
use crate::values::{Missing, trim};
use domain::DataVersion;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Whether a version is another table than its file: rows or columns are left out.
pub fn is_part(version: &DataVersion) -> bool {
    Format::deserialize(&version.format).is_ok_and(|format| !format.shape.is_whole())
}

/// Writes a version's table as CSV in UTF-8 (RFC 4180): a header, commas, a missing value as an empty cell. `from`: the kept file.
/// Blocking; memory is bounded by the readers' own.
pub fn write_csv(version: &DataVersion, from: &Path, to: &Path) -> Result<()> {
    let format =
        Format::deserialize(&version.format).map_err(|e| Error::Internal(format!("the kept format: {e}")))?;
    let missing = Missing::new(&format.missing);
    let wrong = |e: io::Error| Error::Internal(format!("{}: {e}", to.display()));
    let mut out = BufWriter::new(File::create(to).map_err(wrong)?);
    let width = version.columns.len();
    line(&mut out, version.columns.iter().map(|column| column.name.as_bytes())).map_err(wrong)?;
    pump(
        |lane| lane.drive(&mut *open::file(from, &format)?),
        |batch| rows(&mut out, batch, &missing, width).map(|()| true).map_err(wrong),
    )?;
    out.flush().map_err(wrong)
}

fn rows(out: &mut impl Write, batch: &Batch, missing: &Missing, width: usize) -> io::Result<()> {
    let shown = |bytes| if missing.is(trim(bytes)) { &b""[..] } else { bytes };
    for row in batch.cells.chunks(batch.columns.max(1)) {
        let cells = row.iter().map(|cell| shown(batch.bytes(*cell)));
        // Columns that begin later are missing here.
        line(out, cells.chain(std::iter::repeat_n(&b""[..], width.saturating_sub(row.len()))))?;
    }
    Ok(())
}

fn line<'a>(out: &mut impl Write, cells: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
    let mut bytes = 0;
    for (at, cell) in cells.enumerate() {
        bytes += at + cell.len();
        if at > 0 {
            out.write_all(b",")?;
        }
        if cell.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
            out.write_all(b"\"")?;
            for part in cell.split_inclusive(|byte| *byte == b'"') {
                out.write_all(part)?;
                if part.ends_with(b"\"") {
                    out.write_all(b"\"")?;
                }
            }
            out.write_all(b"\"")?;
        } else {
            out.write_all(cell)?;
        }
    }
    // An empty line would be no row to most readers.
    out.write_all(if bytes == 0 { b"\"\"\n" } else { b"\n" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let mut out = Vec::new();
        line(&mut out, [&b"a"[..], b"b,c", b"d\"e", b"", b"f\ng"].into_iter()).unwrap();
        line(&mut out, [&b""[..]].into_iter()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a,\"b,c\",\"d\"\"e\",,\"f\ng\"\n\"\"\n");
    }
}

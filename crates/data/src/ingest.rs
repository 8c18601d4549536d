//! Taking a table in: its bytes are kept as they came, hashed, understood and profiled in one pass.

use crate::error::{Error, Result};
use crate::options::{Format, ReadOptions};
use crate::pipeline::pump;
use crate::profile::{Profile, Surveyed, Surveyor};
use crate::read::open;
use crate::read::parquet::{MAGIC, Parquet};
use crate::read::peek::Peek;
use crate::read::unpack::{Tee, input_error};
use domain::{Column, Digest};
use std::fs::File;
use std::io::{self, Read, Write};
use store::Artifacts;

/// A table taken in.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingested {
    /// SHA-256 of the bytes as they came; the artifact is kept under it.
    pub digest: Digest,
    /// Their length.
    pub bytes: u64,
    /// Records, the header not counted.
    pub rows: u64,
    /// How the bytes are read again.
    pub format: Format,
    /// Columns in file order.
    pub columns: Vec<Column>,
    /// What is in them.
    pub profile: Profile,
}

/// Reads `input` to its end, keeps its bytes as an artifact and profiles the table in them. Memory stays within
/// [`limits`](crate::limits) whatever the size. `progress` is told the bytes read so far, from another thread. Nothing is
/// kept of a text table that is refused.
pub fn ingest(
    input: impl Read + Send,
    artifacts: &Artifacts,
    options: &ReadOptions,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Ingested> {
    let mut writer = artifacts.writer()?;
    let input = Peek::new(input, MAGIC.len());
    if open::is_parquet(input.head(), options) {
        io::copy(&mut Tee::new(input, &mut writer, progress), &mut io::sink()).map_err(input_error)?;
        // Why kept first: Parquet is read from its end.
        let (digest, bytes) = writer.finish()?;
        let file = File::open(artifacts.path(&digest)?).map_err(Error::Input)?;
        let (format, surveyed) = survey_parquet(file, options)?;
        return Ok(ingested((digest, bytes), format, surveyed));
    }
    let (format, surveyed) = survey_text(input, &mut writer, options, progress)?;
    Ok(ingested(writer.finish()?, format, surveyed))
}

fn ingested((digest, bytes): (Digest, u64), format: Format, found: Surveyed) -> Ingested {
    Ingested { digest, bytes, rows: found.rows, format, columns: found.columns, profile: found.profile }
}

/// The format completed by how the survey read timestamps.
fn concluded(mut format: Format, mut found: Surveyed) -> (Format, Surveyed) {
    format.timestamps = std::mem::take(&mut found.timestamps);
    (format, found)
}

/// Surveys a text table while its bytes go to `out`.
pub(crate) fn survey_text(
    input: impl Read + Send,
    out: &mut (impl Write + Send),
    options: &ReadOptions,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(Format, Surveyed)> {
    let mut surveyor = Surveyor::new(&options.types, Vec::new(), &options.missing_texts());
    let format = pump(
        |lane| {
            let mut tee = Tee::new(input, out, progress);
            let packed = tee.count();
            let (mut rows, format) = open::text(&mut tee, packed, options)?;
            let whole = lane.drive(&mut *rows)?;
            drop(rows);
            if whole {
                // What follows the table's end belongs to the bytes as they came.
                io::copy(&mut tee, &mut io::sink()).map_err(input_error)?;
            }
            Ok(format)
        },
        |batch| surveyor.push(batch).map(|()| true),
    )?;
    Ok(concluded(format, surveyor.finish()?))
}

fn survey_parquet(file: File, options: &ReadOptions) -> Result<(Format, Surveyed)> {
    let (rows, wants) = pump(
        |_| {
            let rows = Parquet::new(file)?;
            let wants = rows.wants(&options.shape);
            Ok((rows, wants))
        },
        |_| Ok(true),
    )?;
    let mut surveyor = Surveyor::new(&options.types, wants, &options.missing_texts());
    pump(
        |lane| lane.drive(&mut *options.shape.around(Box::new(rows))),
        |batch| surveyor.push(batch).map(|()| true),
    )?;
    Ok(concluded(open::parquet_format(options), surveyor.finish()?))
}

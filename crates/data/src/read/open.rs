//! Opening a table: from its bytes, whatever they are, to a reader of rows and the format to read them by again.

use crate::batch::Rows;
use crate::error::{Error, Result};
use crate::limits::HEAD_BYTES;
use crate::options::{Compression, Dialect, FileFormat, Format, ReadOptions};
use crate::read::csv::Csv;
use crate::read::encoding::{self, Decoding};
use crate::read::jsonl::Jsonl;
use crate::read::parquet::{MAGIC, Parquet};
use crate::read::peek::Peek;
use crate::read::unpack::{self, input_error};
use encoding_rs::{Encoding, UTF_8};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

/// A text table opened.
pub(crate) type Opened<'a> = (Box<dyn Rows + 'a>, Format);

/// What the beginning of a table tells before it is unpacked.
pub(crate) fn is_parquet(head: &[u8], options: &ReadOptions) -> bool {
    match options.format {
        Some(format) => format == FileFormat::Parquet,
        None => head.starts_with(MAGIC),
    }
}

/// Opens a text table by what is stated and what its beginning tells. `packed` counts the bytes taken from `input`.
pub(crate) fn text<'a>(
    input: impl Read + 'a,
    packed: Rc<Cell<u64>>,
    options: &ReadOptions,
) -> Result<Opened<'a>> {
    let raw = Peek::new(input, 4);
    let compression = options.compression.unwrap_or_else(|| unpack::of(raw.head()));
    let unpacked = unpack::unpacked(raw, compression, packed).map_err(input_error)?;
    let bytes = Peek::new(unpacked, HEAD_BYTES);
    if bytes.head().starts_with(MAGIC) {
        let what = "a Parquet file inside a packed one: unpack it, Parquet packs its pages itself".to_owned();
        return Err(Error::Parquet { column: None, what });
    }
    let encoding = match &options.encoding {
        Some(label) => by_label(label)?,
        None => encoding::of(bytes.head()),
    };
    let text = decoded(bytes, encoding);
    let format = match options.format {
        Some(format) => format,
        None => crate::read::sniff::format(text.head())?,
    };
    let mut found = Format {
        format,
        compression,
        encoding: encoding.name().to_owned(),
        dialect: None,
        missing: options.missing_texts(),
        timestamps: BTreeMap::new(),
        shape: options.shape.clone(),
    };
    if format == FileFormat::Jsonl {
        return Ok((options.shape.around(Box::new(Jsonl::new(text))), found));
    }
    let dialect = crate::read::sniff::dialect(text.head(), text.whole(), options)?;
    if options.format.is_none() && dialect.delimiter == '\t' {
        found.format = FileFormat::Tsv;
    }
    found.dialect = Some(dialect);
    Ok((options.shape.around(Box::new(Csv::new(text, dialect)?)), found))
}

/// Opens a file by the format found when it was registered.
pub(crate) fn file(path: &Path, format: &Format) -> Result<Box<dyn Rows>> {
    let file = File::open(path).map_err(Error::Input)?;
    if format.format == FileFormat::Parquet {
        return Ok(format.shape.around(Box::new(Parquet::new(file)?)));
    }
    let length = file.metadata().map_err(Error::Input)?.len();
    // Why the whole length: the file was taken once, its ratio is known to be fair.
    let packed = Rc::new(Cell::new(length));
    let unpacked = unpack::unpacked(file, format.compression, packed).map_err(input_error)?;
    let bytes = Peek::new(unpacked, 4);
    let text = decoded(bytes, by_label(&format.encoding)?);
    if format.format == FileFormat::Jsonl {
        return Ok(format.shape.around(Box::new(Jsonl::new(text))));
    }
    let dialect: Dialect =
        format.dialect.ok_or_else(|| Error::Internal("the format of a CSV lacks its dialect".to_owned()))?;
    Ok(format.shape.around(Box::new(Csv::new(text, dialect)?)))
}

/// The format of a Parquet file.
pub(crate) fn parquet_format(options: &ReadOptions) -> Format {
    Format {
        format: FileFormat::Parquet,
        compression: Compression::None,
        encoding: UTF_8.name().to_owned(),
        dialect: None,
        missing: options.missing_texts(),
        timestamps: BTreeMap::new(),
        shape: options.shape.clone(),
    }
}

fn by_label(label: &str) -> Result<&'static Encoding> {
    Encoding::for_label_no_replacement(label.as_bytes()).ok_or_else(|| {
        Error::Option(format!(
            "'{label}' is no encoding: write a WHATWG name as utf-8, utf-16le or windows-1252"
        ))
    })
}

/// The input as UTF-8 without a byte order mark. UTF-8 itself is not copied; its reader checks it.
fn decoded<'a>(mut bytes: Peek<impl Read + 'a>, encoding: &'static Encoding) -> Peek<Box<dyn Read + 'a>> {
    let text: Box<dyn Read + 'a> = if encoding == UTF_8 {
        if bytes.head().starts_with(b"\xef\xbb\xbf") {
            bytes.skip(3);
        }
        Box::new(bytes)
    } else {
        Box::new(Decoding::new(bytes, encoding))
    };
    Peek::new(text, HEAD_BYTES)
}

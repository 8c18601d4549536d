//! `text/csv`: a header row, then one row a record; cells are told apart by their column.

use super::refused::{refused, wrong};
use crate::outcome::Outcome;
use crate::rows::refusal::Found;
use crate::rows::{Reader, Stop};
use csv::ByteRecord;

/// Texts that stand for a missing value, as pandas reads them.
const MISSING: [&str; 17] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
    "NA", "NULL", "NaN", "None", "n/a",
];

/// Reads a body.
pub fn read(reader: &mut Reader<'_>, body: &[u8]) -> Result<(), Box<Outcome>> {
    let mut records = csv::ReaderBuilder::new().has_headers(false).from_reader(body);
    let mut record = ByteRecord::new();
    let mut first = true;
    loop {
        let more = records.read_byte_record(&mut record).map_err(|error| broken(&error.to_string()))?;
        if !more {
            break;
        }
        let line = record.position().map_or(0, csv::Position::line);
        let text =
            |cell| std::str::from_utf8(cell).map_err(|_| broken(&format!("line {line} is no UTF-8 text")));
        if first {
            reader.begin_header();
            for name in &record {
                let name = text(name)?;
                reader.header::<Stop>(name).map_err(|_| refused(&reader.stopped()))?;
            }
            reader.end_header::<Stop>().map_err(|_| refused(&reader.stopped()))?;
            first = false;
            continue;
        }
        let columns = reader.named();
        reader.open_row().map_err(|_| refused(&reader.stopped()))?;
        for (column, cell) in columns.iter().zip(&record) {
            let text = text(cell)?;
            let found = if is_missing(text) { Found::Null } else { Found::Text(text) };
            reader.put(*column, found).map_err(|_| refused(&reader.stopped()))?;
        }
        reader.close_row();
    }
    if first { Err(broken("no columns to parse from file")) } else { Ok(()) }
}

fn is_missing(text: &str) -> bool {
    matches!(text, "nan" | "null") || MISSING.contains(&text)
}

fn broken(text: &str) -> Box<Outcome> {
    wrong(
        &format!("Failed to parse input as a Pandas DataFrame. Ensure that the input is a valid CSV: {text}"),
        "not CSV",
    )
}

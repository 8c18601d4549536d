//! `data register` of definitions: data files, MLTable folders, folders of any files.

use crate::cli::data::{Register, Sent};
use crate::cli::data_parts::{self, Part};
use crate::client::segment;
use crate::definition::Text;
use crate::folder::{self, Snapshot};
use crate::session::Session;
use data::{FileFormat, ReadOptions, Shape};
use definitions::mltable::{ColumnTo, Header, Reading, Step};
use definitions::{AssetKind, DataFile, MlTable, Parsed, Reference};
use domain::{ColumnType, Fault};
use serde_json::{Value, json};
use std::path::Path;

/// The file that makes a folder a table.
const MLTABLE: &str = "MLTable";
/// Endings of files that are tables.
const TABLES: [&str; 9] = ["csv", "tsv", "txt", "parquet", "jsonl", "ndjson", "json", "gz", "zst"];

/// Registers what a data file describes.
pub async fn register(file: &Path, asked: &Register, session: &Session) -> Result<Value, Fault> {
    let text = Text::read(file)?;
    let parsed = text.parse::<DataFile>(session)?;
    let wanted = &parsed.value;
    let name = asked.name.clone().unwrap_or_else(|| wanted.name.to_string());
    let about = About { name, description: wanted.description.clone() };
    let path = match &wanted.path {
        Reference::Local(path) => text.folder.join(path),
        Reference::Url(url) if wanted.kind == AssetKind::UriFile => {
            let sent = Sent { source: url.clone(), options: json!({}), ..about.sent() };
            return sent.send(session).await;
        }
        other => {
            let text =
                format!("'{other}' is not read: give a path beside this file, or for uri_file an https URL");
            return Err(parsed.fault("path", &text));
        }
    };
    let exists = path.exists();
    match wanted.kind {
        _ if !exists => Err(parsed.fault("path", &format!("there is no {}", path.display()))),
        AssetKind::Mltable => table(&path, &about, session).await,
        AssetKind::UriFile if path.is_dir() => {
            Err(parsed.fault("path", "this is a folder: its type is uri_folder"))
        }
        AssetKind::UriFile if is_table(&path) => {
            Sent { source: path.display().to_string(), options: json!({}), ..about.sent() }
                .send(session)
                .await
        }
        AssetKind::UriFile => one_file(&path, &about, session).await,
        _ if path.is_file() => Err(parsed.fault("path", "this is a file: its type is uri_file")),
        _ => whole(&path, &about, session).await,
    }
}

/// Registers a folder: as a table when it holds an MLTable file, else as it lies.
pub async fn register_folder(path: &Path, asked: &Register, session: &Session) -> Result<Value, Fault> {
    let name = asked.name.clone().unwrap_or_default();
    let about = About { name, description: asked.description.clone() };
    if path.join(MLTABLE).is_file() {
        return table(path, &about, session).await;
    }
    whole(path, &about, session).await
}

/// Registers a file or a folder without looking into it.
pub async fn as_it_lies(path: &Path, asked: &Register, session: &Session) -> Result<Value, Fault> {
    let name = asked.name.clone().unwrap_or_default();
    let about = About { name, description: asked.description.clone() };
    if path.is_dir() {
        return whole(path, &about, session).await;
    }
    if !path.is_file() {
        return Err(Fault::invalid(format!("{}: there is no such file or folder", path.display())));
    }
    one_file(path, &about, session).await
}

/// Name and description of what is registered.
struct About {
    name: String,
    description: String,
}

impl About {
    fn sent(&self) -> Sent {
        Sent {
            name: self.name.clone(),
            source: String::new(),
            options: Value::Null,
            description: self.description.clone(),
        }
    }
}

fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|e| TABLES.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

/// A folder as it lies.
async fn whole(path: &Path, about: &About, session: &Session) -> Result<Value, Fault> {
    let kept = folder::upload(&session.client, path, Snapshot::Whole, |_| ()).await?;
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("tree", &kept.digest.hex())
        .append_pair("description", &about.description)
        .finish();
    session.client.post(&format!("/api/v1/data/{}/versions?{query}", segment(&about.name)), &json!({})).await
}

/// A file that is no table: a folder with this file alone.
async fn one_file(path: &Path, about: &About, session: &Session) -> Result<Value, Fault> {
    let wrong = |e: std::io::Error| Fault::invalid(format!("{}: {e}", path.display()));
    let alone = tempfile::tempdir().map_err(wrong)?;
    std::fs::copy(path, alone.path().join(path.file_name().unwrap_or_default())).map_err(wrong)?;
    whole(alone.path(), about, session).await
}

/// A folder with an MLTable file, or that file itself.
async fn table(path: &Path, about: &About, session: &Session) -> Result<Value, Fault> {
    let file = if path.is_dir() { path.join(MLTABLE) } else { path.to_owned() };
    let text = Text::read(&file)?;
    let parsed = text.parse::<MlTable>(session)?;
    let options = options(&parsed, session)?;
    let parts = data_parts::find(&parsed, &text.folder)?;
    let options = serde_json::to_value(options).map_err(|e| Fault::internal(e.to_string()))?;
    if let [Part::Url(url)] = parts.as_slice() {
        return Sent { source: url.clone(), options, ..about.sent() }.send(session).await;
    }
    // Kept until it is sent.
    let joined = data_parts::joined(&parsed, parts).await?;
    Sent { source: joined.path().display().to_string(), options, ..about.sent() }.send(session).await
}

/// How a table's files are read, in the words of reading.
fn options(parsed: &Parsed<MlTable>, session: &Session) -> Result<ReadOptions, Fault> {
    let mut options = ReadOptions::default();
    match &parsed.value.reading {
        Reading::Sniffed => {}
        Reading::Parquet => options.format = Some(FileFormat::Parquet),
        Reading::JsonLines { encoding } => {
            options.format = Some(FileFormat::Jsonl);
            options.encoding.clone_from(encoding);
        }
        Reading::Delimited(delimited) => {
            options.format = Some(FileFormat::Csv);
            options.delimiter = Some(delimited.delimiter.clone().unwrap_or_else(|| ",".to_owned()));
            options.header = Some(delimited.header != Header::NoHeader);
            options.encoding.clone_from(&delimited.encoding);
            if delimited.empty_as_string == Some(true) {
                session.out.note(&format!(
                    "{}: empty_as_string: an empty cell is a missing value here",
                    parsed.file()
                ));
            }
        }
    }
    for (at, step) in parsed.value.steps.iter().enumerate() {
        let shape = &mut options.shape;
        match step {
            Step::Take(rows) => take(shape, *rows),
            Step::Skip(rows) => skip(shape, *rows),
            Step::DropColumns(names) => shape.drop.extend(names.iter().cloned()),
            Step::KeepColumns(names) if shape.keep.is_empty() => shape.keep.clone_from(names),
            Step::KeepColumns(_) => {
                return Err(
                    parsed.fault(&format!("transformations.{at}"), "columns are kept once: write one list")
                );
            }
            Step::ConvertColumnTypes(conversions) => {
                for conversion in conversions {
                    let kind = column_type(conversion.to);
                    options.types.extend(conversion.columns.iter().map(|name| (name.clone(), kind)));
                }
            }
        }
    }
    let dropped = &options.shape.drop;
    options.types.retain(|name, _| !dropped.contains(name));
    Ok(options)
}

/// The first rows of those that are left.
fn take(shape: &mut Shape, rows: u64) {
    shape.take = Some(shape.take.map_or(rows, |before| before.min(rows)));
}

/// Without the first rows of those that are left.
fn skip(shape: &mut Shape, rows: u64) {
    shape.skip = shape.skip.saturating_add(rows);
    shape.take = shape.take.map(|before| before.saturating_sub(rows));
}

const fn column_type(to: ColumnTo) -> ColumnType {
    match to {
        // Why not text: a column that is said to be a string is one to tell apart by its values, as codes and districts.
        ColumnTo::String => ColumnType::Category,
        ColumnTo::Int => ColumnType::Integer,
        ColumnTo::Float => ColumnType::Float,
        ColumnTo::Boolean => ColumnType::Boolean,
        ColumnTo::Datetime => ColumnType::Timestamp,
    }
}

//! The files of an MLTable, and several of them as one.

use definitions::mltable::{Header, Reading, TablePath};
use definitions::{MlTable, Parsed, Reference};
use domain::Fault;
use ignore::WalkBuilder;
use ignore::overrides::OverrideBuilder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// On this machine.
    File(PathBuf),
    /// Fetched by the server.
    Url(String),
}

/// The files in the order of the paths; those of a folder or pattern in the order of their names.
pub fn find(parsed: &Parsed<MlTable>, folder: &Path) -> Result<Vec<Part>, Fault> {
    let mut parts = Vec::new();
    for (at, path) in parsed.value.paths.iter().enumerate() {
        let wrong = |text: &str| parsed.fault(&format!("paths.{at}"), text);
        match path {
            TablePath::File(Reference::Local(path)) => {
                let path = folder.join(path);
                if !path.is_file() {
                    return Err(wrong(&format!("there is no file {}", path.display())));
                }
                parts.push(Part::File(path));
            }
            TablePath::File(Reference::Url(url)) => parts.push(Part::Url(url.clone())),
            TablePath::Folder(Reference::Local(path)) => {
                parts.extend(below(&folder.join(path), "*").map_err(|e| wrong(&e))?)
            }
            TablePath::Pattern(pattern) => {
                let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
                parts.extend(below(folder, pattern).map_err(|e| wrong(&e))?);
            }
            TablePath::File(other) | TablePath::Folder(other) => {
                return Err(wrong(&format!(
                    "'{other}' is not read: give a path beside the MLTable file, or an https URL"
                )));
            }
        }
    }
    if parts.is_empty() {
        return Err(parsed.fault("paths", "the paths name no file"));
    }
    if parts.len() > 1 && parts.iter().any(|part| matches!(part, Part::Url(_))) {
        return Err(
            parsed.fault("paths", "a URL stands alone: several files are joined here, before they are sent")
        );
    }
    Ok(parts)
}

/// The files below a folder that a pattern names.
fn below(folder: &Path, pattern: &str) -> Result<Vec<Part>, String> {
    let mut only = OverrideBuilder::new(folder);
    only.add(&format!("/{}", pattern.trim_start_matches('/'))).map_err(|e| e.to_string())?;
    let only = only.build().map_err(|e| e.to_string())?;
    let mut walk = WalkBuilder::new(folder);
    walk.standard_filters(false).follow_links(false).sort_by_file_name(Ord::cmp);
    let mut found = Vec::new();
    for entry in walk.build() {
        let entry = entry.map_err(|e| e.to_string())?;
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        let path = entry.path();
        let table = path.file_name().is_some_and(|name| name == "MLTable");
        if is_file && !table && only.matched(path, false).is_whitelist() {
            found.push(Part::File(path.to_owned()));
        }
    }
    if found.is_empty() {
        Err(format!("no file of {} is named by '{pattern}'", folder.display()))
    } else {
        Ok(found)
    }
}

/// One file out of several: a single one as it is, else joined into a temporary one.
pub async fn joined(parsed: &Parsed<MlTable>, parts: Vec<Part>) -> Result<Joined, Fault> {
    let mut files = parts.into_iter().filter_map(|part| match part {
        Part::File(path) => Some(path),
        Part::Url(_) => None,
    });
    let (Some(first), rest) = (files.next(), files.collect::<Vec<_>>()) else {
        return Err(parsed.fault("paths", "the paths name no file"));
    };
    if rest.is_empty() {
        return Ok(Joined::One(first));
    }
    let header = match &parsed.value.reading {
        Reading::Parquet => {
            return Err(parsed.fault("paths", "several Parquet files are not joined here: write them as one"));
        }
        Reading::Delimited(delimited) => match delimited.header {
            Header::AllFilesDifferentHeaders => {
                return Err(
                    parsed.fault("transformations.0", "files with different headers are not joined here")
                );
            }
            Header::AllFilesSameHeaders => true,
            Header::FromFirstFile | Header::NoHeader => false,
        },
        Reading::JsonLines { .. } => false,
        Reading::Sniffed => first.extension().is_none_or(|e| !e.eq_ignore_ascii_case("jsonl")),
    };
    let join = move || join(&first, &rest, header);
    let file = tokio::task::spawn_blocking(join).await.map_err(|e| Fault::internal(e.to_string()))?;
    file.map(Joined::Several).map_err(|text| parsed.fault("paths", &text))
}

/// A table's file.
pub enum Joined {
    /// The only one.
    One(PathBuf),
    /// Several in one, gone when dropped.
    Several(NamedTempFile),
}

impl Joined {
    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            Self::One(path) => path,
            Self::Several(file) => file.path(),
        }
    }
}

fn join(first: &Path, rest: &[PathBuf], header: bool) -> Result<NamedTempFile, String> {
    let wrong = |path: &Path, e: io::Error| format!("{}: {e}", path.display());
    let out = NamedTempFile::new().map_err(|e| wrong(first, e))?;
    let mut to = io::BufWriter::new(out.as_file());
    let mut names = Vec::new();
    for (at, path) in std::iter::once(first).chain(rest.iter().map(PathBuf::as_path)).enumerate() {
        let mut from = BufReader::new(File::open(path).map_err(|e| wrong(path, e))?);
        if header {
            let mut line = Vec::new();
            from.by_ref().take(16 << 20).read_until(b'\n', &mut line).map_err(|e| wrong(path, e))?;
            let plain = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii_end();
            if at == 0 {
                names = plain.to_owned();
                to.write_all(plain).and_then(|()| to.write_all(b"\n")).map_err(|e| wrong(path, e))?;
            } else if names != plain {
                return Err(format!(
                    "{}: its header is another than that of {}",
                    path.display(),
                    first.display()
                ));
            }
        }
        copy_lines(&mut from, &mut to).map_err(|e| wrong(path, e))?;
    }
    to.flush().map_err(|e| wrong(first, e))?;
    drop(to);
    Ok(out)
}

/// Copies, and ends the last line where the file does not.
fn copy_lines(from: &mut impl BufRead, to: &mut impl Write) -> io::Result<()> {
    let mut last = b'\n';
    loop {
        let bytes = from.fill_buf()?;
        let Some(end) = bytes.last() else { break };
        last = *end;
        to.write_all(bytes)?;
        let count = bytes.len();
        from.consume(count);
    }
    if last == b'\n' { Ok(()) } else { to.write_all(b"\n") }
}

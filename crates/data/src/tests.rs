//! The crate as a whole, on real bytes.

mod formats;
mod odd;
mod refusals;
mod registering;
mod surveys;
mod tables;

use crate::ingest::survey_text;
use crate::{ColumnProfile, Error, Format, Frame, Ingested, ReadOptions, Result, ingest, load};
use domain::ColumnType;
use std::path::{Path, PathBuf};
use store::Artifacts;

/// A place for artifacts that vanishes with the test.
struct Shelf {
    _dir: tempfile::TempDir,
    artifacts: Artifacts,
}

impl Shelf {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(dir.path()).unwrap();
        Self { _dir: dir, artifacts }
    }

    fn take(&self, bytes: &[u8], options: &ReadOptions) -> Result<Ingested> {
        ingest(bytes, &self.artifacts, options, &|_| ())
    }

    fn path(&self, found: &Ingested) -> PathBuf {
        self.artifacts.path(&found.digest).unwrap()
    }

    fn frame(&self, found: &Ingested) -> Frame {
        load(&self.path(found), &found.format, &found.columns).unwrap()
    }
}

/// Takes a table in and reads it into memory.
fn frame_of(bytes: &[u8], options: &ReadOptions) -> (Ingested, Frame) {
    let shelf = Shelf::new();
    let found = shelf.take(bytes, options).unwrap();
    let frame = shelf.frame(&found);
    (found, frame)
}

/// Why a table is refused.
fn refusal(bytes: &[u8], options: &ReadOptions) -> Error {
    match survey_text(bytes, &mut std::io::sink(), options, &|_| ()) {
        Err(error) => error,
        Ok((format, found)) => panic!("taken: {format:?} {:?}", found.columns),
    }
}

/// The profile of a text table.
fn profile_of(text: &str) -> (Format, Vec<ColumnProfile>) {
    let (format, found) =
        survey_text(text.as_bytes(), &mut std::io::sink(), &ReadOptions::default(), &|_| ()).unwrap();
    (format, found.profile.columns)
}

fn kinds(found: &Ingested) -> Vec<ColumnType> {
    found.columns.iter().map(|c| c.kind).collect()
}

/// A shipped table; `None`, said aloud, where it is not at hand.
fn shared(test: &str, name: &str) -> Option<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    let bytes = std::fs::read(path).ok();
    if bytes.is_none() {
        println!("skipped: {test} needs shared/data");
    }
    bytes
}

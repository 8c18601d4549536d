//! Models of other tools become ONNX: LightGBM text, XGBoost JSON and UBJSON, scikit-learn `.skops`.
//!
//! [`convert`] reads a file and writes a graph of this crate's own builder, with one input a column. Nothing in
//! a file is executed and no other file is opened; what is unknown is refused by name.
//!
//! **Branches are exact.** LightGBM and scikit-learn compare in f64, this crate in f32. Every threshold becomes
//! the largest f32 that still takes the left branch in the original's own arithmetic, scalers in front of the
//! trees included: every row of f32 numbers takes the branch it took there. Leaves are kept as f32, so sums
//! agree to about 1e-7 of their parts.

mod columns;
mod forest;
mod graph;
mod lightgbm;
mod links;
mod npy;
mod sklearn;
mod skops;
mod ubjson;
mod value;
mod xgboost;

use crate::error::{Error, Result};
use crate::limits;
use crate::slots::SlotKind;

/// Result within the importers; the place and the reason of a fault.
type Told<T> = std::result::Result<T, String>;

/// Largest file that is read, bytes.
const FILE_BYTES: usize = 256 << 20;

/// The tool a model comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The text of `Booster.save_model`.
    LightGbm,
    /// JSON or UBJSON of `Booster.save_model`.
    XgBoost,
    /// A file of `skops.io.dump`.
    Skops,
}

impl Format {
    /// Name of the format, as `lightgbm`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LightGbm => "lightgbm",
            Self::XgBoost => "xgboost",
            Self::Skops => "skops",
        }
    }

    /// The format of a file by its first bytes; none for an ONNX file and for what is unknown.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"PK\x03\x04") {
            return Some(Self::Skops);
        }
        let text = bytes.trim_ascii_start();
        if text.starts_with(b"tree\n") || text.starts_with(b"tree\r\n") {
            return Some(Self::LightGbm);
        }
        text.starts_with(b"{").then_some(Self::XgBoost)
    }
}

/// An input of an imported model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// [`SlotKind::Float`] or [`SlotKind::Text`].
    pub kind: SlotKind,
    /// Whether the model reads it at all.
    pub used: bool,
    /// The texts the model knows.
    pub levels: Vec<String>,
}

/// An imported model.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The ONNX file.
    pub bytes: Vec<u8>,
    /// Where it comes from.
    pub format: Format,
    /// Its inputs, in the order of the graph.
    pub inputs: Vec<Input>,
}

/// Converts a model of another tool. `file` is its name, for messages; `columns` are the names of its inputs,
/// used where they are as many as the model reads and the model itself knows none.
///
/// # Errors
/// A file of an unknown format, one that is damaged or too large, and whatever of a model has no counterpart;
/// the message names the file and the place.
pub fn convert(file: &str, bytes: &[u8], columns: &[String]) -> Result<Imported> {
    if bytes.len() > FILE_BYTES {
        let (amount, limit) = (bytes.len() as u64, FILE_BYTES as u64);
        return Err(Error::TooLarge { what: format!("model file {file} (bytes)"), amount, limit });
    }
    let wrong = |reason: String| Error::Import { file: file.to_owned(), reason };
    let format = Format::of(bytes).ok_or_else(|| {
        wrong("it is neither LightGBM text nor XGBoost JSON or UBJSON nor a .skops file".to_owned())
    })?;
    let (bytes, inputs) = match format {
        Format::LightGbm => lightgbm::convert(bytes, columns),
        Format::XgBoost => xgboost::convert(bytes, columns),
        Format::Skops => skops::convert(bytes, columns),
    }
    .map_err(wrong)?;
    crate::check::at_most(format!("the graph of {file} (bytes)"), bytes.len(), limits::MODEL_BYTES)?;
    Ok(Imported { bytes, format, inputs })
}

/// The names of the inputs: those the model knows, else the caller's, else `stem` and a number.
fn names(known: Option<Vec<String>>, columns: &[String], (stem, count): (&str, usize)) -> Vec<String> {
    match known {
        Some(known) => known,
        None if columns.len() == count => columns.to_vec(),
        None => (0..count.min(limits::VALUES)).map(|at| format!("{stem}{at}")).collect(),
    }
}

#[cfg(test)]
mod tests;

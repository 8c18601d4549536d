//! Registering a data asset: read a table from any source, infer its schema, profile it, keep it as an immutable version.
//!
//! Formats: CSV and TSV (delimiter, quotation mark, header and encoding told from the text), Parquet, JSON Lines, each of
//! the texts also packed by gzip or zstd. What is wrong with a table is refused by line and column, never mended in
//! silence. One pass, two threads, bounded memory (see [`limits`]); the same bytes give the same result.

pub mod assets;
mod batch;
pub mod error;
pub mod frame;
pub mod ingest;
pub mod limits;
mod names;
pub mod options;
mod pipeline;
pub mod preview;
pub mod profile;
mod read;
pub mod shape;
pub mod split;
pub mod target;
mod values;
mod write;

pub use assets::{Assets, FOLDER, Progress, Registration, Source, is_folder, register};
pub use error::{Error, Result};
pub use frame::{Frame, FrameColumn, MISSING_CODE, Values, load};
pub use ingest::{Ingested, ingest};
pub use options::{Compression, Dialect, FileFormat, Format, MISSING, ReadOptions};
pub use preview::{Preview, preview, read_text};
pub use profile::{ColumnProfile, Extreme, Histogram, Profile, TopValue};
pub use shape::Shape;
pub use split::{Split, split};
pub use target::check_target;
pub use values::Layout;
pub use write::{is_part, write_csv};

#[cfg(test)]
mod tests;

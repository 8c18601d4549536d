//! The limits of reading a table. Memory in use is about [`COLUMN_MEMORY`] plus a few times [`BLOCK_BYTES`], however
//! long the table is.

/// Columns of a table.
pub const COLUMNS_MAX: usize = 16_384;
/// Bytes of one record; memory grows to a few times this only when a record is that long.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// Bytes of a record of JSON Lines.
pub const LINE_BYTES_MAX: usize = RECORD_BYTES_MAX;
/// Bytes read at a time. Part of the result: sums are formed block by block.
pub const BLOCK_BYTES: usize = 512 << 10;
/// Bytes looked at to tell format, encoding, delimiter and header.
pub const HEAD_BYTES: usize = 128 << 10;
/// Blocks that may wait between the two threads.
pub const BLOCKS_AHEAD: usize = 2;
/// Unpacked bytes from which on the ratio to packed ones is held to [`UNPACK_RATIO_MAX`].
pub const UNPACK_FREE_BYTES: u64 = 1 << 30;
/// Unpacked bytes a packed byte.
pub const UNPACK_RATIO_MAX: u64 = 500;
/// Bytes for the statistics of all columns together.
pub const COLUMN_MEMORY: usize = 80 << 20;
/// Most frequent values a profile lists.
pub const TOP_VALUES: usize = 20;
/// Bins of a histogram.
pub const HISTOGRAM_BINS: usize = 20;
/// Distinct texts up to which a column is a category however often each occurs; more must occur
/// [`CATEGORY_REPEATS`] times on average.
pub const CATEGORY_VALUES: u64 = 20;
/// How often a category's values must occur on average.
pub const CATEGORY_REPEATS: u64 = 2;
/// Rows of a preview.
pub const PREVIEW_ROWS_MAX: usize = 10_000;

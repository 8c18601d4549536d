//! Settings of the store.

use domain::Span;
use serde::Deserialize;

/// Section `store`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the master key is that seals secrets: see [`crate::MasterKey`].
    pub master_key: String,
    /// Request-log segments.
    pub segments: SegmentConfig,
}

/// Section `store.segments`: how much request log is kept, and what a query on it may cost.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentConfig {
    /// Rows after which a new segment begins.
    pub rows: u64,
    /// Bytes of all segments together; the oldest are dropped beyond it.
    pub max_bytes: u64,
    /// Time a read-only query may take.
    pub query_time: Span,
    /// Rows a read-only query may answer.
    pub query_rows: u32,
}

//! From bytes to rows: unpack, decode, tell the format, cut into cells.

pub(crate) mod csv;
pub(crate) mod encoding;
pub(crate) mod header;
pub(crate) mod jsonl;
pub(crate) mod open;
pub(crate) mod parquet;
pub(crate) mod peek;
pub(crate) mod scan;
pub(crate) mod sniff;
pub(crate) mod unpack;

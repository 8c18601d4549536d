//! Protocol buffer types of the ONNX format, and the guard that bounds their decoding.

pub(crate) mod generated;
pub(crate) mod guard;

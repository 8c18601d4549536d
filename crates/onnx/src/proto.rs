//! Protocol buffer types of the ONNX format, and the guard that bounds their decoding.

#[expect(clippy::enum_variant_names, reason = "generated from onnx-ml.proto, which chose the names")]
pub(crate) mod generated;
pub(crate) mod guard;

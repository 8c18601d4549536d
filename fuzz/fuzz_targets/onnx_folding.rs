//! Fuzz target `onnx_folding`; what is fed stands where it calls.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portcullis_fuzz::bodies::onnx_folding(data));

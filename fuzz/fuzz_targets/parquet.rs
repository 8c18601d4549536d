//! Fuzz target `parquet`; what is fed stands where it calls.
#![no_main]

// A panic of the format library ends its thread, which is a refusal of the file: only one of the body itself is a crash.
libfuzzer_sys::fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |data: &[u8]| portcullis_fuzz::bodies::parquet(data));

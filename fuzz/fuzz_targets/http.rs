//! Fuzz target `http`; what is fed stands where it calls.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| web::fuzzing::http(data));

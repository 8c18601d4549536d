//! Fuzz target `policy`; what is fed stands where it calls.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portcullis_fuzz::bodies::policy(data));

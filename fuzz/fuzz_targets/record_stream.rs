//! The check `record_stream`, given whatever the fuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::run("record_stream", input));

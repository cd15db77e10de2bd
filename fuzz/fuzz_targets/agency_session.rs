//! The check `agency_session`, given whatever the fuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::run("agency_session", input));

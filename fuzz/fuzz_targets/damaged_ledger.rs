//! The check `damaged_ledger`, given whatever the fuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::run("damaged_ledger", input));

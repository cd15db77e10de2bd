//! The check `bets_text`, given whatever the fuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::run("bets_text", input));

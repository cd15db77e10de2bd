//! The check `frame_decoder`, given whatever the fuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::run("frame_decoder", input));

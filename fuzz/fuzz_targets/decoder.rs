//! Arbitrary input for the decoder; what must hold is in `checks/decoder.rs`.

#![no_main]

#[path = "../checks/decoder.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::check(input));

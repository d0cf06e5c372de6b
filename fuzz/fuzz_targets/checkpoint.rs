//! Arbitrary input for the checkpoint reader; what must hold is in `checks/checkpoint.rs`.

#![no_main]

#[path = "../checks/checkpoint.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::check(input));

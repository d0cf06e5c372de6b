//! Arbitrary input for the line encoder; what must hold is in `checks/line_protocol.rs`.

#![no_main]

#[path = "../checks/line_protocol.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::check(input));

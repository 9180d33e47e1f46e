//! Any `Location`, and any realm: what must hold is said in `ocitect::registry::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ocitect::registry::fuzzing::location(data));

//! Any `Retry-After`, and any words about a quota: what must hold is said in `ocitect::registry::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ocitect::registry::fuzzing::limits(data));

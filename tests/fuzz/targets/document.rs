//! Any manifest, index or config: what must hold is said in `ocitect::model::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ocitect::model::fuzzing::document(data));

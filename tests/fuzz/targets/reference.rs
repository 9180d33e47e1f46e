//! Any name of an image: what must hold is said in `ocitect::model::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ocitect::model::fuzzing::reference(data));

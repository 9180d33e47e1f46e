//! Any name of an image: the properties are in `ocitect::model::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ocitect::model::fuzzing::reference(data));

//! Any spec file: the properties are in `ocitect::spec::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ocitect::spec::fuzzing::spec(data));

//! Any spec file: what must hold is said in `ocitect::spec::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ocitect::spec::fuzzing::spec(data));

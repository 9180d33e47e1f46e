//! Any compose file and any env file: the properties are in `ocitect::deploy::compose::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ocitect::deploy::compose::fuzzing::compose(data));

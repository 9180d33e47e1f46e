//! Any value of a compose file: the properties are in `ocitect::deploy::compose::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ocitect::deploy::compose::fuzzing::interpolation(data));

//! Any block at any level: the properties are in `ocitect::compress::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ocitect::compress::fuzzing::deflate(data));

//! Any block at any level: what must hold is said in `ocitect::compress::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ocitect::compress::fuzzing::deflate(data));

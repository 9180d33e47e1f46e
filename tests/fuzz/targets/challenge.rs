//! Any headers `WWW-Authenticate`: what must hold is said in `ocitect::registry::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ocitect::registry::fuzzing::challenge(data));

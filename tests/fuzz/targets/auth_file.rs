//! Any credential file: the properties are in `ocitect::registry::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ocitect::registry::fuzzing::auth_file(data));

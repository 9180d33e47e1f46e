//! Any file that deploys images: the properties are in `ocitect::deploy::pin::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ocitect::deploy::pin::fuzzing::pin(data));

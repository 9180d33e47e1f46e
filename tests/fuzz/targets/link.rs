//! Any `Link` headers: the properties are in `ocitect::registry::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ocitect::registry::fuzzing::link(data));

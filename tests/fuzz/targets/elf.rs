//! Any bytes as an ELF file: a result or an error, never a panic, within the limits of the module.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ocitect::elf::{ElfFacts, MAX_STRINGS, MAX_TEXT_BYTES};

fuzz_target!(|data: &[u8]| {
    if let Ok(Some(facts)) = ElfFacts::read(data) {
        let needs = facts.version_needs.iter().flat_map(|need| need.versions.iter().chain([&need.library]));
        let names: Vec<&Vec<u8>> = facts.needed.iter().chain(&facts.version_definitions).chain(needs).collect();
        assert!(names.len() <= MAX_STRINGS);
        assert!(names.iter().map(|name| name.len()).sum::<usize>() <= MAX_TEXT_BYTES);
    }
});

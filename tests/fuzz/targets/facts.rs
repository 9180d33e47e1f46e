//! Any bytes as the facts of a base: a result or an error, never a panic; valid facts are encoded to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ocitect::model::Digest;
use ocitect::tree::Facts;

fuzz_target!(|data: &[u8]| {
    // Almost any input would fail at the checksum: it is corrected.
    let mut bytes = data.to_vec();
    bytes.extend_from_slice(Digest::of(data).hex().as_bytes());
    if let Ok(facts) = Facts::decode(&bytes) {
        assert_eq!(facts.encode(), bytes);
    }
});

//! Any bytes as the facts of a base: an answer or an error, never a panic; and what is taken is written back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ocitect::model::Digest;
use ocitect::tree::Facts;

fuzz_target!(|data: &[u8]| {
    // The checksum would keep everything out that is worth trying: it is put right.
    let mut bytes = data.to_vec();
    bytes.extend_from_slice(Digest::of(data).hex().as_bytes());
    if let Ok(facts) = Facts::decode(&bytes) {
        assert_eq!(facts.encode(), bytes);
    }
});

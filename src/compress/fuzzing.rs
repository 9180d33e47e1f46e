//! Properties that hold for all compressed data. Compiled for tests and fuzzers only: the target in `tests/fuzz` checks
//! them on bytes from libFuzzer, and the test here on the seeds.

use flate2::{Decompress, FlushDecompress, Status};

use super::deflate::{Encoder, Level};

/// Greatest size of the output beyond that of the input: the headers of stored blocks, of which there are few, and the
/// byte boundary.
const MAX_OVERHEAD_BYTES: usize = 64;

/// Checks a level, given as a digit, and a block: the encoded block decodes to the same bytes, is not much larger, and
/// does not depend on earlier uses of the encoder.
pub fn deflate(data: &[u8]) {
    let Some((level, block)) = data.split_first() else {
        return;
    };
    let level = Level::new(level.wrapping_sub(b'0') % 10).expect("there are ten levels");
    let mut encoder = Encoder::new(level);
    let encoded = encoder.encode(block);
    assert_eq!(encoded, encoder.encode(block));
    assert!(encoded.len() <= block.len() + block.len() / 1024 + MAX_OVERHEAD_BYTES);
    let mut bytes = vec![0; block.len() + 1];
    let mut inflater = Decompress::new(false);
    let status = inflater
        .decompress(&encoded, &mut bytes, FlushDecompress::Sync)
        .expect("it is deflate");
    assert_ne!(status, Status::StreamEnd);
    assert_eq!(
        (inflater.total_in(), inflater.total_out()),
        (encoded.len() as u64, block.len() as u64)
    );
    assert_eq!(&bytes[..block.len()], block);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::deflate;

    /// Number of positions at which a seed is cut.
    const MAX_CUTS: usize = 64;

    #[test]
    fn the_seeds_of_blocks_hold() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds/deflate");
        let seeds: Vec<Vec<u8>> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| fs::read(entry.unwrap().path()).unwrap())
            .collect();
        assert!(!seeds.is_empty());
        for seed in &seeds {
            for level in b'0'..=b'9' {
                deflate(&[&[level], &seed[1..]].concat());
            }
            for at in (0..seed.len()).step_by(seed.len().div_ceil(MAX_CUTS)) {
                deflate(&seed[..at]);
                deflate(&[&seed[..at], &seed[at + 1..]].concat());
            }
        }
    }
}

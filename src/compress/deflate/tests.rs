//! Tests of the whole encoder: its output is decoded by zlib-rs and by a strict reader of our own.

mod codes;
mod golden;
mod inputs;
mod reader;
mod shapes;

use flate2::{Decompress, FlushDecompress, Status};
use proptest::prelude::*;

use super::{BLOCK_MAX, Encoder, Level};
use inputs::{Piece, shapes};
use reader::{Kind, Stream};

/// Decodes `encoded`, which has no final block, with zlib-rs.
fn inflate(encoded: &[u8], size_bytes: usize) -> Vec<u8> {
    let mut inflater = Decompress::new(false);
    let mut bytes = vec![0; size_bytes + 1];
    let status = inflater.decompress(encoded, &mut bytes, FlushDecompress::Sync).unwrap();
    assert_ne!(status, Status::StreamEnd, "no block is final");
    assert_eq!(inflater.total_in(), encoded.len() as u64);
    bytes.truncate(usize::try_from(inflater.total_out()).unwrap());
    bytes
}

fn encode(level: u8, block: &[u8]) -> Vec<u8> {
    Encoder::new(Level::new(level).unwrap()).encode(block)
}

/// Encodes, and decodes in both ways.
fn read_back(level: u8, block: &[u8]) -> Stream {
    let encoded = encode(level, block);
    assert!(
        inflate(&encoded, block.len()) == block,
        "level {level}: zlib-rs reads something else"
    );
    let stream = Stream::read(&encoded);
    assert!(
        stream.bytes == block,
        "level {level}: the strict reader reads something else"
    );
    stream
}

#[test]
fn there_are_ten_levels() {
    assert!((0..=9).all(|number| Level::new(number).is_some()));
    assert_eq!(Level::new(10), None);
}

#[test]
fn every_shape_comes_back_at_every_level() {
    for (name, block) in shapes() {
        for level in 0..=9 {
            let stream = read_back(level, &block);
            if level == 0 {
                assert!(stream.blocks.iter().all(|kind| *kind == Kind::Stored), "{name}");
            }
        }
    }
}

#[test]
fn no_bytes_encode_to_no_bytes() {
    for level in 0..=9 {
        assert_eq!(encode(level, &[]), Vec::<u8>::new());
    }
}

#[test]
fn every_single_byte_comes_back() {
    for byte in 0..=255 {
        read_back(1, &[byte]);
        read_back(9, &[byte, byte]);
    }
}

#[test]
fn every_short_length_comes_back() {
    let zeros = [0; 600];
    let text = inputs::words(7, 600);
    for size in 0..600 {
        read_back(6, &zeros[..size]);
        read_back(7, &text[..size]);
    }
}

#[test]
fn a_used_encoder_writes_what_a_fresh_one_does() {
    for level in 0..=9 {
        let mut used = Encoder::new(Level::new(level).unwrap());
        for _ in 0..2 {
            for (name, block) in shapes() {
                assert!(used.encode(&block) == encode(level, &block), "{name} at level {level}");
            }
        }
    }
}

#[test]
fn output_is_never_much_larger_than_input() {
    for (name, block) in shapes() {
        for level in 0..=9 {
            // Five bytes per stored block, the first of which may have to fill a byte, and as many for the byte
            // boundary.
            let bound = block.len() + 6 * (block.len() / 16_384 + 2);
            assert!(encode(level, &block).len() <= bound, "{name} at level {level}");
        }
    }
}

#[test]
fn more_than_two_mebibytes_are_cut() {
    let block = inputs::words(3, BLOCK_MAX + 70_000);
    for level in [0, 1, 6] {
        read_back(level, &block);
    }
    read_back(6, &inputs::random(4, BLOCK_MAX + 1));
    read_back(6, &vec![0; BLOCK_MAX]);
}

#[test]
fn higher_levels_are_smaller() {
    let block = inputs::words(11, 300_000);
    let sizes: Vec<usize> = (0..=9).map(|level| encode(level, &block).len()).collect();
    assert!(sizes.is_sorted_by(|lower, higher| higher <= lower), "{sizes:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn pieces_in_any_order_come_back(pieces in prop::collection::vec(any_piece(), 0..24), level in 0..=9_u8) {
        let block = inputs::join(&pieces);
        read_back(level, &block);
    }

    #[test]
    fn any_bytes_come_back(block in prop::collection::vec(any::<u8>(), 0..3000), level in 0..=9_u8) {
        read_back(level, &block);
    }
}

fn any_piece() -> impl Strategy<Value = Piece> {
    let size = prop_oneof![0..40_usize, 250..270_usize, 0..3000_usize, 30_000..40_000_usize];
    let distance = prop_oneof![1..20_usize, 1..5000_usize, 32_760..32_780_usize];
    prop_oneof![
        (any::<u8>(), size.clone()).prop_map(|(byte, size)| Piece::Repeated { byte, size }),
        (any::<u64>(), size.clone()).prop_map(|(seed, size)| Piece::Random { seed, size }),
        (any::<u64>(), 1..=255_u8, size.clone()).prop_map(|(seed, bound, size)| Piece::Below { seed, bound, size }),
        (any::<u64>(), size.clone()).prop_map(|(seed, size)| Piece::Words { seed, size }),
        (distance, size).prop_map(|(distance, size)| Piece::Copy { distance, size }),
    ]
}

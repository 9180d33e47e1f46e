//! Tests of levels and blocks, and that the bytes depend only on the stream.

use std::io::{Read, Write};

use flate2::bufread::MultiGzDecoder;
use proptest::prelude::*;

use super::super::{Checksum, Encoder, GZIP_BLOCK_UNIT_BYTES, MAX_BLOCK_UNITS, ZSTD_BLOCK_UNIT_BYTES};
use super::{Algorithm, CompressError, Compression, Random, compression, corpus, decode, encode};

#[test]
fn levels_are_checked_against_the_algorithm() {
    let level = |algorithm, level| Compression::new(algorithm, level).map(Compression::level);
    assert_eq!(level(Algorithm::Gzip, None).unwrap(), 6);
    assert_eq!(level(Algorithm::Zstd, None).unwrap(), 3);
    assert_eq!(level(Algorithm::None, None).unwrap(), 0);
    for (algorithm, inside, outside) in [(Algorithm::Gzip, [0, 9], [-1, 10]), (Algorithm::Zstd, [1, 22], [0, 23])] {
        for asked in inside {
            assert_eq!(level(algorithm, Some(asked)).unwrap(), asked);
        }
        for asked in outside.into_iter().chain([i32::MIN, i32::MAX]) {
            let error = level(algorithm, Some(asked)).unwrap_err();
            assert!(matches!(error, CompressError::LevelOutOfRange { .. }), "{error}");
        }
    }
    let error = level(Algorithm::Gzip, Some(10)).unwrap_err();
    assert_eq!(error.to_string(), "gzip has no level 10: expected 0 to 9");
    let error = level(Algorithm::None, Some(0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "compression `none` takes no level, but level 0 was given"
    );
}

#[test]
fn a_block_over_the_block_size_is_refused() {
    for algorithm in [Algorithm::Gzip, Algorithm::Zstd, Algorithm::None] {
        let compression = Compression::new(algorithm, None).unwrap();
        let block = vec![0; MAX_BLOCK_UNITS * compression.block_unit_bytes() + 1];
        assert!(compression.block_encoder().encode(&block[1..]).is_ok());
        let error = compression.block_encoder().encode(&block).unwrap_err();
        assert!(matches!(error, CompressError::BlockTooLarge { .. }), "{error}");
    }
}

#[test]
fn an_empty_block_is_no_bytes() {
    for algorithm in [Algorithm::Gzip, Algorithm::Zstd, Algorithm::None] {
        let compression = Compression::new(algorithm, None).unwrap();
        assert_eq!(compression.block_encoder().encode(&[]).unwrap(), Vec::<u8>::new());
    }
}

#[test]
fn blocks_that_cannot_be_compressed_fit_at_every_level() {
    let mut random = Random::new(7);
    let block: Vec<u8> = (0..ZSTD_BLOCK_UNIT_BYTES).map(|_| random.next() as u8).collect();
    for level in 0..=9 {
        for size_bytes in [1, 2, 255, 65_535, 65_536, GZIP_BLOCK_UNIT_BYTES] {
            let encoded = encode(compression(Algorithm::Gzip, level), &block[..size_bytes]);
            assert_eq!(decode(Algorithm::Gzip, &encoded).unwrap(), block[..size_bytes]);
        }
    }
    for level in [1, 3, 9, 22] {
        let encoded = encode(compression(Algorithm::Zstd, level), &block);
        assert!(encoded.len() < block.len() + 256);
        assert_eq!(decode(Algorithm::Zstd, &encoded).unwrap(), block);
    }
}

#[test]
fn blocks_are_the_same_in_any_order_and_thread() {
    let stream = corpus(5 * 1024 * 1024 + 4321);
    for (algorithm, level) in [(Algorithm::Gzip, 6), (Algorithm::Gzip, 9), (Algorithm::Zstd, 3)] {
        let compression = compression(algorithm, level);
        let blocks: Vec<&[u8]> = stream.chunks(compression.block_unit_bytes()).collect();
        let encode_all = |blocks: &mut dyn Iterator<Item = &[u8]>| -> Vec<Vec<u8>> {
            blocks
                .map(|block| compression.block_encoder().encode(block).unwrap())
                .collect()
        };
        let forwards = encode_all(&mut blocks.iter().copied());
        let mut backwards = encode_all(&mut blocks.iter().rev().copied());
        backwards.reverse();
        assert!(forwards == backwards, "{algorithm} depends on order");
        let side_by_side: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let threads: Vec<_> = blocks
                .iter()
                .map(|block| scope.spawn(|| compression.block_encoder().encode(block).unwrap()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(forwards == side_by_side, "{algorithm} depends on threads");
    }
}

#[test]
fn the_encoder_makes_the_same_bytes_for_any_size_of_writes() {
    let stream = corpus(GZIP_BLOCK_UNIT_BYTES * 2 + 77);
    for algorithm in [Algorithm::Gzip, Algorithm::Zstd, Algorithm::None] {
        let compression = Compression::new(algorithm, None).unwrap();
        let expected = encode(compression, &stream);
        for write_bytes in [13, 4096, GZIP_BLOCK_UNIT_BYTES - 1, usize::MAX] {
            let mut encoder = Encoder::new(compression, Vec::new()).unwrap();
            for part in stream.chunks(write_bytes) {
                encoder.write_all(part).unwrap();
                encoder.flush().unwrap();
            }
            assert!(encoder.finish().unwrap() == expected, "{algorithm}, {write_bytes}");
        }
    }
}

#[test]
fn gzip_is_one_member_with_our_header() {
    let stream = corpus(GZIP_BLOCK_UNIT_BYTES * 2 + 5);
    let encoded = encode(compression(Algorithm::Gzip, 6), &stream);
    assert_eq!(encoded[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
    let mut decoded = Vec::new();
    let mut member = flate2::bufread::GzDecoder::new(&encoded[..]);
    member.read_to_end(&mut decoded).unwrap();
    assert!(decoded == stream);
    assert!(member.into_inner().is_empty(), "one member holds all");
    decoded.clear();
    MultiGzDecoder::new(&encoded[..]).read_to_end(&mut decoded).unwrap();
    assert!(decoded == stream);
}

#[test]
fn gzip_blocks_end_at_a_byte_boundary() {
    let block = compression(Algorithm::Gzip, 6)
        .block_encoder()
        .encode(b"block")
        .unwrap();
    assert!(
        block.ends_with(&[0, 0, 0xff, 0xff]),
        "the empty stored block of a sync flush"
    );
}

#[test]
fn zstd_frames_carry_content_size_and_checksum() {
    let frame = compression(Algorithm::Zstd, 3)
        .block_encoder()
        .encode(&corpus(70_000))
        .unwrap();
    // RFC 8878 section 3.1.1.1.1: content size flag in bits 7-6, single segment in 5, checksum in 2, dictionary in 1-0.
    assert_eq!(frame[4], 0b1010_0100);
    assert_eq!(frame[5..9], 70_000u32.to_le_bytes());
}

#[test]
fn checksums_of_parts_join_to_that_of_the_whole() {
    let stream = corpus(100_000);
    let mut joined = Checksum::new();
    for part in stream.chunks(777) {
        joined.append(&Checksum::of(part));
    }
    let whole = Checksum::of(&stream);
    assert_eq!((joined.crc32(), joined.size_bytes()), (whole.crc32(), 100_000));
    assert_eq!(Checksum::of(b"123456789").crc32(), 0xcbf4_3926);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn streams_around_block_boundaries_come_back(
        blocks in 0usize..3, offset in -3isize..=3, seed: u64, level in 0i32..=9,
    ) {
        let size_bytes = (GZIP_BLOCK_UNIT_BYTES * blocks).saturating_add_signed(offset);
        let mut random = Random::new(seed);
        let mut stream = corpus(size_bytes);
        for _ in 0..random.below(1000) {
            if let Some(byte) = stream.get_mut(random.below(size_bytes.max(1) as u64)) {
                *byte = random.next() as u8;
            }
        }
        let encoded = encode(compression(Algorithm::Gzip, level), &stream);
        prop_assert!(decode(Algorithm::Gzip, &encoded).unwrap() == stream);
        let encoded = encode(compression(Algorithm::Zstd, level + 1), &stream);
        prop_assert!(decode(Algorithm::Zstd, &encoded).unwrap() == stream);
    }

    #[test]
    fn any_bytes_come_back(stream in proptest::collection::vec(any::<u8>(), 0..3000), level in 1i32..=9) {
        for algorithm in [Algorithm::Gzip, Algorithm::Zstd] {
            let encoded = encode(compression(algorithm, level), &stream);
            prop_assert_eq!(&decode(algorithm, &encoded).unwrap(), &stream);
        }
    }
}

#[test]
fn zstd_streams_around_the_block_size_come_back() {
    let stream = corpus(ZSTD_BLOCK_UNIT_BYTES + 1);
    for size_bytes in [
        ZSTD_BLOCK_UNIT_BYTES - 1,
        ZSTD_BLOCK_UNIT_BYTES,
        ZSTD_BLOCK_UNIT_BYTES + 1,
    ] {
        let encoded = encode(compression(Algorithm::Zstd, 3), &stream[..size_bytes]);
        assert!(decode(Algorithm::Zstd, &encoded).unwrap() == stream[..size_bytes]);
    }
}

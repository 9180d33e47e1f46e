//! Inputs with a required output: the kind of block, the longest match, the edge of the window.

use super::inputs::{below, mixed, random, words};
use super::reader::{Kind, Stream};
use super::{encode, inflate, read_back};

#[test]
fn noise_is_stored() {
    for level in 0..=9 {
        let stream = read_back(level, &random(1, 150_000));
        assert!(
            stream.blocks.iter().all(|kind| *kind == Kind::Stored),
            "level {level}: {:?}",
            stream.blocks
        );
    }
}

#[test]
fn a_short_text_has_fixed_codes() {
    for level in 1..=9 {
        let stream = read_back(level, b"hello hello hello");
        assert_eq!(stream.blocks[0], Kind::Fixed);
    }
}

#[test]
fn a_long_text_has_codes_of_its_own() {
    for level in 1..=9 {
        let stream = read_back(level, &words(1, 20_000));
        assert_eq!(stream.blocks[0], Kind::Dynamic);
    }
}

#[test]
fn blocks_encoded_apart_may_be_put_together() {
    for level in 0..=9 {
        let mut encoded = Vec::new();
        let mut bytes = Vec::new();
        for size in 0..64 {
            let block = words(size as u64, size);
            encoded.extend(encode(level, &block));
            bytes.extend(block);
        }
        assert!(Stream::read(&encoded).bytes == bytes, "level {level}");
        assert!(inflate(&encoded, bytes.len()) == bytes, "level {level}");
    }
}

#[test]
fn a_repeated_byte_takes_the_longest_matches_at_distance_1() {
    for level in 1..=9 {
        let stream = read_back(level, &[b'a'; 1 + 258 * 4]);
        assert!(
            stream.matches.iter().filter(|found| **found == (258, 1)).count() >= 3,
            "{:?}",
            stream.matches
        );
    }
}

/// Returns bytes of 6 bits in which nothing of length 8 repeats except a mark, at a distance of `distance` bytes.
fn marked(distance: usize) -> Vec<u8> {
    let mark: Vec<u8> = (100..164).collect();
    let mut block = mark.clone();
    block.extend(below(3, 64, distance - mark.len()));
    block.extend(mark);
    block
}

#[test]
fn the_whole_window_is_used() {
    for level in 1..=9 {
        let stream = read_back(level, &marked(32_768));
        assert!(
            stream
                .matches
                .iter()
                .any(|(length, distance)| *distance == 32_768 && *length > 50),
            "level {level}"
        );
    }
}

#[test]
fn nothing_behind_the_window_is_used() {
    for distance in [32_769, 65_536, 65_537, 131_072] {
        for level in 1..=9 {
            let stream = read_back(level, &marked(distance));
            assert!(stream.matches.iter().all(|(_, distance)| *distance <= 32_768));
            assert!(
                stream.matches.iter().all(|(length, _)| *length < 50),
                "level {level}, {distance} apart"
            );
        }
    }
}

#[test]
fn all_bytes_once_are_literals() {
    let stream = read_back(6, &(0..=255).collect::<Vec<u8>>());
    assert!(stream.matches.is_empty());
}

#[test]
fn noise_that_stood_there_before_is_found() {
    let part = random(1, 16 * 1024);
    for level in 1..=9 {
        let encoded = encode(level, &[&part[..], &part[..]].concat());
        assert!(
            encoded.len() < part.len() + part.len() / 4,
            "level {level}: {}",
            encoded.len()
        );
    }
}

#[test]
fn text_between_noise_is_compressed() {
    let text_and_noise = mixed(256 * 1024);
    let noise_only = text_and_noise.len() / 2;
    for level in 1..=9 {
        let encoded = encode(level, &text_and_noise).len();
        assert!(encoded < noise_only + noise_only / 2, "level {level}: {encoded}");
    }
}

#[test]
fn blocks_end_where_the_data_changes() {
    let parts = [words(1, 60_000), below(2, 200, 60_000), random(3, 60_000)];
    let apart: usize = parts.iter().map(|part| encode(6, part).len()).sum();
    let together = encode(6, &parts.concat());
    assert!(
        together.len() < apart + apart / 100,
        "{} together, {apart} apart",
        together.len()
    );
}

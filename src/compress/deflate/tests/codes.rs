//! Tests codes and blocks separately, with counts that no text has.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::super::bits::Output;
use super::super::block::{self, Tables};
use super::super::entropy::{BIT, block_cost};
use super::super::header::Header;
use super::super::huffman::{code_lengths, codes};
use super::super::matcher::Match;
use super::super::noise::is_noise;
use super::super::tokens::{Sequence, Tally};
use super::super::window::Window;
use super::inputs::{Random, below, random, words};
use super::reader::{self, Kind, Stream};

fn lengths_of(counts: &[u32], limit: usize) -> Vec<u8> {
    let mut lengths = vec![0; counts.len()];
    code_lengths(counts, limit, &mut lengths);
    lengths
}

fn size_bits(counts: &[u32], lengths: &[u8]) -> u64 {
    counts
        .iter()
        .zip(lengths)
        .map(|(count, length)| u64::from(*count) * u64::from(*length))
        .sum()
}

/// Returns the size of Huffman's code, as the sum of the weights of its inner nodes.
fn best_size_bits(counts: &[u32]) -> u64 {
    let mut heap: BinaryHeap<_> = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| Reverse(u64::from(*count)))
        .collect();
    let mut size = 0;
    while heap.len() > 1 {
        let sum = heap.pop().unwrap().0 + heap.pop().unwrap().0;
        size += sum;
        heap.push(Reverse(sum));
    }
    size
}

fn assert_complete(lengths: &[u8], limit: usize) {
    assert!(
        lengths.iter().all(|length| usize::from(*length) <= limit),
        "{lengths:?}"
    );
    let sum: u64 = lengths
        .iter()
        .filter(|length| **length > 0)
        .map(|length| 1 << (limit - usize::from(*length)))
        .sum();
    assert_eq!(sum, 1 << limit, "{lengths:?}");
}

fn fibonacci(count: usize) -> Vec<u32> {
    let mut numbers = vec![1, 1];
    while numbers.len() < count {
        numbers.push(numbers[numbers.len() - 1] + numbers[numbers.len() - 2]);
    }
    numbers
}

#[test]
fn codes_are_optimal_where_no_limit_is_met() {
    let mut random = Random::new(1);
    for symbols in [2, 3, 4, 19, 30, 286] {
        for _ in 0..50 {
            let bound = 1 + random.below(5000) as u64;
            let counts: Vec<u32> = (0..symbols).map(|_| random.below(bound) as u32).collect();
            if counts.iter().filter(|count| **count > 0).count() < 2 {
                continue;
            }
            let lengths = lengths_of(&counts, 15);
            assert_complete(&lengths, 15);
            assert!(
                counts
                    .iter()
                    .zip(&lengths)
                    .all(|(count, length)| (*count > 0) == (*length > 0))
            );
            if lengths.iter().all(|length| *length < 15) {
                assert_eq!(size_bits(&counts, &lengths), best_size_bits(&counts));
            }
        }
    }
}

#[test]
fn limits_are_kept_and_cost_little() {
    for (symbols, limit) in [(19, 7), (10, 7), (27, 14), (27, 15), (30, 15)] {
        let counts = fibonacci(symbols);
        let lengths = lengths_of(&counts, limit);
        assert_complete(&lengths, limit);
        assert_eq!(usize::from(*lengths.iter().max().unwrap()), limit);
        let size = size_bits(&counts, &lengths);
        let best = best_size_bits(&counts);
        assert!(size <= best + best / 20, "{size} bits, {best} without the limit");
    }
}

#[test]
fn a_code_has_two_symbols_at_least() {
    assert_eq!(lengths_of(&[0, 0, 0], 15), [1, 1, 0]);
    assert_eq!(lengths_of(&[9, 0, 0], 15), [1, 1, 0]);
    assert_eq!(lengths_of(&[0, 0, 9], 15), [1, 0, 1]);
}

#[test]
fn codes_are_numbered_as_the_standard_says() {
    // The example of section 3.2.2: lengths (3, 3, 3, 3, 3, 2, 4, 4); codes here have their first bit lowest.
    let mut found = [0; 8];
    codes(&[3, 3, 3, 3, 3, 2, 4, 4], &mut found);
    let expected = [0b010, 0b110, 0b001, 0b101, 0b011, 0b00, 0b0111, 0b1111];
    assert_eq!(found, expected);
}

/// Writes only a header, and reads it.
fn assert_header(literals: &[u8], distances: &[u8]) -> u8 {
    let header = Header::of(literals, distances);
    let mut output = Output::new();
    let mut writer = output.writer(header.size_bits());
    header.write(&mut writer);
    writer.align();
    let end = writer.finish();
    output.take_back(end);
    assert_eq!(output.written().len() as u64, header.size_bits().div_ceil(8));
    let (mut read_literals, mut read_distances, longest) = reader::header(output.written());
    read_literals.resize(literals.len(), 0);
    read_distances.resize(distances.len(), 0);
    assert_eq!((&read_literals[..], &read_distances[..]), (literals, distances));
    longest
}

#[test]
fn headers_of_runs_of_any_length_come_back() {
    for run in 1..=286 {
        for length in [0, 8] {
            let mut literals = [7; 286];
            literals[..run].fill(length);
            assert_header(&literals, &[1, 1]);
            literals[..run].fill(3);
            literals[run..].fill(length);
            assert_header(&literals, &[0; 30]);
        }
    }
}

#[test]
fn code_lengths_may_need_their_longest_codes() {
    // Lengths with Fibonacci numbers as frequencies, distributed so that they form no runs.
    let mut left: Vec<(u32, u8)> = fibonacci(11).into_iter().zip(3..).collect();
    let mut literals = Vec::new();
    while left.iter().any(|(count, _)| *count > 0) {
        left.sort();
        let last = literals.last().copied();
        let pick = left
            .iter()
            .rposition(|(count, length)| *count > 0 && Some(*length) != last);
        let pick = pick.or_else(|| left.iter().rposition(|(count, _)| *count > 0)).unwrap();
        left[pick].0 -= 1;
        literals.push(left[pick].1);
    }
    literals.resize(286, 0);
    assert_eq!(assert_header(&literals, &[1, 1]), 7);
}

/// Writes one block of given sequences, and reads it.
fn written(bytes: &[u8], matches: &[(usize, Match)]) -> Stream {
    let mut tally = Tally::new();
    let mut sequences = Vec::new();
    let mut at = 0;
    for (match_at, found) in matches {
        bytes[at..*match_at].iter().for_each(|byte| tally.literal(*byte));
        sequences.push(tally.sequence(match_at - at, found.length, found.distance));
        at = match_at + found.length;
    }
    bytes[at..].iter().for_each(|byte| tally.literal(*byte));
    sequences.push(Sequence::of_literals(bytes.len() - at));
    tally.end();
    let mut window = Window::new();
    let mut output = Output::new();
    window.fill(bytes);
    block::write(bytes, &window, 0, &sequences, &tally, &mut Tables::new(), &mut output);
    block::write_stored(&[], &mut output);
    let stream = Stream::read(output.written());
    assert!(stream.bytes == bytes);
    stream
}

#[test]
fn literals_as_rare_as_can_be_are_limited() {
    // Without a limit the rarest symbols would have codes of 23 bits. The first count is that of the end of the block.
    let mut bytes: Vec<u8> = Vec::new();
    for (symbol, count) in (0..).zip(fibonacci(24).into_iter().skip(1)) {
        bytes.extend(vec![symbol; count as usize]);
    }
    let stream = written(&bytes, &[]);
    assert_eq!(stream.blocks[0], Kind::Dynamic);
    assert_eq!(stream.longest_code, 14);
    assert!(stream.matches.is_empty());
}

#[test]
fn a_block_may_have_one_distance_and_every_length() {
    let bytes = vec![9; 40_000];
    let mut at = 1;
    let mut matches = Vec::new();
    for length in (3..=258).rev() {
        matches.push((at, Match { length, distance: 1 }));
        at += length + length % 5;
    }
    let stream = written(&bytes, &matches);
    assert_eq!(stream.blocks[0], Kind::Dynamic);
    assert_eq!(stream.matches.len(), matches.len());
}

#[test]
fn every_distance_has_its_symbol() {
    let bytes = vec![5; 40_000 * 3];
    let mut matches = Vec::new();
    for (index, distance) in (1..=32_768_usize)
        .enumerate()
        .filter(|(index, _)| index % 7 == 0 || *index > 32_700)
    {
        let at = 33_000 + index * 2;
        if matches.last().is_none_or(|(last, _): &(usize, Match)| last + 3 <= at) {
            matches.push((at, Match { length: 3, distance }));
        }
    }
    let stream = written(&bytes, &matches);
    let expected: Vec<(usize, usize)> = matches
        .iter()
        .map(|(_, found)| (found.length, found.distance))
        .collect();
    assert_eq!(stream.matches, expected);
}

#[test]
fn estimated_costs_are_near_the_real_ones() {
    for bytes in [words(1, 30_000), below(2, 40, 30_000), below(3, 5, 2_000_000)] {
        let mut tally = Tally::new();
        bytes.iter().for_each(|byte| tally.literal(*byte));
        tally.end();
        let counted: Vec<f64> = tally.literal_length.iter().map(|count| f64::from(*count)).collect();
        let sum: f64 = counted.iter().sum();
        let entropy: f64 = counted
            .iter()
            .filter(|count| **count > 0.0)
            .map(|count| count * (sum / count).log2())
            .sum();
        let cost = block_cost(&tally, bytes.len()) as f64 / BIT as f64;
        assert!(
            cost > entropy * 0.999 && cost < entropy * 1.01 + 600.0,
            "{cost}, but {entropy}"
        );
    }
}

#[test]
fn only_noise_is_taken_for_noise() {
    let judged = |bytes: &[u8]| {
        let mut window = Window::new();
        window.fill(bytes);
        (0..bytes.len() / 1024)
            .filter(|piece| is_noise(&window, piece * 1024))
            .count()
    };
    assert!(judged(&random(1, 1024 * 1024)) > 1000);
    assert_eq!(judged(&words(1, 1024 * 1024)), 0);
    // As base64, and as half of all bytes.
    assert_eq!(judged(&below(2, 64, 1024 * 1024)), 0);
    assert!(judged(&below(2, 128, 1024 * 1024)) < 100);
}

//! Tests of the detection of formats, of gzip, and of properties of every reader.

use std::io::{self, Cursor, Read};

use proptest::prelude::*;

use super::super::{GZIP_BLOCK_UNIT_BYTES, decoder, decoder_for, sniff};
use super::{Algorithm, CompressError, Random, compression, corpus, decode, encode, refusal};

fn gzip(stream: &[u8]) -> Vec<u8> {
    encode(compression(Algorithm::Gzip, 6), stream)
}

#[test]
fn formats_are_told_by_their_first_bytes() {
    for (prefix, expected) in [
        (&b"\x1f\x8b\x08\0"[..], Algorithm::Gzip),
        (b"\x1f\x8b\x07", Algorithm::None),
        (b"\x28\xb5\x2f\xfd", Algorithm::Zstd),
        (b"\x50\x2a\x4d\x18", Algorithm::Zstd),
        (b"\x5f\x2a\x4d\x18\0", Algorithm::Zstd),
        (b"\x60\x2a\x4d\x18", Algorithm::None),
        (b"etc/passwd\0", Algorithm::None),
        (b"BZh9-notes\0", Algorithm::None),
        (b"BZh", Algorithm::None),
        (b"P", Algorithm::None),
        (b"", Algorithm::None),
    ] {
        assert_eq!(sniff(prefix).unwrap(), expected, "{prefix:x?}");
    }
    let error = sniff(b"\xfd7zXZ\0\0\x04").unwrap_err();
    assert_eq!(error.to_string(), "xz compression is not supported");
    let error = sniff(b"BZh91AY&SY").unwrap_err();
    assert_eq!(error.to_string(), "bzip2 compression is not supported");
    let error = decoder(&b"BZh91AY&SY and more"[..]).map(drop).unwrap_err();
    assert!(matches!(
        CompressError::of(&error),
        Some(CompressError::Unsupported { .. })
    ));
}

#[test]
fn decoder_reads_what_it_finds() {
    let stream = corpus(30_000);
    for (algorithm, level) in [(Algorithm::Gzip, 6), (Algorithm::Zstd, 3)] {
        let encoded = encode(compression(algorithm, level), &stream);
        let mut decoded = Vec::new();
        decoder(&encoded[..]).unwrap().read_to_end(&mut decoded).unwrap();
        assert!(decoded == stream, "{algorithm}");
    }
    for plain in [&stream[..], &stream[..3], b""] {
        let mut decoded = Vec::new();
        decoder(plain).unwrap().read_to_end(&mut decoded).unwrap();
        assert!(decoded == plain);
    }
}

/// Returns one byte per read, with an interruption before each.
struct Trickle<'a>(&'a [u8], bool);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

#[test]
fn short_and_interrupted_reads_change_nothing() {
    let stream = corpus(3000);
    for (algorithm, level) in [(Algorithm::Gzip, 6), (Algorithm::Zstd, 3)] {
        let mut encoded = encode(compression(algorithm, level), &stream);
        encoded.extend_from_within(..);
        let mut decoded = Vec::new();
        let mut reader = decoder(Trickle(&encoded, false)).unwrap();
        let mut byte = [0];
        assert_eq!(reader.read(&mut []).unwrap(), 0);
        while reader.read(&mut byte).unwrap() > 0 {
            decoded.push(byte[0]);
        }
        assert_eq!(decoded.len(), 2 * stream.len(), "{algorithm}");
        assert!(
            decoded.starts_with(&stream) && decoded.ends_with(&stream),
            "{algorithm}"
        );
        assert_eq!(reader.read(&mut byte).unwrap(), 0, "the end stays the end");
    }
}

/// Fails when its bytes are read.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "connection lost")),
            length => Ok(length),
        }
    }
}

#[test]
fn errors_of_the_source_pass_as_they_are_and_stay() {
    let stream = corpus(200_000);
    for (algorithm, level) in [(Algorithm::Gzip, 6), (Algorithm::Zstd, 3)] {
        let encoded = encode(compression(algorithm, level), &stream);
        for cut in [0, 3, 12, encoded.len() / 2, encoded.len() - 2, encoded.len()] {
            let mut reader = decoder_for(algorithm, Broken(&encoded[..cut]));
            let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.to_string(), "connection lost", "{algorithm} at {cut}");
            assert!(CompressError::of(&error).is_none());
            let again = reader.read(&mut [0; 8]).unwrap_err();
            assert!(matches!(CompressError::of(&again), Some(CompressError::FailedBefore)));
        }
    }
}

#[test]
fn nothing_is_read_before_the_first_read() {
    for algorithm in [Algorithm::Gzip, Algorithm::Zstd, Algorithm::None] {
        let mut source = Cursor::new(b"anything");
        drop(decoder_for(algorithm, &mut source));
        assert_eq!(source.position(), 0, "{algorithm}");
    }
}

#[test]
fn gzip_cut_short_anywhere_is_an_error() {
    let encoded = gzip(&corpus(40_000));
    let places = (0..64)
        .chain((64..encoded.len()).step_by(97))
        .chain(encoded.len() - 32..encoded.len());
    for cut in places {
        let error = refusal(Algorithm::Gzip, &encoded[..cut]);
        assert!(matches!(error, CompressError::Truncated { .. }), "{error} at {cut}");
        assert_eq!(error.to_string(), "gzip stream is truncated");
    }
}

#[test]
fn gzip_cut_after_a_block_is_an_error() {
    let compression = compression(Algorithm::Gzip, 1);
    let mut encoded = compression.header().to_vec();
    encoded.extend(
        compression
            .block_encoder()
            .encode(&corpus(GZIP_BLOCK_UNIT_BYTES))
            .unwrap(),
    );
    assert!(matches!(
        refusal(Algorithm::Gzip, &encoded),
        CompressError::Truncated { .. }
    ));
}

#[test]
fn gzip_members_follow_each_other() {
    let mut encoded = gzip(b"one ");
    encoded.extend(gzip(b""));
    encoded.extend(gzip(b"two"));
    assert_eq!(decode(Algorithm::Gzip, &encoded).unwrap(), b"one two");
    let short = &encoded[..encoded.len() - 1];
    assert!(matches!(
        refusal(Algorithm::Gzip, short),
        CompressError::Truncated { .. }
    ));
    let header_only = &encoded[..gzip(b"one ").len() + 4];
    assert!(matches!(
        refusal(Algorithm::Gzip, header_only),
        CompressError::Truncated { .. }
    ));
}

#[test]
fn gzip_may_be_padded_with_zeros_alone() {
    let encoded = gzip(b"content");
    for padding_bytes in [1, 512, 200_000] {
        let mut padded = encoded.clone();
        padded.resize(encoded.len() + padding_bytes, 0);
        assert_eq!(decode(Algorithm::Gzip, &padded).unwrap(), b"content");
        padded.push(1);
        let error = refusal(Algorithm::Gzip, &padded);
        assert!(matches!(error, CompressError::TrailingData { .. }), "{error}");
    }
    let mut member_after_padding = encoded.clone();
    member_after_padding.push(0);
    member_after_padding.extend(&encoded);
    let error = refusal(Algorithm::Gzip, &member_after_padding);
    assert!(matches!(error, CompressError::TrailingData { .. }), "{error}");
}

#[test]
fn gzip_with_something_else_behind_it_is_an_error() {
    for tail in [&b"x"[..], b"trailing garbage", b"\x28\xb5\x2f\xfd", b"\xff\0\0"] {
        let mut encoded = gzip(b"content");
        encoded.extend(tail);
        let error = refusal(Algorithm::Gzip, &encoded);
        assert_eq!(error.to_string(), "gzip stream is followed by data that is not gzip");
        assert!(error.help().is_some());
    }
    let mut encoded = gzip(b"content");
    encoded.extend(b"\x1f\x8cnot a header");
    assert!(matches!(
        refusal(Algorithm::Gzip, &encoded),
        CompressError::Damaged { .. }
    ));
}

#[test]
fn gzip_with_a_wrong_checksum_or_length_is_an_error() {
    let encoded = gzip(&corpus(10_000));
    for from_end in 1..=8 {
        let mut wrong = encoded.clone();
        wrong[encoded.len() - from_end] ^= 0x10;
        let error = refusal(Algorithm::Gzip, &wrong);
        assert!(matches!(error, CompressError::Damaged { .. }), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[test]
fn what_is_not_gzip_or_zstd_at_all_is_an_error() {
    for algorithm in [Algorithm::Gzip, Algorithm::Zstd] {
        assert!(matches!(refusal(algorithm, b""), CompressError::Truncated { .. }));
        let error = refusal(algorithm, b"<html>not found</html>");
        assert!(matches!(error, CompressError::Damaged { .. }), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Damage is detected or harmless: it never causes a panic, or different content without an error.
    #[test]
    fn damaged_streams_are_refused_or_whole(seed: u64, changes in 1usize..6, gzipped: bool) {
        let mut random = Random::new(seed);
        let stream = corpus(2000 + random.below(4000));
        let (algorithm, level) = if gzipped { (Algorithm::Gzip, 6) } else { (Algorithm::Zstd, 3) };
        let mut encoded = encode(compression(algorithm, level), &stream);
        for _ in 0..changes {
            let place = random.below(encoded.len() as u64);
            encoded[place] = random.next() as u8;
        }
        if let Ok(decoded) = decode(algorithm, &encoded) {
            // A damaged magic can turn a zstd frame into a skippable one, and a damaged descriptor can remove the
            // checksum. The result is then no longer the same stream.
            prop_assert!(decoded == stream || algorithm == Algorithm::Zstd);
        }
    }

    #[test]
    fn any_bytes_behind_a_header_are_read_without_panic(
        tail in proptest::collection::vec(any::<u8>(), 0..400), gzipped: bool,
    ) {
        let (algorithm, header) = if gzipped {
            (Algorithm::Gzip, &b"\x1f\x8b\x08\0\0\0\0\0\0\xff"[..])
        } else {
            (Algorithm::Zstd, &b"\x28\xb5\x2f\xfd"[..])
        };
        let _ = io::copy(
            &mut decoder_for(algorithm, [header, &tail].concat().as_slice()).take(1 << 20),
            &mut io::sink(),
        );
    }
}

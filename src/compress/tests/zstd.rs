//! Reading zstd: frames, windows, damage.

use std::io::Read;

use super::super::{ZSTD_WINDOW_MAX_BYTES, decoder_for};
use super::{Algorithm, CompressError, compression, corpus, decode, encode, refusal};

fn zstd(stream: &[u8]) -> Vec<u8> {
    encode(compression(Algorithm::Zstd, 3), stream)
}

/// Returns a skippable frame, RFC 8878 section 3.1.2.
fn skippable(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap();
    [&b"\x53\x2a\x4d\x18"[..], &length.to_le_bytes(), content].concat()
}

/// Returns a frame with this window descriptor (section 3.1.1.1.2) that contains `content` as one raw block.
fn frame_with_window(descriptor: u8, content: &[u8]) -> Vec<u8> {
    let mut frame = b"\x28\xb5\x2f\xfd\0".to_vec();
    frame.push(descriptor);
    let block_header = (u32::try_from(content.len()).unwrap() << 3) | 1;
    frame.extend(&block_header.to_le_bytes()[..3]);
    frame.extend(content);
    frame
}

#[test]
fn frames_follow_each_other_and_skippable_ones_are_skipped() {
    let encoded = [
        skippable(b"before"),
        zstd(b"one "),
        skippable(&[0xfd; 20_000]),
        zstd(b""),
        zstd(b"two"),
        skippable(b""),
    ]
    .concat();
    assert_eq!(decode(Algorithm::Zstd, &encoded).unwrap(), b"one two");
    assert_eq!(decode(Algorithm::Zstd, &skippable(b"alone")).unwrap(), b"");
}

#[test]
fn zstd_cut_short_anywhere_is_an_error() {
    let encoded = zstd(&corpus(40_000));
    let places = (0..64)
        .chain((64..encoded.len()).step_by(97))
        .chain(encoded.len() - 32..encoded.len());
    for cut in places {
        let error = refusal(Algorithm::Zstd, &encoded[..cut]);
        assert!(matches!(error, CompressError::Truncated { .. }), "{error} at {cut}");
    }
    let two = [zstd(b"one"), zstd(b"two"), skippable(b"three")].concat();
    let boundaries = [zstd(b"one").len(), zstd(b"one").len() + zstd(b"two").len()];
    for cut in (1..two.len()).filter(|cut| !boundaries.contains(cut)) {
        let error = refusal(Algorithm::Zstd, &two[..cut]);
        assert_eq!(error.to_string(), "zstd stream is truncated", "at {cut}");
    }
}

#[test]
fn zstd_with_something_else_behind_it_is_an_error() {
    for tail in [&b"trailing garbage"[..], b"\x1f\x8b\x08\0", b"\0\0\0\0\0\0\0\0"] {
        let encoded = [&zstd(b"content"), tail].concat();
        assert!(matches!(
            refusal(Algorithm::Zstd, &encoded),
            CompressError::Damaged { .. }
        ));
    }
    let encoded = [&zstd(b"content"), &b"\0"[..]].concat();
    assert!(matches!(
        refusal(Algorithm::Zstd, &encoded),
        CompressError::Truncated { .. }
    ));
}

#[test]
fn zstd_with_a_wrong_checksum_or_size_is_an_error() {
    let encoded = zstd(&corpus(10_000));
    for place in [encoded.len() - 1, encoded.len() - 4, 5] {
        let mut wrong = encoded.clone();
        wrong[place] ^= 1;
        let error = refusal(Algorithm::Zstd, &wrong);
        let expected = matches!(error, CompressError::Damaged { .. } | CompressError::Truncated { .. });
        assert!(expected, "{error} at {place}");
    }
    let mut wrong = encoded.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let error = refusal(Algorithm::Zstd, &wrong);
    assert_eq!(error.to_string(), "zstd stream is damaged");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_window_at_the_limit_is_taken_and_one_over_it_refused_by_name() {
    // Exponent 17 over 10 is 2^27; the low three bits add eighths.
    let at_limit = frame_with_window(17 << 3, b"content");
    assert_eq!(decode(Algorithm::Zstd, &at_limit).unwrap(), b"content");
    for (descriptor, mebibytes) in [
        (17 << 3 | 1, 144),
        (18 << 3, 256),
        (21 << 3, 2048),
        (31 << 3 | 7, 3_932_160),
    ] {
        let error = refusal(Algorithm::Zstd, &frame_with_window(descriptor, b"content"));
        let expected = format!("zstd window of {mebibytes} MiB is over the limit of 128 MiB");
        assert_eq!(error.to_string(), expected);
        assert!(error.help().is_some());
    }
}

#[test]
fn the_window_of_a_single_segment_is_its_content_size() {
    // Descriptor: content size of 8 bytes, single segment (section 3.1.1.1.1); then the size.
    let frame = |size: u64| [&b"\x28\xb5\x2f\xfd\xe0"[..], &size.to_le_bytes()].concat();
    for (size_bytes, mebibytes) in [(ZSTD_WINDOW_MAX_BYTES + 1, 129), (u64::MAX, 1u64 << 44)] {
        let error = refusal(Algorithm::Zstd, &frame(size_bytes));
        let expected = format!("zstd window of {mebibytes} MiB is over the limit of 128 MiB");
        assert_eq!(error.to_string(), expected);
    }
    let error = refusal(Algorithm::Zstd, &frame(ZSTD_WINDOW_MAX_BYTES));
    assert!(matches!(error, CompressError::Truncated { .. }), "{error}");
}

#[test]
fn a_window_over_the_limit_is_refused_in_a_later_frame_too() {
    let encoded = [zstd(b"small"), skippable(b"x"), frame_with_window(18 << 3, b"large")].concat();
    let mut reader = decoder_for(Algorithm::Zstd, &encoded[..]);
    let mut first = [0; 5];
    reader.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"small");
    let error = reader.read(&mut first).unwrap_err();
    assert!(matches!(
        CompressError::of(&error),
        Some(CompressError::WindowTooLarge { .. })
    ));
}

#[test]
fn a_frame_that_needs_a_dictionary_is_an_error() {
    // Descriptor: dictionary id of one byte; window of 1 KiB; dictionary 7; an empty last block.
    let error = refusal(Algorithm::Zstd, b"\x28\xb5\x2f\xfd\x01\0\x07\x01\0\0");
    assert!(matches!(error, CompressError::Damaged { .. }), "{error}");
}

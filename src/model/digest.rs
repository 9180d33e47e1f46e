//! Digests identify content (image-spec, descriptor.md "Digests").
//!
//! Only SHA-256 is supported, the only algorithm that every registry and runtime accepts. A value is only created by
//! parsing a strict `sha256:<64 lower-case hex>` or by hashing bytes, so it is safe in a path or a URL.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// Bytes of a SHA-256 hash.
const SHA256_BYTES: usize = 32;

/// A text that is not a digest of the supported form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", why_none(.0))]
pub struct DigestError(pub String);

fn why_none(text: &str) -> String {
    let shown = super::escape(text.as_bytes());
    match other_algorithm(text) {
        Some(algorithm) => format!("\"{shown}\" is a {algorithm} digest: only sha256 is supported"),
        None => format!("\"{shown}\" is not a digest: expected sha256: and 64 lower-case hexadecimal digits"),
    }
}

/// Returns the algorithm of a digest that matches the grammar (image-spec, descriptor.md "Digests") and uses another
/// algorithm than SHA-256, such as `sha512`. Returns `None` for everything else.
pub fn other_algorithm(text: &str) -> Option<&str> {
    let (algorithm, encoded) = text.split_once(':')?;
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let is_encoded = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'_' | b'-');
    let fits =
        algorithm.split(['+', '.', '_', '-']).all(is_word) && !encoded.is_empty() && encoded.bytes().all(is_encoded);
    (fits && algorithm != "sha256").then_some(algorithm)
}

/// SHA-256 of stored bytes: of a blob in a registry, a layout or an archive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; SHA256_BYTES]);

/// SHA-256 of a layer's uncompressed tar (image-spec, config.md "Layer DiffID").
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DiffId([u8; SHA256_BYTES]);

macro_rules! sha256_name {
    ($name:ident) => {
        impl $name {
            /// Hashes bytes in memory.
            pub fn of(bytes: &[u8]) -> Self {
                Self(Sha256::digest(bytes).into())
            }

            /// Returns the 64 lower-case hexadecimal digits, without the algorithm.
            pub fn hex(&self) -> String {
                let mut text = String::with_capacity(2 * SHA256_BYTES);
                for byte in self.0 {
                    text.push(char::from(HEX_DIGITS[usize::from(byte >> 4)]));
                    text.push(char::from(HEX_DIGITS[usize::from(byte & 15)]));
                }
                text
            }
        }

        impl FromStr for $name {
            type Err = DigestError;
            fn from_str(text: &str) -> Result<Self, DigestError> {
                parse_sha256(text)
                    .map(Self)
                    .ok_or_else(|| DigestError(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "sha256:{}", self.hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

sha256_name!(Digest);
sha256_name!(DiffId);

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Hashes a stream piece by piece.
#[derive(Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Creates a hasher without input.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of all bytes so far, as that of a blob.
    pub fn digest(self) -> Digest {
        Digest(self.0.finalize().into())
    }

    /// Returns the digest of all bytes so far, as that of an uncompressed layer.
    pub fn diff_id(self) -> DiffId {
        DiffId(self.0.finalize().into())
    }
}

fn parse_sha256(text: &str) -> Option<[u8; SHA256_BYTES]> {
    let hex = text.strip_prefix("sha256:")?.as_bytes();
    if hex.len() != 2 * SHA256_BYTES {
        return None;
    }
    let mut bytes = [0; SHA256_BYTES];
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = hex_value(pair[0])? << 4 | hex_value(pair[1])?;
    }
    Some(bytes)
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn hashes_and_parses_the_same_name() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(EMPTY.parse::<Digest>().unwrap(), Digest::of(b""));
        assert_eq!(Hasher::new().diff_id().to_string(), EMPTY);
    }

    #[test]
    fn refuses_everything_but_the_strict_form() {
        let upper = EMPTY.to_uppercase();
        let traversal = format!("sha256:../{}", &EMPTY[10..]);
        for bad in [
            "",
            "sha256:",
            "sha256:00",
            "sha512:00",
            &EMPTY[7..],
            &upper,
            &traversal,
            &format!("{EMPTY}0"),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn other_algorithms_are_told_from_nonsense() {
        for (text, algorithm) in [
            ("sha512:00", Some("sha512")),
            ("sha384:ab", Some("sha384")),
            ("blake3:Zm9v", Some("blake3")),
            ("multihash+base58:QmRZ", Some("multihash+base58")),
            ("sha256:00", None),
            ("sha512:", None),
            ("SHA512:00", None),
            ("sha512:../x", None),
            ("sha512+:00", None),
            ("nonsense", None),
        ] {
            assert_eq!(other_algorithm(text), algorithm, "{text}");
        }
        let error = "sha512:00".parse::<Digest>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"sha512:00\" is a sha512 digest: only sha256 is supported"
        );
    }
}

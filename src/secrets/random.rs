//! Decides whether a text looks like a generated secret, or like an example in documentation.

use super::kind::Kind;
use super::sighting::Hit;

/// Least entropy of a secret, in bits per byte: random hexadecimal digits have close to 4, English words in lower case
/// 3.5 to 4 in a long text, and a placeholder such as `xxxxxxxx-xxxx` below 2. [`is_mixed`] distinguishes words from
/// secrets.
const MIN_ENTROPY_BITS: f64 = 3.0;

/// Number of equal bytes in a row that no secret has: of 40 random base64 characters, one in 400,000 has five.
const MAX_EQUAL_RUN: usize = 5;

/// Length of a run such as `abcdefgh` or `12345678` that no generator produces.
const MAX_ASCENDING_RUN: usize = 8;

/// Length of a run such as `0123456789` that marks a placeholder. Real tokens never have one; passwords chosen by
/// people have shorter ones.
const PLACEHOLDER_RUN: usize = 10;

/// Words of placeholders, in lower case. Each has at least five letters: the probability that a random text of 40
/// letters contains a given one of five is about one in two million.
const PLACEHOLDER_WORDS: &[&[u8]] = &[
    b"example",
    b"sample",
    b"dummy",
    b"placeholder",
    b"redacted",
    b"secret",
    b"token",
    b"changeme",
    b"insert",
    b"replace",
    b"your_",
    b"your-",
    b"fake_",
    b"fake-",
    b"-fake",
    b"_fake",
    b"test-",
    b"test_",
    b"foobar",
    b"notreal",
    b"not-real",
    b"invalid",
    b"password",
    b"apikey",
    b"deadbeef",
];

/// The appearance of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// It was generated.
    Random,
    /// A person typed it: it has many different characters, but also a run such as `abcdefgh`, or letters of only one
    /// case.
    Typed,
    /// It is a placeholder: words, or one repeated character.
    Placeholder,
}

impl Look {
    /// Classifies a text.
    pub(super) fn of(text: &[u8]) -> Self {
        let is_mixed = is_mixed(text);
        let is_words = !is_mixed && text.iter().any(|byte| matches!(byte, b'-' | b'_' | b'.'));
        let is_filler = has_equal_run(text) || has_ascending_run(text, PLACEHOLDER_RUN) || has_placeholder_word(text);
        if entropy_bits(text) < MIN_ENTROPY_BITS || is_words || is_filler {
            Self::Placeholder
        } else if !is_mixed || has_ascending_run(text, MAX_ASCENDING_RUN) {
            Self::Typed
        } else {
            Self::Random
        }
    }

    /// Returns the hit for a text of this look: none for a placeholder, and an uncertain one for typed text.
    pub(super) fn hit(self, kind: Kind, at: usize) -> Option<Hit> {
        (self != Self::Placeholder).then_some(Hit {
            kind,
            at,
            is_certain: self == Self::Random,
        })
    }
}

/// Returns `true` for generated text.
pub(super) fn is_random(text: &[u8]) -> bool {
    Look::of(text) == Look::Random
}

/// Returns the Shannon entropy, in bits per byte.
pub(super) fn entropy_bits(text: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text {
        counts[usize::from(*byte)] += 1;
    }
    let length = text.len() as f64;
    let share = |count: &u32| f64::from(*count) / length;
    -counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| share(count) * share(count).log2())
        .sum::<f64>()
}

/// Returns `true` for digits among letters, or letters of both cases, which words do not have.
fn is_mixed(text: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| text.iter().any(is);
    let letters = has(u8::is_ascii_alphabetic);
    (has(u8::is_ascii_digit) && letters) || (has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase))
}

fn has_equal_run(text: &[u8]) -> bool {
    text.windows(MAX_EQUAL_RUN)
        .any(|run| run.iter().all(|byte| *byte == run[0]))
}

/// Returns `true` if the text contains a run of `length` ascending characters; `a` and `A` follow `9`, as in
/// hexadecimal digits, and `0` follows the last letter and the last digit.
fn has_ascending_run(text: &[u8], length: usize) -> bool {
    let follows = |pair: &[u8]| match (pair[0], pair[1]) {
        (b'9', next) => matches!(next, b'a' | b'A' | b'0'),
        (b'z' | b'Z', b'0') => true,
        (one, next) => one.is_ascii_alphanumeric() && one + 1 == next,
    };
    text.windows(length).any(|run| run.windows(2).all(follows))
}

fn has_placeholder_word(text: &[u8]) -> bool {
    let text = text.to_ascii_lowercase();
    PLACEHOLDER_WORDS
        .iter()
        .any(|word| memchr::memmem::find(&text, word).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_text_is_told_from_written_text() {
        for random in [
            "a1B2c3D4e5F6g7H8a1B2c3D4e5F6g7H8abcd",
            "k3JfLq9ZxW0uPsTnYbVm",
            "9f86d081884c7d659a2feaa0c55ad015",
            "b0a7e8d2-5f7c-4e1b-9a3d-6c2f8e4b7a10",
        ] {
            assert_eq!(Look::of(random.as_bytes()), Look::Random, "{random}");
        }
        for written in [
            "",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "XXXXXXXX1XXXXXXXX2XXXXXXXX3",
            "0000000000000000000000000000000000000a",
            "your-api-key-goes-here-please",
            "this_is_only_about_names_of_things",
            "EXAMPLEK3JfLq9ZxW0uPsTnYbVm",
            "abcdefghijklmnopqrstuvwxyz0123456789",
            "eyJpYXQiOjE2ODczMzY1NDMuNjk4NTksInVybCI6bnVsbH0_0123456789abcdef0123456789abcdef",
            "k3JfLq9ZxW0uPs0123456789TnYbVm",
            "9f86d081884c7d659a2f6789ABCDEF1a",
        ] {
            assert_eq!(Look::of(written.as_bytes()), Look::Placeholder, "{written}");
        }
        for typed in [
            "k3JfLq9ZxW0uPs12345678TnYbVm",
            "k3JfLq9ZxW0uPs123456789TnYbVm",
            "qwertzuiopasdfghjklyxcvbnmqaywsxedc",
        ] {
            assert_eq!(Look::of(typed.as_bytes()), Look::Typed, "{typed}");
        }
    }
}

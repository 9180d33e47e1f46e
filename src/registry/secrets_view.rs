//! Text with its escapes decoded, and a map from each decoded byte to its origin.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// A text, or a decoding of it, with the part of the text that each byte comes from.
pub(super) struct View {
    bytes: Vec<u8>,
    /// For each byte, the begin and end of its origin in the text.
    origins: Vec<(usize, usize)>,
    /// Length of the text in bytes.
    text_bytes: usize,
}

impl View {
    /// Returns the view of the text itself.
    pub(super) fn of(text: &str) -> Self {
        let mut origins = Vec::with_capacity(text.len());
        for (at, character) in text.char_indices() {
            let end = at + character.len_utf8();
            origins.extend((at..end).map(|_| (at, end)));
        }
        Self {
            bytes: text.as_bytes().to_vec(),
            origins,
            text_bytes: text.len(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the part of the text that the bytes from `from` to `to` come from.
    pub(super) fn span(&self, from: usize, to: usize) -> (usize, usize) {
        let begin = self.origins.get(from).map_or(self.text_bytes, |origin| origin.0);
        let end = to
            .checked_sub(1)
            .and_then(|last| self.origins.get(last))
            .map_or(begin, |origin| origin.1);
        (begin, end)
    }

    /// Returns one decoding for each kind of escape that occurs.
    pub(super) fn decodings(&self) -> Vec<Self> {
        DECODERS.iter().filter_map(|decode| self.decoded(*decode)).collect()
    }

    fn decoded(&self, decode: Decoder) -> Option<Self> {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut origins = Vec::with_capacity(self.bytes.len());
        let mut at = 0;
        let mut is_changed = false;
        while at < self.bytes.len() {
            match decode(&self.bytes[at..]) {
                Some((plain, length)) => {
                    let (begin, end) = self.span(at, at + length);
                    bytes.extend_from_slice(&plain);
                    origins.extend(plain.iter().map(|_| (begin, end)));
                    at += length;
                    is_changed = true;
                }
                None => {
                    bytes.push(self.bytes[at]);
                    origins.push(self.origins[at]);
                    at += 1;
                }
            }
        }
        is_changed.then_some(Self {
            bytes,
            origins,
            text_bytes: self.text_bytes,
        })
    }
}

/// Decodes the escape at the beginning of a text. Returns the bytes and the length of the escape.
type Decoder = fn(&[u8]) -> Option<(Vec<u8>, usize)>;

const DECODERS: [Decoder; 4] = [percent, form, backslash, entity];

fn percent(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let digits = text.strip_prefix(b"%")?.get(..2)?;
    Some((vec![u8::try_from(number(digits, 16)?).ok()?], 3))
}

/// Decodes form encoding, where a plus is a space.
fn form(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    if text.starts_with(b"+") {
        Some((b" ".to_vec(), 1))
    } else {
        percent(text)
    }
}

/// Decodes the escapes of JSON, Rust, Go and shells: `\"`, `\n`, `\u0022`, `\u{22}`, `\x22`.
fn backslash(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    // URL parsers write a backslash in a path as a slash.
    if text.starts_with(b"/u") {
        return unicode(&text[1..]);
    }
    let rest = text.strip_prefix(b"\\")?;
    let plain = |byte: u8| Some((vec![byte], 2));
    match *rest.first()? {
        b'n' => plain(b'\n'),
        b't' => plain(b'\t'),
        b'r' => plain(b'\r'),
        b'b' => plain(8),
        b'f' => plain(12),
        b'x' => Some((vec![u8::try_from(number(rest.get(1..3)?, 16)?).ok()?], 4)),
        b'u' if rest.get(1) == Some(&b'{') => {
            let digits = &rest[2..];
            let length = digits.iter().take(7).position(|byte| *byte == b'}')?;
            Some((utf8(number(&digits[..length], 16)?)?, length + 4))
        }
        b'u' => unicode(rest),
        other if other.is_ascii_punctuation() => plain(other),
        _ => None,
    }
}

/// Decodes `uXXXX`, and two of them for a character beyond the first plane.
fn unicode(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let high = number(rest.get(1..5)?, 16)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((utf8(high)?, 6));
    }
    let low = number(rest.get(5..)?.strip_prefix(b"\\u")?.get(..4)?, 16)?;
    let both = 0x10000 + ((high - 0xd800) << 10) + low.checked_sub(0xdc00)?;
    Some((utf8(both)?, 12))
}

/// Decodes the entities that escape HTML, by name and by number.
fn entity(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let body = text.strip_prefix(b"&")?;
    let length = body.iter().take(9).position(|byte| *byte == b';')?;
    let plain = match &body[..length] {
        b"amp" => b"&".to_vec(),
        b"lt" => b"<".to_vec(),
        b"gt" => b">".to_vec(),
        b"quot" => b"\"".to_vec(),
        b"apos" => b"'".to_vec(),
        [b'#', b'x' | b'X', digits @ ..] => utf8(number(digits, 16)?)?,
        [b'#', digits @ ..] => utf8(number(digits, 10)?)?,
        _ => return None,
    };
    Some((plain, length + 2))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let digits = std::str::from_utf8(digits).ok()?;
    if digits.starts_with('+') {
        None
    } else {
        u32::from_str_radix(digits, radix).ok()
    }
}

fn utf8(number: u32) -> Option<Vec<u8>> {
    Some(char::from_u32(number)?.to_string().into_bytes())
}

/// Base64 whose end may be missing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Shortest base64 that is decoded: four bytes take six characters.
const MIN_RUN_BYTES: usize = 6;

/// A part of a text that may be base64.
pub(super) struct Run {
    pub(super) from: usize,
    /// Its end, including padding.
    pub(super) to: usize,
    /// Its end without the padding.
    bare_to: usize,
}

/// Returns the parts of a text that consist of base64 characters, in either alphabet.
pub(super) fn base64_runs(text: &[u8]) -> Vec<Run> {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    let mut runs = Vec::new();
    let mut from = 0;
    while from < text.len() {
        let length = text[from..].iter().take_while(|byte| is_base64(byte)).count();
        let bare_to = from + length;
        if length >= MIN_RUN_BYTES {
            let padding = text[bare_to..].iter().take(2).take_while(|byte| **byte == b'=').count();
            runs.push(Run {
                from,
                to: bare_to + padding,
                bare_to,
            });
        }
        from = bare_to + 1;
    }
    runs
}

impl Run {
    /// Returns the decodings that begin at its first, second, third and fourth character.
    pub(super) fn decodings<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = Vec<u8>> + 'a {
        (0..4).filter_map(move |skipped| {
            let standard = |byte: &u8| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            };
            let characters: Vec<u8> = text
                .get(self.from + skipped..self.bare_to)?
                .iter()
                .map(standard)
                .collect();
            // One remaining character decodes to nothing.
            let whole = if characters.len() % 4 == 1 {
                characters.len() - 1
            } else {
                characters.len()
            };
            LENIENT.decode(&characters[..whole]).ok()
        })
    }
}

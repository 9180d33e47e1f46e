//! Reads base64 as written in files: over several lines, indented, quoted, escaped, or in a comment.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// Padding is optional: a body may be cut off at the end of the scanned text.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Greatest distance between two lines of base64, in bytes: a line feed, indentation, quotes, a plus sign.
const MAX_GAP_BYTES: usize = 64;

/// Returns `true` for a character of base64, except padding.
pub(super) fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// Returns the base64 characters at the start of `text`, and the length of the part of `text` that they span.
pub(super) fn body(text: &[u8]) -> (Vec<u8>, usize) {
    let mut body = Vec::new();
    let mut at = gap(text);
    loop {
        let line = text[at..].iter().take_while(|byte| is_base64(**byte)).count();
        if line == 0 {
            return (body, at);
        }
        body.extend_from_slice(&text[at..at + line]);
        at += line;
        let padding = text[at..].iter().take_while(|byte| **byte == b'=').count();
        at += padding;
        let gap = gap(&text[at..]);
        at += gap;
        // A word that follows after only a space is not another line.
        if padding > 0 || gap == 0 {
            return (body, at);
        }
    }
}

/// Decodes base64 characters. Excess characters at the end are dropped.
pub(super) fn decode(characters: &[u8]) -> Vec<u8> {
    let whole = characters.len() - usize::from(characters.len() % 4 == 1);
    ENGINE.decode(&characters[..whole]).unwrap_or_default()
}

/// Returns the length of the separator between two lines: white space, `
/// ` as two characters, quotes, `,`, a `+` that joins texts, a comment sign.
/// mark of a comment.
fn gap(text: &[u8]) -> usize {
    let text = &text[..text.len().min(MAX_GAP_BYTES)];
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let rest = &text[at + 1..];
        at += match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b',' | b'`' | b'#' | b'*' | b'>' | b'|' | b'(' | b')' => 1,
            b'\\' => match escape_length(rest) {
                Some(length) => 1 + length,
                None => return at,
            },
            b'+' | b'.' if at > 0 && matches!(text[at - 1], b' ' | b'"' | b'\'' | b'\t' | b'\n') && is_space(rest) => 1,
            b'/' if rest.first() == Some(&b'/') && at > 0 && rest.get(1) == Some(&b' ') => 2,
            _ => return at,
        };
    }
    at
}

/// Returns the length of the separator after a backslash: the `n` of `
/// `, which nested texts escape again.
fn escape_length(rest: &[u8]) -> Option<usize> {
    let slashes = rest.iter().take_while(|byte| **byte == b'\\').count();
    matches!(
        rest.get(slashes),
        Some(b'n' | b'r' | b't' | b'"' | b'\'' | b'\n' | b'\r')
    )
    .then_some(slashes + 1)
}

fn is_space(rest: &[u8]) -> bool {
    rest.first()
        .is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_found_as_it_stands_in_sources() {
        for text in [
            "QUJD\nREVG\nR0g=\n-----END",
            "\nQUJD\nREVG\nR0g=\n",
            "\\nQUJD\\nREVG\\nR0g=\\n-----END",
            "\\r\\nQUJD\\r\\nREVG\\r\\nR0g=\\r\\n",
            "\\\\nQUJD\\\\nREVG\\\\nR0g=\\\\n",
            "\r\n    QUJD\r\n    REVG\r\n    R0g=\r\n",
            "\\n\" +\n  \"QUJD\\n\" +\n  \"REVG\\n\" +\n  \"R0g=\\n\"",
            "\\n'\n  'QUJD\\n'\n  'REVG\\n'\n  'R0g=\\n'",
            "\n# QUJD\n# REVG\n# R0g=\n",
            "\n// QUJD\n// REVG\n// R0g=\n",
            "\", \"QUJD\", \"REVG\", \"R0g=\"",
        ] {
            assert_eq!(decode(&body(text.as_bytes()).0), b"ABCDEFGH", "{text}");
        }
        assert_eq!(body(b"...").0, b"");
        assert_eq!(body(b"").0, b"");
        assert_eq!(decode(b"QUJDR"), b"ABC");
        assert_eq!(decode(b""), b"");
    }
}

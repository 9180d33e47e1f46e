//! The classes of errors, which decide the exit status, and the help that errors give.

use std::path::Path;

/// The class of an error. The command line converts it to its exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// A local error: a disk, an I/O error, a source that changed while it was read (exit status 1).
    Local,
    /// Invalid usage or input: a wrong option, an invalid spec, a damaged local layout or archive (exit status 2).
    Input,
    /// A check failed: over budget, outdated, different, or an image that would not start (exit status 3).
    CheckFailed,
    /// Authentication failed: 401, 403, no credentials (exit status 4).
    Unauthorized,
    /// A network or registry error: a time-out, a protocol error, damaged content from a registry (exit status 5).
    Remote,
    /// A reference, a platform or a blob was not found (exit status 6).
    NotFound,
}

impl ErrorKind {
    /// Returns its name in the output for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Input => "input",
            Self::CheckFailed => "check-failed",
            Self::Unauthorized => "unauthorized",
            Self::Remote => "remote",
            Self::NotFound => "not-found",
        }
    }

    /// Returns the exit status of the command line.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Local => 1,
            Self::Input => 2,
            Self::CheckFailed => 3,
            Self::Unauthorized => 4,
            Self::Remote => 5,
            Self::NotFound => 6,
        }
    }
}

/// An error with a class and a help text. Every error of this crate implements it.
///
/// A message is a lower-case fragment that names the operation, its object, and what was expected and found. The cause
/// is available as `source()` and is not repeated in the message.
pub trait Diagnostic: std::error::Error + Send + Sync + 'static {
    /// Returns the class of the error.
    fn error_kind(&self) -> ErrorKind;

    /// Returns one sentence that says how to fix it, if a fix is known.
    fn help(&self) -> Option<String> {
        None
    }
}

/// Returns a path as printable text, see [`escape`].
pub fn escape_path(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

/// Returns bytes from outside as printable text: control characters, `\`, and bytes that are not UTF-8 are escaped
/// (`\n`, `\x1b`).
pub fn escape(bytes: &[u8]) -> String {
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'\\')
        && let Ok(plain) = std::str::from_utf8(bytes)
    {
        return plain.to_owned();
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\r' => text.push_str("\\r"),
                '\\' => text.push_str("\\\\"),
                plain if !is_unprintable(plain) => text.push(plain),
                other => text.extend(other.escape_unicode()),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Replaces each character that a terminal would interpret and that the renderer does not escape. The replacement has
/// the same length in bytes, so positions do not change.
pub fn mask_unprintable(text: &str) -> String {
    let is_plain = |character: char| {
        character.is_ascii() || escape(character.encode_utf8(&mut [0; 4]).as_bytes()).len() == character.len_utf8()
    };
    let marked = |character: char| match character.len_utf8() {
        _ if is_plain(character) => character,
        2 => '\u{b7}',
        _ => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(marked).collect()
}

/// Returns `true` for control characters, and for characters that reorder or hide text on a terminal (bidirectional
/// overrides, zero widths).
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::{escape, mask_unprintable};

    #[test]
    fn escapes_what_a_terminal_would_act_on() {
        assert_eq!(escape(b"plain \xc3\xa4"), "plain \u{e4}");
        assert_eq!(escape(b"a\nb\x1b[31m\\\xff"), "a\\nb\\u{1b}[31m\\\\\\xff");
        assert_eq!(escape("\u{202e}".as_bytes()), "\\u{202e}");
    }

    #[test]
    fn masked_text_has_the_length_of_the_original() {
        let text = "a\u{85}\u{202e}\u{e4}\n";
        let masked = mask_unprintable(text);
        assert_eq!(masked, "a\u{b7}\u{fffd}\u{e4}\n");
        assert_eq!(masked.len(), text.len());
    }
}

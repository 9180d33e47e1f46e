//! What a failure means to the caller: its class, which decides the exit status, and the hint that helps out of it.

/// Who has to act on a failure. The command line turns a class into its exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// It failed here: a disk, an I/O error, a source that changed while it was read (exit 1).
    Here,
    /// Bad usage, a bad spec, bad input, damage in a local layout or archive (exit 2).
    Input,
    /// A gate said no: over budget, would not start, different (exit 3).
    Gate,
    /// Not authorised: 401, 403, no credentials (exit 4).
    Unauthorized,
    /// The other side failed: network, time-out, a broken protocol, damaged content from a registry (exit 5).
    OtherSide,
    /// A reference, a platform or a blob was not found (exit 6).
    NotFound,
}

impl Class {
    /// The exit status of the command line.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Here => 1,
            Self::Input => 2,
            Self::Gate => 3,
            Self::Unauthorized => 4,
            Self::OtherSide => 5,
            Self::NotFound => 6,
        }
    }
}

/// What every error of this crate can say beside its message.
///
/// A message is a lower-case fragment that says what was being done, to what, what was expected and what was found; the
/// cause is chained as `source()` and not repeated in it.
pub trait Diagnose: std::error::Error + Send + Sync + 'static {
    /// Who has to act.
    fn class(&self) -> Class;

    /// One sentence on how to mend it, where there is a way that the program knows.
    fn help(&self) -> Option<String> {
        None
    }
}

/// Bytes from outside as printable text: control characters, `\`, and what is not UTF-8 are escaped (`\n`, `\x1b`).
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

/// Control characters, and the marks that reorder or hide text on a terminal (bidirectional overrides, zero widths).
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn escapes_what_a_terminal_would_act_on() {
        assert_eq!(escape(b"plain \xc3\xa4"), "plain \u{e4}");
        assert_eq!(escape(b"a\nb\x1b[31m\\\xff"), "a\\nb\\u{1b}[31m\\\\\\xff");
        assert_eq!(escape("\u{202e}".as_bytes()), "\\u{202e}");
    }
}

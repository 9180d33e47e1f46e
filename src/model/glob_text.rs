//! What makes the text of a path a glob, and what its characters mean. The meaning is that of the glob library, except
//! that braces have none.

/// Returns `true` if `text` contains a character that makes it a glob.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Splits a glob after its last fixed component: `dist/*/bin` into `dist` and `*/bin`.
pub fn split_fixed(pattern: &str) -> (&str, &str) {
    let wild = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    match pattern[..wild].rfind('/') {
        Some(0) => ("/", &pattern[1..]),
        Some(slash) => (&pattern[..slash], &pattern[slash + 1..]),
        None => ("", pattern),
    }
}

/// Escapes the braces of `pattern`: the glob library gives them a meaning that gitignore(5), Docker and the spec do not
/// have. With `escapes`, a backslash escapes the next character.
pub fn literal_braces(pattern: &str, escapes: bool) -> String {
    let mut literal = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\\' if escapes => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '[' => class_length(rest).unwrap_or(1),
            '{' | '}' => {
                literal.extend(['[', first, ']']);
                rest = &rest[1..];
                continue;
            }
            other => other.len_utf8(),
        };
        literal.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    literal
}

/// Returns the length in bytes of the class `[…]` at the start of `text`; `None` if it is not closed.
fn class_length(text: &str) -> Option<usize> {
    let mut body = 1;
    if text[body..].starts_with(['!', '^']) {
        body += 1;
    }
    if text[body..].starts_with(']') {
        body += 1;
    }
    text[body..].find(']').map(|end| body + end + 1)
}

//! Finds passwords in URLs: `https://user:password@host`.

use super::kind::Kind;
use super::names::is_placeholder;
use super::sighting::Hit;

/// Longest user and password of a URL, in bytes; it limits the search for `@`.
const MAX_USERINFO_BYTES: usize = 256;

/// Returns every URL in `text` that contains a password.
pub(super) fn addresses(text: &[u8]) -> impl Iterator<Item = Hit> {
    let colons = memchr::memmem::find_iter(text, b"://");
    colons
        .filter(|at| has_password(&text[at + 3..]))
        .map(|at| Hit::certain(Kind::AddressPassword, at))
}

/// Returns whether a URL, from the end of its `://` on, contains a password that is not a placeholder (RFC 3986,
/// section 3.2.1).
fn has_password(text: &[u8]) -> bool {
    let window = &text[..text.len().min(MAX_USERINFO_BYTES)];
    let is_end =
        |byte: &u8| matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>') || byte.is_ascii_whitespace();
    let authority = &window[..window.iter().position(is_end).unwrap_or(window.len())];
    let Some(at) = authority.iter().rposition(|byte| *byte == b'@') else {
        return false;
    };
    let Some(colon) = authority[..at].iter().position(|byte| *byte == b':') else {
        return false;
    };
    let password = &authority[colon + 1..at];
    !is_placeholder(&String::from_utf8_lossy(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_told() {
        for address in [
            "https://me:hunter2@example.org/x",
            "postgres://app:p@ss@db:5432/app",
            "redis://:hunter2@cache",
        ] {
            assert_eq!(
                addresses(format!("url = {address}\n").as_bytes()).count(),
                1,
                "{address}"
            );
        }
        for address in [
            "https://example.org:8080/a@b",
            "https://me@example.org",
            "https://me:@example.org",
            "https://me:${PASSWORD}@example.org",
            "https://me:$PASSWORD@example.org",
            "https://user:<password>@example.org",
            "https://example.org/?q=a:b@c",
            "://",
        ] {
            assert_eq!(addresses(address.as_bytes()).count(), 0, "{address}");
        }
    }
}

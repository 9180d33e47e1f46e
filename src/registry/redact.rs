//! What may be shown of addresses and of a registry's words: no secrets, no control characters, not without end.

use url::Url;

use crate::model::escape;

/// Characters of a registry's message that are shown: enough for a sentence, too few to fill a screen.
const MAX_SHOWN_CHARACTERS: usize = 300;

/// An address without user, password, query and fragment: signatures and tokens stand in queries.
pub(super) fn address(url: &Url) -> String {
    let query = if url.query().is_some() { "?…" } else { "" };
    format!("{}{}{query}", url.origin().ascii_serialization(), escape(url.path().as_bytes()))
}

/// Text of the other side, escaped and cut.
pub(super) fn text(text: &str) -> String {
    let mut shown: String = text.trim().chars().take(MAX_SHOWN_CHARACTERS).collect();
    if shown.len() < text.trim().len() {
        shown.push('…');
    }
    escape(shown.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_user_nor_query_is_shown() {
        let url = "https://user:secret@cdn.example:8443/blob/x?X-Amz-Signature=secret#secret".parse().unwrap();
        assert_eq!(address(&url), "https://cdn.example:8443/blob/x?…");
    }

    #[test]
    fn text_is_escaped_and_cut() {
        assert_eq!(text(" no\u{1b}[31m\n"), "no\\u{1b}[31m");
        assert!(text(&"x".repeat(10_000)).len() < 1000);
    }
}

//! Redaction of addresses and of a registry's text: no secrets, no control characters, and bounded length.

use url::Url;

use crate::model::escape;

/// Characters of a registry's message that are shown: enough for a sentence, too few to fill a screen.
const MAX_SHOWN_CHARACTERS: usize = 300;

/// Returns an address without user, password, query and fragment. Queries may have signatures and tokens.
pub(super) fn address(url: &Url) -> String {
    let query = if url.query().is_some() { "?…" } else { "" };
    format!(
        "{}{}{query}",
        url.origin().ascii_serialization(),
        escape(url.path().as_bytes())
    )
}

/// Names of authentication schemes, which a credential follows.
const SCHEMES: [&str; 2] = ["basic", "bearer"];

/// Returns a remote server's text, escaped and truncated, without words that look like a credential.
pub(super) fn text(text: &str) -> String {
    let text = without_credentials(text.trim());
    let mut shown: String = text.chars().take(MAX_SHOWN_CHARACTERS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    escape(shown.as_bytes())
}

/// Removes the word after a scheme's name: a registry may repeat the header that it refuses.
fn without_credentials(text: &str) -> String {
    let mut shown = String::new();
    let mut hides = false;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word
            .trim_matches(|character: char| !character.is_ascii_alphanumeric())
            .to_ascii_lowercase();
        let space = &word[word.trim_end().len()..];
        if hides && !bare.is_empty() {
            shown.extend(["…", space])
        } else {
            shown.push_str(word)
        }
        hides = SCHEMES.contains(&bare.as_str());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_user_nor_query_is_shown() {
        let url = "https://user:secret@cdn.example:8443/blob/x?X-Amz-Signature=secret#secret"
            .parse()
            .unwrap();
        assert_eq!(address(&url), "https://cdn.example:8443/blob/x?…");
    }

    #[test]
    fn credentials_that_come_back_are_not_shown() {
        assert_eq!(text("you sent Basic dXNyOlMzQ1JFVA== to us"), "you sent Basic … to us");
        assert_eq!(
            text("Authorization: \"bearer eyJhbGciOi.x.y\""),
            "Authorization: \"bearer …"
        );
        assert_eq!(text("basic rules"), "basic …");
        assert_eq!(text("no such basics here"), "no such basics here");
    }

    #[test]
    fn text_is_escaped_and_cut() {
        assert_eq!(text(" no\u{1b}[31m\n"), "no\\u{1b}[31m");
        assert!(text(&"x".repeat(10_000)).len() < 1000);
    }
}

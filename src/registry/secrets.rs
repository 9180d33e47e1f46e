//! The secrets of one run, and their removal from text before anyone reads it.
//!
//! A server may quote what it was sent: in an error message, in a `Location`, in a document. Every secret that a run
//! sends is added to its [`Secrets`], and every line of output goes through [`Secrets::blank`]. A secret is found as it
//! is and in every encoding that it is sent or quoted in: base64 of either alphabet at any alignment, percent and form
//! encoding, escapes of JSON and of this program's own messages, HTML entities, and these nested.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Secret;
use super::secrets_view::{View, base64_runs};
use crate::model::locked;

/// Replaces a secret.
const BLANK: &str = "***";

/// A secret with fewer bytes is masked only as a whole word: one of two letters is part of every sentence.
const MIN_BYTES_WITHIN_WORDS: usize = 4;

/// A part of a header's value or of a cookie counts as a secret from this length on: shorter ones are names, numbers
/// and flags.
const MIN_PART_BYTES: usize = 8;

/// Separators of a URL's path: a backslash is parsed as a slash. A relative redirect replaces the text after the last
/// slash, and so leaves a part of a secret that was quoted.
const URL_SEPARATORS: [char; 4] = ['/', '\\', '?', '#'];

/// A part of a secret between [`URL_SEPARATORS`] is masked alone from this length on: a shorter one may be an ordinary
/// word.
const MIN_PIECE_BYTES: usize = 12;

/// Nested encodings that are decoded: a form-encoded value may be quoted in JSON, and that in a message of this
/// program.
const MAX_NESTED_ENCODINGS: usize = 3;

/// Ends a truncated quote in this program's messages. The beginning of a secret before it is masked as well.
const CUT: &[u8] = "…".as_bytes();

/// Bytes of the longest escape: two of JSON for one character. What a cut leaves of one reveals nothing.
const MAX_ESCAPE_BYTES: usize = 12;

/// The secrets of one run. Its clones share them.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<Vec<Needle>>>);

/// Bytes to search for.
#[derive(Clone, PartialEq, Eq)]
struct Needle(Box<[u8]>);

impl Secrets {
    /// Adds a secret, which is masked from now on. An empty one is ignored.
    pub fn add(&self, secret: &Secret) {
        self.add_bytes(secret.expose().as_bytes());
        self.add_pieces(secret.expose());
    }

    /// Adds the password of a user, and the value that `Basic` sends: a short password is found there by its user.
    pub fn add_login(&self, user: &str, secret: &Secret) {
        self.add(secret);
        let pair = format!("{user}:{}", secret.expose());
        if pair.len() >= MIN_BYTES_WITHIN_WORDS && !secret.is_empty() {
            self.add_bytes(pair.as_bytes());
            self.add_pieces(&STANDARD.encode(pair));
        }
    }

    /// Adds the value of a header, and the parts of it that may be quoted alone: the text after the name of a scheme,
    /// the password in a `Basic`, the values of cookies.
    pub fn add_header(&self, value: &[u8]) {
        self.add_bytes(value);
        let text = String::from_utf8_lossy(value);
        for part in text
            .split([' ', ';', ',', '='])
            .filter(|part| part.len() >= MIN_PART_BYTES)
        {
            self.add_bytes(part.as_bytes());
        }
        let Some((_, credentials)) = text.trim().split_once(' ') else {
            return;
        };
        self.add(&credentials.trim().into());
        let decoded = STANDARD
            .decode(credentials.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some((user, password)) = decoded.as_deref().and_then(|pair| pair.split_once(':')) {
            self.add_login(user, &password.into());
        }
    }

    /// Returns the secrets with at least so many bytes.
    pub fn of_at_least(&self, bytes: usize) -> Self {
        let needles = self
            .needles()
            .iter()
            .filter(|needle| needle.0.len() >= bytes)
            .cloned()
            .collect();
        Self(Arc::new(Mutex::new(needles)))
    }

    fn add_pieces(&self, text: &str) {
        let pieces = text
            .split(URL_SEPARATORS)
            .filter(|piece| piece.len() >= MIN_PIECE_BYTES);
        pieces.for_each(|piece| self.add_bytes(piece.as_bytes()));
    }

    fn add_bytes(&self, bytes: &[u8]) {
        let needle = Needle(bytes.trim_ascii().into());
        let mut needles = self.needles();
        if !needle.0.is_empty() && !needles.contains(&needle) {
            needles.push(needle);
        }
    }

    /// Returns `text` with the secrets masked.
    pub fn blank<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let needles = self.needles();
        if needles.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut spans = Vec::new();
        search(&View::of(text), MAX_NESTED_ENCODINGS, &needles, &mut spans);
        if spans.is_empty() {
            Cow::Borrowed(text)
        } else {
            Cow::Owned(replace(text, spans))
        }
    }

    /// Returns a document with the secrets in its strings masked. Numbers and field names are kept.
    pub fn blank_json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.blank(&text).into_owned()),
            Value::Array(values) => values.into_iter().map(|value| self.blank_json(value)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, value)| (name, self.blank_json(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other,
        }
    }

    /// A poisoned lock holds no partial change.
    fn needles(&self) -> MutexGuard<'_, Vec<Needle>> {
        locked(&self.0)
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secrets")
    }
}

/// A part of the text, from its first byte to the one after its last.
type Span = (usize, usize);

/// Searches a view, and the views that its escapes decode to.
fn search(view: &View, depth: usize, needles: &[Needle], spans: &mut Vec<Span>) {
    for needle in needles {
        spans.extend(
            needle
                .find(view.bytes())
                .into_iter()
                .map(|(from, to)| view.span(from, to)),
        );
    }
    for run in base64_runs(view.bytes()) {
        let is_cut = is_cut_at(view.bytes(), run.to);
        let is_secret = |decoded: &[u8]| needles.iter().any(|needle| needle.is_in_decoded(decoded, is_cut));
        if run.decodings(view.bytes()).any(|decoded| is_secret(&decoded)) {
            spans.push(view.span(run.from, run.to));
        }
    }
    if depth > 0 {
        view.decodings()
            .iter()
            .for_each(|decoded| search(decoded, depth - 1, needles, spans));
    }
}

impl Needle {
    /// Returns its places in `text`, truncated quotes included.
    fn find(&self, text: &[u8]) -> Vec<Span> {
        let length = self.0.len();
        let is_short = length < MIN_BYTES_WITHIN_WORDS;
        let is_word_byte = |at: Option<&u8>| at.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80);
        let is_alone = |from: usize| {
            !is_word_byte(from.checked_sub(1).and_then(|before| text.get(before)))
                && !is_word_byte(text.get(from + length))
        };
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = position(&text[from..], &self.0) {
            let begin = from + at;
            if !is_short || is_alone(begin) {
                found.push((begin, begin + length));
            }
            from = begin + 1;
        }
        let mut from = 0;
        while let Some(at) = position(&text[from..], CUT) {
            let end = from + at;
            let ends = (end.saturating_sub(MAX_ESCAPE_BYTES)..=end).filter(|end| is_cut_at(text, *end));
            found.extend(ends.filter_map(|cut| Some((self.beginning_before(&text[..cut])?, end))));
            from = end + CUT.len();
        }
        found
    }

    /// Returns where its beginning is at the end of `text`.
    fn beginning_before(&self, text: &[u8]) -> Option<usize> {
        let longest = self.0.len().min(text.len() + 1).saturating_sub(1);
        let length = (MIN_BYTES_WITHIN_WORDS..=longest)
            .rev()
            .find(|length| text.ends_with(&self.0[..*length]))?;
        Some(text.len() - length)
    }

    fn is_in_decoded(&self, decoded: &[u8], is_cut: bool) -> bool {
        self.0.len() >= MIN_BYTES_WITHIN_WORDS
            && (position(decoded, &self.0).is_some() || (is_cut && self.beginning_before(decoded).is_some()))
    }
}

/// Returns `true` if a quote is truncated at `at`, or within an escape that begins there.
fn is_cut_at(text: &[u8], at: usize) -> bool {
    let rest = text.get(at..).unwrap_or_default();
    let begins_escape = matches!(rest.first(), Some(b'\\' | b'%' | b'&'));
    let near = &rest[..rest.len().min(MAX_ESCAPE_BYTES + CUT.len())];
    rest.starts_with(CUT) || (begins_escape && position(near, CUT).is_some())
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = text.get(from..)?.iter().position(|byte| *byte == first) {
        if text[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// Replaces each span by a mask; adjacent spans are merged.
fn replace(text: &str, mut spans: Vec<Span>) -> String {
    spans.sort_unstable();
    let mut shown = String::with_capacity(text.len());
    let mut end = 0;
    for (from, to) in spans {
        if from > end || shown.is_empty() {
            // Spans begin and end where a character or an escape does; bytes between them are whole characters.
            shown.push_str(text.get(end..from).unwrap_or_default());
            shown.push_str(BLANK);
        }
        end = end.max(to);
    }
    shown.push_str(text.get(end..).unwrap_or_default());
    shown
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use url::form_urlencoded::byte_serialize;

    use super::*;

    /// Has a character for every kind of escape.
    const PASSWORD: &str = "pa ss?\"w\\ö>/rd&%41+x";

    fn known() -> Secrets {
        let secrets = Secrets::default();
        secrets.add_login("user", &PASSWORD.into());
        secrets
    }

    fn percent_encoded(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02x}")).collect()
    }

    fn json(text: &str) -> String {
        let quoted = Value::from(text).to_string();
        quoted.trim_matches('"').to_owned()
    }

    /// Returns the encodings that a secret is sent in or quoted in, by name.
    fn encodings() -> Vec<(&'static str, String)> {
        let pair = format!("user:{PASSWORD}");
        let all_escaped = |text: &str| {
            text.encode_utf16()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect::<String>()
        };
        let html = PASSWORD
            .replace('&', "&amp;")
            .replace('"', "&#34;")
            .replace('>', "&gt;");
        let go = json(PASSWORD).replace('&', "\\u0026").replace('>', "\\u003e");
        vec![
            ("as it is", PASSWORD.to_owned()),
            ("base64 of the pair", STANDARD.encode(&pair)),
            ("base64 of the pair, no padding", STANDARD_NO_PAD.encode(&pair)),
            ("base64url of the pair", URL_SAFE.encode(&pair)),
            ("base64url of the pair, no padding", URL_SAFE_NO_PAD.encode(&pair)),
            ("base64 of the secret", STANDARD.encode(PASSWORD)),
            ("base64url of the secret", URL_SAFE_NO_PAD.encode(PASSWORD)),
            ("base64 of another pair", STANDARD.encode(format!("<token>:{PASSWORD}"))),
            ("base64 of JSON", STANDARD.encode(format!("{{\"a\":\"{PASSWORD}\"}}"))),
            ("form", byte_serialize(PASSWORD.as_bytes()).collect()),
            ("percent", percent_encoded(PASSWORD)),
            ("upper percent", percent_encoded(PASSWORD).to_uppercase()),
            ("JSON", json(PASSWORD)),
            ("JSON of Go", go),
            ("JSON, every character escaped", all_escaped(PASSWORD)),
            ("our own escapes", crate::model::escape(PASSWORD.as_bytes())),
            ("HTML", html),
            (
                "JSON in our own escapes",
                crate::model::escape(json(PASSWORD).as_bytes()),
            ),
            (
                "form in JSON in JSON",
                json(&json(&byte_serialize(PASSWORD.as_bytes()).collect::<String>())),
            ),
            ("base64 in percent", percent_encoded(&STANDARD.encode(&pair))),
            ("base64 in JSON", STANDARD.encode(&pair).replace('/', "\\/")),
        ]
    }

    #[test]
    fn every_encoding_is_blanked_wherever_it_stands() {
        let secrets = known();
        for (name, encoded) in encodings() {
            for (before, after) in [
                ("", ""),
                ("you sent ", " to us"),
                ("token=", "&x=1"),
                ("/v2/", "?…"),
                ("\u{2026}ö", "ö"),
                ("(", ")."),
            ] {
                let shown = secrets.blank(&format!("{before}{encoded}{after}")).into_owned();
                assert!(!shown.contains(&encoded) && shown.contains(BLANK), "{name}: {shown}");
                assert!(!shown.contains("pa ss") && !shown.contains("rd&"), "{name}: {shown}");
                if !before.ends_with('/') {
                    assert_eq!(shown, format!("{before}{BLANK}{after}"), "{name}");
                }
            }
        }
    }

    #[test]
    fn what_a_cut_leaves_of_a_secret_is_blanked() {
        let secrets = known();
        for (name, encoded) in encodings() {
            let characters: Vec<char> = encoded.chars().collect();
            for length in [characters.len() / 2, characters.len() - 1] {
                let cut: String = characters[..length].iter().collect();
                let shown = secrets.blank(&format!("you sent {cut}…")).into_owned();
                assert!(
                    shown.starts_with("you sent ***"),
                    "{name}, {length} of {}: {shown}",
                    characters.len()
                );
            }
        }
    }

    #[test]
    fn short_secrets_are_blanked_as_words_alone() {
        let secrets = Secrets::default();
        secrets.add_login("me", &"abc".into());
        assert_eq!(
            secrets.blank("abc is wrong, \"abc\", abcd, xabc, öabc"),
            "*** is wrong, \"***\", abcd, xabc, öabc"
        );
        assert_eq!(secrets.blank(&STANDARD.encode("me:abc")), "***");
        assert_eq!(secrets.blank("no secret here"), "no secret here");
    }

    #[test]
    fn other_text_stays_as_it_is() {
        let digest = "sha256:0f343b0931126a20f133d67c2b018a3b";
        for text in [
            digest,
            "",
            "…",
            "100 % of 50%25",
            "a\\b \\u{1b} &amp; &;",
            "%",
            "\\",
            "\\u12",
            "%4",
            "ö%ö",
            "&#x;",
        ] {
            assert_eq!(known().blank(text), text);
            assert_eq!(Secrets::default().blank(text), text);
        }
    }

    #[test]
    fn headers_are_secrets_whole_and_in_parts() {
        let secrets = Secrets::default();
        secrets.add_header(b"Basic dXNlcjpodW50ZXIy");
        secrets.add_header(b"session=0123456789abcdef; theme=dark");
        assert_eq!(
            secrets.blank("hunter2 dXNlcjpodW50ZXIy 0123456789abcdef dark"),
            "*** *** *** dark"
        );
    }

    #[test]
    fn what_a_redirect_leaves_of_a_secret_is_blanked() {
        let secrets = Secrets::default();
        secrets.add(&"first-half-of-it/rest/another-half-of-it".into());
        secrets.add_header(b"Bearer header-half-1/header-half-2");
        let shown = secrets
            .blank("/at/first-half-of-it/x /another-half-of-it header-half-2 /rest")
            .into_owned();
        assert_eq!(shown, "/at/***/x /*** *** /rest");
        // The base64 of the pair has a slash, and no part of the password itself is long.
        let password = "???abc#def#ghi#jkl#mn";
        let encoded = STANDARD.encode(format!("user:{password}"));
        let after = &encoded[encoded.find('/').unwrap() + 1..];
        secrets.add_login("user", &password.into());
        assert_eq!(secrets.blank(&format!("/at/{after}")), "/at/***");
    }

    #[test]
    fn documents_keep_their_numbers_and_names() {
        let secrets = Secrets::default();
        secrets.add(&"12345".into());
        let value = serde_json::json!({ "12345": [12345, "12345 is wrong", null] });
        assert_eq!(
            secrets.blank_json(value),
            serde_json::json!({ "12345": [12345, "*** is wrong", null] })
        );
    }

    #[test]
    fn nothing_is_printed_of_them() {
        assert_eq!(format!("{:?}", known()), "Secrets");
    }
}

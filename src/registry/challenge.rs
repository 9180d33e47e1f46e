//! `WWW-Authenticate`: the authentication that a registry requires (RFC 9110, section 11.6.1; distribution's token
//! authentication).
//!
//! A reply may have several challenges, in several headers or in one, separated by commas that also separate
//! parameters.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// A supported challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A token of a token service is required.
    Bearer(TokenChallenge),
    /// User and password are required.
    Basic,
}

/// The parameters of a `Bearer` challenge. `error` is not among them: a refused token is renewed whatever the reason.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TokenChallenge {
    /// Address of the token service, as written in the challenge.
    pub(super) realm: String,
    /// The service that the token is for.
    pub(super) service: Option<String>,
    /// The scopes that it must allow, separated by spaces.
    pub(super) scope: Option<String>,
}

/// Returns the challenge to answer: `Bearer` before `Basic`. Others (`Negotiate`) are ignored.
pub(super) fn preferred(headers: &HeaderMap) -> Option<Challenge> {
    let mut basic = None;
    for header in headers.get_all(WWW_AUTHENTICATE) {
        for (scheme, parameters) in parse(&String::from_utf8_lossy(header.as_bytes())) {
            let parameter = |name: &str| {
                let found = parameters.iter().find(|(other, _)| other == name);
                found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
            };
            match (scheme.as_str(), parameter("realm")) {
                ("bearer", Some(realm)) => {
                    let service = parameter("service");
                    let scope = parameter("scope");
                    return Some(Challenge::Bearer(TokenChallenge { realm, service, scope }));
                }
                ("basic", _) => basic = Some(Challenge::Basic),
                _ => {}
            }
        }
    }
    basic
}

/// Returns `true` if a 401 says that the token is valid but its scope is insufficient (RFC 6750, section 3.1).
pub(super) fn is_short_of_scope(headers: &HeaderMap) -> bool {
    let challenges = headers.get_all(WWW_AUTHENTICATE).iter();
    let mut challenges = challenges.flat_map(|header| parse(&String::from_utf8_lossy(header.as_bytes())));
    challenges.any(|(_, parameters)| {
        parameters
            .iter()
            .any(|(name, value)| name == "error" && value == "insufficient_scope")
    })
}

type Parameters = Vec<(String, String)>;

/// Parses challenges. Schemes and parameter names are returned in lower case.
fn parse(text: &str) -> Vec<(String, Parameters)> {
    let mut challenges: Vec<(String, Parameters)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = split_word(rest);
        if word.is_empty() {
            return challenges;
        }
        let word = word.to_ascii_lowercase();
        match (after.trim_start().strip_prefix('='), challenges.last_mut()) {
            (Some(value), Some((_, parameters))) => {
                let (value, after) = split_value(value.trim_start());
                parameters.push((word, value));
                rest = after;
            }
            _ => {
                challenges.push((word, Vec::new()));
                rest = after;
            }
        }
    }
}

/// Splits off a token of RFC 9110, or the beginning of a `token68`.
fn split_word(text: &str) -> (&str, &str) {
    let is_word = |character: char| character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(character);
    text.split_at(text.find(|character| !is_word(character)).unwrap_or(text.len()))
}

/// Splits off a quoted string, without its quotes and escapes, or the text up to a separator. An unterminated string
/// extends to the end.
fn split_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find([',', ' ', '\t']).unwrap_or(text.len()));
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            plain => value.push(plain),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferred_of(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        preferred(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        let challenge = TokenChallenge {
            realm: realm.to_owned(),
            service: owned(service),
            scope: owned(scope),
        };
        Some(Challenge::Bearer(challenge))
    }

    #[test]
    fn parameters_are_read_with_quotes_and_escapes() {
        let text = r#"Bearer realm="https://a.example/t?x=1,2",service="a \"b\"",scope="repository:x:pull,push""#;
        let expected = bearer(
            "https://a.example/t?x=1,2",
            Some("a \"b\""),
            Some("repository:x:pull,push"),
        );
        assert_eq!(preferred_of(&[text]), expected);
        assert_eq!(
            preferred_of(&["bearer REALM = t , Service=s"]),
            bearer("t", Some("s"), None)
        );
    }

    #[test]
    fn bearer_wins_wherever_it_stands() {
        let expected = bearer("t", None, None);
        assert_eq!(preferred_of(&[r#"Basic realm="x""#, r#"Bearer realm="t""#]), expected);
        assert_eq!(
            preferred_of(&[r#"Negotiate, Basic realm="x", Bearer realm="t""#]),
            expected
        );
        assert_eq!(preferred_of(&[r#"Negotiate YWJj/d==, Bearer realm="t""#]), expected);
        assert_eq!(
            preferred_of(&[r#"Basic realm="x, Bearer realm=y""#]),
            Some(Challenge::Basic)
        );
        assert_eq!(preferred_of(&["Basic"]), Some(Challenge::Basic));
    }

    #[test]
    fn a_token_that_allows_too_little_is_told_from_one_that_is_refused() {
        let is_short =
            |value: &str| is_short_of_scope(&HeaderMap::from_iter([(WWW_AUTHENTICATE, value.parse().unwrap())]));
        assert!(is_short(
            r#"Bearer realm="t",service="s",scope="repository:x:push",error="insufficient_scope""#
        ));
        assert!(!is_short(r#"Bearer realm="t",error="invalid_token""#));
        assert!(!is_short(r#"Bearer realm="insufficient_scope""#));
    }

    #[test]
    fn what_cannot_be_answered_is_passed_over() {
        for bad in [
            "",
            "Negotiate",
            "Bearer",
            r#"Bearer realm="""#,
            "=,=\"",
            "\"",
            "Digest realm=x",
            ",,,",
        ] {
            assert_eq!(preferred_of(&[bad]), None, "{bad}");
        }
        assert_eq!(preferred_of(&[r#"Bearer realm="t\"#]), bearer("t", None, None));
    }
}

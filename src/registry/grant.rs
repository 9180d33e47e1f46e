//! The claims of a token. Tokens of distribution's specification are JWTs that list what they allow (distribution,
//! "Token Authentication Implementation"); others are opaque. The signature is not verified: the registry decides, and
//! this only predicts its decision.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::Secret;

/// The claims that are used.
#[derive(Deserialize)]
struct Claims {
    access: Vec<Access>,
}

#[derive(Deserialize)]
struct Access {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    actions: Vec<String>,
}

/// Returns the actions that a token allows on a repository, or `None` if it does not name the repository.
pub(super) fn actions(token: &Secret, path: &str) -> Option<Vec<String>> {
    let claims = token.expose().split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?).ok()?;
    let mut named = claims
        .access
        .into_iter()
        .filter(|access| access.kind == "repository" && access.name == path)
        .peekable();
    named.peek()?;
    Some(named.flat_map(|access| access.actions).collect())
}

/// Returns `true` if a token names a repository and does not allow pushing to it.
pub(super) fn forbids_push(token: &Secret, path: &str) -> bool {
    actions(token, path).is_some_and(|actions| !actions.iter().any(|action| action == "push" || action == "*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> Secret {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims)).into()
    }

    #[test]
    fn a_token_that_names_the_repository_says_what_it_allows() {
        let access = |actions: &str| {
            token(&format!(
                r#"{{"access":[{{"type":"repository","name":"a/b","actions":{actions}}}]}}"#
            ))
        };
        assert!(forbids_push(&access(r#"["pull"]"#), "a/b"));
        assert!(forbids_push(&access("[]"), "a/b"));
        for actions in [r#"["pull","push"]"#, r#"["*"]"#] {
            assert!(!forbids_push(&access(actions), "a/b"), "{actions}");
        }
        assert!(!forbids_push(&access(r#"["pull"]"#), "a/c"));
    }

    #[test]
    fn other_tokens_say_nothing() {
        for claims in [
            "{}",
            "",
            "[]",
            r#"{"access":7}"#,
            r#"{"access":[{"type":"registry","name":"a","actions":[]}]}"#,
        ] {
            assert!(!forbids_push(&token(claims), "a"), "{claims}");
        }
        for opaque in ["", "opaque", "a.b.c", "..", "a.%%%.c"] {
            assert!(!forbids_push(&opaque.into(), "a"), "{opaque}");
        }
    }
}

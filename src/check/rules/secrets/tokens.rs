//! Secrets that are told by what they look like, wherever they stand: private keys, tokens with a prefix, passwords in
//! addresses.

use super::Sighting;
use super::variables::is_placeholder;

/// A token that its issuer gave a prefix, so that it can be told.
struct Token {
    prefix: &'static [u8],
    /// What it is, with its article.
    what: &'static str,
    /// Fewest bytes after the prefix.
    min_length: usize,
}

const TOKENS: &[Token] = &[
    Token { prefix: b"ghp_", what: "a GitHub token", min_length: 36 },
    Token { prefix: b"gho_", what: "a GitHub token", min_length: 36 },
    Token { prefix: b"ghu_", what: "a GitHub token", min_length: 36 },
    Token { prefix: b"ghs_", what: "a GitHub token", min_length: 36 },
    Token { prefix: b"ghr_", what: "a GitHub token", min_length: 36 },
    Token { prefix: b"github_pat_", what: "a GitHub token", min_length: 60 },
    Token { prefix: b"glpat-", what: "a GitLab token", min_length: 20 },
    Token { prefix: b"AKIA", what: "an AWS access key", min_length: 16 },
    Token { prefix: b"ASIA", what: "an AWS access key", min_length: 16 },
    Token { prefix: b"xoxb-", what: "a Slack token", min_length: 24 },
    Token { prefix: b"xoxp-", what: "a Slack token", min_length: 24 },
    Token { prefix: b"xoxa-", what: "a Slack token", min_length: 24 },
    Token { prefix: b"xoxr-", what: "a Slack token", min_length: 24 },
    Token { prefix: b"sk_live_", what: "a Stripe key", min_length: 24 },
    Token { prefix: b"rk_live_", what: "a Stripe key", min_length: 24 },
    Token { prefix: b"npm_", what: "an npm token", min_length: 36 },
    Token { prefix: b"pypi-AgEIcHlwaS5vcmc", what: "a PyPI token", min_length: 50 },
    Token { prefix: b"dckr_pat_", what: "a Docker Hub token", min_length: 27 },
    Token { prefix: b"dop_v1_", what: "a DigitalOcean token", min_length: 64 },
    Token { prefix: b"hvs.", what: "a Vault token", min_length: 24 },
    Token { prefix: b"sk-ant-", what: "an Anthropic key", min_length: 40 },
    Token { prefix: b"sk-proj-", what: "an OpenAI key", min_length: 40 },
];

/// Different bytes that a token has at the least: `xxxxxxxx` is none.
const MIN_DISTINCT_BYTES: usize = 6;

/// Base64 characters that follow the head of a key at the least, so that a placeholder is no key.
const MIN_KEY_CHARS: usize = 16;

/// What stands before and after the name of a PEM block (RFC 7468).
const PEM_BEGIN: &[u8] = b"-----BEGIN ";
const PEM_END: &[u8] = b"-----";

/// Longest name of a PEM block, such as `ENCRYPTED PRIVATE KEY`: a bound on what is searched for its end.
const MAX_PEM_NAME_BYTES: usize = 40;

/// Longest user and password of an address: a bound on what is searched for `@`.
const MAX_USERINFO_BYTES: usize = 256;

/// All that looks like a secret by itself, in the order of the text.
pub fn sightings(text: &[u8]) -> Vec<Sighting> {
    let mut found = Vec::new();
    let mut line = 1;
    for (at, byte) in text.iter().enumerate() {
        let rest = &text[at..];
        let what = match byte {
            b'\n' => {
                line += 1;
                None
            }
            b'-' if rest.starts_with(PEM_BEGIN) => is_private_key(&rest[PEM_BEGIN.len()..]).then_some("a private key"),
            b':' if rest.starts_with(b"://") => has_password(&rest[3..]).then_some("an address with a password"),
            b'g' | b'A' | b'x' | b's' | b'r' | b'n' | b'p' | b'd' | b'h' if !follows_word(text, at) => token(rest),
            _ => None,
        };
        found.extend(what.map(|what| Sighting { what, line }));
    }
    found
}

fn follows_word(text: &[u8], at: usize) -> bool {
    at.checked_sub(1).is_some_and(|before| is_token_byte(text[before]))
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn token(text: &[u8]) -> Option<&'static str> {
    let token = TOKENS.iter().find(|token| text.starts_with(token.prefix))?;
    let body = &text[token.prefix.len()..];
    let body = &body[..body.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(body.len())];
    let is_aws = token.prefix.ends_with(b"IA");
    // An access key has one length and capitals alone; the one that all documentation shows ends in EXAMPLE.
    let is_formed = !is_aws
        || body.len() == token.min_length
            && body.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            && !body.ends_with(b"EXAMPLE");
    let mut distinct = body.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    (body.len() >= token.min_length && is_formed && distinct.len() >= MIN_DISTINCT_BYTES).then_some(token.what)
}

/// Whether the head of a PEM block, from its name on, is that of a private key with something in it. In JSON a line feed
/// is `\n`.
fn is_private_key(text: &[u8]) -> bool {
    let window = &text[..text.len().min(MAX_PEM_NAME_BYTES + PEM_END.len())];
    let Some(length) = window.windows(PEM_END.len()).position(|part| part == PEM_END) else { return false };
    let is_private = window[..length].windows(11).any(|part| part == b"PRIVATE KEY");
    let mut body = &text[length + PEM_END.len()..];
    while let Some(rest) = body.strip_prefix(b"\\n").or_else(|| body.strip_prefix(b"\\r")) {
        body = rest;
    }
    let body = body.trim_ascii_start();
    // Encrypted keys of OpenSSL, and those of PGP, begin with headers.
    let has_headers = body.starts_with(b"Proc-Type:") || body.starts_with(b"Version:");
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    is_private
        && (has_headers || body.iter().take(MIN_KEY_CHARS).filter(|byte| is_base64(byte)).count() == MIN_KEY_CHARS)
}

/// Whether an address, from behind `://` on, has a password that is no placeholder (RFC 3986, section 3.2.1).
fn has_password(text: &[u8]) -> bool {
    let window = &text[..text.len().min(MAX_USERINFO_BYTES)];
    let is_end =
        |byte: &u8| matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>') || byte.is_ascii_whitespace();
    let authority = &window[..window.iter().position(is_end).unwrap_or(window.len())];
    let Some(at) = authority.iter().rposition(|byte| *byte == b'@') else { return false };
    let Some(colon) = authority[..at].iter().position(|byte| *byte == b':') else { return false };
    let password = &authority[colon + 1..at];
    !is_placeholder(&String::from_utf8_lossy(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(text: &str) -> Vec<(&'static str, usize)> {
        sightings(text.as_bytes()).into_iter().map(|sighting| (sighting.what, sighting.line)).collect()
    }

    fn body(length: usize) -> String {
        "a1B2c3D4e5F6g7H8".repeat(10)[..length].to_owned()
    }

    #[test]
    fn tokens_are_told_by_their_prefix() {
        for token in TOKENS.iter().filter(|token| !token.prefix.ends_with(b"IA")) {
            let prefix = String::from_utf8_lossy(token.prefix);
            let whole = format!("\nx = \"{prefix}{}\"", body(token.min_length));
            assert_eq!(what(&whole), [(token.what, 2)], "{prefix}");
            assert_eq!(what(&whole[..whole.len() - 2]), [], "{prefix}");
            assert_eq!(what(&format!("a{}", &whole[6..])), [], "{prefix}");
            assert_eq!(what(&format!("{prefix}{}", "x".repeat(token.min_length))), [], "{prefix}");
        }
        let key = ["AKIA", "Q3EGRIYZ6VWTB2NC"].concat();
        assert_eq!(what(&key), [("an AWS access key", 1)]);
        assert_eq!(what("AKIAIOSFODNN7EXAMPLE"), []);
        assert_eq!(what(&key.to_lowercase()), []);
        assert_eq!(what(&format!("{key}A")), []);
    }

    #[test]
    fn private_keys_are_told_and_public_ones_are_not() {
        let pem =
            |name: &str, body: &str| ["-----BEGIN ", name, "-----", body, "\n-----END ", name, "-----\n"].concat();
        let lines = "\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n";
        for name in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY"]
        {
            assert_eq!(what(&format!("# key\n{}", pem(name, lines))), [("a private key", 2)]);
        }
        let json = format!("{{\"private_key\": \"{}\"}}", pem("PRIVATE KEY", lines).replace('\n', "\\n"));
        assert_eq!(what(&json), [("a private key", 1)]);
        assert_eq!(what(&pem("RSA PRIVATE KEY", "\nProc-Type: 4,ENCRYPTED\n")), [("a private key", 1)]);
        assert_eq!(what(&pem("PGP PRIVATE KEY BLOCK", "\nVersion: 1\n")), [("a private key", 1)]);
        assert_eq!(what(&pem("CERTIFICATE", lines)), []);
        assert_eq!(what(&pem("PUBLIC KEY", lines)), []);
        assert_eq!(what(&pem("PRIVATE KEY", "\n...\n")), []);
        assert_eq!(what("-----BEGIN RSA PRIVATE KEY-----"), []);
        assert_eq!(what("-----BEGIN "), []);
    }

    #[test]
    fn passwords_in_addresses_are_told() {
        for address in ["https://me:hunter2@example.org/x", "postgres://app:p@ss@db:5432/app", "redis://:hunter2@cache"]
        {
            assert_eq!(what(&format!("url = {address}\n")), [("an address with a password", 1)], "{address}");
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
            assert_eq!(what(address), [], "{address}");
        }
    }

    #[test]
    fn long_texts_end_soon() {
        let text = "-----BEGIN ghp_://a:".repeat(50_000);
        assert_eq!(sightings(text.as_bytes()), []);
    }
}

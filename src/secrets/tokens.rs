//! Finds tokens with a prefix from their issuer: checks prefix, alphabet, length, and a checksum if there is one.

use super::kind::Kind;
use super::random::Look;
use super::sighting::Hit;

/// The characters of a token after its prefix.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    /// `0-9A-Za-z`.
    Base62,
    /// With `_`.
    Word,
    /// With `_` and `-`.
    Base64Url,
    /// With `_`, `-` and `.`.
    Dotted,
    /// With `_`, `-`, `+`, `/` and `=`.
    Base64Both,
    /// `0-9a-f`.
    Hex,
    /// `0-9A-Z`.
    Upper,
    /// `0-9A-Z` of Bech32 in capitals.
    Bech32,
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        let is_word = byte.is_ascii_alphanumeric();
        match self {
            Self::Base62 => is_word,
            Self::Word => is_word || byte == b'_',
            Self::Base64Url => is_word || matches!(byte, b'_' | b'-'),
            Self::Dotted => is_word || matches!(byte, b'_' | b'-' | b'.'),
            Self::Base64Both => is_word || matches!(byte, b'_' | b'-' | b'+' | b'/' | b'='),
            Self::Hex => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
            Self::Upper => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
            Self::Bech32 => b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L".contains(&byte),
        }
    }
}

/// How the end of a token confirms the rest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    None,
    /// A CRC-32 of the text after the prefix, in six digits of base 62, at the end (GitHub, npm).
    Crc32,
}

/// The form of a token.
struct Form {
    /// The text that it is found by, which follows `before`.
    anchor: &'static str,
    /// The part of its prefix before the anchor.
    before: &'static str,
    /// The part of its prefix after the anchor.
    after: &'static str,
    kind: Kind,
    alphabet: Alphabet,
    /// Least and greatest number of characters after the prefix.
    length: (usize, usize),
    check: Check,
}

/// No limit of the length, except that of the scanned text.
const ANY: usize = usize::MAX;

const fn form(anchor: &'static str, kind: Kind, alphabet: Alphabet, length: (usize, usize)) -> Form {
    within("", anchor, "", kind, alphabet, length)
}

const fn checked(anchor: &'static str, kind: Kind) -> Form {
    Form {
        check: Check::Crc32,
        ..form(anchor, kind, Alphabet::Base62, (36, 36))
    }
}

const fn within(
    before: &'static str,
    anchor: &'static str,
    after: &'static str,
    kind: Kind,
    alphabet: Alphabet,
    length: (usize, usize),
) -> Form {
    Form {
        anchor,
        before,
        after,
        kind,
        alphabet,
        length,
        check: Check::None,
    }
}

/// Lengths are documented by the issuers, or somewhat less than those of issued tokens.
const FORMS: &[Form] = &[
    checked("ghp_", Kind::GitHubToken),
    checked("gho_", Kind::GitHubToken),
    checked("ghu_", Kind::GitHubToken),
    checked("ghs_", Kind::GitHubToken),
    // A refresh token is longer than the other tokens.
    form("ghr_", Kind::GitHubToken, Alphabet::Base62, (36, 90)),
    within("git", "hub_pat_", "", Kind::GitHubToken, Alphabet::Word, (60, 90)),
    checked("npm_", Kind::NpmToken),
    form("glpat-", Kind::GitLabToken, Alphabet::Dotted, (20, 300)),
    form("glrt-", Kind::GitLabToken, Alphabet::Dotted, (20, 300)),
    form("glsa_", Kind::GrafanaToken, Alphabet::Word, (41, 41)),
    form("sk-ant-", Kind::AnthropicKey, Alphabet::Base64Url, (40, ANY)),
    form("sk-proj-", Kind::OpenAiKey, Alphabet::Base64Url, (40, ANY)),
    form("sk-svcacct-", Kind::OpenAiKey, Alphabet::Base64Url, (40, ANY)),
    form("sk-admin-", Kind::OpenAiKey, Alphabet::Base64Url, (40, ANY)),
    within("s", "k_live_", "", Kind::StripeKey, Alphabet::Base62, (24, 247)),
    within("r", "k_live_", "", Kind::StripeKey, Alphabet::Base62, (24, 247)),
    form("hvs.", Kind::VaultToken, Alphabet::Base64Url, (24, ANY)),
    form("hvb.", Kind::VaultToken, Alphabet::Base64Url, (24, ANY)),
    form("hvr.", Kind::VaultToken, Alphabet::Base64Url, (24, ANY)),
    within("py", "pi-AgE", "", Kind::PyPiToken, Alphabet::Base64Url, (50, ANY)),
    within("", "dckr_", "pat_", Kind::DockerHubToken, Alphabet::Base64Url, (27, 64)),
    within("", "dckr_", "oat_", Kind::DockerHubToken, Alphabet::Base64Url, (27, 64)),
    form("dop_v1_", Kind::DigitalOceanToken, Alphabet::Hex, (64, 64)),
    form("doo_v1_", Kind::DigitalOceanToken, Alphabet::Hex, (64, 64)),
    within("do", "r_v1_", "", Kind::DigitalOceanToken, Alphabet::Hex, (64, 64)),
    form("shpat_", Kind::ShopifyToken, Alphabet::Hex, (32, 32)),
    within("rub", "ygems_", "", Kind::RubyGemsKey, Alphabet::Hex, (48, 48)),
    within("", "tskey-", "auth-", Kind::TailscaleKey, Alphabet::Base64Url, (24, 80)),
    within("", "tskey-", "api-", Kind::TailscaleKey, Alphabet::Base64Url, (24, 80)),
    form("sntrys_", Kind::SentryToken, Alphabet::Base64Both, (100, ANY)),
    form("gsk_", Kind::GroqKey, Alphabet::Base62, (52, 52)),
    within("AGE-SECRE", "T-KEY-1", "", Kind::AgeKey, Alphabet::Bech32, (58, 58)),
    form("AKIA", Kind::AwsAccessKey, Alphabet::Upper, (16, 16)),
    form("ASIA", Kind::AwsAccessKey, Alphabet::Upper, (16, 16)),
];

/// Digits of a checksum.
const CHECK_DIGITS: usize = 6;

/// Tokens in the issuers' own documentation, which are public: their part after the prefix.
const DOCUMENTED: &[&str] = &["16C7e42F292c6912E7710c838347Ae178B4a"];

/// Returns the token whose anchor is at `at`, if it is one.
pub(super) fn token(text: &[u8], anchor: &str, at: usize) -> Option<Hit> {
    FORMS
        .iter()
        .filter(|form| form.anchor == anchor)
        .find_map(|form| form.hit(text, at))
}

impl Form {
    fn hit(&self, text: &[u8], at: usize) -> Option<Hit> {
        let start = at.checked_sub(self.before.len())?;
        if !text[start..].starts_with(self.before.as_bytes()) || !is_edge_before(text, start) {
            return None;
        }
        let rest = text[at + self.anchor.len()..].strip_prefix(self.after.as_bytes())?;
        let length = rest.iter().take_while(|byte| self.alphabet.has(**byte)).count();
        let body = &rest[..length];
        // A dot or a dash after a token ends a sentence, and does not belong to it.
        let body = &body[..body
            .iter()
            .rposition(|byte| !matches!(byte, b'.' | b'-'))
            .map_or(0, |last| last + 1)];
        let is_cut = rest
            .get(length)
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        if is_cut || !(self.length.0..=self.length.1).contains(&body.len()) {
            return None;
        }
        let is_documented = DOCUMENTED.iter().any(|known| known.as_bytes() == body);
        let is_example = self.kind == Kind::AwsAccessKey && body.ends_with(b"EXAMPLE");
        if is_documented || is_example {
            return None;
        }
        match self.check {
            Check::None => Look::of(body).hit(self.kind, start),
            // A checksum is stronger evidence than the look.
            Check::Crc32 if has_checksum(body) => Some(Hit::certain(self.kind, start)),
            Check::Crc32 => Look::of(body).hit(self.kind, start).map(|hit| Hit {
                is_certain: false,
                ..hit
            }),
        }
    }
}

/// Returns `true` if no word continues at `start`. `
/// ` of an escaped text and `%3D` of a URL end a word.
pub(super) fn is_edge_before(text: &[u8], start: usize) -> bool {
    let before = &text[..start];
    match before {
        [] => true,
        [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [.., last] => !(last.is_ascii_alphanumeric() || matches!(last, b'_' | b'-')),
    }
}

/// Returns `true` if the last six digits are the CRC-32 of the rest, in base 62.
fn has_checksum(body: &[u8]) -> bool {
    let (rest, digits) = body.split_at(body.len() - CHECK_DIGITS);
    base62(crc32fast::hash(rest)) == digits
}

/// Returns six digits of base 62, the highest first.
fn base62(mut number: u32) -> [u8; CHECK_DIGITS] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut digits = [b'0'; CHECK_DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(length: usize) -> String {
        "a1B2c3D4e5F6g7H8".repeat(20)[..length].to_owned()
    }

    /// Returns a token of a form, with a body of the least length.
    fn sample(form: &Form) -> String {
        let body = match form.alphabet {
            Alphabet::Hex => "9f86d081884c7d659a2feaa0c55ad015".repeat(2)[..form.length.0].to_owned(),
            Alphabet::Upper => "Q3EGRIYZ6VWTB2NC".to_owned(),
            Alphabet::Bech32 => "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"[..58].to_owned(),
            _ => body(form.length.0),
        };
        [form.before, form.anchor, form.after, &body].concat()
    }

    fn found(text: &str, form: &Form) -> Option<(Kind, usize)> {
        let at = text.find(form.anchor)?;
        token(text.as_bytes(), form.anchor, at).map(|hit| (hit.kind, hit.at))
    }

    #[test]
    fn each_form_is_found_between_any_marks() {
        for form in FORMS {
            let token = sample(form);
            for (before, after) in [
                ("", ""),
                ("\"", "\""),
                ("=", "\n"),
                (": '", "',"),
                ("\\n", "\\n"),
                ("%3D", "&x"),
                ("://x:", "@h"),
            ] {
                let text = [before, &token, after].concat();
                assert_eq!(found(&text, form), Some((form.kind, before.len())), "{text}");
            }
            assert_eq!(found(&format!("a{token}"), form), None, "{token}");
            assert_eq!(found(&token[..token.len() - 1], form), None, "{token}");
            let placeholder = [form.before, form.anchor, form.after, &"x".repeat(form.length.0)].concat();
            assert_eq!(found(&placeholder, form), None, "{placeholder}");
        }
    }

    #[test]
    fn a_token_with_a_long_run_is_a_placeholder() {
        for form in FORMS
            .iter()
            .filter(|form| !matches!(form.alphabet, Alphabet::Upper | Alphabet::Bech32))
        {
            let run = "0123456789abcdef";
            let token = sample(form);
            let placeholder = [&token[..token.len() - run.len()], run].concat();
            assert_eq!(found(&placeholder, form), None, "{placeholder}");
        }
    }

    #[test]
    fn names_that_begin_as_tokens_are_none() {
        for text in [
            "npm_config_zmq_enable_sanitizer_undefined",
            "npm_package_dependencies_something_long",
            "AKIAIOSFODNN7EXAMPLE",
            "glpat-your-token-goes-here-please",
            "sk-proj-your-project-key-is-to-be-put-in-here-instead-of-this",
            "github_pat_<your token>",
            "hvs.<token>",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        ] {
            for form in FORMS {
                assert_eq!(found(text, form), None, "{text}");
            }
        }
    }

    #[test]
    fn a_checksum_tells_real_tokens_from_made_up_ones() {
        let form = &FORMS[0];
        let rest = "k3JfLq9ZxW0uPsTnYbVmQ2rE5tH8aC";
        let digits = String::from_utf8(base62(crc32fast::hash(rest.as_bytes())).to_vec()).unwrap();
        let certain = |text: &str| token(text.as_bytes(), form.anchor, 0).unwrap().is_certain;
        assert!(certain(&["ghp_", rest, &digits].concat()));
        assert!(!certain(&["ghp_", rest, "aZ3dQ1"].concat()));
        assert_eq!(base62(0), *b"000000");
        assert_eq!(base62(61), *b"00000z");
        assert_eq!(base62(62), *b"000010");
    }
}

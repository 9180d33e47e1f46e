//! Finds secrets without a prefix of their own by the name that they are assigned to: `aws_secret_access_key = …`.

use super::base64::{decode, is_base64};
use super::kind::Kind;
use super::names::is_placeholder;
use super::random::{Look, entropy_bits, is_random};
use super::sighting::Hit;
use super::tokens::is_edge_before;

/// Greatest number of bytes between a name and its value: quotes, brackets, `=`, `: `, ` => `.
const MAX_SEPARATOR_BYTES: usize = 16;

/// Greatest extent of a name around its anchor, in bytes.
const MAX_NAME_BYTES: usize = 40;

/// Length of the secret of an AWS access key.
const AWS_SECRET_CHARS: usize = 40;

/// Least entropy of such a secret, in bits per character: random ones have at least 4.5, hexadecimal hashes at most 4.
const AWS_SECRET_BITS: f64 = 4.1;

/// Greatest distance of a secret from its access key, in bytes: the neighboring lines.
pub(super) const AWS_PAIR_BYTES: usize = 256;

/// Greatest part of a file of logins that is scanned, in bytes.
const MAX_LOGINS_BYTES: usize = 8 * 1024;

/// Least length of a registry token that is assigned to a name.
const MIN_NPMRC_CHARS: usize = 16;

/// The key of Azure's storage emulator, which is the same on every machine.
const AZURITE_KEY: &[u8] = b"Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq";

/// Returns the value after a name and its separator.
fn value_after(text: &[u8], at: usize) -> &[u8] {
    let rest = &text[at.min(text.len())..];
    let is_separator = |byte: &&u8| {
        matches!(
            **byte,
            b' ' | b'\t' | b'"' | b'\'' | b'`' | b'\\' | b'=' | b':' | b'>' | b',' | b']' | b')' | b'('
        )
    };
    let separator = rest.iter().take(MAX_SEPARATOR_BYTES).take_while(is_separator).count();
    // A name that continues is another name.
    if separator == 0 { &[] } else { &rest[separator..] }
}

/// Returns the characters at the start of `text` that `is` accepts.
fn run(text: &[u8], is: impl Fn(u8) -> bool) -> &[u8] {
    &text[..text.iter().position(|byte| !is(*byte)).unwrap_or(text.len())]
}

/// Returns the part before `at` of the word that includes `at`.
fn name_before(text: &[u8], at: usize) -> &[u8] {
    let window = &text[at.saturating_sub(MAX_NAME_BYTES)..at];
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    &window[window.iter().rposition(|byte| !is_name(byte)).map_or(0, |end| end + 1)..]
}

fn aws_secret(value: &[u8]) -> Look {
    let has_form = value.len() == AWS_SECRET_CHARS && entropy_bits(value) >= AWS_SECRET_BITS;
    if has_form { Look::of(value) } else { Look::Placeholder }
}

/// Finds the value of `aws_secret_access_key`, `AWS_SECRET_ACCESS_KEY`, `secretAccessKey`, or Azure's
/// `SharedAccessKey=`. `at` is the position of the anchor, which ends after `KEY`.
pub(super) fn access_key(text: &[u8], at: usize, anchor: &str) -> Option<Hit> {
    let name = name_before(text, at).to_ascii_lowercase();
    let end = at + anchor.len();
    let value = run(value_after(text, end), is_base64);
    if memchr::memmem::find(&name, b"secret").is_some() {
        let after = value_after(text, end).get(value.len());
        let is_ended = after.is_none_or(|byte| !matches!(byte, b'=' | b'_' | b'-'));
        return aws_secret(value).hit(Kind::AwsSecretKey, end).filter(|_| is_ended);
    }
    let is_azure = name.ends_with(b"sharedacc") && text[end..].starts_with(b"=");
    if is_azure {
        padded(text, end + 1, 43, 1).hit(Kind::AzureKey, end)
    } else {
        None
    }
}

/// Finds the key after `AccountKey=` in a connection string.
pub(super) fn account_key(text: &[u8], at: usize, anchor: &str) -> Option<Hit> {
    let end = at + anchor.len();
    let is_documented = text[end..].starts_with(AZURITE_KEY);
    padded(text, end, 86, 2)
        .hit(Kind::AzureKey, end)
        .filter(|_| !is_documented)
}

/// Classifies this many base64 characters that are followed by this much padding.
fn padded(text: &[u8], at: usize, characters: usize, padding: usize) -> Look {
    let value = run(&text[at..], is_base64);
    let equals = run(&text[at + value.len()..], |byte| byte == b'=');
    if value.len() == characters && equals.len() == padding {
        Look::of(value)
    } else {
        Look::Placeholder
    }
}

/// Returns whether the secret of the access key at `at` is near it.
pub(super) fn has_aws_secret_near(text: &[u8], at: usize) -> bool {
    let window = &text[at.saturating_sub(AWS_PAIR_BYTES)..text.len().min(at + AWS_PAIR_BYTES)];
    window
        .split(|byte| !is_base64(*byte))
        .any(|value| aws_secret(value) == Look::Random)
}

/// Finds the value of `//registry/:_authToken=VALUE` of npm, or `npmAuthToken: VALUE` of Yarn. `at` is after `_au` or
/// `npmAu`.
pub(super) fn auth_token(text: &[u8], at: usize, anchor: &str) -> Option<Hit> {
    let end = at + anchor.len();
    let name = name_before(text, at);
    if !(name.ends_with(b"_au") || name.ends_with(b"npmAu"))
        || !matches!(text.get(end), Some(b'=' | b':' | b' ' | b'"'))
    {
        return None;
    }
    let value = run(value_after(text, end), |byte| {
        is_base64(byte) || matches!(byte, b'_' | b'-' | b'.' | b'=')
    });
    // npm's own tokens have a prefix.
    let has_form = value.starts_with(b"npm_");
    (!has_form && value.len() >= MIN_NPMRC_CHARS && is_random(value)).then_some(Hit::certain(Kind::RegistryToken, end))
}

/// Finds `{"auths": {"HOST": {"auth": "BASE64"}}}`, the format in which Docker and compatible tools store logins. `at`
/// is after `"a`.
pub(super) fn registry_login(text: &[u8], at: usize) -> Option<Hit> {
    const NAME: &[u8] = b"\"auths\"";
    let start = at.checked_sub(2).filter(|start| text[*start..].starts_with(NAME))?;
    let rest = &text[start + NAME.len()..];
    let rest = &rest[..rest.len().min(MAX_LOGINS_BYTES)];
    // The next file of logins is scanned separately.
    let rest = &rest[..memchr::memmem::find(rest, NAME).unwrap_or(rest.len())];
    let is_object = rest
        .trim_ascii_start()
        .strip_prefix(b":")
        .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"{"));
    let is_login = |found: usize| {
        let value = run(value_after(rest, found + b"\"auth\"".len()), |byte| {
            is_base64(byte) || byte == b'='
        });
        let decoded = decode(&value[..value.iter().position(|byte| *byte == b'=').unwrap_or(value.len())]);
        let Ok(login) = std::str::from_utf8(&decoded) else {
            return false;
        };
        login
            .split_once(':')
            .is_some_and(|(user, password)| !user.is_empty() && !is_placeholder(password))
    };
    let is_filled = memchr::memmem::find_iter(rest, b"\"auth\"").any(is_login);
    (is_object && is_filled).then_some(Hit::certain(Kind::RegistryLogin, start))
}

/// Finds `TWILIO_AUTH_TOKEN=…`, `twilio_api_secret: "…"`, or an API key `SK…`: 32 hexadecimal digits.
pub(super) fn twilio(text: &[u8], at: usize, anchor: &str) -> Option<Hit> {
    let end = at + anchor.len();
    let window = &text[end..text.len().min(end + MAX_NAME_BYTES)];
    let name = run(window, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
    })
    .to_ascii_lowercase();
    let names_secret = [&b"token"[..], b"secret", b"key", b"sid"]
        .iter()
        .any(|word| name.ends_with(word));
    let value = run(value_after(text, end + name.len()), |byte| byte.is_ascii_alphanumeric());
    let digits = value.strip_prefix(b"SK").unwrap_or(value);
    // The ID of an account begins with AC and is not a secret.
    let is_value = digits.len() == 32 && (value.len() == 34 || !name.ends_with(b"sid"));
    Look::of(digits)
        .hit(Kind::TwilioSecret, end)
        .filter(|_| names_secret && is_value)
}

/// Finds `SG.` followed by the parts of a SendGrid key. `at` is the position before it.
pub(super) fn sendgrid(text: &[u8], at: usize) -> Option<Hit> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let rest = text.get(at..)?.strip_prefix(b"SG.")?;
    let first = run(rest, is_part);
    let second = run(rest[first.len()..].strip_prefix(b".")?, is_part);
    let is_key = first.len() == 22 && second.len() == 43;
    Look::of(second).hit(Kind::SendGridKey, at).filter(|_| is_key)
}

/// Finds `hf_` followed by 34 letters.
pub(super) fn hugging_face(text: &[u8], at: usize) -> Option<Hit> {
    let value = run(text.get(at..)?.strip_prefix(b"hf_")?, |byte| {
        byte.is_ascii_alphanumeric() || byte == b'_'
    });
    (value.len() == 34 && !value.contains(&b'_') && is_random(value))
        .then_some(Hit::certain(Kind::HuggingFaceToken, at))
}

/// Finds an OpenAI key of any version: it contains `T3BlbkFJ`, the company's name in base64, in the middle. `at` is
/// after the `T`.
pub(super) fn openai(text: &[u8], at: usize) -> Option<Hit> {
    const MAX_HALF_CHARS: usize = 120;
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let before = &text[at.saturating_sub(MAX_HALF_CHARS)..at];
    let start = before.iter().rposition(|byte| !is_part(*byte)).map_or(0, |end| end + 1);
    let first = &before[start..];
    let begin = at - first.len();
    let second = run(&text[at..text.len().min(at + MAX_HALF_CHARS)], is_part);
    let is_key = first.starts_with(b"sk-") && first.ends_with(b"T") && first.len() >= 20 && second.len() >= 20;
    if is_key && is_edge_before(text, begin) {
        Look::of(&first[3..]).hit(Kind::OpenAiKey, begin)
    } else {
        None
    }
}

/// Finds Slack's tokens: a kind, numbers of the workspace and the user, and a secret; or one long text. `at` is the
/// position of the `x`.
pub(super) fn slack(text: &[u8], at: usize) -> Option<Hit> {
    const MIN_CHARS: usize = 24;
    const MIN_SECRET_CHARS: usize = 16;
    if !is_edge_before(text, at) {
        return None;
    }
    let window = &text[at..text.len().min(at + 400)];
    let token = run(window, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')
    });
    let (prefix, rest) = token.split_at_checked(5)?;
    let is_known = matches!(prefix, b"xoxb-" | b"xoxp-" | b"xoxa-" | b"xoxr-" | b"xoxs-" | b"xapp-");
    let secret = rest.rsplit(|byte| *byte == b'-').next().unwrap_or_default();
    let has_form = is_known && rest.len() >= MIN_CHARS && secret.len() >= MIN_SECRET_CHARS;
    Look::of(secret).hit(Kind::SlackToken, at).filter(|_| has_form)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWS: &str = "k3JfLq9Zx/W0uPsTnYbVm+Q2rE5tH8aCgD7iN1oB";

    fn noise(characters: usize, padding: &str) -> String {
        [
            &"k3JfLq9Zx/W0uPsTnYbVm+Q2rE5tH8aCgD7iN1oB".repeat(3)[..characters],
            padding,
        ]
        .concat()
    }

    #[test]
    fn secrets_are_told_by_the_name_that_they_are_given_to() {
        let azure = noise(86, "==");
        let bus = noise(43, "=");
        let login = "{\"auths\": {\"ghcr.io\": {\"auth\": \"bWU6aHVudGVyMg==\"}}}";
        let slack = ["xo", "xb-123456789012-1234567890123-k3JfLq9ZxW0uPsTnYbVmQ2rE"].concat();
        type Find = fn(&[u8], usize, &str) -> Option<Hit>;
        let cases: [(String, &str, Find, bool); 22] = [
            (format!("aws_secret_access_key = {AWS}\n"), "ss_key", access_key, true),
            (
                format!("export AWS_SECRET_ACCESS_KEY='{AWS}'"),
                "SS_KEY",
                access_key,
                true,
            ),
            (format!("\"SecretAccessKey\": \"{AWS}\""), "essKey", access_key, true),
            (format!("secretAccessKey={AWS}"), "essKey", access_key, true),
            (format!("aws_secret_access_key = {AWS}x"), "ss_key", access_key, false),
            (format!("aws_access_key = {AWS}"), "ss_key", access_key, false),
            (
                "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
                "ss_key",
                access_key,
                false,
            ),
            (
                "secret_access_key = da39a3ee5e6b4b0d3255bfef95601890afd80709".into(),
                "ss_key",
                access_key,
                false,
            ),
            (
                format!("Endpoint=sb://x/;SharedAccessKeyName=a;SharedAccessKey={bus}"),
                "essKey=",
                shared,
                true,
            ),
            (
                format!("AccountName=a;AccountKey={azure};EndpointSuffix=x"),
                "untKey=",
                account_key,
                true,
            ),
            (
                format!("AccountKey={}", String::from_utf8_lossy(AZURITE_KEY)),
                "untKey=",
                account_key,
                false,
            ),
            ("AccountKey=<key>".into(), "untKey=", account_key, false),
            (
                "//registry.example.org/:_authToken=b0a7e8d2-5f7c-4e1b-9a3d-6c2f8e4b7a10".into(),
                "thToken",
                auth_token,
                true,
            ),
            (
                "npmAuthToken: \"k3JfLq9ZxW0uPsTnYbVm\"".into(),
                "thToken",
                auth_token,
                true,
            ),
            (
                "//registry.example.org/:_authToken=${NPM_TOKEN}".into(),
                "thToken",
                auth_token,
                false,
            ),
            (
                "const authToken = generateAnother0Token(options)".into(),
                "thToken",
                auth_token,
                false,
            ),
            (login.into(), "uths\"", |text, at, _| registry_login(text, at), true),
            (
                "{\"auths\": {\"ghcr.io\": {}}}".into(),
                "uths\"",
                |text, at, _| registry_login(text, at),
                false,
            ),
            (
                "TWILIO_AUTH_TOKEN=9f86d081884c7d659a2feaa0c55ad015".into(),
                "WILIO",
                twilio,
                true,
            ),
            (
                "TWILIO_ACCOUNT_SID=AC9f86d081884c7d659a2feaa0c55ad015".into(),
                "WILIO",
                twilio,
                false,
            ),
            (slack, "xoxb-", |text, at, _| super::slack(text, at), true),
            (
                ["xo", "xb-your-bot-token-goes-in-here"].concat(),
                "xoxb-",
                |text, at, _| super::slack(text, at),
                false,
            ),
        ];
        for (text, anchor, find, is_one) in cases {
            let at = text.find(anchor).unwrap_or_else(|| panic!("{anchor} in {text}"));
            assert_eq!(find(text.as_bytes(), at, anchor).is_some(), is_one, "{text}");
        }
        fn shared(text: &[u8], at: usize, _: &str) -> Option<Hit> {
            access_key(text, at, "essKey")
        }
    }

    #[test]
    fn keys_in_several_parts_are_told_whole() {
        let sendgrid_key = [
            "SG",
            ".k3JfLq9ZxW0uPsTnYbVmQ2.",
            &noise(43, "").replace(['/', '+'], "_"),
        ]
        .concat();
        assert_eq!(sendgrid(sendgrid_key.as_bytes(), 0).map(|hit| hit.at), Some(0));
        assert_eq!(sendgrid(b"SG.common.module", 0), None);
        let face = ["h", "f_kJfLqZxWuPsTnYbVmQrEtHaCgDiNoBdRcU"].concat();
        assert_eq!(hugging_face(face.as_bytes(), 0).map(|hit| hit.at), Some(0));
        assert_eq!(hugging_face(b"hf_hub_download_with_some_arguments_", 0), None);
        let old = ["key = s", "k-k3JfLq9ZxW0uPsTnYbVmT3BlbkFJQ2rE5tH8aCgD7iN1oBdR"].concat();
        assert_eq!(
            openai(old.as_bytes(), old.find("3Blbk").unwrap()).map(|hit| hit.at),
            Some(6)
        );
        assert!(has_aws_secret_near(
            format!("AKIAQ3EGRIYZ6VWTB2NC\n{AWS}\n").as_bytes(),
            0
        ));
        assert!(!has_aws_secret_near(b"AKIAQ3EGRIYZ6VWTB2NC\n", 0));
    }
}

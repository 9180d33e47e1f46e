//! Recognizes secrets by the name of what holds them: environment variables, keys of a settings file.

/// Words that make the value of a name a secret, at any position.
const SECRET_WORDS: &[&str] = &[
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "credentials",
    "apikey",
    "authtoken",
];

/// Words that do so only at the end: `API_KEY`, but not `KEY_PREFIX`.
const SECRET_LAST_WORDS: &[&str] = &["key", "pass", "pwd"];

/// Words for values that are published on purpose.
const PUBLISHED_WORDS: &[&str] = &["public", "publishable"];

/// Words that make a key one of another kind: of a signature, a database, a cache.
const OTHER_KEY_WORDS: &[&str] = &[
    "gpg",
    "pgp",
    "fingerprint",
    "primary",
    "foreign",
    "cache",
    "sort",
    "partition",
    "site",
    "idempotency",
    "routing",
];

/// Last words of names that describe a secret without being one: `TOKEN_URL`, `PASSWORD_FILE`.
const HARMLESS_LAST_WORDS: &[&str] = &[
    "algorithm",
    "alg",
    "arn",
    "audience",
    "class",
    "count",
    "days",
    "dir",
    "directory",
    "disabled",
    "enabled",
    "endpoint",
    "expiration",
    "expires",
    "expiry",
    "file",
    "format",
    "header",
    "host",
    "hours",
    "id",
    "issuer",
    "length",
    "lifetime",
    "limit",
    "limits",
    "location",
    "max",
    "min",
    "minutes",
    "mode",
    "name",
    "path",
    "policy",
    "port",
    "prefix",
    "provider",
    "required",
    "rotation",
    "rounds",
    "seconds",
    "service",
    "size",
    "store",
    "suffix",
    "timeout",
    "ttl",
    "type",
    "uri",
    "url",
    "version",
];

/// Placeholders for a value that the user has to fill in.
const PLACEHOLDERS: &[&str] = &[
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "none",
    "null",
    "undefined",
    "todo",
    "tbd",
    "...",
];

/// Parts of placeholders.
const PLACEHOLDER_PARTS: &[&str] = &[
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "example",
    "dummy",
    "redacted",
    "xxxx",
    "your-",
    "your_",
    "{{",
    "****",
];

/// Greatest number of digits of a number that is a setting instead of a secret.
const MAX_SETTING_DIGITS: usize = 5;

/// Returns `true` if a name suggests that its value is a secret, and the value could be one.
pub fn is_secret(name: &str, value: &str) -> bool {
    names_secret(name) && is_secret_value(value)
}

/// Returns `true` for names such as `API_TOKEN`, `dbPassword`, `client-secret`.
fn names_secret(name: &str) -> bool {
    let words = words(name);
    let Some(last) = words.last().map(String::as_str) else {
        return false;
    };
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let ends_as_secret = words.len() > 1 && SECRET_LAST_WORDS.contains(&last) && !has(OTHER_KEY_WORDS);
    let is_secret = has(SECRET_WORDS) || ends_as_secret;
    is_secret && !has(PUBLISHED_WORDS) && !HARMLESS_LAST_WORDS.contains(&last)
}

/// Splits a name at `_`, `-`, `.`, and before capital letters; returns the words in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for letter in name.chars() {
        if !letter.is_ascii_alphanumeric() || was_small && letter.is_ascii_uppercase() {
            words.push(String::new());
        }
        was_small = letter.is_ascii_lowercase();
        if letter.is_ascii_alphanumeric() {
            words
                .last_mut()
                .expect("there is a word from the start")
                .push(letter.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Returns `true` for a value that is not a placeholder, a path, a URL (whose password is found separately) or the
/// number of a setting.
fn is_secret_value(value: &str) -> bool {
    let value = unquoted(value);
    let is_path =
        value.starts_with('/') || value.starts_with("./") || value.starts_with("../") || value.starts_with('~');
    let is_number = value.len() <= MAX_SETTING_DIGITS && value.bytes().all(|byte| byte.is_ascii_digit());
    !is_placeholder(value) && !is_path && !is_number && !value.contains("://")
}

/// Returns `true` for an empty value, a variable reference, and words such as `changeme`.
pub fn is_placeholder(value: &str) -> bool {
    let value = unquoted(value).to_ascii_lowercase();
    let mut letters = value.chars();
    let first = letters.next();
    let is_one_letter = letters.all(|letter| Some(letter) == first);
    is_one_letter
        || value.starts_with(['$', '<', '%'])
        || value.contains("${")
        || PLACEHOLDERS.contains(&value.as_str())
        || PLACEHOLDER_PARTS.iter().any(|part| value.contains(part))
}

/// Removes spaces around the value, and then quotes around it.
pub fn unquoted(value: &str) -> &str {
    let value = value.trim();
    let inside = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_suggest_secrets() {
        for name in [
            "API_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "DATABASE_PASSWORD",
            "SECRET_KEY_BASE",
            "OPENAI_API_KEY",
            "apiKey",
            "dbPassword",
            "client-secret",
            "SMTP_PASS",
            "CACHE_PASSWORD",
            "PASSWORD",
            "GOOGLE_CREDENTIALS",
        ] {
            assert!(is_secret(name, "s3cr3t"), "{name}");
        }
    }

    #[test]
    fn names_of_bases_and_settings_do_not() {
        for name in [
            "GPG_KEY",
            "GPG_KEYS",
            "PYTHON_SHA256",
            "NODE_VERSION",
            "RABBITMQ_PGP_KEY_ID",
            "NEXT_PUBLIC_API_KEY",
            "STRIPE_PUBLISHABLE_KEY",
            "TOKEN_URL",
            "PASSWORD_FILE",
            "SECRET_NAME",
            "KEYCLOAK_REALM",
            "KEY",
            "PWD",
            "OLDPWD",
            "CACHE_KEY",
            "MONKEY",
            "TOKENIZERS_PARALLELISM",
            "PATH",
            "",
            "___",
        ] {
            assert!(!is_secret(name, "A035C8C19219BA821ECEA86B64E628F8D684696D"), "{name}");
        }
    }

    #[test]
    fn values_that_stand_for_others_are_none() {
        for value in [
            "",
            "  ",
            "\"\"",
            "''",
            "changeme",
            "CHANGE_ME_NOW",
            "<token>",
            "${TOKEN}",
            "$TOKEN",
            "prefix-${TOKEN}",
            "true",
            "xxxxxxxx",
            "********",
            "your-token-here",
            "/run/secrets/token",
            "./token",
            "~/token",
            "3600",
            "0",
            "https://id.example.org/token",
            "{{ token }}",
            "none",
            "...",
        ] {
            assert!(!is_secret("API_TOKEN", value), "{value}");
        }
        for value in ["abc", "hunter2", "\"s3cr3t\"", "123456789", "p/q"] {
            assert!(is_secret("API_TOKEN", value), "{value}");
        }
    }
}

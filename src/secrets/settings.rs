//! Recognizes by their names files that hold secrets, and finds the secrets in them.

use serde_json::Value;

use super::kind::Kind;
use super::names::{is_placeholder, is_secret, unquoted};
use crate::model::EntryPath;

/// A secret in a settings file, and its line, from 1.
type Found = (Kind, u64);

/// Words in the names of `.env` files that are templates.
const TEMPLATES: &[&str] = &[
    "example", "sample", "template", "dist", "tpl", "tmpl", "defaults", "schema",
];

/// Settings of tools: file name, its directory (empty for any), format.
const SETTINGS: &[(&str, &str, Format)] = &[
    (".npmrc", "", Format::Npmrc),
    (".yarnrc.yml", "", Format::Yarnrc),
    (".pypirc", "", Format::Pypirc),
    (".netrc", "", Format::Netrc),
    ("_netrc", "", Format::Netrc),
    (".git-credentials", "", Format::Text),
    (".pgpass", "", Format::Pgpass),
    (".dockercfg", "", Format::RegistryLogins),
    (".dockerconfigjson", "", Format::RegistryLogins),
    ("config.json", ".docker", Format::RegistryLogins),
    ("auth.json", "containers", Format::RegistryLogins),
    ("credentials", ".aws", Format::AwsCredentials),
    ("config", ".kube", Format::Kubeconfig),
    ("kubeconfig", "", Format::Kubeconfig),
    ("config", ".git", Format::GitConfig),
    ("pip.conf", "", Format::Text),
    ("credentials", ".cargo", Format::CargoCredentials),
    ("credentials.toml", ".cargo", Format::CargoCredentials),
    ("application_default_credentials.json", "", Format::CloudJson),
    ("credentials.json", "", Format::CloudJson),
    ("id_rsa", "", Format::Text),
    ("id_dsa", "", Format::Text),
    ("id_ecdsa", "", Format::Text),
    ("id_ed25519", "", Format::Text),
];

/// Suffixes of names.
const ENDINGS: &[(&str, Format)] = &[
    (".pem", Format::Text),
    (".key", Format::Text),
    (".kubeconfig", Format::Kubeconfig),
    (".p12", Format::KeyStore),
    (".pfx", Format::KeyStore),
];

/// Parts of the names of JSON files that cloud consoles create.
const CLOUD_NAMES: &[&str] = &[
    "service-account",
    "service_account",
    "serviceaccount",
    "firebase-adminsdk",
];

/// How a file holds its secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Npmrc,
    Yarnrc,
    Pypirc,
    Netrc,
    Pgpass,
    RegistryLogins,
    AwsCredentials,
    Kubeconfig,
    GitConfig,
    CargoCredentials,
    CloudJson,
    Dotenv,
    /// Only secrets that are recognized by their own form.
    Text,
    /// A binary key store, recognized only by its name.
    KeyStore,
}

impl Format {
    /// Returns the format of a file, by its path only.
    pub fn of(path: &EntryPath) -> Option<Self> {
        let name = std::str::from_utf8(path.file_name()).ok()?;
        let folder = path.parent_name();
        let setting = SETTINGS
            .iter()
            .find(|(known, place, _)| *known == name && (place.is_empty() || place.as_bytes() == folder));
        let ending = || {
            ENDINGS
                .iter()
                .find(|(ending, _)| name.ends_with(ending) && name.len() > ending.len())
        };
        let is_cloud = || name.ends_with(".json") && CLOUD_NAMES.iter().any(|part| name.contains(part));
        if let Some((_, _, format)) = setting {
            Some(*format)
        } else if is_dotenv(name) {
            Some(Self::Dotenv)
        } else if let Some((_, format)) = ending() {
            Some(*format)
        } else {
            is_cloud().then_some(Self::CloudJson)
        }
    }

    /// Returns the secrets in a file of this format, except those that are recognized by their own form.
    pub fn find(self, bytes: &[u8]) -> Vec<Found> {
        let text = String::from_utf8_lossy(bytes);
        match self {
            Self::Npmrc => lines(&text, |line| {
                let (name, value) = line.split_once('=')?;
                let is_token = ["_authToken", "_password", "_auth"]
                    .iter()
                    .any(|end| name.trim().ends_with(end));
                (is_token && is_filled(value)).then_some(Kind::RegistryToken)
            }),
            Self::Yarnrc => named(&text, ':', &["npmAuthToken", "npmAuthIdent"], Kind::RegistryToken),
            Self::Pypirc => named(&text, '=', &["password"], Kind::IndexPassword),
            Self::Netrc => netrc(&text),
            Self::Pgpass => lines(&text, |line| {
                let password = line.splitn(5, ':').nth(4)?;
                (!line.starts_with('#') && is_filled(password)).then_some(Kind::DatabasePassword)
            }),
            Self::RegistryLogins => registry_logins(&text),
            Self::AwsCredentials => named(
                &text,
                '=',
                &["aws_secret_access_key", "aws_session_token"],
                Kind::AwsSecretKey,
            ),
            Self::Kubeconfig => named(
                &text,
                ':',
                &["client-key-data", "token", "password"],
                Kind::KubernetesCredential,
            ),
            Self::GitConfig => lines(&text, |line| {
                let (name, value) = line.split_once('=')?;
                let is_header = name.trim().eq_ignore_ascii_case("extraheader");
                (is_header && value.to_ascii_lowercase().contains("authorization:")).then_some(Kind::GitServerToken)
            }),
            Self::CargoCredentials => named(&text, '=', &["token"], Kind::RegistryToken),
            Self::CloudJson => cloud_json(&text),
            Self::Dotenv => lines(&text, |line| {
                let line = line.strip_prefix("export ").unwrap_or(line);
                let (name, value) = line.split_once('=')?;
                let name = name.trim();
                (!name.starts_with('#') && is_secret(name, value)).then_some(Kind::Variable)
            }),
            Self::Text | Self::KeyStore => Vec::new(),
        }
    }
}

/// Returns `true` for `.env`, `.env.production`, `api.env`, but not for `.env.example`.
fn is_dotenv(name: &str) -> bool {
    let is_one = name.ends_with(".env") || name.starts_with(".env.");
    is_one && !name.split('.').any(|part| TEMPLATES.contains(&part))
}

fn is_filled(value: &str) -> bool {
    !is_placeholder(value)
}

/// Returns the result of `kind` for each line; lines are passed without surrounding space.
fn lines(text: &str, kind: impl Fn(&str) -> Option<Kind>) -> Vec<Found> {
    let numbered = text.lines().zip(1..);
    numbered
        .filter_map(|(line, number)| Some((kind(line.trim())?, number)))
        .collect()
}

/// Returns one for each line that assigns a value to one of these names.
fn named(text: &str, separator: char, names: &[&str], kind: Kind) -> Vec<Found> {
    lines(text, |line| {
        let (name, value) = line.split_once(separator)?;
        (names.contains(&unquoted(name.trim_start_matches("- "))) && is_filled(value)).then_some(kind)
    })
}

/// Parses `machine NAME login NAME password VALUE`, on one or several lines.
fn netrc(text: &str) -> Vec<Found> {
    let words = text
        .lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim_start().starts_with('#'));
    let words: Vec<(&str, u64)> = words
        .flat_map(|(line, number)| line.split_whitespace().map(move |word| (word, number)))
        .collect();
    let pairs = words
        .windows(2)
        .filter(|pair| pair[0].0 == "password" && is_filled(pair[1].0));
    pairs.map(|pair| (Kind::ServerPassword, pair[1].1)).collect()
}

fn registry_logins(text: &str) -> Vec<Found> {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return Vec::new();
    };
    // Older files contain only the content of `auths`.
    let logins = value.get("auths").unwrap_or(&value).as_object();
    let is_login = |login: &Value| {
        ["auth", "identitytoken", "password"]
            .iter()
            .any(|name| is_filled_field(login, name))
    };
    let found = logins.into_iter().flatten().any(|(_, login)| is_login(login));
    found
        .then(|| (Kind::RegistryLogin, line_of(text, "\"auth")))
        .into_iter()
        .collect()
}

/// Finds credentials of a user. Those of a service contain a private key, which is recognized by its form.
fn cloud_json(text: &str) -> Vec<Found> {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return Vec::new();
    };
    let holder = ["installed", "web"]
        .iter()
        .find_map(|name| value.get(name))
        .unwrap_or(&value);
    let name = ["refresh_token", "client_secret"]
        .into_iter()
        .find(|name| is_filled_field(holder, name));
    name.map(|name| (Kind::CloudCredential, line_of(text, name)))
        .into_iter()
        .collect()
}

fn is_filled_field(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_str).is_some_and(is_filled)
}

fn line_of(text: &str, part: &str) -> u64 {
    text.find(part)
        .map_or(1, |at| text[..at].matches('\n').count() as u64 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::new(text.as_bytes()).unwrap()
    }

    /// Returns the lines with sightings in a file at this path.
    fn sighted(at: &str, text: &str) -> Vec<u64> {
        let format = Format::of(&path(at)).unwrap_or_else(|| panic!("{at}"));
        format.find(text.as_bytes()).into_iter().map(|(_, line)| line).collect()
    }

    #[test]
    fn each_format_is_read_by_its_own_rules() {
        for (at, text, lines) in [
            (
                "app/.npmrc",
                "registry=https://x\n//x/:_authToken=abc123\n_auth = Zm9v\n",
                &[2, 3][..],
            ),
            (
                "app/.npmrc",
                "//x/:_authToken=${NPM_TOKEN}\n; c\nalways-auth=true\n_password=\n",
                &[],
            ),
            (
                "app/.yarnrc.yml",
                "npmScopes:\n  a:\n    npmAuthToken: \"abc123\"\n",
                &[3],
            ),
            ("app/.yarnrc.yml", "npmAuthToken: ${NPM_TOKEN}\nnodeLinker: pnp\n", &[]),
            (
                "root/.pypirc",
                "[pypi]\nusername = __token__\npassword = abc123\n",
                &[3],
            ),
            (
                "root/.netrc",
                "machine x login me password hunter2\n# password y\n",
                &[1],
            ),
            ("root/.netrc", "machine x\n  login me\n  password\n  hunter2\n", &[4]),
            ("root/.pgpass", "# a:b:c:d:e\ndb:5432:app:app:hunter2\n", &[2]),
            (
                "root/.docker/config.json",
                "{\n \"auths\": {\"x\": {\n \"auth\": \"bWU6cGFzcw==\"}}}",
                &[2],
            ),
            (
                "root/.docker/config.json",
                "{\"auths\": {\"x\": {}}, \"credsStore\": \"pass\"}",
                &[],
            ),
            ("root/.docker/config.json", "{\"auths\"", &[]),
            ("root/.dockercfg", "{\"x\": {\"auth\": \"bWU6cGFzcw==\"}}", &[1]),
            (
                "root/.aws/credentials",
                "[default]\naws_access_key_id = x\naws_secret_access_key = wJalr/K7\n",
                &[3],
            ),
            (
                "root/.kube/config",
                "users:\n- name: a\n  user:\n    client-key-data: LS0t\n    token: abc\n",
                &[4, 5],
            ),
            (
                "app/.git/config",
                "[http \"https://github.com/\"]\n\textraheader = AUTHORIZATION: basic eA==\n",
                &[2],
            ),
            ("root/.cargo/credentials.toml", "[registry]\ntoken = \"cio123\"\n", &[2]),
            (
                "a/application_default_credentials.json",
                "{\n\"refresh_token\": \"1//abc\"}",
                &[2],
            ),
            (
                "a/credentials.json",
                "{\"installed\": {\"client_secret\": \"abc\"}}",
                &[1],
            ),
            (
                "app/.env",
                "# API_TOKEN=abc\nA=1\nexport API_TOKEN='abc'\nDB_PASSWORD=\nSECRET_KEY=${X}\n",
                &[3],
            ),
            ("app/.env.production", "API_TOKEN=abc", &[1]),
            ("app/api.env", "API_TOKEN=abc", &[1]),
        ] {
            assert_eq!(sighted(at, text), lines, "{at}: {text}");
        }
    }

    #[test]
    fn other_names_are_not_read() {
        for at in [
            "app/.env.example",
            "app/.env.production.sample",
            "app/config.json",
            "app/credentials",
            "etc/config",
            "app/auth.json",
            "app/id_rsa.pub",
            "app/environment",
            "app/.key",
            "app/key",
            "app/server.crt",
            "app/data.json",
        ] {
            assert_eq!(Format::of(&path(at)), None, "{at}");
        }
        assert_eq!(Format::of(&path("a/my-service-account.json")), Some(Format::CloudJson));
        assert_eq!(Format::of(&path("a/x.p12")), Some(Format::KeyStore));
    }

    #[test]
    fn what_is_not_text_is_no_trouble() {
        for (_, _, format) in SETTINGS {
            for bytes in [&b"\xff\xfe\0\0"[..], b"", b"=", b":", b"password", b"[[[[", b"export ="] {
                assert_eq!(format.find(bytes), [], "{format:?}");
            }
        }
    }
}

//! Credential files: Docker's `config.json`, containers' `auth.json`, and the old `.dockercfg`
//! (containers-auth.json(5)). Parsers' messages are not shown: they may quote the text at the error.

use std::io;
use std::iter;
use std::path::Path;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::Secret;
use super::credential::Credential;
use super::origin::canonical;
use crate::model::{DOCKER_HUB, Pipes, escape_path, read_input};
use crate::store::StoreError;

/// Key of Docker Hub that all tools understand.
pub(super) const HUB_KEY: &str = "https://index.docker.io/v1/";

/// Size limit of a credential file, in bytes: enough for thousands of registries, and too small for a device or a wrong
/// file.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Base64 with or without padding, since tools write both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A file's contents, and the file's name for messages.
#[derive(Clone)]
pub(super) struct AuthFile {
    pub(super) place: String,
    fields: Map<String, Value>,
}

impl AuthFile {
    /// Reads a file. Returns `None` if it does not exist. An empty file has no entries.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let text = match read_input(path, Pipes::Read, MAX_FILE_BYTES) {
            Ok(text) => text,
            Err(cause) => match cause.kind() {
                io::ErrorKind::NotFound => return Ok(None),
                io::ErrorKind::FileTooLarge => {
                    return Err(StoreError::malformed(escape_path(path), cause.to_string()));
                }
                _ => return Err(StoreError::io("read", path, cause)),
            },
        };
        let file = Self::parse(escape_path(path), &text)?;
        let is_old = path.file_name().is_some_and(|name| name == ".dockercfg");
        Ok(Some(if is_old { file.below_auths() } else { file }))
    }

    pub(super) fn parse(place: String, text: &[u8]) -> Result<Self, StoreError> {
        if text.trim_ascii().is_empty() {
            return Ok(Self {
                place,
                fields: Map::new(),
            });
        }
        match serde_json::from_slice(text) {
            Ok(Value::Object(fields)) => Ok(Self { place, fields }),
            Ok(_) => Err(StoreError::malformed(place, "it is not a JSON object")),
            Err(error) => {
                let reason = format!("it is not JSON, at line {}, column {}", error.line(), error.column());
                Err(StoreError::malformed(place, reason))
            }
        }
    }

    /// Wraps the entries of `.dockercfg`, which has no `auths` object.
    fn below_auths(self) -> Self {
        let fields = Map::from_iter([("auths".to_owned(), Value::Object(self.fields))]);
        Self {
            place: self.place,
            fields,
        }
    }

    /// Returns the credential helpers to ask, in order: the registry's own, then the one for all registries.
    pub(super) fn helpers(&self, registry: &str) -> Vec<String> {
        let helpers = self.fields.get("credHelpers").and_then(Value::as_object);
        let own = helpers.and_then(|helpers| {
            let exact = helpers.get(registry);
            exact.or_else(|| entries_of(helpers, registry).next())
        });
        let names = [own, self.fields.get("credsStore")]
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        names.filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
    }

    /// Returns the inline entry for a repository: `REGISTRY/a/b`, `REGISTRY/a`, `REGISTRY`, then any other spelling of
    /// it.
    pub(super) fn inline(&self, registry: &str, path: &str) -> Result<Option<Credential>, StoreError> {
        let Some(auths) = self.fields.get("auths").and_then(Value::as_object) else {
            return Ok(None);
        };
        let full = format!("{registry}/{path}");
        let keys = iter::successors(Some(full.trim_end_matches('/')), |key| Some(key.rsplit_once('/')?.0));
        let exact = keys.filter_map(|key| auths.get(key));
        for entry in exact.chain(entries_of(auths, registry)) {
            if let Some(credential) = self.credential(entry)? {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }

    /// Parses an entry. An empty entry means that a helper has the credential; it is `None`.
    fn credential(&self, entry: &Value) -> Result<Option<Credential>, StoreError> {
        let text = |name| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(token) = text("registrytoken") {
            return Ok(Some(Credential::Registry(token.into())));
        }
        let pair = match text("auth") {
            Some(encoded) => Some(self.decode(encoded)?),
            None => text("username")
                .zip(text("password"))
                .map(|(user, secret)| (user.to_owned(), secret.to_owned())),
        };
        if let Some(token) = text("identitytoken") {
            let user = pair.map(|(user, _)| user).unwrap_or_default();
            return Ok(Some(Credential::Identity {
                user,
                token: token.into(),
            }));
        }
        Ok(pair.map(|(user, password)| Credential::Password {
            user,
            password: password.into(),
        }))
    }

    /// Decodes base64 of `user:password` and splits it at the first colon. Some tools pad with NULs.
    fn decode(&self, encoded: &str) -> Result<(String, String), StoreError> {
        let bytes = BASE64
            .decode(encoded.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = bytes
            .as_deref()
            .and_then(|text| text.trim_matches('\0').split_once(':'));
        pair.map(|(user, password)| (user.to_owned(), password.to_owned()))
            .ok_or_else(|| {
                StoreError::malformed(&self.place, "one of its \"auth\" values is not base64 of user:password")
            })
    }

    /// Returns the file with one entry for a registry, in place of all of its entries.
    pub(super) fn with_login(self, registry: &str, user: &str, secret: &Secret) -> Self {
        let (mut file, _) = self.without_login(registry);
        let key = server_name(registry);
        let entry = serde_json::json!({ "auth": BASE64.encode(format!("{user}:{}", secret.expose())) });
        match file.fields.entry("auths").or_insert_with(|| Value::Object(Map::new())) {
            Value::Object(auths) => drop(auths.insert(key.to_owned(), entry)),
            other => *other = serde_json::json!({ key: entry }),
        }
        file
    }

    /// Returns the file without the entries of a registry, and whether there were any. Entries of single repositories
    /// are kept.
    pub(super) fn without_login(mut self, registry: &str) -> (Self, bool) {
        let Some(auths) = self.fields.get_mut("auths").and_then(Value::as_object_mut) else {
            return (self, false);
        };
        let before = auths.len();
        auths.retain(|key, _| !is_key_of(key, registry));
        let is_changed = auths.len() != before;
        (self, is_changed)
    }

    /// Returns the text to write. Unknown fields are kept, in their order.
    pub(super) fn to_text(&self) -> String {
        format!("{:#}\n", Value::Object(self.fields.clone()))
    }
}

/// Returns the name that helpers know a registry by.
pub(super) fn server_name(registry: &str) -> &str {
    if canonical(registry) == DOCKER_HUB {
        HUB_KEY
    } else {
        registry
    }
}

/// Returns the entries of a registry whose key has a scheme, a path, or another name of Docker Hub.
fn entries_of<'a>(entries: &'a Map<String, Value>, registry: &'a str) -> impl Iterator<Item = &'a Value> {
    let mine = entries.iter().filter(|(key, _)| is_key_of(key, registry));
    mine.map(|(_, entry)| entry)
}

/// Returns `true` if a key (a host, or an address with a path) is one of the registry's names.
fn is_key_of(key: &str, registry: &str) -> bool {
    let stripped = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let host = match stripped {
        Some(rest) => rest.split('/').next().unwrap_or_default(),
        None => key,
    };
    canonical(host) == canonical(registry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> AuthFile {
        AuthFile::parse("auth.json".to_owned(), text.as_bytes()).unwrap()
    }

    fn pair(text: &str, registry: &str, path: &str) -> Option<(String, String)> {
        let credential = file(text).inline(registry, path).unwrap()?;
        credential
            .pair()
            .map(|(user, secret)| (user.to_owned(), secret.expose().to_owned()))
    }

    fn some(user: &str, secret: &str) -> Option<(String, String)> {
        Some((user.to_owned(), secret.to_owned()))
    }

    #[test]
    fn the_longest_key_wins_and_other_spellings_are_understood() {
        let auth = |user: &str| format!(r#"{{"auth":"{}"}}"#, BASE64.encode(format!("{user}:a:b")));
        let text = format!(
            r#"{{"auths":{{"https://r.example/v2/":{},"r.example/a":{},"r.example/a/b":{},"s.example/x":{}}}}}"#,
            auth("host"),
            auth("a"),
            auth("ab"),
            auth("x"),
        );
        assert_eq!(pair(&text, "r.example", "a/b"), some("ab", "a:b"));
        assert_eq!(pair(&text, "r.example", "a/c"), some("a", "a:b"));
        assert_eq!(pair(&text, "r.example", "c"), some("host", "a:b"));
        assert_eq!(pair(&text, "s.example", "y"), None);
        assert_eq!(pair(&text, "r.example:443", "a"), None);
    }

    #[test]
    fn hub_has_many_names() {
        for key in [
            HUB_KEY,
            "docker.io",
            "index.docker.io",
            "registry-1.docker.io",
            "https://docker.io",
        ] {
            let text = format!(r#"{{"auths":{{"{key}":{{"auth":"dTpw"}}}}}}"#);
            assert_eq!(pair(&text, "docker.io", "library/x"), some("u", "p"), "{key}");
            assert_eq!(pair(&text, "index.docker.io", "library/x"), some("u", "p"), "{key}");
        }
    }

    #[test]
    fn entries_of_every_kind_are_read() {
        let only = |entry: &str| {
            file(&format!(r#"{{"auths":{{"r":{entry}}}}}"#))
                .inline("r", "x")
                .unwrap()
        };
        assert!(only("{}").is_none() && only(r#"{"auth":""}"#).is_none() && only("7").is_none());
        assert!(matches!(
            only(r#"{"registrytoken":"t"}"#),
            Some(Credential::Registry(_))
        ));
        assert!(
            matches!(only(r#"{"identitytoken":"t","auth":"dTo="}"#), Some(Credential::Identity { user, .. }) if user == "u")
        );
        let padded = format!(r#"{{"auth":"{}"}}"#, BASE64.encode("u:p\0\0"));
        assert_eq!(only(&padded).unwrap().pair(), Some(("u", &"p".into())));
        assert_eq!(
            only(r#"{"username":"u","password":"p"}"#).unwrap().pair(),
            Some(("u", &"p".into()))
        );
    }

    #[test]
    fn damage_is_an_error_that_tells_no_secret() {
        for bad in ["{\"auths\": {\"r\": \"secret", "[\"secret\"]", "secret"] {
            let error = AuthFile::parse("auth.json".to_owned(), bad.as_bytes()).err().unwrap();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        for bad in ["!!", "bm9jb2xvbg=="] {
            let error = file(&format!(r#"{{"auths":{{"r":{{"auth":"{bad}"}}}}}}"#))
                .inline("r", "x")
                .err()
                .unwrap();
            assert!(
                error.to_string().contains("auth.json") && !error.to_string().contains(bad),
                "{error}"
            );
        }
    }

    #[test]
    fn a_login_replaces_all_spellings_and_keeps_the_rest() {
        let text = r#"{"credHelpers":{"x":"y"},"auths":{"docker.io":{"auth":"dTpw"},"r":{}},"zeta":[1]}"#;
        let changed = file(text).with_login("docker.io", "me", &"secret".into());
        assert_eq!(pair(&changed.to_text(), "docker.io", "x"), some("me", "secret"));
        let (rest, was_there) = file(&changed.to_text()).without_login("index.docker.io");
        assert!(was_there);
        assert_eq!(
            serde_json::from_str::<Value>(&rest.to_text()).unwrap(),
            serde_json::json!({
                "credHelpers": {"x": "y"}, "auths": {"r": {}}, "zeta": [1],
            })
        );
        assert!(!rest.without_login("docker.io").1);
    }
}

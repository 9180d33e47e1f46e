//! `secret`: what looks like a secret in one's own files, in the environment and in labels. Everybody who may pull an
//! image reads all of it, what a later layer hides included.
//!
//! A value is never shown: a finding says what it looks like, and on which line.

use std::collections::BTreeMap;

use super::super::code::Code;
use super::super::finding::Finding;
use super::super::interest::Evidence;
use super::super::subject::Subject;
use super::listing::{count, list, package_folder, test_folder};
use super::marks::Marks;
use crate::model::{EntryPath, escape};
use formats::Format;

mod formats;
mod tokens;
mod variables;

/// Greatest size of a suspect that is read, in bytes: keys, tokens and settings have a few kilobytes, and what is larger
/// is a bundle of certificates.
pub const MAX_SUSPECT_BYTES: u64 = 64 * 1024;

/// Sightings that one file's finding tells apart.
const MAX_TOLD: usize = 3;

/// Something that looks like a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sighting {
    /// What it looks like, with its article.
    what: &'static str,
    /// Its line, from 1; 0 of what has no lines.
    line: usize,
}

impl Sighting {
    /// ` (line 3)`.
    fn line_text(&self) -> String {
        if self.line == 0 { String::new() } else { format!(" (line {})", self.line) }
    }
}

/// True for a file whose name says that it may hold a secret, and that is read for it.
pub fn is_suspect(path: &EntryPath) -> bool {
    Format::of(path).is_some_and(|format| format != Format::KeyStore)
}

/// True for a file whose name says that it may hold a secret, read or not.
pub fn is_told_by_name(path: &EntryPath) -> bool {
    Format::of(path).is_some()
}

/// True where a text holds nothing that looks like a secret, so that a message may quote it.
pub fn may_show(text: &[u8]) -> bool {
    tokens::sightings(text).is_empty()
}

/// The rule for files: one finding for each, or for each installed package and each folder of tests.
pub fn secret_files(subject: &Subject, findings: &mut Vec<Finding>) {
    let mut files: BTreeMap<EntryPath, Vec<(&EntryPath, Vec<Sighting>)>> = BTreeMap::new();
    for (path, own) in subject.own() {
        let sightings = match own.evidence() {
            Evidence::Whole(bytes) => sightings(path, bytes),
            _ if own.size_bytes > 0 && own.has(Marks::SUSPECT) && Format::of(path) == Some(Format::KeyStore) => {
                key_store()
            }
            _ => continue,
        };
        if !sightings.is_empty() {
            let place = package_folder(path).or_else(|| test_folder(path)).unwrap_or_else(|| path.clone());
            files.entry(place).or_default().push((path, sightings));
        }
    }
    findings.extend(files.into_iter().map(|(place, files)| file_finding(subject, place, &files)));
}

fn key_store() -> Vec<Sighting> {
    vec![Sighting { what: "a store of private keys", line: 0 }]
}

/// What a file holds, one for each line, in the order of the lines.
fn sightings(path: &EntryPath, bytes: &[u8]) -> Vec<Sighting> {
    let mut found = tokens::sightings(bytes);
    found.extend(Format::of(path).map(|format| format.sightings(bytes)).unwrap_or_default());
    found.sort_by_key(|sighting| sighting.line);
    found.dedup_by_key(|sighting| sighting.line);
    found
}

fn file_finding(subject: &Subject, place: EntryPath, files: &[(&EntryPath, Vec<Sighting>)]) -> Finding {
    let (first, sightings) = &files[0];
    let message = match files.len() {
        1 if place == **first => format!("holds what looks like {}", told(sightings)),
        1 => format!("{first} holds what looks like {}", told(sightings)),
        many => {
            let paths = list(files.iter().map(|(path, _)| *path));
            format!("{} hold what looks like secrets: {paths}", count(many, "file", "files"))
        }
    };
    let help = "leave it out with `exclude` and hand it over at run time (a mounted secret, a variable); if an image with \
                it was pushed already, revoke it";
    let found = format!("{} in {first}{}, not shown", sightings[0].what, sightings[0].line_text());
    Finding::new(Code::Secret, &subject.platform, place, message, help).evidence("no secret in the image", found)
}

/// `a private key (line 1), a GitHub token (line 3) and 2 more`.
fn told(sightings: &[Sighting]) -> String {
    let each: Vec<String> =
        sightings.iter().take(MAX_TOLD).map(|sighting| format!("{}{}", sighting.what, sighting.line_text())).collect();
    match sightings.len().saturating_sub(MAX_TOLD) {
        0 => each.join(", "),
        more => format!("{} and {more} more", each.join(", ")),
    }
}

/// The rule for the environment and the labels, which anybody reads who may pull the image.
pub fn secret_settings(subject: &Subject, findings: &mut Vec<Finding>) {
    let execution = &subject.execution;
    // The last one of a name counts; what the base has set is the base's.
    let own = execution.env.iter().filter(|variable| !subject.base_env.contains(variable));
    let environment: BTreeMap<&str, &str> = own.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let labels = execution.labels.iter().map(|(name, value)| ("label", name.as_str(), value.as_str()));
    let variables = environment.into_iter().map(|(name, value)| ("variable", name, value));
    for (kind, name, value) in variables.chain(labels) {
        let Some(what) = secret_in(name, value) else { continue };
        let name = escape(name.as_bytes());
        let message = format!("the {kind} \"{name}\" holds what looks like {what}");
        let help = match kind {
            "label" => {
                "take the label away: it is for everybody to read; if an image with it was pushed already, revoke \
                        what it holds"
            }
            _ => {
                "set it where the image runs, and name it in `required-env`; if an image with it was pushed already, \
                  revoke what it holds"
            }
        };
        let finding = Finding::new(Code::Secret, &subject.platform, EntryPath::root(), message, help);
        findings.push(finding.evidence("no secret in the image", format!("{what}, not shown")));
    }
}

fn secret_in(name: &str, value: &str) -> Option<&'static str> {
    match tokens::sightings(value.as_bytes()).first() {
        Some(sighting) => Some(sighting.what),
        None => variables::is_secret(name, value).then_some("a secret, by its name"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::code::Severity;
    use super::super::super::testing::{Image, Thing, path};
    use super::*;

    const PEM: &str = "-----BEGIN \
        PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\n-----END PRIVATE KEY-----\n";

    fn with(files: &[(&str, &str)]) -> Vec<Finding> {
        let image = Image::new("linux/amd64");
        let image = files.iter().fold(image, |image, (at, text)| image.own(at, 0o644, Thing::Text((*text).to_owned())));
        image.found_by(secret_files)
    }

    fn of_config(config: serde_json::Value) -> Vec<String> {
        let found = Image::new("linux/amd64").config(config).found_by(secret_settings);
        assert!(found.iter().all(|finding| finding.path.is_root()));
        found.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_private_key_is_a_warning_that_shows_nothing_of_it() {
        let found = with(&[("app/certs/server.key", PEM)]);
        let [finding] = &found[..] else { panic!("{found:?}") };
        assert_eq!((finding.code, finding.severity), (Code::Secret, Severity::Warning));
        assert_eq!(finding.path, path("app/certs/server.key"));
        assert_eq!(finding.message, "holds what looks like a private key (line 1)");
        assert_eq!(finding.found.as_deref(), Some("a private key in /app/certs/server.key (line 1), not shown"));
        assert!(finding.help.starts_with("leave it out with `exclude` and hand it over at run time"));
        assert!(!finding.to_json().to_string().contains("MIIE"));
    }

    #[test]
    fn a_line_is_told_once_and_many_are_counted() {
        let token = ["npm_", &"a1B2c3D4e5F6".repeat(3)].concat();
        let found = with(&[("app/.npmrc", &format!("//x/:_authToken={token}\n"))]);
        assert_eq!(found[0].message, "holds what looks like an npm token (line 1)");
        let text = "A_TOKEN=a1\nB_TOKEN=b1\n\nURL=https://me:hunter2@x\nC_TOKEN=c1\nD_TOKEN=d1\n";
        let found = with(&[("app/.env", text)]);
        assert_eq!(
            found[0].message,
            "holds what looks like a variable with a secret's name (line 1), a variable with a secret's name (line 2), \
             an address with a password (line 4) and 2 more"
        );
        assert!(!format!("{found:?}").contains("hunter2"));
    }

    #[test]
    fn the_keys_of_a_package_or_of_tests_are_one_finding() {
        let found = with(&[
            ("app/node_modules/a/test/a.key", PEM),
            ("app/node_modules/a/test/b.pem", PEM),
            ("app/node_modules/b/c.pem", PEM),
            ("srv/tests/a.pem", PEM),
            ("srv/tests/deep/b.pem", PEM),
        ]);
        let messages: Vec<&str> = found.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "2 files hold what looks like secrets: /app/node_modules/a/test/a.key, /app/node_modules/a/test/b.pem",
                "/app/node_modules/b/c.pem holds what looks like a private key (line 1)",
                "2 files hold what looks like secrets: /srv/tests/a.pem, /srv/tests/deep/b.pem",
            ]
        );
        assert_eq!(found[0].path, path("app/node_modules/a"));
    }

    #[test]
    fn certificates_templates_and_the_bases_files_are_fine() {
        let certificate = PEM.replace("PRIVATE KEY", "CERTIFICATE");
        assert_eq!(with(&[("app/ca.pem", &certificate), ("app/.env.example", "API_TOKEN=abc")]), []);
        let image = Image::new("linux/amd64").base("etc/ssl/private/x.key", 0o600, Thing::Text(PEM.to_owned()));
        assert_eq!(image.found_by(secret_files), []);
        let unread = Image::new("linux/amd64").own("app/x.key", 0o600, Thing::Unread(100_000));
        assert_eq!(unread.found_by(secret_files), []);
    }

    #[test]
    fn a_store_of_keys_is_told_by_its_name() {
        let found = Image::new("linux/amd64").own("app/x.pfx", 0o600, Thing::Unread(100)).found_by(secret_files);
        assert_eq!(found[0].message, "holds what looks like a store of private keys");
    }

    #[test]
    fn the_environment_and_labels_are_looked_through() {
        let messages = of_config(json!({
            "Env": ["PATH=/bin", "API_TOKEN=abc123", "DATABASE_URL=postgres://app:hunter2@db/app", "A\u{1b}_SECRET=x1"],
            "Labels": {"build.token": "abc123", "source": "https://me:hunter2@example.org/x", "title": "API_TOKEN"},
        }));
        assert_eq!(
            messages,
            [
                "the label \"build.token\" holds what looks like a secret, by its name",
                "the label \"source\" holds what looks like an address with a password",
                "the variable \"API_TOKEN\" holds what looks like a secret, by its name",
                "the variable \"A\\u{1b}_SECRET\" holds what looks like a secret, by its name",
                "the variable \"DATABASE_URL\" holds what looks like an address with a password",
            ]
        );
    }

    #[test]
    fn what_official_images_set_is_no_secret() {
        let messages = of_config(json!({
            "Env": [
                "GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D",
                "PYTHON_SHA256=2411c74bda5bbcfcddaf4531f66d1adc73f247f529aee981b029513aefdbf849",
                "GPG_KEYS=1198C0117593497A5EC5C199286AF1F9897469DC",
                "PYTHON_GET_PIP_URL=https://github.com/pypa/get-pip/raw/x/public/get-pip.py",
                "RABBITMQ_PGP_KEY_ID=0x0A9AF2115F4687BD29803A206B73A36E6026DFCA",
                "API_TOKEN=old",
                "API_TOKEN=",
                "TOKEN_FILE=/run/secrets/token",
            ],
            "Labels": {"dev.ocitect.required-env": "API_TOKEN,DATABASE_PASSWORD"},
        }));
        assert_eq!(messages, [""; 0]);
    }
}

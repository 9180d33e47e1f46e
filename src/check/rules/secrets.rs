//! `secret`: text in your layers, in the environment and in labels that looks like a secret. Everyone who can pull an
//! image can read all of it, including files that a later layer hides.
//!
//! The value is never shown: a finding contains its kind and its line.

use std::collections::BTreeMap;

use super::listing::{count, list};
use crate::check::folders::{installed_folder, test_folder};
use crate::check::{Code, Finding, Rule, Severity, Subject};
use crate::model::{EntryPath, Platform, escape};
use crate::secrets::{SightedFile, Sighting, is_secret, scan_value};

/// Sightings that the finding of one file lists.
const MAX_TOLD: usize = 3;

/// Returns `true` if a text holds nothing that looks like a secret, so that a message may quote it.
pub fn may_show(text: &[u8]) -> bool {
    scan_value(text).is_empty()
}

/// Returns the findings on the files of one platform's own layers in which something was seen: one for each file, or
/// for each installed package and each folder of tests. A private key is an error, but not in packages and tests.
pub fn check_secrets<'a>(platform: &Platform, sighted: impl IntoIterator<Item = &'a SightedFile>) -> Vec<Finding> {
    let mut files: BTreeMap<&EntryPath, Vec<Sighting>> = BTreeMap::new();
    for file in sighted {
        // A path that several layers contain is reported as one file.
        files.entry(&file.path).or_default().extend(&file.sightings);
    }
    let mut groups: BTreeMap<EntryPath, Group<'_>> = BTreeMap::new();
    for (path, mut sightings) in files {
        sightings.sort_by_key(|sighting| sighting.place);
        sightings.dedup();
        let folder = installed_folder(path).or_else(|| test_folder(path));
        if folder.is_some() {
            // Documentation and tests of packages are full of tokens that were made up.
            sightings.retain(|sighting| sighting.is_certain);
        }
        if sightings.is_empty() {
            continue;
        }
        let is_excused = folder.is_some();
        let group = groups.entry(folder.unwrap_or_else(|| path.clone()));
        group
            .or_insert(Group {
                is_excused,
                files: Vec::new(),
            })
            .files
            .push((path, sightings));
    }
    groups
        .into_iter()
        .map(|(place, group)| group.finding(platform, place))
        .collect()
}

/// Files that one finding is about.
struct Group<'a> {
    /// An installed package, or tests: their content is usually there on purpose.
    is_excused: bool,
    files: Vec<(&'a EntryPath, Vec<Sighting>)>,
}

impl Group<'_> {
    fn finding(&self, platform: &Platform, place: EntryPath) -> Finding {
        let (first, sightings) = &self.files[0];
        let message = match self.files.len() {
            1 if place == **first => format!("contains what looks like {}", told(sightings)),
            1 => format!("{first} contains what looks like {}", told(sightings)),
            many => {
                let paths = list(self.files.iter().map(|(path, _)| *path));
                format!(
                    "{} contain what looks like secrets: {paths}",
                    count(many, "file", "files")
                )
            }
        };
        let help = "leave it out with `exclude` and provide it at run time (a mounted secret, a variable); if an image \
                    with it was already pushed, revoke it";
        let found = format!(
            "{} in {first}{}, not shown",
            sightings[0].kind.words(),
            sightings[0].place.suffix()
        );
        let finding = Finding::new(Code::Secret, platform, place, message, help);
        let finding = finding.evidence("no secret in the image", found);
        if self.has_private_key() && !self.is_excused {
            return Finding {
                severity: Severity::Error,
                ..finding
            };
        }
        finding
    }

    fn has_private_key(&self) -> bool {
        self.files
            .iter()
            .flat_map(|(_, sightings)| sightings)
            .any(|sighting| sighting.kind.is_private_key())
    }
}

/// `a private key (line 1), a GitHub token (line 3) and 2 more`.
fn told(sightings: &[Sighting]) -> String {
    let one = |sighting: &Sighting| format!("{}{}", sighting.kind.words(), sighting.place.suffix());
    let each: Vec<String> = sightings.iter().take(MAX_TOLD).map(one).collect();
    match sightings.len().saturating_sub(MAX_TOLD) {
        0 => each.join(", "),
        more => format!("{} and {more} more", each.join(", ")),
    }
}

/// The rule of [`secret_settings`].
pub(super) const RULE: Rule = Rule::new(&[Code::Secret], secret_settings);

/// Finds secrets in the environment and in labels, which everyone who can pull the image can read.
fn secret_settings(subject: &Subject, findings: &mut Vec<Finding>) {
    let execution = &subject.execution;
    // The last value of a name counts; values that the base image sets belong to the base image.
    let own = execution
        .env
        .iter()
        .filter(|variable| !subject.base_env.contains(variable));
    let environment: BTreeMap<&str, &str> = own.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let labels = execution
        .labels
        .iter()
        .map(|(name, value)| ("label", name.as_str(), value.as_str()));
    let variables = environment.into_iter().map(|(name, value)| ("variable", name, value));
    for (kind, name, value) in variables.chain(labels) {
        let Some(what) = secret_in(name, value) else { continue };
        let name = escape(name.as_bytes());
        let message = format!("the {kind} \"{name}\" contains what looks like {what}");
        let help = match kind {
            "label" => {
                "remove the label, which everyone who can pull the image can read; if an image with it was already \
                 pushed, revoke the secret"
            }
            _ => {
                "set it at run time, and list it in `required-env`; if an image with it was already pushed, revoke the \
                 secret"
            }
        };
        let finding = subject.finding(Code::Secret, EntryPath::root(), message, help);
        findings.push(finding.evidence("no secret in the image", format!("{what}, not shown")));
    }
}

fn secret_in(name: &str, value: &str) -> Option<&'static str> {
    match scan_value(value.as_bytes()).first() {
        Some(sighting) => Some(sighting.kind.words()),
        None => is_secret(name, value).then_some("a secret (by its name)"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::testing::{Image, path};
    use super::*;
    use crate::secrets::{Kind, Place};

    const KEY: Kind = Kind::PrivateKey;

    fn seen(at: &str, kinds: &[(Kind, u64)]) -> SightedFile {
        let sighting = |(kind, line): &(Kind, u64)| Sighting {
            kind: *kind,
            place: Place::Line(*line),
            is_certain: true,
        };
        SightedFile {
            path: path(at),
            sightings: kinds.iter().map(sighting).collect(),
        }
    }

    fn found(files: &[SightedFile]) -> Vec<Finding> {
        check_secrets(&Platform::new("linux", "amd64"), files)
    }

    fn of_config(config: serde_json::Value) -> Vec<String> {
        let found = Image::new("linux/amd64").config(config).found_by(secret_settings);
        assert!(found.iter().all(|finding| finding.path.is_root()));
        found.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_private_key_is_an_error_and_a_token_a_warning() {
        let found = found(&[
            seen("app/certs/server.key", &[(KEY, 1)]),
            seen("app/a.py", &[(Kind::GitHubToken, 7)]),
        ]);
        let [token, key] = &found[..] else { panic!("{found:?}") };
        assert_eq!((key.code, key.severity), (Code::Secret, Severity::Error));
        assert_eq!(key.path, path("app/certs/server.key"));
        assert_eq!(key.message, "contains what looks like a private key (line 1)");
        assert_eq!(
            key.found.as_deref(),
            Some("a private key in /app/certs/server.key (line 1), not shown")
        );
        assert!(
            key.help
                .starts_with("leave it out with `exclude` and provide it at run time")
        );
        assert_eq!(
            (token.severity, &*token.message),
            (Severity::Warning, "contains what looks like a GitHub token (line 7)")
        );
        for kind in [Kind::EncryptedPrivateKey, Kind::KeyStore, Kind::ProgramKey] {
            assert_eq!(
                self::found(&[seen("app/a", &[(kind, 1)])])[0].severity,
                Severity::Warning,
                "{kind:?}"
            );
        }
    }

    #[test]
    fn many_of_one_file_are_counted() {
        let kinds = [
            (Kind::Variable, 1),
            (Kind::Variable, 2),
            (Kind::AddressPassword, 4),
            (KEY, 5),
            (KEY, 6),
        ];
        assert_eq!(
            found(&[seen("app/.env", &kinds)])[0].message,
            "contains what looks like a variable with a secret's name (line 1), a variable with a secret's name (line \
             2), an address with a password (line 4) and 2 more"
        );
    }

    #[test]
    fn the_keys_of_a_package_or_of_tests_are_one_warning() {
        let files = [
            "app/node_modules/a/test/a.key",
            "app/node_modules/a/test/b.pem",
            "app/node_modules/b/c.pem",
            "srv/tests/a.pem",
            "srv/tests/deep/b.pem",
            "app/vendor/bundle/ruby/3.1.0/gems/x-1.0/y.pem",
            "go/vendor/example.org/x/y/z.pem",
            "v/site-packages/six.pem",
        ];
        let found = found(&files.map(|at| seen(at, &[(KEY, 1)])));
        let messages: Vec<&str> = found.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "2 files contain what looks like secrets: /app/node_modules/a/test/a.key, \
                 /app/node_modules/a/test/b.pem",
                "/app/node_modules/b/c.pem contains what looks like a private key (line 1)",
                "/app/vendor/bundle/ruby/3.1.0/gems/x-1.0/y.pem contains what looks like a private key (line 1)",
                "/go/vendor/example.org/x/y/z.pem contains what looks like a private key (line 1)",
                "2 files contain what looks like secrets: /srv/tests/a.pem, /srv/tests/deep/b.pem",
                "contains what looks like a private key (line 1)",
            ]
        );
        assert_eq!(found[0].path, path("app/node_modules/a"));
        assert!(
            found.iter().all(|finding| finding.severity == Severity::Warning),
            "{found:?}"
        );
    }

    #[test]
    fn a_token_whose_checksum_is_wrong_counts_in_own_files_alone() {
        let made_up = |at: &str| {
            let sightings = vec![Sighting {
                kind: Kind::GitHubToken,
                place: Place::Line(1),
                is_certain: false,
            }];
            SightedFile {
                path: path(at),
                sightings,
            }
        };
        assert_eq!(
            found(&[made_up("app/node_modules/a/README.md"), made_up("app/tests/x.py")]),
            []
        );
        assert_eq!(found(&[made_up("app/main.py")]).len(), 1);
    }

    #[test]
    fn a_path_that_two_layers_have_is_one_file() {
        let found = found(&[seen("app/a.key", &[(KEY, 1)]), seen("app/a.key", &[(KEY, 1), (KEY, 9)])]);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].message,
            "contains what looks like a private key (line 1), a private key (line 9)"
        );
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
                "the label \"build.token\" contains what looks like a secret (by its name)",
                "the label \"source\" contains what looks like an address with a password",
                "the variable \"API_TOKEN\" contains what looks like a secret (by its name)",
                "the variable \"A\\u{1b}_SECRET\" contains what looks like a secret (by its name)",
                "the variable \"DATABASE_URL\" contains what looks like an address with a password",
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

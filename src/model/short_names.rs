//! Suggestions for names without a registry. Such names are refused, since several registries could be meant; the error
//! suggests full names.

use std::collections::BTreeMap;

use super::docker_hub::{DOCKER_HUB, repository_path};
use super::reference::{LOCAL_REGISTRY, Reference, Repository};

/// Greatest number of suggestions; a longer list is not helpful.
const MAX_SUGGESTIONS: usize = 3;

/// The meaning of names without a registry in other tools on this machine (containers-registries.conf(5)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShortNames {
    /// Full names, by short name without tag and digest.
    pub aliases: BTreeMap<String, Repository>,
    /// Registries (`HOST[:PORT]`) that other tools search for such names; Docker Hub if it is empty.
    pub registries: Vec<String>,
}

impl ShortNames {
    /// Returns the full references that may be meant by a short name, the likeliest first: its alias, else the name in
    /// each registry.
    pub fn suggestions(&self, short_name: &str) -> Vec<String> {
        let end = short_name.find([':', '@']).unwrap_or(short_name.len());
        let (name, pin) = short_name.split_at(end);
        if let Some(full) = self.aliases.get(name) {
            return vec![format!("{full}{pin}")];
        }
        let fallback = [DOCKER_HUB.to_owned()];
        let registries = if self.registries.is_empty() {
            &fallback[..]
        } else {
            &self.registries
        };
        let full = |registry: &String| format!("{registry}/{}{pin}", repository_path(registry, name));
        registries
            .iter()
            .map(full)
            .filter(|text| is_reference(text))
            .take(MAX_SUGGESTIONS)
            .collect()
    }

    /// Returns the suggestions as a question; `None` if there are none.
    pub fn question(&self, short_name: &str) -> Option<String> {
        let suggestions = self.suggestions(short_name);
        let (last, others) = suggestions.split_last()?;
        Some(match others {
            [] => format!("did you mean {last}?"),
            _ => format!("did you mean {} or {last}?", others.join(", ")),
        })
    }
}

/// Returns the help for a short name of an image that is written: with a registry. Other registries than the user's own
/// do not accept it, so none is suggested.
pub fn target_help(short_name: &str) -> String {
    let example = if is_reference(&format!("{LOCAL_REGISTRY}/{short_name}")) {
        short_name
    } else {
        "app"
    };
    let account = if example.contains('/') { "" } else { "ME/" };
    format!("write a registry and a repository, such as ghcr.io/{account}{example}")
}

/// Like [`target_help`], for a name that need not be pushed.
pub fn name_help(short_name: &str) -> String {
    let help = target_help(short_name);
    let local = format!("{LOCAL_REGISTRY}/{short_name}");
    let local = if is_reference(&local) {
        local
    } else {
        format!("{LOCAL_REGISTRY}/app")
    };
    format!("{help}, or {local} for an image that is never pushed")
}

fn is_reference(text: &str) -> bool {
    text.parse::<Reference>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_configuration_docker_hub_is_meant() {
        let names = ShortNames::default();
        assert_eq!(
            names.question("node:18").unwrap(),
            "did you mean docker.io/library/node:18?"
        );
        assert_eq!(names.question("me/app").unwrap(), "did you mean docker.io/me/app?");
        assert_eq!(names.question("NOT A NAME"), None);
    }

    #[test]
    fn a_name_that_is_written_gets_the_users_registry() {
        for (name, expected) in [
            ("hello:1", "ghcr.io/ME/hello:1, or localhost/hello:1 for an image"),
            ("me/app", "ghcr.io/me/app, or localhost/me/app for an image"),
            ("NOT A NAME", "ghcr.io/ME/app, or localhost/app for an image"),
        ] {
            let help = name_help(name);
            assert!(help.contains(expected), "{help}");
        }
        assert_eq!(
            target_help("app:1"),
            "write a registry and a repository, such as ghcr.io/ME/app:1"
        );
    }

    #[test]
    fn several_registries_are_all_named_up_to_a_bound() {
        let registries = |count: usize| (0..count).map(|number| format!("r{number}.example")).collect();
        let names = ShortNames {
            registries: registries(2),
            ..ShortNames::default()
        };
        assert_eq!(
            names.question("a:1").unwrap(),
            "did you mean r0.example/a:1 or r1.example/a:1?"
        );
        let names = ShortNames {
            registries: registries(9),
            ..ShortNames::default()
        };
        assert_eq!(names.suggestions("a").len(), 3);
    }
}

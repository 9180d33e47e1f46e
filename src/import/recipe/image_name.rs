//! The name of the image of a project.

use super::super::tree::ProjectTree;

/// Greatest length of the last part of an image's name: registries store it in paths, whose parts have 255 bytes at most.
const MAX_NAME_BYTES: usize = 100;

/// Returns the name of the image: the manifest's, else the directory's.
pub(super) fn name_of(named: Option<&str>, tree: &ProjectTree) -> String {
    let directory = || tree.name().unwrap_or_default();
    image_name(&named.map_or_else(directory, str::to_owned))
}

/// Returns the name of a project as registries take it: `@acme/My App` is `my-app`.
fn image_name(name: &str) -> String {
    let last = name.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
    let mut plain = String::new();
    for character in last.chars().flat_map(char::to_lowercase) {
        if character.is_ascii_alphanumeric() {
            plain.push(character);
        } else if !plain.is_empty() && !plain.ends_with(['-', '_', '.']) {
            plain.push(if matches!(character, '_' | '.') { character } else { '-' });
        }
        if plain.len() >= MAX_NAME_BYTES {
            break;
        }
    }
    let plain = plain.trim_end_matches(['-', '_', '.']);
    if plain.is_empty() {
        "app".to_owned()
    } else {
        plain.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Repository;

    #[test]
    fn names_are_as_registries_take_them() {
        for (name, expected) in [
            ("server", "server"),
            ("@acme/My App", "my-app"),
            ("Acme.Web", "acme.web"),
            ("__init__", "init"),
            ("ünïcode", "n-code"),
            ("a--b", "a-b"),
            ("", "app"),
            ("///", "app"),
            ("日本", "app"),
            ("x\n\"y", "x-y"),
        ] {
            assert_eq!(image_name(name), expected, "{name:?}");
            let repository: Result<Repository, _> = format!("registry.example.com/{}", image_name(name)).parse();
            assert!(repository.is_ok(), "{name:?}");
        }
        assert_eq!(image_name(&"x".repeat(500)).len(), MAX_NAME_BYTES);
    }
}

//! Names of images as deployment files write them: short names of Docker Hub included, variables and templates in them.

use std::borrow::Cow;

use crate::model::{DOCKER_HUB, DOCKER_HUB_ALIASES, canonical_registry, is_registry, repository_path};

/// Greatest length of a name with variables that is compared, in bytes. The time of a comparison is the product of the
/// lengths of both names, and a repository has at most 255 bytes.
const MAX_PATTERN_BYTES: usize = 4096;

/// The parts of a reference, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrittenName<'a> {
    /// The repository, with its registry or without.
    pub(super) name: &'a str,
    pub(super) tag: Option<&'a str>,
    /// What follows `@`.
    pub(super) digest: Option<&'a str>,
}

impl<'a> WrittenName<'a> {
    pub(super) fn split(text: &'a str) -> Self {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let path_start = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[path_start..].find(':') {
            Some(colon) => (&rest[..path_start + colon], Some(&rest[path_start + colon + 1..])),
            None => (rest, None),
        };
        Self { name, tag, digest }
    }
}

/// Returns the full name of a repository, as `Repository` writes it: `app` is `docker.io/library/app`.
pub(super) fn full_name(name: &str) -> String {
    let (registry, path) = match name.split_once('/') {
        Some((registry, path)) if is_registry(registry) => (canonical_registry(registry), path),
        _ => (DOCKER_HUB, name),
    };
    format!("{registry}/{}", repository_path(registry, path))
}

/// Returns the ways in which a file may write a full name.
fn written_forms(full: &str) -> Vec<String> {
    let mut forms = vec![full.to_owned()];
    if let Some(path) = full.strip_prefix(DOCKER_HUB).and_then(|rest| rest.strip_prefix('/')) {
        let short = path.strip_prefix("library/").filter(|short| !short.contains('/'));
        for path in [Some(path), short].into_iter().flatten() {
            forms.push(path.to_owned());
            forms.push(format!("{DOCKER_HUB}/{path}"));
            forms.extend(DOCKER_HUB_ALIASES.map(|alias| format!("{alias}/{path}")));
        }
    }
    forms
}

/// What a file replaces before the name is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// `${NAME}`, `$NAME` and `$$`, as compose reads them.
    Compose,
    /// `${NAME}`, `$NAME` and `$(NAME)`, which tools replace in manifests.
    Manifest,
    /// `%i` and `%%`, as systemd reads them.
    Systemd,
}

/// What is in the place of a part of a name that is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hole {
    Variable,
    Template,
    Specifier,
}

/// A name with parts that are not known yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// What is known, and [`WILDCARD`] for each part that is not. The default of a variable counts as known.
    text: String,
    pub(super) hole: Hole,
}

/// Stands for any text. No name contains it: YAML forbids it, and systemd too.
const WILDCARD: char = '\0';

impl Pattern {
    /// Returns the pattern of a text; `None` if all of it is known.
    pub(super) fn of(text: &str, syntax: Syntax) -> Option<Self> {
        let mut known = String::new();
        let mut hole = None;
        let mut rest = text;
        while let Some(at) = rest.find(['$', '%', '{']) {
            known.push_str(&rest[..at]);
            rest = &rest[at..];
            let (found, length, default) = Self::hole_at(rest, syntax);
            let Some(found) = found else {
                known.push_str(if length == 2 { &rest[1..2] } else { &rest[..1] });
                rest = &rest[length..];
                continue;
            };
            hole = hole.or(Some(found));
            match default {
                Some(default) => known.push_str(&default),
                None => known.push(WILDCARD),
            }
            rest = &rest[length..];
        }
        known.push_str(rest);
        hole.map(|hole| Self { text: known, hole })
    }

    /// Returns what begins the text, its length, and its default. Without a hole, a length of 2 is an escaped sign.
    fn hole_at(text: &str, syntax: Syntax) -> (Option<Hole>, usize, Option<Cow<'_, str>>) {
        if text.starts_with("{{") {
            let length = text.find("}}").map_or(text.len(), |end| end + 2);
            return (Some(Hole::Template), length, None);
        }
        match (syntax, text.as_bytes()) {
            (Syntax::Compose, [b'$', b'$', ..]) | (Syntax::Systemd, [b'%', b'%', ..]) => (None, 2, None),
            (Syntax::Systemd, [b'%', letter, ..]) if letter.is_ascii_alphabetic() => (Some(Hole::Specifier), 2, None),
            (Syntax::Compose | Syntax::Manifest, [b'$', b'{', ..]) => {
                let inside = closed(&text[2..], '{', '}');
                let length = (2 + inside.len() + 1).min(text.len());
                (Some(Hole::Variable), length, default_of(inside))
            }
            (Syntax::Manifest, [b'$', b'(', ..]) => {
                let length = (2 + closed(&text[2..], '(', ')').len() + 1).min(text.len());
                (Some(Hole::Variable), length, None)
            }
            (Syntax::Compose | Syntax::Manifest, [b'$', first, ..])
                if first.is_ascii_alphabetic() || *first == b'_' =>
            {
                let is_end = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
                let length = text[1..].find(is_end).map_or(text.len(), |end| end + 1);
                (Some(Hole::Variable), length, None)
            }
            _ => (None, 1, None),
        }
    }

    /// Returns `true` if the name may be that of a repository, once everything in it is known.
    pub(super) fn may_be(&self, full: &str) -> bool {
        self.text.len() > MAX_PATTERN_BYTES || written_forms(full).iter().any(|form| may_begin(&self.text, form))
    }

    /// Returns the reference if all of it is known, through the defaults of its variables.
    pub(super) fn known_reference(&self) -> Option<&str> {
        (!self.text.contains(WILDCARD)).then_some(self.text.as_str())
    }

    /// Returns the name if all of it is known, so that only tag or digest are open.
    pub(super) fn known_name(&self) -> Option<&str> {
        let name = WrittenName::split(&self.text).name;
        (!name.contains(WILDCARD)).then_some(name)
    }
}

/// Returns the text up to the sign that closes it, or all of it.
fn closed(text: &str, open: char, close: char) -> &str {
    let mut depth = 0usize;
    for (at, letter) in text.char_indices() {
        if letter == open {
            depth += 1;
        } else if letter == close {
            if depth == 0 {
                return &text[..at];
            }
            depth -= 1;
        }
    }
    text
}

/// Returns the default of a variable: `NAME:-DEFAULT` or `NAME-DEFAULT`. A default with variables in it is not known.
fn default_of(inside: &str) -> Option<Cow<'_, str>> {
    let end = inside.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')?;
    let rest = &inside[end..];
    let default = rest.strip_prefix(":-").or_else(|| rest.strip_prefix('-'))?;
    (!default.contains(['$', '{'])).then_some(Cow::Borrowed(default))
}

/// Returns `true` if a text that matches the pattern may be a reference to `name`.
fn may_begin(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // Whether the pattern up to here may match the name up to each of its letters.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for letter in pattern {
        let is_complete = reached[name.len()];
        if is_complete && matches!(letter, ':' | '@' | WILDCARD) {
            return true;
        }
        if letter == WILDCARD {
            let first = reached
                .iter()
                .position(|is_reached| *is_reached)
                .unwrap_or(reached.len());
            reached[first..].fill(true);
        } else {
            for at in (0..name.len()).rev() {
                reached[at + 1] = reached[at] && name[at] == letter;
            }
            reached[0] = false;
        }
    }
    reached[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_split_as_docker_splits_them() {
        for (text, name, tag, digest) in [
            ("app", "app", None, None),
            ("app:1", "app", Some("1"), None),
            ("localhost:5000/app", "localhost:5000/app", None, None),
            (
                "localhost:5000/app:1@sha256:ab",
                "localhost:5000/app",
                Some("1"),
                Some("sha256:ab"),
            ),
            ("a/b@sha256:c", "a/b", None, Some("sha256:c")),
            ("", "", None, None),
            ("a:", "a", Some(""), None),
        ] {
            assert_eq!(WrittenName::split(text), WrittenName { name, tag, digest }, "{text}");
        }
    }

    #[test]
    fn short_names_are_those_of_docker_hub() {
        for (name, full) in [
            ("app", "docker.io/library/app"),
            ("me/app", "docker.io/me/app"),
            ("docker.io/app", "docker.io/library/app"),
            ("index.docker.io/library/app", "docker.io/library/app"),
            ("ghcr.io/me/app", "ghcr.io/me/app"),
            ("localhost/app", "localhost/app"),
            ("localhost:5000/app", "localhost:5000/app"),
        ] {
            assert_eq!(full_name(name), full, "{name}");
            assert!(written_forms(full).iter().all(|form| full_name(form) == full), "{full}");
        }
    }

    #[test]
    fn a_name_with_open_parts_is_compared_by_what_is_known() {
        let may_be = |text: &str, syntax, full: &str| Pattern::of(text, syntax).map(|pattern| pattern.may_be(full));
        let ours = "ghcr.io/me/app";
        for (text, expected) in [
            ("ghcr.io/me/app:1.0", None),
            ("ghcr.io/me/app:$$1", None),
            ("ghcr.io/me/app:${TAG}", Some(true)),
            ("ghcr.io/me/app:${TAG:-1.0}", Some(true)),
            ("ghcr.io/me/app$TAG", Some(true)),
            ("ghcr.io/me/app-${X}", Some(false)),
            ("ghcr.io/me/app${X}-y", Some(true)),
            ("${REGISTRY}/app:1", Some(true)),
            ("${REGISTRY:?set it}/app", Some(true)),
            ("${REGISTRY:-docker.io}/me/app", Some(false)),
            ("$REGISTRY/me/other:1", Some(false)),
            ("${IMAGE}", Some(true)),
            ("${IMAGE:-postgres:16}", Some(false)),
            ("${IMAGE:-${OTHER:-postgres:16}}", Some(true)),
            ("postgres:${TAG}", Some(false)),
            ("ghcr.io/me/app@${DIGEST}", Some(true)),
            ("{{ .Values.image }}:1", Some(true)),
            ("ghcr.io/me/{{ .Chart.Name }}", Some(true)),
            ("${unterminated", Some(true)),
        ] {
            assert_eq!(may_be(text, Syntax::Compose, ours), expected, "{text}");
        }
        assert_eq!(may_be("app:%i", Syntax::Systemd, "docker.io/library/app"), Some(true));
        assert_eq!(
            may_be("docker.io/app:%i", Syntax::Systemd, "docker.io/library/app"),
            Some(true)
        );
        assert_eq!(may_be("app:%%", Syntax::Systemd, "docker.io/library/app"), None);
        assert_eq!(may_be("$(params.image)", Syntax::Manifest, ours), Some(true));
        assert_eq!(may_be("$IMAGE", Syntax::Manifest, ours), Some(true));
        assert_eq!(may_be("a$1", Syntax::Manifest, ours), None);
        let long = format!("x${{A}}{}", "y".repeat(MAX_PATTERN_BYTES));
        assert_eq!(may_be(&long, Syntax::Compose, ours), Some(true));
    }

    #[test]
    fn the_name_is_known_if_only_the_tag_is_open() {
        let known = |text: &str| {
            let pattern = Pattern::of(text, Syntax::Compose).unwrap();
            pattern.known_name().map(str::to_owned)
        };
        assert_eq!(known("me/app:${TAG}").as_deref(), Some("me/app"));
        assert_eq!(
            known("${R:-ghcr.io}/me/app:${TAG:-1}").as_deref(),
            Some("ghcr.io/me/app")
        );
        assert_eq!(known("${R}/me/app"), None);
        assert_eq!(known("${R}/me/app:1"), None);
        assert_eq!(known("me/app${TAG}"), None);
    }
}

//! Selection of an image of a layout or an archive by its names.

use super::error::StoreError;
use crate::model::{DOCKER_HUB, Digest, Selector, canonical_registry, escape, is_registry, repository_path};

/// Limit on the names that an error lists; an archive may have thousands.
const MAX_LISTED_NAMES: usize = 20;

/// An image of a layout or an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// All of its names: bare tags and full names. Empty for an unnamed image.
    pub names: Vec<String>,
    /// Digest of its manifest or index.
    pub digest: Digest,
}

impl Candidate {
    /// Returns its name for messages: the first name, or else the digest.
    fn label(&self) -> String {
        self.names
            .first()
            .map_or_else(|| self.digest.to_string(), |name| escape(name.as_bytes()))
    }
}

/// Selects one of `candidates`. Returns its position, or `None` for a digest that none of them has.
///
/// A name is matched as written, then in Docker's full form (`app` is `docker.io/library/app:latest`), then as the tag
/// of a full name. Several candidates with the same digest count as one.
///
/// # Errors
/// [`StoreError::NotFound`] with the available names, and [`StoreError::Several`].
pub fn choose(candidates: &[Candidate], selector: &Selector, place: &str) -> Result<Option<usize>, StoreError> {
    if let Selector::Digest(digest) = selector {
        return Ok(candidates.iter().position(|candidate| candidate.digest == *digest));
    }
    match &hits(candidates, selector, place)?[..] {
        [only] => Ok(Some(*only)),
        several => Err(StoreError::Several {
            place: place.to_owned(),
            names: labels_at(candidates, several),
        }),
    }
}

/// Returns the positions of the matching candidates, one for each digest.
///
/// # Errors
/// [`StoreError::NotFound`] with the available names.
pub(super) fn hits(candidates: &[Candidate], selector: &Selector, place: &str) -> Result<Vec<usize>, StoreError> {
    let mut hits = match selector {
        Selector::Only => (0..candidates.len()).collect(),
        Selector::Digest(digest) => (0..candidates.len())
            .filter(|at| candidates[*at].digest == *digest)
            .collect(),
        Selector::Tag(wanted) => by_name(candidates, wanted),
    };
    if hits.is_empty() {
        return Err(not_found(candidates, selector, place));
    }
    let mut seen = std::collections::BTreeSet::new();
    hits.retain(|at| seen.insert(candidates[*at].digest));
    Ok(hits)
}

/// Returns the labels of the candidates at some positions.
pub(super) fn labels_at(candidates: &[Candidate], positions: &[usize]) -> Vec<String> {
    labels(positions.iter().map(|at| &candidates[*at]))
}

/// Returns the error for an image that is not among `candidates`. Its help lists them.
pub fn not_found(candidates: &[Candidate], selector: &Selector, place: &str) -> StoreError {
    let what = match selector {
        Selector::Only => "an image".to_owned(),
        other => other.to_string(),
    };
    let help = (!candidates.is_empty()).then(|| format!("use one of: {}", labels(candidates).join(", ")));
    StoreError::NotFound {
        what,
        place: place.to_owned(),
        help,
    }
}

fn labels<'a>(candidates: impl IntoIterator<Item = &'a Candidate>) -> Vec<String> {
    let mut labels: Vec<String> = candidates.into_iter().map(Candidate::label).collect();
    if labels.len() > MAX_LISTED_NAMES {
        let rest = labels.len() - MAX_LISTED_NAMES;
        labels.truncate(MAX_LISTED_NAMES);
        labels.push(format!("{rest} more"));
    }
    labels
}

fn by_name(candidates: &[Candidate], wanted: &str) -> Vec<usize> {
    let full = written_out(wanted);
    let rules: [&dyn Fn(&str) -> bool; 3] = [&|name| name == wanted, &|name| written_out(name) == full, &|name| {
        tag_of(name) == Some(wanted)
    }];
    let matching = |rule: &dyn Fn(&str) -> bool| -> Vec<usize> {
        let has_it = |candidate: &Candidate| candidate.names.iter().any(|name| rule(name));
        (0..candidates.len()).filter(|at| has_it(&candidates[*at])).collect()
    };
    rules
        .into_iter()
        .map(matching)
        .find(|hits| !hits.is_empty())
        .unwrap_or_default()
}

/// Returns the tag of a name such as `ghcr.io/a/b:1.0`. A colon before the last slash belongs to a port.
pub(super) fn tag_of(name: &str) -> Option<&str> {
    let (_, tag) = name.rsplit_once(':')?;
    (!tag.contains('/')).then_some(tag)
}

/// Returns a name in Docker's full form: registry, `library/` of Docker Hub, and tag.
fn written_out(name: &str) -> String {
    let tag = if tag_of(name).is_some() { "" } else { ":latest" };
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if is_registry(first) => (first, rest),
        _ => (DOCKER_HUB, name),
    };
    let registry = canonical_registry(registry);
    format!("{registry}/{}{tag}", repository_path(registry, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(names: &[&str], content: &[u8]) -> Candidate {
        Candidate {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            digest: Digest::of(content),
        }
    }

    fn tag(name: &str) -> Selector {
        Selector::Tag(name.to_owned())
    }

    #[test]
    fn names_are_found_as_they_stand_written_out_and_by_tag() {
        let candidates = [
            candidate(&["1.0", "ghcr.io/a/b:1.0"], b"1"),
            candidate(&["docker.io/library/app:latest"], b"2"),
            candidate(&["localhost:5000/x:edge"], b"3"),
        ];
        for (wanted, at) in [
            ("1.0", 0),
            ("ghcr.io/a/b:1.0", 0),
            ("app", 1),
            ("library/app", 1),
            ("edge", 2),
        ] {
            assert_eq!(choose(&candidates, &tag(wanted), "x").unwrap(), Some(at), "{wanted}");
        }
        assert_eq!(
            choose(&candidates, &Selector::Digest(Digest::of(b"3")), "x").unwrap(),
            Some(2)
        );
        assert_eq!(
            choose(&candidates, &Selector::Digest(Digest::of(b"4")), "x").unwrap(),
            None
        );
    }

    #[test]
    fn a_name_that_stands_there_wins_over_one_that_is_meant() {
        let candidates = [candidate(&["ghcr.io/a/b:1"], b"1"), candidate(&["1"], b"2")];
        assert_eq!(choose(&candidates, &tag("1"), "x").unwrap(), Some(1));
    }

    #[test]
    fn several_and_none_are_errors_that_list_what_there_is() {
        let candidates = [candidate(&["a"], b"1"), candidate(&["b\n"], b"2")];
        let StoreError::Several { names, .. } = choose(&candidates, &Selector::Only, "x").unwrap_err() else {
            panic!("expected several")
        };
        assert_eq!(names, ["a", "b\\n"]);
        let StoreError::NotFound { help, .. } = choose(&candidates, &tag("c"), "x").unwrap_err() else {
            panic!("expected not found")
        };
        assert_eq!(help.as_deref(), Some("use one of: a, b\\n"));
        assert!(matches!(
            choose(&[], &Selector::Only, "x"),
            Err(StoreError::NotFound { help: None, .. })
        ));
        let same = [candidate(&["a"], b"1"), candidate(&["b"], b"1")];
        assert_eq!(choose(&same, &Selector::Only, "x").unwrap(), Some(0));
    }

    #[test]
    fn two_images_of_one_tag_are_several() {
        let candidates = [candidate(&["ghcr.io/a:1"], b"1"), candidate(&["ghcr.io/b:1"], b"2")];
        assert!(matches!(
            choose(&candidates, &tag("1"), "x"),
            Err(StoreError::Several { .. })
        ));
    }
}

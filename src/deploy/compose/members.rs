//! The members of a workspace as services run them, and which service runs which.

use std::str::FromStr;

use crate::model::{
    DOCKER_HUB, Family, Platform, Reference, Repository, Tag, canonical_registry, is_registry, nearest, repository_path,
};

/// The name of a member's image.
#[derive(Debug, Clone)]
pub struct MemberName {
    /// Its ID in the workspace; `None` for a spec on its own.
    pub id: Option<String>,
    /// The name of its image.
    pub repository: Repository,
    /// The tags that it is pushed with.
    pub tags: Vec<Tag>,
}

/// A member's image for one platform, as far as it decides how a service starts.
#[derive(Debug, Clone)]
pub struct MemberPlatform {
    /// The platform.
    pub platform: Platform,
    /// The environment of the image.
    pub env: Vec<(String, String)>,
    /// The variables that must be set where it runs.
    pub required: Vec<String>,
    /// Whether it has a health check.
    pub has_health_check: bool,
    /// The family of its manifest: podman ignores the health check of one of OCI.
    pub family: Family,
}

/// What an image of a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ImageOf {
    /// That of a member, by its index.
    Member {
        index: usize,
        /// Whether the tag is one of the member's.
        has_known_tag: bool,
    },
    /// That of one of several members, none of which has the tag.
    Ambiguous(Vec<usize>),
    /// No member's, but its name is like that of one.
    Near(usize),
    /// Another one.
    Foreign,
    /// The text is no reference.
    Malformed,
}

/// Finds the member whose image a service runs.
pub(super) fn image_of(image: &str, members: &[MemberName]) -> ImageOf {
    let Some(reference) = reference(image) else {
        return ImageOf::Malformed;
    };
    let same: Vec<usize> = (0..members.len())
        .filter(|index| normalised(&members[*index].repository) == normalised(&reference.repository))
        .collect();
    let has_tag = |index: &&usize| match &reference.tag {
        Some(tag) => members[**index].tags.contains(tag),
        None => members[**index].tags.iter().any(|tag| tag.as_str() == "latest"),
    };
    if let Some(index) = same.iter().find(has_tag) {
        return ImageOf::Member {
            index: *index,
            has_known_tag: true,
        };
    }
    match same[..] {
        [] => near(&reference, members).map_or(ImageOf::Foreign, ImageOf::Near),
        // With a digest alone, no tag is wrong.
        [index] => ImageOf::Member {
            index,
            has_known_tag: reference.tag.is_none() && reference.digest.is_some(),
        },
        _ => ImageOf::Ambiguous(same),
    }
}

/// Parses a reference as Docker does: without a registry, it is one of Docker Hub.
fn reference(image: &str) -> Option<Reference> {
    let has_registry = image.split_once('/').is_some_and(|(first, _)| is_registry(first));
    let full = if has_registry {
        image.to_owned()
    } else {
        format!("{DOCKER_HUB}/{image}")
    };
    Reference::from_str(&full).ok()
}

/// Returns registry and path; equal for all names of one repository.
fn normalised(repository: &Repository) -> (&str, String) {
    let registry = canonical_registry(repository.registry());
    (registry, repository_path(registry, repository.path()))
}

/// Returns the member that was probably meant: one with the same last part of its name, or in the same namespace, or with
/// a name that differs by a few letters.
fn near(reference: &Reference, members: &[MemberName]) -> Option<usize> {
    let split = |repository: &Repository| {
        let (registry, path) = normalised(repository);
        match path.rsplit_once('/') {
            Some((parent, last)) => (format!("{registry}/{parent}"), last.to_owned()),
            None => (registry.to_owned(), path),
        }
    };
    let (namespace, last) = split(&reference.repository);
    let parts: Vec<(String, String)> = members.iter().map(|member| split(&member.repository)).collect();
    let official = format!("{DOCKER_HUB}/library");
    let same_last = parts.iter().position(|(_, known)| *known == last);
    let is_namespace_shared = namespace != official && namespace.contains('/');
    let same_namespace = || {
        let in_namespace = parts
            .iter()
            .filter(|(known, _)| is_namespace_shared && *known == namespace);
        let names: Vec<&str> = in_namespace.map(|(_, last)| last.as_str()).collect();
        let name = nearest(&last, names.iter().copied()).or(names.first().copied())?;
        parts
            .iter()
            .position(|(known, last)| *known == namespace && last == name)
    };
    let alike = || {
        let names: Vec<String> = members.iter().map(|member| member.repository.to_string()).collect();
        let full = reference.repository.to_string();
        let name = nearest(&full, names.iter().map(String::as_str))?;
        names.iter().position(|known| known == name)
    };
    same_last.or_else(same_namespace).or_else(alike)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Vec<MemberName> {
        let member = |repository: &str, tags: &[&str]| MemberName {
            id: Some(repository.to_owned()),
            repository: repository.parse().unwrap(),
            tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
        };
        vec![
            member("ghcr.io/ws/planner", &["1.0", "latest"]),
            member("docker.io/library/web", &["1.0"]),
            member("ghcr.io/ws/app", &["slim"]),
            member("ghcr.io/ws/app", &["full"]),
        ]
    }

    #[test]
    fn images_are_matched_by_all_names_of_their_repository() {
        let known = |index| ImageOf::Member {
            index,
            has_known_tag: true,
        };
        let other_tag = |index| ImageOf::Member {
            index,
            has_known_tag: false,
        };
        let digest = format!("sha256:{}", "a".repeat(64));
        for (image, expected) in [
            ("ghcr.io/ws/planner:1.0", known(0)),
            ("ghcr.io/ws/planner", known(0)),
            ("ghcr.io/ws/planner:0.9", other_tag(0)),
            (&*format!("ghcr.io/ws/planner@{digest}"), known(0)),
            (&*format!("ghcr.io/ws/planner:1.0@{digest}"), known(0)),
            ("web:1.0", known(1)),
            ("library/web:1.0", known(1)),
            ("docker.io/web:1.0", known(1)),
            ("index.docker.io/library/web:1.0", known(1)),
            ("ghcr.io/ws/app:full", known(3)),
            ("ghcr.io/ws/app:x", ImageOf::Ambiguous(vec![2, 3])),
            ("ghcr.io/ws/planer:1.0", ImageOf::Near(0)),
            ("ghcr.io/ws/other", ImageOf::Near(0)),
            ("planner:1.0", ImageOf::Near(0)),
            ("ghcr.io/wz/planner", ImageOf::Near(0)),
            ("postgres:16", ImageOf::Foreign),
            ("quay.io/x/y", ImageOf::Foreign),
            ("ghcr.io/ws/app:", ImageOf::Malformed),
            ("", ImageOf::Malformed),
            ("A B", ImageOf::Malformed),
        ] {
            assert_eq!(image_of(image, &members()), expected, "{image}");
        }
    }
}

//! A place that an image is written to.

use crate::build::BuildError;
use crate::model::{ImageName, Reference, Repository, Selector, Tag};

/// A place that the image is written to, and its tags there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The place. For a registry, only the repository.
    pub place: TargetPlace,
    /// Tags, in order. If empty, the image is written by digest only.
    pub tags: Vec<Tag>,
    /// Full names, in order, for an archive that stores all of them.
    pub full_names: Vec<String>,
}

/// Where an image is written to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetPlace {
    /// A layout or an archive.
    Local(ImageName),
    /// A repository of a registry.
    Registry(Repository),
}

impl Target {
    /// Creates the target that a name means: in a registry with the tag `latest` if the name has none.
    ///
    /// # Errors
    /// Those of [`pushed_tag`] and [`Target::local`].
    pub fn of(name: ImageName) -> Result<Self, BuildError> {
        let ImageName::Registry(reference) = name else {
            return Self::local(name, Vec::new(), Vec::new());
        };
        let tag = pushed_tag(&reference)?;
        Ok(Self::registry(reference.repository, vec![tag]))
    }

    /// Creates a target for a repository of a registry.
    pub fn registry(repository: Repository, tags: Vec<Tag>) -> Self {
        Self {
            place: TargetPlace::Registry(repository),
            tags,
            full_names: Vec::new(),
        }
    }

    /// Creates a target for a layout or an archive, with the tag or full name that `name` includes, else with `tags`
    /// and `full_names`.
    pub fn local(name: ImageName, tags: Vec<Tag>, full_names: Vec<String>) -> Result<Self, BuildError> {
        let (tags, full_names) = match selector_of(&name) {
            Some(Selector::Only) => (tags, full_names),
            Some(Selector::Tag(text)) => (tag_of(text)?.into_iter().collect(), vec![text.clone()]),
            Some(Selector::Digest(digest)) => {
                return Err(BuildError::Usage {
                    reason: format!("the output {name} has the digest {digest}"),
                    help: "use a tag, or no tag: the digest is known only after the build".to_owned(),
                });
            }
            None => {
                return Err(BuildError::Usage {
                    reason: format!("-o {name} is in a registry"),
                    help: "use --push, and -t REF for another name".to_owned(),
                });
            }
        };
        Ok(Self {
            place: TargetPlace::Local(name),
            tags,
            full_names,
        })
    }

    /// Returns `true` if the target is an archive on standard output.
    pub fn is_stdout(&self) -> bool {
        match &self.place {
            TargetPlace::Local(ImageName::OciArchive { path, .. } | ImageName::DockerArchive { path, .. }) => {
                path.as_os_str() == "-"
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            TargetPlace::Local(name) => name.fmt(formatter),
            TargetPlace::Registry(repository) => repository.fmt(formatter),
        }
    }
}

fn selector_of(name: &ImageName) -> Option<&Selector> {
    match name {
        ImageName::Layout { selector, .. }
        | ImageName::OciArchive { selector, .. }
        | ImageName::DockerArchive { selector, .. } => Some(selector),
        ImageName::Registry(_) => None,
    }
}

/// Returns the tag that a push to this reference writes: `latest` if it has none.
///
/// # Errors
/// Refuses a reference with a digest, and one of `localhost/` without a port, which names no registry.
pub fn pushed_tag(reference: &Reference) -> Result<Tag, BuildError> {
    let refused = |reason, help: &str| {
        Err(BuildError::Usage {
            reason,
            help: help.to_owned(),
        })
    };
    if reference.repository.is_local() {
        return refused(
            format!("cannot push {reference}: localhost/… is reserved for names that are never pushed"),
            "name a registry, such as ghcr.io/me/app, or localhost:PORT/… for one on this machine",
        );
    }
    match (&reference.digest, &reference.tag) {
        (Some(_), _) => refused(
            format!("the target {reference} has a digest"),
            "use a tag: copying does not change the digest of the image",
        ),
        (None, Some(tag)) => Ok(tag.clone()),
        (None, None) => Ok("latest".parse()?),
    }
}

/// Returns the tag in an output's name, which may be a full reference; `None` if it has no tag.
fn tag_of(text: &str) -> Result<Option<Tag>, BuildError> {
    if text.contains('/') {
        return Ok(text.parse::<Reference>()?.tag);
    }
    Ok(Some(text.parse()?))
}

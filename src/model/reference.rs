//! Names of images: references to registries (distribution-spec, "Pulling manifests"), and the other places of images,
//! named as skopeo names them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::{Digest, escape, escape_path};

/// The registry of images that are never pushed.
pub(super) const LOCAL_REGISTRY: &str = "localhost";

/// An error of an image's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// There is no registry before the first slash.
    #[error("image reference \"{}\" does not include a registry", escape(.0.as_bytes()))]
    NoRegistry(String),
    /// The tag is invalid.
    #[error("\"{}\" is not a tag: expected 1 to 128 letters, digits, _, . and -, not beginning with . or -",
        escape(.0.as_bytes()))]
    Tag(String),
    /// The text does not have the form `REGISTRY/REPOSITORY[:TAG][@DIGEST]`.
    #[error("\"{}\" is not an image reference: {reason}", escape(without_login(.text).as_bytes()))]
    Malformed {
        /// The given text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Returns a text for messages. A part before `@` may be a user name and password, as in URLs, and is removed;
/// references do not have one.
fn without_login(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((login, rest)) if login.contains(':') && !rest.starts_with("sha") => format!("…@{rest}"),
        _ => text.to_owned(),
    }
}

pub(super) fn is_in_tag(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-')
}

/// A tag (distribution-spec: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

/// Greatest length of a tag in bytes, by the distribution-spec.
pub(super) const MAX_TAG_BYTES: usize = 128;

/// Greatest length in bytes of registry and repository together, by the reference grammar.
const MAX_NAME_BYTES: usize = 255;

impl Tag {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = ReferenceError;
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let is_first = |letter: char| is_in_tag(letter) && !matches!(letter, '.' | '-');
        if text.len() <= MAX_TAG_BYTES && text.starts_with(is_first) && text.chars().all(is_in_tag) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ReferenceError::Tag(text.to_owned()))
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A repository of a registry, such as `ghcr.io/stigmer/agent-runner`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    registry: String,
    path: String,
}

impl Repository {
    /// Returns host and port, such as `ghcr.io`, `127.0.0.1:5000`; `docker.io` for Docker Hub.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the path in the registry, such as `library/python`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns `true` for `localhost/…` without a port: by convention, images that are never pushed.
    pub fn is_local(&self) -> bool {
        self.registry == LOCAL_REGISTRY
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;
    /// Parses a name without tag and digest.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let malformed = |reason: &str| ReferenceError::Malformed {
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (registry, path) = match text.split_once('/') {
            Some((first, rest)) if is_registry(first) => (first, rest),
            _ => return Err(ReferenceError::NoRegistry(text.to_owned())),
        };
        if !is_host_and_port(registry) {
            return Err(malformed("the registry is not a host name with an optional port"));
        }
        if text.len() > MAX_NAME_BYTES {
            return Err(malformed("registry and repository have more than 255 bytes"));
        }
        if !path.split('/').all(is_path_component) {
            return Err(malformed(
                "each part of a repository name must be lower-case letters and digits, separated by ., _, __ or \
                 dashes",
            ));
        }
        Ok(Self {
            registry: registry.to_owned(),
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.path)
    }
}

/// Decides by Docker's rule whether the text before the first slash is a registry.
pub fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == LOCAL_REGISTRY
}

fn is_host_and_port(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => {
            let good = host.parse::<std::net::Ipv6Addr>().is_ok();
            return good && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// Returns `true` if the text matches `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_path_component(text: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends_in_words = bytes.first().is_some_and(is_word) && bytes.last().is_some_and(is_word);
    let separators = bytes.split(is_word).filter(|separator| !separator.is_empty());
    ends_in_words
        && separators
            .into_iter()
            .all(|separator| matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|byte| *byte == b'-'))
}

/// A repository with a tag, a digest, or both. With both, the tag only informs the reader.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// The repository.
    pub repository: Repository,
    /// The tag, if given.
    pub tag: Option<Tag>,
    /// The digest, if given; it takes precedence over the tag.
    pub digest: Option<Digest>,
}

impl Reference {
    /// Returns the selector for the repository: the digest, else the tag, else `latest`.
    pub fn selector(&self) -> Selector {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => Selector::Digest(*digest),
            (None, Some(tag)) => Selector::Tag(tag.as_str().to_owned()),
            (None, None) => Selector::Tag("latest".to_owned()),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (rest, digest) = split_digest(text)?;
        let last_slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[last_slash..].find(':') {
            Some(colon) if last_slash > 0 => (
                &rest[..last_slash + colon],
                Some(rest[last_slash + colon + 1..].parse()?),
            ),
            _ => (rest, None),
        };
        let repository = name.parse().map_err(|error| match error {
            ReferenceError::NoRegistry(_) => ReferenceError::NoRegistry(text.to_owned()),
            ReferenceError::Malformed { reason, .. } => ReferenceError::Malformed {
                text: text.to_owned(),
                reason,
            },
            tag @ ReferenceError::Tag(_) => tag,
        })?;
        Ok(Self {
            repository,
            tag,
            digest,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(formatter, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// Splits off a final `@sha256:HEX`. An `@` anywhere else is left unchanged.
fn split_digest(text: &str) -> Result<(&str, Option<Digest>), ReferenceError> {
    match text.rsplit_once('@') {
        Some((rest, digest)) if digest.starts_with("sha") && digest.contains(':') => {
            let digest = digest
                .parse()
                .map_err(|error: super::DigestError| ReferenceError::Malformed {
                    text: text.to_owned(),
                    reason: error.to_string(),
                })?;
            Ok((rest, Some(digest)))
        }
        _ => Ok((text, None)),
    }
}

/// Selects an image of a source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Selector {
    /// The only image; if there are several, the error lists them.
    Only,
    /// By tag, or in an archive by full name.
    Tag(String),
    /// By digest.
    Digest(Digest),
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => formatter.write_str("the only image"),
            Self::Tag(tag) => write!(formatter, "tag {}", escape(tag.as_bytes())),
            Self::Digest(digest) => write!(formatter, "{digest}"),
        }
    }
}

/// A place that an image is read from or written to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ImageName {
    /// `oci:DIR[:TAG]`, `oci:DIR@sha256:…`: an OCI layout directory.
    Layout {
        /// The directory, as given.
        path: PathBuf,
        /// The image in it.
        selector: Selector,
    },
    /// `oci-archive:FILE[:TAG]`: a tar archive of an OCI layout.
    OciArchive {
        /// The file, as given; `-` is standard output.
        path: PathBuf,
        /// The image in it.
        selector: Selector,
    },
    /// `docker-archive:FILE[:REF]`: the format of `docker save`.
    DockerArchive {
        /// The file, as given; `-` is standard output.
        path: PathBuf,
        /// The image in it.
        selector: Selector,
    },
    /// `docker://REF`, or a bare `REF`.
    Registry(Reference),
}

/// The optional prefix of a registry's image. It is required if the reference would otherwise name another place.
pub(super) const REGISTRY_PREFIX: &str = "docker://";

/// Creates the name of an image on the disk.
type OnDisk = fn(PathBuf, Selector) -> ImageName;

/// The prefixes of the names of images on the disk.
const PLACES: [(&str, OnDisk); 3] = [
    ("oci:", |path, selector| ImageName::Layout { path, selector }),
    ("oci-archive:", |path, selector| ImageName::OciArchive {
        path,
        selector,
    }),
    ("docker-archive:", |path, selector| ImageName::DockerArchive {
        path,
        selector,
    }),
];

impl FromStr for ImageName {
    type Err = ReferenceError;
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if let Some(reference) = text.strip_prefix(REGISTRY_PREFIX) {
            return reference.parse().map(Self::Registry);
        }
        for (prefix, make) in PLACES {
            if let Some(rest) = text.strip_prefix(prefix) {
                let (path, selector) = split_path(text, rest)?;
                return Ok(make(path, selector));
            }
        }
        text.parse().map(Self::Registry)
    }
}

/// Splits off a final digest; then the path ends at the first colon.
fn split_path(text: &str, rest: &str) -> Result<(PathBuf, Selector), ReferenceError> {
    let (rest, digest) = split_digest(rest)?;
    let (path, tag) = match rest.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (rest, None),
    };
    if path.is_empty() || tag == Some("") {
        let reason = "a path or a tag is empty".to_owned();
        return Err(ReferenceError::Malformed {
            text: text.to_owned(),
            reason,
        });
    }
    let selector = match (digest, tag) {
        (Some(digest), _) => Selector::Digest(digest),
        (None, Some(tag)) => Selector::Tag(tag.to_owned()),
        (None, None) => Selector::Only,
    };
    Ok((PathBuf::from(path), selector))
}

impl fmt::Display for ImageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, path, selector) = match self {
            Self::Registry(reference) => {
                // A registry on a host named `oci`, with a port.
                let text = reference.to_string();
                let is_taken = PLACES.iter().any(|(prefix, _)| text.starts_with(prefix));
                return write!(formatter, "{}{text}", if is_taken { REGISTRY_PREFIX } else { "" });
            }
            Self::Layout { path, selector } => ("oci", path, selector),
            Self::OciArchive { path, selector } => ("oci-archive", path, selector),
            Self::DockerArchive { path, selector } => ("docker-archive", path, selector),
        };
        write!(formatter, "{prefix}:{}", escape_path(path))?;
        match selector {
            Selector::Only => Ok(()),
            Selector::Tag(tag) => write!(formatter, ":{}", escape(tag.as_bytes())),
            Selector::Digest(digest) => write!(formatter, "@{digest}"),
        }
    }
}

#[cfg(test)]
mod tests;

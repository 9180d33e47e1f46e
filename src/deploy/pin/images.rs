//! The images that files are pinned to: what a build wrote, or what a registry has.

use std::collections::BTreeMap;

use super::name::full_name;
use crate::deploy::listed::listed;
use crate::model::{Diagnostic, Digest, ErrorKind, ImageMetadata, Metadata, Repository, Tag, escape};

/// An image with its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedImage {
    /// The repository.
    pub repository: Repository,
    /// The tags that it has, or gets.
    pub tags: Vec<Tag>,
    /// The digest of its index, or of its manifest if it has no index.
    pub digest: Digest,
    /// Whether a build pushed it by digest alone, so that no registry has the tags.
    pub is_untagged: bool,
}

/// What the metadata of a build says of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataImages {
    /// The images that have a name.
    pub images: Vec<PinnedImage>,
    /// The IDs of the members that the build did not make, because they or others failed.
    pub missing: Vec<String>,
}

/// An error of the images that files are pinned to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImagesError {
    /// The file is not what `build --metadata` writes.
    #[error("{origin}: {reason}")]
    NotMetadata {
        /// Where it comes from.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// No image of the metadata has a name.
    #[error("no image in {origin} has a name")]
    NoName {
        /// Where it comes from.
        origin: String,
    },
    /// The metadata has no image with a name, and some were not built.
    #[error("{origin} has no image to pin: the build failed and did not make {}", listed(.missing.iter().map(String::as_str)))]
    NotBuilt {
        /// Where it comes from.
        origin: String,
        /// The IDs of the members.
        missing: Vec<String>,
    },
    /// A tag has two digests.
    #[error("{repository}:{tag} has two digests: {first} and {second}")]
    TwoDigests {
        /// The repository.
        repository: String,
        /// The tag.
        tag: String,
        /// One digest.
        first: Digest,
        /// The other digest.
        second: Digest,
    },
}

impl Diagnostic for ImagesError {
    fn error_kind(&self) -> ErrorKind {
        ErrorKind::Input
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NotMetadata { .. } => "give the file that `ocitect build --metadata FILE` wrote".to_owned(),
            Self::NoName { .. } => "set `name` in the spec's [image]: files refer to images by name".to_owned(),
            Self::NotBuilt { .. } => "build again, and use the metadata of a build that succeeds".to_owned(),
            Self::TwoDigests { .. } => "give only one --from for it".to_owned(),
        })
    }
}

impl PinnedImage {
    /// Returns the images of what `build --metadata` wrote: the object of one image, or that of a workspace. Images
    /// without a name are left out, since no file can refer to them.
    ///
    /// # Errors
    ///
    /// Bytes that are not such a document, and a document in which no image has a name.
    pub fn from_metadata(bytes: &[u8], origin: &str) -> Result<MetadataImages, ImagesError> {
        let metadata = Metadata::parse(bytes).map_err(|error| ImagesError::NotMetadata {
            origin: escape(origin.as_bytes()),
            reason: error.reason(),
        })?;
        let images: Vec<Self> = metadata.images.iter().filter_map(Self::of).collect();
        let missing = metadata.unbuilt;
        if images.is_empty() {
            let origin = escape(origin.as_bytes());
            return Err(if missing.is_empty() {
                ImagesError::NoName { origin }
            } else {
                ImagesError::NotBuilt { origin, missing }
            });
        }
        Ok(MetadataImages { images, missing })
    }

    /// Returns the image, if it has a name.
    fn of(image: &ImageMetadata) -> Option<Self> {
        Some(Self {
            repository: image.name.clone()?,
            tags: image.tags.clone(),
            digest: image.digest,
            is_untagged: !image.targets.is_empty() && image.targets.iter().all(|target| target.tags.is_empty()),
        })
    }
}

/// All images that files are pinned to, by the full names of their repositories.
#[derive(Debug, Clone, Default)]
pub struct PinnedImages(BTreeMap<String, Vec<PinnedImage>>);

/// Why no image of a repository can be chosen for a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoChoice {
    /// No image has the tag.
    OtherTag(Vec<String>),
    /// Several images have other tags, and the file names none.
    Several(Vec<String>),
}

impl PinnedImages {
    /// Collects images. The same image may occur several times.
    ///
    /// # Errors
    ///
    /// A tag with two digests.
    pub fn new(images: impl IntoIterator<Item = PinnedImage>) -> Result<Self, ImagesError> {
        let mut all = Self::default();
        for image in images {
            let name = full_name(&image.repository.to_string());
            let known = all.0.entry(name).or_default();
            for other in known.iter().filter(|other| other.digest != image.digest) {
                if let Some(tag) = image.tags.iter().find(|tag| other.tags.contains(tag)) {
                    return Err(ImagesError::TwoDigests {
                        repository: image.repository.to_string(),
                        tag: tag.to_string(),
                        first: other.digest,
                        second: image.digest,
                    });
                }
            }
            match known.iter_mut().find(|other| other.digest == image.digest) {
                Some(same) => {
                    let new: Vec<Tag> = image.tags.into_iter().filter(|tag| !same.tags.contains(tag)).collect();
                    same.tags.extend(new);
                    same.is_untagged &= image.is_untagged;
                }
                None => known.push(image),
            }
        }
        Ok(all)
    }

    /// Returns the full names of the repositories, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the images of a repository; none if it is not one of ours.
    pub(super) fn of(&self, full_name: &str) -> &[PinnedImage] {
        self.0.get(full_name).map_or(&[], Vec::as_slice)
    }
}

/// The image and the tag that a reference gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice<'a> {
    pub(super) image: &'a PinnedImage,
    pub(super) tag: Option<&'a str>,
}

/// Chooses one of the images of a repository for the tag of a reference. A reference without a tag means `latest`, or
/// the first tag of the only image. With `retag`, the only image is chosen for any tag.
pub(super) fn choose<'a>(images: &'a [PinnedImage], tag: Option<&str>, retag: bool) -> Result<Choice<'a>, NoChoice> {
    let wanted = tag.unwrap_or("latest");
    let with_tag = |image: &'a PinnedImage| {
        let tag = image.tags.iter().find(|tag| tag.as_str() == wanted)?;
        Some(Choice {
            image,
            tag: Some(tag.as_str()),
        })
    };
    if let Some(choice) = images.iter().find_map(with_tag) {
        return Ok(choice);
    }
    let tags = || {
        images
            .iter()
            .flat_map(|image| image.tags.iter().map(Tag::to_string))
            .collect()
    };
    match images {
        [image] if tag.is_none() || retag => Ok(Choice {
            image,
            tag: image.tags.first().map(Tag::as_str),
        }),
        _ if tag.is_none() => Err(NoChoice::Several(tags())),
        _ => Err(NoChoice::OtherTag(tags())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(letter: char) -> Digest {
        format!("sha256:{}", letter.to_string().repeat(64)).parse().unwrap()
    }

    fn image(name: &str, tags: &[&str], letter: char) -> PinnedImage {
        PinnedImage {
            repository: name.parse().unwrap(),
            tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
            digest: digest(letter),
            is_untagged: false,
        }
    }

    #[test]
    fn metadata_of_one_image_and_of_a_workspace_is_read() {
        let one = format!(
            r#"{{"name":"ghcr.io/me/app","tags":["1.0","latest"],"digest":"{}","targets":[]}}"#,
            digest('a')
        );
        let read = |text: &str| PinnedImage::from_metadata(text.as_bytes(), "m.json").unwrap();
        let MetadataImages { images, missing } = read(&one);
        assert!(missing.is_empty());
        assert_eq!(images, [image("ghcr.io/me/app", &["1.0", "latest"], 'a')]);
        let nameless = format!(r#"{{"name":null,"tags":["latest"],"digest":"{}"}}"#, digest('b'));
        let untagged = one.replace("\"targets\":[]", r#""targets":[{"target":"x","tags":[]}]"#);
        let all = format!(r#"{{"version":1,"images":[{nameless},{untagged}]}}"#);
        let images = read(&all).images;
        assert_eq!(images.len(), 1);
        assert!(images[0].is_untagged);
    }

    #[test]
    fn what_is_no_metadata_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "EOF"),
            ("[]", "expected an object"),
            ("{}", "missing field `tags`"),
            (r#"{"version":2,"images":[]}"#, "version 2"),
            (r#"{"version":1,"images":{}}"#, "expected a sequence"),
            (r#"{"version":1,"images":[]}"#, "has a name"),
            (r#"{"name":"a.b/c","tags":[],"digest":"sha256:ab"}"#, "not a digest"),
            (r#"{"name":"a.b/c","name":"a.b/d"}"#, "duplicate key"),
            (
                r#"{"name":"app","tags":[],"digest":"DIGEST"}"#,
                "does not include a registry",
            ),
            (r#"{"name":"a.b/c","tags":["-"],"digest":"DIGEST"}"#, "is not a tag"),
            (
                r#"{"name":"a.b/c","tags":"x","digest":"DIGEST"}"#,
                "expected a sequence",
            ),
            (r#"{"name":null,"tags":[],"digest":"DIGEST"}"#, "has a name"),
            (
                r#"{"version":1,"images":[],"failed":[{"member":"a"}],"unfinished":["b"]}"#,
                "did not make a, b",
            ),
        ] {
            let text = text.replace("DIGEST", &digest('a').to_string());
            let error = PinnedImage::from_metadata(text.as_bytes(), "m.json").unwrap_err();
            assert!(error.to_string().contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_tag_has_one_digest_and_images_are_joined() {
        let a = image("docker.io/app", &["1"], 'a');
        let same = image("docker.io/library/app", &["latest"], 'a');
        let images = PinnedImages::new([a.clone(), same]).unwrap();
        assert_eq!(images.names().collect::<Vec<_>>(), ["docker.io/library/app"]);
        assert_eq!(images.of("docker.io/library/app")[0].tags.len(), 2);
        let error = PinnedImages::new([a, image("docker.io/app", &["1"], 'b')]).unwrap_err();
        assert!(error.to_string().contains("two digests"));
    }

    #[test]
    fn the_tag_of_a_reference_chooses_the_image() {
        let one = [image("a.b/c", &["2", "latest"], 'a')];
        let two = [image("a.b/c", &["1"], 'a'), image("a.b/c", &["2"], 'b')];
        let tag = |images: &[PinnedImage], tag: Option<&str>, retag| {
            choose(images, tag, retag).map(|choice| choice.tag.map(str::to_owned))
        };
        assert_eq!(tag(&one, Some("2"), false), Ok(Some("2".to_owned())));
        assert_eq!(tag(&one, None, false), Ok(Some("latest".to_owned())));
        assert_eq!(tag(&one, Some("1"), true), Ok(Some("2".to_owned())));
        assert!(matches!(tag(&one, Some("1"), false), Err(NoChoice::OtherTag(tags)) if tags == ["2", "latest"]));
        assert_eq!(tag(&two, Some("2"), false), Ok(Some("2".to_owned())));
        assert!(matches!(tag(&two, None, true), Err(NoChoice::Several(_))));
        assert!(matches!(tag(&two, Some("3"), true), Err(NoChoice::OtherTag(_))));
        assert_eq!(tag(&two[..1], None, false), Ok(Some("1".to_owned())));
    }
}

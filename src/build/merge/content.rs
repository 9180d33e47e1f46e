//! What a part contains: images with their platforms, and attestations of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::build::merge::error::MergeError;
use crate::model::{
    Descriptor, Digest, Family, Image, ImageManifest, ImageMetadata, MediaType, Part, Platform, Root, UnchangedPart,
};
use crate::store::{
    ReadEntry, Source, StoreError, is_attached, is_unknown, read_listed, read_root, reference_of, why_no_image,
};

/// An image of a part.
pub(super) struct Child {
    pub platform: Platform,
    /// Its entry in the index.
    pub entry: Descriptor,
    pub image: Image,
}

/// An entry of a part's index that is not an image.
pub(super) struct Attached {
    pub entry: Descriptor,
    /// The digest of the image that it is about, as written.
    pub subject: Option<String>,
    pub manifest: ImageManifest,
}

/// A part that was opened.
pub(super) struct OpenedPart {
    /// As on the command line.
    pub label: String,
    pub source: Arc<dyn Source>,
    pub root: Root,
    pub children: Vec<Child>,
    pub attached: Vec<Attached>,
    /// The whole that it belongs to, if its build recorded that.
    pub recorded: Option<Part>,
}

impl OpenedPart {
    /// Reads the documents of a part. `recorded` is what its file says of it: an earlier image that has the platforms of
    /// the part may have others too, which are left out.
    pub async fn read(
        label: String,
        source: Arc<dyn Source>,
        root: Root,
        recorded: Option<&ImageMetadata>,
    ) -> Result<Self, MergeError> {
        let unchanged = recorded.filter(|image| image.part.as_ref().is_some_and(|part| part.unchanged.is_some()));
        let is_left_out = |entry: &Descriptor| {
            let listed = unchanged.map(|image| &image.platforms);
            listed.is_some_and(|listed| !listed.iter().any(|one| one.digest == entry.digest))
        };
        let mut children = Vec::new();
        let mut attached = Vec::new();
        match &root {
            Root::Manifest(_) => {
                let entry = root.descriptor().clone();
                children.push(child(&label, source.as_ref(), &entry, None).await?);
            }
            Root::Index(index) => {
                if let Some(unsupported) = index.value().unsupported.first() {
                    return Err(no_image(
                        &label,
                        format!("the digest {} is not supported", unsupported.digest),
                    ));
                }
                for entry in &index.value().manifests {
                    if entry.media_type.is_index() {
                        return Err(MergeError::Nested {
                            part: label,
                            digest: entry.digest,
                        });
                    }
                    if why_no_image(entry).is_some() || is_attached(entry) {
                        attached.push(attachment(&label, source.as_ref(), entry).await?);
                    } else if !is_left_out(entry) {
                        children.push(child(&label, source.as_ref(), entry, entry.platform.clone()).await?);
                    }
                }
            }
        }
        if unchanged.is_some() {
            let is_of_child = |one: &Attached| {
                let mut digests = children.iter().map(|child| child.entry.digest.to_string());
                digests.any(|digest| one.subject.as_ref() == Some(&digest))
            };
            attached.retain(is_of_child);
        }
        Ok(Self {
            label,
            source,
            root,
            children,
            attached,
            recorded: recorded.and_then(|image| image.part.clone()),
        })
    }

    /// Returns the digest of the index that a build of its platforms makes.
    pub fn index_digest(&self) -> Digest {
        match self.unchanged() {
            Some(unchanged) => unchanged.index,
            None => self.root.descriptor().digest,
        }
    }

    /// Returns what is recorded of the index if the part is a share of an earlier image.
    pub fn unchanged(&self) -> Option<&UnchangedPart> {
        self.recorded.as_ref()?.unchanged.as_ref()
    }

    /// Checks that the image is the one that the part's file describes.
    pub fn check_described(&self, recorded: &ImageMetadata) -> Result<(), MergeError> {
        let found = self.children.iter().map(|child| &child.platform);
        let listed = recorded.platforms.iter().map(|platform| &platform.platform);
        for platform in listed.chain(found) {
            let found = self.children.iter().find(|child| child.platform.is_same_as(platform));
            let listed = recorded.platforms.iter().find(|one| one.platform.is_same_as(platform));
            let found = found.map(|child| child.entry.digest);
            let listed = listed.map(|one| one.digest);
            if found != listed {
                return Err(MergeError::OtherManifest {
                    part: self.label.clone(),
                    platform: platform.clone(),
                    recorded: listed,
                    found,
                });
            }
        }
        Ok(())
    }

    /// Returns the family of its media types.
    pub fn family(&self) -> Family {
        match self.root.descriptor().media_type {
            MediaType::DockerManifest | MediaType::DockerIndex => Family::Docker,
            _ => Family::Oci,
        }
    }

    /// Returns its annotations. A part of a build always has an index, since its spec has several platforms.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        if let Some(unchanged) = self.unchanged() {
            return unchanged.annotations.clone();
        }
        match &self.root {
            Root::Index(index) => index.value().annotations.clone(),
            Root::Manifest(manifest) => manifest.value().annotations.clone(),
        }
    }
}

async fn child(
    label: &str,
    source: &dyn Source,
    entry: &Descriptor,
    listed: Option<Platform>,
) -> Result<Child, MergeError> {
    let image = match read(label, read_listed(source, entry).await)? {
        ReadEntry::Image(image) => image,
        ReadEntry::Skipped(skipped) => return Err(no_image(label, skipped.to_string())),
    };
    let config = image.config().value();
    let Some(platform) = listed.or_else(|| config.names_platform().then(|| config.platform().clone())) else {
        return Err(no_image(
            label,
            format!("neither {} nor its config has a platform", entry.digest),
        ));
    };
    if config.contradicts(&platform) {
        return Err(MergeError::Contradiction {
            part: label.to_owned(),
            digest: entry.digest,
            listed: platform,
            stated: config.platform().clone(),
        });
    }
    Ok(Child {
        entry: Descriptor {
            platform: Some(platform.clone()),
            ..entry.clone()
        },
        platform,
        image,
    })
}

async fn attachment(label: &str, source: &dyn Source, entry: &Descriptor) -> Result<Attached, MergeError> {
    if is_attached(entry) {
        check_attached(label, entry)?;
    }
    match read(label, read_root(source, entry).await)? {
        Root::Manifest(manifest) => Ok(Attached {
            entry: entry.clone(),
            subject: reference_of(entry).map(str::to_owned),
            manifest: manifest.value().clone(),
        }),
        Root::Index(_) => Err(MergeError::Nested {
            part: label.to_owned(),
            digest: entry.digest,
        }),
    }
}

/// Checks that an attestation is for no platform, so that no runtime takes it for an image, and names its image.
fn check_attached(label: &str, entry: &Descriptor) -> Result<(), MergeError> {
    if let Some(platform) = entry.platform.as_ref().filter(|platform| !is_unknown(platform)) {
        return Err(MergeError::AttestationPlatform {
            part: label.to_owned(),
            digest: entry.digest,
            platform: platform.clone(),
        });
    }
    if reference_of(entry).is_none() {
        return Err(MergeError::NoSubject {
            part: label.to_owned(),
            digest: entry.digest,
        });
    }
    Ok(())
}

fn read<T>(label: &str, result: Result<T, StoreError>) -> Result<T, MergeError> {
    result.map_err(|cause| MergeError::Read {
        part: label.to_owned(),
        cause: Box::new(cause),
    })
}

fn no_image(label: &str, reason: String) -> MergeError {
    MergeError::NoImage {
        part: label.to_owned(),
        reason,
    }
}

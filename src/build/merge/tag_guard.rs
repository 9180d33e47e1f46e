//! `--if-tag`: writes tags only if they name what the caller expects.
//!
//! distribution-spec has no conditional write of a tag. The tags are read before anything is written, again before they
//! are written, and once more afterwards: this narrows the time in which another writer is not noticed, and does not
//! close it.

use std::collections::BTreeSet;

use crate::build::merge::error::MergeError;
use crate::build::target::TargetPlace;
use crate::build::transports::Transports;
use crate::build::writing::WrittenImage;
use crate::model::{Digest, ImageName, Reference, Repository, Tag};
use crate::store::StoreError;

/// The image that a tag is expected to name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedTag {
    /// The tag; `None` for all that are written.
    pub tag: Option<Tag>,
    /// The digest of the image; `None` if the tag must not exist.
    pub digest: Option<Digest>,
}

/// Expectations on the tags of a merge.
pub(super) struct TagGuard<'a> {
    pub expected: &'a [ExpectedTag],
    pub transports: &'a Transports,
}

impl TagGuard<'_> {
    /// Refuses an expectation on a tag that is not written: it would guard nothing.
    pub fn check_names(&self, images: &[WrittenImage<'_>]) -> Result<(), MergeError> {
        let targets = || images.iter().flat_map(|image| &image.outputs.targets);
        let in_registries = targets().filter(|target| matches!(target.place, TargetPlace::Registry(_)));
        let written: BTreeSet<&Tag> = in_registries.flat_map(|target| &target.tags).collect();
        let is_written = |expected: &ExpectedTag| match &expected.tag {
            Some(tag) => written.contains(tag),
            None => !written.is_empty(),
        };
        match self.expected.iter().find(|expected| !is_written(expected)) {
            None => Ok(()),
            Some(expected) => Err(MergeError::NoSuchTag {
                tag: expected.tag.as_ref().map(ToString::to_string),
                known: written.into_iter().map(ToString::to_string).collect(),
            }),
        }
    }

    /// Checks that every tag that is about to be written names what is expected, or the image itself.
    pub async fn check_before(&self, images: &[WrittenImage<'_>]) -> Result<(), MergeError> {
        self.check(images, false).await
    }

    /// Checks that every tag names the image that was written.
    pub async fn check_after(&self, images: &[WrittenImage<'_>]) -> Result<(), MergeError> {
        self.check(images, true).await
    }

    async fn check(&self, images: &[WrittenImage<'_>], is_written: bool) -> Result<(), MergeError> {
        for image in images {
            let own = image.output.root().descriptor().digest;
            for target in &image.outputs.targets {
                let TargetPlace::Registry(repository) = &target.place else {
                    continue;
                };
                for tag in &target.tags {
                    let Some(expected) = self.expectation(tag) else {
                        continue;
                    };
                    let found = self.current(repository, tag).await?;
                    let is_expected = if is_written {
                        found == Some(own)
                    } else {
                        found == expected || found == Some(own)
                    };
                    if !is_expected {
                        return Err(MergeError::Moved {
                            tag: format!("{repository}:{tag}"),
                            expected: if is_written { Some(own) } else { expected },
                            found,
                            is_written,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns what a tag is expected to name, if anything is said of it.
    fn expectation(&self, tag: &Tag) -> Option<Option<Digest>> {
        let of_tag = self.expected.iter().find(|one| one.tag.as_ref() == Some(tag));
        let of_all = || self.expected.iter().find(|one| one.tag.is_none());
        of_tag.or_else(of_all).map(|one| one.digest)
    }

    /// Returns the digest that a tag names now.
    async fn current(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, MergeError> {
        let reference = Reference {
            repository: repository.clone(),
            tag: Some(tag.clone()),
            digest: None,
        };
        let part = reference.to_string();
        let resolved = async {
            let (source, selector) = self.transports.source(&ImageName::Registry(reference)).await?;
            source.resolve(&selector).await
        };
        match resolved.await {
            Ok(root) => Ok(Some(root.descriptor().digest)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(cause) => Err(MergeError::Read {
                part,
                cause: Box::new(cause),
            }),
        }
    }
}

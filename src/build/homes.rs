//! Where the blobs of a build are in a registry, so that a blob which several of its images have is uploaded once and
//! mounted into the other repositories.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::build::built::BuildOutput;
use crate::build::target::{Target, TargetPlace};
use crate::model::{Descriptor, Digest, Repository, Root, Selector};
use crate::store::{BlobReader, Side, Source, StoreError};
use crate::transfer::Report;

/// The first repository of each registry that has a blob.
#[derive(Default)]
pub(super) struct Homes(BTreeMap<(String, Digest), Repository>);

impl Homes {
    /// Notes that a target has the blobs of a report.
    pub fn note(&mut self, target: &Target, report: &Report) {
        let TargetPlace::Registry(repository) = &target.place else {
            return;
        };
        for blob in &report.blobs {
            let key = (repository.registry().to_owned(), blob.descriptor.digest);
            self.0.entry(key).or_insert_with(|| repository.clone());
        }
    }

    /// Returns an image as a source whose blobs have their origin in the registry of `target`, where that is known.
    pub fn seen_from<'a>(&'a self, image: &'a BuildOutput, target: &'a Target) -> HomedImage<'a> {
        HomedImage {
            image,
            homes: self,
            target,
        }
    }

    /// Returns another repository of the target's registry that has a blob.
    fn of(&self, descriptor: &Descriptor, target: &Target) -> Option<Repository> {
        let TargetPlace::Registry(repository) = &target.place else {
            return None;
        };
        let home = self.0.get(&(repository.registry().to_owned(), descriptor.digest))?;
        (home != repository).then(|| home.clone())
    }
}

/// An image some of whose blobs are in other repositories of a registry.
pub(super) struct HomedImage<'a> {
    image: &'a BuildOutput,
    homes: &'a Homes,
    target: &'a Target,
}

#[async_trait]
impl Source for HomedImage<'_> {
    fn describe(&self) -> String {
        self.image.describe()
    }

    fn side(&self) -> Side {
        self.image.side()
    }

    async fn resolve(&self, selector: &Selector) -> Result<Root, StoreError> {
        self.image.resolve(selector).await
    }

    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError> {
        self.image.open_unverified(descriptor).await
    }

    fn origin(&self, descriptor: &Descriptor) -> Option<Repository> {
        let home = self.homes.of(descriptor, self.target);
        home.or_else(|| self.image.origin(descriptor))
    }
}

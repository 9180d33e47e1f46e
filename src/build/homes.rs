//! Where the blobs of a build are in a registry, so that a blob which several of its images have is uploaded once and
//! mounted into the other repositories.

use std::collections::BTreeMap;
use std::sync::Arc;

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
    pub fn seen_from(&self, image: &Arc<BuildOutput>, target: &Target) -> HomedImage {
        let homes = match &target.place {
            TargetPlace::Registry(repository) => self.of_registry(repository),
            TargetPlace::Local(_) => BTreeMap::new(),
        };
        HomedImage {
            image: image.clone(),
            homes,
        }
    }

    /// Returns the blobs of the registry that other repositories of it have.
    fn of_registry(&self, repository: &Repository) -> BTreeMap<Digest, Repository> {
        let known = self
            .0
            .iter()
            .filter(|((registry, _), home)| registry == repository.registry() && *home != repository);
        known.map(|((_, digest), home)| (*digest, home.clone())).collect()
    }
}

/// An image some of whose blobs are in other repositories of a registry.
pub(super) struct HomedImage {
    image: Arc<BuildOutput>,
    homes: BTreeMap<Digest, Repository>,
}

#[async_trait]
impl Source for HomedImage {
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
        let home = self.homes.get(&descriptor.digest).cloned();
        home.or_else(|| self.image.origin(descriptor))
    }
}

//! The images of a build that others of it are based on: first as they are planned, and then as they are packed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::build::BuildError;
use crate::build::images::{PlatformImage, ReadName};
use crate::model::{Image, Platform, Root};
use crate::store::Source;

/// Members by their IDs, each with its platforms.
#[derive(Default)]
pub(super) struct MemberImages(BTreeMap<String, Vec<(Platform, PlatformImage)>>);

impl MemberImages {
    /// Returns the image of a member for a platform.
    ///
    /// # Errors
    /// Returns [`BuildError::MemberLacks`] if the member is not built for the platform.
    pub fn for_platform(&self, id: &str, platform: &Platform) -> Result<PlatformImage, BuildError> {
        let platforms = self.0.get(id).map(Vec::as_slice).unwrap_or_default();
        let found = platforms.iter().find(|(known, _)| known.is_same_as(platform));
        found
            .map(|(_, image)| image.clone())
            .ok_or_else(|| BuildError::MemberLacks {
                id: id.to_owned(),
                platform: platform.clone(),
                known: platforms.iter().map(|(known, _)| known.clone()).collect(),
            })
    }

    /// Adds a member, with its image for each of its platforms.
    pub fn add(&mut self, id: &str, images: Vec<(Platform, PlatformImage)>) {
        self.0.insert(id.to_owned(), images);
    }

    /// Replaces the images of a member by the packed ones. `images` has one for each platform, in the order in which
    /// they were added.
    pub fn set_packed(&mut self, id: &str, images: &[Image], root: &Root, source: &Arc<dyn Source>) {
        let index = match root {
            Root::Index(index) => Some(index.descriptor().digest),
            Root::Manifest(_) => None,
        };
        for ((_, known), image) in self.0.get_mut(id).into_iter().flatten().zip(images) {
            known.image = image.clone();
            known.index = index;
            known.source = source.clone();
        }
    }

    /// Returns the packed form of a base that is a member; `None` for another base.
    pub fn packed(
        &self,
        base: Option<&PlatformImage>,
        platform: &Platform,
    ) -> Result<Option<PlatformImage>, BuildError> {
        match base.map(|base| &base.name) {
            Some(ReadName::Member { id, .. }) => self.for_platform(id, platform).map(Some),
            _ => Ok(None),
        }
    }
}

//! The images of a build that others of it are based on or take files from: first as they are planned, and then as they
//! are packed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::build::BuildError;
use crate::build::images::{PlatformImage, ReadName};
use crate::model::{Content, Digest, EntryKind, EntryPath, Image, LayerPlan, Platform, Root};
use crate::store::Source;

/// Members by their IDs, each with its platforms.
#[derive(Default)]
pub(super) struct MemberImages(BTreeMap<String, Vec<MemberPlatform>>);

/// A platform of a member.
pub(super) struct MemberPlatform {
    pub platform: Platform,
    pub image: PlatformImage,
    /// A text that identifies the image before its layers are packed.
    pub identity: String,
    /// Its own layers, as they are planned.
    pub layers: Vec<Arc<LayerPlan>>,
    pub base: Option<PlatformImage>,
    /// The images that its files are copied from.
    pub file_images: BTreeMap<Digest, PlatformImage>,
}

impl MemberImages {
    /// Returns the image of a member for a platform.
    ///
    /// # Errors
    /// Returns [`BuildError::MemberLacks`] if the member is not built for the platform.
    pub fn for_platform(&self, id: &str, platform: &Platform) -> Result<PlatformImage, BuildError> {
        self.find(id, platform).map(|found| found.image.clone())
    }

    fn find(&self, id: &str, platform: &Platform) -> Result<&MemberPlatform, BuildError> {
        let platforms = self.0.get(id).map(Vec::as_slice).unwrap_or_default();
        let found = platforms.iter().find(|known| known.platform.is_same_as(platform));
        found.ok_or_else(|| BuildError::MemberLacks {
            id: id.to_owned(),
            platform: platform.clone(),
            known: platforms.iter().map(|known| known.platform.clone()).collect(),
        })
    }

    /// Returns a text that identifies a base, which may be a planned member; `None` is scratch.
    pub fn identity(&self, base: Option<&PlatformImage>, platform: &Platform) -> Result<String, BuildError> {
        match base.map(|base| (&base.name, base)) {
            None => Ok("scratch".to_owned()),
            Some((ReadName::Member { id, .. }, _)) => self.find(id, platform).map(|member| member.identity.clone()),
            Some((ReadName::Image(_), base)) => Ok(base.image.manifest().descriptor().digest.to_string()),
        }
    }

    /// Adds a member, with its platforms in their order.
    pub fn add(&mut self, id: &str, platforms: Vec<MemberPlatform>) {
        self.0.insert(id.to_owned(), platforms);
    }

    /// Returns the source of a file's content: what the member's own layer is packed from, or a file of the image below.
    /// `place` is the layer with the content, from 0 for the lowest one of the base, and its path there. If it is in an
    /// image, also returns that image. Returns `None` if no layer has it.
    pub fn content(
        &self,
        id: &str,
        platform: &Platform,
        place: (u32, &EntryPath),
    ) -> Result<Option<(Content, Option<PlatformImage>)>, BuildError> {
        let (layer, path) = place;
        let layer = usize::try_from(layer).unwrap_or(usize::MAX);
        let mut member = self.find(id, platform)?;
        loop {
            let below = member.base.as_ref().map_or(0, |base| base.image.layers().count());
            if let Some(own) = layer.checked_sub(below) {
                return Ok(member.own_content(own, path));
            }
            match &member.base {
                None => return Ok(None),
                Some(PlatformImage {
                    name: ReadName::Member { id, .. },
                    ..
                }) => member = self.find(id, platform)?,
                Some(base) => return Ok(content_of_base(base, place)),
            }
        }
    }

    /// Replaces the images of a member by the packed ones. `images` has one for each platform, in the order in which
    /// they were added.
    pub fn set_packed(&mut self, id: &str, images: &[Image], root: &Root, source: &Arc<dyn Source>) {
        let index = match root {
            Root::Index(index) => Some(index.descriptor().digest),
            Root::Manifest(_) => None,
        };
        for (known, image) in self.0.get_mut(id).into_iter().flatten().zip(images) {
            known.image.image = image.clone();
            known.image.index = index;
            known.image.source = source.clone();
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

impl MemberPlatform {
    /// Returns the content of a file of one of its own layers, with the image that it is copied from.
    fn own_content(&self, layer: usize, path: &EntryPath) -> Option<(Content, Option<PlatformImage>)> {
        let entries = &self.layers.get(layer)?.entries;
        let found = entries.iter().find_map(|entry| match &entry.kind {
            EntryKind::File { content, .. } if entry.path == *path => Some(content.clone()),
            _ => None,
        })?;
        let image = match &found {
            Content::Image { manifest, .. } => self.file_images.get(manifest).cloned(),
            _ => None,
        };
        Some((found, image))
    }
}

/// Returns the content of a file of a base: some path of its tree has it, unless an upper layer of the base removed it.
fn content_of_base(base: &PlatformImage, place: (u32, &EntryPath)) -> Option<(Content, Option<PlatformImage>)> {
    let tree = &base.facts.tree;
    let has_it = |path: &EntryPath| tree.node(path).and_then(|node| node.content_at(path)) == Some(place);
    let path = if has_it(place.1) {
        place.1.clone()
    } else {
        tree.nodes().find(|(path, _)| has_it(path))?.0.clone()
    };
    let manifest = base.image.manifest().descriptor().digest;
    Some((Content::Image { manifest, path }, Some(base.clone())))
}

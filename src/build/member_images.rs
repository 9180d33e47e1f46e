//! The images of a build that others of it are based on: first as they are planned, and then as they are packed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::build::BuildError;
use crate::build::built::BuildOutput;
use crate::build::contents::Contents;
use crate::build::images::{PlatformImage, ReadName};
use crate::build::inputs::PlannedPlatform;
use crate::build::member::Member;
use crate::build::options::BuildOptions;
use crate::model::{Descriptor, DiffId, Digest, Image, Layer, LayerPlan, Platform, Root};
use crate::plan::{BuildPlan, assemble};
use crate::store::Source;
use crate::tree::{Facts, planned_facts};

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

    /// Adds a member whose layers are not packed yet, so that others can be planned on it. Nothing that a plan decides
    /// depends on the digests of layers.
    pub fn add_planned(
        &mut self,
        member: &Member<'_>,
        id: &str,
        platforms: &[PlannedPlatform],
        contents: &Contents,
        options: &BuildOptions,
    ) -> Result<(), BuildError> {
        let image = |planned: &PlannedPlatform| {
            let layers: Vec<Layer> = planned.plan.layers.iter().map(|layer| unpacked(layer)).collect();
            let image = planned_image(&planned.plan, &layers)?;
            let platform_image = PlatformImage {
                name: name(member, id),
                source: Arc::new(BuildOutput::new(Root::Manifest(image.manifest().clone()))),
                image,
                index: None,
                facts: Arc::new(facts(id, planned, contents, options)?),
            };
            Ok((planned.plan.platform.clone(), platform_image))
        };
        let images: Result<Vec<_>, BuildError> = platforms.iter().map(image).collect();
        self.0.insert(id.to_owned(), images?);
        Ok(())
    }

    /// Replaces the images of a member by the packed ones. `images` has one for each platform, in the order in which
    /// they were planned.
    pub fn set_packed(&mut self, id: &str, images: &[Image], built: &Arc<BuildOutput>) {
        let index = match built.root() {
            Root::Index(index) => Some(index.descriptor().digest),
            Root::Manifest(_) => None,
        };
        for ((_, known), image) in self.0.get_mut(id).into_iter().flatten().zip(images) {
            known.image = image.clone();
            known.index = index;
            known.source = built.clone() as Arc<dyn Source>;
        }
    }

    /// Returns the packed base of a platform that was planned on a member.
    pub fn packed_base(&self, planned: &PlannedPlatform) -> Result<Option<PlatformImage>, BuildError> {
        match planned.base.as_ref().map(|base| &base.name) {
            Some(ReadName::Member { id, .. }) => self.for_platform(id, &planned.plan.platform).map(Some),
            _ => Ok(None),
        }
    }
}

fn name(member: &Member<'_>, id: &str) -> ReadName {
    ReadName::Member {
        id: id.to_owned(),
        reference: member.reference(),
    }
}

/// Returns a layer with the media type that the planned one will have. Its digests are not known yet.
fn unpacked(plan: &LayerPlan) -> Layer {
    Layer {
        descriptor: Descriptor::new(plan.compression.media_type(), Digest::of(b""), 0),
        diff_id: DiffId::of(b""),
        tar_size_bytes: 0,
    }
}

/// Returns the config and manifest of one platform.
pub(super) fn planned_image(plan: &BuildPlan, layers: &[Layer]) -> Result<Image, BuildError> {
    let failed = |cause| BuildError::Plan {
        platform: plan.platform.clone(),
        cause: Box::new(cause),
    };
    let (config, manifest) = assemble(plan, layers).map_err(failed)?;
    Image::new(manifest, config).map_err(|cause| failed(cause.into()))
}

/// Returns the facts about a planned image.
fn facts(
    id: &str,
    planned: &PlannedPlatform,
    contents: &Contents,
    options: &BuildOptions,
) -> Result<Facts, BuildError> {
    let empty = Facts::empty();
    let below = planned.base.as_ref().map_or(&empty, |base| base.facts.as_ref());
    let below_layers = planned.base.as_ref().map_or(0, |base| base.image.layers().count());
    let facts = planned_facts(
        below,
        u32::try_from(below_layers).unwrap_or(u32::MAX),
        &planned.plan.layers,
        &options.scratch_directory,
        &|_, content| contents.open_any(content),
    );
    let facts = facts.map_err(|cause| BuildError::Tree {
        image: format!("workspace:{id}"),
        platform: planned.plan.platform.clone(),
        cause: Box::new(cause),
    })?;
    facts.ok_or_else(|| BuildError::MemberUnknown {
        id: id.to_owned(),
        platform: planned.plan.platform.clone(),
    })
}

//! Images whose layers are planned and not packed yet.

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
use crate::tree::{Facts, planned_facts};

/// Returns the images of a member whose layers are not packed yet, so that others can be planned on it. Nothing that a
/// plan decides depends on the digests of layers.
pub(super) fn planned_images(
    member: &Member<'_>,
    id: &str,
    platforms: &[PlannedPlatform],
    contents: &Contents,
    options: &BuildOptions,
) -> Result<Vec<(Platform, PlatformImage)>, BuildError> {
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
    platforms.iter().map(image).collect()
}

fn name(member: &Member<'_>, id: &str) -> ReadName {
    ReadName::Member {
        id: id.to_owned(),
        reference: member.reference(),
        spec: member.spec.path().to_owned(),
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

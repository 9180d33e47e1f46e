//! Images whose layers are planned and not packed yet.

use std::sync::Arc;

use crate::build::BuildError;
use crate::build::built::BuildOutput;
use crate::build::contents::Contents;
use crate::build::images::{PlatformImage, ReadName};
use crate::build::inputs::PlannedPlatform;
use crate::build::member::Member;
use crate::build::member_images::{MemberImages, MemberPlatform};
use crate::build::options::BuildOptions;
use crate::build::records::{Records, facts_key};
use crate::model::{Descriptor, DiffId, Digest, Image, Layer, LayerPlan, Root};
use crate::plan::{BuildPlan, assemble};
use crate::tree::{Facts, planned_facts};

/// Returns the images of a member whose layers are not packed yet, so that others can be planned on it. Nothing that a
/// plan decides depends on the digests of layers.
pub(super) fn planned_images(
    member: &Member<'_>,
    id: &str,
    platforms: &[PlannedPlatform],
    members: &MemberImages,
    contents: &Contents,
    records: &Records,
    options: &BuildOptions,
) -> Result<Vec<MemberPlatform>, BuildError> {
    let image = |planned: &PlannedPlatform| {
        let layers: Vec<Layer> = planned.plan.layers.iter().map(|layer| unpacked(layer)).collect();
        let image = planned_image(&planned.plan, &layers)?;
        let below = members.identity(planned.base.as_ref(), &planned.plan.platform)?;
        let key = facts_key(&below, &planned.plan.layers);
        let platform_image = PlatformImage {
            name: name(member, id),
            source: Arc::new(BuildOutput::new(Root::Manifest(image.manifest().clone()))),
            image,
            index: None,
            facts: Arc::new(facts(id, planned, &key, contents, records, options)?),
        };
        Ok(MemberPlatform {
            platform: planned.plan.platform.clone(),
            image: platform_image,
            identity: key.to_string(),
            layers: planned.plan.layers.clone(),
            base: planned.base.clone(),
            file_images: planned.file_images.clone(),
        })
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

/// Returns the facts about a planned image. Those of an image whose files are unchanged are in the cache.
fn facts(
    id: &str,
    planned: &PlannedPlatform,
    key: &Digest,
    contents: &Contents,
    records: &Records,
    options: &BuildOptions,
) -> Result<Facts, BuildError> {
    let layers = &planned.plan.layers;
    if let Some(facts) = records.load_facts(key) {
        return Ok(facts);
    }
    let empty = Facts::empty();
    let below_facts = planned.base.as_ref().map_or(&empty, |base| base.facts.as_ref());
    let below_layers = planned.base.as_ref().map_or(0, |base| base.image.layers().count());
    let facts = planned_facts(
        below_facts,
        u32::try_from(below_layers).unwrap_or(u32::MAX),
        layers,
        &options.scratch_directory,
        &|_, content| contents.open_any(content),
    );
    let facts = facts.map_err(|cause| BuildError::Tree {
        image: format!("workspace:{id}"),
        platform: planned.plan.platform.clone(),
        cause: Box::new(cause),
    })?;
    let facts = facts.ok_or_else(|| BuildError::MemberUnknown {
        id: id.to_owned(),
        platform: planned.plan.platform.clone(),
    })?;
    records.store_facts(key, layers, &facts);
    Ok(facts)
}

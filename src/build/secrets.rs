//! The findings on what looks like a secret in the layers of a build: found while packing, kept with a layer's record,
//! or scanned for if nothing is packed.

use std::sync::Arc;

use crate::build::BuildError;
use crate::build::contents::Contents;
use crate::build::inputs::PlannedPlatform;
use crate::build::packing::{PlatformLayers, content_bytes, only_platform};
use crate::build::records::Records;
use crate::check::{Finding, check_secrets};
use crate::events::{Item, Observer, Task, Work};
use crate::model::LayerPlan;
use crate::pack::{PackError, scan_layer};
use crate::plan::BuildPlan;
use crate::secrets::SightedFile;

/// Returns the findings on packed layers, platform by platform.
pub(super) fn packed_findings(platforms: &[PlannedPlatform], layers: &[PlatformLayers]) -> Vec<Finding> {
    let findings = |(planned, layers): (&PlannedPlatform, &PlatformLayers)| {
        check_secrets(
            &planned.plan.platform,
            layers.iter().flat_map(|(layer, _)| layer.sighted.iter()),
        )
    };
    platforms.iter().zip(layers).flat_map(findings).collect()
}

/// Returns the findings on planned layers that will not be packed, for each image, or why one of its layers cannot be
/// read. Each layer is read once, unless a record of its sightings exists. Blocks.
pub(super) fn planned_findings(
    images: &[&[PlannedPlatform]],
    contents: &Contents,
    records: &Records,
    threads: usize,
    observer: &Arc<dyn Observer>,
) -> Vec<Result<Vec<Finding>, BuildError>> {
    let platforms = || images.iter().copied().flatten();
    let plans: Vec<&BuildPlan> = platforms().map(|planned| &planned.plan).collect();
    // Equal layers share one allocation by now.
    let mut scanned: Vec<(&Arc<LayerPlan>, Scanned)> = Vec::new();
    let mut findings = Vec::new();
    for planned in platforms() {
        let mut places = Vec::new();
        for layer in &planned.plan.layers {
            let known = scanned.iter().position(|(other, _)| Arc::ptr_eq(other, layer));
            places.push(known.unwrap_or(scanned.len()));
            if known.is_none() {
                let sighted = match records.load(layer) {
                    Some(kept) => Ok(kept.sighted),
                    None => {
                        let item = Item::new(&layer.name).for_platform(only_platform(&plans, layer));
                        let task = Task::start(observer, Work::new("scanning", item), Some(content_bytes(layer)));
                        scan_layer(layer, contents, threads, &task).map_err(Arc::new)
                    }
                };
                scanned.push((layer, sighted));
            }
        }
        let sighted = places.iter().map(|at| scanned[*at].1.as_ref());
        let sighted: Result<Vec<&Vec<SightedFile>>, &Arc<PackError>> = sighted.collect();
        findings.push(match sighted {
            Ok(sighted) => Ok(check_secrets(&planned.plan.platform, sighted.into_iter().flatten())),
            Err(error) => Err(BuildError::Pack(error.clone())),
        });
    }
    let mut findings = findings.into_iter();
    let mut of_image = |image: &&[PlannedPlatform]| {
        // All results of the image are taken, also those after an error.
        let of_platforms: Vec<Result<Vec<Finding>, BuildError>> = findings.by_ref().take(image.len()).collect();
        let of_platforms: Result<Vec<Vec<Finding>>, BuildError> = of_platforms.into_iter().collect();
        of_platforms.map(|findings| findings.into_iter().flatten().collect())
    };
    images.iter().map(&mut of_image).collect()
}

/// The files of a layer that contain something that looks like a secret, or why it cannot be read.
type Scanned = Result<Vec<SightedFile>, Arc<PackError>>;

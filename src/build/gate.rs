//! Holds back layers that contain a secret which stops the build: no such layer is uploaded ahead of the image.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::build::checking::empty_verdict;
use crate::build::inputs::PlannedPlatform;
use crate::check::{Code, check_secrets};
use crate::model::LayerPlan;
use crate::secrets::SightedFile;

/// Closes at the first layer that contains a secret which stops the build.
pub(super) struct SecretGate<'a> {
    /// The platforms of each image.
    images: Vec<&'a [PlannedPlatform]>,
    is_shut: AtomicBool,
}

impl<'a> SecretGate<'a> {
    /// Creates an open gate for the platforms of these images.
    pub fn new(images: Vec<&'a [PlannedPlatform]>) -> Self {
        Self {
            images,
            is_shut: AtomicBool::new(false),
        }
    }

    /// Checks the sightings in the layer of `plan` against the `[check]` of every platform that has the layer.
    pub fn look(&self, plan: &Arc<LayerPlan>, sighted: &[SightedFile]) {
        if sighted.is_empty() || self.is_shut() {
            return;
        }
        let has_layer = |planned: &&PlannedPlatform| planned.plan.layers.iter().any(|layer| Arc::ptr_eq(layer, plan));
        let is_refused = |platforms: &&[PlannedPlatform]| {
            let concerned = platforms.iter().filter(has_layer);
            let findings = concerned.flat_map(|planned| check_secrets(&planned.plan.platform, sighted));
            empty_verdict(platforms).with(findings).error_count() > 0
        };
        if self.images.iter().any(is_refused) {
            self.is_shut.store(true, Ordering::Relaxed);
        }
    }

    /// Returns `true` once such a layer was found.
    pub fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Relaxed)
    }
}

/// Returns `true` if a platform treats every secret as an error. Then nothing is uploaded before every layer is
/// scanned.
pub(super) fn denies_secrets(platforms: &[PlannedPlatform]) -> bool {
    platforms.iter().any(|planned| planned.policy.denies(Code::Secret))
}

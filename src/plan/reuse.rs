//! Reuses the layers of one platform for another. If the spec gives both platforms the same settings, and both base
//! images give the same answers to what the first plan looked up, the second plan would have the same layers. Its files
//! are not listed again then.

use super::error::PlanError;
use super::image_plan::plan_above;
use super::types::{BuildPlan, PlanInput};
use crate::spec::{From, PlatformSpec};
use crate::tree::ReadSet;

/// The inputs that a plan's layers depend on.
#[derive(Debug)]
pub struct PlanInputs {
    pub(super) spec: PlatformSpec,
    pub(super) workdir: Option<String>,
    /// passwd and group of the base image.
    pub(super) accounts: [bytes::Bytes; 2],
    /// Warnings about its layers that are left out because they have no entries.
    pub(super) layer_warnings: Vec<String>,
    /// What the plan looked up in the tree of the base image.
    pub(super) read_set: ReadSet,
}

impl PlanInputs {
    /// Returns the plan of another platform with the layers of `earlier`, which is the plan of these inputs. Returns
    /// `None` if the layers could differ. `input` needs no listings.
    ///
    /// # Errors
    /// Those of [`super::plan()`] that do not concern layers.
    pub fn plan_again(&self, earlier: &BuildPlan, input: &PlanInput) -> Result<Option<BuildPlan>, PlanError> {
        let is_same = self.says_the_same(&input.platform_spec)
            && self.workdir == input.config.workdir
            && self.accounts == input.accounts()
            && self.read_set.holds(&input.tree());
        if !is_same {
            return Ok(None);
        }
        let mut plan = plan_above(input)?;
        plan.layers = earlier.layers.clone();
        plan.warnings.extend(self.layer_warnings.iter().cloned());
        Ok(Some(plan))
    }

    /// Returns `true` if all settings that layers depend on are the same in `other`, so that the same files are listed.
    fn says_the_same(&self, other: &PlatformSpec) -> bool {
        let spec = &self.spec;
        let is_of_disk = |from: &From| matches!(from, From::Disk { .. });
        spec.layers == other.layers
            && spec
                .layers
                .iter()
                .flat_map(|layer| &layer.files)
                .all(|entry| is_of_disk(&entry.from))
            && (&spec.users, &spec.groups, &spec.dirs) == (&other.users, &other.groups, &other.dirs)
            && (spec.mtime_s, spec.compression) == (other.mtime_s, other.compression)
            && spec.ignore_file == other.ignore_file
    }
}

//! The layers of one platform for another: where the spec says the same and the bases have the same where the first plan
//! looked, the second would come out equal. Nothing is listed for it then.

use super::build_plan::{BuildPlan, PlanInput, plan_above};
use super::error::PlanError;
use crate::spec::{From, PlatformSpec};
use crate::tree::Seen;

/// What the layers of a plan followed from.
#[derive(Debug)]
pub struct Grounds {
    pub(super) spec: PlatformSpec,
    pub(super) workdir: Option<String>,
    /// passwd and group of the base.
    pub(super) accounts: [bytes::Bytes; 2],
    /// Which of its layers are left out as they have no entries, in words.
    pub(super) layer_warnings: Vec<String>,
    /// What the plan saw of the base's tree.
    pub(super) seen: Seen,
}

impl Grounds {
    /// The plan of another platform with the layers of `earlier`, which is the plan of these grounds; `None` where they
    /// could differ. `input` needs no listings.
    ///
    /// # Errors
    /// Those of [`super::plan()`] that are not about layers.
    pub fn plan_again(&self, earlier: &BuildPlan, input: &PlanInput) -> Result<Option<BuildPlan>, PlanError> {
        let is_same = self.says_the_same(&input.platform_spec)
            && self.workdir == input.config.workdir
            && self.accounts == input.accounts()
            && self.seen.holds(&input.tree());
        if !is_same {
            return Ok(None);
        }
        let mut plan = plan_above(input)?;
        plan.layers = earlier.layers.clone();
        plan.warnings.extend(self.layer_warnings.iter().cloned());
        Ok(Some(plan))
    }

    /// True where all that layers follow from is the same in `other`, and the same files are listed for it.
    fn says_the_same(&self, other: &PlatformSpec) -> bool {
        let spec = &self.spec;
        let is_of_disk = |from: &From| matches!(from, From::Disk { .. });
        spec.layers == other.layers
            && spec.layers.iter().flat_map(|layer| &layer.files).all(|entry| is_of_disk(&entry.from))
            && (&spec.users, &spec.groups, &spec.dirs) == (&other.users, &other.groups, &other.dirs)
            && (spec.mtime_s, spec.compression) == (other.mtime_s, other.compression)
            && spec.ignore_file == other.ignore_file
    }
}

//! The specs that an operation on a lockfile is for.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::build::BuildError;
use crate::build::locking::{Need, all_needs, lock_path};
use crate::spec::{NamedImage, Spec};

/// The specs that share a lockfile, and those of them whose images an operation is for.
#[derive(Debug, Clone)]
pub struct LockScope<'a> {
    specs: Vec<&'a Spec>,
    /// `None` for all.
    selected: Option<Vec<&'a Spec>>,
}

impl<'a> LockScope<'a> {
    /// Creates the scope of a spec on its own, or of all members of a workspace.
    pub fn of_all(specs: Vec<&'a Spec>) -> Self {
        Self { specs, selected: None }
    }

    /// Creates the scope of some members of a workspace, which should include those that they are based on. Pins of other
    /// images stay as they are.
    pub fn of_some(specs: Vec<&'a Spec>, selected: Vec<&'a Spec>) -> Self {
        Self {
            specs,
            selected: Some(selected),
        }
    }

    /// Returns the specs whose images are concerned.
    pub fn selected(&self) -> &[&'a Spec] {
        self.selected.as_deref().unwrap_or(&self.specs)
    }

    /// Returns the lockfile.
    pub fn lock_path(&self) -> PathBuf {
        lock_path(&self.specs)
    }

    /// Returns `true` if there may be pins that are none of the operation's business.
    pub(super) fn is_partial(&self) -> bool {
        self.selected.is_some()
    }

    /// Returns the images that the selected specs read from, each for all platforms that some spec needs it for: the facts
    /// of an image are pinned together. An error of another spec does not matter.
    pub(super) fn needs(&self) -> Result<BTreeSet<Need>, BuildError> {
        let mut needs = all_needs(self.selected())?;
        if !self.is_partial() {
            return Ok(needs);
        }
        let concerned: BTreeSet<NamedImage> = needs.iter().map(|(named, _)| named.clone()).collect();
        for spec in &self.specs {
            for platform in spec.platforms() {
                let images = spec.platform(platform).map(|spec| spec.images()).unwrap_or_default();
                let images = images.into_iter().filter(|image| concerned.contains(image));
                needs.extend(images.map(|image| (image, platform.clone())));
            }
        }
        Ok(needs)
    }
}

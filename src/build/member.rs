//! An image of a build.

use crate::build::BuildError;
use crate::build::naming::Outputs;
use crate::events::Item;
use crate::model::Platform;
use crate::spec::Spec;

/// One image of a build: its spec, and what is built and written of it.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Its ID in the workspace; `None` for a spec on its own.
    pub id: Option<&'a str>,
    /// What to build.
    pub spec: &'a Spec,
    /// What of it to build, and where to write it.
    pub outputs: &'a Outputs,
}

impl<'a> Member<'a> {
    /// Creates the only member of a build.
    pub fn alone(spec: &'a Spec, outputs: &'a Outputs) -> Self {
        Self {
            id: None,
            spec,
            outputs,
        }
    }

    /// Returns an error that names a member.
    pub fn failed(id: &str, cause: BuildError) -> BuildError {
        cause.of_member(Some(id))
    }

    /// Returns its first full name in its spec, if it has a name. Which tags are written does not matter: dependents have
    /// the same bytes whether or not it is selected.
    pub(super) fn reference(&self) -> Option<String> {
        let image = self.spec.image();
        Some(format!("{}:{}", image.name.as_ref()?, image.tags.first()?))
    }

    /// Returns what is worked on while a platform is planned.
    pub(super) fn item(&self, platform: &Platform) -> Item {
        match self.id {
            Some(id) => Item::new(id).for_platform(Some(platform.clone())),
            None => Item::new(platform.to_string()),
        }
    }
}

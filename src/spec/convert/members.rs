//! Names of members of the workspace.

use super::super::error::Problem;
use super::context::Input;

/// What the name of a member of the workspace begins with.
pub(super) const MEMBER_PREFIX: &str = "workspace:";

/// Refuses the name of a member in a spec that belongs to no workspace.
pub(super) fn check_in_workspace(input: Input<'_>) -> Result<(), Problem> {
    if input.context.source.root_path().is_some() {
        return Ok(());
    }
    input.refuse(
        "`workspace:` names a member of a workspace, and this spec belongs to none",
        "list this spec in `members` of the workspace's ocitect.toml, in a directory above it",
    )
}

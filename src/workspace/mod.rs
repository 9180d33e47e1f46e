//! A workspace: many images of one repository, described by one root file and a spec for each member.
//!
//! This module finds the members, names them, orders them by what they are based on, and selects some of them. It reads
//! files and directories, and no network.

mod affected;
mod changed_paths;
mod error;
mod id;
mod load;
mod member_files;
mod selection;
mod shard;

pub use changed_paths::{MAX_CHANGED_BYTES, changed_paths};
pub use error::WorkspaceError;
pub use load::{Found, Workspace, WorkspaceMember, find};
pub use selection::Selection;
pub use shard::Shard;

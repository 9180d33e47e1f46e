//! A directory of the walk.

use std::path::PathBuf;

use crate::files::filter::Verdict;
use crate::files::ignore_rules::IgnoreState;
use crate::files::pattern::Positions;

/// A directory that was found and is not read yet.
pub(super) struct Directory {
    pub path: PathBuf,
    /// Path below the source; empty for the source itself.
    pub below: Vec<u8>,
    pub verdict: Verdict,
    pub ignore: IgnoreState,
    /// `None` if everything below is selected.
    pub positions: Option<Positions>,
    /// `None` if it is not an item itself: the source, or a directory that only leads to matches of a glob.
    pub listed: Option<bool>,
}

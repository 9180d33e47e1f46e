//! The settings that listing needs beside the entry.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::archive::Archives;
use super::ignore_rules::IgnoreRules;

/// The settings that listing needs beside the entry.
pub struct Context<'a> {
    /// The rules of the spec's ignore file.
    pub ignore: &'a IgnoreRules,
    /// Canonical paths that are packed only if a `from` names them: the spec, its lockfile, ignore file and env-files.
    pub never_packed: &'a BTreeSet<PathBuf>,
    /// Canonical paths of the outputs of this build, whether they exist or not; they are never packed.
    pub outputs: &'a BTreeSet<PathBuf>,
    /// Opens archives.
    pub archives: &'a Archives,
    /// Number of threads that may read directories. The listing does not depend on it.
    pub threads: usize,
}

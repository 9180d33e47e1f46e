//! The options of a build.

use std::path::PathBuf;
use std::time::SystemTime;

use crate::cache::Cache;
use crate::model::ImageName;

/// The options of a build beside the spec. The library does not read the clock, the environment or the home directory.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BuildOptions {
    /// `SOURCE_DATE_EPOCH`, else 0: the time of the config and of ocitect's history entries.
    pub created_s: i64,
    /// The cache that is kept between builds; `None` stores nothing.
    pub cache: Option<Cache>,
    /// Directory of temporary files without a name.
    pub scratch_directory: PathBuf,
    /// Number of threads that pack.
    pub threads: usize,
    /// Requires every image to be in the lockfile.
    pub locked: bool,
    /// Images whose matching layers are reused. These images are trusted.
    pub cache_from: Vec<ImageName>,
    /// Builds the members that do not need a failed one.
    pub keep_going: bool,
    /// Start time of the build. If it is `None`, later builds do not treat any layer as unchanged.
    pub started_at: Option<SystemTime>,
}

impl BuildOptions {
    /// Returns the options of a build without a cache, on one thread, at time 0, with temporary files in
    /// `scratch_directory`.
    pub fn new(scratch_directory: PathBuf) -> Self {
        Self {
            created_s: 0,
            cache: None,
            scratch_directory,
            threads: 1,
            locked: false,
            cache_from: Vec::new(),
            keep_going: false,
            started_at: None,
        }
    }
}

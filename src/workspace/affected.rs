//! Maps changed paths to the members whose images they may change.
//!
//! A path that is not certain to leave an image as it is selects its member. So `include`, `exclude` and ignore files do
//! not matter here, and a changed directory, such as a submodule, is taken for all files below it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::error::WorkspaceError;
use super::load::Workspace;
use super::selection::matching;
use crate::model::{ImageName, facts_directory, is_glob, literal_braces, split_fixed};
use crate::spec::{From, PlatformSpec, Root, Spec, SpecError};

/// Greatest number of directories above a root file that are searched for the top of a work tree.
const MAX_PARENTS: usize = 64;

/// The name of the file or directory at the top of a work tree of git (gitrepository-layout(5)).
const GIT_DIRECTORY: &str = ".git";

/// What changed paths affect.
#[derive(Debug, Default)]
pub struct Affected {
    /// IDs of the members that use a changed path, and of those that are based on them.
    pub ids: BTreeSet<String>,
    /// The changed paths that no member uses.
    pub unused: Vec<PathBuf>,
}

impl Workspace {
    /// Returns the members that changed paths affect. The paths are relative to the top of git's work tree that the root
    /// file is in, or to the root file's directory if it is in none.
    ///
    /// # Errors
    /// Returns [`WorkspaceError`] for a directory that cannot be read, and for an invalid pattern.
    pub fn affected(&self, root: &Root, changed: &[PathBuf]) -> Result<Affected, WorkspaceError> {
        let directory = fs::canonicalize(root.directory()).map_err(|cause| WorkspaceError::Read {
            path: root.directory().to_owned(),
            reason: cause.to_string(),
        })?;
        let top = top_of(&directory);
        let uses = Uses::of(self, root, &directory)?;
        let mut affected = Affected::default();
        for path in changed {
            if !uses.add_users(&top.join(path), &mut affected.ids) {
                affected.unused.push(path.clone());
            }
        }
        affected.ids = self.with_dependents(affected.ids);
        Ok(affected)
    }
}

/// Returns the directory that git's paths are relative to.
fn top_of(directory: &Path) -> &Path {
    let mut above = directory.ancestors().take(MAX_PARENTS);
    // A file in a linked work tree and in a submodule.
    let top = above.find(|above| fs::symlink_metadata(above.join(GIT_DIRECTORY)).is_ok());
    top.unwrap_or(directory)
}

/// Which members use which paths. All paths are absolute.
struct Uses<'a> {
    root: &'a Path,
    directory: &'a Path,
    /// By the path that is used, with everything below it.
    paths: BTreeMap<PathBuf, BTreeSet<String>>,
    /// By the fixed part and the rest of a pattern.
    patterns: BTreeMap<(PathBuf, String), (GlobMatcher, BTreeSet<String>)>,
}

impl<'a> Uses<'a> {
    fn of(workspace: &Workspace, root: &'a Root, directory: &'a Path) -> Result<Self, WorkspaceError> {
        let mut uses = Self {
            root: root.directory(),
            directory,
            paths: BTreeMap::new(),
            patterns: BTreeMap::new(),
        };
        for member in workspace.members() {
            uses.add_member(&member.id, &member.spec)?;
        }
        let ids: Vec<&str> = workspace.members().iter().map(|member| member.id.as_str()).collect();
        for (pattern, sources) in root.sources() {
            for id in matching(&pattern, &ids)? {
                for source in &sources {
                    uses.add_source(id, root.directory(), source)?;
                }
            }
        }
        Ok(uses)
    }

    fn add_member(&mut self, id: &str, spec: &Spec) -> Result<(), WorkspaceError> {
        let platforms = spec.platforms().iter().map(|platform| spec.platform(platform));
        let platforms: Vec<PlatformSpec> = platforms.collect::<Result<_, SpecError>>()?;
        let is_pinned = platforms.iter().any(|platform| !platform.images().is_empty());
        let lock = spec.lock_path();
        let pins = [facts_directory(&lock), lock];
        for file in spec.own_files() {
            if is_pinned || !pins.contains(&file) {
                self.add_path(id, &file);
            }
        }
        for platform in &platforms {
            for image in platform.images() {
                match &image.name {
                    ImageName::Layout { path, .. }
                    | ImageName::OciArchive { path, .. }
                    | ImageName::DockerArchive { path, .. } => self.add_path(id, path),
                    ImageName::Registry(_) => {}
                }
            }
            for entry in platform.layers.iter().flat_map(|layer| &layer.files) {
                if let From::Disk { directory, pattern } = &entry.from {
                    self.add_source(id, directory, pattern)?;
                }
            }
        }
        Ok(())
    }

    /// Adds a path or a pattern, relative to a directory. A pattern may also be the name of a file.
    fn add_source(&mut self, id: &str, directory: &Path, text: &str) -> Result<(), WorkspaceError> {
        self.add_path(id, &directory.join(text));
        if !is_glob(text) {
            return Ok(());
        }
        let (fixed, pattern) = split_fixed(text.trim_end_matches('/'));
        let matcher = matcher(pattern)?;
        for fixed in self.forms(&directory.join(fixed)) {
            let key = (fixed, pattern.to_owned());
            let users = self
                .patterns
                .entry(key)
                .or_insert_with(|| (matcher.clone(), BTreeSet::new()));
            users.1.insert(id.to_owned());
        }
        Ok(())
    }

    fn add_path(&mut self, id: &str, path: &Path) {
        for path in self.forms(path) {
            self.paths.entry(path).or_default().insert(id.to_owned());
        }
    }

    /// Returns a path as it is written, and where its links lead.
    fn forms(&self, path: &Path) -> BTreeSet<PathBuf> {
        let absolute = match path.strip_prefix(self.root) {
            Ok(inside) => self.directory.join(inside),
            Err(_) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        };
        let real = fs::canonicalize(&absolute).ok();
        real.into_iter().chain([without_parents(&absolute)]).collect()
    }

    /// Adds the members that use a path. Returns `false` if there is none.
    fn add_users(&self, changed: &Path, ids: &mut BTreeSet<String>) -> bool {
        let mut is_used = false;
        for (path, users) in &self.paths {
            if changed.starts_with(path) || path.starts_with(changed) {
                is_used = true;
                ids.extend(users.iter().cloned());
            }
        }
        for ((fixed, _), (pattern, users)) in &self.patterns {
            let inside = changed.strip_prefix(fixed).ok();
            let is_match = inside.is_some_and(|inside| inside.ancestors().any(|above| pattern.is_match(above)));
            if is_match || fixed.starts_with(changed) {
                is_used = true;
                ids.extend(users.iter().cloned());
            }
        }
        is_used
    }
}

/// Returns a path without `.` and `..`, as if there were no links.
fn without_parents(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

fn matcher(pattern: &str) -> Result<GlobMatcher, WorkspaceError> {
    let glob = GlobBuilder::new(&literal_braces(pattern, false))
        .literal_separator(true)
        .backslash_escape(false)
        .build();
    let glob = glob.map_err(|cause| WorkspaceError::Pattern {
        pattern: pattern.to_owned(),
        reason: cause.kind().to_string(),
    })?;
    Ok(glob.compile_matcher())
}

//! Walks the tree below one directory of the disk, on several threads if it is large. The result does not depend on the
//! order.
//!
//! Symbolic links are listed verbatim and never followed. Only directories and possible archives of ocitect are opened.
//! All accesses go through the handles of directories, so that a directory that is replaced meanwhile cannot lead
//! elsewhere.

mod directory;
mod found;
mod leaf;
mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

pub(super) use leaf::{OWNER_EXECUTES, entry_path, single};

use super::context::Context;
use super::error::FilesError;
use super::filter::{Filter, Kept};
use super::handle::{self, Root, Status};
use super::ignore_rules::IgnoreState;
use super::output_detection;
use super::pattern::{GlobPath, Positions};
use super::xattr::Attributes;
use crate::model::{EntryKind, ListedItem, escape_path};
use crate::spec::FilesEntry;
use directory::Directory;
use found::{Failure, Found, Part};

/// A walk that has not started.
pub(super) struct Walk<'a> {
    entry: &'a FilesEntry,
    context: &'a Context<'a>,
    filter: &'a Filter,
    attributes: &'a Attributes,
    /// Selects only what matches the glob.
    glob: Option<&'a GlobPath>,
}

/// The source, with its real path for rules that apply to real paths.
struct Source {
    root: Root,
    canonical: PathBuf,
    /// Files of the caller below it, which are not packed.
    own: BTreeSet<Vec<u8>>,
    /// Outputs of the caller below it, which are not packed either.
    outputs: BTreeSet<Vec<u8>>,
}

impl<'a> Walk<'a> {
    /// Creates a walk for `entry`.
    pub(super) fn new(
        entry: &'a FilesEntry,
        context: &'a Context<'a>,
        filter: &'a Filter,
        attributes: &'a Attributes,
        glob: Option<&'a GlobPath>,
    ) -> Self {
        Self {
            entry,
            context,
            filter,
            attributes,
            glob,
        }
    }

    /// Lists everything below `path` that patterns and rules select, sorted. Also returns whether there was anything
    /// before they left files out.
    ///
    /// # Errors
    /// Of several errors, returns that of the first path, by bytes.
    pub(super) fn run(&self, path: &Path) -> Result<(Vec<ListedItem>, bool), FilesError> {
        let failed = |source| self.io("read directory", path, source);
        let root = Root::open(path).map_err(failed)?;
        let canonical = path.canonicalize().map_err(failed)?;
        let below = |path: &'a PathBuf| {
            let below: PathBuf = path.strip_prefix(&canonical).ok()?.components().collect();
            Some(below.into_os_string().into_vec())
        };
        let outputs: BTreeSet<Vec<u8>> = self.context.outputs.iter().filter_map(below).collect();
        let own = self.context.never_packed.iter().filter_map(below).collect();
        let source = Source {
            root,
            own,
            outputs: outputs.clone(),
            canonical,
        };
        let first = Directory {
            path: path.to_owned(),
            below: Vec::new(),
            verdict: self.filter.root(),
            ignore: IgnoreState::default(),
            positions: self.glob.map(GlobPath::start),
            listed: None,
        };
        let found = queue::run(first, self.context.threads, |directory| self.read(&source, directory));
        found::gather(found, outputs)
    }

    /// Reads one directory. Returns its content, and the directories in it that are to be read.
    fn read(&self, source: &Source, directory: &Directory) -> (Found, Vec<Directory>) {
        let mut visit = Visit::new(self, source, directory);
        if let Err(error) = visit.read() {
            let path = visit.failed_at.take().unwrap_or_else(|| directory.below.clone());
            visit.found.failure = Some(Failure { path, error });
        }
        (visit.found, visit.directories)
    }

    fn io(&self, action: &'static str, path: &Path, source: io::Error) -> FilesError {
        FilesError::Io {
            place: self.entry.place.clone(),
            action,
            path: path.to_owned(),
            source,
        }
    }

    fn changed(&self, path: &Path) -> FilesError {
        FilesError::Replaced {
            place: self.entry.place.clone(),
            path: path.to_owned(),
        }
    }
}

/// The state of reading one directory.
struct Visit<'w, 'a> {
    walk: &'w Walk<'a>,
    source: &'w Source,
    directory: &'w Directory,
    /// The real path of the directory and the current name; empty if no rule needs it.
    canonical: PathBuf,
    found: Found,
    directories: Vec<Directory>,
    /// The path below the source that an error is about, if it is not that of the directory.
    failed_at: Option<Vec<u8>>,
}

impl<'w, 'a> Visit<'w, 'a> {
    fn new(walk: &'w Walk<'a>, source: &'w Source, directory: &'w Directory) -> Self {
        let canonical = if walk.context.ignore.is_empty() {
            PathBuf::new()
        } else {
            joined(&source.canonical, OsStr::from_bytes(&directory.below))
        };
        let found = Found::default();
        let directories = Vec::new();
        Self {
            walk,
            source,
            directory,
            canonical,
            found,
            directories,
            failed_at: None,
        }
    }

    fn read(&mut self) -> Result<(), FilesError> {
        let directory = self.directory;
        let mut opened = self.open()?;
        let failed = |source| self.walk.io("read directory", &directory.path, source);
        let mut names = opened.names().map_err(failed)?;
        names.sort_unstable_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
        if !directory.below.is_empty() && output_detection::is_layout(&names) {
            self.found.left_out.push(directory.below.clone());
            return Ok(());
        }
        if let Some(wanted) = directory.listed {
            let attributes = self.walk.attributes.of_directory(&opened);
            let item = self.item(
                &directory.path,
                &directory.below,
                EntryKind::Directory,
                false,
                attributes,
            )?;
            self.found.own = Some(Kept {
                item: directory.verdict.applied(item),
                wanted,
            });
        }
        // All parts stay in memory until the walk ends, so unused capacity would add up.
        self.found.parts.reserve_exact(names.len());
        // Entries below a directory `a` sort after `a-b` and before `ab`: at the position of `a/`.
        let mut waiting: Vec<(&OsStr, usize)> = Vec::new();
        for (name, kind) in &names {
            while let Some((_, number)) = waiting.pop_if(|(earlier, _)| slash_comes_before(earlier, name)) {
                self.found.parts.push(Part::Below(number));
            }
            let number = self.directories.len();
            if let Some(kept) = self.visit(&opened, name, *kind)? {
                self.found.parts.push(Part::Leaf(kept));
            } else if self.directories.len() > number {
                self.found.parts.push(Part::Own(number));
                waiting.push((name, number));
            }
        }
        self.found
            .parts
            .extend(waiting.into_iter().rev().map(|(_, number)| Part::Below(number)));
        self.found.parts.shrink_to_fit();
        Ok(())
    }

    /// Opens the directory, if it still is the directory that was found.
    fn open(&self) -> Result<handle::Directory, FilesError> {
        let Directory { path, below, .. } = self.directory;
        self.source.root.directory(below).map_err(|error| match error.kind() {
            _ if handle::is_replaced(&error) => self.walk.changed(path),
            io::ErrorKind::NotFound => self.walk.io("access", path, error),
            _ => self.walk.io("read directory", path, error),
        })
    }

    /// Handles one name of the directory: returns a leaf that is kept, or records a directory to read.
    fn visit(&mut self, opened: &handle::Directory, name: &OsStr, kind: FileType) -> Result<Option<Kept>, FilesError> {
        let Directory { below, .. } = self.directory;
        let below = if below.is_empty() {
            name.as_bytes().to_vec()
        } else {
            [below, &b"/"[..], name.as_bytes()].concat()
        };
        if name == ".git" || output_detection::is_temporary(name) || self.source.own.contains(&below) {
            return Ok(None);
        }
        self.take(opened, name, kind, &below)
            .inspect_err(|_| self.failed_at = Some(below))
    }

    fn take(
        &mut self,
        opened: &handle::Directory,
        name: &OsStr,
        kind: FileType,
        below: &[u8],
    ) -> Result<Option<Kept>, FilesError> {
        let walk = self.walk;
        let directory = self.directory;
        let path = joined(&directory.path, name);
        // Directories are recognized by their entries if the file system reports kinds. All other files need a status.
        let status = match kind {
            FileType::Directory => None,
            _ => Some(opened.status(name).map_err(|source| walk.io("access", &path, source))?),
        };
        let is_directory = status.is_none_or(|status| status.kind == FileType::Directory);
        let Some((matches, positions)) = self.reach(name, is_directory) else {
            return Ok(None);
        };
        let is_output = self.source.outputs.contains(below);
        self.found.matches |= matches && !is_output;
        let verdict = walk.filter.below(directory.verdict, below, is_directory);
        let ignore = self.ignore(name, is_directory);
        if verdict.excluded || (ignore.ignored && !(is_directory && walk.context.ignore.may_include_again())) {
            return Ok(None);
        }
        let wanted = verdict.included && !ignore.ignored;
        if is_output {
            let would_be_lost =
                |status: &Status| matches && wanted && !output_detection::is_output(status, || opened.file(name));
            return if status.is_some_and(|status| would_be_lost(&status)) {
                Err(FilesError::Overwritten {
                    place: walk.entry.place.clone(),
                    path,
                })
            } else {
                Ok(None)
            };
        }
        let Some(status) = status.filter(|_| !is_directory) else {
            let below = below.to_vec();
            let listed = matches.then_some(wanted);
            self.directories.push(Directory {
                path,
                below,
                verdict,
                ignore,
                positions,
                listed,
            });
            return Ok(None);
        };
        if output_detection::is_archive(&status, || opened.file(name)) {
            self.found.left_out.push(below.to_vec());
        } else if matches && wanted {
            let kind = leaf::kind(walk.entry, &path, &path, &status, || opened.link_target(name))?;
            let executable = leaf::is_executable(&status);
            let attributes = walk.attributes.of_name(opened, name, &status);
            let item = self.item(&path, below, kind, executable, attributes)?;
            return Ok(Some(Kept {
                item: verdict.applied(item),
                wanted: true,
            }));
        }
        Ok(None)
    }

    /// Returns whether the glob selects `name`, and its positions there. Returns `None` if it selects nothing at or
    /// below it.
    fn reach(&self, name: &OsStr, is_directory: bool) -> Option<(bool, Option<Positions>)> {
        let (Some(glob), Some(positions)) = (self.walk.glob, &self.directory.positions) else {
            return Some((true, None));
        };
        let next = glob.advance(positions, name.as_bytes());
        if glob.accepts(&next, is_directory) {
            return Some((true, None));
        }
        (is_directory && !next.is_empty()).then_some((false, Some(next)))
    }

    /// Returns the result of the ignore file for `name`.
    fn ignore(&mut self, name: &OsStr, is_directory: bool) -> IgnoreState {
        let rules = self.walk.context.ignore;
        if rules.is_empty() {
            return IgnoreState::default();
        }
        self.canonical.push(name);
        let state = rules.below(&self.directory.ignore, &self.canonical, is_directory);
        self.canonical.pop();
        state
    }

    fn item(
        &self,
        path: &Path,
        below: &[u8],
        kind: EntryKind,
        executable: bool,
        attributes: io::Result<BTreeMap<Vec<u8>, Vec<u8>>>,
    ) -> Result<ListedItem, FilesError> {
        let below = entry_path(self.walk.entry, below, || escape_path(path))?;
        let xattrs = attributes.map_err(|source| {
            if handle::is_replaced(&source) {
                self.walk.changed(path)
            } else {
                self.walk.io("read the attributes of", path, source)
            }
        })?;
        // The content of a file includes its path already.
        let origin = (!matches!(kind, EntryKind::File { .. })).then(|| escape_path(path));
        Ok(ListedItem {
            path: below,
            kind,
            kept_mode: None,
            executable,
            xattrs,
            origin,
        })
    }
}

/// Returns `true` if `directory` followed by a slash sorts before `name`, which sorts after `directory`.
fn slash_comes_before(directory: &OsStr, name: &OsStr) -> bool {
    name.as_bytes()
        .strip_prefix(directory.as_bytes())
        .is_none_or(|rest| rest.first() > Some(&b'/'))
}

/// Joins paths like [`Path::join`], but without unused capacity, since there is a path for each file. Joining an empty
/// name adds no slash.
fn joined(directory: &Path, name: &OsStr) -> PathBuf {
    let mut path = PathBuf::with_capacity(directory.as_os_str().len() + 1 + name.len());
    path.push(directory);
    if !name.is_empty() {
        path.push(name);
    }
    path
}

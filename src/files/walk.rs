//! The walk below one directory of the disk: what is found, in no order that shows, on several threads where that pays.
//!
//! Symbolic links are taken verbatim and never followed; nothing is opened but directories, and what could be an archive
//! of ocitect's.

mod found;
mod leaf;
mod queue;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

pub(super) use leaf::{OWNER_EXECUTES, entry_path, single};

use super::error::shown;
use super::filter::{Filter, Kept, Verdict};
use super::ignore_rules::IgnoreState;
use super::pattern::{GlobPath, Positions};
use super::xattr::Attributes;
use super::{Context, FilesError, own};
use crate::model::{EntryKind, ListedItem};
use crate::spec::FilesEntry;
use found::{Failure, Found, Part};

/// A walk that has not begun.
pub(super) struct Walk<'a> {
    entry: &'a FilesEntry,
    context: &'a Context<'a>,
    filter: &'a Filter,
    attributes: &'a Attributes,
    /// Where only what a glob matches is taken.
    glob: Option<&'a GlobPath>,
}

/// A directory that was found and not yet read.
struct Directory {
    path: PathBuf,
    /// Below the source; empty for the source itself.
    below: Vec<u8>,
    verdict: Verdict,
    ignore: IgnoreState,
    /// `None` where everything below is taken.
    positions: Option<Positions>,
    /// `None` where it is no item itself: the source, and what only leads to what a glob matches.
    listed: Option<bool>,
}

/// Where the source really is, for rules that are about real paths.
struct Source {
    canonical: PathBuf,
    /// What lies below it and is not packed: the caller's own files, and what it writes.
    left_out: BTreeSet<Vec<u8>>,
}

impl<'a> Walk<'a> {
    /// A walk for `entry`.
    pub(super) fn new(
        entry: &'a FilesEntry,
        context: &'a Context<'a>,
        filter: &'a Filter,
        attributes: &'a Attributes,
        glob: Option<&'a GlobPath>,
    ) -> Self {
        Self { entry, context, filter, attributes, glob }
    }

    /// Everything below `path` as far as patterns and rules want it, sorted, and whether there was anything before they
    /// left out what they leave out.
    ///
    /// # Errors
    /// Of several the one of the first path, by bytes.
    pub(super) fn run(&self, path: &Path) -> Result<(Vec<ListedItem>, bool), FilesError> {
        let canonical = path.canonicalize().map_err(|source| self.io("read directory", path, source))?;
        let below = |path: &'a PathBuf| {
            let below: PathBuf = path.strip_prefix(&canonical).ok()?.components().collect();
            Some(below.into_os_string().into_vec())
        };
        let outputs: Vec<Vec<u8>> = self.context.outputs.iter().filter_map(below).collect();
        let own = self.context.never_packed.iter().filter_map(below);
        let source = Source { left_out: own.chain(outputs.iter().cloned()).collect(), canonical };
        let root = Directory {
            path: path.to_owned(),
            below: Vec::new(),
            verdict: self.filter.root(),
            ignore: IgnoreState::default(),
            positions: self.glob.map(GlobPath::start),
            listed: None,
        };
        let found = queue::run(root, self.context.threads, |directory| self.read(&source, directory));
        found::gather(found, outputs)
    }

    /// Reads one directory; what it holds, and the directories in it that are to be read.
    fn read(&self, source: &Source, directory: &Directory) -> (Found, Vec<Directory>) {
        let mut visit = Visit::new(self, source, directory);
        if let Err(error) = visit.read() {
            let path = visit.failed_at.take().unwrap_or_else(|| directory.below.clone());
            visit.found.failure = Some(Failure { path, error });
        }
        (visit.found, visit.directories)
    }

    fn io(&self, action: &'static str, path: &Path, source: io::Error) -> FilesError {
        FilesError::Io { place: self.entry.place.clone(), action, path: path.to_owned(), source }
    }
}

/// The reading of one directory.
struct Visit<'w, 'a> {
    walk: &'w Walk<'a>,
    source: &'w Source,
    directory: &'w Directory,
    /// The real path of the directory, and of the name that is looked at; empty where no rule asks for it.
    canonical: PathBuf,
    found: Found,
    directories: Vec<Directory>,
    /// The path below the source that an error is about, where it is not the directory's.
    failed_at: Option<Vec<u8>>,
}

impl<'w, 'a> Visit<'w, 'a> {
    fn new(walk: &'w Walk<'a>, source: &'w Source, directory: &'w Directory) -> Self {
        let canonical = match walk.context.ignore.is_empty() {
            true => PathBuf::new(),
            false => joined(&source.canonical, OsStr::from_bytes(&directory.below)),
        };
        let (found, directories) = (Found::default(), Vec::new());
        Self { walk, source, directory, canonical, found, directories, failed_at: None }
    }

    fn read(&mut self) -> Result<(), FilesError> {
        let names = self.names()?;
        let directory = self.directory;
        if !directory.below.is_empty() && own::is_layout(&names) {
            self.found.left_out.push(directory.below.clone());
            return Ok(());
        }
        if let Some(wanted) = directory.listed {
            let kind = EntryKind::Directory;
            let kept = self.keep(&directory.path, &directory.below, kind, false, directory.verdict, wanted)?;
            self.found.own = Some(kept);
        }
        // All parts stay until the walk is over: room that stays empty would add up.
        self.found.parts.reserve_exact(names.len());
        // What stands below a directory `a` comes after `a-b` and before `ab`: where `a/` would stand.
        let mut waiting: Vec<(&OsStr, usize)> = Vec::new();
        for (name, entry) in &names {
            while let Some((_, number)) = waiting.pop_if(|(earlier, _)| slash_comes_before(earlier, name)) {
                self.found.parts.push(Part::Below(number));
            }
            let number = self.directories.len();
            if let Some(kept) = self.visit(name, entry)? {
                self.found.parts.push(Part::Leaf(kept));
            } else if self.directories.len() > number {
                self.found.parts.push(Part::Own(number));
                waiting.push((name, number));
            }
        }
        self.found.parts.extend(waiting.into_iter().rev().map(|(_, number)| Part::Below(number)));
        self.found.parts.shrink_to_fit();
        Ok(())
    }

    /// The names, sorted by bytes.
    fn names(&self) -> Result<Vec<(OsString, DirEntry)>, FilesError> {
        let path = &self.directory.path;
        let failed = |source| self.walk.io("read directory", path, source);
        let entries = fs::read_dir(path).map_err(|error| match fs::symlink_metadata(path) {
            Ok(_) => failed(error),
            Err(error) => self.walk.io("look at", path, error),
        })?;
        let named = entries.map(|entry| {
            let entry = entry.map_err(failed)?;
            Ok((entry.file_name(), entry))
        });
        let mut names = named.collect::<Result<Vec<_>, FilesError>>()?;
        names.sort_unstable_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
        Ok(names)
    }

    /// Takes one name of the directory: hands back a leaf that is kept, and notes a directory that is to be read.
    fn visit(&mut self, name: &OsStr, entry: &DirEntry) -> Result<Option<Kept>, FilesError> {
        let Directory { below, .. } = self.directory;
        let below =
            if below.is_empty() { name.as_bytes().to_vec() } else { [below, &b"/"[..], name.as_bytes()].concat() };
        if name == ".git" || own::is_temporary(name) || self.source.left_out.contains(&below) {
            return Ok(None);
        }
        self.take(name, entry, &below).inspect_err(|_| self.failed_at = Some(below))
    }

    fn take(&mut self, name: &OsStr, entry: &DirEntry, below: &[u8]) -> Result<Option<Kept>, FilesError> {
        let (walk, directory) = (self.walk, self.directory);
        let path = joined(&directory.path, name);
        // Directories are told by their entries, where the file system says it there; of nothing else is that enough.
        let is_entry = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let metadata = if is_entry { None } else { Some(entry.metadata()) };
        let metadata = metadata.transpose().map_err(|source| walk.io("look at", &path, source))?;
        let is_directory = metadata.as_ref().is_none_or(fs::Metadata::is_dir);
        let Some((matches, positions)) = self.reach(name, is_directory) else { return Ok(None) };
        self.found.matches |= matches;
        let verdict = walk.filter.below(directory.verdict, below, is_directory);
        let ignore = self.ignore(name, is_directory);
        if verdict.excluded || (ignore.ignored && !(is_directory && walk.context.ignore.may_include_again())) {
            return Ok(None);
        }
        let wanted = verdict.included && !ignore.ignored;
        let Some(metadata) = metadata.filter(|_| !is_directory) else {
            let (below, listed) = (below.to_vec(), matches.then_some(wanted));
            self.directories.push(Directory { path, below, verdict, ignore, positions, listed });
            return Ok(None);
        };
        if own::is_archive(&path, &metadata) {
            self.found.left_out.push(below.to_vec());
        } else if matches && wanted {
            let kind = leaf::kind(walk.entry, &path, &path, &metadata)?;
            let executable = leaf::is_executable(&metadata, &kind);
            return self.keep(&path, below, kind, executable, verdict, true).map(Some);
        }
        Ok(None)
    }

    /// Whether the glob takes `name`, and how far it has come there; `None` where it takes nothing there or below.
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

    /// What the ignore file says of `name`.
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

    fn keep(
        &self,
        path: &Path,
        below: &[u8],
        kind: EntryKind,
        executable: bool,
        verdict: Verdict,
        wanted: bool,
    ) -> Result<Kept, FilesError> {
        let below = entry_path(self.walk.entry, below, || shown(path))?;
        let attributes = self.walk.attributes.of(path);
        let xattrs = attributes.map_err(|source| self.walk.io("read the attributes of", path, source))?;
        // The content of a file names its path already.
        let origin = (!matches!(kind, EntryKind::File { .. })).then(|| shown(path));
        let item = ListedItem { path: below, kind, kept_mode: None, executable, xattrs, origin };
        Ok(Kept { item: verdict.applied(item), wanted })
    }
}

/// True where `directory` and a slash sort before `name`, which sorts after `directory`.
fn slash_comes_before(directory: &OsStr, name: &OsStr) -> bool {
    name.as_bytes().strip_prefix(directory.as_bytes()).is_none_or(|rest| rest.first() > Some(&b'/'))
}

/// As [`Path::join`], with no room that stays empty: there is a path for each file. Joining nothing adds no slash.
fn joined(directory: &Path, name: &OsStr) -> PathBuf {
    let mut path = PathBuf::with_capacity(directory.as_os_str().len() + 1 + name.len());
    path.push(directory);
    if !name.is_empty() {
        path.push(name);
    }
    path
}

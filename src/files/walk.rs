//! The walk below one directory of the disk: what is found, in no order that shows.
//!
//! Symbolic links are taken verbatim and never followed; nothing is opened but directories, and what could be an archive
//! of ocitect's.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::error::shown;
use super::filter::{Filter, Kept, Verdict};
use super::ignore_rules::IgnoreState;
use super::pattern::{GlobPath, Positions};
use super::xattr::Attributes;
use super::{Context, FilesError, own};
use crate::model::{Content, DiskFile, EntryKind, EntryPath, FileStamp, ListedItem};
use crate::spec::FilesEntry;

/// Bit of the owner's right to execute.
pub(super) const OWNER_EXECUTES: u32 = 0o100;

/// Names that begin so delete files where a layer is applied (image-spec, layer.md, "Whiteouts").
const WHITEOUT_PREFIX: &[u8] = b".wh.";

/// A walk, and what it found so far.
pub(super) struct Walk<'a> {
    pub(super) entry: &'a FilesEntry,
    pub(super) context: &'a Context<'a>,
    pub(super) filter: &'a Filter,
    pub(super) attributes: &'a Attributes,
    /// Where only what a glob matches is taken.
    pub(super) glob: Option<&'a GlobPath>,
    kept: Vec<Kept>,
    /// Something matched the glob, or was there to be taken.
    found: bool,
    /// Directories, below the source, that lead to what ocitect wrote or is about to write. One that holds nothing else
    /// is not packed: the first build, which made it, had none.
    leading: BTreeSet<Vec<u8>>,
}

/// A directory that was found and not yet read.
struct Directory {
    path: PathBuf,
    canonical: PathBuf,
    /// Below the source; empty for the source itself.
    below: Vec<u8>,
    verdict: Verdict,
    ignore: IgnoreState,
    /// `None` where everything below is taken.
    positions: Option<Positions>,
    /// `None` where it is no item itself: the source, and what only leads to what a glob matches.
    listed: Option<bool>,
}

impl<'a> Walk<'a> {
    /// A walk that has not begun.
    pub(super) fn new(
        entry: &'a FilesEntry,
        context: &'a Context<'a>,
        filter: &'a Filter,
        attributes: &'a Attributes,
        glob: Option<&'a GlobPath>,
    ) -> Self {
        Self { entry, context, filter, attributes, glob, kept: Vec::new(), found: false, leading: BTreeSet::new() }
    }

    /// Everything below `path`, and whether there was anything before patterns and rules left out what they leave out.
    pub(super) fn run(mut self, path: &Path) -> Result<(Vec<Kept>, bool), FilesError> {
        let canonical = path.canonicalize().map_err(|source| self.io("read directory", path, source))?;
        for below in self.context.outputs.iter().filter_map(|output| output.strip_prefix(&canonical).ok()) {
            self.leave_out(below.as_os_str().as_bytes());
        }
        let mut pending = vec![Directory {
            path: path.to_owned(),
            canonical,
            below: Vec::new(),
            verdict: self.filter.root(),
            ignore: IgnoreState::default(),
            positions: self.glob.map(GlobPath::start),
            listed: None,
        }];
        while let Some(directory) = pending.pop() {
            self.read(&directory, &mut pending)?;
        }
        for kept in &mut self.kept {
            kept.wanted &= !self.leading.contains(kept.item.path.as_bytes());
        }
        Ok((self.kept, self.found))
    }

    /// Notes the directories on the way to what is not packed.
    fn leave_out(&mut self, below: &[u8]) {
        let slashes = below.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        self.leading.extend(slashes.map(|(at, _)| below[..at].to_vec()));
    }

    fn read(&mut self, directory: &Directory, pending: &mut Vec<Directory>) -> Result<(), FilesError> {
        let names = self.names(&directory.path)?;
        if !directory.below.is_empty() && own::is_layout(&names) {
            self.leave_out(&directory.below);
            return Ok(());
        }
        if let Some(wanted) = directory.listed {
            self.keep(&directory.path, &directory.below, EntryKind::Directory, false, directory.verdict, wanted)?;
        }
        for name in names {
            if let Some(below) = self.visit(directory, &name)? {
                pending.push(below);
            }
        }
        Ok(())
    }

    fn names(&self, path: &Path) -> Result<Vec<OsString>, FilesError> {
        let failed = |source| self.io("read directory", path, source);
        let entries = fs::read_dir(path).map_err(failed)?;
        entries.map(|entry| Ok(entry.map_err(failed)?.file_name())).collect()
    }

    /// Takes one name of a directory; hands back a directory that is to be read.
    fn visit(&mut self, parent: &Directory, name: &OsStr) -> Result<Option<Directory>, FilesError> {
        let canonical = parent.canonical.join(name);
        if is_never_packed(self.context, &canonical) {
            return Ok(None);
        }
        let path = parent.path.join(name);
        let metadata = fs::symlink_metadata(&path).map_err(|source| self.io("look at", &path, source))?;
        let is_directory = metadata.is_dir();
        let Some((matches, positions)) = self.reach(parent, name, is_directory) else { return Ok(None) };
        self.found |= matches;
        let below = match parent.below.is_empty() {
            true => name.as_bytes().to_vec(),
            false => [&parent.below, &b"/"[..], name.as_bytes()].concat(),
        };
        let verdict = self.filter.below(parent.verdict, &below, is_directory);
        let ignore = self.context.ignore.below(&parent.ignore, &canonical, is_directory);
        if verdict.excluded || (ignore.ignored && !(is_directory && self.context.ignore.may_include_again())) {
            return Ok(None);
        }
        let wanted = verdict.included && !ignore.ignored;
        if is_directory {
            let listed = matches.then_some(wanted);
            return Ok(Some(Directory { path, canonical, below, verdict, ignore, positions, listed }));
        }
        if own::is_archive(&path, &metadata) {
            self.leave_out(&below);
        } else if matches && wanted {
            self.leaf(&path, &below, &metadata, verdict)?;
        }
        Ok(None)
    }

    /// Whether the glob takes `name`, and how far it has come there; `None` where it takes nothing there or below.
    fn reach(&self, parent: &Directory, name: &OsStr, is_directory: bool) -> Option<(bool, Option<Positions>)> {
        let (Some(glob), Some(positions)) = (self.glob, &parent.positions) else { return Some((true, None)) };
        let next = glob.advance(positions, name.as_bytes());
        if glob.accepts(&next, is_directory) {
            return Some((true, None));
        }
        (is_directory && !next.is_empty()).then_some((false, Some(next)))
    }

    fn leaf(&mut self, path: &Path, below: &[u8], metadata: &Metadata, verdict: Verdict) -> Result<(), FilesError> {
        let kind = leaf_kind(self.entry, path, path, metadata)?;
        let executable = is_executable(metadata, &kind);
        self.keep(path, below, kind, executable, verdict, true)
    }

    fn keep(
        &mut self,
        path: &Path,
        below: &[u8],
        kind: EntryKind,
        executable: bool,
        verdict: Verdict,
        wanted: bool,
    ) -> Result<(), FilesError> {
        let origin = shown(path);
        let below = entry_path(self.entry, below, &origin)?;
        let xattrs = self.attributes.of(path).map_err(|source| self.io("read the attributes of", path, source))?;
        let item = ListedItem { path: below, kind, kept_mode: None, executable, xattrs, origin };
        self.kept.push(Kept { item: verdict.applied(item), wanted });
        Ok(())
    }

    fn io(&self, action: &'static str, path: &Path, source: io::Error) -> FilesError {
        FilesError::Io { place: self.entry.place.clone(), action, path: path.to_owned(), source }
    }
}

/// The one item of a source that is a file; `path` is followed where it is a symbolic link.
pub(super) fn single(
    entry: &FilesEntry,
    path: &Path,
    metadata: &Metadata,
    verdict: Verdict,
    attributes: &Attributes,
) -> Result<ListedItem, FilesError> {
    let failed = |action, source| FilesError::Io { place: entry.place.clone(), action, path: path.to_owned(), source };
    let canonical = path.canonicalize().map_err(|source| failed("look at", source))?;
    let kind = leaf_kind(entry, path, &canonical, metadata)?;
    let executable = is_executable(metadata, &kind);
    let xattrs: BTreeMap<_, _> =
        attributes.of(&canonical).map_err(|source| failed("read the attributes of", source))?;
    let item = ListedItem { path: EntryPath::root(), kind, kept_mode: None, executable, xattrs, origin: shown(path) };
    Ok(verdict.applied(item))
}

/// A path of an item.
///
/// # Errors
/// [`FilesError::Whiteout`] for a name that begins with `.wh.`, [`FilesError::Path`] for what cannot be a path.
pub(super) fn entry_path(entry: &FilesEntry, below: &[u8], origin: &str) -> Result<EntryPath, FilesError> {
    let place = || entry.place.clone();
    if below.split(|byte| *byte == b'/').any(|name| name.starts_with(WHITEOUT_PREFIX)) {
        return Err(FilesError::Whiteout { place: place(), origin: origin.to_owned() });
    }
    EntryPath::new(below).map_err(|source| FilesError::Path { place: place(), origin: origin.to_owned(), source })
}

/// True for what no walk takes: what the caller names, what it writes or wrote in part, and git's own data.
fn is_never_packed(context: &Context<'_>, canonical: &Path) -> bool {
    canonical.file_name().is_some_and(|name| name == ".git" || own::is_temporary(name))
        || context.never_packed.contains(canonical)
        || context.outputs.contains(canonical)
}

fn is_executable(metadata: &Metadata, kind: &EntryKind) -> bool {
    metadata.mode() & OWNER_EXECUTES != 0 && matches!(kind, EntryKind::File { .. })
}

/// The kind of what is no directory. `opened` is where its content is read from.
fn leaf_kind(entry: &FilesEntry, path: &Path, opened: &Path, metadata: &Metadata) -> Result<EntryKind, FilesError> {
    let file_type = metadata.file_type();
    if file_type.is_file() {
        let content = Content::Disk(DiskFile { path: opened.to_owned(), stamp: FileStamp::of(metadata) });
        return Ok(EntryKind::File { size_bytes: metadata.len(), content });
    }
    if file_type.is_symlink() {
        let target = fs::read_link(path).map_err(|source| FilesError::Io {
            place: entry.place.clone(),
            action: "read symbolic link",
            path: path.to_owned(),
            source,
        })?;
        return Ok(EntryKind::Symlink { target: target.into_os_string().into_vec() });
    }
    let what = match () {
        () if file_type.is_socket() => "a socket",
        () if file_type.is_fifo() => "a fifo",
        () if file_type.is_block_device() => "a block device",
        () if file_type.is_char_device() => "a character device",
        () => "a file of an unknown kind",
    };
    Err(FilesError::Refused { place: entry.place.clone(), origin: shown(path), what })
}

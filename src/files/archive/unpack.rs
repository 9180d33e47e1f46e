//! Converts the members of an archive to items: checks names, resolves hard links, strips leading components.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archives::Archives;
use super::error::{ArchiveError, Reason};
use super::format::Format;
use super::member::{Member, MemberKind};
use crate::files::FilesError;
use crate::files::filter::{Filter, Kept, Selector, Verdict};
use crate::files::walk::{OWNER_EXECUTES, entry_path};
use crate::model::{Content, EntryKind, EntryPath, EntryPathError, FileStamp, ListedItem, escape, escape_path};
use crate::spec::FilesEntry;

/// The final entry at a path after the whole archive is unpacked.
#[derive(Debug, Clone)]
struct Standing {
    /// The member that provides the content.
    index: u64,
    kind: MemberKind,
    size_bytes: u64,
    mode: Option<u32>,
}

type Tree = BTreeMap<EntryPath, Standing>;

/// Returns what the archive at `path` holds for `entry`, if the archive is unchanged since the state `found`.
pub(in crate::files) fn unpack(
    entry: &FilesEntry,
    filter: &Filter,
    archives: &Archives,
    path: &Path,
    found: &FileStamp,
) -> Result<Vec<Kept>, FilesError> {
    let failed = |error| FilesError::Archive {
        place: entry.place.clone(),
        path: path.to_owned(),
        source: Box::new(error),
    };
    let (opened, members) = archives.list(path).map_err(failed)?;
    if !opened.stamp.is_same_content(found) {
        return Err(failed(ArchiveError::Changed));
    }
    let tree = unpacked(members).map_err(failed)?;
    check_parents(&tree).map_err(failed)?;
    if opened.format == Format::Zip {
        check_links(&tree).map_err(failed)?;
    }
    let stripped = strip(tree, entry.strip).map_err(failed)?;
    let maker = Maker {
        entry,
        archive: Arc::new(path.to_owned()),
        stamp: opened.stamp,
    };
    let mut selector = Selector::new(filter);
    let mut kept = Vec::new();
    for (path, (name, standing)) in stripped {
        let is_directory = standing.kind == MemberKind::Directory;
        let verdict = selector.verdict(&path, is_directory);
        if !verdict.excluded && (verdict.included || is_directory) {
            kept.push(Kept {
                item: maker.item(path, &name, standing, verdict)?,
                wanted: verdict.included,
            });
        }
    }
    Ok(kept)
}

/// Returns the tree of the members in their order: a later member replaces an earlier one of the same name.
fn unpacked(members: Vec<Member>) -> Result<Tree, ArchiveError> {
    let mut tree = Tree::new();
    for (index, member) in (0..).zip(members) {
        let path = clean(&member.name).map_err(|reason| ArchiveError::member(&member.name, reason))?;
        if path.is_root() {
            match member.kind {
                MemberKind::Directory => continue,
                _ => return Err(ArchiveError::member(&member.name, Reason::Unnamed)),
            }
        }
        let standing = match member.kind {
            MemberKind::Hardlink(target) => link_source(&tree, target)
                .map_err(|reason| ArchiveError::member(&member.name, reason))?
                .clone(),
            kind => Standing {
                index,
                kind,
                size_bytes: member.span.size_bytes,
                mode: member.mode,
            },
        };
        tree.insert(path, standing);
    }
    Ok(tree)
}

/// Returns the path for a member's name; the root for `./`.
fn clean(name: &[u8]) -> Result<EntryPath, Reason> {
    if name.starts_with(b"/") {
        return Err(Reason::Absolute);
    }
    if name.is_empty() {
        return Err(Reason::Unnamed);
    }
    EntryPath::new(name).map_err(Reason::Name)
}

/// Returns the entry that a hard link to `target` refers to.
fn link_source(tree: &Tree, target: Vec<u8>) -> Result<&Standing, Reason> {
    let path = match clean(&target) {
        Ok(path) => path,
        Err(Reason::Absolute | Reason::Name(EntryPathError::LeavesRoot(_))) => {
            return Err(Reason::LinkOutside { target });
        }
        Err(_) => return Err(Reason::LinkTarget { target }),
    };
    match tree.get(&path) {
        Some(standing) if standing.kind != MemberKind::Directory => Ok(standing),
        _ => Err(Reason::LinkTarget { target }),
    }
}

/// Refuses entries inside something that is not a directory.
fn check_parents(tree: &Tree) -> Result<(), ArchiveError> {
    for path in tree.keys() {
        let bytes = path.as_bytes();
        let ends = bytes
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(end, _)| end);
        for end in ends {
            let what = match tree.get(&bytes[..end]).map(|standing| &standing.kind) {
                None | Some(MemberKind::Directory) => continue,
                Some(MemberKind::Symlink(_)) => "a symbolic link",
                Some(MemberKind::Refused(what)) => what,
                Some(MemberKind::File | MemberKind::Hardlink(_)) => "a file",
            };
            return Err(ArchiveError::member(
                bytes,
                Reason::Below {
                    parent: bytes[..end].to_vec(),
                    what,
                },
            ));
        }
    }
    Ok(())
}

/// Refuses symbolic links that lead above the archive's root. An absolute target is inside the image.
fn check_links(tree: &Tree) -> Result<(), ArchiveError> {
    for (path, standing) in tree {
        if let MemberKind::Symlink(target) = &standing.kind
            && climbs_out(path, target)
        {
            return Err(ArchiveError::member(
                path.as_bytes(),
                Reason::LinkLeaves { target: target.clone() },
            ));
        }
    }
    Ok(())
}

fn climbs_out(path: &EntryPath, target: &[u8]) -> bool {
    if target.starts_with(b"/") {
        return false;
    }
    let mut depth = path.components().count() - 1;
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

/// Removes the first `count` components of the tree's paths, and returns each path with its member's name. Entries
/// without further components are left out.
fn strip(tree: Tree, count: usize) -> Result<BTreeMap<EntryPath, (Vec<u8>, Standing)>, ArchiveError> {
    let mut stripped: BTreeMap<EntryPath, (Vec<u8>, Standing)> = BTreeMap::new();
    for (path, standing) in tree {
        let name = path.as_bytes().to_vec();
        let Some(rest) = name.splitn(count + 1, |byte| *byte == b'/').nth(count) else {
            continue;
        };
        let short = EntryPath::new(rest).map_err(|error| ArchiveError::member(&name, Reason::Name(error)))?;
        match stripped.get(&short) {
            Some((_, other)) if other.kind == MemberKind::Directory && standing.kind == MemberKind::Directory => {}
            Some((other, _)) => {
                return Err(ArchiveError::member(&name, Reason::Collision { other: other.clone() }));
            }
            None => drop(stripped.insert(short, (name, standing))),
        }
    }
    Ok(stripped)
}

/// Converts the members of one archive to items.
struct Maker<'a> {
    entry: &'a FilesEntry,
    archive: Arc<PathBuf>,
    stamp: FileStamp,
}

impl Maker<'_> {
    fn item(
        &self,
        path: EntryPath,
        name: &[u8],
        standing: Standing,
        verdict: Verdict,
    ) -> Result<ListedItem, FilesError> {
        let origin = format!("{}: {}", escape_path(&self.archive), escape(name));
        let path = entry_path(self.entry, path.as_bytes(), || origin.clone())?;
        let (kind, is_file) = match standing.kind {
            MemberKind::Directory => (EntryKind::Directory, false),
            MemberKind::Symlink(target) => (EntryKind::Symlink { target }, false),
            MemberKind::File | MemberKind::Hardlink(_) => {
                let archive = Arc::clone(&self.archive);
                let stamp = self.stamp;
                let index = standing.index;
                let content = Content::Member { archive, stamp, index };
                (
                    EntryKind::File {
                        size_bytes: standing.size_bytes,
                        content,
                    },
                    true,
                )
            }
            MemberKind::Refused(what) => {
                return Err(FilesError::Refused {
                    place: self.entry.place.clone(),
                    origin,
                    what,
                });
            }
        };
        let runs = standing.mode.unwrap_or_default() & OWNER_EXECUTES != 0;
        let kept_mode = standing
            .mode
            .filter(|_| self.entry.keep_modes && !matches!(kind, EntryKind::Symlink { .. }));
        let executable = runs && is_file;
        Ok(verdict.applied(ListedItem {
            path,
            kind,
            kept_mode,
            executable,
            xattrs: BTreeMap::new(),
            origin: Some(origin),
        }))
    }
}

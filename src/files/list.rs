//! Lists the files of one entry: from a directory, a file, a glob or archives, or from a listing of an image.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::archive;
use super::context::Context;
use super::error::FilesError;
use super::filter::{Filter, Kept, Selector, Verdict, settle};
use super::handle::Status;
use super::pattern::GlobPath;
use super::source::{self, Source};
use super::target;
use super::walk::{self, Walk};
use super::xattr::Attributes;
use crate::model::{Content, EntryKind, FileStamp, ListedItem, ListedRoot, Listing, capability, escape_path};
use crate::spec::{FilesEntry, From};

/// Lists the files that `entry` names on the disk; `entry.from` is a [`From::Disk`].
///
/// The items are sorted by path and do not contain duplicates. An empty directory gives no items.
///
/// # Errors
/// Returns any of [`FilesError`], with the entry's place in the spec: [`FilesError::NothingMatches`] if `from` does not
/// exist, [`FilesError::NothingLeft`] if `include` or `strip` leave nothing.
pub fn list(entry: &FilesEntry, context: &Context<'_>) -> Result<Listing, FilesError> {
    let From::Disk { directory, pattern } = &entry.from else {
        return Err(FilesError::NotLocal {
            place: entry.place.clone(),
            pattern: entry.from_text.clone(),
        });
    };
    let filter = Filter::new(entry)?;
    let source = source::find(entry, directory, pattern)?;
    refuse_outputs(entry, context, source.path())?;
    let listing = match (&source, entry.unpack) {
        (Source::Directory(path), false) => {
            let (items, _) = Walk::new(entry, context, &filter, &Attributes::new(entry)?, None).run(path)?;
            Listing {
                root: ListedRoot::Directory,
                items,
            }
        }
        (Source::Directory(path), true) => return Err(unpack_other(entry, path, "a directory")),
        (Source::File { path, metadata }, false) => {
            let name = path
                .file_name()
                .map(|name| name.as_bytes().to_vec())
                .unwrap_or_default();
            let items = match single_verdict(&filter, &name) {
                Some(verdict) => {
                    let status = Status::of_metadata(metadata);
                    vec![walk::single(entry, path, &status, verdict, &Attributes::new(entry)?)?]
                }
                None => Vec::new(),
            };
            walk::entry_path(entry, &name, || escape_path(path))?;
            Listing {
                root: ListedRoot::File { name },
                items,
            }
        }
        (Source::File { path, metadata }, true) if metadata.is_file() => {
            unpacked(entry, context, &filter, &[(path.clone(), FileStamp::of(metadata))])?
        }
        (Source::File { path, .. }, true) => return Err(unpack_other(entry, path, "not a regular file")),
        (Source::Glob { fixed, glob }, false) => {
            let (items, found) = Walk::new(entry, context, &filter, &Attributes::new(entry)?, Some(glob)).run(fixed)?;
            if !found {
                return Err(source::nothing_matches(entry, fixed));
            }
            target::listing(entry, glob, items)?
        }
        (Source::Glob { fixed, glob }, true) => {
            let archives = matched_archives(entry, context, fixed, glob)?;
            unpacked(entry, context, &filter, &archives)?
        }
    };
    finish(listing, entry, &filter)
}

/// Applies `include`, `exclude`, `executable` and `capabilities` of `entry` to a listing of an image's files. Applying
/// it to the result of [`list`] changes nothing.
///
/// # Errors
/// Returns [`FilesError::Pattern`] for an invalid pattern, [`FilesError::NothingLeft`] if nothing is left, and the
/// errors of `capabilities`.
pub fn filter(listing: Listing, entry: &FilesEntry) -> Result<Listing, FilesError> {
    let filter = Filter::new(entry)?;
    let items = match &listing.root {
        ListedRoot::File { name } => match single_verdict(&filter, name) {
            Some(verdict) => listing.items.into_iter().map(|item| verdict.applied(item)).collect(),
            None => Vec::new(),
        },
        ListedRoot::Directory | ListedRoot::Glob => {
            let mut selector = Selector::new(&filter);
            let select = |item: ListedItem| {
                let is_directory = matches!(item.kind, EntryKind::Directory);
                let verdict = selector.verdict(&item.path, is_directory);
                let kept = !verdict.excluded && (verdict.included || is_directory);
                kept.then(|| Kept {
                    wanted: verdict.included,
                    item: verdict.applied(item),
                })
            };
            settle(listing.items.into_iter().filter_map(select).collect())
        }
    };
    finish(
        Listing {
            root: listing.root,
            items,
        },
        entry,
        &filter,
    )
}

/// Returns the verdict on a source that is a single file, by its name. `None` leaves it out.
fn single_verdict(filter: &Filter, name: &[u8]) -> Option<Verdict> {
    let verdict = filter.below(filter.root(), name, false);
    (!verdict.excluded && verdict.included).then_some(verdict)
}

/// Returns the archives that a glob matches, sorted, with their states.
fn matched_archives(
    entry: &FilesEntry,
    context: &Context<'_>,
    fixed: &Path,
    glob: &GlobPath,
) -> Result<Vec<(PathBuf, FileStamp)>, FilesError> {
    let everything = Filter::everything();
    let no_attributes = Attributes::none();
    let (items, found) = Walk::new(entry, context, &everything, &no_attributes, Some(glob)).run(fixed)?;
    if !found {
        return Err(source::nothing_matches(entry, fixed));
    }
    let path = |item: ListedItem| {
        let path = fixed.join(std::ffi::OsStr::from_bytes(item.path.as_bytes()));
        match item.kind {
            EntryKind::File {
                content: Content::Disk(file),
                ..
            } => Ok((path, file.stamp)),
            EntryKind::File { .. } => Err(unpack_other(entry, &path, "not a regular file")),
            EntryKind::Directory => Err(unpack_other(entry, &path, "a directory")),
            EntryKind::Symlink { .. } => Err(unpack_other(entry, &path, "a symbolic link")),
        }
    };
    items.into_iter().map(path).collect()
}

/// Returns the combined contents of archives.
fn unpacked(
    entry: &FilesEntry,
    context: &Context<'_>,
    filter: &Filter,
    archives: &[(PathBuf, FileStamp)],
) -> Result<Listing, FilesError> {
    let mut kept = Vec::new();
    for (path, stamp) in archives {
        kept.extend(archive::unpack(entry, filter, context.archives, path, stamp)?);
    }
    let mut items = settle(kept);
    let mut conflict = None;
    items.dedup_by(|second, first| {
        if second.path != first.path {
            return false;
        }
        if second.kind != first.kind {
            conflict.get_or_insert_with(|| (first.origin_text(), second.origin_text()));
        }
        true
    });
    match conflict {
        Some((first, second)) => Err(FilesError::Conflict {
            place: entry.place.clone(),
            first,
            second,
        }),
        None => Ok(Listing {
            root: ListedRoot::Directory,
            items,
        }),
    }
}

/// Sets capabilities, and refuses a listing that is empty by mistake.
fn finish(mut listing: Listing, entry: &FilesEntry, filter: &Filter) -> Result<Listing, FilesError> {
    let place = || entry.place.clone();
    let may_be_empty = listing.root == ListedRoot::Directory && !filter.has_include() && entry.strip == 0;
    if listing.items.is_empty() && !may_be_empty {
        return Err(FilesError::NothingLeft {
            place: place(),
            pattern: entry.from_text.clone(),
        });
    }
    if entry.capabilities.is_empty() {
        return Ok(listing);
    }
    let value = capability::encode(&entry.capabilities).map_err(|name| FilesError::Capability {
        place: place(),
        name: name.clone(),
    })?;
    match (&listing.root, listing.items.as_mut_slice()) {
        (ListedRoot::File { .. }, [item]) if matches!(item.kind, EntryKind::File { .. }) => {
            item.xattrs.insert(capability::ATTRIBUTE.to_vec(), value);
            Ok(listing)
        }
        _ => Err(FilesError::CapabilitySource {
            place: place(),
            pattern: entry.from_text.clone(),
        }),
    }
}

/// Refuses a source that is, or is inside, an output of this build.
fn refuse_outputs(entry: &FilesEntry, context: &Context<'_>, path: &Path) -> Result<(), FilesError> {
    let Ok(canonical) = path.canonicalize() else {
        return Ok(());
    };
    if canonical.ancestors().any(|ancestor| context.outputs.contains(ancestor)) {
        Err(FilesError::Output {
            place: entry.place.clone(),
            path: path.to_owned(),
        })
    } else {
        Ok(())
    }
}

fn unpack_other(entry: &FilesEntry, path: &Path, what: &'static str) -> FilesError {
    FilesError::UnpackOther {
        place: entry.place.clone(),
        path: path.to_owned(),
        what,
    }
}

//! Decides the target of a glob's matches: inside `to` if it ends in a slash, else `to` itself if a single file
//! matches.

use super::error::FilesError;
use super::pattern::GlobPath;
use crate::model::{EntryKind, EntryPath, ListedItem, ListedRoot, Listing, escape};
use crate::spec::FilesEntry;

/// Greatest number of matches that an error lists; more would hide its help.
const MAX_SHOWN_MATCHES: usize = 10;

/// Returns the listing of the matches of a glob.
///
/// # Errors
/// Returns [`FilesError::SeveralMatches`] if several files would have the same target. Directories, and matches of
/// `**`, always go below `to` with their paths.
pub(super) fn listing(entry: &FilesEntry, glob: &GlobPath, items: Vec<ListedItem>) -> Result<Listing, FilesError> {
    let below = |items| {
        Ok(Listing {
            root: ListedRoot::Glob,
            items,
        })
    };
    let Some(depth) = glob.depth().filter(|_| !entry.to.ends_with('/')) else {
        return below(items);
    };
    let is_match = |item: &&ListedItem| item.path.components().count() == depth;
    if items
        .iter()
        .filter(is_match)
        .any(|item| item.kind == EntryKind::Directory)
    {
        return below(items);
    }
    match <[ListedItem; 1]>::try_from(items) {
        Ok([item]) => Ok(one(item)),
        Err(items) if items.is_empty() => below(items),
        Err(items) => Err(several(entry, &items)),
    }
}

/// Returns the listing of a single match, as if `from` named it.
fn one(item: ListedItem) -> Listing {
    let name = item.path.file_name().to_vec();
    let item = ListedItem {
        path: EntryPath::root(),
        ..item
    };
    Listing {
        root: ListedRoot::File { name },
        items: vec![item],
    }
}

fn several(entry: &FilesEntry, items: &[ListedItem]) -> FilesError {
    let mut matches: Vec<String> = items
        .iter()
        .take(MAX_SHOWN_MATCHES)
        .map(|item| escape(item.path.as_bytes()))
        .collect();
    if items.len() > MAX_SHOWN_MATCHES {
        matches.push(format!("and {} more", items.len() - MAX_SHOWN_MATCHES));
    }
    let place = entry.place.clone();
    let pattern = entry.from_text.clone();
    let to = entry.to.clone();
    FilesError::SeveralMatches {
        place,
        pattern,
        to,
        count: items.len(),
        matches: matches.join(", "),
    }
}

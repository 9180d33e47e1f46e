//! Where the matches of a glob go: into `to` where that ends in a slash, and else, where one file matches, to `to` itself.

use super::FilesError;
use super::pattern::GlobPath;
use crate::model::{EntryKind, EntryPath, ListedItem, ListedRoot, Listing, escape};
use crate::spec::FilesEntry;

/// Matches that an error lists at the most: more would hide what to do about them.
const MAX_SHOWN_MATCHES: usize = 10;

/// The listing of what a glob matched.
///
/// # Errors
/// [`FilesError::SeveralMatches`] where several files would become one. Directories, and what `**` matches, go below `to`
/// with their paths, whatever it ends in.
pub(super) fn listing(entry: &FilesEntry, glob: &GlobPath, items: Vec<ListedItem>) -> Result<Listing, FilesError> {
    let below = |items| Ok(Listing { root: ListedRoot::Glob, items });
    let Some(depth) = glob.depth().filter(|_| !entry.to.ends_with('/')) else { return below(items) };
    let is_match = |item: &&ListedItem| item.path.components().count() == depth;
    if items.iter().filter(is_match).any(|item| item.kind == EntryKind::Directory) {
        return below(items);
    }
    match <[ListedItem; 1]>::try_from(items) {
        Ok([item]) => Ok(one(item)),
        Err(items) if items.is_empty() => below(items),
        Err(items) => Err(several(entry, &items)),
    }
}

/// The match as if `from` had named it.
fn one(item: ListedItem) -> Listing {
    let name = item.path.file_name().to_vec();
    let item = ListedItem { path: EntryPath::root(), ..item };
    Listing { root: ListedRoot::File { name }, items: vec![item] }
}

fn several(entry: &FilesEntry, items: &[ListedItem]) -> FilesError {
    let mut matches: Vec<String> =
        items.iter().take(MAX_SHOWN_MATCHES).map(|item| escape(item.path.as_bytes())).collect();
    if items.len() > MAX_SHOWN_MATCHES {
        matches.push(format!("and {} more", items.len() - MAX_SHOWN_MATCHES));
    }
    let (place, pattern, to) = (entry.place.clone(), entry.from_text.clone(), entry.to.clone());
    FilesError::SeveralMatches { place, pattern, to, count: items.len(), matches: matches.join(", ") }
}

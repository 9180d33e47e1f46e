//! Unites files that several `files` entries of a layer give to one path, if they are equal byte for byte.
//!
//! A plan compares the origins of contents and reads nothing. This module reads files that have the same path and size,
//! and gives equal ones the same origin.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use crate::files::Archives;
use crate::model::{Content, ContentOpener as _, EntryKind, EntryPath, ListedRoot, Listing};
use crate::spec::FilesEntry;

/// Gives equal files of `listings` that go to the same path the same origin. `entries` are the layer's `files`, in the
/// order of `listings`.
///
/// Files that cannot be read are left unchanged; the plan then reports the path as a duplicate.
pub(super) fn unite(entries: &[FilesEntry], listings: &mut [Listing], archives: &Archives) {
    if listings.len() < 2 {
        return;
    }
    let mut first: BTreeMap<EntryPath, (u64, Content)> = BTreeMap::new();
    for (entry, listing) in entries.iter().zip(listings) {
        let Some(target) = target(entry, listing) else { continue };
        for item in &mut listing.items {
            let EntryKind::File { size_bytes, content } = &mut item.kind else {
                continue;
            };
            let Ok(path) = target.join(item.path.as_bytes()) else {
                continue;
            };
            match first.get(&path) {
                None => {
                    first.insert(path, (*size_bytes, content.clone()));
                }
                Some((known_bytes, known)) if known_bytes == size_bytes && known != content => {
                    if is_same(known, content, archives).unwrap_or(false) {
                        let known = known.clone();
                        // Messages still name the file's own origin.
                        item.origin = Some(item.origin_text());
                        item.kind = EntryKind::File {
                            size_bytes: *known_bytes,
                            content: known,
                        };
                    }
                }
                Some(_) => {}
            }
        }
    }
}

/// Returns the target of a listing, before links of the image are followed.
fn target(entry: &FilesEntry, listing: &Listing) -> Option<EntryPath> {
    let to = EntryPath::new(entry.to.as_bytes()).ok()?;
    match &listing.root {
        ListedRoot::File { name } if entry.to.ends_with('/') => to.join(name).ok(),
        _ => Some(to),
    }
}

fn is_same(left: &Content, right: &Content, archives: &Archives) -> io::Result<bool> {
    let mut left = BufReader::new(open(left, archives)?);
    let mut right = BufReader::new(open(right, archives)?);
    loop {
        let one = left.fill_buf()?;
        let other = right.fill_buf()?;
        let common = one.len().min(other.len());
        if common == 0 {
            return Ok(one.len() == other.len());
        }
        if one[..common] != other[..common] {
            return Ok(false);
        }
        left.consume(common);
        right.consume(common);
    }
}

fn open<'a>(content: &Content, archives: &'a Archives) -> io::Result<Box<dyn Read + 'a>> {
    match content {
        Content::Disk(file) => Ok(Box::new(file.open()?)),
        Content::Member { .. } => Ok(archives.open(content)?),
        Content::Bytes(_) | Content::Image { .. } => Err(io::Error::other("its layers would have to be read")),
    }
}

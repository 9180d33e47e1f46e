//! Files of one layer that several `files` entries give to one path: where they are equal byte for byte they are one.
//!
//! A plan compares where contents come from, and reads nothing. Here those are read that have a path and a size in
//! common, and equal ones get one origin.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use crate::files::Archives;
use crate::model::{Content, ContentOpener as _, EntryKind, EntryPath, ListedRoot, Listing};
use crate::spec::FilesEntry;

/// Lets files of `listings` that are equal, and go to one path, come from one place. `entries` are the layer's `files`,
/// in the order of `listings`.
///
/// What cannot be read is left as it is: the plan says that it is there twice.
pub(super) fn unite(entries: &[FilesEntry], listings: &mut [Listing], archives: &Archives) {
    if listings.len() < 2 {
        return;
    }
    let mut first: BTreeMap<EntryPath, (u64, Content)> = BTreeMap::new();
    for (entry, listing) in entries.iter().zip(listings) {
        let Some(target) = target(entry, listing) else { continue };
        for item in &mut listing.items {
            let EntryKind::File { size_bytes, content } = &mut item.kind else { continue };
            let Ok(path) = target.join(item.path.as_bytes()) else { continue };
            match first.get(&path) {
                None => {
                    first.insert(path, (*size_bytes, content.clone()));
                }
                Some((known_bytes, known)) if known_bytes == size_bytes && known != content => {
                    if is_same(known, content, archives).unwrap_or(false) {
                        let known = known.clone();
                        // Where it comes from is told all the same.
                        item.origin = Some(item.origin_text());
                        item.kind = EntryKind::File { size_bytes: *known_bytes, content: known };
                    }
                }
                Some(_) => {}
            }
        }
    }
}

/// Where a listing goes, before links of the image are followed.
fn target(entry: &FilesEntry, listing: &Listing) -> Option<EntryPath> {
    let to = EntryPath::new(entry.to.as_bytes()).ok()?;
    match &listing.root {
        ListedRoot::File { name } if entry.to.ends_with('/') => to.join(name).ok(),
        _ => Some(to),
    }
}

fn is_same(left: &Content, right: &Content, archives: &Archives) -> io::Result<bool> {
    let (mut left, mut right) = (BufReader::new(open(left, archives)?), BufReader::new(open(right, archives)?));
    loop {
        let (one, other) = (left.fill_buf()?, right.fill_buf()?);
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

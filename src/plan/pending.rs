//! The entries of a layer while it is planned.

use std::collections::HashMap;

use crate::model::{Entry, EntryKind, EntryPath};

/// An entry and its origin. The origin is `None` for a directory that is only written as a parent of other entries. An
/// entry with an origin replaces it.
pub(super) struct Pending {
    pub entry: Entry,
    pub origin: Option<Origin>,
}

/// The origin of an entry, for messages.
pub(super) enum Origin {
    /// Escaped.
    Text(String),
    /// The file of the disk that its content names.
    Content,
}

impl Origin {
    /// Returns the origin as text, for an entry of this kind.
    pub fn text(&self, kind: &EntryKind) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Content => kind.disk_path_text(),
        }
    }
}

impl From<String> for Origin {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// The entries of a layer, by path. They are in a list that becomes part of the plan.
///
/// Listings are sorted, so the list usually is too, and a path is found by binary search. Only if entries arrive out of
/// order, a map with the position of each entry is kept in addition.
#[derive(Default)]
pub(super) struct PendingEntries {
    list: Vec<Pending>,
    /// `None` while the list is sorted. Used for lookups only and never iterated, since it has no order.
    places: Option<HashMap<EntryPath, usize>>,
}

impl PendingEntries {
    /// Returns the entry at a path.
    pub fn find(&self, path: &EntryPath) -> Option<&Pending> {
        self.place(path).map(|at| &self.list[at])
    }

    fn place(&self, path: &EntryPath) -> Option<usize> {
        if let Some(places) = &self.places {
            return places.get(path).copied();
        }
        let last = self.list.last()?;
        if last.entry.path < *path {
            return None;
        }
        self.list.binary_search_by(|pending| pending.entry.path.cmp(path)).ok()
    }

    /// Inserts an entry at its path, replacing an existing one.
    pub fn insert(&mut self, pending: Pending) {
        if let Some(at) = self.place(&pending.entry.path) {
            self.list[at] = pending;
            return;
        }
        if self.places.is_none()
            && self
                .list
                .last()
                .is_some_and(|last| last.entry.path > pending.entry.path)
        {
            let places = self
                .list
                .iter()
                .enumerate()
                .map(|(at, pending)| (pending.entry.path.clone(), at));
            self.places = Some(places.collect());
        }
        if let Some(places) = &mut self.places {
            places.insert(pending.entry.path.clone(), self.list.len());
        }
        self.list.push(pending);
    }

    /// Inserts entries at paths that have none. The paths must not contain duplicates.
    pub fn insert_all(&mut self, entries: Vec<Pending>) {
        if entries.is_empty() {
            return;
        }
        if self.places.is_some() {
            entries.into_iter().for_each(|pending| self.insert(pending));
        } else {
            self.list.extend(entries);
            // Two sorted runs, which a stable sort merges.
            self.list.sort_by(|left, right| left.entry.path.cmp(&right.entry.path));
        }
    }

    /// Returns all entries, sorted by path.
    pub fn sorted(&self) -> impl Iterator<Item = &Pending> {
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        if self.places.is_some() {
            order.sort_unstable_by(|left, right| self.list[*left].entry.path.cmp(&self.list[*right].entry.path));
        }
        order.into_iter().map(|at| &self.list[at])
    }

    /// Returns the entries, sorted by path.
    pub fn into_entries(self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.list.into_iter().map(|pending| pending.entry).collect();
        if self.places.is_some() {
            entries.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        }
        // The entries stay in memory until the layer is packed, so unused capacity is freed.
        entries.shrink_to_fit();
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(path: &str, mode: u32) -> Pending {
        let path = EntryPath::new(path.as_bytes()).unwrap();
        let entry = Entry {
            path,
            kind: EntryKind::Directory,
            mode,
            uid: 0,
            gid: 0,
            xattrs: Default::default(),
        };
        Pending { entry, origin: None }
    }

    #[test]
    fn entries_are_found_and_replaced_in_whatever_order_they_come() {
        for order in [
            ["a", "b", "c", "d"],
            ["d", "c", "b", "a"],
            ["a", "c", "b", "d"],
            ["b", "c", "d", "a"],
        ] {
            let mut entries = PendingEntries::default();
            for path in order {
                assert!(entries.find(&pending(path, 0).entry.path).is_none());
                entries.insert(pending(path, 1));
                assert_eq!(entries.find(&pending(path, 0).entry.path).unwrap().entry.mode, 1);
            }
            entries.insert(pending("b", 2));
            entries.insert_all(vec![pending("aa", 3), pending("e", 4)]);
            let modes =
                |entries: &PendingEntries| entries.sorted().map(|pending| pending.entry.mode).collect::<Vec<_>>();
            assert_eq!(modes(&entries), [1, 3, 2, 1, 1, 4]);
            let entries = entries.into_entries();
            assert_eq!(
                entries.iter().map(|entry| entry.path.to_string()).collect::<Vec<_>>(),
                ["/a", "/aa", "/b", "/c", "/d", "/e"]
            );
        }
    }
}

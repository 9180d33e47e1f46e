//! The entries of a layer while it is put together.

use std::collections::HashMap;

use crate::model::{Entry, EntryKind, EntryPath};

/// An entry, and who wants it: `None` for a directory that is written as it is, or made, for the sake of others. Such a
/// one gives way.
pub(super) struct Slot {
    pub entry: Entry,
    pub origin: Option<Origin>,
}

/// Where an entry comes from, for messages.
pub(super) enum Origin {
    /// Escaped.
    Text(String),
    /// The file of the disk that its content names.
    Content,
}

impl Origin {
    /// The same as text, for an entry of this kind.
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

/// The entries of a layer, by path. They stand in a list, which the plan takes over as it is.
///
/// Listings are sorted, so mostly the list is too, and nothing else is needed to find a path in it. Only where entries come
/// out of order is it kept beside where each stands.
#[derive(Default)]
pub(super) struct Slots {
    list: Vec<Slot>,
    /// `None` while the list is sorted. Asked and never gone through: it has no order.
    places: Option<HashMap<EntryPath, usize>>,
}

impl Slots {
    /// What stands at a path.
    pub fn slot(&self, path: &EntryPath) -> Option<&Slot> {
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
        self.list.binary_search_by(|slot| slot.entry.path.cmp(path)).ok()
    }

    /// Puts a slot at its entry's path, in place of what stands there.
    pub fn insert(&mut self, slot: Slot) {
        if let Some(at) = self.place(&slot.entry.path) {
            self.list[at] = slot;
            return;
        }
        if self.places.is_none() && self.list.last().is_some_and(|last| last.entry.path > slot.entry.path) {
            let places = self.list.iter().enumerate().map(|(at, slot)| (slot.entry.path.clone(), at));
            self.places = Some(places.collect());
        }
        if let Some(places) = &mut self.places {
            places.insert(slot.entry.path.clone(), self.list.len());
        }
        self.list.push(slot);
    }

    /// Puts slots at paths where nothing stands, each once.
    pub fn extend(&mut self, slots: Vec<Slot>) {
        if slots.is_empty() {
            return;
        }
        if self.places.is_some() {
            slots.into_iter().for_each(|slot| self.insert(slot));
        } else {
            self.list.extend(slots);
            // Two sorted runs, which a stable sort merges.
            self.list.sort_by(|left, right| left.entry.path.cmp(&right.entry.path));
        }
    }

    /// All of them, sorted by path.
    pub fn sorted(&self) -> impl Iterator<Item = &Slot> {
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        if self.places.is_some() {
            order.sort_unstable_by(|left, right| self.list[*left].entry.path.cmp(&self.list[*right].entry.path));
        }
        order.into_iter().map(|at| &self.list[at])
    }

    /// The entries, sorted by path.
    pub fn into_entries(self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.list.into_iter().map(|slot| slot.entry).collect();
        if self.places.is_some() {
            entries.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        }
        // They stay until the layer is packed; what the slots took beside them need not.
        entries.shrink_to_fit();
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(path: &str, mode: u32) -> Slot {
        let path = EntryPath::new(path.as_bytes()).unwrap();
        let entry = Entry { path, kind: EntryKind::Directory, mode, uid: 0, gid: 0, xattrs: Default::default() };
        Slot { entry, origin: None }
    }

    #[test]
    fn slots_are_found_and_replaced_in_whatever_order_they_come() {
        for order in [["a", "b", "c", "d"], ["d", "c", "b", "a"], ["a", "c", "b", "d"], ["b", "c", "d", "a"]] {
            let mut slots = Slots::default();
            for path in order {
                assert!(slots.slot(&slot(path, 0).entry.path).is_none());
                slots.insert(slot(path, 1));
                assert_eq!(slots.slot(&slot(path, 0).entry.path).unwrap().entry.mode, 1);
            }
            slots.insert(slot("b", 2));
            slots.extend(vec![slot("aa", 3), slot("e", 4)]);
            let modes = |slots: &Slots| slots.sorted().map(|slot| slot.entry.mode).collect::<Vec<_>>();
            assert_eq!(modes(&slots), [1, 3, 2, 1, 1, 4]);
            let entries = slots.into_entries();
            assert_eq!(
                entries.iter().map(|entry| entry.path.to_string()).collect::<Vec<_>>(),
                ["/a", "/aa", "/b", "/c", "/d", "/e"]
            );
        }
    }
}

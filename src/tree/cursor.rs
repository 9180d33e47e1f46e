//! Looks up many paths in a sorted map, in order.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::iter::Peekable;
use std::ops::Bound;

use crate::model::EntryPath;

/// Number of entries that are skipped one by one before the map is searched again.
const MAX_STEPS: usize = 8;

/// A position in a map that moves forward with the looked-up paths. It is faster than separate lookups if the paths are
/// sorted, and correct in any order.
pub struct Cursor<'a, T> {
    map: &'a BTreeMap<EntryPath, T>,
    rest: Peekable<Range<'a, EntryPath, T>>,
    last: Option<EntryPath>,
}

impl<'a, T> Cursor<'a, T> {
    pub(super) fn new(map: &'a BTreeMap<EntryPath, T>) -> Self {
        Self {
            map,
            rest: from(map, b""),
            last: None,
        }
    }

    /// Returns the value of the map at a path.
    pub fn find(&mut self, path: &EntryPath) -> Option<&'a T> {
        if self.map.is_empty() {
            return None;
        }
        if self.last.as_ref().is_some_and(|last| last > path) {
            self.rest = from(self.map, path.as_bytes());
        }
        self.last = Some(path.clone());
        for _ in 0..MAX_STEPS {
            match self.rest.peek() {
                Some((found, _)) if *found < path => self.rest.next(),
                Some((found, value)) => return (*found == path).then_some(*value),
                None => return None,
            };
        }
        self.rest = from(self.map, path.as_bytes());
        self.rest
            .peek()
            .filter(|(found, _)| *found == path)
            .map(|(_, value)| *value)
    }
}

fn from<'a, T>(map: &'a BTreeMap<EntryPath, T>, path: &[u8]) -> Peekable<Range<'a, EntryPath, T>> {
    map.range::<[u8], _>((Bound::Included(path), Bound::Unbounded))
        .peekable()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_finds_what_the_map_has_in_whatever_order() {
        let path = |number: u32| EntryPath::new(format!("{number:04}").as_bytes()).unwrap();
        let map: BTreeMap<EntryPath, u32> = (0..1000).step_by(3).map(|number| (path(number), number)).collect();
        for step in [1, 2, 7, 100, 499, 998] {
            let mut cursor = Cursor::new(&map);
            for number in (0..3000).map(|count| count * step % 1001) {
                assert_eq!(cursor.find(&path(number)), map.get(&path(number)), "{number}");
            }
        }
        assert_eq!(Cursor::new(&BTreeMap::<_, u32>::new()).find(&path(1)), None);
    }
}

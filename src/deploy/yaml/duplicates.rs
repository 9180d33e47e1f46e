//! Keys that occur twice in one mapping. YAML forbids them (1.2.2, 3.2.1.3), but readers take the first or the last one.

use std::collections::BTreeMap;

use super::document::Data;
use super::{Document, Node};

/// A key that occurs twice in one mapping.
#[derive(Debug, Clone, Copy)]
pub struct Duplicate<'a> {
    /// The text of the key.
    pub key: &'a str,
    /// The first key.
    pub first: Node<'a>,
    /// A later key.
    pub second: Node<'a>,
}

impl Document {
    /// Returns the keys that occur twice in a mapping, in the order of their mappings. Keys are compared as text, so `1`
    /// and `"1"` are the same; keys that are no scalars are not compared.
    pub fn duplicate_keys(&self) -> Vec<Duplicate<'_>> {
        let mut found = Vec::new();
        for node in &self.nodes {
            let Data::Mapping { entries, .. } = &node.value else {
                continue;
            };
            let mut seen: BTreeMap<&str, Node<'_>> = BTreeMap::new();
            for (key, _) in entries {
                let second = self.node(*key);
                let Some(key) = second.as_text() else { continue };
                match seen.get(key) {
                    Some(first) => found.push(Duplicate {
                        key,
                        first: *first,
                        second,
                    }),
                    None => {
                        seen.insert(key, second);
                    }
                }
            }
        }
        found
    }
}

//! The order of members: bases before those that are based on them.

use std::collections::{BTreeMap, BTreeSet};

/// Returns the IDs with every base before its dependents, and otherwise sorted. `bases` has the bases of each ID, all
/// of which are IDs themselves.
///
/// # Errors
/// Returns the IDs of a circle, each based on the next one and the last one on the first.
pub(super) fn order(bases: &BTreeMap<&str, BTreeSet<&str>>) -> Result<Vec<String>, Vec<String>> {
    let mut waiting: BTreeMap<&str, BTreeSet<&str>> = bases.clone();
    let mut ordered = Vec::new();
    while !waiting.is_empty() {
        let Some(next) = waiting.iter().find(|(_, bases)| bases.is_empty()).map(|(id, _)| *id) else {
            return Err(circle(&waiting));
        };
        waiting.remove(next);
        for bases in waiting.values_mut() {
            bases.remove(next);
        }
        ordered.push(next.to_owned());
    }
    Ok(ordered)
}

/// Returns a circle of IDs that all wait for another one.
fn circle(waiting: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let mut way: Vec<&str> = Vec::new();
    let mut next = waiting.keys().next().copied();
    while let Some(id) = next {
        if let Some(start) = way.iter().position(|seen| *seen == id) {
            return way[start..].iter().map(|id| (*id).to_owned()).collect();
        }
        way.push(id);
        next = waiting.get(id).and_then(|bases| bases.first().copied());
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(edges: &[(&'static str, &[&'static str])]) -> Result<Vec<String>, Vec<String>> {
        let bases = edges
            .iter()
            .map(|(id, bases)| (*id, bases.iter().copied().collect()))
            .collect();
        order(&bases)
    }

    #[test]
    fn bases_come_first_and_the_rest_is_sorted() {
        let found = ordered(&[("a", &["z"]), ("b", &[]), ("m", &["a", "b"]), ("z", &[]), ("c", &["z"])]);
        assert_eq!(found.unwrap(), ["b", "z", "a", "c", "m"]);
    }

    #[test]
    fn a_circle_is_shown_alone() {
        let found = ordered(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"]), ("d", &[])]);
        assert_eq!(found.unwrap_err(), ["b", "c"]);
        assert_eq!(ordered(&[("a", &["a"])]).unwrap_err(), ["a"]);
    }
}

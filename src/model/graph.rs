//! Names that need each other: their order, and the circles among them.

use std::collections::{BTreeMap, BTreeSet};

/// Returns the names with each after those that it needs, and otherwise sorted. `needs` has what each name needs, all of
/// which are names themselves.
///
/// # Errors
/// Returns the names of a circle, each of which needs the next one, and the last one the first.
pub fn order_by_needs(needs: &BTreeMap<&str, BTreeSet<&str>>) -> Result<Vec<String>, Vec<String>> {
    let mut waiting: BTreeMap<&str, BTreeSet<&str>> = needs.clone();
    let mut ordered = Vec::new();
    while !waiting.is_empty() {
        let Some(next) = waiting
            .iter()
            .find(|(_, needs)| needs.is_empty())
            .map(|(name, _)| *name)
        else {
            return Err(circle(&waiting));
        };
        waiting.remove(next);
        for needs in waiting.values_mut() {
            needs.remove(next);
        }
        ordered.push(next.to_owned());
    }
    Ok(ordered)
}

/// Returns a circle as text: `a → b → a`.
pub fn ring(names: &[String]) -> String {
    let first = names.first().map(String::as_str).unwrap_or_default();
    format!("{} → {first}", names.join(" → "))
}

/// Returns a circle of names that all wait for another one.
fn circle(waiting: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let mut way: Vec<&str> = Vec::new();
    let mut next = waiting.keys().next().copied();
    while let Some(name) = next {
        if let Some(start) = way.iter().position(|seen| *seen == name) {
            return way[start..].iter().map(|name| (*name).to_owned()).collect();
        }
        way.push(name);
        next = waiting.get(name).and_then(|needs| needs.first().copied());
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(edges: &[(&'static str, &[&'static str])]) -> Result<Vec<String>, Vec<String>> {
        let needs = edges
            .iter()
            .map(|(name, needs)| (*name, needs.iter().copied().collect()))
            .collect();
        order_by_needs(&needs)
    }

    #[test]
    fn what_is_needed_comes_first_and_the_rest_is_sorted() {
        let found = ordered(&[("a", &["z"]), ("b", &[]), ("m", &["a", "b"]), ("z", &[]), ("c", &["z"])]);
        assert_eq!(found.unwrap(), ["b", "z", "a", "c", "m"]);
    }

    #[test]
    fn a_circle_is_shown_alone() {
        let found = ordered(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"]), ("d", &[])]);
        let circle = found.unwrap_err();
        assert_eq!(circle, ["b", "c"]);
        assert_eq!(ring(&circle), "b \u{2192} c \u{2192} b");
        assert_eq!(ordered(&[("a", &["a"])]).unwrap_err(), ["a"]);
    }
}

//! Values of files in messages, whatever their length and number.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::model::escape;

/// Greatest length of a value in a message, in characters. Longer than every tag, digest and usual name.
const MAX_SHOWN_CHARS: usize = 200;

/// Greatest number of values that a message lists. People fix the first ones, and see the others then.
const MAX_LISTED: usize = 10;

/// Returns a value, or its beginning if it is too long to be a name.
pub fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]).into(),
        None => text.into(),
    }
}

/// Returns a value as it is shown in messages.
pub fn shown(text: &str) -> String {
    escape(shortened(text).as_bytes())
}

/// Returns values as a list for a message, each once, and how many more there are.
pub fn listed<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let mut seen = BTreeSet::new();
    let distinct: Vec<&str> = values.into_iter().filter(|value| seen.insert(*value)).collect();
    let mut listed: Vec<String> = distinct.iter().take(MAX_LISTED).map(|value| shown(value)).collect();
    if let Some(more) = distinct.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
        listed.push(format!("{more} more"));
    }
    listed.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_listed_once_and_not_without_end() {
        assert_eq!(listed(["B", "A", "B", "a\n"]), "B, A, a\\n");
        assert_eq!(listed([]), "");
        let names: Vec<String> = (0..100).map(|at| format!("N{at}")).collect();
        let many = listed(names.iter().map(String::as_str));
        assert!(many.starts_with("N0, N1, ") && many.ends_with("N9, 90 more"), "{many}");
        assert_eq!(shown(&"\u{e4}".repeat(201)).chars().count(), 201);
    }
}

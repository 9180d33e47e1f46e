//! Versions as manifests write them.

/// Returns the number that a text begins with.
pub(super) fn leading_number(text: &str) -> Option<u32> {
    let digits = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    text[..digits].parse().ok()
}

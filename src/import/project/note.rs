//! Notes about manifests.

/// Returns a note about a manifest that is damaged, with the first line of the parser's message.
pub(super) fn damaged(path: &str, error: &impl std::fmt::Display) -> String {
    let message = error.to_string();
    let first = message.lines().next().unwrap_or_default().to_owned();
    format!("{path} was skipped: {first}")
}

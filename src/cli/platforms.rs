//! Platforms as users ask for them, and entries of an index that are for none.

use super::failure::Failure;
use crate::model::{Diagnostic as _, Platform};
use crate::store::SkippedEntry;

/// Parses a requested platform. It accepts the same aliases of Go's names as containerd.
pub fn parse_platform(text: &str) -> Result<Platform, Failure> {
    Platform::parse_wanted(text).map_err(|error| {
        Failure::usage(
            &error.to_string(),
            error
                .help()
                .as_deref()
                .unwrap_or("give a platform, such as linux/amd64"),
        )
    })
}

/// Parses all requested platforms, like [`parse_platform`].
pub fn parse_platforms(texts: &[String]) -> Result<Vec<Platform>, Failure> {
    texts.iter().map(|text| parse_platform(text)).collect()
}

/// Returns a skipped entry of an index as JSON.
pub fn skipped_json(entry: &SkippedEntry) -> serde_json::Value {
    let platform = entry.platform.as_ref().map(Platform::to_string);
    serde_json::json!({ "digest": entry.digest, "platform": platform, "reason": entry.reason })
}

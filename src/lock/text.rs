//! Writes a lockfile as text in one sorted form with one line for each image, and reads any order, comments and white
//! space, as editors, other programs and merges leave them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::error::LockError;
use super::first_version;
use super::limits::{FIRST_VERSION, LOCK_VERSION};
use super::pin::LockedImage;
use super::pin_text::{line_at, quoted};
use crate::model::{Digest, escape};

const HEAD: &str = "\
# The images that the specs here build on, pinned by digest. `ocitect lock` adds pins, `ocitect update` moves them.
";

/// Starts of the lines that a version control system writes around a conflict.
const CONFLICT_STARTS: [&str; 3] = ["<<<<<<< ", "||||||| ", ">>>>>>> "];

/// Returns the text for these images.
pub fn write(images: &BTreeMap<String, LockedImage>) -> String {
    let mut text = format!("{HEAD}version = {LOCK_VERSION}\n\nimages = [\n");
    for (name, image) in images {
        let _ = write!(text, "  {{ name = {}, digest = \"{}\"", quoted(name), image.digest);
        if let Some(facts) = image.facts_digest() {
            let _ = write!(text, ", facts = \"{facts}\"");
        }
        text.push_str(" },\n");
    }
    text.push_str("]\n");
    text
}

#[derive(Deserialize)]
struct Version {
    version: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockText {
    #[serde(rename = "version")]
    _version: i64,
    #[serde(default)]
    images: Vec<Spanned<ImageText>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageText {
    name: String,
    digest: Digest,
    facts: Option<Digest>,
}

/// Parses the text of a lockfile of any supported version. Facts that it only refers to are not at hand.
///
/// # Errors
/// Returns [`LockError`] for a later version, for an altered file of version 1, for conflict markers, for two digests of
/// one name, and for any other text that is not a lockfile.
pub fn parse(text: &str, path: &Path) -> Result<BTreeMap<String, LockedImage>, LockError> {
    let invalid = |error: toml::de::Error| LockError::Invalid {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line_at(text, span.start)),
        reason: escape(error.message().as_bytes()),
    };
    // Checked first, since a later version may have any content.
    let version = match toml::from_str(text) {
        Ok(Version { version }) => Ok(version),
        Err(error) => written_version(text).ok_or(error),
    };
    match version {
        Ok(FIRST_VERSION) => first_version::parse(text, path),
        Ok(version) if version > LOCK_VERSION => Err(LockError::Newer {
            path: path.to_owned(),
            version,
        }),
        Ok(version) if version < LOCK_VERSION => Err(LockError::Unknown {
            path: path.to_owned(),
            version,
        }),
        version => {
            check_conflict(text, path)?;
            version.map_err(invalid)?;
            gather(text, path, toml::from_str(text).map_err(invalid)?)
        }
    }
}

/// Returns the version in a text that is not valid TOML, such as one with conflict markers.
fn written_version(text: &str) -> Option<i64> {
    let version = |line: &str| {
        line.strip_prefix("version")?
            .trim_start()
            .strip_prefix('=')?
            .trim()
            .parse()
            .ok()
    };
    text.lines().find_map(version)
}

fn check_conflict(text: &str, path: &Path) -> Result<(), LockError> {
    let is_marker = |line: &str| CONFLICT_STARTS.iter().any(|start| line.starts_with(start));
    let mut markers = text.lines().enumerate().filter(|(_, line)| is_marker(line));
    let Some((first, _)) = markers.next() else {
        return Ok(());
    };
    let last = markers.last().map_or(first, |(last, _)| last);
    Err(LockError::Conflict {
        path: path.to_owned(),
        first: first + 1,
        last: last + 1,
    })
}

fn gather(text: &str, path: &Path, parsed: LockText) -> Result<BTreeMap<String, LockedImage>, LockError> {
    let mut images: BTreeMap<String, (usize, LockedImage)> = BTreeMap::new();
    for spanned in parsed.images {
        let line = line_at(text, spanned.span().start);
        let ImageText { name, digest, facts } = spanned.into_inner();
        let image = LockedImage::new(digest, facts);
        match images.get_mut(&name) {
            None => {
                images.insert(name, (line, image));
            }
            // Both sides of a merge added it. The facts file of either belongs to the image.
            Some((_, first)) if first.digest == digest => {
                if first.absent_facts().is_none() {
                    *first = image;
                }
            }
            Some((first_line, first)) => {
                return Err(LockError::TwoDigests {
                    path: path.to_owned(),
                    name,
                    first: (*first_line, first.digest),
                    second: (line, digest),
                });
            }
        }
    }
    Ok(images.into_iter().map(|(name, (_, image))| (name, image)).collect())
}

//! Lockfiles of version 1, which held the facts of each image too. They had only one valid form, and a checksum over
//! everything that follows it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::error::LockError;
use super::limits::FIRST_VERSION;
use super::pin::{LockedImage, Pin};
use super::pin_text::{PinText, line_at, quoted, write_pin};
use crate::model::{Digest, Platform, escape};

const HEAD: &str = "\
# The images that the spec builds on, pinned, with what a build must know of them. `ocitect lock` writes this file, and
# `ocitect update` moves the pins; it is not to be edited. Keep it in version control; `ocitect lock --show` reads it out.
";

/// An image as it is written.
struct FirstImage {
    index: Option<Digest>,
    platforms: BTreeMap<Platform, Pin>,
}

/// Returns the only valid text for these images.
fn write(images: &BTreeMap<String, FirstImage>) -> String {
    let images: String = images.iter().map(|(name, image)| image_text(name, image)).collect();
    format!(
        "{HEAD}version = {FIRST_VERSION}\nchecksum = \"{}\"\n{images}",
        Digest::of(images.as_bytes())
    )
}

fn image_text(name: &str, image: &FirstImage) -> String {
    let mut text = format!("\n[[image]]\nname = {}\n", quoted(name));
    if let Some(index) = image.index {
        text.push_str(&format!("index = \"{index}\"\n"));
    }
    for (platform, pin) in &image.platforms {
        text.push_str("\n[[image.platform]]\n");
        write_pin(&mut text, platform, pin);
    }
    text
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockText {
    #[serde(rename = "version")]
    _version: i64,
    #[serde(rename = "checksum")]
    _checksum: Digest,
    #[serde(default)]
    image: Vec<ImageText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageText {
    name: String,
    index: Option<Digest>,
    platform: Vec<PinText>,
}

/// Parses the text of a lockfile of version 1.
///
/// # Errors
/// Returns [`LockError::Altered`] for any text that ocitect did not write.
pub fn parse(text: &str, path: &Path) -> Result<BTreeMap<String, LockedImage>, LockError> {
    let altered = |reason: String| LockError::Altered {
        path: path.to_owned(),
        reason,
    };
    let malformed = |error: toml::de::Error| {
        let line = error.span().map(|span| line_at(text, span.start));
        let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        altered(format!("{line}{}", escape(error.message().as_bytes())))
    };
    let parsed: LockText = toml::from_str(text).map_err(malformed)?;
    let images = images(parsed).map_err(altered)?;
    // There is one valid form, so any difference, even in the checksum, means that the file was altered.
    if write(&images) != text {
        return Err(altered("the checksum does not match, or the format differs".to_owned()));
    }
    let locked = |(name, image): (String, FirstImage)| {
        let first = image.platforms.values().next().map(|pin| pin.manifest.digest);
        let digest = image.index.or(first)?;
        Some((name, LockedImage::with_pins(digest, image.platforms)))
    };
    Ok(images.into_iter().filter_map(locked).collect())
}

fn images(text: LockText) -> Result<BTreeMap<String, FirstImage>, String> {
    let image = |image: ImageText| {
        let platforms = image.platform.into_iter().map(PinText::into_pin);
        let first = FirstImage {
            index: image.index,
            platforms: platforms.collect::<Result<_, _>>()?,
        };
        Ok((image.name, first))
    };
    text.image.into_iter().map(image).collect()
}

//! Facts files: what a build must know of a pinned image, beside the lockfile. The name of a facts file is its digest,
//! which the lockfile states. Every file can be made again from the image.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path;

use serde::Deserialize;

use super::pin::{LockedImage, Pin};
use super::pin_text::{PinText, line_at, write_pin};
use crate::model::{Digest, Platform, escape, open_regular};

const HEAD: &str = "\
# What a build must know of an image. ocitect wrote this file, and its name is its digest: do not edit it.
";

/// Version of the format of a facts file.
const VERSION: i64 = 1;

/// Extension of a facts file's name.
const EXTENSION: &str = ".toml";

/// Returns the name of the facts file with this digest.
pub fn facts_file_name(digest: &Digest) -> String {
    format!("{}{EXTENSION}", digest.hex())
}

/// Returns the digest that the name of a facts file states. Returns `None` for the name of any other file.
pub fn facts_file_digest(name: &str) -> Option<Digest> {
    let digest = format!("sha256:{}", name.strip_suffix(EXTENSION)?).parse().ok()?;
    (facts_file_name(&digest) == name).then_some(digest)
}

impl LockedImage {
    /// Returns the text of its facts file. Returns `None` if its facts are not at hand.
    pub fn facts_text(&self) -> Option<String> {
        if self.platforms().is_empty() {
            return None;
        }
        let mut text = format!("{HEAD}version = {VERSION}\nimage = \"{}\"\n", self.digest);
        for (platform, pin) in self.platforms() {
            text.push_str("\n[[platform]]\n");
            write_pin(&mut text, platform, pin);
        }
        Some(text)
    }

    /// Returns the digest of its facts file: of the one that it would have, or of the one that is not at hand.
    pub fn facts_digest(&self) -> Option<Digest> {
        let text = self.facts_text();
        text.map_or(self.absent_facts(), |text| Some(Digest::of(text.as_bytes())))
    }
}

/// The content of a facts file.
pub struct FactsFile {
    /// The digest of the image that it belongs to.
    pub image: Digest,
    /// The pin of each platform.
    pub platforms: BTreeMap<Platform, Pin>,
    /// Size of the file, in bytes.
    pub size_bytes: u64,
}

/// Reads the facts file with a digest, of at most `max_bytes`. Returns `None` if it does not exist. An error is what is
/// wrong with the file, as text for people.
pub fn read_facts_file(path: &Path, digest: &Digest, max_bytes: u64) -> Result<Option<FactsFile>, String> {
    let failed = |error: io::Error| error.to_string();
    let file = match open_regular(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let size_bytes = bytes.len() as u64;
    if size_bytes > max_bytes {
        return Err(format!("it has more than {max_bytes} bytes"));
    }
    let found = Digest::of(&bytes);
    if found != *digest {
        return Err(format!("its content has the digest {found}"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let (image, platforms) = parse(&text)?;
    Ok(Some(FactsFile {
        image,
        platforms,
        size_bytes,
    }))
}

#[derive(Deserialize)]
struct Version {
    version: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FactsText {
    #[serde(rename = "version")]
    _version: i64,
    image: Digest,
    platform: Vec<PinText>,
}

fn parse(text: &str) -> Result<(Digest, BTreeMap<Platform, Pin>), String> {
    let malformed = |error: toml::de::Error| {
        let line = error.span().map_or(1, |span| line_at(text, span.start));
        format!("line {line}: {}", escape(error.message().as_bytes()))
    };
    let Version { version } = toml::from_str(text).map_err(malformed)?;
    if version != VERSION {
        return Err(format!("it has version {version}"));
    }
    let parsed: FactsText = toml::from_str(text).map_err(malformed)?;
    let platforms = parsed.platform.into_iter().map(PinText::into_pin);
    Ok((parsed.image, platforms.collect::<Result<_, _>>()?))
}

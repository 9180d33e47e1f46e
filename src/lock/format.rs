//! Writes a lockfile as text in the only valid form, and reads only that form.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::error::LockError;
use super::lockfile::Lock;
use super::pin::{LockedFacts, LockedImage, LockedLayer, Pin};
use crate::model::{Descriptor, DiffId, Digest, MediaType, Platform, escape, open_regular};

/// Greatest size of a lockfile, in bytes. A platform of a large base image needs some 200 KB, so there is room for
/// hundreds of them.
pub(super) const MAX_LOCK_BYTES: u64 = 64 * 1024 * 1024;

/// Version of the format. A lockfile of a later version is refused, since its meaning is not known.
const LOCK_VERSION: i64 = 1;

const HEAD: &str = "\
# The images that the spec builds on, pinned, with what a build must know of them. `ocitect lock` writes this file, and
# `ocitect update` moves the pins; it is not to be edited. Keep it in version control; `ocitect lock --show` reads it out.
";

impl Lock {
    /// Loads a lockfile; returns `None` if the file does not exist.
    ///
    /// # Errors
    /// Returns [`LockError`] if it cannot be read, is larger than [`MAX_LOCK_BYTES`], is of a later version, or was
    /// altered.
    pub fn load(path: &Path) -> Result<Option<Self>, LockError> {
        let failed = |cause| LockError::Read {
            path: path.to_owned(),
            cause,
        };
        let file = match open_regular(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(failed(cause)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_LOCK_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_LOCK_BYTES {
            return Err(LockError::TooLarge {
                path: path.to_owned(),
                limit_bytes: MAX_LOCK_BYTES,
            });
        }
        let text = String::from_utf8(bytes);
        let altered = |_| LockError::Altered {
            path: path.to_owned(),
            reason: "it is not UTF-8".to_owned(),
        };
        Self::parse(&text.map_err(altered)?, path).map(Some)
    }

    /// Parses the text of the lockfile at `path`, which must be exactly what [`Lock::to_text`] returned.
    ///
    /// # Errors
    /// Returns [`LockError::Newer`] or [`LockError::Altered`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, LockError> {
        parse(text, path)
    }

    /// Returns the text of the file. Equal lockfiles have equal texts.
    pub fn to_text(&self) -> String {
        write(self)
    }
}

fn write(lock: &Lock) -> String {
    let images: String = lock
        .images
        .iter()
        .map(|(name, image)| image_text(name, image))
        .collect();
    format!(
        "{HEAD}version = {LOCK_VERSION}\nchecksum = \"{}\"\n{images}",
        Digest::of(images.as_bytes())
    )
}

fn image_text(name: &str, image: &LockedImage) -> String {
    let mut text = format!("\n[[image]]\nname = {}\n", quoted(name));
    if let Some(index) = image.index {
        text.push_str(&format!("index = \"{index}\"\n"));
    }
    for (platform, pin) in &image.platforms {
        let _ = write!(
            text,
            "\n[[image.platform]]\nplatform = {}\nmanifest = {{ {} }}\nconfig = {{ {} }}\nlayers = [\n",
            quoted(&platform.to_string()),
            descriptor_text(&pin.manifest),
            descriptor_text(&pin.config),
        );
        for layer in &pin.layers {
            let _ = writeln!(
                text,
                "  {{ {}, diff-id = \"{}\" }},",
                descriptor_text(&layer.descriptor),
                layer.diff_id
            );
        }
        let facts = STANDARD.encode(&pin.facts.compressed);
        let _ = writeln!(text, "]\nfacts-version = {}\nfacts = \"{facts}\"", pin.facts.version);
    }
    text
}

fn descriptor_text(descriptor: &Descriptor) -> String {
    let Descriptor {
        media_type,
        digest,
        size_bytes,
        ..
    } = descriptor;
    format!(
        "media-type = {}, digest = \"{digest}\", size = {size_bytes}",
        quoted(media_type.as_str())
    )
}

/// Returns a basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

#[derive(Deserialize)]
struct Version {
    version: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct LockText {
    #[serde(rename = "version")]
    _version: i64,
    #[serde(rename = "checksum")]
    _checksum: Digest,
    #[serde(default)]
    image: Vec<ImageText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ImageText {
    name: String,
    index: Option<Digest>,
    platform: Vec<PinText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct PinText {
    platform: String,
    manifest: DescriptorText,
    config: DescriptorText,
    layers: Vec<LayerText>,
    facts_version: u32,
    facts: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct DescriptorText {
    media_type: String,
    digest: Digest,
    size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct LayerText {
    media_type: String,
    digest: Digest,
    size: u64,
    diff_id: DiffId,
}

fn parse(text: &str, path: &Path) -> Result<Lock, LockError> {
    let altered = |reason: String| LockError::Altered {
        path: path.to_owned(),
        reason,
    };
    let malformed = |error: toml::de::Error| {
        let line = error
            .span()
            .map(|span| text[..span.start.min(text.len())].lines().count().max(1));
        let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        altered(format!("{line}{}", escape(error.message().as_bytes())))
    };
    // Checked first, since a later version may have any content.
    let Version { version } = toml::from_str(text).map_err(malformed)?;
    if version > LOCK_VERSION {
        return Err(LockError::Newer {
            path: path.to_owned(),
            version,
            supported: LOCK_VERSION,
        });
    }
    let parsed: LockText = toml::from_str(text).map_err(malformed)?;
    let lock = lock(parsed).map_err(altered)?;
    // There is one valid form, so any difference, even in the checksum, means that the file was altered.
    if write(&lock) == text {
        Ok(lock)
    } else {
        Err(altered("the checksum does not match, or the format differs".to_owned()))
    }
}

fn lock(text: LockText) -> Result<Lock, String> {
    let mut images = BTreeMap::new();
    for image in text.image {
        let mut locked = LockedImage {
            index: image.index,
            platforms: BTreeMap::new(),
        };
        for pin in image.platform {
            let platform: Platform = pin.platform.parse().map_err(|_| "invalid platform".to_owned())?;
            locked.platforms.insert(platform, pin_of(pin)?);
        }
        images.insert(image.name, locked);
    }
    Ok(Lock { images })
}

fn pin_of(text: PinText) -> Result<Pin, String> {
    let compressed = STANDARD
        .decode(text.facts)
        .map_err(|_| "facts are not base64".to_owned())?;
    let layer = |layer: LayerText| LockedLayer {
        descriptor: descriptor(DescriptorText {
            media_type: layer.media_type,
            digest: layer.digest,
            size: layer.size,
        }),
        diff_id: layer.diff_id,
    };
    Ok(Pin {
        manifest: descriptor(text.manifest),
        config: descriptor(text.config),
        layers: text.layers.into_iter().map(layer).collect(),
        facts: LockedFacts {
            version: text.facts_version,
            compressed,
        },
    })
}

fn descriptor(text: DescriptorText) -> Descriptor {
    Descriptor::new(MediaType::from(&text.media_type[..]), text.digest, text.size)
}

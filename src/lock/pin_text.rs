//! The text of one platform's pin: its descriptors and its facts. It is the same in the facts files and in lockfiles of
//! version 1.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::pin::{LockedFacts, LockedLayer, Pin};
use crate::model::{Descriptor, DiffId, Digest, MediaType, Platform};

/// Appends the lines of a pin.
pub fn write_pin(text: &mut String, platform: &Platform, pin: &Pin) {
    let _ = write!(
        text,
        "platform = {}\nmanifest = {{ {} }}\nconfig = {{ {} }}\nlayers = [\n",
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
pub fn quoted(text: &str) -> String {
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

/// Returns the number of the line that contains the byte at `offset`, and counts from one.
pub fn line_at(text: impl AsRef<[u8]>, offset: usize) -> usize {
    let text = text.as_ref();
    let before = &text[..offset.min(text.len())];
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The fields of [`write_pin`].
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PinText {
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

impl PinText {
    /// Returns the pin with its platform, or what is wrong with it.
    pub fn into_pin(self) -> Result<(Platform, Pin), String> {
        let platform = self.platform.parse().map_err(|_| "invalid platform".to_owned())?;
        let compressed = STANDARD
            .decode(self.facts)
            .map_err(|_| "facts are not base64".to_owned())?;
        let layer = |layer: LayerText| LockedLayer {
            descriptor: descriptor(DescriptorText {
                media_type: layer.media_type,
                digest: layer.digest,
                size: layer.size,
            }),
            diff_id: layer.diff_id,
        };
        let pin = Pin {
            manifest: descriptor(self.manifest),
            config: descriptor(self.config),
            layers: self.layers.into_iter().map(layer).collect(),
            facts: LockedFacts {
                version: self.facts_version,
                compressed,
            },
        };
        Ok((platform, pin))
    }
}

fn descriptor(text: DescriptorText) -> Descriptor {
    Descriptor::new(MediaType::from(&text.media_type[..]), text.digest, text.size)
}

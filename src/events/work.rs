//! What a task does, in parts, so that a reader with little room can leave some out.

use std::fmt;

use crate::model::{Digest, Platform};

/// Digits of a digest that users see.
const SHORT_DIGEST_DIGITS: usize = 12;

/// What a task works on: a layer, a blob, an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// Name of the layer or the image, or the start of a digest. Empty if the verb says it all.
    pub name: String,
    /// The platform that it belongs to, if it belongs to exactly one.
    pub platform: Option<Platform>,
    /// The blob, if the name is not its digest.
    pub digest: Option<Digest>,
}

impl Item {
    /// Returns a item that does not belong to one platform.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Returns a blob without a name.
    pub fn blob(digest: &Digest) -> Self {
        Self::new(&digest.hex()[..SHORT_DIGEST_DIGITS])
    }

    /// Adds the platform that it belongs to.
    #[must_use]
    pub fn for_platform(self, platform: Option<Platform>) -> Self {
        Self { platform, ..self }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        if let Some(platform) = &self.platform {
            write!(formatter, " for {platform}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, " ({})", &digest.hex()[..SHORT_DIGEST_DIGITS])?;
        }
        Ok(())
    }
}

/// What a task does: `packing app for linux/amd64`, `writing app for linux/amd64 (0123456789ab) to oci:out`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The action, in the -ing form.
    pub verb: &'static str,
    /// What it works on.
    pub item: Item,
    /// Where it is written to.
    pub target: Option<String>,
}

impl Work {
    /// Returns work that is not written to a target.
    pub fn new(verb: &'static str, item: Item) -> Self {
        Self {
            verb,
            item,
            target: None,
        }
    }

    /// Returns the writing of `item` to a target.
    pub fn writing(item: Item, target: &str) -> Self {
        Self {
            target: Some(target.to_owned()),
            ..Self::new("writing", item)
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.verb)?;
        if !self.item.name.is_empty() {
            write!(formatter, " {}", self.item)?;
        }
        match &self.target {
            Some(target) => write!(formatter, " to {target}"),
            None => Ok(()),
        }
    }
}

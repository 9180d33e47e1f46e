//! What a build of some platforms of an image says of the whole image, so that its parts can be joined.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Digest, Platform};

/// The whole that a part belongs to, as its build recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// All platforms of the image, in the spec's order.
    #[serde(with = "platform_texts")]
    pub of: Vec<Platform>,
    /// The tags that name the whole image.
    pub tags: Vec<String>,
    /// What all of its platforms share.
    pub build: BuildInputs,
    /// Set if the part was not written, since an earlier image has its platforms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged: Option<UnchangedPart>,
}

/// What the index of a part would be that was not written, because an earlier image has the same platforms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnchangedPart {
    /// Its digest, which images that are based on it may name.
    pub index: Digest,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// What all platforms of a build share. Parts whose inputs are equal belong to one image. Artifacts are not included:
/// they are expected to differ between platforms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildInputs {
    /// Version of the byte format.
    pub format: u32,
    /// Digest of the spec's values, and those of the members that it is based on.
    pub spec: Digest,
    /// Digest of the values of all variables.
    pub variables: Digest,
    /// The digests of the images that the spec names, as far as the build resolved them.
    pub images: BTreeMap<String, Digest>,
    /// SOURCE_DATE_EPOCH, in seconds.
    pub source_date_epoch: i64,
}

impl BuildInputs {
    /// Returns what differs from another build, for people; `None` if both are builds of one image. An image that only
    /// one of the builds resolved is for other platforms, and makes no difference.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.format != other.format {
            return Some(format!("byte formats {} and {} differ", self.format, other.format));
        }
        if self.spec != other.spec {
            return Some("their specs differ".to_owned());
        }
        if self.variables != other.variables {
            return Some("the values of their variables differ".to_owned());
        }
        let moved = self.images.iter().find_map(|(name, digest)| {
            let second = other.images.get(name).filter(|second| *second != digest)?;
            Some(format!("their lockfiles differ: {name} is {digest} and {second}"))
        });
        let epochs = [self.source_date_epoch, other.source_date_epoch];
        let moved_epoch =
            || (epochs[0] != epochs[1]).then(|| format!("SOURCE_DATE_EPOCH is {} and {}", epochs[0], epochs[1]));
        moved.or_else(moved_epoch)
    }
}

/// Platforms in the form `os/arch`.
mod platform_texts {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de};

    use crate::model::Platform;

    pub fn serialize<S: Serializer>(platforms: &[Platform], serializer: S) -> Result<S::Ok, S::Error> {
        let texts: Vec<String> = platforms.iter().map(ToString::to_string).collect();
        texts.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Platform>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let parsed = texts.iter().map(|text| text.parse().map_err(de::Error::custom));
        parsed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> BuildInputs {
        BuildInputs {
            format: 1,
            spec: Digest::of(b"spec"),
            variables: Digest::of(b"variables"),
            images: BTreeMap::from([("a".to_owned(), Digest::of(b"a"))]),
            source_date_epoch: 7,
        }
    }

    #[test]
    fn the_first_difference_is_named() {
        let spec = BuildInputs {
            spec: Digest::of(b""),
            ..inputs()
        };
        let variables = BuildInputs {
            variables: Digest::of(b""),
            ..inputs()
        };
        let lock = BuildInputs {
            images: BTreeMap::from([("a".to_owned(), Digest::of(b"b"))]),
            ..inputs()
        };
        let epoch = BuildInputs {
            source_date_epoch: 8,
            ..inputs()
        };
        let format = BuildInputs { format: 2, ..inputs() };
        for (other, expected) in [
            (&spec, "specs"),
            (&variables, "variables"),
            (&lock, "lockfiles differ: a is"),
            (&epoch, "SOURCE_DATE_EPOCH is 7 and 8"),
            (&format, "byte formats 1 and 2"),
        ] {
            let difference = inputs().difference(other).unwrap();
            assert!(difference.contains(expected), "{difference}");
        }
    }

    #[test]
    fn an_image_of_one_platform_makes_no_difference() {
        let other = BuildInputs {
            images: BTreeMap::from([("b".to_owned(), Digest::of(b"b"))]),
            ..inputs()
        };
        assert_eq!(inputs().difference(&other), None);
        assert_eq!(inputs().difference(&inputs()), None);
    }

    #[test]
    fn a_part_is_read_as_it_is_written() {
        let part = Part {
            of: vec![Platform::new("linux", "amd64"), "linux/arm/v7".parse().unwrap()],
            tags: vec!["1.0".to_owned()],
            build: inputs(),
            unchanged: None,
        };
        let text = serde_json::to_string(&part).unwrap();
        assert!(text.contains(r#""of":["linux/amd64","linux/arm/v7"]"#), "{text}");
        assert!(!text.contains("unchanged"), "{text}");
        assert_eq!(serde_json::from_str::<Part>(&text).unwrap(), part);
        let unchanged = UnchangedPart {
            index: Digest::of(b"index"),
            annotations: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        };
        let part = Part {
            unchanged: Some(unchanged),
            ..part
        };
        let text = serde_json::to_string(&part).unwrap();
        assert_eq!(serde_json::from_str::<Part>(&text).unwrap(), part);
    }
}

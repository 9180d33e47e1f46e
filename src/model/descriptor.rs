//! Descriptors: typed pointers to content (image-spec, descriptor.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Digest, Family, MediaType, Platform, lenient};

/// A reference to a blob by media type, digest and size. Unknown fields are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Descriptor {
    /// Media type of the blob.
    pub media_type: MediaType,
    /// Digest of the blob.
    pub digest: Digest,
    /// Size of the blob, in bytes.
    pub size_bytes: u64,
    /// Annotations, sorted.
    pub annotations: BTreeMap<String, String>,
    /// The platform of a manifest in an index. `None` if it does not have both an operating system and an architecture.
    pub platform: Option<Platform>,
    /// Other fields of the platform (`os.version`, `os.features`), unchanged.
    pub platform_details: BTreeMap<String, Value>,
    /// Other fields of the descriptor (`urls`, `artifactType`, `data`), unchanged.
    pub other: BTreeMap<String, Value>,
}

/// A descriptor in the form of JSON documents.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename = "a descriptor")]
struct Written {
    media_type: MediaType,
    digest: Digest,
    #[serde(rename = "size")]
    size_bytes: u64,
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "lenient::texts"
    )]
    annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platform: Option<WrittenPlatform>,
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct WrittenPlatform {
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    os: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
    #[serde(flatten)]
    details: BTreeMap<String, Value>,
}

impl From<Written> for Descriptor {
    fn from(written: Written) -> Self {
        let Written {
            media_type,
            digest,
            size_bytes,
            annotations,
            platform,
            other,
        } = written;
        // Programs in Go write empty strings for missing values.
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (platform, platform_details) = match platform {
            Some(WrittenPlatform {
                architecture,
                os,
                variant,
                mut details,
            }) => {
                let architecture = given(architecture);
                let os = given(os);
                let variant = given(variant);
                match (os, architecture) {
                    (Some(os), Some(architecture)) => (
                        Some(Platform {
                            architecture,
                            os,
                            variant,
                        }),
                        details,
                    ),
                    (os, architecture) => {
                        let rest = [("os", os), ("architecture", architecture), ("variant", variant)];
                        details.extend(
                            rest.into_iter()
                                .filter_map(|(name, text)| Some((name.to_owned(), text?.into()))),
                        );
                        (None, details)
                    }
                }
            }
            None => (None, BTreeMap::new()),
        };
        Self {
            media_type,
            digest,
            size_bytes,
            annotations,
            platform,
            platform_details,
            other,
        }
    }
}

impl From<Descriptor> for Written {
    fn from(descriptor: Descriptor) -> Self {
        let Descriptor {
            media_type,
            digest,
            size_bytes,
            annotations,
            platform,
            platform_details,
            other,
        } = descriptor;
        let platform = match platform {
            None if platform_details.is_empty() => None,
            None => Some(WrittenPlatform {
                architecture: None,
                os: None,
                variant: None,
                details: platform_details,
            }),
            Some(Platform {
                architecture,
                os,
                variant,
            }) => {
                let architecture = Some(architecture);
                let os = Some(os);
                Some(WrittenPlatform {
                    architecture,
                    os,
                    variant,
                    details: platform_details,
                })
            }
        };
        Self {
            media_type,
            digest,
            size_bytes,
            annotations,
            platform,
            other,
        }
    }
}

impl Descriptor {
    /// Returns a descriptor of bytes in memory.
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// Returns a descriptor without annotations and platform.
    pub fn new(media_type: MediaType, digest: Digest, size_bytes: u64) -> Self {
        Self {
            media_type,
            digest,
            size_bytes,
            annotations: BTreeMap::new(),
            platform: None,
            platform_details: BTreeMap::new(),
            other: BTreeMap::new(),
        }
    }

    /// Returns the `artifactType` of the described content, unless it is that of an image.
    pub fn artifact_type(&self) -> Option<&str> {
        artifact_type(&self.other)
    }

    /// Returns the descriptor with a media type of `family`; `None` if the family has no media type for the content.
    pub fn in_family(&self, family: Family) -> Option<Self> {
        Some(Self {
            media_type: self.media_type.in_family(family)?,
            ..self.clone()
        })
    }
}

/// Returns the `artifactType` among fields, unless it is that of an image: image-spec also allows the config's media
/// type there.
pub(super) fn artifact_type(fields: &BTreeMap<String, Value>) -> Option<&str> {
    let named = fields.get("artifactType")?.as_str()?;
    (!named.is_empty() && !MediaType::from(named).is_config()).then_some(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_stands_in_it_is_written_again() {
        let digest = Digest::of(b"x");
        let text = format!(
            r#"{{"annotations":{{"a":"b"}},"digest":"{digest}","mediaType":"m","platform":{{"architecture":"amd64","os":"windows","os.features":["f"],"os.version":"10.0.1"}},"size":1,"urls":["u"]}}"#
        );
        let descriptor: Descriptor = serde_json::from_str(&text).unwrap();
        assert_eq!(descriptor.platform, Some(Platform::new("windows", "amd64")));
        assert_eq!(
            super::super::strict_json::canonical(&descriptor).unwrap(),
            text.as_bytes()
        );
    }

    #[test]
    fn a_platform_without_names_is_none() {
        for platform in [
            "null",
            "{}",
            r#"{"os":"","architecture":""}"#,
            r#"{"architecture":"amd64"}"#,
            r#"{"os":null}"#,
        ] {
            let digest = Digest::of(b"x");
            let text = format!(r#"{{"mediaType":"m","digest":"{digest}","size":1,"platform":{platform}}}"#);
            assert_eq!(
                serde_json::from_str::<Descriptor>(&text).unwrap().platform,
                None,
                "{platform}"
            );
        }
    }
}

//! Media types of the families OCI and Docker schema 2, and their equivalents (image-spec, media-types.md).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The family of media types that a manifest uses. A whole tree uses one family: registries refuse mixtures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Family {
    /// `application/vnd.oci.*`
    #[default]
    Oci,
    /// `application/vnd.docker.*`
    Docker,
}

macro_rules! media_types {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The media type of a blob.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum MediaType {
            $($(#[$doc])* $name,)*
            /// Any other media type, as written.
            Other(String),
        }

        impl MediaType {
            /// Returns the name for a descriptor and for `Content-Type`.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for MediaType {
            /// Drops parameters (`; charset=utf-8`).
            fn from(text: &str) -> Self {
                match text.split(';').next().unwrap_or_default().trim() {
                    $($text => Self::$name,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }
    };
}

media_types! {
    /// Image index.
    OciIndex = "application/vnd.oci.image.index.v1+json",
    /// Image manifest.
    OciManifest = "application/vnd.oci.image.manifest.v1+json",
    /// Image config.
    OciConfig = "application/vnd.oci.image.config.v1+json",
    /// Uncompressed layer.
    OciLayer = "application/vnd.oci.image.layer.v1.tar",
    /// Layer compressed by gzip.
    OciLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip",
    /// Layer compressed by zstd.
    OciLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd",
    /// Uncompressed layer that must not be distributed (deprecated).
    OciForeignLayer = "application/vnd.oci.image.layer.nondistributable.v1.tar",
    /// Layer compressed by gzip that must not be distributed (deprecated).
    OciForeignLayerGzip = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    /// Layer compressed by zstd that must not be distributed (deprecated).
    OciForeignLayerZstd = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    /// Docker's manifest list.
    DockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json",
    /// Docker's manifest, schema 2.
    DockerManifest = "application/vnd.docker.distribution.manifest.v2+json",
    /// Docker's manifest, schema 1: refused with an error.
    DockerSchema1 = "application/vnd.docker.distribution.manifest.v1+json",
    /// Docker's manifest, schema 1, signed: refused with an error.
    DockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws",
    /// Docker's config.
    DockerConfig = "application/vnd.docker.container.image.v1+json",
    /// Docker's uncompressed layer, as in docker-archives.
    DockerLayer = "application/vnd.docker.image.rootfs.diff.tar",
    /// Docker's layer.
    DockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip",
    /// Layer compressed by zstd in Docker's family, as containerd and BuildKit name it. The image manifest version 2
    /// schema 2 does not define it, and podman does not write it.
    DockerLayerZstd = "application/vnd.docker.image.rootfs.diff.tar.zstd",
    /// Docker's uncompressed layer that must not be distributed.
    DockerForeignLayer = "application/vnd.docker.image.rootfs.foreign.diff.tar",
    /// Docker's layer that must not be distributed.
    DockerForeignLayerGzip = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
}

/// Equivalent media types: OCI, Docker.
const PAIRS: [(MediaType, MediaType); 7] = [
    (MediaType::OciIndex, MediaType::DockerIndex),
    (MediaType::OciManifest, MediaType::DockerManifest),
    (MediaType::OciConfig, MediaType::DockerConfig),
    (MediaType::OciLayer, MediaType::DockerLayer),
    (MediaType::OciLayerGzip, MediaType::DockerLayerGzip),
    (MediaType::OciForeignLayer, MediaType::DockerForeignLayer),
    (MediaType::OciForeignLayerGzip, MediaType::DockerForeignLayerGzip),
];

impl MediaType {
    /// Returns the equivalent in `family`; `None` if the family has no generally supported one (zstd in Docker's).
    pub fn in_family(&self, family: Family) -> Option<MediaType> {
        if *self == Self::DockerLayerZstd {
            // Read because other tools write it. It is never written unless the source has it.
            return Some(if family == Family::Oci {
                Self::OciLayerZstd
            } else {
                self.clone()
            });
        }
        let pair = PAIRS.iter().find(|(oci, docker)| self == oci || self == docker);
        match (pair, family) {
            (Some((oci, _)), Family::Oci) => Some(oci.clone()),
            (Some((_, docker)), Family::Docker) => Some(docker.clone()),
            (None, Family::Oci) => Some(self.clone()),
            (None, Family::Docker) => None,
        }
    }

    /// Returns `true` for an index or a manifest list.
    pub fn is_index(&self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerIndex)
    }

    /// Returns `true` for an image manifest of either family.
    pub fn is_manifest(&self) -> bool {
        matches!(self, Self::OciManifest | Self::DockerManifest)
    }

    /// Returns `true` for a layer of either family.
    pub fn is_layer(&self) -> bool {
        self.is_foreign()
            || matches!(
                self,
                Self::OciLayer
                    | Self::OciLayerGzip
                    | Self::OciLayerZstd
                    | Self::DockerLayer
                    | Self::DockerLayerGzip
                    | Self::DockerLayerZstd
            )
    }

    /// Returns `true` for an image config of either family.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::OciConfig | Self::DockerConfig)
    }

    /// Returns `true` for a layer that a registry need not store (its `urls` give its location).
    pub fn is_foreign(&self) -> bool {
        matches!(
            self,
            Self::OciForeignLayer
                | Self::OciForeignLayerGzip
                | Self::OciForeignLayerZstd
                | Self::DockerForeignLayer
                | Self::DockerForeignLayerGzip
        )
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for MediaType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_convert_both_ways_and_zstd_has_none() {
        for (oci, docker) in &PAIRS {
            assert_eq!(oci.in_family(Family::Docker).as_ref(), Some(docker));
            assert_eq!(docker.in_family(Family::Oci).as_ref(), Some(oci));
            assert_eq!(oci.in_family(Family::Oci).as_ref(), Some(oci));
        }
        assert_eq!(MediaType::OciLayerZstd.in_family(Family::Docker), None);
        assert_eq!(
            MediaType::DockerLayerZstd.in_family(Family::Oci),
            Some(MediaType::OciLayerZstd)
        );
        assert_eq!(
            MediaType::DockerLayerZstd.in_family(Family::Docker),
            Some(MediaType::DockerLayerZstd)
        );
    }

    #[test]
    fn layers_are_known_by_their_type() {
        for text in [
            "application/vnd.docker.image.rootfs.diff.tar",
            "application/vnd.docker.image.rootfs.diff.tar.zstd",
            "application/vnd.docker.image.rootfs.foreign.diff.tar",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
            "application/vnd.oci.image.layer.v1.tar",
        ] {
            assert!(MediaType::from(text).is_layer(), "{text}");
            assert_eq!(
                MediaType::from(text).is_foreign(),
                text.contains("foreign") || text.contains("nondist"),
                "{text}"
            );
        }
        for text in [
            "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
            "application/octet-stream",
            "",
        ] {
            assert!(!MediaType::from(text).is_layer(), "{text}");
        }
        assert!(!MediaType::OciConfig.is_layer());
    }

    #[test]
    fn parameters_are_dropped() {
        assert_eq!(
            MediaType::from("application/vnd.oci.image.index.v1+json; charset=utf-8"),
            MediaType::OciIndex
        );
    }
}

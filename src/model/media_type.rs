//! Media types of the two families, OCI and Docker schema 2, and their pairs (image-spec, media-types.md).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The family whose names a manifest uses. A whole tree is of one family: registries refuse mixtures.
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
        /// What the bytes of a blob are.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum MediaType {
            $($(#[$doc])* $name,)*
            /// Any other, kept as it is written.
            Other(String),
        }

        impl MediaType {
            /// The name in a descriptor and in `Content-Type`.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for MediaType {
            /// Parameters (`; charset=utf-8`) are dropped.
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
    /// Plain layer.
    OciLayer = "application/vnd.oci.image.layer.v1.tar",
    /// Layer through gzip.
    OciLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip",
    /// Layer through zstd.
    OciLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd",
    /// Plain layer that must not be distributed (deprecated).
    OciForeignLayer = "application/vnd.oci.image.layer.nondistributable.v1.tar",
    /// Layer through gzip that must not be distributed (deprecated).
    OciForeignLayerGzip = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    /// Layer through zstd that must not be distributed (deprecated).
    OciForeignLayerZstd = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    /// Docker's manifest list.
    DockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json",
    /// Docker's manifest, schema 2.
    DockerManifest = "application/vnd.docker.distribution.manifest.v2+json",
    /// Docker's manifest, schema 1: refused with a clear error.
    DockerSchema1 = "application/vnd.docker.distribution.manifest.v1+json",
    /// Docker's manifest, schema 1, signed: refused with a clear error.
    DockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws",
    /// Docker's config.
    DockerConfig = "application/vnd.docker.container.image.v1+json",
    /// Docker's plain layer, as docker-archives hold it.
    DockerLayer = "application/vnd.docker.image.rootfs.diff.tar",
    /// Docker's layer.
    DockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip",
    /// Layer through zstd in Docker's family, as containerd and BuildKit name it. The image manifest version 2 schema 2
    /// does not have it, and podman does not write it.
    DockerLayerZstd = "application/vnd.docker.image.rootfs.diff.tar.zstd",
    /// Docker's plain layer that must not be distributed.
    DockerForeignLayer = "application/vnd.docker.image.rootfs.foreign.diff.tar",
    /// Docker's layer that must not be distributed.
    DockerForeignLayerGzip = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
}

/// Pairs of the same meaning: OCI, Docker.
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
    /// The name of the same content in `family`; `None` where that family has no name for it that its readers agree on (zstd
    /// in Docker's).
    pub fn in_family(&self, family: Family) -> Option<MediaType> {
        if *self == Self::DockerLayerZstd {
            // Read by those who know the name, and written by nobody who does not have it from there.
            return Some(if family == Family::Oci { Self::OciLayerZstd } else { self.clone() });
        }
        let pair = PAIRS.iter().find(|(oci, docker)| self == oci || self == docker);
        match (pair, family) {
            (Some((oci, _)), Family::Oci) => Some(oci.clone()),
            (Some((_, docker)), Family::Docker) => Some(docker.clone()),
            (None, Family::Oci) => Some(self.clone()),
            (None, Family::Docker) => None,
        }
    }

    /// True for an index or a manifest list.
    pub fn is_index(&self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerIndex)
    }

    /// True for an image manifest of either family.
    pub fn is_manifest(&self) -> bool {
        matches!(self, Self::OciManifest | Self::DockerManifest)
    }

    /// True for a layer of either family.
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

    /// True for an image config of either family.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::OciConfig | Self::DockerConfig)
    }

    /// True for a layer that a registry need not hold (its `urls` say where it is).
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
        assert_eq!(MediaType::DockerLayerZstd.in_family(Family::Oci), Some(MediaType::OciLayerZstd));
        assert_eq!(MediaType::DockerLayerZstd.in_family(Family::Docker), Some(MediaType::DockerLayerZstd));
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
        for text in ["application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "application/octet-stream", ""] {
            assert!(!MediaType::from(text).is_layer(), "{text}");
        }
        assert!(!MediaType::OciConfig.is_layer());
    }

    #[test]
    fn parameters_are_dropped() {
        assert_eq!(MediaType::from("application/vnd.oci.image.index.v1+json; charset=utf-8"), MediaType::OciIndex);
    }
}

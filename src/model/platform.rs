//! Platforms, and which platform of a base serves which platform of an image (image-spec, image-index.md "platform").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Operating system, processor architecture and variant, by Go's names (`linux`, `arm64`, `v8`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// GOARCH, such as `amd64`.
    pub architecture: String,
    /// GOOS, such as `linux`.
    pub os: String,
    /// Such as `v7` of `arm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A text that is not `os/arch[/variant]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{}\" is not a platform: expected os/arch or os/arch/variant, such as linux/amd64", super::escape(.0.as_bytes()))]
pub struct PlatformError(pub String);

impl super::Diagnose for PlatformError {
    fn class(&self) -> super::Class {
        super::Class::Input
    }
}

impl Platform {
    /// A platform without variant.
    pub fn new(os: &str, architecture: &str) -> Self {
        Self { architecture: architecture.to_owned(), os: os.to_owned(), variant: None }
    }

    /// The variant that is meant: what is said, else containerd's defaults (`arm` means v7, `arm64` means v8).
    pub fn effective_variant(&self) -> Option<&str> {
        match (self.variant.as_deref(), self.architecture.as_str()) {
            (None, "arm") => Some("v7"),
            (None, "arm64") => Some("v8"),
            (variant, _) => variant,
        }
    }

    /// How well `offered`, a platform of a base, serves `self`: 0 is exact, larger is worse, `None` not at all.
    ///
    /// os and architecture must be equal. Variants follow containerd: a lower arm variant serves where the exact one is
    /// lacking; for every other architecture the effective variants must be equal.
    pub fn distance(&self, offered: &Platform) -> Option<u32> {
        if self.os != offered.os || self.architecture != offered.architecture {
            return None;
        }
        let (wanted, found) = (self.effective_variant(), offered.effective_variant());
        if wanted == found {
            return Some(0);
        }
        if self.architecture != "arm" {
            return None;
        }
        let (wanted, found) = (arm_level(wanted?)?, arm_level(found?)?);
        wanted.checked_sub(found)
    }

    /// `${machine}` of the spec: the kernel's name of the processor (`x86_64`, `aarch64`).
    pub fn machine(&self) -> &str {
        match (self.architecture.as_str(), self.effective_variant()) {
            ("amd64", _) => "x86_64",
            ("arm64", _) => "aarch64",
            ("386", _) => "i686",
            ("arm", Some("v6")) => "armv6l",
            ("arm", Some("v5")) => "armv5l",
            ("arm", _) => "armv7l",
            ("loong64", _) => "loongarch64",
            ("mipsle", _) => "mips",
            ("mips64le", _) => "mips64",
            (other, _) => other,
        }
    }

    /// `${node_arch}` of the spec: the name that Node.js and npm use (`x64`, `arm64`).
    pub fn node_arch(&self) -> &str {
        match self.architecture.as_str() {
            "amd64" => "x64",
            "386" => "ia32",
            "ppc64le" => "ppc64",
            "mipsle" => "mipsel",
            other => other,
        }
    }

    /// `${gnu_triplet}` of the spec: Debian's multiarch tuple (`x86_64-linux-gnu`).
    pub fn gnu_triplet(&self) -> String {
        let cpu = match (self.architecture.as_str(), self.effective_variant()) {
            ("386", _) => "i386",
            ("ppc64le", _) => "powerpc64le",
            ("arm", Some("v5" | "v6")) => return format!("arm-{}-gnueabi", self.os),
            ("arm", _) => return format!("arm-{}-gnueabihf", self.os),
            ("mips64le", _) => return format!("mips64el-{}-gnuabi64", self.os),
            ("mipsle", _) => "mipsel",
            _ => self.machine(),
        };
        format!("{cpu}-{}-gnu", self.os)
    }
}

fn arm_level(variant: &str) -> Option<u32> {
    variant.strip_prefix('v')?.parse().ok()
}

impl FromStr for Platform {
    type Err = PlatformError;
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let error = || PlatformError(text.to_owned());
        let parts: Vec<&str> = text.split('/').collect();
        let is_name = |part: &&str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
        };
        if !parts.iter().all(is_name) {
            return Err(error());
        }
        match parts[..] {
            [os, architecture] => Ok(Self::new(os, architecture)),
            [os, architecture, variant] => {
                Ok(Self { variant: Some(variant.to_owned()), ..Self::new(os, architecture) })
            }
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [Some(&self.os), Some(&self.architecture), self.variant.as_ref()];
        for (at, part) in parts.into_iter().flatten().enumerate() {
            let slash = if at == 0 { "" } else { "/" };
            // A config may say anything; what a spec may say needs no escaping.
            write!(formatter, "{slash}{}", super::escape(part.as_bytes()))?;
        }
        Ok(())
    }
}

/// The best of `offered` for `wanted`: its position, or `None` where none serves. Of equals the first wins.
pub fn best_match<'a>(wanted: &Platform, offered: impl IntoIterator<Item = &'a Platform>) -> Option<usize> {
    let distances = offered.into_iter().enumerate().filter_map(|(at, found)| Some((wanted.distance(found)?, at)));
    distances.min().map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn parses_and_prints() {
        for good in ["linux/amd64", "linux/arm/v7", "windows/amd64"] {
            assert_eq!(platform(good).to_string(), good);
        }
        for bad in ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "Linux/amd64", "linux/amd 64"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }

    #[test]
    fn variants_follow_containerd() {
        assert_eq!(platform("linux/arm64").distance(&platform("linux/arm64/v8")), Some(0));
        assert_eq!(platform("linux/arm").distance(&platform("linux/arm/v7")), Some(0));
        assert_eq!(platform("linux/arm/v7").distance(&platform("linux/arm/v6")), Some(1));
        assert_eq!(platform("linux/arm/v6").distance(&platform("linux/arm/v7")), None);
        assert_eq!(platform("linux/amd64").distance(&platform("linux/386")), None);
        assert_eq!(platform("linux/amd64").distance(&platform("linux/amd64/v3")), None);
        assert_eq!(platform("linux/amd64").distance(&platform("windows/amd64")), None);
    }

    #[test]
    fn the_nearest_wins() {
        let offered = ["linux/arm/v5", "linux/arm/v6", "linux/amd64"].map(platform);
        assert_eq!(best_match(&platform("linux/arm/v7"), &offered), Some(1));
        assert_eq!(best_match(&platform("linux/arm64"), &offered), None);
    }

    #[test]
    fn names_of_the_processor() {
        assert_eq!(platform("linux/arm64").gnu_triplet(), "aarch64-linux-gnu");
        assert_eq!(platform("linux/arm").gnu_triplet(), "arm-linux-gnueabihf");
        assert_eq!(platform("linux/amd64").node_arch(), "x64");
        assert_eq!(platform("linux/amd64").machine(), "x86_64");
    }
}

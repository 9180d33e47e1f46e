//! Platforms, and the selection of a base image's platform (image-spec, image-index.md "platform").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::platform_names::{self, Parts, UnknownPart};

/// Operating system, processor architecture and variant, in Go's names (`linux`, `arm64`, `v8`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// GOARCH, such as `amd64`.
    pub architecture: String,
    /// GOOS, such as `linux`.
    pub os: String,
    /// The variant, such as `v7` of `arm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// An error of a text that does not name a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// The text does not have the form `os/arch[/variant]`.
    #[error(
        "\"{}\" is not a platform: expected os/arch or os/arch/variant, such as linux/amd64",
        super::escape(.0.as_bytes())
    )]
    Malformed(String),
    /// The text has that form, but one of its names is not Go's, or Go has no port for the pair of names.
    #[error("{}", unknown(.platform, *.part))]
    Unknown {
        /// The given platform.
        platform: Platform,
        /// The part that is not known.
        part: UnknownPart,
    },
}

fn unknown(platform: &Platform, part: UnknownPart) -> String {
    let shown = |text: &str| super::escape(text.as_bytes());
    let system = shown(&platform.os);
    let architecture = shown(&platform.architecture);
    match part {
        UnknownPart::System => format!("unknown operating system \"{system}\" in platform \"{platform}\""),
        UnknownPart::Architecture => format!("unknown architecture \"{architecture}\" in platform \"{platform}\""),
        UnknownPart::Pair => format!("platform \"{platform}\" does not exist: {system} has no port for {architecture}"),
        UnknownPart::Variant => {
            let variant = shown(platform.variant.as_deref().unwrap_or_default());
            format!("unknown variant \"{variant}\" of {architecture} in platform \"{platform}\"")
        }
    }
}

impl super::Diagnostic for PlatformError {
    fn error_kind(&self) -> super::ErrorKind {
        super::ErrorKind::Input
    }

    fn help(&self) -> Option<String> {
        let text = match self {
            Self::Malformed(text) => text.clone(),
            Self::Unknown { platform, .. } => platform.to_string(),
        };
        if let Some(parts) = platform_names::meant(&text) {
            return Some(format!("did you mean {}?", Platform::of_parts(parts)));
        }
        let Self::Unknown { platform, part } = self else {
            return None;
        };
        let known = platform_names::known_names(*part, &platform.os, &platform.architecture).join(", ");
        Some(match part {
            UnknownPart::System => format!("known operating systems: {known}"),
            UnknownPart::Architecture | UnknownPart::Pair => format!("architectures of {}: {known}", platform.os),
            UnknownPart::Variant if known.is_empty() => format!("{} has no variants", platform.architecture),
            UnknownPart::Variant => format!("variants of {}: {known}", platform.architecture),
        })
    }
}

impl Platform {
    /// Returns a platform without variant.
    pub fn new(os: &str, architecture: &str) -> Self {
        Self {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            variant: None,
        }
    }

    fn of_parts((os, architecture, variant): Parts) -> Self {
        Self {
            architecture,
            os,
            variant,
        }
    }

    /// Parses a platform to build an image for. Accepts only Go's names, in Go's spelling.
    ///
    /// # Errors
    /// Returns [`PlatformError`]; its help names the platform that was probably meant.
    pub fn parse_known(text: &str) -> Result<Self, PlatformError> {
        let platform = Self::split(text)?;
        match platform.unknown_part() {
            None => Ok(platform),
            Some(part) => Err(PlatformError::Unknown { platform, part }),
        }
    }

    /// Parses a platform to select from an image. Also accepts the aliases that containerd accepts.
    ///
    /// # Errors
    /// Returns [`PlatformError`]; its help names the platform that was probably meant.
    pub fn parse_wanted(text: &str) -> Result<Self, PlatformError> {
        let said = Self::split(text)?;
        let wanted = said.normalized();
        match wanted.unknown_part() {
            None => Ok(wanted),
            // The error shows the text as given.
            Some(part) => Err(PlatformError::Unknown { platform: said, part }),
        }
    }

    /// Splits a text into two or three names, whether known or not.
    fn split(text: &str) -> Result<Self, PlatformError> {
        let is_name = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
        let parts: Vec<&str> = text.split('/').collect();
        match parts[..] {
            _ if !parts.iter().all(is_name) => Err(PlatformError::Malformed(text.to_owned())),
            [os, architecture] => Ok(Self::new(os, architecture)),
            [os, architecture, variant] => Ok(Self {
                variant: Some(variant.to_owned()),
                ..Self::new(os, architecture)
            }),
            _ => Err(PlatformError::Malformed(text.to_owned())),
        }
    }

    fn unknown_part(&self) -> Option<UnknownPart> {
        platform_names::unknown_part(&self.os, &self.architecture, self.variant.as_deref())
    }

    /// Returns the platform as normalized by containerd's `platforms.Normalize`: `arm64` for `aarch64`, lower case, and
    /// no variant if every processor has it. Platforms from outside are compared in this form.
    #[must_use]
    pub fn normalized(&self) -> Self {
        Self::of_parts(platform_names::normalized(
            &self.os,
            &self.architecture,
            self.variant.as_deref(),
        ))
    }

    /// Returns the variant, or containerd's default (v7 for `arm`, v8 for `arm64`).
    pub fn effective_variant(&self) -> Option<&str> {
        match (self.variant.as_deref(), self.architecture.as_str()) {
            (None, "arm") => Some("v7"),
            (None, "arm64") => Some("v8"),
            (variant, _) => variant,
        }
    }

    /// Returns `true` if both spellings mean the same platform (`linux/arm64` and `linux/arm64/v8`, `linux/amd64` and
    /// `linux/amd64/v1`).
    pub fn is_same_as(&self, other: &Platform) -> bool {
        self.distance(other) == Some(0) && other.distance(self) == Some(0)
    }

    /// Returns how well `offered`, a platform of a base image, fits `self`: 0 is exact, larger is worse, `None` does
    /// not fit.
    ///
    /// os and architecture must be equal. Variants follow containerd: if the exact one is missing, the nearest lower
    /// one is used.
    pub fn distance(&self, offered: &Platform) -> Option<u32> {
        let wanted = self.normalized();
        let offered = offered.normalized();
        if wanted.os != offered.os || wanted.architecture != offered.architecture {
            return None;
        }
        platform_names::steps_below(
            &wanted.architecture,
            wanted.variant.as_deref(),
            offered.variant.as_deref(),
        )
    }

    /// Returns `${machine}` of the spec: the kernel's name of the processor (`x86_64`, `aarch64`).
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

    /// Returns `${node_arch}` of the spec: the name that Node.js and npm use (`x64`, `arm64`).
    pub fn node_arch(&self) -> &str {
        match self.architecture.as_str() {
            "amd64" => "x64",
            "386" => "ia32",
            "ppc64le" => "ppc64",
            "mipsle" => "mipsel",
            other => other,
        }
    }

    /// Returns `${gnu_triplet}` of the spec: Debian's multiarch tuple (`x86_64-linux-gnu`).
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

impl FromStr for Platform {
    type Err = PlatformError;
    /// Accepts any names of Go's alphabet: a lockfile may be written by a later version, which knows more names.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let is_written = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/".contains(&byte);
        if text.bytes().all(is_written) {
            Self::split(text)
        } else {
            Err(PlatformError::Malformed(text.to_owned()))
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [Some(&self.os), Some(&self.architecture), self.variant.as_ref()];
        for (at, part) in parts.into_iter().flatten().enumerate() {
            let slash = if at == 0 { "" } else { "/" };
            // A config may contain any text; names from a spec need no escaping.
            write!(formatter, "{slash}{}", super::escape(part.as_bytes()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Diagnostic as _;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn parses_and_prints() {
        for good in ["linux/amd64", "linux/arm/v7", "windows/amd64"] {
            assert_eq!(platform(good).to_string(), good);
        }
        for bad in [
            "",
            "linux",
            "linux/",
            "/amd64",
            "linux/arm/v7/x",
            "Linux/amd64",
            "linux/amd 64",
        ] {
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
        assert_eq!(platform("linux/amd64/v3").distance(&platform("linux/amd64")), Some(2));
        assert_eq!(platform("linux/arm64/v9").distance(&platform("linux/aarch64")), Some(6));
    }

    #[test]
    fn two_names_of_one_platform_are_the_same() {
        for (left, right) in [
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm64", "linux/arm64/v8"),
            ("linux/amd64", "linux/amd64/v1"),
            ("linux/arm64/v9", "linux/arm64/v9.0"),
            ("linux/amd64", "linux/x86_64"),
        ] {
            assert!(platform(left).is_same_as(&platform(right)), "{left} {right}");
            assert!(platform(right).is_same_as(&platform(left)), "{left} {right}");
        }
        assert!(!platform("linux/amd64/v2").is_same_as(&platform("linux/amd64")));
        assert!(!platform("linux/arm/v6").is_same_as(&platform("linux/arm")));
    }

    #[test]
    fn unknown_names_are_refused_with_the_right_one() {
        for (text, message, help) in [
            (
                "linux/aarch64",
                "unknown architecture \"aarch64\" in platform \"linux/aarch64\"",
                "did you mean linux/arm64?",
            ),
            (
                "linx/amd64",
                "unknown operating system \"linx\" in platform \"linx/amd64\"",
                "did you mean linux/amd64?",
            ),
            (
                "linux/arm/7",
                "unknown variant \"7\" of arm in platform \"linux/arm/7\"",
                "did you mean linux/arm/v7?",
            ),
            (
                "darwin/386",
                "platform \"darwin/386\" does not exist: darwin has no port for 386",
                "architectures of darwin: amd64, arm64",
            ),
            (
                "linux/386/v1",
                "unknown variant \"v1\" of 386 in platform \"linux/386/v1\"",
                "386 has no variants",
            ),
            (
                "amd64",
                "\"amd64\" is not a platform: expected os/arch or os/arch/variant, such as linux/amd64",
                "did you mean linux/amd64?",
            ),
        ] {
            let error = Platform::parse_known(text).unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), error.help().as_deref()),
                (message, Some(help))
            );
        }
        for known in [
            "linux/amd64",
            "linux/arm64/v8",
            "linux/arm/v5",
            "windows/amd64",
            "wasip1/wasm",
            "linux/amd64/v4",
        ] {
            assert_eq!(Platform::parse_known(known).unwrap().to_string(), known);
        }
    }

    #[test]
    fn what_is_asked_for_may_be_written_as_containerd_takes_it() {
        for (text, wanted) in [
            ("linux/aarch64", "linux/arm64"),
            ("Linux/x86_64", "linux/amd64"),
            ("macos/arm64", "darwin/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
        ] {
            assert_eq!(Platform::parse_wanted(text).unwrap().to_string(), wanted);
        }
        let error = Platform::parse_wanted("linux/amd46").unwrap_err();
        assert_eq!(error.help().as_deref(), Some("did you mean linux/amd64?"));
        assert!(Platform::parse_wanted("linux/x64").is_err());
    }

    #[test]
    fn names_of_the_processor() {
        assert_eq!(platform("linux/arm64").gnu_triplet(), "aarch64-linux-gnu");
        assert_eq!(platform("linux/arm").gnu_triplet(), "arm-linux-gnueabihf");
        assert_eq!(platform("linux/amd64").node_arch(), "x64");
        assert_eq!(platform("linux/amd64").machine(), "x86_64");
    }
}

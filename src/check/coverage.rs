//! The coverage of a check. An image without findings is only good if it was checked.

use std::fmt;

use serde_json::{Value, json};

use super::abi::Architecture;
use super::subject::Subject;
use crate::model::Platform;

/// The parts of one platform's image that were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The platform.
    pub platform: Platform,
    /// Its layers, the base's included.
    pub layer_count: usize,
    /// Its files, as a container has them.
    pub file_count: usize,
}

impl Coverage {
    /// Returns the coverage of `subject`, whose image has `layer_count` layers.
    pub fn of(subject: &Subject, layer_count: usize) -> Self {
        Self {
            platform: subject.platform.clone(),
            layer_count,
            file_count: subject.file_count(),
        }
    }

    /// Returns the parts that no rule checks; `None` if all rules apply.
    pub fn gap(&self) -> Option<String> {
        gap(&self.platform)
    }

    /// Returns it as an object.
    pub fn to_json(&self) -> Value {
        json!({
            "platform": self.platform.to_string(),
            "layers": self.layer_count,
            "files": self.file_count,
            "not_checked": self.gap(),
        })
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let layers = counted(self.layer_count, "layer");
        write!(
            formatter,
            "{}: {layers}, {}",
            self.platform,
            counted(self.file_count, "file")
        )
    }
}

/// Returns the parts that no rule checks in images for a platform; `None` if all rules apply.
pub fn gap(platform: &Platform) -> Option<String> {
    let is_known = Architecture::of_platform(platform).is_some();
    (!is_known)
        .then(|| format!("programs for {platform} are not supported: processor, loader and libraries are not checked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_that_no_rule_knows_are_named() {
        for known in [
            "linux/amd64",
            "linux/arm/v7",
            "linux/mips64le",
            "linux/riscv64",
            "linux/amd64/v3",
        ] {
            assert_eq!(gap(&known.parse().unwrap()), None, "{known}");
        }
        for unknown in ["windows/amd64", "wasip1/wasm", "freebsd/amd64", "linux/unheard"] {
            assert!(gap(&unknown.parse().unwrap()).unwrap().contains(unknown));
        }
    }

    #[test]
    fn counts_are_told_in_words() {
        let coverage = Coverage {
            platform: Platform::new("linux", "amd64"),
            layer_count: 1,
            file_count: 2,
        };
        assert_eq!(coverage.to_string(), "linux/amd64: 1 layer, 2 files");
    }
}

//! The images of an earlier build, as its `--metadata` lists them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::failure::Failure;
use crate::build::ImageDigests;
use crate::model::{
    ImageMetadata, ImageState, MAX_METADATA_BYTES, Metadata, Part, Pipes, Platform, escape, escape_path, read_input,
};

/// Help for a file that is not used.
const HELP: &str = "give the file that `ocitect build --metadata FILE` wrote for this workspace";

/// The images of earlier builds, by the IDs of their members.
#[derive(Debug, Default)]
pub struct Earlier(BTreeMap<String, EarlierImage>);

/// An image of an earlier build.
#[derive(Debug)]
struct EarlierImage {
    /// What the file says of it, with fields that only other versions know.
    json: Value,
    image: ImageMetadata,
}

impl Earlier {
    /// Reads metadata files. A member may be in several of them, with one digest: a base is in each part of a build.
    ///
    /// # Errors
    /// Returns [`Failure`] for a file that cannot be read, or is not the metadata of a workspace.
    pub fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut earlier = Self::default();
        for path in paths {
            let bytes = read_input(path, Pipes::Read, MAX_METADATA_BYTES).map_err(|cause| cannot_read(path, &cause))?;
            let refused = |reason: String| {
                let path = escape_path(path);
                Failure::usage(&format!("--changed-from {path}: {reason}"), HELP)
            };
            for (id, image) in images(&bytes).map_err(refused)? {
                earlier.add(id, image).map_err(refused)?;
            }
        }
        Ok(earlier)
    }

    fn add(&mut self, id: String, earlier: EarlierImage) -> Result<(), String> {
        let digest = earlier.image.digest;
        match self.0.get(&id) {
            Some(known) if known.image.digest != digest => {
                let id = escape(id.as_bytes());
                Err(format!("{id} has the digests {} and {digest}", known.image.digest))
            }
            Some(_) => Ok(()),
            None => {
                self.0.insert(id, earlier);
                Ok(())
            }
        }
    }

    /// Returns `true` if a member's image had these digests. Of an image that is not built for all of its platforms, those
    /// of its manifests are compared.
    pub fn has(&self, id: &str, digests: &ImageDigests) -> bool {
        let Some(EarlierImage { image, .. }) = self.0.get(id) else {
            return false;
        };
        let has_all = || {
            let mut platforms = digests.platforms.iter();
            platforms.all(|(platform, digest)| {
                let mut known = image.platforms.iter();
                known.any(|known| known.platform == *platform && known.digest == *digest)
            })
        };
        image.digest == digests.root || (digests.part.is_some() && has_all())
    }

    /// Returns what the file says of a member's image, for the metadata of a build that leaves it as it is. A build of
    /// some platforms lists these, and the whole that they are a `part` of.
    pub fn unchanged_json(&self, id: &str, part: Option<&UnchangedPlatforms>) -> Option<Value> {
        let mut json = self.0.get(id)?.json.clone();
        json["state"] = ImageState::Unchanged.as_str().into();
        if let Some(UnchangedPlatforms { platforms, part }) = part {
            let is_built = |entry: &Value| {
                let name = entry.get("platform").and_then(Value::as_str);
                let platform = name.and_then(|name| name.parse::<Platform>().ok());
                platform.is_some_and(|platform| platforms.contains(&platform))
            };
            if let Some(listed) = json.get_mut("platforms").and_then(Value::as_array_mut) {
                listed.retain(is_built);
            }
            json["part"] = json!(part);
        }
        Some(json)
    }

    /// Returns `true` if a member's image had this tag.
    pub fn has_tag(&self, id: &str, tag: &str) -> bool {
        let tags = self.0.get(id).map(|earlier| &earlier.image.tags);
        tags.is_some_and(|tags| tags.iter().any(|known| known.as_str() == tag))
    }
}

/// The platforms of an unchanged image that a build of some platforms is for.
#[derive(Debug)]
pub struct UnchangedPlatforms {
    pub platforms: Vec<Platform>,
    /// The whole that they are a part of.
    pub part: Part,
}

fn cannot_read(path: &Path, cause: &std::io::Error) -> Failure {
    let shown = escape_path(path);
    match cause.kind() {
        ErrorKind::NotFound => Failure::usage(
            &format!("--changed-from {shown}: the file does not exist"),
            "for the first build, leave out --changed-from",
        ),
        ErrorKind::FileTooLarge => Failure::usage(
            &format!("--changed-from {shown}: the file has more than {MAX_METADATA_BYTES} bytes"),
            HELP,
        ),
        _ => Failure::here(&format!("cannot read {shown}")).caused_by(cause),
    }
}

/// Returns the images of the metadata of a workspace, by the IDs of their members.
fn images(bytes: &[u8]) -> Result<Vec<(String, EarlierImage)>, String> {
    let metadata = Metadata::parse(bytes).map_err(|error| error.reason())?;
    let mut json: Value = serde_json::from_slice(bytes).map_err(|cause| cause.to_string())?;
    let Some(Value::Array(written)) = json.get_mut("images").map(Value::take) else {
        return Err("the metadata is that of a single image".to_owned());
    };
    let images = metadata.images.into_iter().zip(written).map(|(image, json)| {
        let id = image.member.clone().ok_or("an image has no `member`")?;
        Ok((id, EarlierImage { json, image }))
    });
    images.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::BuildInputs;

    const OLD: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    const NEW: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

    fn read(texts: &[&str]) -> Result<Earlier, String> {
        let directory = tempfile::tempdir().unwrap();
        let write = |(number, text): (usize, &&str)| {
            let path = directory.path().join(format!("{number}.json"));
            std::fs::write(&path, text).unwrap();
            path
        };
        let paths: Vec<PathBuf> = texts.iter().enumerate().map(write).collect();
        Earlier::read(&paths).map_err(|failure| failure.summary())
    }

    fn metadata(id: &str, digest: &str) -> String {
        format!(
            r#"{{"version":1,"images":[{{"member":"{id}","digest":"{digest}","tags":["1"],"platforms":[{{"platform":"linux/amd64","digest":"{digest}"}}]}}]}}"#
        )
    }

    fn digests(root: &str, manifest: &str, is_whole: bool) -> ImageDigests {
        ImageDigests {
            member: None,
            root: root.parse().unwrap(),
            platforms: vec![("linux/amd64".parse::<Platform>().unwrap(), manifest.parse().unwrap())],
            part: (!is_whole).then(part),
        }
    }

    fn part() -> Part {
        Part {
            of: vec!["linux/amd64".parse().unwrap(), "linux/arm64".parse().unwrap()],
            tags: Vec::new(),
            build: BuildInputs {
                format: 1,
                spec: OLD.parse().unwrap(),
                variables: OLD.parse().unwrap(),
                images: BTreeMap::new(),
                source_date_epoch: 0,
            },
            unchanged: None,
        }
    }

    #[test]
    fn a_member_is_unchanged_if_its_digest_is() {
        let earlier = read(&[&metadata("a", OLD)]).unwrap();
        assert!(earlier.has("a", &digests(OLD, OLD, true)));
        assert!(!earlier.has("a", &digests(NEW, NEW, true)));
        assert!(!earlier.has("b", &digests(OLD, OLD, true)));
        // The index of some platforms is another one.
        assert!(earlier.has("a", &digests(NEW, OLD, false)));
        assert!(!earlier.has("a", &digests(NEW, OLD, true)));
        assert!(!earlier.has("a", &digests(NEW, NEW, false)));
        assert!(earlier.has_tag("a", "1") && !earlier.has_tag("a", "2") && !earlier.has_tag("b", "1"));
        let whole = earlier.unchanged_json("a", None).unwrap();
        assert_eq!(whole["state"], "unchanged");
        assert_eq!(whole.get("part"), None);
        for (platform, count) in [("linux/amd64", 1), ("linux/arm64", 0)] {
            let platforms = vec![platform.parse().unwrap()];
            let built = UnchangedPlatforms {
                platforms,
                part: part(),
            };
            let unchanged = earlier.unchanged_json("a", Some(&built)).unwrap();
            assert_eq!(unchanged["part"]["of"][1], "linux/arm64");
            assert_eq!(unchanged["platforms"].as_array().unwrap().len(), count);
        }
    }

    #[test]
    fn parts_of_a_build_agree() {
        let earlier = read(&[&metadata("a", OLD), &metadata("b", NEW), &metadata("a", OLD)]).unwrap();
        assert!(earlier.has("b", &digests(NEW, NEW, true)));
        let error = read(&[&metadata("a", OLD), &metadata("a", NEW)]).unwrap_err();
        assert!(error.contains("1.json: a has the digests sha256:000"), "{error}");
    }

    #[test]
    fn other_files_are_refused() {
        for (text, words) in [
            ("", "not the metadata of a build"),
            ("[]", "not the metadata of a build"),
            ("{}", "not the metadata of a build"),
            (
                r#"{"images":[]}"#,
                "not the metadata of a build: missing field `version`",
            ),
            (r#"{"version":2,"images":[]}"#, "it has version 2"),
            (r#"{"version":"1","images":[]}"#, "not the metadata of a build"),
            (r#"{"version":1,"images":{}}"#, "not the metadata of a build"),
            (
                &format!(r#"{{"name":null,"tags":[],"digest":"{OLD}"}}"#),
                "that of a single image",
            ),
            (r#"{"version":1,"images":[1]}"#, "not the metadata of a build"),
            (
                &format!(r#"{{"version":1,"images":[{{"name":null,"tags":[],"digest":"{OLD}"}}]}}"#),
                "an image has no `member`",
            ),
            (
                r#"{"version":1,"images":[{"member":"a","name":null,"tags":[],"digest":"sha256:0"}]}"#,
                "not the metadata of a build",
            ),
        ] {
            let error = read(&[text]).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        let deep = "[".repeat(10_000);
        assert!(read(&[&deep]).unwrap_err().contains("not the metadata"));
    }
}

//! The images of an earlier build, as its `--metadata` lists them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::failure::Failure;
use crate::build::ImageDigests;
use crate::model::{Digest, ImageState, MAX_METADATA_BYTES, METADATA_VERSION, Pipes, escape, escape_path, read_input};

/// Help for a file that is not used.
const HELP: &str = "give the file that `ocitect build --metadata FILE` wrote for this workspace";

/// The images of earlier builds, by the IDs of their members.
#[derive(Debug, Default)]
pub struct Earlier(BTreeMap<String, EarlierImage>);

/// An image of an earlier build.
#[derive(Debug)]
struct EarlierImage {
    /// What the file says of it.
    json: Value,
    digest: Digest,
    /// The digests of its manifests, by platform.
    platforms: BTreeMap<String, Digest>,
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
            let json: Value = serde_json::from_slice(&bytes).map_err(|cause| refused(format!("not JSON: {cause}")))?;
            for image in images(json).map_err(refused)? {
                let (id, image) = image_of(image).map_err(refused)?;
                earlier.add(id, image).map_err(refused)?;
            }
        }
        Ok(earlier)
    }

    fn add(&mut self, id: String, image: EarlierImage) -> Result<(), String> {
        let digest = image.digest;
        match self.0.get(&id) {
            Some(known) if known.digest != digest => {
                let id = escape(id.as_bytes());
                Err(format!("{id} has the digests {} and {digest}", known.digest))
            }
            Some(_) => Ok(()),
            None => {
                self.0.insert(id, image);
                Ok(())
            }
        }
    }

    /// Returns `true` if a member's image had these digests. Of an image that is not built for all of its platforms, those
    /// of its manifests are compared.
    pub fn has(&self, id: &str, digests: &ImageDigests) -> bool {
        let Some(earlier) = self.0.get(id) else {
            return false;
        };
        let has_all = || {
            let mut platforms = digests.platforms.iter();
            platforms.all(|(platform, digest)| earlier.platforms.get(&platform.to_string()) == Some(digest))
        };
        earlier.digest == digests.root || (!digests.is_whole && has_all())
    }

    /// Returns what the file says of a member's image, for the metadata of a build that leaves it as it is.
    pub fn unchanged_json(&self, id: &str) -> Option<Value> {
        let mut json = self.0.get(id)?.json.clone();
        json["state"] = ImageState::Unchanged.as_str().into();
        Some(json)
    }

    /// Returns `true` if a member's image had this tag.
    pub fn has_tag(&self, id: &str, tag: &str) -> bool {
        let tags = self.0.get(id).and_then(|image| image.json.get("tags")?.as_array());
        tags.is_some_and(|tags| tags.iter().any(|known| known == tag))
    }
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

/// Returns the images of the metadata of a workspace.
fn images(mut json: Value) -> Result<Vec<Value>, String> {
    let version = json.get("version").cloned();
    match json.get_mut("images").map(Value::take) {
        Some(Value::Array(_)) if version.as_ref().is_some_and(|version| *version != METADATA_VERSION) => Err(format!(
            "its version is not {METADATA_VERSION}: a newer ocitect may have written it"
        )),
        Some(Value::Array(images)) if version.is_some() => Ok(images),
        _ if json.get("digest").is_some() => Err("the metadata is that of a single image".to_owned()),
        _ => Err("not the metadata of a workspace".to_owned()),
    }
}

fn image_of(json: Value) -> Result<(String, EarlierImage), String> {
    let id = text(&json, "member")?;
    let digest = digest(&json)?;
    let mut platforms = BTreeMap::new();
    for platform in json.get("platforms").and_then(Value::as_array).into_iter().flatten() {
        platforms.insert(text(platform, "platform")?, self::digest(platform)?);
    }
    let image = EarlierImage {
        json,
        digest,
        platforms,
    };
    Ok((id, image))
}

fn digest(json: &Value) -> Result<Digest, String> {
    let digest = text(json, "digest")?;
    let invalid = |_| format!("\"{}\" is not a digest", escape(digest.as_bytes()));
    digest.parse().map_err(invalid)
}

fn text(json: &Value, key: &str) -> Result<String, String> {
    let text = json.get(key).and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| format!("an image has no `{key}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Platform;

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
            root: root.parse().unwrap(),
            platforms: vec![("linux/amd64".parse::<Platform>().unwrap(), manifest.parse().unwrap())],
            is_whole,
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
        assert_eq!(earlier.unchanged_json("a").unwrap()["state"], "unchanged");
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
            ("", "not JSON"),
            ("[]", "not the metadata of a workspace"),
            ("{}", "not the metadata of a workspace"),
            (r#"{"images":[]}"#, "not the metadata of a workspace"),
            (r#"{"version":2,"images":[]}"#, "its version is not 1"),
            (r#"{"version":"1","images":[]}"#, "its version is not 1"),
            (r#"{"version":1,"images":{}}"#, "not the metadata of a workspace"),
            (r#"{"name":"x","digest":"sha256:0"}"#, "that of a single image"),
            (r#"{"version":1,"images":[1]}"#, "an image has no `member`"),
            (r#"{"version":1,"images":[{"member":"a"}]}"#, "an image has no `digest`"),
            (
                r#"{"version":1,"images":[{"member":"a","digest":"sha256:0"}]}"#,
                "\"sha256:0\" is not a digest",
            ),
        ] {
            let error = read(&[text]).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        let deep = "[".repeat(10_000);
        assert!(read(&[&deep]).unwrap_err().contains("not JSON"));
    }
}

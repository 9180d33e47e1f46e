//! Reads the file that `--metadata` writes: which images a build made, and where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, de};
use serde_json::Value;

use super::failure::{Diagnostic, ErrorKind, escape};
use super::part::Part;
use super::{Digest, Platform, Repository, Tag, strict_json};

/// Version of the content of `--metadata` for a workspace.
pub const METADATA_VERSION: u64 = 1;

/// Limit on the file, in bytes: enough for thousands of images with hundreds of layers each.
pub const MAX_METADATA_BYTES: u64 = 64 * 1024 * 1024;

/// What happened to an image of a workspace at its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageState {
    /// It was written to one of them, or got a tag there.
    Written,
    /// All of them had it.
    Unchanged,
    /// It has no targets.
    NotWritten,
}

impl ImageState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Written, Self::Unchanged, Self::NotWritten];

    /// Returns the text in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Unchanged => "unchanged",
            Self::NotWritten => "not written",
        }
    }
}

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The images, those that others are based on first.
    pub images: Vec<ImageMetadata>,
    /// Which share of a workspace was built, with `--shard`.
    pub shard: Option<ShardMetadata>,
    /// The IDs of the members that were selected, without `--shard`. All of them are among the images or the unbuilt.
    pub selected: Vec<String>,
    /// The IDs of members that were not built, because they or others failed.
    pub unbuilt: Vec<String>,
}

/// One of several runs that share the members of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardMetadata {
    /// The number of the run, from 1.
    pub number: u32,
    /// The number of runs.
    pub of: u32,
    /// The IDs of the members of all shards.
    pub members: Vec<String>,
}

/// An image of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageMetadata {
    /// Its ID in the workspace; `None` for a spec on its own.
    pub member: Option<String>,
    /// The members that it is based on.
    pub base_members: Vec<String>,
    /// Its name, if it has one.
    pub name: Option<Repository>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Digest of its index, or of its manifest if it has no index.
    pub digest: Digest,
    /// Its platforms, in the spec's order.
    pub platforms: Vec<PlatformMetadata>,
    /// The places that it was written to.
    pub targets: Vec<TargetMetadata>,
    /// The whole that it is a part of, if it does not have all platforms of its spec.
    pub part: Option<Part>,
}

/// A place that an image was written to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TargetMetadata {
    /// The place, as the command line names it.
    #[serde(rename = "target")]
    pub place: String,
    /// The tags that were written there.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// A platform of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformMetadata {
    /// The platform.
    pub platform: Platform,
    /// Digest of its manifest.
    pub digest: Digest,
    /// The names of its layers.
    pub layers: BTreeMap<Digest, String>,
}

/// The file is not one that `--metadata` wrote.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// It is not JSON, or its fields are not the expected ones.
    #[error("it is not the metadata of a build")]
    Malformed(#[source] serde_json::Error),
    /// It was written by another version.
    #[error("it has version {0}, and this ocitect reads version {METADATA_VERSION}")]
    Version(u64),
    /// A value is invalid.
    #[error("{field} \"{}\" is invalid: {reason}", escape(.value.as_bytes()))]
    Value {
        /// The name of the field.
        field: &'static str,
        /// The value.
        value: String,
        /// Why, for people.
        reason: String,
    },
}

impl MetadataError {
    /// Returns the message and its cause as one line.
    pub fn reason(&self) -> String {
        match self {
            Self::Malformed(cause) => format!("{self}: {cause}"),
            Self::Version(_) | Self::Value { .. } => self.to_string(),
        }
    }
}

impl Diagnostic for MetadataError {
    fn error_kind(&self) -> ErrorKind {
        ErrorKind::Input
    }

    fn help(&self) -> Option<String> {
        Some("use a file that `ocitect build --metadata FILE` wrote".to_owned())
    }
}

#[derive(Deserialize)]
struct Whole {
    #[expect(dead_code, reason = "compared before; a file without it is malformed")]
    version: u64,
    images: Vec<Written>,
    #[serde(default)]
    shard: Option<String>,
    #[serde(default)]
    shard_members: Vec<String>,
    #[serde(default)]
    selected_members: Vec<String>,
    #[serde(default)]
    failed: Vec<WrittenFailure>,
    #[serde(default)]
    unfinished: Vec<String>,
}

#[derive(Deserialize)]
struct WrittenFailure {
    member: String,
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    member: Option<String>,
    #[serde(default)]
    base_members: Vec<String>,
    name: Option<String>,
    tags: Vec<String>,
    digest: Digest,
    #[serde(default)]
    platforms: Vec<WrittenPlatform>,
    #[serde(default)]
    targets: Vec<TargetMetadata>,
    #[serde(default)]
    part: Option<Part>,
    #[serde(default)]
    state: Option<String>,
}

#[derive(Deserialize)]
struct WrittenPlatform {
    platform: String,
    digest: Digest,
    #[serde(default)]
    layers: Vec<WrittenLayer>,
}

#[derive(Deserialize)]
struct WrittenLayer {
    name: String,
    digest: Digest,
}

impl Metadata {
    /// Parses the content of a metadata file: one image, or the images of a workspace. Unknown fields are ignored.
    ///
    /// # Errors
    /// Returns [`MetadataError`] if it is not such a file.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetadataError> {
        let value = strict_json::parse(bytes).map_err(MetadataError::Malformed)?;
        if !value.is_object() {
            return Err(MetadataError::Malformed(de::Error::custom("expected an object")));
        }
        if value.get("images").is_none() {
            let only = serde_json::from_value(value).map_err(MetadataError::Malformed)?;
            let images = vec![image(only)?];
            return Ok(Self {
                images,
                shard: None,
                selected: Vec::new(),
                unbuilt: Vec::new(),
            });
        }
        if let Some(version) = value
            .get("version")
            .and_then(Value::as_u64)
            .filter(|version| *version != METADATA_VERSION)
        {
            return Err(MetadataError::Version(version));
        }
        let whole: Whole = serde_json::from_value(value).map_err(MetadataError::Malformed)?;
        let failed = whole.failed.into_iter().map(|failure| failure.member);
        let images: Vec<ImageMetadata> = whole.images.into_iter().map(image).collect::<Result<_, _>>()?;
        check_members(&images)?;
        Ok(Self {
            images,
            selected: whole.selected_members,
            unbuilt: failed.chain(whole.unfinished).collect(),
            shard: whole.shard.map(|text| shard(&text, whole.shard_members)).transpose()?,
        })
    }
}

/// Reads the text `I/N`.
fn shard(text: &str, members: Vec<String>) -> Result<ShardMetadata, MetadataError> {
    let numbers = text.split_once('/');
    let numbers = numbers.and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
    let valid = numbers.filter(|(number, of)| (1..=*of).contains(number));
    let (number, of) = valid.ok_or_else(|| invalid("shard", text, &"expected I/N, such as 1/4"))?;
    Ok(ShardMetadata { number, of, members })
}

fn image(written: Written) -> Result<ImageMetadata, MetadataError> {
    let platform = |written: WrittenPlatform| {
        Ok(PlatformMetadata {
            platform: parsed("platform", &written.platform)?,
            digest: written.digest,
            layers: written
                .layers
                .into_iter()
                .map(|layer| (layer.digest, layer.name))
                .collect(),
        })
    };
    if let Some(part) = &written.part {
        check_part(part)?;
    }
    let states = ImageState::ALL.map(ImageState::as_str);
    if let Some(state) = written.state.filter(|state| !states.contains(&state.as_str())) {
        return Err(invalid(
            "state",
            &state,
            &format!("expected one of {}", states.join(", ")),
        ));
    }
    Ok(ImageMetadata {
        member: written.member,
        base_members: written.base_members,
        name: written.name.map(|text| parsed("name", &text)).transpose()?,
        tags: written
            .tags
            .iter()
            .map(|text| parsed("tag", text))
            .collect::<Result<_, _>>()?,
        digest: written.digest,
        platforms: written.platforms.into_iter().map(platform).collect::<Result<_, _>>()?,
        targets: written.targets,
        part: written.part,
    })
}

fn check_part(part: &Part) -> Result<(), MetadataError> {
    part.tags
        .iter()
        .try_for_each(|text| parsed::<Tag>("tag", text).map(|_| ()))?;
    if part.of.is_empty() {
        return Err(invalid("part.of", "", &"it lists no platform"));
    }
    for (at, platform) in part.of.iter().enumerate() {
        if part.of[..at].iter().any(|other| other.is_same_as(platform)) {
            return Err(invalid("part.of", &platform.to_string(), &"it is listed twice"));
        }
    }
    Ok(())
}

/// Checks that no member has two images.
fn check_members(images: &[ImageMetadata]) -> Result<(), MetadataError> {
    let mut seen = BTreeSet::new();
    let mut members = images.iter().filter_map(|image| image.member.as_deref());
    match members.find(|member| !seen.insert(*member)) {
        None => Ok(()),
        Some(member) => Err(invalid("member", member, &"it is listed twice")),
    }
}

fn parsed<T: FromStr<Err: fmt::Display>>(field: &'static str, text: &str) -> Result<T, MetadataError> {
    text.parse().map_err(|error| invalid(field, text, &error))
}

fn invalid(field: &'static str, value: &str, reason: &dyn fmt::Display) -> MetadataError {
    MetadataError::Value {
        field,
        value: value.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn one(name: &str) -> String {
        format!(
            r#"{{"name": {name}, "tags": ["1"], "digest": "{DIGEST}", "platforms": [{{"platform": "linux/amd64",
            "digest": "{DIGEST}", "layers": [{{"name": "app", "digest": "{DIGEST}"}}]}}], "targets": [{{"target": "oci:d"}}], "new": 1}}"#
        )
    }

    #[test]
    fn both_forms_are_read() {
        let alone = Metadata::parse(one(r#""ghcr.io/a/b""#).as_bytes()).unwrap();
        assert_eq!(alone.images[0].name.as_ref().unwrap().to_string(), "ghcr.io/a/b");
        assert_eq!(alone.images[0].targets[0].place, "oci:d");
        let all = format!(
            r#"{{"version": 1, "shard": "1/2", "shard_members": ["a"], "images": [{}]}}"#,
            one("null")
        );
        let all = Metadata::parse(all.as_bytes()).unwrap();
        assert_eq!(all.images[0].name, None);
        assert_eq!(all.shard.unwrap().members, ["a"]);
    }

    /// Returns an image with a further field.
    fn with(field: &str) -> String {
        one("null").replace(r#""new": 1"#, field)
    }

    fn part(platforms: &str) -> String {
        format!(
            r#""part": {{"of": [{platforms}], "tags": [], "build": {{"format": 1, "spec": "{DIGEST}",
            "variables": "{DIGEST}", "images": {{}}, "source_date_epoch": 0}}}}"#
        )
    }

    #[test]
    fn other_files_are_refused() {
        let member = with("\"member\": \"a\", \"state\": \"written\"");
        let two_of_one = format!(r#"{{"version": 1, "images": [{member}, {member}]}}"#);
        for (text, expected) in [
            ("", "not the metadata"),
            ("[]", "not the metadata"),
            ("{}", "not the metadata"),
            (r#"{"images": [{}]}"#, "not the metadata"),
            (r#"{"version": 2, "images": []}"#, "version 2"),
            (r#"{"version": 1, "images": [], "shard": "3/2"}"#, "shard \"3/2\""),
            (&one(r#""no registry\n""#), r#"name "no registry\n" is invalid"#),
            (&one("null").replace(r#"["1"]"#, r#"["a b"]"#), "tag \"a b\""),
            (&one("null").replace("linux/amd64", "linux"), "platform \"linux\""),
            (&with("\"state\": \"done\""), "state \"done\""),
            (&with(&part("")), "part.of \"\" is invalid: it lists no platform"),
            (
                &with(&part(r#""linux/arm64", "linux/amd64", "linux/arm64/v8""#)),
                "part.of \"linux/arm64/v8\" is invalid: it is listed twice",
            ),
            (&two_of_one, "member \"a\" is invalid: it is listed twice"),
        ] {
            let error = Metadata::parse(text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
    }
}

//! The spec as it is written: the types that serde reads and that the JSON Schema is made from.
//!
//! Doc comments here become the descriptions that an editor shows. Nothing is decided here: defaults, cascades and checks
//! of values are convert's.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::at::{At, Text};
use super::choice::{Command, HealthcheckChoice, ModeText, OwnerText, PortText, TextOrFalse, TextOrInteger, Var};

/// An ocitect spec: one file describes one image for all its platforms.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Document {
    /// Version of the byte format. Its meaning never changes.
    #[schemars(extend("const" = 1))]
    #[expect(dead_code, reason = "read from the tree, before everything else")]
    pub(super) format: At<i64>,
    /// Files of NAME=value lines, relative to the spec, in which `env = "NAME"` is looked up after the environment. The
    /// first file that sets the name is used; missing files are ignored.
    #[serde(default)]
    #[expect(dead_code, reason = "read from the tree, before variables are known")]
    pub(super) env_files: Vec<Text>,
    /// The image as a whole.
    pub(super) image: At<Image>,
    /// Variables that ${...} may refer to.
    #[serde(default)]
    #[expect(dead_code, reason = "read from the tree, before variables are put in")]
    pub(super) vars: BTreeMap<String, Var>,
    /// Users to create.
    #[serde(default)]
    pub(super) users: Vec<At<User>>,
    /// Groups to create.
    #[serde(default)]
    pub(super) groups: Vec<At<Group>>,
    /// Directories to create, or to change if they exist.
    #[serde(default)]
    pub(super) dirs: Vec<At<Dir>>,
    /// Layers, lowest first.
    #[serde(default)]
    pub(super) layers: Vec<At<Layer>>,
    /// How the image runs; merged with the config of the base.
    #[serde(default)]
    #[expect(dead_code, reason = "read on its own, since it may ask for the base's environment")]
    pub(super) config: Config,
    /// Settings of the check: findings to ignore, and warnings to treat as errors.
    #[serde(default)]
    pub(super) check: Check,
    /// Overrides by platform: tables merge, lists replace, layers merge by name.
    #[serde(default)]
    #[expect(dead_code, reason = "merged in the tree")]
    pub(super) platform: BTreeMap<String, Override>,
}

/// `[image]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Image {
    /// Repository without tag, such as ghcr.io/me/app. Required to push, and for full names in archives.
    pub(super) name: Option<Text>,
    /// Tags; default: ["latest"].
    #[schemars(extend("default" = ["latest"]))]
    pub(super) tags: Option<At<Vec<Text>>>,
    /// The platforms of the image: os/arch or os/arch/variant.
    pub(super) platforms: At<Vec<Text>>,
    /// If false, publishes the manifest without an index; requires a single platform.
    #[schemars(extend("default" = true))]
    pub(super) index: Option<At<bool>>,
    /// Media types of the manifests. Docker's support neither annotations nor zstd; podman reads health checks only from
    /// them.
    #[schemars(extend("default" = "oci"))]
    pub(super) media_types: Option<MediaTypes>,
    /// "scratch" (default), "oci:DIR[:TAG]", "oci-archive:FILE[:TAG]", or a registry's reference.
    #[schemars(extend("default" = "scratch"))]
    pub(super) base: Option<Text>,
    /// Maximum compressed size of the image of each platform, including the base, such as "100MB".
    pub(super) max_size: Option<At<TextOrInteger>>,
    /// Compression of the layers.
    #[schemars(extend("default" = "gzip"))]
    pub(super) compression: Option<At<CompressionName>>,
    /// Level of the compressor: 0 to 9 for gzip, 1 to 22 for zstd.
    pub(super) level: Option<At<i64>>,
    /// Annotations of the index and of each manifest.
    #[serde(default)]
    pub(super) annotations: At<BTreeMap<String, Text>>,
    /// Ignore file, relative to the spec.
    #[schemars(extend("default" = ".ocitectignore"))]
    pub(super) ignore_file: Option<Text>,
    /// Modification time of every file: seconds since 1970, or RFC 3339.
    #[serde(default)]
    #[schemars(schema_with = "mtime_schema")]
    pub(super) mtime: Option<At<TextOrInteger>>,
    /// Owner of files: user, user:group, by name or number; default: 0:0.
    pub(super) owner: Option<At<OwnerText>>,
    /// Mode of files, octal.
    pub(super) mode: Option<At<ModeText>>,
    /// Mode of directories, octal.
    pub(super) dir_mode: Option<At<ModeText>>,
}

fn mtime_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "integer" }, { "type": "string", "format": "date-time" }], "default": 1 })
}

/// Names of the families of media types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum MediaTypes {
    Oci,
    Docker,
}

/// Names of compressors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum CompressionName {
    Gzip,
    Zstd,
    None,
}

/// `[[users]]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct User {
    /// Login name.
    pub(super) name: Text,
    /// Numeric user id.
    pub(super) uid: At<i64>,
    /// Numeric id of the primary group; default: the uid.
    pub(super) gid: Option<At<i64>>,
    /// Name of the primary group, which is created if it does not exist; default: the user's name.
    pub(super) group: Option<Text>,
    /// Home directory; default: /home/NAME.
    pub(super) home: Option<Text>,
    /// Login shell.
    #[schemars(extend("default" = "/bin/sh"))]
    pub(super) shell: Option<Text>,
}

/// `[[groups]]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Group {
    /// Group name.
    pub(super) name: Text,
    /// Numeric group id.
    pub(super) gid: At<i64>,
    /// Login names of the members.
    #[serde(default)]
    pub(super) members: Vec<Text>,
}

/// `[[dirs]]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Dir {
    /// Absolute path in the image.
    pub(super) path: Text,
    /// Owner: user, user:group, by name or number.
    pub(super) owner: Option<At<OwnerText>>,
    /// Mode, octal; default: unchanged if the directory exists, otherwise 0755.
    pub(super) mode: Option<At<ModeText>>,
}

/// `[[layers]]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Layer {
    /// Unique name.
    pub(super) name: Text,
    /// Files to add.
    #[serde(default)]
    pub(super) files: Vec<At<Files>>,
    /// Symbolic links.
    #[serde(default)]
    pub(super) links: Vec<At<Link>>,
    /// Absolute paths to remove from the base or from lower layers.
    #[serde(default)]
    pub(super) remove: Vec<Text>,
    /// Owner of files: user, user:group, by name or number; default: the image's.
    pub(super) owner: Option<At<OwnerText>>,
    /// Mode of files, octal; default: the image's.
    pub(super) mode: Option<At<ModeText>>,
    /// Mode of directories, octal; default: the image's.
    pub(super) dir_mode: Option<At<ModeText>>,
    /// Platforms that get this layer; default: all.
    pub(super) platforms: Option<At<Vec<Text>>>,
    /// Compression; default: the image's.
    pub(super) compression: Option<At<CompressionName>>,
    /// Level of the compressor: 0 to 9 for gzip, 1 to 22 for zstd.
    pub(super) level: Option<At<i64>>,
    /// Annotations of the layer's descriptor.
    #[serde(default)]
    pub(super) annotations: At<BTreeMap<String, Text>>,
}

/// An entry of `files`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Files {
    /// A path or glob relative to the spec, or a path in an image: docker://REF#/path, oci:DIR[:TAG]#/path.
    pub(super) from: Text,
    /// Absolute path in the image. If it ends in /, a file is put into that directory.
    pub(super) to: Text,
    /// gitignore patterns, relative to `from`, of files to pack; default: all files.
    #[serde(default)]
    pub(super) include: Vec<String>,
    /// gitignore patterns, relative to `from`, of files to exclude.
    #[serde(default)]
    pub(super) exclude: Vec<String>,
    /// Unpack an archive: tar, tar.gz, tar.zst, zip.
    #[serde(default)]
    pub(super) unpack: bool,
    /// Number of leading path components to remove from the archive's members.
    #[schemars(extend("minimum" = 0, "default" = 0))]
    pub(super) strip: Option<At<i64>>,
    /// Patterns of files that get mode 0755.
    #[serde(default)]
    pub(super) executable: Vec<String>,
    /// Keep the modes stored in the archive or the image.
    #[schemars(extend("default" = false))]
    pub(super) keep_modes: Option<At<bool>>,
    /// Owner: user, user:group, by name or number; default: the layer's.
    pub(super) owner: Option<At<OwnerText>>,
    /// Mode of files, octal; default: the layer's.
    pub(super) mode: Option<At<ModeText>>,
    /// Mode of directories, octal; default: the layer's.
    pub(super) dir_mode: Option<At<ModeText>>,
    /// Names or patterns of extended attributes to pack from the disk.
    pub(super) xattrs: Option<At<Vec<String>>>,
    /// Capabilities of a single file, such as cap_net_bind_service.
    #[serde(default)]
    pub(super) capabilities: Vec<Text>,
}

/// An entry of `links`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Link {
    /// Absolute path of the link in the image.
    pub(super) path: Text,
    /// Target of the link, verbatim.
    pub(super) target: Text,
    /// Owner: user, user:group, by name or number.
    pub(super) owner: Option<At<OwnerText>>,
}

/// `[config]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Config {
    /// User that runs the container, verbatim.
    pub(super) user: Option<Text>,
    /// Working directory, absolute.
    pub(super) workdir: Option<Text>,
    /// Environment; false removes a variable of the base.
    #[serde(default)]
    pub(super) env: At<BTreeMap<String, TextOrFalse>>,
    /// Labels; false removes a label of the base.
    #[serde(default)]
    pub(super) labels: At<BTreeMap<String, TextOrFalse>>,
    /// Ports, such as "3000" or "53/udp".
    #[serde(default)]
    pub(super) ports: Vec<At<PortText>>,
    /// Absolute paths of volumes.
    #[serde(default)]
    pub(super) volumes: Vec<Text>,
    /// Signal that stops the container, such as SIGTERM.
    pub(super) stop_signal: Option<Text>,
    /// Names of variables that must be set when the container runs.
    #[serde(default)]
    pub(super) required_env: Vec<Text>,
    /// A list of words, or a string that the shell runs.
    pub(super) entrypoint: Option<At<Command>>,
    /// A list of words, or a string that the shell runs.
    pub(super) cmd: Option<At<Command>>,
    /// Shell for commands that are strings; default: the base's, otherwise ["/bin/sh", "-c"].
    pub(super) shell: Option<At<Vec<String>>>,
    /// Health check; false removes the health check of the base.
    pub(super) healthcheck: Option<At<HealthcheckChoice>>,
}

/// `[check]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Check {
    /// Findings to ignore, as code:pattern, such as "runs-as-root:/**".
    #[serde(default)]
    pub(super) allow: Vec<Text>,
    /// Codes of warnings to treat as errors.
    #[serde(default)]
    pub(super) deny: Vec<Text>,
}

/// `[platform."os/arch"]`: the keys of the document, except those that are set once for all platforms.
#[derive(Debug)]
pub(super) struct Override;

impl<'de> Deserialize<'de> for Override {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// Keys of the document that no platform overrides.
pub(super) const ONCE_IN_DOCUMENT: [&str; 3] = ["format", "env-files", "platform"];

/// Keys of `[image]` that are said once for the index, and that no platform overrides.
pub(super) const ONCE_IN_IMAGE: [&str; 5] = ["name", "tags", "platforms", "index", "media-types"];

impl JsonSchema for Override {
    fn schema_name() -> Cow<'static, str> {
        "Override".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let image = without(Image::json_schema(generator), &ONCE_IN_IMAGE);
        let mut schema = without(Document::json_schema(generator), &ONCE_IN_DOCUMENT);
        schema.insert("description".to_owned(), "Overrides for one platform.".into());
        if let Some(properties) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
            properties.insert("image".to_owned(), image.to_value());
        }
        schema
    }
}

/// Returns a table's schema without some keys and with none required: the document provides what an override omits.
fn without(mut schema: Schema, keys: &[&str]) -> Schema {
    schema.remove("required");
    if let Some(properties) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
        properties.retain(|name, _| !keys.contains(&name.as_str()));
    }
    schema
}

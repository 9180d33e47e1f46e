//! The spec as it is written: the types that serde reads and that the JSON Schema is made from.
//!
//! Doc comments here become the descriptions that an editor shows. Nothing is decided here: defaults, cascades and checks
//! of values are convert's.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::choice::{
    Command, DurationText, HealthcheckChoice, ModeText, OwnerText, PortText, TextOrFalse, TextOrInteger, Var,
};

/// A value and where it stands in the text, in bytes.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A string and its place.
pub(super) type Text = At<String>;

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = toml::Spanned::deserialize(deserializer)?;
        Ok(Self { span: spanned.span(), value: spanned.into_inner() })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// An ocitect spec: one file describes one image for all its platforms.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Document {
    /// Version of the byte format. Its meaning never changes.
    #[schemars(extend("const" = 1))]
    #[expect(dead_code, reason = "read from the tree, before everything else")]
    pub(super) format: At<i64>,
    /// Files of NAME=value lines, relative to the spec, where `env = "NAME"` looks after the environment itself. The first
    /// one that has the name decides; one that is not there is passed over.
    #[serde(default)]
    #[expect(dead_code, reason = "read from the tree, before variables are known")]
    pub(super) env_files: Vec<Text>,
    /// The image as a whole.
    pub(super) image: At<Image>,
    /// Everything that ${...} may name.
    #[serde(default)]
    #[expect(dead_code, reason = "read from the tree, before variables are put in")]
    pub(super) vars: BTreeMap<String, Var>,
    /// Users to be made.
    #[serde(default)]
    pub(super) users: Vec<At<User>>,
    /// Groups to be made.
    #[serde(default)]
    pub(super) groups: Vec<At<Group>>,
    /// Directories to be made, or to be changed where they exist.
    #[serde(default)]
    pub(super) dirs: Vec<At<Dir>>,
    /// Layers, lowest first.
    #[serde(default)]
    pub(super) layers: Vec<At<Layer>>,
    /// How the image runs; added to the base's.
    #[serde(default)]
    #[expect(dead_code, reason = "read on its own, since it may ask for the base's environment")]
    pub(super) config: Config,
    /// What the check lets pass and what it makes stricter.
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
    /// Repository without tag, such as ghcr.io/me/app: needed to push, and for full names in archives.
    pub(super) name: Option<Text>,
    /// Tags; default ["latest"].
    #[schemars(extend("default" = ["latest"]))]
    pub(super) tags: Option<At<Vec<Text>>>,
    /// The platforms of the image: os/arch or os/arch/variant.
    pub(super) platforms: At<Vec<Text>>,
    /// False publishes the manifest itself; only with one platform.
    #[schemars(extend("default" = true))]
    pub(super) index: Option<At<bool>>,
    /// The family of the manifests. Docker's has neither annotations nor zstd, but podman reads health checks from it.
    #[schemars(extend("default" = "oci"))]
    pub(super) media_types: Option<MediaTypes>,
    /// "scratch" (default), "oci:DIR[:TAG]", "oci-archive:FILE[:TAG]", or a registry's reference.
    #[schemars(extend("default" = "scratch"))]
    pub(super) base: Option<Text>,
    /// A gate on the compressed size of each platform's image, base included, such as "100MB".
    pub(super) max_size: Option<At<TextOrInteger>>,
    /// How layers are compressed.
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
    /// Time of every file: seconds since 1970, or RFC 3339.
    #[serde(default)]
    #[schemars(schema_with = "mtime_schema")]
    pub(super) mtime: Option<At<TextOrInteger>>,
    /// Owner of files: user, user:group, by names or numbers; default 0:0.
    pub(super) owner: Option<At<OwnerText>>,
    /// Mode of files, octal.
    pub(super) mode: Option<At<ModeText>>,
    /// Mode of directories, octal.
    pub(super) dir_mode: Option<At<ModeText>>,
}

fn mtime_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "integer" }, { "type": "string", "format": "date-time" }], "default": 1 })
}

impl<T: Default> Default for At<T> {
    fn default() -> Self {
        Self { value: T::default(), span: 0..0 }
    }
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

/// The long form of a variable.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct VarTable {
    /// Name in the environment, and in env-files after it.
    pub(super) env: Option<Text>,
    /// Value where it is unset or empty.
    pub(super) default: Option<Text>,
    /// Makes it an error that it is unset or empty, and says how to set it.
    pub(super) required: Option<Text>,
}

/// `[[users]]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct User {
    /// Login name.
    pub(super) name: Text,
    /// Number.
    pub(super) uid: At<i64>,
    /// Number of the primary group; default: the uid.
    pub(super) gid: Option<At<i64>>,
    /// Name of the primary group, made where there is none; default: the user's name.
    pub(super) group: Option<Text>,
    /// Home directory; default /home/NAME.
    pub(super) home: Option<Text>,
    /// Login shell.
    #[schemars(extend("default" = "/bin/sh"))]
    pub(super) shell: Option<Text>,
}

/// `[[groups]]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Group {
    /// Name.
    pub(super) name: Text,
    /// Number.
    pub(super) gid: At<i64>,
    /// Login names.
    #[serde(default)]
    pub(super) members: Vec<Text>,
}

/// `[[dirs]]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Dir {
    /// Absolute path in the image.
    pub(super) path: Text,
    /// Owner: user, user:group, by names or numbers.
    pub(super) owner: Option<At<OwnerText>>,
    /// Mode, octal; default: as it is, else 0755.
    pub(super) mode: Option<At<ModeText>>,
}

/// `[[layers]]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Layer {
    /// Unique name.
    pub(super) name: Text,
    /// What goes in.
    #[serde(default)]
    pub(super) files: Vec<At<Files>>,
    /// Symbolic links.
    #[serde(default)]
    pub(super) links: Vec<At<Link>>,
    /// Absolute paths of the base, or of layers below, that go away.
    #[serde(default)]
    pub(super) remove: Vec<Text>,
    /// Owner of files: user, user:group, by names or numbers; default: the image's.
    pub(super) owner: Option<At<OwnerText>>,
    /// Mode of files, octal; default: the image's.
    pub(super) mode: Option<At<ModeText>>,
    /// Mode of directories, octal; default: the image's.
    pub(super) dir_mode: Option<At<ModeText>>,
    /// Only for these platforms.
    pub(super) platforms: Option<At<Vec<Text>>>,
    /// How it is compressed; default: as the image says.
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
    /// A path or glob, relative to the spec; or out of an image: docker://REF#/path, oci:DIR[:TAG]#/path.
    pub(super) from: Text,
    /// Absolute path in the image; a file goes into it where it ends in /.
    pub(super) to: Text,
    /// gitignore patterns, relative to `from`, of what is packed; default: everything.
    #[serde(default)]
    pub(super) include: Vec<String>,
    /// gitignore patterns, relative to `from`, of what is left out.
    #[serde(default)]
    pub(super) exclude: Vec<String>,
    /// Unpack an archive: tar, tar.gz, tar.zst, zip.
    #[serde(default)]
    pub(super) unpack: bool,
    /// Path components of the archive's members that are left out.
    #[schemars(extend("minimum" = 0, "default" = 0))]
    pub(super) strip: Option<At<i64>>,
    /// Patterns of files that become 0755.
    #[serde(default)]
    pub(super) executable: Vec<String>,
    /// Keep the modes that the archive or the image stores.
    #[schemars(extend("default" = false))]
    pub(super) keep_modes: Option<At<bool>>,
    /// Owner: user, user:group, by names or numbers; default: the layer's.
    pub(super) owner: Option<At<OwnerText>>,
    /// Mode of files, octal; default: the layer's.
    pub(super) mode: Option<At<ModeText>>,
    /// Mode of directories, octal; default: the layer's.
    pub(super) dir_mode: Option<At<ModeText>>,
    /// Names or patterns of extended attributes to carry from the disk.
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
    /// What it points to, verbatim.
    pub(super) target: Text,
    /// Owner: user, user:group, by names or numbers.
    pub(super) owner: Option<At<OwnerText>>,
}

/// `[config]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Config {
    /// User that the image runs as, verbatim.
    pub(super) user: Option<Text>,
    /// Working directory, absolute.
    pub(super) workdir: Option<Text>,
    /// Environment; false takes a variable of the base away.
    #[serde(default)]
    pub(super) env: At<BTreeMap<String, TextOrFalse>>,
    /// Labels; false takes a label of the base away.
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
    /// Names of variables that must be set where the image runs.
    #[serde(default)]
    pub(super) required_env: Vec<Text>,
    /// A list; or a string, which is run by the shell.
    pub(super) entrypoint: Option<At<Command>>,
    /// A list; or a string, which is run by the shell.
    pub(super) cmd: Option<At<Command>>,
    /// The shell of commands that are strings; default: the base's, else ["/bin/sh", "-c"].
    pub(super) shell: Option<At<Vec<String>>>,
    /// The health check; false for none, not even the base's.
    pub(super) healthcheck: Option<At<HealthcheckChoice>>,
}

/// `[config.healthcheck]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Healthcheck {
    /// A list that begins with CMD or CMD-SHELL; or a string, which is run by the shell.
    pub(super) test: Option<At<Command>>,
    /// Between two checks, such as "30s".
    pub(super) interval: Option<At<DurationText>>,
    /// Of one check, such as "10s".
    pub(super) timeout: Option<At<DurationText>>,
    /// In which failures do not count.
    pub(super) start_period: Option<At<DurationText>>,
    /// Between two checks in the start period.
    pub(super) start_interval: Option<At<DurationText>>,
    /// Failures in a row that make it unhealthy.
    #[schemars(extend("minimum" = 0))]
    pub(super) retries: Option<At<i64>>,
}

/// `[check]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Check {
    /// Findings to pass over: code:pattern, such as "runs-as-root:/**".
    #[serde(default)]
    pub(super) allow: Vec<Text>,
    /// Codes of warnings that are errors.
    #[serde(default)]
    pub(super) deny: Vec<Text>,
}

/// `[platform."os/arch"]`: the keys of the document but those that are said once.
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

/// A table's schema without some keys, and with none required: what an override lacks, the document has.
fn without(mut schema: Schema, keys: &[&str]) -> Schema {
    schema.remove("required");
    if let Some(properties) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
        properties.retain(|name, _| !keys.contains(&name.as_str()));
    }
    schema
}

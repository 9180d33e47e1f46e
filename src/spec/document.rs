//! The tables of the spec, as the JSON Schema describes them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value};

use super::config::ConfigSpec;
use super::convert::Var;
use super::schema::{CheckSpec, DirSpec, Group, ImageSpec, LayerSpec, PlatformSpec, User};

/// An ocitect spec: one file describes one image for all its platforms.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "only describes keys, which are read at different times")]
pub(super) struct Document {
    /// Version of the byte format. Its meaning never changes.
    #[schemars(extend("const" = 1))]
    format: i64,
    /// Files of NAME=value lines, relative to the spec, in which `env = "NAME"` is looked up after the environment. The
    /// first file that sets the name is used; missing files are ignored.
    env_files: Option<Vec<String>>,
    /// The image as a whole.
    image: Image,
    /// Variables that ${...} may refer to.
    vars: Option<BTreeMap<String, Var>>,
    /// Users to create.
    users: Option<Vec<User>>,
    /// Groups to create.
    groups: Option<Vec<Group>>,
    /// Directories to create, or to change if they exist.
    dirs: Option<Vec<DirSpec>>,
    /// Layers, lowest first.
    layers: Option<Vec<LayerSpec>>,
    /// How the image runs; merged with the config of the base.
    config: Option<ConfigSpec>,
    /// Settings of the check: findings to ignore, and warnings to treat as errors.
    check: Option<CheckSpec>,
    /// Variables with several values: each combination is an image of its own. Only for members of a workspace.
    matrix: Option<BTreeMap<String, Vec<MatrixValue>>>,
    /// Overrides by platform: tables merge, lists replace, layers merge by name.
    platform: Option<BTreeMap<String, Override>>,
}

/// The root file of a workspace, which describes no image itself.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "only describes keys, which are read at different times")]
pub(super) struct RootDocument {
    /// Version of the byte format. Its meaning never changes.
    #[schemars(extend("const" = 1))]
    format: i64,
    /// Files of NAME=value lines, relative to the root file, that are read after those of a member.
    env_files: Option<Vec<String>>,
    /// The members of the workspace.
    workspace: WorkspaceTable,
    /// What every member has unless it says otherwise.
    defaults: Option<Defaults>,
}

/// `[workspace]`
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "only describes keys")]
struct WorkspaceTable {
    /// Directories with an ocitect.toml, or spec files, relative to the root file; patterns such as "agents/*".
    members: Vec<String>,
    /// Patterns of directories and files that are no members.
    exclude: Option<Vec<String>>,
    /// The layout that all images are written to by default, relative to the root file.
    #[schemars(extend("default" = "build/oci"))]
    layout: Option<String>,
    /// What the artifacts of a member are made of, by its ID or a pattern: paths and patterns relative to the root file.
    /// `ocitect list --affected-by` selects the member if one of them changed.
    sources: Option<BTreeMap<String, Vec<String>>>,
    /// Variables of every member.
    vars: Option<BTreeMap<String, Var>>,
}

/// A value of an axis, or a table with it and more variables.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only describes values")]
enum MatrixValue {
    /// The value.
    Text(String),
    /// The value under the name of the axis, and more variables.
    Table(BTreeMap<String, String>),
}

/// `[image]`: the keys that are set once for all platforms, and those that a platform may override.
struct Image;

/// `[defaults]`: the keys of the document, except those that each member sets for itself.
struct Defaults;

/// `[platform."os/arch"]`: the keys of the document, except those that are set once for all platforms.
struct Override;

/// Keys of the document that no platform overrides.
pub(super) const ONCE_IN_DOCUMENT: [&str; 4] = ["format", "env-files", "matrix", "platform"];

/// Keys of `[image]` that are said once for the index, and that no platform overrides.
pub(super) const ONCE_IN_IMAGE: [&str; 5] = ["name", "tags", "platforms", "index", "media-types"];

impl JsonSchema for Image {
    fn schema_name() -> Cow<'static, str> {
        "Image".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = ImageSpec::json_schema(generator);
        let mut platform = PlatformSpec::json_schema(generator);
        if let (Some(keys), Some(others)) = (keys(&mut schema), keys(&mut platform)) {
            keys.append(others);
        }
        schema
    }
}

impl JsonSchema for Defaults {
    fn schema_name() -> Cow<'static, str> {
        "Defaults".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut image = Image::json_schema(generator);
        // Each member provides what the defaults omit.
        image.remove("required");
        let mut schema = Document::json_schema(generator);
        schema.remove("required");
        schema.insert("description".to_owned(), "Defaults for every member.".into());
        if let Some(keys) = keys(&mut schema) {
            keys.retain(|name, _| !ONCE_IN_DOCUMENT.contains(&name.as_str()));
            keys.insert("image".to_owned(), image.to_value());
        }
        schema
    }
}

impl JsonSchema for Override {
    fn schema_name() -> Cow<'static, str> {
        "Override".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let image = PlatformSpec::json_schema(generator);
        let mut schema = Document::json_schema(generator);
        // The document provides what an override omits.
        schema.remove("required");
        schema.insert("description".to_owned(), "Overrides for one platform.".into());
        if let Some(keys) = keys(&mut schema) {
            keys.retain(|name, _| !ONCE_IN_DOCUMENT.contains(&name.as_str()));
            keys.insert("image".to_owned(), image.to_value());
        }
        schema
    }
}

/// Returns the keys of a table's schema.
fn keys(schema: &mut Schema) -> Option<&mut Map<String, Value>> {
    schema.get_mut("properties")?.as_object_mut()
}

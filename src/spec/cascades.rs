//! The keys of settings that cascade from the image to its layers and their files, as the JSON Schema describes them.
//! Each table has its own defaults for them; the types that hold the values have no field for each key.
#![expect(dead_code, reason = "only describes keys")]

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::forms::{CompressionName, ModeText, OwnerText, TextOrInteger};

#[derive(JsonSchema)]
pub(super) struct CompressionOfImage {
    /// Compression of the layers.
    #[schemars(extend("default" = "gzip"))]
    compression: Option<CompressionName>,
    /// Level of the compressor: 0 to 9 for gzip, 1 to 22 for zstd.
    level: Option<i64>,
}

#[derive(JsonSchema)]
pub(super) struct CompressionOfLayer {
    /// Compression; default: the image's.
    compression: Option<CompressionName>,
    /// Level of the compressor: 0 to 9 for gzip, 1 to 22 for zstd.
    level: Option<i64>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub(super) struct FilesOfImage {
    /// Modification time of every file: seconds since 1970, or RFC 3339.
    #[schemars(default, schema_with = "mtime_schema")]
    mtime: Option<TextOrInteger>,
    /// Owner of files: user, user:group, by name or number; default: 0:0.
    owner: Option<OwnerText>,
    /// Mode of files, octal.
    mode: Option<ModeText>,
    /// Mode of directories, octal.
    dir_mode: Option<ModeText>,
}

fn mtime_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "integer" }, { "type": "string", "format": "date-time" }], "default": 1 })
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub(super) struct FilesOfLayer {
    /// Owner of files: user, user:group, by name or number; default: the image's.
    owner: Option<OwnerText>,
    /// Mode of files, octal; default: the image's.
    mode: Option<ModeText>,
    /// Mode of directories, octal; default: the image's.
    dir_mode: Option<ModeText>,
    /// Platforms that get this layer; default: all.
    platforms: Option<Vec<String>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub(super) struct FilesOfEntry {
    /// Owner: user, user:group, by name or number; default: the layer's.
    owner: Option<OwnerText>,
    /// Mode of files, octal; default: the layer's.
    mode: Option<ModeText>,
    /// Mode of directories, octal; default: the layer's.
    dir_mode: Option<ModeText>,
}

//! The forms in which values are written, as the JSON Schema describes them. A field of another type names its form with
//! `schemars(with = …)`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

macro_rules! forms {
    (inline: $inline:literal, $($name:ident: $schema:tt)*) => {
        $(pub(super) enum $name {}

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                $inline
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        })*
    };
}

forms! {
    inline: true,
    OwnerText: {
        "type": "string",
        "x-hint": "write the owner as a string: \"1000\", \"1000:1000\", \"app\" or \"app:staff\"",
    }
    ModeText: { "type": "string", "x-hint": "write the mode as a string of octal digits: \"0755\"" }
    PortText: {
        "description": "A port with an optional protocol.",
        "type": "string",
        "x-hint": "write the port as a string: \"3000\" or \"53/udp\"",
    }
    DurationText: { "type": "string", "x-hint": "write the duration as a string: \"30s\" or \"1m30s\"" }
    False: { "type": "boolean", "const": false }
}

forms! {
    inline: false,
    TextOrFalse: {
        "anyOf": [
            { "type": "string", "description": "The value." },
            { "type": "boolean", "const": false, "description": "Removes the value of the base." },
        ],
        "x-hint": "write numbers and true as strings, such as \"1\"; false removes the value of the base",
        "description": "A value, or `false` to remove it.",
    }
    TextOrInteger: {
        "anyOf": [
            { "type": "string", "description": "As a string." },
            { "type": "integer", "format": "int64", "description": "As a number." },
        ],
        "description": "An integer, or a string.",
    }
    MediaTypes: {
        "type": "string",
        "enum": ["oci", "docker"],
        "description": "Names of the families of media types.",
    }
    CompressionName: {
        "type": "string",
        "enum": ["gzip", "zstd", "none"],
        "description": "Names of compressors.",
    }
}

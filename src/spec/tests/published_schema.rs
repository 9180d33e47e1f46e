//! The JSON Schema that editors use.

use serde_json::Value;

use super::super::schema;

fn at<'a>(schema: &'a Value, pointer: &str) -> &'a Value {
    schema
        .pointer(pointer)
        .unwrap_or_else(|| panic!("no {pointer} in {schema:#}"))
}

#[test]
fn every_table_is_there_and_closed() {
    let schema = schema();
    assert_eq!(at(&schema, "/$schema"), "http://json-schema.org/draft-07/schema#");
    for name in [
        "format",
        "env-files",
        "image",
        "vars",
        "users",
        "groups",
        "dirs",
        "layers",
        "config",
        "check",
        "matrix",
        "platform",
        "workspace",
        "defaults",
    ] {
        at(&schema, &format!("/properties/{name}/description"));
    }
    assert_eq!(at(&schema, "/additionalProperties"), false);
    // A member may have all else from its root file.
    assert_eq!(at(&schema, "/required"), &serde_json::json!(["format"]));
    assert_eq!(schema.pointer("/definitions/Image/required"), None);
    assert_eq!(
        at(&schema, "/definitions/WorkspaceTable/required"),
        &serde_json::json!(["members"])
    );
    for name in [
        "Image",
        "Layer",
        "Files",
        "Config",
        "User",
        "Override",
        "WorkspaceTable",
        "Defaults",
    ] {
        assert_eq!(at(&schema, &format!("/definitions/{name}/additionalProperties")), false);
    }
    assert_eq!(
        at(&schema, "/definitions/Image/properties/tags/default"),
        &serde_json::json!(["latest"])
    );
    assert_eq!(
        at(&schema, "/definitions/CompressionName/enum"),
        &serde_json::json!(["gzip", "zstd", "none"])
    );
}

#[test]
fn overrides_have_all_but_what_is_said_once() {
    let schema = schema();
    let over = at(&schema, "/definitions/Override/properties").as_object().unwrap();
    let names: Vec<&str> = over.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["image", "vars", "users", "groups", "dirs", "layers", "config", "check"]
    );
    let image = over["image"]["properties"].as_object().unwrap();
    assert!(image.contains_key("base") && image.contains_key("max-size"));
    for name in ["name", "tags", "platforms", "index", "media-types"] {
        assert!(!image.contains_key(name), "{name}");
    }
    assert!(over["image"].get("required").is_none());
}

#[test]
fn root_files_and_specs_have_their_own_keys() {
    let schema = schema();
    assert_eq!(
        at(&schema, "/then/propertyNames/enum"),
        &serde_json::json!(["format", "env-files", "workspace", "defaults"])
    );
    assert_eq!(at(&schema, "/else/not/required"), &serde_json::json!(["defaults"]));
    let workspace = at(&schema, "/definitions/WorkspaceTable/properties")
        .as_object()
        .unwrap();
    let names: Vec<&str> = workspace.keys().map(String::as_str).collect();
    assert_eq!(names, ["members", "exclude", "layout", "sources", "vars"]);
    let defaults = at(&schema, "/definitions/Defaults/properties").as_object().unwrap();
    assert!(defaults.contains_key("image") && !defaults.contains_key("matrix"));
}

#[test]
fn it_speaks_plain_json_schema() {
    let text = schema().to_string();
    assert!(!text.contains("x-hint"));
    assert!(!text.contains("null"), "{text}");
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        at(&schema(), pointer);
    }
}

//! The JSON Schema of the spec, and the check of a spec's keys and types against it.
//!
//! The editor and the check use the same schema, so that they cannot differ. All problems are found in one pass, before
//! variables are expanded.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::{Map, Value, json};

use super::alternatives::{Alternatives, HINT, found};
use super::document::{Document, ONCE_IN_DOCUMENT, ONCE_IN_IMAGE, RootDocument};
use super::error::Problem;
use super::habits;
use super::tree::{self, Node, Span};
use crate::model::{escape, nearest};

/// Returns the JSON Schema (draft 7) of `ocitect.toml`, generated from the types that read it: of a spec, or of the root
/// file of a workspace. The keys of both are side by side, where every editor finds them, and conditions tell the two
/// apart. Nothing that a root file may provide for its members is required.
pub fn schema() -> Value {
    let mut schema = hinted_schema::<Document>();
    let root = hinted_schema::<RootDocument>();
    let root_keys: Vec<Value> = entries(&root, "properties")
        .map(|(name, _)| name.as_str().into())
        .collect();
    for part in ["properties", "definitions"] {
        for (name, value) in entries(&root, part) {
            if let Some(known) = schema.get_mut(part).and_then(Value::as_object_mut) {
                known.entry(name.as_str()).or_insert_with(|| value.clone());
            }
        }
    }
    remove_key(&mut schema["definitions"]["Image"], "required");
    schema["required"] = json!(["format"]);
    schema["description"] =
        "A spec, which describes one image for all its platforms, or the root file of a workspace.".into();
    schema["if"] = json!({ "required": ["workspace"] });
    schema["then"] = json!({ "propertyNames": { "enum": root_keys } });
    schema["else"] = json!({ "not": { "required": ["defaults"] } });
    remove_key(&mut schema, HINT);
    schema
}

/// Returns the entries of an object in a schema.
fn entries<'a>(schema: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    schema.get(name).and_then(Value::as_object).into_iter().flatten()
}

/// Returns the schema with the hints of the check.
fn hinted_schema<T: JsonSchema>() -> Value {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<T>();
    RecursiveTransform(remove_null).transform(&mut schema);
    schema.insert("title".to_owned(), "ocitect.toml".into());
    schema.to_value()
}

/// Removes `null` from the schema. TOML does not have it: an optional key is just not required.
fn remove_null(schema: &mut schemars::Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type") != Some(&Value::from("null")));
        if let [Value::Object(only)] = &choices[..] {
            let only = only.clone();
            schema.remove("anyOf");
            match schema.as_object_mut() {
                Some(object) if only.contains_key("$ref") => {
                    object.insert("allOf".to_owned(), Value::Array(vec![Value::Object(only)]));
                }
                Some(object) => only.into_iter().for_each(|(name, value)| {
                    object.entry(name).or_insert(value);
                }),
                None => {}
            }
        }
    }
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
}

fn remove_key(value: &mut Value, key: &str) {
    match value {
        Value::Object(object) => {
            object.shift_remove(key);
            object.values_mut().for_each(|field| remove_key(field, key));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| remove_key(item, key)),
        _ => {}
    }
}

/// Returns the problems of the keys and types of a spec.
pub(super) fn check(document: &Node) -> Vec<Problem> {
    check_against(&hinted_schema::<Document>(), document)
}

/// Returns the problems of the keys and types of the root file of a workspace.
pub(super) fn check_root(document: &Node) -> Vec<Problem> {
    check_against(&hinted_schema::<RootDocument>(), document)
}

fn check_against(root: &Value, document: &Node) -> Vec<Problem> {
    let mut check = Check {
        root,
        problems: Vec::new(),
    };
    check.table(&Alternatives::of(root, root), document, &mut Vec::new());
    check.problems
}

struct Check<'a> {
    root: &'a Value,
    problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    fn value(&mut self, schema: &'a Value, value: &Node, path: &mut Vec<String>) {
        let alternatives = Alternatives::of(self.root, schema);
        let matching = alternatives.matching(&value.value);
        if matching.is_empty() {
            let message = format!(
                "`{}` has the wrong type: expected {}, found {}",
                escape(path.join(".").as_bytes()),
                alternatives.expected(),
                found(&value.value)
            );
            self.problems
                .push(Problem::new(&value.span, message).help_if(alternatives.hint));
            return;
        }
        match &value.value {
            tree::Value::Text(text) => self.word(&matching, text, &value.span, path),
            tree::Value::List(items) => {
                for (item, schema) in items
                    .iter()
                    .flat_map(|item| matching.iter().filter_map(move |leaf| Some((item, leaf.get("items")?))))
                {
                    self.value(schema, item, path);
                }
            }
            tree::Value::Table(_) => {
                let alternatives = Alternatives {
                    leaves: matching,
                    hint: None,
                };
                self.table(&alternatives, value, path);
            }
            _ => {}
        }
    }

    /// Checks that a text is one of the words that the schema lists. Texts with variables are left to the second check.
    fn word(&mut self, matching: &[&Map<String, Value>], text: &str, span: &Span, path: &[String]) {
        let mut words = Vec::new();
        for leaf in matching {
            match (leaf.get("const"), leaf.get("enum").and_then(Value::as_array)) {
                (Some(Value::String(word)), _) => words.push(word.as_str()),
                (_, Some(list)) => words.extend(list.iter().filter_map(Value::as_str)),
                _ => return,
            }
        }
        if words.contains(&text) || text.contains("${") {
            return;
        }
        let message = format!(
            "`{}` must be one of {}",
            escape(path.join(".").as_bytes()),
            words.join(", ")
        );
        let near = nearest(text, words).map(|word| format!("did you mean \"{word}\"?"));
        self.problems.push(Problem::new(span, message).help_if(near));
    }

    fn table(&mut self, schema: &Alternatives<'a>, table: &Node, path: &mut Vec<String>) {
        let Some(leaf) = schema.leaves.first() else { return };
        let properties = leaf.get("properties").and_then(Value::as_object);
        let mut has_unknown = false;
        for (name, value) in table.entries() {
            let property = properties.and_then(|properties| properties.get(name));
            let others = leaf.get("additionalProperties").filter(|others| others.is_object());
            match property.or(others) {
                Some(schema) => {
                    path.push(name.to_owned());
                    self.value(schema, value, path);
                    path.pop();
                }
                None => {
                    self.unknown_key(properties, name, &value.key, path);
                    has_unknown = true;
                }
            }
        }
        // A missing key is probably one of the unknown keys.
        if has_unknown && !path.is_empty() {
            return;
        }
        let required = leaf
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        for name in required.filter(|name| table.get(name).is_none()) {
            let message = match &path[..] {
                [] => format!("the spec has no `{name}`"),
                path => format!("`{}` has no `{name}`", escape(path.join(".").as_bytes())),
            };
            self.problems
                .push(Problem::new(&table.span, message).help_if(required_help(name, path)));
        }
    }

    fn unknown_key(&mut self, properties: Option<&Map<String, Value>>, name: &str, span: &Span, path: &[String]) {
        let known: Vec<&str> = properties.into_iter().flat_map(Map::keys).map(String::as_str).collect();
        let place = match path {
            [] => String::new(),
            path => format!(" in `{}`", escape(path.join(".").as_bytes())),
        };
        let problem = Problem::new(span, format!("unknown key `{}`{place}", escape(name.as_bytes())));
        let help = if is_said_once(name, path) {
            Some("set it once for all platforms, outside of [platform]".to_owned())
        } else {
            habits::help(self.root, name, &known)
        };
        self.problems
            .push(problem.help(help.unwrap_or_else(|| format!("known keys: {}", known.join(", ")))));
    }
}

/// Returns an example for a required key that new users may not know.
fn required_help(name: &str, path: &[String]) -> Option<&'static str> {
    match (path, name) {
        ([], "format") => Some("write `format = 1` as the first line"),
        ([], "image") => Some("add a table [image] with platforms = [\"linux/amd64\"]"),
        ([image], "platforms") if image == "image" => {
            Some("add platforms, such as platforms = [\"linux/amd64\", \"linux/arm64\"]")
        }
        ([layers], "name") if layers == "layers" => Some("give the layer a unique name, such as name = \"app\""),
        _ => None,
    }
}

fn is_said_once(name: &str, path: &[String]) -> bool {
    match path {
        [first, _] if first == "platform" => ONCE_IN_DOCUMENT.contains(&name),
        [first, _, last] if first == "platform" && last == "image" => ONCE_IN_IMAGE.contains(&name),
        _ => false,
    }
}

//! The JSON Schema of the spec, and the check of a spec's keys and types against it.
//!
//! One description serves the editor and the check, so that they cannot differ. All problems are found in one go, before
//! any variable is looked at.

use std::ops::Range;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::raw::{Document, ONCE_IN_DOCUMENT, ONCE_IN_IMAGE};
use crate::model::{escape, nearest};

/// Keyword of a hint for a value of the wrong type; not part of the published schema.
const HINT: &str = "x-hint";

/// The JSON Schema (draft 7) of `ocitect.toml`, from the types that read it.
pub fn schema() -> Value {
    let mut schema = hinted_schema();
    remove_key(&mut schema, HINT);
    schema
}

/// The schema with the hints of the check.
fn hinted_schema() -> Value {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Document>();
    RecursiveTransform(remove_null).transform(&mut schema);
    schema.insert("title".to_owned(), "ocitect.toml".into());
    schema.to_value()
}

/// TOML has no null: a key that may be left out is just not required.
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

/// What is wrong with the keys and types of a document.
pub(super) fn check(document: &Spanned<DeTable<'_>>) -> Vec<Problem> {
    let root = hinted_schema();
    let mut check = Check { root: &root, problems: Vec::new() };
    check.table(&Alternatives::of(&root, &root), document.get_ref(), &document.span(), &mut Vec::new());
    check.problems
}

/// The ways in which a value may be written: references followed, choices taken apart.
struct Alternatives<'a> {
    leaves: Vec<&'a Map<String, Value>>,
    hint: Option<&'a str>,
}

impl<'a> Alternatives<'a> {
    fn of(root: &'a Value, schema: &'a Value) -> Self {
        let mut found = Self { leaves: Vec::new(), hint: None };
        found.collect(root, schema);
        found
    }

    /// Ends, since the schema of the spec holds no cycle of references without a key between.
    fn collect(&mut self, root: &'a Value, schema: &'a Value) {
        let Some(object) = schema.as_object() else { return };
        if let Some(hint) = object.get(HINT).and_then(Value::as_str) {
            self.hint.get_or_insert(hint);
        }
        if let Some(target) = object.get("$ref").and_then(Value::as_str) {
            if let Some(target) = root.pointer(target.trim_start_matches('#')) {
                self.collect(root, target);
            }
            return;
        }
        let choices: Vec<&Value> = ["allOf", "anyOf", "oneOf"]
            .iter()
            .filter_map(|key| object.get(*key).and_then(Value::as_array))
            .flatten()
            .collect();
        if choices.is_empty() {
            self.leaves.push(object);
        }
        choices.into_iter().for_each(|choice| self.collect(root, choice));
    }

    /// The alternatives that a value of this kind can be.
    fn matching(&self, value: &DeValue<'_>) -> Vec<&'a Map<String, Value>> {
        self.leaves.iter().copied().filter(|leaf| admits(leaf, value)).collect()
    }

    fn expected(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for name in self.leaves.iter().map(|leaf| describe(leaf)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.join(" or ")
    }
}

fn admits(leaf: &Map<String, Value>, value: &DeValue<'_>) -> bool {
    let wanted = leaf.get("type").and_then(Value::as_str);
    match value {
        DeValue::String(_) => wanted == Some("string"),
        DeValue::Integer(_) => wanted == Some("integer"),
        DeValue::Float(_) => wanted == Some("number"),
        DeValue::Boolean(value) => {
            wanted == Some("boolean") && leaf.get("const").is_none_or(|constant| *constant == Value::Bool(*value))
        }
        DeValue::Datetime(_) => leaf.get("format").and_then(Value::as_str) == Some("date-time"),
        DeValue::Array(_) => wanted == Some("array"),
        DeValue::Table(_) => wanted == Some("object"),
    }
}

fn describe(leaf: &Map<String, Value>) -> &'static str {
    match leaf.get("type").and_then(Value::as_str) {
        Some("string") if leaf.contains_key("format") => "a date and time",
        Some("string") => "a string",
        Some("integer") => "an integer",
        Some("boolean") if leaf.contains_key("const") => "false",
        Some("boolean") => "true or false",
        Some("array") => "a list",
        Some("object") => "a table",
        _ => "another value",
    }
}

fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a floating-point number",
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

struct Check<'a> {
    root: &'a Value,
    problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    fn value(&mut self, schema: &'a Value, value: &Spanned<DeValue<'_>>, path: &mut Vec<String>) {
        let alternatives = Alternatives::of(self.root, schema);
        let matching = alternatives.matching(value.get_ref());
        if matching.is_empty() {
            let message = format!(
                "`{}` has the wrong type: expected {}, found {}",
                escape(path.join(".").as_bytes()),
                alternatives.expected(),
                found(value.get_ref())
            );
            let problem = Problem::new(&value.span(), message);
            self.problems.push(match alternatives.hint {
                Some(hint) => problem.help(hint),
                None => problem,
            });
            return;
        }
        match value.get_ref() {
            DeValue::String(text) => self.word(&matching, text, &value.span(), path),
            DeValue::Array(items) => {
                for (item, schema) in items
                    .iter()
                    .flat_map(|item| matching.iter().filter_map(move |leaf| Some((item, leaf.get("items")?))))
                {
                    self.value(schema, item, path);
                }
            }
            DeValue::Table(table) => {
                self.table(&Alternatives { leaves: matching, hint: None }, table, &value.span(), path);
            }
            _ => {}
        }
    }

    /// One of a few words, where the schema lists them; what has a variable in it is left to the second check.
    fn word(&mut self, matching: &[&Map<String, Value>], text: &str, span: &Range<usize>, path: &[String]) {
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
        let message = format!("`{}` must be one of {}", escape(path.join(".").as_bytes()), words.join(", "));
        let problem = Problem::new(span, message);
        self.problems.push(match nearest(text, words) {
            Some(word) => problem.help(format!("did you mean \"{word}\"?")),
            None => problem,
        });
    }

    fn table(&mut self, schema: &Alternatives<'a>, table: &DeTable<'_>, span: &Range<usize>, path: &mut Vec<String>) {
        let Some(leaf) = schema.leaves.first() else { return };
        let properties = leaf.get("properties").and_then(Value::as_object);
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let property = properties.and_then(|properties| properties.get(name));
            let others = leaf.get("additionalProperties").filter(|others| others.is_object());
            match property.or(others) {
                Some(schema) => {
                    path.push(name.to_owned());
                    self.value(schema, value, path);
                    path.pop();
                }
                None => self.unknown_key(properties, name, &key.span(), path),
            }
        }
        let required = leaf.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for name in required.filter(|name| !table.contains_key(*name)) {
            let message = match &path[..] {
                [] => format!("the spec lacks `{name}`"),
                path => format!("`{}` lacks `{name}`", escape(path.join(".").as_bytes())),
            };
            self.problems.push(Problem::new(span, message));
        }
    }

    fn unknown_key(
        &mut self,
        properties: Option<&Map<String, Value>>,
        name: &str,
        span: &Range<usize>,
        path: &[String],
    ) {
        let known: Vec<&str> = properties.into_iter().flat_map(Map::keys).map(String::as_str).collect();
        let place = match path {
            [] => String::new(),
            path => format!(" in `{}`", escape(path.join(".").as_bytes())),
        };
        let problem = Problem::new(span, format!("unknown key `{}`{place}", escape(name.as_bytes())));
        self.problems.push(problem.help(match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if is_said_once(name, path) => "it is said once for all platforms".to_owned(),
            None => format!("known keys: {}", known.join(", ")),
        }));
    }
}

fn is_said_once(name: &str, path: &[String]) -> bool {
    match path {
        [first, _] if first == "platform" => ONCE_IN_DOCUMENT.contains(&name),
        [first, _, last] if first == "platform" && last == "image" => ONCE_IN_IMAGE.contains(&name),
        _ => false,
    }
}

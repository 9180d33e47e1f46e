//! The alternatives that the schema allows for a value.

use serde_json::{Map, Value};

use super::tree;

/// Keyword of a hint for a value of the wrong type; not part of the published schema.
pub(super) const HINT: &str = "x-hint";

/// The alternatives for a value: references are resolved, choices are split.
pub(super) struct Alternatives<'a> {
    pub(super) leaves: Vec<&'a Map<String, Value>>,
    pub(super) hint: Option<&'a str>,
}

impl<'a> Alternatives<'a> {
    pub(super) fn of(root: &'a Value, schema: &'a Value) -> Self {
        let mut found = Self {
            leaves: Vec::new(),
            hint: None,
        };
        found.collect(root, schema);
        found
    }

    /// Terminates, since the spec's schema has no cycle of references without a key in between.
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

    /// Returns the alternatives that accept a value of this kind.
    pub(super) fn matching(&self, value: &tree::Value) -> Vec<&'a Map<String, Value>> {
        self.leaves.iter().copied().filter(|leaf| admits(leaf, value)).collect()
    }

    pub(super) fn expected(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for name in self.leaves.iter().map(|leaf| describe(leaf)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.join(" or ")
    }
}

fn admits(leaf: &Map<String, Value>, value: &tree::Value) -> bool {
    let wanted = leaf.get("type").and_then(Value::as_str);
    match value {
        tree::Value::Text(_) => wanted == Some("string"),
        tree::Value::Integer(_) => wanted == Some("integer"),
        tree::Value::Float => wanted == Some("number"),
        tree::Value::Boolean(value) => {
            wanted == Some("boolean")
                && leaf
                    .get("const")
                    .is_none_or(|constant| *constant == Value::Bool(*value))
        }
        tree::Value::Time(_) => leaf.get("format").and_then(Value::as_str) == Some("date-time"),
        tree::Value::List(_) => wanted == Some("array"),
        tree::Value::Table(_) => wanted == Some("object"),
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

pub(super) fn found(value: &tree::Value) -> &'static str {
    match value {
        tree::Value::Text(_) => "a string",
        tree::Value::Integer(_) => "an integer",
        tree::Value::Float => "a floating-point number",
        tree::Value::Boolean(true) => "true",
        tree::Value::Boolean(false) => "false",
        tree::Value::Time(_) => "a date or time",
        tree::Value::List(_) => "a list",
        tree::Value::Table(_) => "a table",
    }
}

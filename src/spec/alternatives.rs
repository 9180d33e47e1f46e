//! The alternatives that the schema allows for a value.

use serde_json::{Map, Value};
use toml::de::DeValue;

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
    pub(super) fn matching(&self, value: &DeValue<'_>) -> Vec<&'a Map<String, Value>> {
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

fn admits(leaf: &Map<String, Value>, value: &DeValue<'_>) -> bool {
    let wanted = leaf.get("type").and_then(Value::as_str);
    match value {
        DeValue::String(_) => wanted == Some("string"),
        DeValue::Integer(_) => wanted == Some("integer"),
        DeValue::Float(_) => wanted == Some("number"),
        DeValue::Boolean(value) => {
            wanted == Some("boolean")
                && leaf
                    .get("const")
                    .is_none_or(|constant| *constant == Value::Bool(*value))
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

pub(super) fn found(value: &DeValue<'_>) -> &'static str {
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

//! A validator for the part of JSON Schema (draft 7) that ocitect's schema uses. An unknown keyword is a failure, so that
//! the validator cannot fall behind the schema.

use serde_json::{Map, Value};

/// Keywords that only describe.
const ANNOTATIONS: [&str; 8] = [
    "$schema",
    "title",
    "description",
    "default",
    "definitions",
    "examples",
    "format",
    "x-taplo",
];

/// Returns what is wrong with a document, each with its place.
pub fn violations(schema: &Value, document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    Validator { root: schema }.value(schema, document, "", &mut found);
    found
}

struct Validator<'a> {
    root: &'a Value,
}

impl Validator<'_> {
    fn is_valid(&self, schema: &Value, value: &Value) -> bool {
        let mut found = Vec::new();
        self.value(schema, value, "", &mut found);
        found.is_empty()
    }

    fn value(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        let keywords = match schema {
            Value::Bool(true) => return,
            Value::Bool(false) => return found.push(format!("{at}: not allowed")),
            other => other.as_object().unwrap(),
        };
        for (keyword, argument) in keywords {
            let mut fail = |text: String| found.push(format!("{at}: {text}"));
            match keyword.as_str() {
                "$ref" => {
                    let pointer = argument.as_str().unwrap().trim_start_matches('#');
                    self.value(self.root.pointer(pointer).unwrap(), value, at, found);
                }
                "type" if !is_of_types(argument, value) => fail(format!("is no {argument}")),
                "enum" if !argument.as_array().unwrap().contains(value) => fail(format!("is none of {argument}")),
                "const" if argument != value => fail(format!("is not {argument}")),
                "minimum" if value.as_i64() < argument.as_i64() => fail(format!("is less than {argument}")),
                "anyOf" if !self.alternatives(argument).any(|one| self.is_valid(one, value)) => {
                    fail("fits no alternative".to_owned());
                }
                "oneOf"
                    if self
                        .alternatives(argument)
                        .filter(|one| self.is_valid(one, value))
                        .count()
                        != 1 =>
                {
                    fail("does not fit one alternative".to_owned());
                }
                "allOf" => self
                    .alternatives(argument)
                    .for_each(|one| self.value(one, value, at, found)),
                "not" if self.is_valid(argument, value) => fail("is what it must not be".to_owned()),
                "if" => {
                    let branch = if self.is_valid(argument, value) { "then" } else { "else" };
                    if let Some(branch) = keywords.get(branch) {
                        self.value(branch, value, at, found);
                    }
                }
                "items" => {
                    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.value(argument, item, &format!("{at}[{number}]"), found);
                    }
                }
                "required" | "properties" | "additionalProperties" | "propertyNames" => {
                    if let Value::Object(object) = value {
                        self.object(keyword, argument, keywords, object, at, found);
                    }
                }
                "type" | "enum" | "const" | "minimum" | "anyOf" | "oneOf" | "not" | "then" | "else" => {}
                other => assert!(ANNOTATIONS.contains(&other), "the validator does not know {other}"),
            }
        }
    }

    fn alternatives<'b>(&self, list: &'b Value) -> std::slice::Iter<'b, Value> {
        list.as_array().unwrap().iter()
    }

    fn object(
        &self,
        keyword: &str,
        argument: &Value,
        keywords: &Map<String, Value>,
        object: &Map<String, Value>,
        at: &str,
        found: &mut Vec<String>,
    ) {
        let known = keywords.get("properties").and_then(Value::as_object);
        match keyword {
            "required" => {
                let names = argument.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                let missing = names.filter(|name| !object.contains_key(*name));
                found.extend(missing.map(|name| format!("{at}: has no {name}")));
            }
            "propertyNames" => {
                for name in object.keys() {
                    self.value(argument, &Value::from(name.as_str()), &format!("{at}.{name}"), found);
                }
            }
            _ => {
                for (name, value) in object {
                    let property = known.and_then(|known| known.get(name));
                    let schema = if keyword == "properties" {
                        property
                    } else {
                        Some(argument).filter(|_| property.is_none())
                    };
                    if let Some(schema) = schema {
                        self.value(schema, value, &format!("{at}.{name}"), found);
                    }
                }
            }
        }
    }
}

fn is_of_types(types: &Value, value: &Value) -> bool {
    match types {
        Value::Array(types) => types.iter().any(|one| is_of_types(one, value)),
        one => match (one.as_str().unwrap(), value) {
            ("object", Value::Object(_))
            | ("array", Value::Array(_))
            | ("string", Value::String(_))
            | ("boolean", Value::Bool(_)) => true,
            ("integer", Value::Number(number)) => number.is_i64() || number.is_u64(),
            ("number", Value::Number(_)) => true,
            _ => false,
        },
    }
}

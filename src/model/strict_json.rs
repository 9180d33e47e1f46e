//! JSON from outside, read strictly, and JSON of our own, written canonically.
//!
//! Documents must be I-JSON (image-spec, considerations.md): a name that stands twice in one object, at any depth, is
//! refused, and so is one that differs from a known one in case alone, since parsers disagree about what they mean.

use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Names of the standards, whose spelling in another case is refused: readers that ignore case would act on them.
const KNOWN_NAMES: [&str; 16] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "fsLayers",
    "subject",
    "annotations",
    "digest",
    "size",
    "platform",
    "architecture",
    "os",
    "rootfs",
    "history",
];

/// Parses one JSON document. Besides what `serde_json` refuses (depth over 128 included), duplicate names are errors, and
/// so are case variants of the names that image manifests, indexes and descriptors use.
pub fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Keys sorted by bytes, no insignificant space, no trailing newline.
pub fn canonical(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&sorted(serde_json::to_value(value)?))
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
            fields.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(fields.into_iter().map(|(name, field)| (name, sorted(field))).collect())
        }
        plain => plain,
    }
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let known = KNOWN_NAMES.iter().find(|known| known.eq_ignore_ascii_case(&name));
            if let Some(known) = known
                && *known != name
                && is_structural(known)
            {
                return Err(A::Error::custom(format!("the name \"{name}\" differs from \"{known}\" in case alone")));
            }
            let value = fields.next_value_seed(Strict)?;
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("the name \"{}\" stands twice", super::escape(name.as_bytes()))));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// Free-form maps (labels, environment) may hold `OS` or `Config`; the names that decide what a document is may not vary.
fn is_structural(name: &str) -> bool {
    !matches!(name, "os" | "architecture" | "size" | "history" | "platform" | "config" | "annotations" | "subject")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_names_are_refused_at_any_depth() {
        for bad in [r#"{"a":1,"a":2}"#, r#"{"x":[{"b":{"c":1,"c":1}}]}"#, r#"{"a":1}{}"#, r#"{"MediaType":"x"}"#] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert!(parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn canonical_is_sorted_and_tight() {
        let value = parse(br#" {"b": [1, {"z": 0, "a": null}], "a": "x"} "#).unwrap();
        assert_eq!(canonical(&value).unwrap(), br#"{"a":"x","b":[1,{"a":null,"z":0}]}"#);
    }
}

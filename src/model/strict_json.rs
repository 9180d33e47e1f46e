//! Reads JSON from outside strictly, and writes our own JSON in canonical form.
//!
//! Documents must be I-JSON (image-spec, considerations.md): a name that occurs twice in one object, at any depth, is
//! refused. In objects of the standard, a name that differs from one of the standard's names only in case is refused
//! too, since parsers disagree about its meaning.

use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The names that the standard gives to the fields of an object.
///
/// Readers in Go ignore the case of names. An object with such a name would have different meanings to different
/// readers, so it is refused. Maps with free names (labels, annotations, ports) and objects that the standard does not
/// define are not checked.
#[derive(Debug)]
pub struct Names(&'static [(&'static str, Inside)]);

/// The content of a field of the standard.
#[derive(Debug)]
enum Inside {
    /// A value, or a map with free names.
    Plain,
    /// An object of the standard.
    Object(&'static Names),
    /// A list of objects of the standard.
    List(&'static Names),
}
use Inside::{List, Object, Plain};

/// image-spec, descriptor.md.
const DESCRIPTOR: Names = Names(&[
    ("mediaType", Plain),
    ("digest", Plain),
    ("size", Plain),
    ("urls", Plain),
    ("annotations", Plain),
    ("data", Plain),
    ("artifactType", Plain),
    ("platform", Object(&PLATFORM)),
]);

/// image-spec, image-index.md, "platform".
const PLATFORM: Names = Names(&[
    ("architecture", Plain),
    ("os", Plain),
    ("os.version", Plain),
    ("os.features", Plain),
    ("variant", Plain),
]);

/// Manifests and indexes together, since the kind of a document follows from its fields (image-spec, manifest.md and
/// image-index.md; Docker's image manifest version 2, schema 1 and 2).
pub const MANIFEST: Names = Names(&[
    ("schemaVersion", Plain),
    ("mediaType", Plain),
    ("artifactType", Plain),
    ("config", Object(&DESCRIPTOR)),
    ("layers", List(&DESCRIPTOR)),
    ("manifests", List(&DESCRIPTOR)),
    ("fsLayers", Plain),
    ("subject", Object(&DESCRIPTOR)),
    ("annotations", Plain),
]);

/// image-spec, config.md, and the additional fields of Docker.
pub const CONFIG: Names = Names(&[
    ("architecture", Plain),
    ("os", Plain),
    ("os.version", Plain),
    ("os.features", Plain),
    ("variant", Plain),
    ("created", Plain),
    ("config", Object(&EXECUTION)),
    ("rootfs", Object(&Names(&[("type", Plain), ("diff_ids", Plain)]))),
    (
        "history",
        List(&Names(&[("created_by", Plain), ("empty_layer", Plain)])),
    ),
]);

/// image-spec, config.md, "config".
const EXECUTION: Names = Names(&[
    ("User", Plain),
    ("ExposedPorts", Plain),
    ("Env", Plain),
    ("Entrypoint", Plain),
    ("Cmd", Plain),
    ("Volumes", Plain),
    ("WorkingDir", Plain),
    ("Labels", Plain),
    ("StopSignal", Plain),
    ("Shell", Plain),
    ("Healthcheck", Object(&Names(&[("Test", Plain)]))),
]);

/// Parses one JSON document. In addition to the errors of `serde_json` (including a depth over 128), duplicate names
/// are errors at any depth.
pub fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Refuses names that differ from those of the standard only in case.
pub fn check_names(value: &Value, names: &Names) -> Result<(), serde_json::Error> {
    let Value::Object(fields) = value else { return Ok(()) };
    for (name, field) in fields {
        let folded = folded(name);
        let Some((known, inside)) = names.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(&folded)) else {
            continue;
        };
        if known != name {
            let shown = super::escape(name.as_bytes());
            let message = format!("the key \"{shown}\" differs from \"{known}\" only in case");
            return Err(serde::de::Error::custom(message));
        }
        match (inside, field) {
            (Object(names), object) => check_names(object, names)?,
            (List(names), Value::Array(items)) => items.iter().try_for_each(|item| check_names(item, names))?,
            (List(_) | Plain, _) => {}
        }
    }
    Ok(())
}

/// Replaces the two letters beyond ASCII that Go's parser treats as ASCII letters (encoding/json, foldName).
fn folded(name: &str) -> String {
    name.replace('\u{17f}', "s").replace('\u{212a}', "k")
}

/// Writes JSON with keys sorted by bytes, no insignificant space, and no trailing newline.
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
            let value = fields.next_value_seed(Strict)?;
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!(
                    "duplicate key \"{}\"",
                    super::escape(name.as_bytes())
                )));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_names_are_refused_at_any_depth() {
        for bad in [r#"{"a":1,"a":2}"#, r#"{"x":[{"b":{"c":1,"c":1}}]}"#, r#"{"a":1}{}"#] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert!(parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn names_in_another_case_are_refused_in_the_objects_of_the_standard_alone() {
        for (names, bad) in [
            (&MANIFEST, r#"{"MediaType":"x"}"#),
            (&MANIFEST, r#"{"mediaType":"x","MEDIATYPE":"y"}"#),
            (&MANIFEST, r#"{"layer\u017f":[]}"#),
            (&MANIFEST, r#"{"config":{"Digest":"x"}}"#),
            (&MANIFEST, r#"{"manifests":[{},{"platform":{"OS":"x"}}]}"#),
            (&MANIFEST, r#"{"subject":{"Size":1}}"#),
            (&CONFIG, r#"{"RootFS":{}}"#),
            (&CONFIG, r#"{"rootfs":{"Diff_IDs":[]}}"#),
            (&CONFIG, r#"{"config":{"entrypoint":["x"]}}"#),
            (&CONFIG, r#"{"history":[{"Empty_Layer":true}]}"#),
        ] {
            let error = check_names(&parse(bad.as_bytes()).unwrap(), names).unwrap_err();
            assert!(error.to_string().contains("only in case"), "{bad}: {error}");
        }
        for (names, good) in [
            (&MANIFEST, r#"{"annotations":{"Digest":"x","Layers":"y","digest":"z"}}"#),
            (
                &MANIFEST,
                r#"{"config":{"annotations":{"MediaType":"x"},"x":{"Size":1}}}"#,
            ),
            (&MANIFEST, r#"{"extension":{"Manifests":[]},"layers":[{"data":"x"}]}"#),
            (
                &CONFIG,
                r#"{"config":{"Labels":{"OS":"x","Config":"y"},"ExposedPorts":{"Env":{}},"Volumes":{"Cmd":{}}}}"#,
            ),
            (&CONFIG, r#"{"container_config":{"cmd":[]},"moby":{"History":[]}}"#),
        ] {
            check_names(&parse(good.as_bytes()).unwrap(), names).unwrap();
        }
    }

    #[test]
    fn canonical_is_sorted_and_tight() {
        let value = parse(br#" {"b": [1, {"z": 0, "a": null}], "a": "x"} "#).unwrap();
        assert_eq!(canonical(&value).unwrap(), br#"{"a":"x","b":[1,{"a":null,"z":0}]}"#);
    }
}

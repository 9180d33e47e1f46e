//! Digests by which two runs can tell whether they built the same spec with the same variables.

use std::collections::BTreeMap;

use super::convert::Context;
use super::resolve::Merged;
use super::tree::{Node, Value};
use crate::model::Digest;

/// Returns the digest of a document's values. Places, comments, the order of keys and the form of strings make no
/// difference.
pub(super) fn document_digest(document: &Node) -> Digest {
    let mut bytes = Vec::new();
    encode(document, &mut bytes);
    Digest::of(&bytes)
}

/// Returns the digest of the values that the variables have on each platform.
pub(super) fn variables_digest(merged: &[Merged], context: Context<'_>) -> Digest {
    let mut bytes = Vec::new();
    for platform in merged {
        let values: BTreeMap<&str, Option<String>> = platform.values(context);
        encode_length(b'p', values.len(), &mut bytes);
        for (name, value) in values {
            encode_text(b'k', name, &mut bytes);
            match value {
                Some(value) => encode_text(b's', &value, &mut bytes),
                None => bytes.push(b'n'),
            }
        }
    }
    Digest::of(&bytes)
}

/// Writes a value so that different values have different bytes: a letter for the kind, the length, the content.
fn encode(node: &Node, bytes: &mut Vec<u8>) {
    match &node.value {
        Value::Text(text) => encode_text(b's', text, bytes),
        Value::Integer(number) => encode_text(b'i', &number.to_string(), bytes),
        // No key of a spec takes one.
        Value::Float => bytes.push(b'f'),
        Value::Boolean(boolean) => bytes.extend([b'b', u8::from(*boolean)]),
        Value::Time(time) => encode_text(b't', time, bytes),
        Value::List(items) => {
            encode_length(b'l', items.len(), bytes);
            items.iter().for_each(|item| encode(item, bytes));
        }
        Value::Table(table) => {
            encode_length(b'm', table.len(), bytes);
            for (key, value) in table {
                encode_text(b'k', key, bytes);
                encode(value, bytes);
            }
        }
    }
}

fn encode_text(kind: u8, text: &str, bytes: &mut Vec<u8>) {
    encode_length(kind, text.len(), bytes);
    bytes.extend(text.as_bytes());
}

fn encode_length(kind: u8, length: usize, bytes: &mut Vec<u8>) {
    bytes.push(kind);
    bytes.extend((length as u64).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::spec::{Inputs, Spec};

    fn spec(text: &str, sets: &[(&str, &str)]) -> Spec {
        let inputs = Inputs {
            sets: sets
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Inputs::default()
        };
        Spec::parse(text, Path::new("ocitect.toml"), &inputs).unwrap()
    }

    const TEXT: &str = r#"
        format = 1
        vars.version = "1"
        image.platforms = ["linux/amd64", "linux/arm64"]
        image.base = "scratch"
        config.env.A = "${version}"
    "#;

    #[test]
    fn comments_and_order_make_no_difference_and_values_do() {
        let one = spec(TEXT, &[]);
        let reordered = TEXT.replace("image.base = \"scratch\"", "# a comment") + "image.base = 'scratch'";
        assert_eq!(one.digest(), spec(&reordered, &[]).digest());
        for (from, to) in [
            ("\"1\"", "\"2\""),
            ("env.A", "env.B"),
            ("\"linux/arm64\"", ""),
            ("\"linux/amd64\",", "\"linux/386\","),
        ] {
            assert_ne!(one.digest(), spec(&TEXT.replace(from, to), &[]).digest(), "{from}");
        }
    }

    #[test]
    fn variables_from_outside_have_a_digest_of_their_own() {
        let one = spec(TEXT, &[]);
        let other = spec(TEXT, &[("version", "2")]);
        assert_eq!(one.digest(), other.digest());
        assert_ne!(one.variables_digest(), other.variables_digest());
        assert_eq!(
            one.variables_digest(),
            spec(TEXT, &[("version", "1")]).variables_digest()
        );
    }
}

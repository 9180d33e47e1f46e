//! Merges `[platform."…"]` into the rest of the spec: tables merge, lists replace, `layers` merge by name.

use super::error::Problem;
use super::tree::{Node, Table, Value};

/// Merges the keys of `over` into `document`. Keys and values from `over` keep their place in the text.
pub(super) fn merge(document: &mut Table, over: &Node) -> Result<(), Problem> {
    for (key, over) in over.entries() {
        match (document.get_mut(key).map(|known| &mut known.value), &over.value) {
            (Some(Value::List(layers)), Value::List(over)) if key == "layers" => merge_layers(layers, over)?,
            _ => merge_key(document, key, over),
        }
    }
    Ok(())
}

fn merge_key(table: &mut Table, key: &str, over: &Node) {
    match (table.get_mut(key).map(|known| &mut known.value), &over.value) {
        (Some(Value::Table(inner)), Value::Table(over)) => merge_tables(inner, over),
        _ => drop(table.insert(key.to_owned(), over.clone())),
    }
}

fn merge_tables(table: &mut Table, over: &Table) {
    over.iter().for_each(|(key, over)| merge_key(table, key, over));
}

/// Merges a layer into the existing one with its name; appends a layer with a new name.
fn merge_layers(layers: &mut Vec<Node>, over: &[Node]) -> Result<(), Problem> {
    let mut merged: Vec<&str> = Vec::new();
    for layer in over {
        let Some(name) = layer_name(layer) else { continue };
        if merged.contains(&name) {
            let span = &layer.get("name").unwrap_or(layer).span;
            return Err(Problem::new(span, "two layers of one platform have the same name"));
        }
        merged.push(name);
        let known = layers.iter_mut().find(|known| layer_name(known) == Some(name));
        match (known.map(|known| &mut known.value), &layer.value) {
            (Some(Value::Table(table)), Value::Table(over)) => merge_tables(table, over),
            _ => layers.push(layer.clone()),
        }
    }
    Ok(())
}

/// Returns the name as written: names are compared before variables are expanded.
fn layer_name(layer: &Node) -> Option<&str> {
    layer.get("name")?.as_text()
}

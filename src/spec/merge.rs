//! Merges `[platform."…"]` into the rest of the spec: tables merge, lists replace, `layers` merge by name.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::error::Problem;

/// Merges the keys of `over` into `document`. Values from `over` keep their place in the text.
pub(super) fn merge<'i>(mut document: DeTable<'i>, over: &DeTable<'i>) -> Result<DeTable<'i>, Problem> {
    for (key, value) in over {
        match (
            document.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut),
            value.get_ref(),
        ) {
            (Some(DeValue::Array(layers)), DeValue::Array(over)) if key.get_ref() == "layers" => {
                merge_layers(layers, over)?;
            }
            (Some(DeValue::Table(table)), DeValue::Table(over)) => merge_tables(table, over),
            _ => replace(&mut document, key, value),
        }
    }
    Ok(document)
}

fn merge_tables<'i>(table: &mut DeTable<'i>, over: &DeTable<'i>) {
    for (key, value) in over {
        match (
            table.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut),
            value.get_ref(),
        ) {
            (Some(DeValue::Table(inner)), DeValue::Table(over)) => merge_tables(inner, over),
            _ => replace(table, key, value),
        }
    }
}

/// Replaces the key too, since it has its own place in the text.
fn replace<'i>(table: &mut DeTable<'i>, key: &Spanned<toml::de::DeString<'i>>, value: &Spanned<DeValue<'i>>) {
    table.remove(key.get_ref().as_ref());
    table.insert(key.clone(), value.clone());
}

/// Merges a layer into the existing one with its name; appends a layer with a new name.
fn merge_layers<'i>(layers: &mut DeArray<'i>, over: &DeArray<'i>) -> Result<(), Problem> {
    let mut merged: Vec<&str> = Vec::new();
    for layer in over {
        let Some(name) = layer_name(layer) else { continue };
        if merged.contains(&name) {
            let span = layer.get_ref().get("name").map_or_else(|| layer.span(), Spanned::span);
            return Err(Problem::new(&span, "two layers of one platform have the same name"));
        }
        merged.push(name);
        let known = layers.iter_mut().find(|known| layer_name(known) == Some(name));
        match (known.map(Spanned::get_mut), layer.get_ref()) {
            (Some(DeValue::Table(table)), DeValue::Table(over)) => merge_tables(table, over),
            _ => layers.push(layer.clone()),
        }
    }
    Ok(())
}

/// Returns the name as written: names are compared before variables are expanded.
fn layer_name<'a>(layer: &'a Spanned<DeValue<'_>>) -> Option<&'a str> {
    layer.get_ref().get("name")?.get_ref().as_str()
}

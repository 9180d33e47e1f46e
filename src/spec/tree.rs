//! The text of a spec as a tree of values with their places. The tree owns its values, so that it may be kept.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Problem;
use crate::model::escape;

/// A part of the text, in bytes.
pub(super) type Span = Range<usize>;

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) span: Span,
    /// The place of its key, if it is in a table.
    pub(super) key: Span,
}

/// The kinds of values.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    /// TOML's integers have 64 bits; one that does not fit is refused when it is read.
    Integer(i128),
    Float,
    Boolean(bool),
    /// A date, a time or both, as written.
    Time(String),
    List(Vec<Node>),
    Table(Table),
}

/// The values of a table by their keys.
pub(super) type Table = BTreeMap<String, Node>;

impl Node {
    /// Returns the text, if this is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the items; none if this is not a list.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// Returns the keys and their values; none if this is not a table.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Node)> {
        let table = match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        };
        table.into_iter().flatten().map(|(key, node)| (key.as_str(), node))
    }

    /// Returns the value of a key, if this is a table that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Table(table) => table.get(key),
            _ => None,
        }
    }

    /// Sets values of the table at a key of this table, which is added if it is missing.
    pub(super) fn set_all(&mut self, key: &str, values: &Table) {
        let Value::Table(table) = &mut self.value else { return };
        let empty = || Node {
            value: Value::Table(Table::new()),
            span: 0..0,
            key: 0..0,
        };
        let inner = table.entry(key.to_owned()).or_insert_with(empty);
        if let Value::Table(inner) = &mut inner.value {
            inner.extend(values.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
    }

    /// Removes a key, if this is a table that has it.
    pub(super) fn remove(&mut self, key: &str) {
        if let Value::Table(table) = &mut self.value {
            table.remove(key);
        }
    }
}

impl Node {
    /// Moves the places of a value and of everything in it: its text begins at `start` of a longer one.
    pub(super) fn moved(self, start: usize) -> Self {
        let moved = |span: Span| span.start + start..span.end + start;
        let value = match self.value {
            Value::List(items) => Value::List(items.into_iter().map(|item| item.moved(start)).collect()),
            Value::Table(table) => {
                let entries = table.into_iter().map(|(key, node)| (key, node.moved(start)));
                Value::Table(entries.collect())
            }
            plain => plain,
        };
        Self {
            value,
            span: moved(self.span),
            key: moved(self.key),
        }
    }
}

/// Parses the text to a tree. The parser limits its depth.
pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    let document = DeTable::parse(text).map_err(|error| {
        let message = escape(error.message().trim_end().as_bytes());
        let problem = Problem::new(&error.span().unwrap_or(0..0), message.as_str());
        // No other valid value in a spec begins with a zero.
        if message.contains("leading zero") {
            problem.help("write the mode as a string of octal digits: \"0755\"")
        } else {
            problem
        }
    })?;
    let span = document.span();
    Ok(node(0..0, Spanned::new(span, DeValue::Table(document.into_inner()))))
}

fn node(key: Span, value: Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            Value::Integer(i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX))
        }
        DeValue::Float(_) => Value::Float,
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(time) => Value::Time(time.to_string()),
        DeValue::Array(items) => Value::List(items.into_iter().map(|item| node(0..0, item)).collect()),
        DeValue::Table(table) => {
            let entries = table.into_iter();
            Value::Table(
                entries
                    .map(|(key, value)| (key.get_ref().to_string(), node(key.span(), value)))
                    .collect(),
            )
        }
    };
    Node { value, span, key }
}

//! Replaces the variables of all values of a file, as Compose does before it looks at any of them.

use std::collections::BTreeSet;

use super::error::Problem;
use super::place::Place;
use super::service::Text;
use super::template::{Budget, Expansion, Template};
use super::variables::Variables;
use crate::deploy::yaml::{Document, Node, Value};

/// Greatest number of values with variables that are not set. A person reads no more findings; the limit bounds their
/// number.
pub(super) const MAX_UNSET_USES: usize = 1000;

/// A variable that is used and not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnsetUse {
    /// The place of the variable.
    pub place: Place,
    /// The place of the scalar that it is in.
    pub scalar: Place,
    /// Its name.
    pub name: String,
    /// The service whose value it is in.
    pub service: Option<String>,
    /// Why Compose refuses the file; `None` if an empty string stands for the variable.
    pub refusal: Option<Refusal>,
}

/// Why Compose refuses a file: `${NAME:?message}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// `true` if the variable is set to an empty string.
    pub is_empty: bool,
    /// The message, as written.
    pub message: String,
}

/// The variables, for the values of one file.
#[derive(Clone, Copy)]
pub(super) struct Interpolation<'a> {
    /// Index of the file.
    pub file: usize,
    /// Its text.
    pub source: &'a str,
    pub variables: &'a Variables,
    pub budget: &'a Budget,
}

impl Interpolation<'_> {
    /// Replaces the variables of a scalar.
    pub fn expand(&self, node: Node<'_>) -> Result<Expansion, Problem> {
        let written = node.as_text().unwrap_or_default();
        let lookup = |name: &str| self.variables.get(name);
        let expansion = Template::parse(written).and_then(|template| template.expand(&lookup, self.budget));
        expansion.map_err(|error| Problem {
            place: Place::of_part(self.file, self.source, node, &error.span),
            message: format!("Compose refuses this value: {}", error.reason.message()),
            help: error.reason.help().map(str::to_owned),
        })
    }

    /// Returns the text of a scalar with its variables replaced; `None` for another value.
    pub fn text(&self, node: Node<'_>) -> Result<Option<Text>, Problem> {
        if node.as_scalar().is_none() {
            return Ok(None);
        }
        let expansion = self.expand(node)?;
        Ok(Some(Text {
            text: expansion.text,
            unset: expansion.unset.into_iter().map(|(name, _)| name).collect(),
            // Of an alias, the place where the value is written.
            place: Place::of(self.file, node.resolved()),
        }))
    }

    /// Adds the variables of all values of a document that are not set, and the values that Compose refuses.
    pub fn walk(&self, document: &Document, uses: &mut Vec<UnsetUse>, problems: &mut Vec<Problem>) {
        for (key, value) in document.root().entries() {
            if key.as_text() != Some("services") {
                self.walk_value(value, None, uses, problems);
                continue;
            }
            for (name, service) in value.entries() {
                self.walk_value(service, name.as_text(), uses, problems);
            }
        }
    }

    /// Walks a value. What an alias stands for is walked where it is written. The depth of documents is bounded.
    fn walk_value(&self, node: Node<'_>, service: Option<&str>, uses: &mut Vec<UnsetUse>, problems: &mut Vec<Problem>) {
        if node.is_alias() || node.tag() == Some(RESET) {
            return;
        }
        match node.value() {
            Value::Mapping(mapping) => {
                for (_, value) in mapping.entries() {
                    self.walk_value(value, service, uses, problems);
                }
            }
            Value::Sequence(sequence) => {
                for item in sequence.items() {
                    self.walk_value(item, service, uses, problems);
                }
            }
            // The stack reports the problem.
            Value::Scalar(_) if uses.len() > MAX_UNSET_USES => {}
            Value::Scalar(_) => match self.expand(node) {
                Ok(expansion) => self.add_uses(node, expansion, service, uses),
                Err(problem) => problems.push(problem),
            },
        }
    }

    /// Adds variables that are not set: each once for a value.
    fn add_uses(&self, node: Node<'_>, expansion: Expansion, service: Option<&str>, uses: &mut Vec<UnsetUse>) {
        let used = |name: String, span: &std::ops::Range<usize>, refusal: Option<Refusal>| UnsetUse {
            place: Place::of_part(self.file, self.source, node, span),
            scalar: Place::of(self.file, node),
            name,
            service: service.map(str::to_owned),
            refusal,
        };
        let mut seen = BTreeSet::new();
        for (name, span) in expansion.unset {
            if seen.insert(name.clone()) {
                uses.push(used(name, &span, None));
            }
        }
        for refused in expansion.refused {
            let refusal = Refusal {
                is_empty: refused.is_empty,
                message: refused.message,
            };
            uses.push(used(refused.name, &refused.span, Some(refusal)));
        }
    }
}

/// The tag of a value that removes that of earlier files.
pub(super) const RESET: &str = "!reset";

/// The tag of a value that replaces that of earlier files.
pub(super) const OVERRIDE: &str = "!override";

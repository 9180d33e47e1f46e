//! Verifies an edited text: read again, it must mean what the old text means with exactly the edits.

use super::super::yaml::{Document, Node, Value, parse};
use super::edit::Meaning;

/// A part of what a document means, in the order of the text.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Scalar(String),
    /// The position of the anchor.
    Alias(Option<usize>),
    Sequence,
    Mapping,
    End,
    Anchor(String),
    Tag(String),
}

/// Returns `true` if `new` means what `documents` mean with the edits of each.
pub(super) fn is_as_intended(documents: &[Document], meanings: &[Meaning], new: &str) -> bool {
    let Ok(edited) = parse(new) else { return false };
    edited.len() == documents.len()
        && documents
            .iter()
            .zip(meanings)
            .zip(&edited)
            .all(|((old, meaning), new)| {
                let expected = parts(old, meaning);
                expected == parts(new, &Meaning::default())
            })
}

fn parts(document: &Document, meaning: &Meaning) -> Vec<Part> {
    let mut list = List {
        meaning,
        parts: Vec::new(),
    };
    list.node(document.root());
    list.parts
}

struct List<'a> {
    meaning: &'a Meaning,
    parts: Vec<Part>,
}

impl List<'_> {
    fn node(&mut self, node: Node<'_>) {
        if let Some(text) = self
            .meaning
            .set
            .get(&node.span().start)
            .filter(|_| node.as_scalar().is_some())
        {
            self.properties(node);
            self.parts.push(Part::Scalar(text.clone()));
            return;
        }
        if node.is_alias() {
            self.parts.push(Part::Alias(node.resolved().anchor_index()));
            return;
        }
        self.properties(node);
        match node.value() {
            Value::Scalar(scalar) => self.parts.push(Part::Scalar(scalar.text.clone())),
            Value::Sequence(sequence) => {
                self.parts.push(Part::Sequence);
                for item in sequence.items() {
                    self.node(item);
                }
                self.parts.push(Part::End);
            }
            Value::Mapping(mapping) => {
                self.parts.push(Part::Mapping);
                for (key, value) in mapping.entries() {
                    self.entry(key, value);
                }
                self.parts.push(Part::End);
            }
        }
    }

    fn entry(&mut self, key: Node<'_>, value: Node<'_>) {
        let start = key.span().start;
        if self.meaning.removed.contains(&start) {
            return;
        }
        match self.meaning.renamed.get(&start) {
            Some(name) => {
                self.properties(key);
                self.parts.push(Part::Scalar((*name).to_owned()));
            }
            None => self.node(key),
        }
        self.node(value);
        if let Some((key, value)) = self.meaning.inserted.get(&start) {
            self.parts.push(Part::Scalar((*key).to_owned()));
            self.parts.push(Part::Scalar(value.clone()));
        }
    }

    fn properties(&mut self, node: Node<'_>) {
        if node.is_alias() {
            return;
        }
        if let Some(anchor) = node.anchor() {
            self.parts.push(Part::Anchor(anchor.name.clone()));
        }
        if let Some(tag) = node.tag() {
            self.parts.push(Part::Tag(tag.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_edits_may_differ() {
        let documents = parse("a: &x 1\nb: [*x, {c: d}]\n").unwrap();
        let mut meaning = Meaning::default();
        meaning.set.insert(6, "2".to_owned());
        let meanings = [meaning];
        assert!(is_as_intended(&documents, &meanings, "a: &x 2\nb: [*x, {c: d}]\n"));
        for other in [
            "a: &x 1\nb: [*x, {c: d}]\n",
            "a: &x 2\nb: [*x, {c: e}]\n",
            "a: &x 2\nb: [2, {c: d}]\n",
            "a: &y 2\nb: [*y, {c: d}]\n",
            "a: &x 2\nb: [*x, {c: d}]\n---\n",
            "a: &x 2\nb: [*x, {c: d, e: f}]\n",
            "a: &x !!str 2\nb: [*x, {c: d}]\n",
            "a: [",
        ] {
            assert!(!is_as_intended(&documents, &meanings, other), "{other}");
        }
    }
}

//! Decides what becomes of each place of a document.

use super::super::problem::Problem;
use super::super::text_file::TextFile;
use super::super::yaml::{Document, Mapping, Node, ScalarKind};
use super::edit::{Editor, Entry};
use super::images::Choice;
use super::name::WrittenName;
use super::place::{Form, Place, Reference};
use super::planned::{ImageLine, OtherImage};
use super::rules::{Refusal, Rules, Verdict};

/// Collects the images of one document.
pub(super) struct Decider<'a> {
    file: &'a TextFile,
    rules: Rules<'a>,
    pub(super) editor: Editor<'a>,
    pub(super) images: Vec<ImageLine>,
    pub(super) others: Vec<OtherImage>,
}

impl<'a> Decider<'a> {
    pub(super) fn new(file: &'a TextFile, document: &'a Document, rules: Rules<'a>) -> Self {
        Self {
            file,
            rules,
            editor: Editor::new(file, document),
            images: Vec::new(),
            others: Vec::new(),
        }
    }

    pub(super) fn decide(&mut self, place: &Place<'a>) {
        match &place.form {
            Form::Reference(reference) => self.reference(&place.path, reference),
            Form::Kustomize(entry) => self.kustomize(&place.path, *entry),
            Form::Helm(mapping) => self.helm(&place.path, *mapping),
        }
    }

    fn refuse(&mut self, node: Node<'a>, refusal: Refusal) {
        let problem = Problem::new(node.span(), refusal.message).help(refusal.help);
        self.editor.problems.push(problem);
    }

    fn other(&mut self, path: &str, node: Node<'a>, image: &str) {
        if !image.is_empty() {
            self.others.push(OtherImage {
                line: self.file.line(node.span().start),
                path: path.to_owned(),
                image: image.to_owned(),
            });
        }
    }

    fn ours(&mut self, path: &str, node: Node<'a>, old: String, new: String, choice: Choice<'_>) {
        let start = node.span().start;
        self.images.push(ImageLine {
            line: self.file.line(start),
            column: self.file.column(start),
            path: path.to_owned(),
            old,
            new,
            is_untagged: choice.image.is_untagged,
        });
    }

    fn reference(&mut self, path: &str, reference: &Reference<'a>) {
        let node = reference.node;
        let Some(text) = node.as_text() else {
            if reference.is_certain {
                self.refuse(node, self.not_text(node));
            }
            return;
        };
        if node.scalar_kind() == Some(ScalarKind::Null) {
            return;
        }
        // A block ends with a line break, and is refused as a block if it is one of ours.
        let text = text.trim_end_matches('\n');
        match self.rules.reference(text, reference.syntax) {
            Err(refusal) => self.refuse(node, refusal),
            Ok(Verdict::Other) if self.is_ours_with(&reference.prefixes, text) => {
                self.refuse(node, prefix_refusal());
            }
            Ok(Verdict::Other) => {
                self.editor.use_value(node, None);
                self.other(path, node, text);
            }
            Ok(Verdict::Ours { choice, reference: new }) => {
                if let Some(tag) = reference.tag_beside {
                    return self.refuse(tag, append_refusal());
                }
                self.editor.use_value(node, Some(&new));
                self.ours(path, node, text.to_owned(), new, choice);
            }
        }
    }

    /// Returns `true` if a name is one of ours once some of the values before it are joined to it.
    fn is_ours_with(&self, prefixes: &[Node<'a>], text: &str) -> bool {
        let name = WrittenName::split(text).name;
        let known: Vec<&str> = prefixes.iter().filter_map(|prefix| present(Some(*prefix))).collect();
        let mut joined: Vec<String> = known.iter().map(|prefix| format!("{prefix}/{name}")).collect();
        joined.push(format!("{}/{name}", known.join("/")));
        joined.iter().any(|joined| self.rules.is_ours(joined))
    }

    /// Returns the refusal of a list or a mapping in the place of a reference.
    fn not_text(&self, node: Node<'a>) -> Refusal {
        if self.file.text[node.span().start..].starts_with("{{") {
            return Refusal::new(
                "cannot pin the image: this is a template, not YAML",
                "pin the file that its values come from, such as values.yaml",
            );
        }
        Refusal::new(
            "expected the name of an image, found a list or a mapping",
            "write the image as NAME:TAG",
        )
    }

    /// An entry of a kustomization's `images`: the name is `newName`, else `name`; the digest replaces `newTag`.
    fn kustomize(&mut self, path: &str, mapping: Mapping<'a>) {
        let entry = |name: &str| mapping.entries().find(|(key, _)| key.as_text() == Some(name));
        let text = |entry: Option<Entry<'a>>| entry.and_then(|(_, value)| value.as_text()).unwrap_or_default();
        let new_name = entry("newName").filter(|(_, value)| value.as_text().is_some_and(|text| !text.is_empty()));
        let Some(name_entry) = new_name.or_else(|| entry("name")) else {
            return;
        };
        let name = text(Some(name_entry));
        let images = match self.rules.repository(name) {
            Ok(images) => images,
            Err(refusal) => return self.refuse(name_entry.1, refusal),
        };
        let new_tag = entry("newTag");
        let digest = entry("digest");
        let tag = Some(text(new_tag)).filter(|tag| !tag.is_empty());
        let old_digest = Some(text(digest)).filter(|digest| !digest.is_empty());
        let old = written(name, tag, old_digest);
        if images.is_empty() {
            let values = [new_tag, digest].into_iter().flatten().map(|(_, value)| value);
            values.for_each(|value| self.editor.use_value(value, None));
            return self.other(path, name_entry.1, &old);
        }
        let choice = match self.rules.choose(name, images, tag, old_digest) {
            Ok(choice) => choice,
            Err(refusal) => return self.refuse(new_tag.or(digest).unwrap_or(name_entry).1, refusal),
        };
        let pin = choice.image.digest.to_string();
        match (digest, new_tag) {
            (Some(digest), Some(new_tag)) => {
                self.editor.use_value(digest.1, Some(&pin));
                self.editor.remove(mapping, new_tag);
            }
            (Some(digest), None) => self.editor.use_value(digest.1, Some(&pin)),
            (None, Some(new_tag)) => self.editor.rename(new_tag, "digest", &pin),
            (None, None) => self.editor.insert(mapping, name_entry, "digest", &pin),
        }
        let new = written(name, None, Some(&pin));
        self.ours(path, digest.or(new_tag).unwrap_or(name_entry).1, old, new, choice);
    }

    /// A mapping with `repository` or `name`, and perhaps `registry`, `tag` and `digest`.
    fn helm(&mut self, path: &str, mapping: Mapping<'a>) {
        let name = mapping.lookup("name");
        let registry = mapping.lookup("registry");
        let Some(repository) = mapping.lookup("repository").or(name) else {
            return;
        };
        let text = |node: Option<Node<'a>>| node.and_then(Node::as_text).unwrap_or_default();
        let full = match text(registry) {
            "" => text(Some(repository)).to_owned(),
            registry => format!("{registry}/{}", text(Some(repository))),
        };
        let below = name
            .filter(|name| !name.is(&repository))
            .and_then(|name| Some((name, present(Some(name))?)));
        if let Some((node, name)) = below
            && self.is_ours_with(
                &[registry, Some(repository)].into_iter().flatten().collect::<Vec<_>>(),
                name,
            )
        {
            return self.refuse(node, prefix_refusal());
        }
        let images = match self.rules.repository(&full) {
            Ok(images) => images,
            Err(refusal) => return self.refuse(repository, refusal),
        };
        let tag_node = mapping.lookup("tag");
        let digest_node = mapping.lookup("digest");
        let tag_text = present(tag_node);
        let digest_text = present(digest_node);
        let old = written(&full, tag_text, digest_text);
        if images.is_empty() {
            let values = [tag_node, digest_node].into_iter().flatten();
            values.for_each(|value| self.editor.use_value(value, None));
            return self.other(path, repository, &old);
        }
        let (tag, tag_digest) = match tag_text.map(|tag| {
            tag.split_once('@')
                .map_or((tag, None), |(tag, digest)| (tag, Some(digest)))
        }) {
            Some((tag, digest)) => (Some(tag).filter(|tag| !tag.is_empty()), digest),
            None => (None, None),
        };
        if digest_node.is_some() && tag_digest.is_some() {
            let refusal = Refusal::new(
                "the tag has a digest, and there is a `digest` beside it",
                "remove one of them",
            );
            return self.refuse(tag_node.unwrap_or(repository), refusal);
        }
        let choice = match self.rules.choose(&full, images, tag, digest_text.or(tag_digest)) {
            Ok(choice) => choice,
            Err(refusal) => return self.refuse(tag_node.or(digest_node).unwrap_or(repository), refusal),
        };
        let pin = choice.image.digest.to_string();
        let new_tag = choice.tag.unwrap_or_default();
        let (node, new) = match (digest_node, tag_node) {
            (Some(node), tag_node) => {
                self.editor.use_value(node, Some(&pin));
                if let Some(tag_node) = tag_node {
                    // Only with --retag it is another tag.
                    self.editor.use_value(tag_node, tag.map(|_| new_tag).or(tag_text));
                }
                (node, written(&full, tag.map(|_| new_tag), Some(&pin)))
            }
            (None, Some(node)) => {
                let value = format!("{new_tag}@{pin}");
                self.editor.use_value(node, Some(&value));
                (node, written(&full, Some(&value), None))
            }
            (None, None) => return self.refuse(repository, key_refusal()),
        };
        self.ours(path, node, old, new, choice);
    }
}

/// Returns the text of a value that is neither missing nor empty.
fn present(node: Option<Node<'_>>) -> Option<&str> {
    let node = node.filter(|node| node.scalar_kind() != Some(ScalarKind::Null))?;
    node.as_text().filter(|text| !text.is_empty())
}

/// Returns a reference as people write it.
fn written(name: &str, tag: Option<&str>, digest: Option<&str>) -> String {
    let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
    format!("{name}{tag}{digest}")
}

fn prefix_refusal() -> Refusal {
    Refusal::new(
        "cannot pin the image: the chart may join this value to those beside it",
        "pin it by hand, or give the chart `repository` with the whole name, and `tag`",
    )
}

fn append_refusal() -> Refusal {
    Refusal::new(
        "cannot pin the image: the chart may append this value to it",
        "pin it by hand, or give the chart `repository` and `tag`",
    )
}

fn key_refusal() -> Refusal {
    Refusal::new(
        "cannot pin the image: it has neither `tag` nor `digest`",
        "add `digest: \"\"` if the chart reads it, or else `tag: \"\"`",
    )
}

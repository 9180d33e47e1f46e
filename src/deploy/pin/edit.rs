//! Edits of a document as replacements of bytes. Everything that is not replaced keeps its bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::super::problem::Problem;
use super::super::text_file::TextFile;
use super::super::yaml::{Document, Mapping, Node, ScalarStyle};

/// A replacement of bytes of the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Splice {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) text: String,
}

impl Splice {
    pub(super) fn new(range: Range<usize>, text: impl Into<String>) -> Self {
        Self {
            start: range.start,
            end: range.end,
            text: text.into(),
        }
    }
}

/// Applies replacements to a text; `None` if two of them overlap.
pub(super) fn splice(text: &str, splices: &BTreeSet<Splice>) -> Option<String> {
    let mut new = String::with_capacity(text.len() + splices.iter().map(|splice| splice.text.len()).sum::<usize>());
    let mut done = 0;
    for splice in splices {
        new.push_str(text.get(done..splice.start)?);
        new.push_str(&splice.text);
        done = splice.end.max(splice.start);
    }
    new.push_str(text.get(done..)?);
    Some(new)
}

/// The edits of one document, by what they mean. Nodes are identified by where they start, which is unique for a node
/// that is written.
#[derive(Debug, Default)]
pub(super) struct Meaning {
    /// The new texts of scalars.
    pub(super) set: BTreeMap<usize, String>,
    /// The new names of keys.
    pub(super) renamed: BTreeMap<usize, &'static str>,
    /// Keys that are removed with their values.
    pub(super) removed: BTreeSet<usize>,
    /// Keys and values that follow the entry of another key.
    pub(super) inserted: BTreeMap<usize, (&'static str, String)>,
}

/// A value that an image consists of, and what it becomes.
struct Use {
    /// Where the value is written, which is not its node if it is an alias.
    written: Range<usize>,
    /// The new text of the value; `None` if this image needs the value as it is.
    wanted: Option<String>,
}

/// Collects the edits of one document.
pub(super) struct Editor<'a> {
    file: &'a TextFile,
    document: &'a Document,
    /// All uses of a value, by the start of its node.
    uses: BTreeMap<usize, (Node<'a>, Vec<Use>)>,
    pub(super) splices: BTreeSet<Splice>,
    pub(super) meaning: Meaning,
    pub(super) problems: Vec<Problem>,
}

/// A key and its value.
pub(super) type Entry<'a> = (Node<'a>, Node<'a>);

impl<'a> Editor<'a> {
    pub(super) fn new(file: &'a TextFile, document: &'a Document) -> Self {
        Self {
            file,
            document,
            uses: BTreeMap::new(),
            splices: BTreeSet::new(),
            meaning: Meaning::default(),
            problems: Vec::new(),
        }
    }

    /// Says that an image consists of a value, as it is or with a new text.
    pub(super) fn use_value(&mut self, node: Node<'a>, wanted: Option<&str>) {
        let target = node.resolved();
        let uses = &mut self.uses.entry(target.span().start).or_insert((target, Vec::new())).1;
        uses.push(Use {
            written: node.span(),
            wanted: wanted.map(str::to_owned),
        });
    }

    /// Makes the new texts of all values, once all uses are known.
    pub(super) fn finish(&mut self) {
        let uses = std::mem::take(&mut self.uses);
        let aliases = self.aliases(&uses);
        for (start, (node, uses)) in uses {
            let Some(text) = uses.iter().find_map(|one| one.wanted.clone()) else {
                continue;
            };
            if node.as_text() == Some(text.as_str()) {
                continue;
            }
            if let Some(problem) = shared(&uses, aliases.get(&start), &text) {
                self.problems.push(problem);
            } else if let Some(splice) = self.set(node, &text) {
                self.splices.insert(splice);
                self.meaning.set.insert(start, text);
            }
        }
    }

    /// Returns the places of all aliases to the values that are used, by the starts of the values.
    fn aliases(&self, uses: &BTreeMap<usize, (Node<'a>, Vec<Use>)>) -> BTreeMap<usize, Vec<Range<usize>>> {
        let mut aliases: BTreeMap<usize, Vec<Range<usize>>> = BTreeMap::new();
        for alias in self.document.nodes().filter(Node::is_alias) {
            let start = alias.resolved().span().start;
            if uses.get(&start).is_some_and(|(node, _)| alias.resolved().is(node)) {
                aliases.entry(start).or_default().push(alias.span());
            }
        }
        aliases
    }

    /// Returns the replacement of a scalar's text.
    fn set(&mut self, node: Node<'a>, text: &str) -> Option<Splice> {
        match self.content(node) {
            Ok(range) if range.is_empty() && node.span().is_empty() => Some(Splice::new(range, format!(" {text}"))),
            Ok(range) => Some(Splice::new(range, text)),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// Returns the bytes of a scalar's text: without quotes, and after the colon for a value that is left out.
    fn content(&self, node: Node<'a>) -> Result<Range<usize>, Problem> {
        let span = node.span();
        let refused = |what: &str| {
            Problem::new(span.clone(), format!("cannot pin the image: it is written as {what}"))
                .help("write it on one line, with quotes or without")
        };
        let Some(scalar) = node.as_scalar() else {
            return Err(refused("a list or a mapping"));
        };
        if node.tag().is_some_and(|tag| !TEXT_TAGS.contains(&tag)) {
            return Err(refused("a value with a tag that is not !!str"));
        }
        match scalar.style {
            ScalarStyle::Literal | ScalarStyle::Folded => Err(refused("a block")),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                Ok(span.start + 1..span.end.max(span.start + 2) - 1)
            }
            ScalarStyle::Plain if !span.is_empty() => Ok(span),
            ScalarStyle::Plain if node.tag().is_some() || node.anchor().is_some() => Err(refused("nothing")),
            ScalarStyle::Plain => {
                let at = self.after_colon(span.start).ok_or_else(|| refused("nothing"))?;
                Ok(at..at)
            }
        }
    }

    /// Returns the place after the colon that follows, or precedes, a value that is left out.
    fn after_colon(&self, at: usize) -> Option<usize> {
        let text = &self.file.text;
        if text[..at].ends_with(':') {
            return Some(at);
        }
        text[at..].starts_with(':').then_some(at + 1)
    }
}

/// Returns the problem if a value is needed elsewhere as it is.
fn shared(uses: &[Use], aliases: Option<&Vec<Range<usize>>>, text: &str) -> Option<Problem> {
    let ours = uses.iter().find(|one| one.wanted.as_deref() == Some(text))?;
    let problem = |span: Range<usize>, label: &str| {
        Problem::new(
            ours.written.clone(),
            "cannot pin the image: its value is used for something else too",
        )
        .help("write the value out in both places, without the alias")
        .context(span, label)
    };
    if let Some(other) = uses.iter().find(|one| one.wanted.as_deref() != Some(text)) {
        return Some(problem(other.written.clone(), "another image has this value"));
    }
    let known: BTreeSet<usize> = uses.iter().map(|one| one.written.start).collect();
    let alias = aliases?.iter().find(|alias| !known.contains(&alias.start))?;
    Some(problem(alias.clone(), "used here"))
}

/// Tags that say that a value is text: `!!str`, and `!` for a value that is not resolved.
const TEXT_TAGS: [&str; 2] = ["tag:yaml.org,2002:str", "!"];

/// Edits of the entries of a mapping.
impl<'a> Editor<'a> {
    /// Gives an entry another key and value.
    pub(super) fn rename(&mut self, (key, value): Entry<'a>, new_key: &'static str, text: &str) {
        if let Some(problem) = self.anchored((key, value)) {
            return self.problems.push(problem);
        }
        let value_range = if value.is_alias() {
            Ok(value.span())
        } else {
            self.content(value)
        };
        match (self.content(key), value_range) {
            (Ok(key_range), Ok(value_range)) => {
                let space = if value.span().is_empty() { " " } else { "" };
                self.splices.insert(Splice::new(key_range, new_key));
                self.splices.insert(Splice::new(value_range, format!("{space}{text}")));
                self.meaning.renamed.insert(key.span().start, new_key);
                self.meaning.set.insert(value.span().start, text.to_owned());
            }
            (Err(problem), _) | (_, Err(problem)) => self.problems.push(problem),
        }
    }

    /// Removes an entry. The line of a block entry goes with it, unless it has a comment.
    pub(super) fn remove(&mut self, mapping: Mapping<'a>, (key, value): Entry<'a>) {
        if let Some(problem) = self.anchored((key, value)) {
            return self.problems.push(problem);
        }
        let range = if mapping.is_flow {
            self.flow_entry(mapping, (key, value))
        } else {
            self.block_entry((key, value))
        };
        match range {
            Some(range) => {
                self.splices.insert(Splice::new(range, ""));
                self.meaning.removed.insert(key.span().start);
            }
            None => {
                let problem = Problem::new(
                    key.span(),
                    "cannot pin the image: this entry must be removed, and is written in an unusual form",
                )
                .help("remove it yourself, or write it on a line of its own");
                self.problems.push(problem);
            }
        }
    }

    /// Adds an entry after another one.
    pub(super) fn insert(&mut self, mapping: Mapping<'a>, (key, value): Entry<'a>, new_key: &'static str, text: &str) {
        let end = self.entry_end((key, value));
        let splice = if mapping.is_flow {
            Splice::new(end..end, format!(", {new_key}: {text}"))
        } else {
            let before = &self.file.text[self.file.line_start(key.span().start)..key.span().start];
            if !before.chars().all(|letter| matches!(letter, ' ' | '-')) {
                let problem = Problem::new(
                    key.span(),
                    format!("cannot add `{new_key}` after this entry: it is written in an unusual form"),
                )
                .help(format!("add `{new_key}` yourself"));
                return self.problems.push(problem);
            }
            let line_end = self.file.line_end(end);
            let indent = " ".repeat(before.len());
            let line_break = self.line_break(line_end);
            Splice::new(line_end..line_end, format!("{line_break}{indent}{new_key}: {text}"))
        };
        self.splices.insert(splice);
        self.meaning
            .inserted
            .insert(key.span().start, (new_key, text.to_owned()));
    }

    /// Returns the problem if an alias refers to a key or a value that is about to change.
    fn anchored(&self, (key, value): Entry<'a>) -> Option<Problem> {
        let is_used = |node: &Node<'a>| node.anchor().is_some_and(|anchor| anchor.alias_count > 0);
        let node = [key, value].into_iter().find(is_used)?;
        Some(
            Problem::new(node.span(), "cannot pin the image: an alias refers to this value")
                .help("write the value out in both places, without the alias"),
        )
    }

    /// Returns the end of an entry, also if its value is left out.
    fn entry_end(&self, (key, value): Entry<'a>) -> usize {
        let span = value.span();
        if span.is_empty() {
            return self.after_colon(span.start).unwrap_or(key.span().end);
        }
        span.end
    }

    /// Returns the bytes to remove for an entry of a block mapping that begins its line.
    fn block_entry(&self, entry: Entry<'a>) -> Option<Range<usize>> {
        let text = &self.file.text;
        let start = entry.0.span().start;
        let end = self.entry_end(entry);
        let line_start = self.file.line_start(start);
        let line_end = self.file.line_end(end);
        if !text[line_start..start].bytes().all(|byte| byte == b' ') {
            return None;
        }
        let after = &text[end..line_end];
        let is_comment = after.trim_start().starts_with('#');
        if is_comment {
            return Some(start..end + after.len() - after.trim_start().len());
        }
        if !after.trim().is_empty() {
            return None;
        }
        let break_bytes = text[line_end..].find('\n').map_or(0, |at| at + 1);
        Some(line_start..line_end + break_bytes)
    }

    /// Returns the bytes to remove for an entry of a flow mapping, with one comma.
    fn flow_entry(&self, mapping: Mapping<'a>, entry: Entry<'a>) -> Option<Range<usize>> {
        let entries: Vec<Entry<'a>> = mapping.entries().collect();
        let index = entries.iter().position(|(key, _)| key.is(&entry.0))?;
        let range = match entries.get(index + 1) {
            Some(next) => entry.0.span().start..next.0.span().start,
            None => self.entry_end(*entries.get(index.checked_sub(1)?)?)..self.entry_end(entry),
        };
        (!self.file.text[range.clone()].contains(['#', '\n'])).then_some(range)
    }

    /// Returns the line break at a place, or that of the file.
    fn line_break(&self, at: usize) -> &'static str {
        let text = &self.file.text;
        let is_dos = if at < text.len() {
            text[at..].starts_with("\r\n")
        } else {
            text.contains("\r\n")
        };
        if is_dos { "\r\n" } else { "\n" }
    }
}

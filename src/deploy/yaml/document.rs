//! Documents and their nodes.

use std::ops::Range;

/// A part of the text, in bytes.
pub type Span = Range<usize>;

/// A document of a YAML file. It owns its nodes.
#[derive(Debug, Clone)]
pub struct Document {
    /// In the order of their starts, so the first one is the root.
    pub(super) nodes: Vec<NodeData>,
    pub(super) anchors: Vec<Anchor>,
}

/// Index in `Document::nodes`.
pub(super) type NodeId = u32;

/// What is known of a node.
#[derive(Debug, Clone)]
pub(super) struct NodeData {
    pub(super) value: Data,
    pub(super) span: Span,
    /// The full tag and its place.
    pub(super) tag: Option<Box<(String, Span)>>,
    /// Index in `Document::anchors`.
    pub(super) anchor: Option<u32>,
}

#[derive(Debug, Clone)]
pub(super) enum Data {
    Scalar(Scalar),
    Sequence {
        items: Vec<NodeId>,
        is_flow: bool,
    },
    Mapping {
        entries: Vec<(NodeId, NodeId)>,
        is_flow: bool,
    },
    Alias(NodeId),
}

/// A name for a node, which aliases refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The name, without `&`.
    pub name: String,
    /// The place of the name, with `&`.
    pub span: Span,
    /// Aliases that refer to it.
    pub alias_count: usize,
    pub(super) node: NodeId,
}

/// A scalar: text in one of five styles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text, decoded. Empty for a value that is left out.
    pub text: String,
    /// How it is written.
    pub style: ScalarStyle,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarStyle {
    /// Without quotes.
    Plain,
    /// In single quotes, which are part of the span.
    SingleQuoted,
    /// In double quotes, which are part of the span.
    DoubleQuoted,
    /// A block that begins with `|`. The span is that of its lines.
    Literal,
    /// A block that begins with `>`. The span is that of its lines.
    Folded,
}

/// What the text of a scalar means by the core schema (YAML 1.2.2, 10.3) and its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarKind {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// An integer or a fraction.
    Number,
    /// Everything else.
    Text,
}

/// A node of a document.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    document: &'a Document,
    id: NodeId,
}

/// The content of a node.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// A scalar.
    Scalar(&'a Scalar),
    /// A sequence.
    Sequence(Sequence<'a>),
    /// A mapping.
    Mapping(Mapping<'a>),
}

/// The items of a sequence.
#[derive(Debug, Clone, Copy)]
pub struct Sequence<'a> {
    document: &'a Document,
    items: &'a [NodeId],
    /// Whether it is written as `[…]`.
    pub is_flow: bool,
}

/// The keys and values of a mapping.
#[derive(Debug, Clone, Copy)]
pub struct Mapping<'a> {
    document: &'a Document,
    entries: &'a [(NodeId, NodeId)],
    /// Whether it is written as `{…}`.
    pub is_flow: bool,
}

impl Document {
    /// Returns the root node.
    pub fn root(&self) -> Node<'_> {
        self.node(0)
    }

    /// Returns all nodes in the order of the text. An alias is one node.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        // The builder refuses more than MAX_NODES nodes.
        (0..self.nodes.len()).map(|id| self.node(id as NodeId))
    }

    /// Returns the anchors in the order of the text.
    pub fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    pub(super) fn node(&self, id: NodeId) -> Node<'_> {
        Node { document: self, id }
    }
}

impl<'a> Node<'a> {
    fn data(&self) -> &'a NodeData {
        &self.document.nodes[self.id as usize]
    }

    /// Returns the place of the node: a scalar with its quotes, a collection from its first to its last node or bracket,
    /// an alias with its `*`. Tag and anchor are not part of it. A value that is left out has an empty span.
    pub fn span(&self) -> Span {
        self.data().span.clone()
    }

    /// Returns the full tag, if one is given: `!reset`, `tag:yaml.org,2002:str`.
    pub fn tag(&self) -> Option<&'a str> {
        self.data().tag.as_ref().map(|tag| tag.0.as_str())
    }

    /// Returns the place of the tag.
    pub fn tag_span(&self) -> Option<Span> {
        self.data().tag.as_ref().map(|tag| tag.1.clone())
    }

    /// Returns the anchor of the node.
    pub fn anchor(&self) -> Option<&'a Anchor> {
        let index = self.data().anchor?;
        self.document.anchors.get(index as usize)
    }

    /// Returns `true` if the node is an alias.
    pub fn is_alias(&self) -> bool {
        matches!(self.data().value, Data::Alias(_))
    }

    /// Returns the node that an alias refers to, or the node itself. It is never an alias.
    pub fn resolved(self) -> Self {
        match self.data().value {
            Data::Alias(target) => self.document.node(target),
            _ => self,
        }
    }

    /// Returns `true` if both are the same node of the same document.
    pub fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.id == other.id
    }

    /// Returns the content of the node, or of the node that the alias refers to.
    pub fn value(self) -> Value<'a> {
        let document = self.document;
        match &self.resolved().data().value {
            Data::Scalar(scalar) => Value::Scalar(scalar),
            Data::Sequence { items, is_flow } => Value::Sequence(Sequence {
                document,
                items,
                is_flow: *is_flow,
            }),
            Data::Mapping { entries, is_flow } => Value::Mapping(Mapping {
                document,
                entries,
                is_flow: *is_flow,
            }),
            Data::Alias(_) => unreachable!("the builder resolves aliases to nodes that are none"),
        }
    }

    /// Returns the scalar, if it is one. Follows an alias.
    pub fn as_scalar(self) -> Option<&'a Scalar> {
        match self.value() {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Returns the decoded text of a scalar of any kind. Follows an alias.
    pub fn as_text(self) -> Option<&'a str> {
        self.as_scalar().map(|scalar| scalar.text.as_str())
    }

    /// Returns the sequence, if it is one. Follows an alias.
    pub fn as_sequence(self) -> Option<Sequence<'a>> {
        match self.value() {
            Value::Sequence(sequence) => Some(sequence),
            _ => None,
        }
    }

    /// Returns the mapping, if it is one. Follows an alias.
    pub fn as_mapping(self) -> Option<Mapping<'a>> {
        match self.value() {
            Value::Mapping(mapping) => Some(mapping),
            _ => None,
        }
    }

    /// Returns the items; none if it is no sequence. Follows an alias.
    pub fn items(self) -> impl Iterator<Item = Node<'a>> {
        self.as_sequence().into_iter().flat_map(Sequence::items)
    }

    /// Returns the keys and values as written; none if it is no mapping. Follows an alias.
    pub fn entries(self) -> impl Iterator<Item = (Node<'a>, Node<'a>)> {
        self.as_mapping().into_iter().flat_map(Mapping::entries)
    }

    /// Returns the value of a key as written, if it is a mapping that has it. Follows an alias, but no merge key.
    pub fn get(self, key: &str) -> Option<Node<'a>> {
        self.as_mapping()?.get(key)
    }

    /// Returns what the scalar means; `None` if it is none. Follows an alias.
    pub fn scalar_kind(self) -> Option<ScalarKind> {
        let scalar = self.as_scalar()?;
        Some(match self.resolved().tag() {
            Some("tag:yaml.org,2002:str" | "!") => ScalarKind::Text,
            Some("tag:yaml.org,2002:null") => ScalarKind::Null,
            Some("tag:yaml.org,2002:bool") => ScalarKind::Boolean,
            Some("tag:yaml.org,2002:int" | "tag:yaml.org,2002:float") => ScalarKind::Number,
            _ if scalar.style == ScalarStyle::Plain => plain_kind(&scalar.text),
            _ => ScalarKind::Text,
        })
    }
}

/// Returns what plain text means by the core schema.
fn plain_kind(text: &str) -> ScalarKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => ScalarKind::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => ScalarKind::Boolean,
        _ if is_number(text) => ScalarKind::Number,
        _ => ScalarKind::Text,
    }
}

fn is_number(text: &str) -> bool {
    let all = |digits: &str, is_digit: fn(&u8) -> bool| !digits.is_empty() && digits.as_bytes().iter().all(is_digit);
    if let Some(digits) = text.strip_prefix("0x") {
        return all(digits, u8::is_ascii_hexdigit);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return all(digits, |byte| matches!(byte, b'0'..=b'7'));
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digits = whole.len() + fraction.len() > 0;
    let only_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    has_digits && only_digits && exponent.is_none_or(|digits| all(digits, u8::is_ascii_digit))
}

impl<'a> Sequence<'a> {
    /// Returns the items in order.
    pub fn items(self) -> impl Iterator<Item = Node<'a>> {
        self.items.iter().map(move |id| self.document.node(*id))
    }
}

/// The key whose value's entries are taken over (type `merge` of YAML 1.1, which compose and Kubernetes read).
const MERGE_KEY: &str = "<<";

impl<'a> Mapping<'a> {
    /// Returns the keys and values in order, as written.
    pub fn entries(self) -> impl Iterator<Item = (Node<'a>, Node<'a>)> {
        let document = self.document;
        self.entries
            .iter()
            .map(move |(key, value)| (document.node(*key), document.node(*value)))
    }

    /// Returns the value of a key, as written.
    pub fn get(self, key: &str) -> Option<Node<'a>> {
        self.entries()
            .find(|(node, _)| node.as_text() == Some(key))
            .map(|(_, value)| value)
    }

    /// Returns the value of a key: the mapping's own, else that of the first mapping below a merge key that has it.
    pub fn lookup(self, key: &str) -> Option<Node<'a>> {
        self.get(key)
            .or_else(|| self.merged().find_map(|mapping| mapping.lookup(key)))
    }

    /// Returns the mappings below the merge keys, in order.
    pub fn merged(self) -> impl Iterator<Item = Mapping<'a>> {
        let is_merge = |(key, _): &(Node<'a>, Node<'a>)| {
            key.as_scalar()
                .is_some_and(|key| key.text == MERGE_KEY && key.style == ScalarStyle::Plain)
        };
        self.entries().filter(is_merge).flat_map(|(_, value)| {
            value
                .as_mapping()
                .into_iter()
                .chain(value.items().filter_map(Node::as_mapping))
        })
    }
}

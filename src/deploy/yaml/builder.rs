//! Builds documents from the events of the parser, without recursion.

use granit_parser::{Event, Options, Parser, Span as EventSpan, StructureStyle, Tag};

use super::document::{Anchor, Data, Document, NodeData, NodeId, Scalar, ScalarStyle};
use super::{MAX_DEPTH, MAX_EXPANDED_NODES, MAX_NODES, MAX_YAML_BYTES, Span, YamlError};

/// A collection that has begun, or a node that has ended, and what following all aliases in it costs.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    /// Nodes, each alias counted as what it stands for.
    nodes: usize,
    /// Levels, including those of aliases.
    depth: usize,
}

struct Open {
    node: NodeId,
    /// The key that waits for its value, in a mapping.
    key: Option<NodeId>,
    cost: Cost,
}

struct Builder<'a> {
    text: &'a str,
    documents: Vec<Document>,
    document: Document,
    open: Vec<Open>,
    /// The cost of each node with an anchor, once it has ended.
    anchor_costs: Vec<Option<Cost>>,
    /// The parser's numbers of anchors continue in the next document.
    first_anchor: usize,
    node_count: usize,
    expanded_count: usize,
}

pub(super) fn parse(text: &str) -> Result<Vec<Document>, YamlError> {
    if text.len() > MAX_YAML_BYTES {
        return Err(YamlError::new(
            0..0,
            format!("the file has more than {MAX_YAML_BYTES} bytes"),
        ));
    }
    let mut options = Options::default();
    options.emit_anchor_events = true;
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut builder = Builder {
        text,
        documents: Vec::new(),
        document: Document::empty(),
        open: Vec::new(),
        anchor_costs: Vec::new(),
        first_anchor: 0,
        node_count: 0,
        expanded_count: 0,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| YamlError::of(&error, text))?;
        builder.event(event, &span)?;
    }
    Ok(builder.documents)
}

impl Document {
    fn empty() -> Self {
        Self {
            nodes: Vec::new(),
            anchors: Vec::new(),
        }
    }
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, at: &EventSpan) -> Result<(), YamlError> {
        let span = self.span(at)?;
        match event {
            Event::DocumentEnd => {
                self.first_anchor += self.document.anchors.len();
                self.anchor_costs.clear();
                let document = std::mem::replace(&mut self.document, Document::empty());
                self.documents.push(document);
            }
            Event::Alias(number) => self.alias(number, span)?,
            Event::Anchor(_, name) => self.anchor(name.into_owned(), span),
            Event::Scalar(text, style, _, tag) => {
                // The parser gives a value that is left out as "~" with an empty span.
                let text = if span.is_empty() {
                    String::new()
                } else {
                    text.into_owned()
                };
                let scalar = Scalar {
                    text,
                    style: scalar_style(style),
                };
                let node = self.node(Data::Scalar(scalar), span, tag.as_deref(), at)?;
                self.end(node, Cost { nodes: 1, depth: 1 })?;
            }
            Event::SequenceStart(style, _, tag) => {
                let items = Vec::new();
                let is_flow = style == StructureStyle::Flow;
                let node = self.node(Data::Sequence { items, is_flow }, span, tag.as_deref(), at)?;
                self.begin(node)?;
            }
            Event::MappingStart(style, _, tag) => {
                let entries = Vec::new();
                let is_flow = style == StructureStyle::Flow;
                let node = self.node(Data::Mapping { entries, is_flow }, span, tag.as_deref(), at)?;
                self.begin(node)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&span)?,
            _ => {}
        }
        Ok(())
    }

    fn span(&self, at: &EventSpan) -> Result<Span, YamlError> {
        at.byte_range()
            .filter(|range| self.text.get(range.clone()).is_some())
            .ok_or_else(|| YamlError::new(0..0, "the parser gave no position in the text"))
    }

    fn node(&mut self, value: Data, span: Span, tag: Option<&Tag>, at: &EventSpan) -> Result<NodeId, YamlError> {
        self.node_count += 1;
        if self.node_count > MAX_NODES {
            return Err(YamlError::new(
                span,
                format!("the file has more than {MAX_NODES} values"),
            ));
        }
        let tag = match tag {
            Some(tag) => {
                let place = at.tag_span().map(|tag| self.span(&tag)).transpose()?;
                let name = format!("{}{}", tag.handle(), tag.suffix());
                Some(Box::new((name, place.unwrap_or(span.start..span.start))))
            }
            None => None,
        };
        let id = self.document.nodes.len() as NodeId;
        self.document.nodes.push(NodeData {
            value,
            span,
            tag,
            anchor: None,
        });
        Ok(id)
    }

    /// Names the node that was added last.
    fn anchor(&mut self, name: String, span: Span) {
        let Some(last) = self.document.nodes.len().checked_sub(1) else {
            return;
        };
        let index = self.document.anchors.len() as u32;
        self.document.nodes[last].anchor = Some(index);
        self.document.anchors.push(Anchor {
            name,
            span,
            alias_count: 0,
            node: last as NodeId,
        });
        // A scalar has ended already, a collection has not.
        let is_scalar = matches!(self.document.nodes[last].value, Data::Scalar(_));
        self.anchor_costs.push(is_scalar.then_some(Cost { nodes: 1, depth: 1 }));
    }

    fn alias(&mut self, number: usize, span: Span) -> Result<(), YamlError> {
        // The parser counts anchors from 1, through all documents.
        let index = number.checked_sub(self.first_anchor + 1);
        let found =
            index.and_then(|index| Some((self.document.anchors.get_mut(index)?, self.anchor_costs.get(index)?)));
        let Some((anchor, cost)) = found else {
            return Err(YamlError::new(span, "the alias has no anchor"));
        };
        anchor.alias_count += 1;
        let target = anchor.node;
        let Some(cost) = *cost else {
            return Err(YamlError::new(
                span,
                "the alias is inside of the value that it stands for",
            ));
        };
        let node = self.node(Data::Alias(target), span, None, &EventSpan::default())?;
        self.end(node, cost)
    }

    fn begin(&mut self, node: NodeId) -> Result<(), YamlError> {
        let cost = Cost { nodes: 1, depth: 1 };
        self.open.push(Open { node, key: None, cost });
        if self.open.len() > MAX_DEPTH {
            return Err(self.too_deep(node));
        }
        Ok(())
    }

    /// Ends the innermost collection. The span of a block begins with its first node and ends with its last one.
    fn close(&mut self, end: &Span) -> Result<(), YamlError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let last = match &self.document.nodes[open.node as usize].value {
            Data::Sequence { items, .. } => items.last(),
            Data::Mapping { entries, .. } => entries.last().map(|(_, value)| value),
            _ => None,
        };
        let last_end = last.map_or(end.start, |last| self.document.nodes[*last as usize].span.end);
        let node = &mut self.document.nodes[open.node as usize];
        let is_flow = match &node.value {
            Data::Sequence { is_flow, .. } | Data::Mapping { is_flow, .. } => *is_flow,
            _ => false,
        };
        let end = if is_flow { end.end } else { last_end };
        node.span.end = end.max(node.span.start);
        if let Some(cost) = node.anchor.and_then(|index| self.anchor_costs.get_mut(index as usize)) {
            *cost = Some(open.cost);
        }
        self.end(open.node, open.cost)
    }

    /// Adds a node that has ended to the collection that it is in.
    fn end(&mut self, node: NodeId, cost: Cost) -> Result<(), YamlError> {
        let depth = self.open.len() + cost.depth;
        if depth > MAX_DEPTH + 1 {
            return Err(self.too_deep(node));
        }
        let Some(parent) = self.open.last_mut() else {
            self.expanded_count = self.expanded_count.saturating_add(cost.nodes);
            return self.check_expansion(self.expanded_count, node);
        };
        parent.cost.nodes = parent.cost.nodes.saturating_add(cost.nodes);
        parent.cost.depth = parent.cost.depth.max(cost.depth + 1);
        let nodes = parent.cost.nodes;
        match &mut self.document.nodes[parent.node as usize].value {
            Data::Sequence { items, .. } => items.push(node),
            Data::Mapping { entries, .. } => match parent.key.take() {
                Some(key) => entries.push((key, node)),
                None => parent.key = Some(node),
            },
            Data::Scalar(_) | Data::Alias(_) => {}
        }
        self.check_expansion(nodes, node)
    }

    fn check_expansion(&self, nodes: usize, node: NodeId) -> Result<(), YamlError> {
        if nodes <= MAX_EXPANDED_NODES {
            return Ok(());
        }
        let span = self.document.nodes[node as usize].span.clone();
        let message = format!("aliases make more than {MAX_EXPANDED_NODES} values of the file");
        Err(YamlError::new(span, message))
    }

    fn too_deep(&self, node: NodeId) -> YamlError {
        YamlError::too_deep(self.document.nodes[node as usize].span.clone())
    }
}

fn scalar_style(style: granit_parser::ScalarStyle) -> ScalarStyle {
    match style {
        granit_parser::ScalarStyle::Plain => ScalarStyle::Plain,
        granit_parser::ScalarStyle::SingleQuoted => ScalarStyle::SingleQuoted,
        granit_parser::ScalarStyle::DoubleQuoted => ScalarStyle::DoubleQuoted,
        granit_parser::ScalarStyle::Literal => ScalarStyle::Literal,
        granit_parser::ScalarStyle::Folded => ScalarStyle::Folded,
    }
}

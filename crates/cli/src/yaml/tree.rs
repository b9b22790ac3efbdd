//! Where in a document's text each part of its value stands.

use std::ops::Range;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StructureStyle};

/// A node of the document, with its place in the text (bytes).
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// From the first to behind the last character that belongs to the node. Comments behind it do not.
    pub range: Range<usize>,
    /// Column of the first character, from 0.
    pub column: usize,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A scalar.
    Scalar(ScalarStyle),
    /// A list, one item a line.
    Sequence(Vec<Node>),
    /// An object, one key a line.
    Mapping(Vec<(String, Node, Node)>),
    /// A list or object in brackets.
    Flow,
}

/// The tree of a text with one document; none when the parser has something against it, or it is empty.
pub(super) fn tree(text: &str) -> Option<Node> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let events: Result<Vec<_>, _> = Parser::new_from_str_with_options(text, options).collect();
    let mut builder = Builder { text, events: events.ok()?.into_iter().peekable() };
    while builder
        .events
        .next_if(|(e, _)| matches!(e, Event::StreamStart | Event::DocumentStart(..)))
        .is_some()
    {}
    builder.node()
}

struct Builder<'a, I: Iterator<Item = (Event<'a>, Span)>> {
    text: &'a str,
    events: std::iter::Peekable<I>,
}

impl<'a, I: Iterator<Item = (Event<'a>, Span)>> Builder<'a, I> {
    fn node(&mut self) -> Option<Node> {
        let (event, span) = self.events.next()?;
        let range = span.byte_range()?;
        let column = range.start - self.text[..range.start].rfind('\n').map_or(0, |i| i + 1);
        match event {
            Event::Scalar(_, style, ..) => {
                // A block scalar's span may reach to the next token.
                let end = range.start + self.text[range.clone()].trim_end().len();
                Some(Node { range: range.start..end, column, kind: Kind::Scalar(style) })
            }
            Event::Alias(_) => Some(Node { range, column, kind: Kind::Flow }),
            Event::SequenceStart(style, ..) => {
                let mut items = Vec::new();
                let end = loop {
                    match self.events.peek()? {
                        (Event::SequenceEnd, span) => break span.byte_range()?.end,
                        _ => items.push(self.node()?),
                    }
                };
                self.events.next();
                let last = items.last().map(|n| n.range.end);
                Some(collection(range.start, column, style, end, last, Kind::Sequence(items)))
            }
            Event::MappingStart(style, ..) => {
                let mut entries = Vec::new();
                let end = loop {
                    match self.events.peek()? {
                        (Event::MappingEnd, span) => break span.byte_range()?.end,
                        (Event::Scalar(text, ..), _) => {
                            let key = text.clone().into_owned();
                            let (key_node, value) = (self.node()?, self.node()?);
                            entries.push((key, key_node, value));
                        }
                        // A key that is no text is nothing Kubernetes knows.
                        _ => return None,
                    }
                };
                self.events.next();
                let last = entries.last().map(|(_, key, value)| value.range.end.max(key.range.end));
                Some(collection(range.start, column, style, end, last, Kind::Mapping(entries)))
            }
            _ => None,
        }
    }
}

fn collection(
    start: usize,
    column: usize,
    style: StructureStyle,
    end: usize,
    last: Option<usize>,
    kind: Kind,
) -> Node {
    match style {
        // The end of a block is where its last part ends; the parser reports where the next thing begins.
        StructureStyle::Block => Node { range: start..last.unwrap_or(start), column, kind },
        StructureStyle::Flow => Node { range: start..end, column, kind: Kind::Flow },
    }
}

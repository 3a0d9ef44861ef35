//! The one YAML front end: text in, a tree out in which every key and value has its place.
//!
//! Scalars are resolved here, once, by the YAML 1.2 core schema narrowed to what cannot be
//! misread: what YAML 1.1 and 1.2 readers disagree about (`no`, `0755`, `1_000`) is an error that
//! asks for quotes. Aliases, tags and directives are refused; size, depth and node count are
//! bounded. Whatever can be recovered from is collected, so that all mistakes show at once.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle};

use crate::span::Span;

mod explain;
#[cfg(test)]
mod oracle;
mod plain;
mod resolve;

use explain::template_value;
use resolve::{ambiguous, plain_digits, value};

/// Longest accepted manifest, in bytes (1 MiB).
pub const MAX_SOURCE_BYTES: usize = 1 << 20;
/// Deepest accepted nesting of sequences and mappings.
pub const MAX_DEPTH: usize = 64;
/// Most accepted scalars, sequences and mappings.
pub const MAX_NODES: usize = 100_000;
/// What ended lines in YAML 1.1 and no longer does.
const OLD_BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];
/// The mistakes after which reading ends.
pub const MAX_ERRORS: usize = 1_000;

/// One node of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where the node stands. An empty value has an empty span just after its colon.
    pub span: Span,
    /// What it is.
    pub content: Content,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Nothing: `key:` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A decimal integer.
    Integer(i64),
    /// A decimal fraction, with or without an exponent.
    Float(f64),
    /// Text, quoted or not.
    String(String),
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping, in source order, without duplicate keys.
    Mapping(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key, unquoted.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

/// A comment, without its `#`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The text after `#`, untrimmed.
    pub text: String,
    /// Where it stands, `#` included.
    pub span: Span,
}

/// A scalar in block style (YAML 1.2.2, section 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockScalar {
    /// The span of its node: the text without the header.
    pub span: Span,
    /// Whether its lines are folded (`>`), or kept (`|`).
    pub folded: bool,
}

/// A mistake found while reading the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// What kind of mistake.
    pub kind: SyntaxErrorKind,
    /// The place.
    pub span: Span,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// A second place that belongs to the mistake, with what it shows there.
    pub related: Option<(Span, String)>,
}

/// The kinds of mistakes that the front end tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyntaxErrorKind {
    /// The text is not YAML.
    Yaml,
    /// A value that starts with `{{` stands without quotes.
    UnquotedTemplate,
    /// The same key twice in one mapping.
    DuplicateKey,
    /// A scalar that YAML readers read differently.
    AmbiguousScalar,
    /// An anchor, alias, tag, directive or merge key.
    Unsupported,
    /// Too large, too deep or too many nodes.
    Limit,
    /// No content, or more than one document.
    Document,
}

/// A manifest's text as a tree.
#[derive(Clone, Debug)]
pub struct Document {
    /// The root node; a mapping in every useful manifest.
    pub root: Node,
    /// All comments in source order.
    pub comments: Vec<Comment>,
    /// All scalars in block style in source order.
    pub block_scalars: Vec<BlockScalar>,
}

/// Reads one YAML document.
///
/// # Errors
/// All mistakes that could be found, up to [`MAX_ERRORS`] or few more; never an empty list.
pub fn parse(source: &str) -> Result<Document, Vec<SyntaxError>> {
    read(source, true)
}

/// Reads one YAML document without its comments and the list of its scalars in block style, which
/// takes less time.
///
/// # Errors
/// All mistakes that could be found, up to [`MAX_ERRORS`] or few more; never an empty list.
pub fn parse_values(source: &str) -> Result<Document, Vec<SyntaxError>> {
    match plain::tree(source) {
        Some(root) => Ok(Document { root, comments: Vec::new(), block_scalars: Vec::new() }),
        None => read(source, false),
    }
}

fn read(source: &str, with_comments: bool) -> Result<Document, Vec<SyntaxError>> {
    if source.len() > MAX_SOURCE_BYTES {
        return Err(vec![SyntaxError {
            kind: SyntaxErrorKind::Limit,
            span: Span::new(0, 0),
            message: format!(
                "the manifest is {} bytes long; at most {MAX_SOURCE_BYTES} are read",
                source.len()
            ),
            help: Some("move long tables into fewer, shorter entries".to_owned()),
            related: None,
        }]);
    }
    let mut builder = Builder {
        source,
        errors: Vec::new(),
        comments: Vec::new(),
        block_scalars: Vec::new(),
        open: Vec::new(),
        root: None,
        nodes: 0,
        documents: 0,
    };
    builder.run(with_comments);
    let Builder { errors, comments, block_scalars, root, .. } = builder;
    match root {
        Some(root) if errors.is_empty() => Ok(Document { root, comments, block_scalars }),
        None if errors.is_empty() => Err(vec![SyntaxError {
            kind: SyntaxErrorKind::Document,
            span: Span::new(0, 0),
            message: "the manifest is empty".to_owned(),
            help: Some("start with `manifest: longshore/v1`".to_owned()),
            related: None,
        }]),
        _ => Err(errors),
    }
}

/// A collection that is still being read.
enum Open {
    Sequence {
        span: Span,
        items: Vec<Node>,
    },
    Mapping {
        span: Span,
        entries: Vec<Entry>,
        key: Option<(String, Span)>,
        seen: Seen,
        template: bool,
    },
}

struct Builder<'s> {
    source: &'s str,
    errors: Vec<SyntaxError>,
    comments: Vec<Comment>,
    block_scalars: Vec<BlockScalar>,
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
}

impl Builder<'_> {
    fn run(&mut self, with_comments: bool) {
        // YAML 1.1, section 4.2; text in YAML 1.2.2, section 5.4.
        if let Some((at, found)) = self.source.match_indices(OLD_BREAKS).next() {
            let span = Span::new(at, at + found.len());
            let escape = found.escape_unicode();
            self.error(
                SyntaxErrorKind::AmbiguousScalar,
                span,
                format!("`{escape}` is a line break in YAML 1.1 and text in YAML 1.2"),
                "remove it, or write it as an escape in double quotes",
            );
            return;
        }
        let mut options = Options::default();
        options.set_emit_comments(with_comments);
        options.disallow_directives = true;
        options.emit_unresolved_aliases = true;
        options.block_nesting_limit = MAX_DEPTH;
        options.flow_nesting_limit = MAX_DEPTH;
        let mut parser = Parser::new_from_str_with_options(self.source, options);
        while let Some(next) = parser.next_event() {
            let (event, span) = match next {
                Ok((event, span)) => (event, self.span(&span)),
                Err(error) => {
                    self.scan_error(&error);
                    return;
                }
            };
            if !self.event(event, span) || self.errors.len() >= MAX_ERRORS {
                return;
            }
        }
    }

    fn span(&self, span: &granit_parser::Span) -> Span {
        let range = span.byte_range().unwrap_or(0..0);
        // A block collection ends where the next token starts; what lies between is blank.
        let text = self.source.get(range.clone()).unwrap_or_default();
        Span::new(range.start, range.start + text.trim_end().len())
    }

    fn error(&mut self, kind: SyntaxErrorKind, span: Span, message: String, help: &str) {
        let help = (!help.is_empty()).then(|| help.to_owned());
        self.errors.push(SyntaxError { kind, span, message, help, related: None });
    }

    /// Takes one event in; `false` ends the reading.
    fn event(&mut self, event: Event<'_>, span: Span) -> bool {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.error(
                        SyntaxErrorKind::Document,
                        span,
                        "a second document starts here".to_owned(),
                        "one file holds one manifest: remove the `---`, or move it to its own file",
                    );
                    return false;
                }
            }
            Event::Comment(text, _) => {
                self.comments.push(Comment { text: text.into_owned(), span });
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.alias(span);
                return self.add(Node { span, content: Content::Null });
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_properties(span, anchor, tag.is_some());
                let plain = style == ScalarStyle::Plain;
                if let Some(Open::Mapping { key: None, template: false, .. }) = self.open.last() {
                    // Keys are text whatever they look like: `on`, `401` and `no` are fine names.
                    // One that is not there is told by the parser as `~`.
                    let absent = plain && span.start == span.end;
                    if absent {
                        let message = "a key is missing".to_owned();
                        let help = "write the key, in front of its colon";
                        self.error(SyntaxErrorKind::Unsupported, span, message, help);
                    }
                    self.key(if absent { String::new() } else { text.into_owned() }, span);
                    return true;
                }
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    let folded = style == ScalarStyle::Folded;
                    self.block_scalars.push(BlockScalar { span, folded });
                }
                let content = if plain {
                    self.resolve(text, span)
                } else {
                    Content::String(text.into_owned())
                };
                return self.add(Node { span, content });
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_properties(span, anchor, tag.is_some());
                self.complex_key(span);
                self.open.push(Open::Sequence { span, items: Vec::new() });
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_properties(span, anchor, tag.is_some());
                let template = self.unquoted_template(span);
                if !template {
                    self.complex_key(span);
                }
                let (entries, seen) = (Vec::new(), Seen::default());
                self.open.push(Open::Mapping { span, entries, key: None, seen, template });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return true };
                let (start, content) = match open {
                    Open::Sequence { span, items } => (span, Content::Sequence(items)),
                    // What was misread as a mapping is taken for the text that it was meant to be.
                    Open::Mapping { span, template: true, .. } => {
                        (span, Content::String(String::new()))
                    }
                    Open::Mapping { span, entries, .. } => (span, Content::Mapping(entries)),
                };
                let end = span.end.max(start.end).max(last_end(&content));
                return self.add(Node { span: Span { start: start.start, end }, content });
            }
            _ => {}
        }
        true
    }

    fn alias(&mut self, span: Span) {
        self.error(
            SyntaxErrorKind::Unsupported,
            span,
            "aliases (`*name`) are not part of the manifest language".to_owned(),
            "write the value out again; quote it if it is meant as text",
        );
    }

    fn refuse_properties(&mut self, span: Span, anchor: usize, tag: bool) {
        if anchor != 0 {
            self.error(
                SyntaxErrorKind::Unsupported,
                span,
                "anchors (`&name`) are not part of the manifest language".to_owned(),
                "remove the anchor, and write the value out where it is needed again",
            );
        }
        if tag {
            self.error(
                SyntaxErrorKind::Unsupported,
                span,
                "tags (`!name`) are not part of the manifest language".to_owned(),
                "remove the tag; quote the value if it is meant as text",
            );
        }
    }

    /// Reports `{{...}}` read as a mapping, the most frequent mistake in manifests.
    fn unquoted_template(&mut self, span: Span) -> bool {
        let start = span.start as usize;
        let rest = self.source.get(start..).unwrap_or_default();
        let inside = matches!(self.open.last(), Some(Open::Mapping { template: true, .. }));
        if !rest.starts_with("{{") {
            return inside;
        }
        if !inside {
            let value = template_value(&self.source[..start], rest);
            self.error(
                SyntaxErrorKind::UnquotedTemplate,
                Span::new(start, start + value.len()),
                "a value that starts with a template must be quoted".to_owned(),
                &format!(
                    "write \"{value}\": without quotes YAML reads `{{{{` as the start of a mapping"
                ),
            );
        }
        true
    }

    /// A collection where a key is expected: `? [a]: b` or `{a: b}: c`.
    fn complex_key(&mut self, span: Span) {
        if let Some(Open::Mapping { key: None, template: false, .. }) = self.open.last() {
            self.error(
                SyntaxErrorKind::Unsupported,
                span,
                "a key must be plain text, not a collection".to_owned(),
                "quote the key if it is meant as text",
            );
        }
    }

    fn key(&mut self, text: String, span: Span) {
        let Some(Open::Mapping { entries, key, seen, .. }) = self.open.last_mut() else { return };
        if let Some(first) = seen.first(entries, &text) {
            self.errors.push(SyntaxError {
                kind: SyntaxErrorKind::DuplicateKey,
                span,
                message: format!("the key `{text}` is set twice"),
                help: Some("keep one of the two: readers disagree on which one counts".into()),
                related: Some((first, "first set here".to_owned())),
            });
        }
        if text == "<<" {
            self.errors.push(SyntaxError {
                kind: SyntaxErrorKind::Unsupported,
                span,
                message: "merge keys (`<<`) are not part of the manifest language".to_owned(),
                help: Some("write the values out again".to_owned()),
                related: None,
            });
        }
        *key = Some((text, span));
    }

    /// Puts a finished node where it belongs; `false` ends the reading.
    fn add(&mut self, node: Node) -> bool {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("the manifest has more than {MAX_NODES} values");
            self.error(
                SyntaxErrorKind::Limit,
                node.span,
                message,
                "split it into several manifests",
            );
            return false;
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::Sequence { items, .. }) => items.push(node),
            Some(Open::Mapping { entries, key, .. }) => {
                // Without a key this was a complex key, already reported.
                if let Some((key, key_span)) = key.take() {
                    entries.push(Entry { key, key_span, value: node });
                } else {
                    *key = Some((String::new(), node.span));
                }
            }
        }
        true
    }

    /// The YAML 1.2 core schema (section 10.3.2), without what is easily misread.
    fn resolve(&mut self, text: Cow<'_, str>, span: Span) -> Content {
        if let Some((reading, word)) = ambiguous(&text) {
            let number = plain_digits(&text).then(|| {
                let digits: String = text.chars().filter(char::is_ascii_digit).collect();
                let digits = digits.trim_start_matches('0');
                format!("{}, or ", if digits.is_empty() { "0" } else { digits })
            });
            let word = number.as_deref().unwrap_or(word);
            self.error(
                SyntaxErrorKind::AmbiguousScalar,
                span,
                format!("`{text}` is {reading}"),
                &format!("write {word}\"{text}\" if it is meant as text"),
            );
            return Content::String(text.into_owned());
        }
        value(text)
    }
}

/// The entries up to which a mapping is searched for a key: for most, that is faster than a table.
const SEARCHED: usize = 16;

/// Where each key of a long mapping was first set.
#[derive(Default)]
struct Seen {
    keys: HashMap<String, Span>,
    /// How many of the entries are in `keys`.
    entries: usize,
}

impl Seen {
    /// Where a key was set before.
    fn first(&mut self, entries: &[Entry], key: &str) -> Option<Span> {
        if entries.len() < SEARCHED {
            return entries.iter().find(|entry| entry.key == key).map(|entry| entry.key_span);
        }
        for entry in &entries[self.entries..] {
            self.keys.entry(entry.key.clone()).or_insert(entry.key_span);
        }
        self.entries = entries.len();
        self.keys.get(key).copied()
    }
}

fn last_end(content: &Content) -> u32 {
    match content {
        Content::Sequence(items) => items.last().map_or(0, |node| node.span.end),
        Content::Mapping(entries) => entries.last().map_or(0, |entry| entry.value.span.end),
        _ => 0,
    }
}

impl Node {
    /// The node as JSON, for checks against the JSON Schema.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Integer(value) => Value::from(*value),
            Content::Float(value) => Value::from(*value),
            Content::String(value) => Value::from(value.as_str()),
            Content::Sequence(items) => items.iter().map(Self::to_json).collect(),
            Content::Mapping(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect(),
            ),
        }
    }

    /// The entry with this key, if the node is a mapping that has it.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Mapping(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The node's entries; none if it is not a mapping.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The node at a JSON pointer (RFC 6901), with the span of the key that leads to it.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<(Option<Span>, &Node)> {
        let mut node = self;
        let mut key_span = None;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            match &node.content {
                Content::Mapping(entries) => {
                    let entry = entries.iter().find(|entry| entry.key == token)?;
                    key_span = Some(entry.key_span);
                    node = &entry.value;
                }
                Content::Sequence(items) => {
                    node = items.get(token.parse::<usize>().ok()?)?;
                    key_span = None;
                }
                _ => return None,
            }
        }
        Some((key_span, node))
    }
}

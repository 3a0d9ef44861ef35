//! How keys and scalars are written.

use std::borrow::Cow;

use crate::yaml::{self, Content, Document, Entry, Node};

/// Where a scalar is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// The value of a key, on lines of its own.
    Value,
    /// An item of a list, on lines of its own.
    Item,
    /// The value of a key in a flow mapping.
    FlowValue,
    /// An item of a flow sequence.
    FlowItem,
    /// The whole document.
    Root,
}

/// A scalar as it is written.
pub(super) struct Written<'d> {
    /// The first line, without indentation.
    pub(super) first: Cow<'d, str>,
    /// The other lines, without the indentation that they have in common.
    pub(super) rest: Vec<Cow<'d, str>>,
    /// Whether the text is in block style, and a comment belongs behind its header.
    pub(super) block: bool,
}

impl<'d> From<Cow<'d, str>> for Written<'d> {
    fn from(first: Cow<'d, str>) -> Self {
        Self { first, rest: Vec::new(), block: false }
    }
}

/// How a scalar, or a collection without content, is written.
pub(super) fn written<'d>(
    source: &'d str,
    document: &Document,
    node: &'d Node,
    context: Context,
) -> Written<'d> {
    let raw = source.get(node.span.range()).unwrap_or_default();
    let text = match &node.content {
        Content::String(text) => return string(source, document, node, text, context),
        Content::Null => match context {
            Context::Value | Context::Item if raw.is_empty() => "",
            _ => "null",
        },
        Content::Bool(true) => "true",
        Content::Bool(false) => "false",
        Content::Integer(_) | Content::Float(_) => raw,
        Content::Sequence(_) => "[]",
        Content::Mapping(_) => "{}",
    };
    Cow::Borrowed(text).into()
}

fn string<'d>(
    source: &'d str,
    document: &Document,
    node: &Node,
    text: &'d str,
    context: Context,
) -> Written<'d> {
    let raw = source.get(node.span.range()).unwrap_or_default();
    let has_lines = matches!(context, Context::Value | Context::Item);
    if let Some(folded) = block_style(document, node) {
        // A last line of nothing but blanks would pass for a blank line that follows the text.
        let body = text.trim_end_matches('\n');
        let ends_blank = body.rsplit('\n').next().is_none_or(|line| line.trim().is_empty());
        let block = (has_lines && !ends_blank).then(|| block(source, node, text, folded));
        return block.filter(|block| reads_as(block, text)).unwrap_or_else(|| quoted(text).into());
    }
    if raw.contains('\n') && has_lines {
        let mut lines = raw.lines().map(str::trim);
        let first = lines.next().unwrap_or_default().into();
        let lines = Written { first, rest: lines.map(Cow::Borrowed).collect(), block: false };
        if reads_as(&lines, text) {
            return lines;
        }
    }
    if raw == text || is_plain(text, context) {
        return Cow::Borrowed(text).into();
    }
    quoted(text).into()
}

/// Whether a scalar is in block style, and then whether it is folded.
fn block_style(document: &Document, node: &Node) -> Option<bool> {
    let scalars = &document.block_scalars;
    let first = scalars.partition_point(|scalar| scalar.span.start < node.span.start);
    let found = scalars.get(first).filter(|scalar| scalar.span == node.span);
    found.map(|scalar| scalar.folded)
}

/// A text in block style, its lines as they are in the source.
fn block<'d>(source: &'d str, node: &Node, text: &'d str, folded: bool) -> Written<'d> {
    let body = text.trim_end_matches('\n');
    let breaks = text.len() - body.len();
    let mut rest: Vec<Cow<'d, str>> = if folded {
        folded_lines(source, node, body)
    } else {
        body.split('\n').map(Cow::Borrowed).collect()
    };
    let mut first = String::from(if folded { ">" } else { "|" });
    // Without a number the first line that is not empty says how far the text is indented.
    if rest.iter().find(|line| !line.is_empty()).is_some_and(|line| line.starts_with(' ')) {
        first.push('2');
    }
    match breaks {
        0 => first.push('-'),
        1 => {}
        _ => first.push('+'),
    }
    rest.extend((1..breaks).map(|_| Cow::Borrowed("")));
    Written { first: first.into(), rest, block: true }
}

/// The lines of a folded text, which only the source has.
fn folded_lines<'d>(source: &'d str, node: &Node, body: &str) -> Vec<Cow<'d, str>> {
    let content = body.trim_start_matches('\n');
    let leading = body.len() - content.len();
    let mut lines = vec![Cow::Borrowed(""); leading];
    let start = node.span.start as usize;
    let tail = source.get(start..).unwrap_or_default();
    let start = start + tail.len() - tail.trim_start().len();
    let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = source[node.span.end as usize..].find('\n');
    let end = line_end.map_or(source.len(), |at| at + node.span.end as usize);
    let own = content.len() - content.trim_start_matches(' ').len();
    let indentation = (start - line_start).saturating_sub(own);
    let raw = source.get(line_start..end).unwrap_or_default();
    lines.extend(raw.split('\n').map(|line| line.get(indentation..).unwrap_or_default().into()));
    lines
}

/// Whether lines are read back as the text that they stand for.
fn reads_as(written: &Written<'_>, text: &str) -> bool {
    let mut source = format!("k: {}\n", written.first);
    for line in &written.rest {
        if !line.is_empty() {
            source.push_str("  ");
            source.push_str(line);
        }
        source.push('\n');
    }
    reads(&source, |root| root.entry("k").is_some_and(|entry| is_text(&entry.value, text)))
}

fn reads(source: &str, expected: impl Fn(&Node) -> bool) -> bool {
    yaml::parse(source)
        .is_ok_and(|document| document.comments.is_empty() && expected(&document.root))
}

fn is_text(node: &Node, text: &str) -> bool {
    matches!(&node.content, Content::String(found) if found == text)
}

/// How a key is written.
pub(super) fn key<'d>(source: &str, entry: &'d Entry, flow: bool) -> Cow<'d, str> {
    let key = entry.key.as_str();
    let raw = source.get(entry.key_span.range()).unwrap_or_default();
    let is_word = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
    };
    // Every plain key is text, but one that was quoted would else be a number or `true` to others.
    let stays_text = raw == key || is_plain(key, Context::Value);
    let snippet = || if flow { format!("{{ {key}: v }}\n") } else { format!("{key}: v\n") };
    let is_key = |root: &Node| match root.entries() {
        [entry] => entry.key == key && is_text(&entry.value, "v"),
        _ => false,
    };
    if stays_text && (is_word(key) || !has_odd_characters(key) && reads(&snippet(), is_key)) {
        return Cow::Borrowed(key);
    }
    quoted(key)
}

/// Whether a quoted text is better off without its quotes: all readers take it for this text, and
/// nothing in it looks as if it meant something, as in patterns and templates.
fn is_plain(text: &str, context: Context) -> bool {
    let is_common = |c: char| c.is_alphanumeric() || " _-./,;:+=@$'&~".contains(c);
    // YAML keeps these for itself at the start of a text (YAML 1.2.2, section 5.3).
    let is_reserved = text.starts_with([',', '&', '\'', '@']);
    // To readers of YAML 1.1 these are days, times of day and numbers in base 60.
    let is_time = text.starts_with(|c: char| c.is_ascii_digit())
        && text.contains([':', '-'])
        && text.bytes().all(|b| b.is_ascii_digit() || b":-+. TtZz".contains(&b));
    if text.is_empty() || is_reserved || is_time || !text.chars().all(is_common) {
        return false;
    }
    let source = match context {
        Context::Value => format!("k: {text}\n"),
        Context::Item => format!("- {text}\n"),
        Context::FlowValue => format!("{{ k: {text}, l: m }}\n"),
        Context::FlowItem => format!("[{text}, l]\n"),
        Context::Root => return false,
    };
    reads(&source, |root| match (&root.content, context) {
        (Content::Mapping(entries), Context::Value) => {
            matches!(&entries[..], [entry] if is_text(&entry.value, text))
        }
        (Content::Mapping(entries), _) => {
            matches!(&entries[..], [entry, _] if is_text(&entry.value, text))
        }
        (Content::Sequence(items), Context::Item) => {
            matches!(&items[..], [item] if is_text(item, text))
        }
        (Content::Sequence(items), _) => {
            matches!(&items[..], [item, _] if is_text(item, text))
        }
        _ => false,
    })
}

/// Whether a text has characters that are only safe as escapes (YAML 1.2.2, section 5.1), or that
/// end a line to some readers.
fn has_odd_characters(text: &str) -> bool {
    text.chars().any(is_odd)
}

fn is_odd(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// A text in quotes: double ones, unless what it has would need escapes in them.
fn quoted(text: &str) -> Cow<'_, str> {
    if text.contains(['\\', '"']) && !has_odd_characters(text) {
        return format!("'{}'", text.replace('\'', "''")).into();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            // All of them have at most four digits.
            c if is_odd(c) => quoted.extend(["\\u", &format!("{:04x}", u32::from(c))]),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted.into()
}

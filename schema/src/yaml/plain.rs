//! YAML as manifests are usually written, read several times faster than by the whole parser:
//! block mappings and sequences, collections on one line, scalars on one line or behind `|` or `>`.
//! Whatever else stands in a text, and every mistake, is left to the whole parser.

use std::borrow::Cow;

use super::resolve::{ambiguous, value};
use super::{Content, Entry, Node};
use crate::span::Span;

/// The longest text that is read here, in bytes; it cannot have [`super::MAX_NODES`] values.
const MAX_BYTES: usize = super::MAX_NODES;
/// The deepest nesting that is read here.
const MAX_DEPTH: usize = 24;
/// The most entries of a mapping that is read here: it is searched for each key.
const MAX_ENTRIES: usize = 200;

/// The tree of a text; `None` says nothing about it.
pub(super) fn tree(source: &str) -> Option<Node> {
    let usual = |character: char| match character {
        '\n' | ' '..='~' => true,
        _ => character.is_alphabetic(),
    };
    if source.len() > MAX_BYTES || !source.chars().all(usual) {
        return None;
    }
    let mut reader = Reader { source, bytes: source.as_bytes(), at: 0, column: 0, depth: 0 };
    reader.next_token();
    if reader.is_marker() {
        return None;
    }
    let root = reader.mapping()?;
    (reader.at == source.len()).then_some(root)
}

struct Reader<'s> {
    source: &'s str,
    bytes: &'s [u8],
    at: usize,
    /// The column of what stands at `at`, after a call of `next_token`.
    column: usize,
    depth: usize,
}

impl<'s> Reader<'s> {
    fn byte(&self, ahead: usize) -> u8 {
        // The end of the text ends a line.
        self.bytes.get(self.at + ahead).copied().unwrap_or(b'\n')
    }

    fn ends(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn skip_spaces(&mut self) {
        while self.byte(0) == b' ' {
            self.at += 1;
        }
    }

    fn line_end(&self) -> usize {
        let rest = &self.bytes[self.at..];
        rest.iter().position(|byte| *byte == b'\n').map_or(self.bytes.len(), |end| self.at + end)
    }

    /// From the start of a line to the next thing that is no comment.
    fn next_token(&mut self) {
        while !self.ends() {
            let start = self.at;
            self.skip_spaces();
            self.column = self.at - start;
            match self.byte(0) {
                b'#' => self.at = (self.line_end() + 1).min(self.bytes.len()),
                b'\n' => self.at = (self.at + 1).min(self.bytes.len()),
                _ => return,
            }
        }
        self.column = 0;
    }

    /// From the end of a value over the rest of its line, and on to the next thing.
    fn finish_line(&mut self) -> Option<()> {
        let end = self.at;
        self.skip_spaces();
        match self.byte(0) {
            b'\n' => {}
            b'#' if self.at > end => self.at = self.line_end(),
            _ => return None,
        }
        self.at = (self.at + 1).min(self.bytes.len());
        self.next_token();
        (!self.is_marker()).then_some(())
    }

    /// Whether a marker of documents stands here.
    fn is_marker(&self) -> bool {
        let rest = &self.bytes[self.at..];
        self.column == 0 && (rest.starts_with(b"---") || rest.starts_with(b"..."))
    }

    fn is_dash(&self) -> bool {
        self.byte(0) == b'-' && matches!(self.byte(1), b' ' | b'\n') && !self.ends()
    }

    fn down(&mut self) -> Option<()> {
        self.depth += 1;
        (self.depth <= MAX_DEPTH).then_some(())
    }

    fn collection(&mut self, start: usize, content: Content) -> Node {
        self.depth -= 1;
        Node { span: Span::new(start, self.at), content }
    }

    fn mapping(&mut self) -> Option<Node> {
        self.down()?;
        let (start, column) = (self.at, self.column);
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (key, key_span) = self.key()?;
            let known = entries.iter().any(|entry| entry.key == key);
            if known || key == "<<" || entries.len() >= MAX_ENTRIES {
                return None;
            }
            let value = self.entry_value(column)?;
            entries.push(Entry { key: key.to_owned(), key_span, value });
            if self.ends() || self.column < column {
                break;
            }
            if self.column > column {
                return None;
            }
        }
        Some(self.collection(start, Content::Mapping(entries)))
    }

    /// A key and its colon.
    fn key(&mut self) -> Option<(&'s str, Span)> {
        let start = self.at;
        let key = match self.byte(0) {
            b'"' | b'\'' => self.quoted()?,
            first if starts_plain(first) => {
                let line = &self.source[start..self.line_end()];
                let length = line.find(": ").or_else(|| line.strip_suffix(':').map(str::len))?;
                let is_usual =
                    |byte: u8| byte.is_ascii_alphanumeric() || b"_$.-/@*[]() +=~%".contains(&byte);
                let key = &line[..length];
                if !key.bytes().all(is_usual) || key.ends_with(' ') || length > 128 {
                    return None;
                }
                self.at += length;
                key
            }
            _ => return None,
        };
        let span = Span::new(start, self.at);
        if self.byte(0) != b':' || !matches!(self.byte(1), b' ' | b'\n') {
            return None;
        }
        self.at += 1;
        Some((key, span))
    }

    /// What stands behind a key's colon, in a mapping at this column.
    fn entry_value(&mut self, column: usize) -> Option<Node> {
        let colon = self.at;
        self.skip_spaces();
        match self.byte(0) {
            b'\n' | b'#' => {
                self.at = colon;
                self.finish_line()?;
                if self.ends() || self.column < column {
                    return Some(null(colon - 1));
                }
                match (self.column > column, self.is_dash()) {
                    (_, true) => self.sequence(self.column == column),
                    (true, false) => self.mapping(),
                    (false, false) => Some(null(colon - 1)),
                }
            }
            b'|' | b'>' => self.block_scalar(column),
            _ => self.inline(column),
        }
    }

    fn sequence(&mut self, indentless: bool) -> Option<Node> {
        self.down()?;
        let (mut start, column) = (self.at, self.column);
        let mut items = Vec::new();
        loop {
            self.at += 1;
            self.skip_spaces();
            if matches!(self.byte(0), b'\n' | b'#') {
                return None;
            }
            self.column = column + self.at - {
                let line = &self.bytes[..self.at];
                line.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1) + column
            };
            if items.is_empty() && indentless {
                // Without a token of its own, the sequence starts where its first item does.
                start = self.at;
            }
            let (at, inner) = (self.at, self.column);
            let item = if self.is_dash() {
                self.sequence(false)?
            } else if self.key().is_some() {
                (self.at, self.column) = (at, inner);
                self.mapping()?
            } else {
                self.at = at;
                self.inline(column)?
            };
            items.push(item);
            if self.ends() || self.column < column || (indentless && !self.is_dash()) {
                break;
            }
            if self.column > column || !self.is_dash() {
                return None;
            }
        }
        if indentless && !self.ends() && self.column > column {
            return None;
        }
        Some(self.collection(start, Content::Sequence(items)))
    }

    /// A scalar or collection on one line, in a block collection at this column.
    fn inline(&mut self, column: usize) -> Option<Node> {
        let node = match self.byte(0) {
            b'[' | b'{' | b'"' | b'\'' => self.flow()?,
            first if starts_plain(first) || (first == b'-' && self.byte(1).is_ascii_digit()) => {
                let start = self.at;
                let line = &self.source[start..self.line_end()];
                let text = line.find(" #").map_or(line, |comment| &line[..comment]).trim_end();
                if text.contains(": ") || text.ends_with(':') {
                    return None;
                }
                self.at += text.len();
                plain(text, Span::new(start, self.at))?
            }
            _ => return None,
        };
        self.finish_line()?;
        // What is indented further would go on with the scalar.
        (self.ends() || self.column <= column).then_some(node)
    }

    fn flow(&mut self) -> Option<Node> {
        let start = self.at;
        match self.byte(0) {
            b'[' => {
                self.down()?;
                let mut items = Vec::new();
                self.separated(b']', |reader| {
                    items.push(reader.flow()?);
                    Some(())
                })?;
                Some(self.collection(start, Content::Sequence(items)))
            }
            b'{' => {
                self.down()?;
                let mut entries: Vec<Entry> = Vec::new();
                self.separated(b'}', |reader| {
                    let start = reader.at;
                    let key = match reader.byte(0) {
                        b'"' | b'\'' => reader.quoted()?,
                        _ => reader.flow_plain()?,
                    };
                    let key_span = Span::new(start, reader.at);
                    let known = entries.iter().any(|entry| entry.key == key);
                    let colon = reader.byte(0) == b':' && reader.byte(1) == b' ';
                    if known || key == "<<" || !colon || entries.len() >= MAX_ENTRIES {
                        return None;
                    }
                    reader.at += 1;
                    reader.skip_spaces();
                    let value = reader.flow()?;
                    entries.push(Entry { key: key.to_owned(), key_span, value });
                    Some(())
                })?;
                Some(self.collection(start, Content::Mapping(entries)))
            }
            b'"' | b'\'' => {
                let text = self.quoted()?.to_owned();
                Some(Node { span: Span::new(start, self.at), content: Content::String(text) })
            }
            _ => {
                let text = self.flow_plain()?;
                plain(text, Span::new(start, self.at))
            }
        }
    }

    /// What stands between brackets, comma by comma.
    fn separated(&mut self, end: u8, mut one: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.skip_spaces();
        if self.byte(0) == end {
            self.at += 1;
            return Some(());
        }
        loop {
            one(self)?;
            self.skip_spaces();
            let next = self.byte(0);
            self.at += 1;
            match next {
                b',' => self.skip_spaces(),
                _ if next == end => return Some(()),
                _ => return None,
            }
        }
    }

    fn flow_plain(&mut self) -> Option<&'s str> {
        let start = self.at;
        let negative = self.byte(0) == b'-' && self.byte(1).is_ascii_digit();
        if !negative && !starts_plain(self.byte(0)) {
            return None;
        }
        loop {
            match self.byte(0) {
                b',' | b'[' | b']' | b'{' | b'}' | b'\n' => break,
                b':' if matches!(self.byte(1), b' ' | b'\n') => break,
                b':' if b",[]{}".contains(&self.byte(1)) => return None,
                b' ' if self.byte(1) == b'#' => return None,
                _ => self.at += 1,
            }
        }
        let text = self.source.get(start..self.at)?.trim_end_matches(' ');
        self.at = start + text.len();
        Some(text)
    }

    /// A quoted text on one line without escapes.
    fn quoted(&mut self) -> Option<&'s str> {
        let quote = self.byte(0);
        let start = self.at + 1;
        let length =
            self.bytes[start..].iter().position(|byte| *byte == quote || *byte == b'\n')?;
        let text = &self.source[start..start + length];
        self.at = start + length + 1;
        let escapes = if quote == b'"' { text.contains('\\') } else { self.byte(0) == b'\'' };
        (self.bytes[start + length] == quote && !escapes).then_some(text)
    }

    /// `|`, `|-`, `>` or `>-` and the lines below, in a mapping at this column.
    fn block_scalar(&mut self, column: usize) -> Option<Node> {
        let folded = self.byte(0) == b'>';
        let strip = self.byte(1) == b'-';
        self.at += 1 + usize::from(strip);
        if self.byte(0) != b'\n' {
            return None;
        }
        self.at = (self.at + 1).min(self.bytes.len());
        let (mut text, mut first, mut last, mut blank) = (String::new(), None, self.at, 0);
        let mut indentation = 0;
        while !self.ends() {
            let end = self.line_end();
            let line = &self.source[self.at..end];
            let content = line.trim_start_matches(' ');
            if content.is_empty() {
                // Blanks may be part of the text, and folding is no matter of single lines then.
                if !line.is_empty() || first.is_none() {
                    return None;
                }
                blank += 1;
            } else {
                let indented = line.len() - content.len();
                if indented <= column {
                    break;
                }
                if first.is_none() {
                    (first, indentation) = (Some(self.at + indented), indented);
                } else if blank > 0 && folded {
                    return None;
                } else {
                    let separator = if folded { " " } else { "\n" };
                    (0..=blank).for_each(|_| text.push_str(separator));
                }
                let deeper = folded && indented != indentation;
                if indented < indentation || deeper || line.ends_with(' ') {
                    return None;
                }
                text.push_str(&line[indentation..]);
                (last, blank) = (end, 0);
            }
            self.at = (end + 1).min(self.bytes.len());
        }
        if !strip {
            // A last line without an end has none to keep.
            if last >= self.bytes.len() {
                return None;
            }
            text.push('\n');
        }
        let span = Span::new(first?, last);
        // From the start of a line, as if it were the end of one.
        self.at -= 1;
        self.finish_line()?;
        (self.ends() || self.column <= column)
            .then_some(Node { span, content: Content::String(text) })
    }
}

/// A value that is not there stands at the colon.
fn null(at: usize) -> Node {
    Node { span: Span::new(at, at), content: Content::Null }
}

fn plain(text: &str, span: Span) -> Option<Node> {
    if ambiguous(text).is_some() {
        return None;
    }
    Some(Node { span, content: value(Cow::Borrowed(text)) })
}

/// Whether a character starts an unquoted scalar, whatever follows.
fn starts_plain(first: u8) -> bool {
    first.is_ascii_alphanumeric() || b"_$/.+(=^~;<\\".contains(&first)
}

#[cfg(test)]
mod tests;

//! Texts inside JSON strings, with the place of every character; and CSV in such texts.

use longshore_schema::Span;
use longshore_schema::decode::{Decode, Dialect, Format};
use longshore_schema::yaml::{Content, Entry, Node};

/// The text of a JSON string, or of several that are lines, with where each byte was written.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    text: String,
    /// Runs of bytes: where they start in the text, where in the source.
    runs: Vec<(usize, usize)>,
    end: usize,
}

impl Decoded {
    /// Appends a JSON string that stands at `span` in the source; a string that is written otherwise
    /// than JSON writes it has one place for all of it.
    pub(crate) fn push(&mut self, source: &str, span: Span, content: &str) {
        let start = self.text.len();
        let raw = source.get(span.range()).unwrap_or_default();
        let mut runs = Vec::new();
        let mut text = String::new();
        let inner = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(raw);
        let first = span.start as usize + usize::from(raw.len() > inner.len());
        let mut at = 0;
        while let Some(escape) = inner[at..].find('\\') {
            runs.push((start + text.len(), first + at));
            text.push_str(&inner[at..at + escape]);
            at += escape;
            let length = escape_length(&inner[at..]);
            runs.push((start + text.len(), first + at));
            let piece = format!("\"{}\"", inner.get(at..at + length).unwrap_or_default());
            text.push_str(&serde_json::from_str::<String>(&piece).unwrap_or_default());
            at = (at + length).min(inner.len());
        }
        runs.push((start + text.len(), first + at));
        text.push_str(&inner[at..]);
        if text == content {
            self.runs.append(&mut runs);
        } else {
            self.runs.push((start, span.start as usize));
        }
        self.text.push_str(content);
        self.end = span.end as usize;
    }

    /// Ends a line that no string of its own ends.
    pub(crate) fn push_line_end(&mut self) {
        self.runs.push((self.text.len(), self.end));
        self.text.push('\n');
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where a part of the text was written.
    pub(crate) fn span(&self, from: usize, to: usize) -> Span {
        Span::new(self.place(from), self.place(to.max(from)))
    }

    fn place(&self, at: usize) -> usize {
        let after = self.runs.partition_point(|(start, _)| *start <= at);
        let run = after.checked_sub(1).and_then(|index| self.runs.get(index));
        run.map_or(0, |(start, place)| (place + at - start).min(self.end))
    }
}

/// The length of the escape that a text starts with; two for a pair of surrogates.
fn escape_length(text: &str) -> usize {
    match text.as_bytes() {
        [
            b'\\',
            b'u',
            b'd' | b'D',
            b'8' | b'9' | b'a' | b'b' | b'A' | b'B',
            _,
            _,
            b'\\',
            b'u',
            ..,
        ] => 12,
        [b'\\', b'u', ..] => 6,
        _ => 2,
    }
}

/// The longest name of a CSV column, in bytes: every row repeats it.
const MAX_NAME: usize = 128;

/// The rows of a text of separated values as mappings from the names of their columns to texts; an
/// empty field is null. Columns with longer names than [`MAX_NAME`] are left out.
pub(super) fn rows(decoded: &Decoded, decode: &Decode) -> Vec<Node> {
    let dialect = decode.dialect();
    let mut lines = lines(decoded, decode.format(), &dialect).into_iter();
    let first = if dialect.header.value { lines.next().unwrap_or_default() } else { Vec::new() };
    let named = dialect.columns.iter().map(|name| Node {
        span: first.first().map_or_else(Span::default, |first| first.span),
        content: Content::String(name.value.clone()),
    });
    let header: Vec<_> = if dialect.columns.is_empty() { first } else { named.collect() };
    lines
        .map(|fields| {
            let span = match (fields.first(), fields.last()) {
                (Some(first), Some(last)) => Span { start: first.span.start, end: last.span.end },
                _ => Span::default(),
            };
            let entries =
                header.iter().zip(fields).filter_map(|(name, value)| match &name.content {
                    Content::String(key) if key.len() <= MAX_NAME => {
                        Some(Entry { key: key.clone(), key_span: name.span, value })
                    }
                    _ => None,
                });
            Node { span, content: Content::Mapping(entries.collect()) }
        })
        .collect()
}

/// The most fields that a row of a text of separated values has.
pub(super) fn widest(decoded: &Decoded, decode: &Decode) -> usize {
    let all = lines(decoded, decode.format(), &decode.dialect());
    all.iter().map(Vec::len).max().unwrap_or_default()
}

fn lines(decoded: &Decoded, format: Format, dialect: &Dialect) -> Vec<Vec<Node>> {
    let usual = if format == Format::Tsv { (b'\t', None) } else { (b',', Some(b'"')) };
    let delimiter = dialect.delimiter.as_ref().map_or(usual.0, |delimiter| delimiter.0);
    let quote = dialect.quote.as_ref().map_or(usual.1, |quote| quote.0).map(char::from);
    let ends = [char::from(delimiter), '\n', '\r'];
    let text = decoded.text();
    let bytes = text.as_bytes();
    let (mut all, mut line, mut at) = (Vec::new(), Vec::new(), 0);
    for _ in 0..dialect.skip {
        at = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
    }
    while at < bytes.len() {
        let comment = dialect.comment.as_ref().is_some_and(|comment| bytes[at] == comment.0);
        if comment && line.is_empty() {
            at = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
            continue;
        }
        let start = at;
        let mut field = String::new();
        if let Some(quote) = quote.filter(|quote| text[at..].starts_with(*quote)) {
            at += 1;
            loop {
                let rest = &text[at..];
                let Some(end) = rest.find(quote) else {
                    field.push_str(rest);
                    at = bytes.len();
                    break;
                };
                field.push_str(&rest[..end]);
                at += end + 1;
                if !text[at..].starts_with(quote) {
                    break;
                }
                field.push(quote);
                at += 1;
            }
        }
        let rest = &text[at..];
        let length = rest.find(ends).unwrap_or(rest.len());
        field.push_str(&rest[..length]);
        at += length;
        let content = if field.is_empty() { Content::Null } else { Content::String(field) };
        line.push(Node { span: decoded.span(start, at), content });
        let end = match &bytes[at..] {
            [byte, ..] if *byte == delimiter => {
                at += 1;
                // A delimiter at the very end has an empty field behind it.
                if at < bytes.len() {
                    continue;
                }
                line.push(Node { span: decoded.span(at, at), content: Content::Null });
                0
            }
            [b'\r', b'\n', ..] => 2,
            [] => 0,
            _ => 1,
        };
        at += end;
        let finished = std::mem::take(&mut line);
        // An empty line is no row.
        if finished.len() > 1 || finished.iter().any(|field| field.content != Content::Null) {
            all.push(finished);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use longshore_schema::Spanned;

    use super::*;

    fn decoded(source: &str) -> Decoded {
        let mut decoded = Decoded::default();
        let content: String = serde_json::from_str(source).unwrap();
        decoded.push(source, Span::new(0, source.len()), &content);
        decoded
    }

    #[test]
    fn parts_of_texts_have_their_places() {
        let source = r#""a\n\"b\" \u00e9\ud83d\ude00 c""#;
        let decoded = decoded(source);
        let at = decoded.text().find('b').unwrap();
        assert_eq!(&source[decoded.span(at, at + 1).range()], "b");
        let at = decoded.text().find('c').unwrap();
        assert_eq!(&source[decoded.span(at, at + 1).range()], "c");
    }

    #[test]
    fn rows_are_read_with_quotes_and_empty_fields() {
        let source = r#""A,B,C\n1,\"x, \"\"y\"\"\",\r\n\n,2,3""#;
        let decode = Decode { csv: Some(Spanned::default()), ..Decode::default() };
        let rows = rows(&decoded(source), &decode);
        let json: Vec<_> = rows.iter().map(Node::to_json).collect();
        assert_eq!(
            serde_json::json!(json),
            serde_json::json!([
                {"A": "1", "B": "x, \"y\"", "C": null}, {"A": null, "B": "2", "C": "3"}
            ])
        );
        let b = &rows[1].entry("B").unwrap().value;
        assert_eq!(&source[b.span.range()], "2");
    }
    #[test]
    fn rows_of_other_dialects() {
        let text = "decode: { csv: { delimiter: ';', quote: \"'\", header: false, columns: [A, B], skip: 1, comment: '#' } }";
        let document = longshore_schema::yaml::parse(text).unwrap();
        let decode = &document.root.entry("decode").unwrap().value;
        let decode: Decode = longshore_schema::deserialize::from_node(decode).unwrap();
        let rows = rows(&decoded(r#""Report; of today\n#no\n1;'x;''y'\n""#), &decode);
        let json: Vec<_> = rows.iter().map(Node::to_json).collect();
        assert_eq!(serde_json::json!(json), serde_json::json!([{"A": "1", "B": "x;'y"}]));
    }
}

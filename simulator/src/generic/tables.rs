//! Tables of separated values in any dialect, read from fixtures and written.

use std::fmt::Write as _;

use fastrand::Rng;
use longshore_schema::decode::{Decode, Format};
use serde_json::{Map, Value};

use super::Unsupported;

/// How a table is written.
#[derive(Clone, Debug)]
pub(super) struct Style {
    delimiter: char,
    quote: Option<char>,
    comment: Option<char>,
    /// Lines before the table.
    skip: u32,
    header: bool,
    /// The names of the columns, in place of those of the header.
    pub(super) columns: Vec<String>,
}

impl Style {
    pub(super) fn new(decode: &Decode) -> Self {
        let dialect = decode.dialect();
        let (delimiter, quote) =
            if decode.format() == Format::Tsv { ('\t', None) } else { (',', Some('"')) };
        Self {
            delimiter: dialect.delimiter.as_ref().map_or(delimiter, |one| char::from(one.0)),
            quote: dialect.quote.as_ref().map_or(quote, |quote| quote.0.map(char::from)),
            comment: dialect.comment.as_ref().map(|comment| char::from(comment.0)),
            skip: dialect.skip,
            header: dialect.header.value,
            columns: dialect.columns.iter().map(|name| name.value.clone()).collect(),
        }
    }

    /// Reads the rows of a fixture.
    pub(super) fn read(&self, text: &str) -> Result<Vec<Map<String, Value>>, Unsupported> {
        let mut text = text;
        for _ in 0..self.skip {
            text = text.split_once('\n').map_or("", |(_, rest)| rest);
        }
        let mut lines = self.lines(text).into_iter();
        let header = if self.header { lines.next() } else { None };
        let names = if self.columns.is_empty() { header } else { Some(self.columns.clone()) };
        let Some(names) = names else { return Ok(Vec::new()) };
        lines
            .map(|line| {
                if line.len() != names.len() {
                    let what = "a fixture has rows of different lengths";
                    return Err(Unsupported(what.to_owned()));
                }
                let fields = line.into_iter().map(Value::String);
                Ok(names.iter().cloned().zip(fields).collect())
            })
            .collect()
    }

    fn lines(&self, text: &str) -> Vec<Vec<String>> {
        let (mut lines, mut line, mut field) = (Vec::new(), Vec::new(), String::new());
        let (mut quoted, mut characters) = (false, text.chars().peekable());
        while let Some(character) = characters.next() {
            let at_start = line.is_empty() && field.is_empty() && !quoted;
            match character {
                _ if at_start && self.comment == Some(character) => {
                    characters.by_ref().find(|character| *character == '\n');
                }
                _ if self.quote == Some(character) => {
                    if quoted && characters.peek() == Some(&character) {
                        characters.next();
                        field.push(character);
                    } else {
                        quoted = !quoted;
                    }
                }
                _ if quoted => field.push(character),
                '\r' => {}
                '\n' => {
                    line.push(std::mem::take(&mut field));
                    lines.push(std::mem::take(&mut line));
                }
                _ if character == self.delimiter => line.push(std::mem::take(&mut field)),
                _ => field.push(character),
            }
        }
        line.push(field);
        lines.push(line);
        lines.retain(|line| line.len() > 1 || line.first().is_some_and(|field| !field.is_empty()));
        lines
    }

    /// Writes rows, in one of the ways that mean the same. `like` has the columns, should there be no
    /// row.
    pub(super) fn write(&self, rows: &[Value], like: Option<&Value>, ways: &mut Rng) -> String {
        let first = rows.first().or(like).and_then(Value::as_object);
        let mut names: Vec<&String> = first.into_iter().flat_map(Map::keys).collect();
        if !self.columns.is_empty() {
            names = self.columns.iter().collect();
        }
        let end = if ways.bool() { "\n" } else { "\r\n" };
        let mut text = String::new();
        for line in 0..self.skip {
            let _ = write!(text, "Simulated report, line {line}{end}");
        }
        let line = |fields: &[&str], text: &mut String| {
            for (index, field) in fields.iter().enumerate() {
                if index > 0 {
                    text.push(self.delimiter);
                }
                text.push_str(&self.field(field, index == 0));
            }
            text.push_str(end);
        };
        if self.header {
            let titles: Vec<_> = names.iter().map(|name| name.as_str()).collect();
            // What the manifest names itself is called otherwise by the app.
            let titles = if self.columns.is_empty() { titles } else { vec!["Title"; names.len()] };
            line(&titles, &mut text);
        }
        for row in rows {
            if let Some(comment) = self.comment.filter(|_| ways.u8(..4) == 0) {
                let _ = write!(text, "{comment} simulated{}{end}", self.delimiter);
            }
            let field = |name: &&String| row.get(name.as_str()).and_then(Value::as_str);
            let fields: Vec<_> = names.iter().map(|n| field(n).unwrap_or_default()).collect();
            line(&fields, &mut text);
        }
        text
    }

    fn field(&self, field: &str, is_first: bool) -> String {
        let Some(quote) = self.quote else {
            // There is no way to write these.
            return field.replace([self.delimiter, '\n', '\r'], " ");
        };
        let special = |c: char| c == self.delimiter || c == quote || c == '\n' || c == '\r';
        let comments = is_first && self.comment.is_some_and(|comment| field.starts_with(comment));
        // A row is always written alike: a connector may know it by its bytes.
        let is_quoted = field.len().is_multiple_of(2) && !field.is_empty();
        if is_quoted || comments || field.contains(special) {
            let doubled = field.replace(quote, &format!("{quote}{quote}"));
            return format!("{quote}{doubled}{quote}");
        }
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use longshore_schema::{deserialize, yaml};
    use serde_json::json;

    use super::*;

    fn style(text: &str) -> Style {
        let document = yaml::parse(text).unwrap();
        Style::new(&deserialize::from_node(&document.root).unwrap())
    }

    #[test]
    fn rows_are_read_as_they_are_written() {
        let plain = style("csv").read("a,b\n1,\"2\"\"\"\n").unwrap();
        assert_eq!(json!(plain), json!([{ "a": "1", "b": "2\"" }]));
        let rows = [json!({ "A": "#x;'y'", "B": "" }), json!({ "A": "line\nbreak", "B": "2" })];
        let odd = "{ csv: { delimiter: ';', quote: \"'\", header: false, columns: [A, B], skip: 2, comment: '#' } }";
        for (style, rows) in [
            (style(odd), &rows[..]),
            (style("{ csv: { columns: [A, B] } }"), &rows[..]),
            (style("csv"), &rows[..]),
            (style("tsv"), &rows[..1]),
        ] {
            for seed in 0..20 {
                let text = style.write(rows, None, &mut Rng::with_seed(seed));
                assert_eq!(json!(style.read(&text).unwrap()), json!(rows), "{text}");
            }
        }
        assert!(style("csv").read("a,b\n1\n").is_err());
    }
}

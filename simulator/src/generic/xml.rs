//! XML (1.0, fifth edition), read and written as manifests see it: an element is an object of its
//! attributes (`@name`), its children by name and its text (`#text`); one with text alone is that
//! text, an empty one null.

use std::fmt::Write as _;

use fastrand::Rng;
use longshore_schema::{JsonPath, Step};
use serde_json::{Map, Value};

use super::Unsupported;

/// Reads a fixture.
pub(super) fn read(text: &str) -> Result<Value, Unsupported> {
    let mut reader = Reader { rest: text };
    let root = reader.root();
    root.ok_or_else(|| Unsupported("a fixture is not XML that the simulator reads".to_owned()))
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn root(&mut self) -> Option<Value> {
        self.skip()?;
        self.rest = self.rest.strip_prefix('<')?;
        let (name, value) = self.element()?;
        Some(Value::Object(Map::from_iter([(name, value)])))
    }

    /// Passes over what says nothing: blanks, declarations and comments.
    fn skip(&mut self) -> Option<()> {
        loop {
            self.rest = self.rest.trim_start();
            let end = match self.rest {
                rest if rest.starts_with("<!--") => "-->",
                rest if rest.starts_with("<?") => "?>",
                rest if rest.starts_with("<!DOCTYPE") => ">",
                _ => return Some(()),
            };
            self.rest = self.rest.split_once(end)?.1;
        }
    }

    /// Reads an element behind its `<`.
    fn element(&mut self) -> Option<(String, Value)> {
        let (tag, rest) = self.rest.split_once('>')?;
        self.rest = rest;
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, mut attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        let mut members = Map::new();
        loop {
            attributes = attributes.trim_start();
            let Some((attribute, value)) = attributes.split_once('=') else { break };
            let quote = value.trim_start().chars().next()?;
            let (value, after) = value.trim_start()[1..].split_once(quote)?;
            members.insert(format!("@{}", attribute.trim()), unescaped(value)?.into());
            attributes = after;
        }
        let text = if is_empty { String::new() } else { self.content(name, &mut members)? };
        let blank = text.trim().is_empty();
        let value = match (members.is_empty(), blank) {
            (true, true) => Value::Null,
            (true, false) => text.into(),
            (false, true) => members.into(),
            (false, false) => {
                members.insert("#text".to_owned(), text.into());
                members.into()
            }
        };
        Some((name.to_owned(), value))
    }

    /// Reads what an element holds, its end included, and gives its text.
    fn content(&mut self, name: &str, members: &mut Map<String, Value>) -> Option<String> {
        let mut text = String::new();
        loop {
            let (before, rest) = self.rest.split_once('<')?;
            text.push_str(&unescaped(before)?);
            self.rest = rest;
            if let Some(rest) = rest.strip_prefix("![CDATA[") {
                let (inside, rest) = rest.split_once("]]>")?;
                text.push_str(inside);
                self.rest = rest;
            } else if rest.starts_with("!--") {
                self.rest = rest.split_once("-->")?.1;
            } else if let Some(rest) = rest.strip_prefix('/') {
                let (closed, rest) = rest.split_once('>')?;
                self.rest = rest;
                return (closed.trim_end() == name).then_some(text);
            } else {
                let (child, value) = self.element()?;
                add(members, child, value);
            }
        }
    }
}

/// Adds a child; several of one name are a list.
fn add(members: &mut Map<String, Value>, name: String, value: Value) {
    match members.get_mut(&name) {
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = vec![first.take(), value].into(),
        None => {
            members.insert(name, value);
        }
    }
}

fn unescaped(text: &str) -> Option<String> {
    let mut pieces = text.split('&');
    let mut out = pieces.next()?.to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once(';')?;
        let number = name.strip_prefix('#');
        out.push(match (name, number) {
            ("lt", _) => '<',
            ("gt", _) => '>',
            ("amp", _) => '&',
            ("quot", _) => '"',
            ("apos", _) => '\'',
            (_, Some(number)) => {
                let number = match number.strip_prefix('x') {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => number.parse(),
                };
                char::from_u32(number.ok()?)?
            }
            _ => return None,
        });
        out.push_str(rest);
    }
    Some(out)
}

/// Makes a list of what a path selects, where a document has one element only.
pub(super) fn as_list(document: &mut Value, path: &JsonPath) {
    let steps = path.steps().unwrap_or_default();
    let Some(every) = steps.iter().position(|step| *step == Step::Every) else { return };
    let mut place = document;
    for step in &steps[..every] {
        let Step::Member(name) = step else { return };
        let Some(next) = place.get_mut(name) else { return };
        place = next;
    }
    if !place.is_array() && !place.is_null() {
        *place = vec![place.take()].into();
    }
}

/// Writes a document, in one of the ways that mean the same.
pub(super) fn write(document: &Value, ways: &mut Rng) -> String {
    let mut text = String::new();
    if ways.bool() {
        text.push_str("<?xml version=\"1.0\"?>\n<!-- simulated > -->");
    }
    for (name, value) in document.as_object().into_iter().flatten() {
        elements(name, value, ways, &mut text);
    }
    text
}

/// Writes the element of a member, or the elements.
fn elements(name: &str, value: &Value, ways: &mut Rng, text: &mut String) {
    // What has no name can be no element.
    if name.is_empty() {
        return;
    }
    match value {
        Value::Array(items) => {
            for item in items {
                match item {
                    Value::Array(_) => element(name, &Value::Null, ways, text),
                    item => element(name, item, ways, text),
                }
            }
        }
        value => element(name, value, ways, text),
    }
}

fn element(name: &str, value: &Value, ways: &mut Rng, text: &mut String) {
    let nothing = Map::new();
    let members = value.as_object().unwrap_or(&nothing);
    text.push('<');
    text.push_str(name);
    for (attribute, value) in members {
        if let Some(attribute) = attribute.strip_prefix('@') {
            let quote = if ways.bool() { '"' } else { '\'' };
            text.push(' ');
            text.push_str(attribute);
            text.push('=');
            text.push(quote);
            text.push_str(&escaped(&plain(value)));
            text.push(quote);
        }
    }
    let inside = match value {
        Value::Object(members) => members.get("#text").map(plain).unwrap_or_default(),
        other => plain(other),
    };
    let mut children = String::new();
    for (child, value) in members {
        if !child.starts_with(['@', '#']) {
            elements(child, value, ways, &mut children);
        }
    }
    if inside.is_empty() && children.is_empty() && ways.bool() {
        text.push_str(" />");
        return;
    }
    text.push('>');
    if ways.u8(..8) == 0 && !inside.contains("]]>") {
        let _ = write!(text, "<![CDATA[{inside}]]>");
    } else {
        text.push_str(&escaped(&inside));
    }
    text.push_str(&children);
    let _ = write!(text, "</{name}>");
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use longshore_schema::scalar::Scalar;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let text = "<?xml version=\"1.0\"?><!-- > --><feed n='1 &gt; 0'><entry id=\"1\"><t>a&#x26;b</t>\
                    <e/><![CDATA[<x>]]></entry>\n<entry/><one><a>1</a></one></feed>";
        let document = read(text).unwrap();
        let expected = json!({ "feed": {
            "@n": "1 > 0",
            "entry": [{ "@id": "1", "t": "a&b", "e": null, "#text": "<x>" }, null],
            "one": { "a": "1" },
        }});
        assert_eq!(document, expected);
        for seed in 0..20 {
            let again = write(&document, &mut Rng::with_seed(seed));
            assert_eq!(read(&again).unwrap(), expected, "{again}");
        }
        let mut document = document;
        as_list(&mut document, &JsonPath::parse("$.feed.one[*]").unwrap());
        assert_eq!(document["feed"]["one"], json!([{ "a": "1" }]));
        for wrong in ["", "<a>", "<a></b>", "<a>&nbsp;</a>", "text"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}

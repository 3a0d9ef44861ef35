//! Where the cursor is in the structure of a manifest, told from indentation and brackets alone: a
//! line that is being typed is seldom YAML.

/// Where the cursor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The keys and indexes that lead to the mapping whose key is typed, or to the value.
    pub(crate) path: Vec<String>,
    /// What is typed there.
    pub(crate) place: Place,
    /// Where it starts: the first byte of the key or value.
    pub(crate) start: usize,
    /// Where it ends, as far as it stands on the cursor's line.
    pub(crate) end: usize,
    /// Whether it stands between brackets.
    pub(crate) flow: bool,
}

/// What is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A key, or a value where none may be a key; `colon` if the key has its colon already.
    Key { colon: bool },
    /// The value of a key or an item between brackets.
    Value,
    /// A line of a block of text.
    Text,
}

/// What a line's indentation has led to.
struct Level {
    column: usize,
    step: Step,
}

enum Step {
    Key(String),
    Item(usize),
}

/// What goes on over line ends.
enum Open {
    Nothing,
    /// A block of text that is indented by more than this.
    Text(usize),
    /// Brackets or quotes, from this byte on, that end at the latest at a line that is indented no
    /// more than this.
    Flow(usize, usize),
}

/// Finds the place of a byte; `None` in a comment.
pub(crate) fn find(source: &str, offset: usize) -> Option<Cursor> {
    let mut levels: Vec<Level> = Vec::new();
    let mut open = Open::Nothing;
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let text = line.trim_end_matches(['\n', '\r']);
        let end = at + text.len();
        let indent = text.len() - text.trim_start_matches(' ').len();
        let blank = text.trim().is_empty();
        if offset < at + line.len() || (at + line.len() == source.len() && !line.ends_with('\n')) {
            return here(source, (at, end), offset, &mut levels, &open);
        }
        match open {
            Open::Text(column) if blank || indent > column => {}
            Open::Flow(start, column) if blank || indent > column => {
                if flow(source, start, end).is_none() {
                    open = Open::Nothing;
                }
            }
            _ => open = structure(source, (at, end), &mut levels),
        }
        at += line.len();
    }
    here(source, (at, at), offset, &mut levels, &open)
}

/// Takes a whole line in.
fn structure(source: &str, (start, end): (usize, usize), levels: &mut Vec<Level>) -> Open {
    let text = &source[start..end];
    if text.trim_start().starts_with('#') || text.trim().is_empty() {
        return Open::Nothing;
    }
    let mut column = text.len() - text.trim_start_matches(' ').len();
    loop {
        let rest = &text[column..];
        if rest == "-" || rest.starts_with("- ") {
            enter_item(levels, column);
            let after = rest[1..].len() - rest[1..].trim_start_matches(' ').len();
            column += 1 + after;
            if column >= text.len() {
                return Open::Nothing;
            }
            continue;
        }
        let owner = levels.last().map_or(0, |level| level.column);
        let Some((key, value)) = key(rest) else {
            return opens(source, start + column, end, owner);
        };
        enter_key(levels, column, key);
        return opens(source, start + column + value, end, column);
    }
}

/// What the value that starts at a byte leaves open at the end of its line.
fn opens(source: &str, start: usize, end: usize, column: usize) -> Open {
    let value = &source[start..end];
    match value.as_bytes().first() {
        Some(b'|' | b'>') => Open::Text(column),
        Some(b'{' | b'[' | b'"' | b'\'') if flow(source, start, end).is_some() => {
            Open::Flow(start, column)
        }
        _ => Open::Nothing,
    }
}

fn enter_item(levels: &mut Vec<Level>, column: usize) {
    let mut index = 0;
    while let Some(last) = levels.last() {
        match last.step {
            Step::Item(known) if last.column == column => index = known + 1,
            _ if last.column > column => {}
            _ => break,
        }
        levels.pop();
        if index > 0 {
            break;
        }
    }
    levels.push(Level { column, step: Step::Item(index) });
}

fn enter_key(levels: &mut Vec<Level>, column: usize, key: &str) {
    leave(levels, column);
    levels.push(Level { column, step: Step::Key(key.to_owned()) });
}

/// Goes back to what holds a key at this column.
fn leave(levels: &mut Vec<Level>, column: usize) {
    while levels.last().is_some_and(|last| last.column >= column) {
        levels.pop();
    }
}

/// The key at the start of a text, and where its value starts.
fn key(text: &str) -> Option<(&str, usize)> {
    let (name, after) = match text.as_bytes().first()? {
        quote @ (b'"' | b'\'') => {
            let end = text[1..].find(*quote as char)? + 1;
            (&text[1..end], end + 1)
        }
        b'{' | b'[' | b'|' | b'>' | b'#' => return None,
        _ => {
            let colon = text
                .match_indices(':')
                .map(|(at, _)| at)
                .find(|at| text[at + 1..].is_empty() || text[at + 1..].starts_with([' ', '\t']))?;
            (text[..colon].trim_end(), colon)
        }
    };
    let rest = text[after..].strip_prefix(':')?;
    (rest.is_empty() || rest.starts_with([' ', '\t']))
        .then(|| (name, after + 1 + rest.len() - rest.trim_start().len()))
}

fn path(levels: &[Level]) -> Vec<String> {
    let name = |level: &Level| match &level.step {
        Step::Key(key) => key.clone(),
        Step::Item(index) => index.to_string(),
    };
    levels.iter().map(name).collect()
}

/// The place on the cursor's own line.
fn here(
    source: &str,
    (start, end): (usize, usize),
    offset: usize,
    levels: &mut Vec<Level>,
    open: &Open,
) -> Option<Cursor> {
    let text = &source[start..end];
    let offset = offset.clamp(start, end);
    let blank = text.trim().is_empty();
    let indent = if blank { offset - start } else { text.len() - text.trim_start().len() };
    match open {
        Open::Text(column) if indent > *column => {
            let path = path(levels);
            return Some(Cursor { path, place: Place::Text, start, end, flow: false });
        }
        Open::Flow(from, column) if indent > *column => {
            return between(source, *from, offset, end, path(levels));
        }
        _ => {}
    }
    if blank {
        leave(levels, indent);
        let place = Place::Key { colon: false };
        let path = path(levels);
        return Some(Cursor { path, place, start: offset, end: offset, flow: false });
    }
    if text.trim_start().starts_with('#') {
        return None;
    }
    let mut column = text.len() - text.trim_start_matches(' ').len();
    loop {
        let rest = &text[column..];
        if (rest == "-" || rest.starts_with("- ")) && offset > start + column {
            enter_item(levels, column);
            let after = rest[1..].len() - rest[1..].trim_start_matches(' ').len();
            column = (column + 1 + after).min(text.len());
            continue;
        }
        break;
    }
    let rest = &text[column..];
    let item = matches!(levels.last(), Some(Level { step: Step::Item(_), column: at }) if *at < column
        && text.as_bytes().get(*at) == Some(&b'-'));
    match key(rest) {
        Some((name, value))
            if offset >= start + column + value.min(rest.len())
                && offset > start + column + name.len() =>
        {
            enter_key(levels, column, name);
            value_at(source, start + column + value, offset, end, path(levels))
        }
        Some((name, _)) => {
            leave_for(levels, column, item);
            let quote = usize::from(rest.starts_with(['"', '\'']));
            let length = name.len() + 2 * quote;
            let begin = start + column;
            let (path, place) = (path(levels), Place::Key { colon: true });
            Some(Cursor { path, place, start: begin, end: begin + length, flow: false })
        }
        None => {
            leave_for(levels, column, item);
            let begin = start + column;
            if rest.starts_with(['{', '[', '"', '\'']) {
                return value_at(source, begin, offset, end, path(levels));
            }
            let end = begin + rest.find(" #").unwrap_or(rest.len());
            let end = begin + source[begin..end].trim_end().len();
            let (path, place) = (path(levels), Place::Key { colon: false });
            (offset <= end.max(offset.min(begin))).then_some(())?;
            Some(Cursor { path, place, start: begin.min(offset), end, flow: false })
        }
    }
}

fn leave_for(levels: &mut Vec<Level>, column: usize, item: bool) {
    if !item {
        leave(levels, column);
    }
}

/// The place in a value that starts on the cursor's line.
fn value_at(
    source: &str,
    start: usize,
    offset: usize,
    end: usize,
    path: Vec<String>,
) -> Option<Cursor> {
    let value = &source[start..end];
    if value.starts_with(['[']) || (value.starts_with('{') && !value.starts_with("{{")) {
        return between(source, start, offset, end, path);
    }
    let length = match value.as_bytes().first() {
        Some(quote @ (b'"' | b'\'')) => {
            value[1..].rfind(*quote as char).map_or(value.len(), |at| at + 2)
        }
        _ => value.find(" #").unwrap_or(value.len()),
    };
    let length = value[..length].trim_end().len();
    if value[length..].contains('#') && offset > start + length + 1 {
        return None;
    }
    let end = (start + length).max(start);
    Some(Cursor { path, place: Place::Value, start: start.min(offset), end, flow: false })
}

/// A mapping or list between brackets.
enum Frame {
    Mapping(Option<String>),
    Sequence(usize),
}

/// What is open at a byte of a value that starts with a bracket or a quote: frames, where the last
/// word starts, and whether that is a key's value; `None` if all is closed.
struct Scan {
    frames: Vec<Frame>,
    word: usize,
}

fn flow(source: &str, start: usize, end: usize) -> Option<Scan> {
    let bytes = source.as_bytes();
    let mut frames: Vec<Frame> = Vec::new();
    let (mut word, mut at) = (start, start);
    while at < end {
        let byte = bytes[at];
        match byte {
            b'"' | b'\'' if source[word..at].trim().is_empty() => {
                let mut close = at + 1;
                while close < end && bytes[close] != byte {
                    close += 1 + usize::from(byte == b'"' && bytes[close] == b'\\');
                }
                if close >= end {
                    return Some(Scan { frames, word });
                }
                at = close;
            }
            b'{' if bytes.get(at + 1) == Some(&b'{') && at > start => {
                let Some(length) = source.get(at..end).and_then(|text| text.find("}}")) else {
                    return Some(Scan { frames, word });
                };
                at += length + 1;
            }
            b'{' | b'[' => {
                frames.push(if byte == b'{' { Frame::Mapping(None) } else { Frame::Sequence(0) });
                word = at + 1;
            }
            b'}' | b']' => {
                frames.pop();
                if frames.is_empty() {
                    return None;
                }
            }
            b',' => {
                match frames.last_mut() {
                    Some(Frame::Mapping(key)) => *key = None,
                    Some(Frame::Sequence(index)) => *index += 1,
                    None => {}
                }
                word = at + 1;
            }
            b':' if matches!(
                bytes.get(at + 1),
                None | Some(b' ' | b'\n' | b'\r' | b'}' | b',')
            ) =>
            {
                if let Some(Frame::Mapping(key @ None)) = frames.last_mut() {
                    *key = Some(source[word..at].trim().trim_matches(['"', '\'']).to_owned());
                    word = at + 1;
                }
            }
            b'#' if at > start && matches!(bytes[at - 1], b' ' | b'\n') => {
                while at < end && bytes[at] != b'\n' {
                    at += 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    (!frames.is_empty() || matches!(bytes.get(start), Some(b'"' | b'\'')) && at > end)
        .then_some(Scan { frames, word })
}

/// The place between brackets that open at `from`.
fn between(
    source: &str,
    from: usize,
    offset: usize,
    line_end: usize,
    mut path: Vec<String>,
) -> Option<Cursor> {
    let Some(Scan { frames, word }) = flow(source, from, offset) else {
        let place = Place::Value;
        return (offset == from).then_some(Cursor {
            path,
            place,
            start: from,
            end: from,
            flow: false,
        });
    };
    let place = match frames.last() {
        Some(Frame::Mapping(None)) => Place::Key { colon: false },
        Some(_) => Place::Value,
        None => Place::Text,
    };
    for frame in frames {
        match frame {
            Frame::Mapping(Some(key)) => path.push(key),
            Frame::Mapping(None) => {}
            Frame::Sequence(index) => path.push(index.to_string()),
        }
    }
    let start =
        (word + source[word..offset].len() - source[word..offset].trim_start().len()).min(offset);
    let rest = &source[offset..line_end.max(offset)];
    let stop = |character: char| matches!(character, ',' | '}' | ']' | ':' | '{' | '[' | '#');
    let quoted = source[start..offset].starts_with(['"', '\'']);
    let length = if quoted {
        let quote = source[start..].chars().next().unwrap_or('"');
        rest.find(quote).map_or(0, |at| at + 1)
    } else {
        rest.find(stop).unwrap_or(rest.len())
    };
    let end = offset + rest[..length].trim_end().len();
    let colon = source[end..line_end.max(end)].trim_start().starts_with(':');
    let place = if let Place::Key { .. } = place { Place::Key { colon } } else { place };
    Some(Cursor { path, place, start, end, flow: true })
}

#[cfg(test)]
mod tests {
    use longshore_schema::yaml::{Content, Node};
    use proptest::prelude::*;

    use super::*;

    /// The place of `^` in a text, and what is typed there.
    fn at(marked: &str) -> (String, Place, String) {
        let offset = marked.find('^').unwrap();
        let source = marked.replacen('^', "", 1);
        let cursor = find(&source, offset).unwrap_or_else(|| panic!("no place in {marked}"));
        (cursor.path.join("."), cursor.place, source[cursor.start..cursor.end].to_owned())
    }

    const KEY: Place = Place::Key { colon: false };
    const OLD: Place = Place::Key { colon: true };

    #[test]
    fn the_structure_is_told_from_indentation() {
        for (marked, path, place, typed) in [
            ("^", "", KEY, ""),
            ("id: a\nver^", "", KEY, "ver"),
            ("app:\n  na^me: x\n", "app", OLD, "name"),
            ("app:\n  name: A^cme # c\n", "app.name", Place::Value, "Acme"),
            ("app:\n  name: ^\nid: x\n", "app.name", Place::Value, ""),
            ("app:\n  name:^\nid: x\n", "app.name", Place::Value, ""),
            ("streams:\n  a:\n    every: 1h\n    ^\n  b: 1\n", "streams.a", KEY, ""),
            ("streams:\n  a:\n    every: 1h\n  ^\n", "streams", KEY, ""),
            ("errors:\n  - then: stop\n    ^\n", "errors.0", KEY, ""),
            ("errors:\n  - then: stop\n  - wh^\n", "errors.1", KEY, "wh"),
            ("errors:\n- then: stop\n- when:\n    sta^\n", "errors.1.when", KEY, "sta"),
            ("a:\n- b\n- c\nd^", "", KEY, "d"),
            ("a:\n  - - b\n    - ^\n", "a.0.1", KEY, ""),
            ("\"q k\":\n  v: ^x\n", "q k.v", Place::Value, "x"),
            ("a: \"{{inputs.^\n", "a", Place::Value, "\"{{inputs."),
            ("a: https://{{inputs.^}}/x\n", "a", Place::Value, "https://{{inputs.}}/x"),
        ] {
            assert_eq!(at(marked), (path.to_owned(), place, typed.to_owned()), "{marked}");
        }
    }

    #[test]
    fn brackets_are_followed() {
        for (marked, path, place, typed) in [
            ("a: {^", "a", KEY, ""),
            ("a: { from: $.x, a^", "a", KEY, "a"),
            ("a: { fr^om: $.x }", "a", OLD, "from"),
            ("a: { from: $.^, as: ip }\nb: 1\n", "a.from", Place::Value, "$."),
            ("a: { from: [$.a, $.^] }", "a.from.1", Place::Value, "$."),
            ("a: [x, ^]", "a.1", Place::Value, ""),
            ("a: {\n  b: {\n    c: ^\n  }\n}\n", "a.b.c", Place::Value, ""),
            ("a: { b: \"{{record.^", "a.b", Place::Value, "\"{{record."),
            ("- a: { b: 1 }\n  c^", "0", KEY, "c"),
            ("a: {\nb: ^\n", "b", Place::Value, ""),
        ] {
            assert_eq!(at(marked), (path.to_owned(), place, typed.to_owned()), "{marked}");
        }
    }

    #[test]
    fn blocks_of_text_hold_no_keys() {
        let marked = "q: >-\n  SELECT: a\n  WHERE {{window.^}}\nb: 1\n";
        assert_eq!(at(marked).0, "q");
        assert_eq!(at(marked).1, Place::Text);
        assert_eq!(at("a:\n  q: |\n    b: c\n  ^"), ("a".to_owned(), KEY, String::new()));
        assert_eq!(at("q: >-\n  x: 1\nb^"), (String::new(), KEY, "b".to_owned()));
        assert_eq!(find("# a: b\n", 4), None);
        assert_eq!(find("a: b # c\n", 8), None);
    }

    /// All keys and plain values of a tree with the paths to them.
    fn places(node: &Node, path: &str, found: &mut Vec<(String, bool, usize)>) {
        let join =
            |step: &str| if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") };
        match &node.content {
            Content::Mapping(entries) => {
                for entry in entries {
                    found.push((path.to_owned(), true, entry.key_span.start as usize));
                    places(&entry.value, &join(&entry.key), found);
                }
            }
            Content::Sequence(items) => {
                for (at, item) in items.iter().enumerate() {
                    places(item, &join(&at.to_string()), found);
                }
            }
            _ => found.push((path.to_owned(), false, node.span.start as usize + 1)),
        }
    }

    #[test]
    fn indentation_tells_what_the_parser_tells() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/salesforce/manifest.yaml");
        let source = std::fs::read_to_string(path).unwrap();
        let mut all = Vec::new();
        places(&longshore_schema::yaml::parse(&source).unwrap().root, "", &mut all);
        for (path, is_key, offset) in all {
            let cursor = find(&source, offset).unwrap();
            let line = source[..offset].lines().count();
            assert_eq!(cursor.path.join("."), path, "line {line}");
            if is_key {
                assert!(matches!(cursor.place, Place::Key { colon: true }), "line {line}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_place_of_any_text_is_found(source in "[ab:{}\\[\\]\"'#|>, \né-]{0,60}", at in 0_usize..61) {
            if source.is_char_boundary(at.min(source.len()))
                && let Some(cursor) = find(&source, at.min(source.len()))
            {
                prop_assert!(source.get(cursor.start..cursor.end).is_some());
            }
        }
    }
}

//! Reads one fixture: a JSON object with `status`, perhaps `headers`, and `body` or `text`.

use longshore_schema::decode::{Decode, Format, Unpacking};
use longshore_schema::scalar::Scalar as _;
use longshore_schema::stream::{Join, Stream};
use longshore_schema::yaml::{self, Content, Entry, Node, SyntaxErrorKind};
use longshore_schema::{JsonPath, LineIndex, Manifest, Span, Spanned};

use super::text::{Decoded, rows, widest};
use super::{Fixture, Owner, Sample, privacy, select, step_of};
use crate::codes;
use crate::diagnostic::{Diagnostic, Safety};
use crate::rules::fetch::{Fetch, fetches};
use crate::suggest::{closest, one_of};

/// The members of a fixture.
const MEMBERS: [&str; 4] = ["status", "headers", "body", "text"];

/// What a fixture's text alone says.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    /// None if it is no document.
    root: Option<Node>,
    found: Vec<Diagnostic>,
}

impl Parsed {
    pub(super) fn new(text: &str) -> Self {
        let mut found = Vec::new();
        let root = document(text, &mut found);
        if let Some(root) = &root {
            found.extend(privacy::in_fixture(text, root));
        }
        Self { root, found }
    }
}

/// Reads a fixture; `None` if it is not one.
pub(super) fn read(
    manifest: &Manifest,
    index: usize,
    fixture: &Fixture,
    left_out: &dyn Fn(&str) -> bool,
    found: &mut Vec<Diagnostic>,
) -> Option<Sample> {
    let Placed { owner, fetch, join } = match place(manifest, &fixture.path, left_out) {
        Ok(place) => place?,
        Err((message, help)) => {
            let span = Span::new(0, fixture.text.chars().next().map_or(0, char::len_utf8));
            found.push(Diagnostic::new(&codes::FIXTURE_PLACE, span, message).help(help));
            return None;
        }
    };
    let decode = fetch.as_ref().map_or(&Decode::JSON, |fetch| fetch.decode);
    let whole = JsonPath::parse("$").ok();
    let records = match (&fetch, join) {
        // What is not the last step may give one whole answer, such as a job.
        (Some(Fetch { records: None, step: Some(_), .. }), _) => whole.as_ref(),
        (Some(fetch), _) => fetch.records.map(|records| &records.value),
        (None, Some(join)) => join.select.as_ref().map(|select| &select.value).or(whole.as_ref()),
        (None, None) => None,
    };
    let stream = match &owner {
        Owner::Stream { stream, .. } => {
            let mut streams = manifest.streams.value.iter();
            streams.find(|(name, _)| name.as_str() == stream).map(|(_, stream)| stream)
        }
        Owner::Fact(_) => None,
    };
    let mut sample = response(index, fixture, owner, decode, records, found)?;
    let step = fetch.as_ref().and_then(step_of);
    // What is packed into the records of the last request is opened; before, it is text.
    let last =
        |stream: &&Stream| fetch.is_some() && fetches(stream).last().and_then(step_of) == step;
    if let Some(stream) = stream.filter(last)
        && !sample.records.iter_mut().all(|record| open(record, stream))
    {
        sample.unread = true;
        sample.records.clear();
    }
    Some(sample)
}

/// Opens what is packed into a record; false if only the engine can.
fn open(record: &mut Node, stream: &Stream) -> bool {
    stream.unpack.iter().all(|(path, steps)| {
        let members = path.members().unwrap_or_default();
        let found = members.iter().try_fold(&mut *record, |node, name| match &mut node.content {
            Content::Mapping(entries) => {
                entries.iter_mut().find(|entry| entry.key == *name).map(|entry| &mut entry.value)
            }
            _ => None,
        });
        let Some(node) = found else { return true };
        let Content::String(text) = &node.content else { return true };
        let json = steps.iter().all(|step| step.value == Unpacking::Json);
        let Some(inner) = Some(text).filter(|_| json).and_then(|text| yaml::parse(text).ok())
        else {
            return false;
        };
        node.content = inner.root.content;
        at(node, node.span);
        true
    })
}

/// Gives everything below a node one place.
pub(super) fn at(node: &mut Node, span: Span) {
    node.span = span;
    match &mut node.content {
        Content::Sequence(items) => items.iter_mut().for_each(|item| at(item, span)),
        Content::Mapping(entries) => {
            for entry in entries {
                entry.key_span = span;
                at(&mut entry.value, span);
            }
        }
        _ => {}
    }
}

/// Reads a fixture whose place is known.
pub(super) fn response(
    index: usize,
    fixture: &Fixture,
    owner: Owner,
    decode: &Decode,
    selected: Option<&JsonPath>,
    found: &mut Vec<Diagnostic>,
) -> Option<Sample> {
    let Parsed { root, found: own } = fixture.parsed();
    found.extend_from_slice(own);
    let root = root.as_ref()?;
    if !matches!(root.content, Content::Mapping(_)) {
        let start = Span::new(root.span.start as usize, root.span.start as usize + 1);
        found.push(
            Diagnostic::new(&codes::FIXTURE_SHAPE, start, "a fixture is a response, not its body")
                .help("write { \"status\": 200, \"body\": ... } with the answer as `body`"),
        );
        return None;
    }
    let is_unknown = |entry: &&Entry| !MEMBERS.contains(&entry.key.as_str());
    let mut unknown = root.entries().iter().filter(is_unknown).peekable();
    if unknown.peek().is_some() {
        let free: Vec<_> = MEMBERS.into_iter().filter(|name| root.entry(name).is_none()).collect();
        found.extend(unknown.map(|entry| unknown_member(&free, entry)));
        return None;
    }
    let status = status(root, found);
    let headers = root.entry("headers").map_or(Vec::new(), |entry| headers(entry, found));
    let (body, text) = (root.entry("body"), root.entry("text"));
    if let (Some(first), Some(second)) = (body, text) {
        found.push(
            Diagnostic::new(&codes::FIXTURE_SHAPE, second.key_span, "the response has two bodies")
                .also(first.key_span, "the other one")
                .help("keep `body` for JSON, or `text` for anything else"),
        );
        return None;
    }
    let status = status?;
    let format = decode.format();
    let mut records = Vec::new();
    let mut unread = false;
    if status.value < 400 {
        let wrong = match format {
            Format::Json => text,
            Format::Ndjson => None,
            Format::Csv | Format::Tsv | Format::Xml => body,
        };
        if let Some(wrong) = wrong {
            let (is, write) =
                if format == Format::Json { ("JSON", "body") } else { (format.title(), "text") };
            found.push(
                Diagnostic::new(
                    &codes::FIXTURE_SHAPE,
                    wrong.key_span,
                    format!("the response is read as {is}, and `{}` is not", wrong.key),
                )
                .help(format!("record it as `{write}`, or mend `decode` in the manifest")),
            );
            return None;
        }
    }
    let decoded = match text {
        Some(entry) => Some(lines(&fixture.text, &entry.value, found)?),
        None => None,
    };
    if status.value < 400 {
        match (format, &decoded, body) {
            (Format::Csv | Format::Tsv, Some(decoded), _) => records = rows(decoded, decode),
            (Format::Ndjson, _, Some(body)) => {
                if let Content::Sequence(lines) = &body.value.content {
                    records.clone_from(lines);
                } else {
                    found.push(
                        Diagnostic::new(
                            &codes::FIXTURE_SHAPE,
                            body.value.span,
                            "the lines of an NDJSON response are a list",
                        )
                        .help("write \"body\": [ ... ] with one value for each line"),
                    );
                    return None;
                }
            }
            (Format::Xml | Format::Ndjson, Some(decoded), _) => {
                unread = !decoded.text().trim().is_empty();
            }
            (Format::Json, _, Some(body)) => {
                let found = selected.map(|path| select(path, &body.value)).unwrap_or_default();
                records = found.into_iter().cloned().collect();
            }
            _ => {}
        }
    }
    let body = body.map(|entry| entry.value.clone());
    let named = !decode.dialect().columns.is_empty();
    let table = decoded.filter(|_| named && format.is_table() && status.value < 400);
    let fields = table.map_or(0, |decoded| widest(&decoded, decode));
    Some(Sample { fixture: index, owner, status, headers, body, records, fields, unread })
}

/// What a fixture answers, with what is asked for that.
struct Placed<'m> {
    owner: Owner,
    fetch: Option<Fetch<'m>>,
    join: Option<&'m Join>,
}

/// What a fixture answers, by its path; `Ok(None)` if that was left out of the manifest.
fn place<'m>(
    manifest: &'m Manifest,
    path: &str,
    left_out: &dyn Fn(&str) -> bool,
) -> Result<Option<Placed<'m>>, (String, String)> {
    let parts: Vec<_> = path.split('/').skip(1).collect();
    let help = "name it fixtures/STREAM/NAME.json, or fixtures/STREAM/STEP/NAME.json for a stream with steps";
    let (first, second, depth) = match parts.as_slice() {
        [_] => return Err(("the fixture belongs to no stream".to_owned(), help.to_owned())),
        [first, _] => (*first, None, 2),
        [first, second, _] => (*first, Some(*second), 3),
        _ => return Err(("the fixture lies too deep".to_owned(), help.to_owned())),
    };
    let stream = manifest.streams.value.iter().find(|(name, _)| name.as_str() == first);
    if let Some((name, stream)) = stream {
        let steps = fetches(stream);
        let fetch = steps.iter().find(|fetch| step_of(fetch) == second);
        let join = second.and_then(|second| stream.join.get(second));
        if fetch.is_some() || join.is_some() {
            let owner = Owner::Stream { stream: name.to_string(), step: second.map(str::to_owned) };
            return Ok(Some(Placed { owner, fetch: fetch.copied(), join }));
        }
        let names: Vec<_> = steps.iter().filter_map(step_of).collect();
        if names.is_empty() {
            return Err((
                format!("the stream `{first}` has no steps"),
                format!("move it to fixtures/{first}/"),
            ));
        }
        let message = match second {
            Some(second) => format!("the stream `{first}` has no step `{second}`"),
            None => format!("the fixture belongs to no step of `{first}`"),
        };
        let help = names.iter().map(|name| format!("fixtures/{first}/{name}")).collect::<Vec<_>>();
        return Err((message, format!("move it to {}", one_of(help.iter().map(String::as_str)))));
    }
    if depth == 3
        && first == "facts"
        && let Some(fact) = second
    {
        let known = manifest.facts.iter().find(|(name, _)| name.as_str() == fact);
        if known.is_some() {
            let owner = Owner::Fact(fact.to_owned());
            return Ok(Some(Placed { owner, fetch: None, join: None }));
        }
        let names = manifest.facts.iter().map(|(name, _)| name.as_str());
        return Err((format!("the manifest asks for no fact `{fact}`"), meant(fact, names)));
    }
    if left_out(first) {
        return Ok(None);
    }
    let names = manifest.streams.value.iter().map(|(name, _)| name.as_str());
    Err((format!("the manifest has no stream `{first}`"), meant(first, names)))
}

fn meant<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<_> = names.collect();
    match closest(name, names.iter().copied()) {
        Some(meant) => format!("rename the folder to `{meant}`"),
        None => format!("rename the folder to {}, or remove it", one_of(names)),
    }
}

/// The document of a fixture, read as JSON first: what YAML alone takes is not JSON.
fn document(text: &str, found: &mut Vec<Diagnostic>) -> Option<Node> {
    if text.len() > yaml::MAX_SOURCE_BYTES {
        let message = format!("the fixture is longer than {} bytes", yaml::MAX_SOURCE_BYTES);
        found.push(
            Diagnostic::new(&codes::FIXTURE_JSON, Span::default(), message)
                .help("keep the records that show something of their own"),
        );
        return None;
    }
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let at = LineIndex::new(text).offset(text, error.line(), error.column());
        let message = error.to_string();
        let cause = message.split(" at line ").next().unwrap_or_default();
        let end = text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
        found.push(
            Diagnostic::new(
                &codes::FIXTURE_JSON,
                Span::new(at, end),
                format!("the fixture is not JSON: {cause}"),
            )
            .help("write it as JSON (RFC 8259), without comments"),
        );
        return None;
    }
    match yaml::parse(text) {
        Ok(document) => Some(document.root),
        Err(errors) => {
            for error in errors.into_iter().take(20) {
                let message = match error.kind {
                    SyntaxErrorKind::DuplicateKey => error.message,
                    _ => format!("the fixture cannot be read: {}", error.message),
                };
                let mut diagnostic = Diagnostic::new(&codes::FIXTURE_JSON, error.span, message)
                    .maybe_help(error.help);
                if let Some((span, text)) = error.related {
                    diagnostic = diagnostic.also(span, text);
                }
                found.push(diagnostic);
            }
            None
        }
    }
}

fn unknown_member(free: &[&str], entry: &Entry) -> Diagnostic {
    let message = format!("a fixture has no member `{}`", entry.key);
    let diagnostic = Diagnostic::new(&codes::FIXTURE_SHAPE, entry.key_span, message);
    match closest(&entry.key, free.iter().copied()) {
        Some(meant) => diagnostic.label(format!("did you mean `{meant}`?")).fix(
            Safety::Safe,
            format!("rename it to `{meant}`"),
            entry.key_span,
            format!("\"{meant}\""),
        ),
        None => diagnostic.help(
            "a fixture has `status`, `headers`, and `body` or `text`: put the answer under `body`",
        ),
    }
}

fn status(root: &Node, found: &mut Vec<Diagnostic>) -> Option<Spanned<u16>> {
    let Some(entry) = root.entry("status") else {
        let start = root.span.start as usize;
        found.push(
            Diagnostic::new(
                &codes::FIXTURE_SHAPE,
                Span::new(start, start + 1),
                "the fixture does not say the response's status",
            )
            .help("add \"status\": 200, or the status that was recorded"),
        );
        return None;
    };
    if let Content::Integer(number @ 100..=599) = entry.value.content {
        return Some(Spanned::new(number as u16, entry.value.span));
    }
    found.push(
        Diagnostic::new(
            &codes::FIXTURE_SHAPE,
            entry.value.span,
            "a status is a number from 100 to 599",
        )
        .help("write the HTTP status that was recorded, such as 200"),
    );
    None
}

fn headers(entry: &Entry, found: &mut Vec<Diagnostic>) -> Vec<(Spanned<String>, Spanned<String>)> {
    let mut wrong = |span, message: &str| {
        found.push(
            Diagnostic::new(&codes::FIXTURE_SHAPE, span, message)
                .help("write \"headers\": { \"Name\": \"value\" }"),
        );
    };
    if !matches!(entry.value.content, Content::Mapping(_)) {
        wrong(entry.value.span, "headers are an object of names and texts");
        return Vec::new();
    }
    let mut headers = Vec::new();
    for header in entry.value.entries() {
        match &header.value.content {
            Content::String(text) => headers.push((
                Spanned::new(header.key.clone(), header.key_span),
                Spanned::new(text.clone(), header.value.span),
            )),
            _ => wrong(header.value.span, "a header's value is a text"),
        }
    }
    headers
}

/// A text: a string, or a list of strings that are its lines.
fn lines(source: &str, node: &Node, found: &mut Vec<Diagnostic>) -> Option<Decoded> {
    let mut decoded = Decoded::default();
    let mut wrong = |span| {
        found.push(
            Diagnostic::new(&codes::FIXTURE_SHAPE, span, "`text` is a string, or a list of lines")
                .help("write \"text\": [\"first line\", \"second line\"]"),
        );
    };
    match &node.content {
        Content::String(text) => decoded.push(source, node.span, text),
        Content::Sequence(items) => {
            for item in items {
                let Content::String(line) = &item.content else {
                    wrong(item.span);
                    return None;
                };
                decoded.push(source, item.span, line);
                decoded.push_line_end();
            }
        }
        _ => {
            wrong(node.span);
            return None;
        }
    }
    Some(decoded)
}

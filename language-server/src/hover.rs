//! What something is: keys, values, references, attributes, findings.

use gen_lsp_types::Hover;
use longshore_schema::scalar::Scalar;
use longshore_schema::template::Helper;
use longshore_schema::yaml::{Content, Node};
use longshore_schema::{JsonPath, Span};
use longshore_validator::ocsf::{self, Type};
use longshore_validator::{Explanation, Options, Part, codes, schema_at};
use serde_json::Value;

use crate::completion::{about, markdown, signature};
use crate::document::Document;
use crate::{mapping, names, paths, template};

/// What stands at a byte, in words.
pub(crate) fn hover(document: &Document, options: &Options, offset: usize) -> Option<Hover> {
    let mut texts = Vec::new();
    let mut span = None;
    if let Some((words, own)) = named(document, offset).or_else(|| helper(document, offset)) {
        texts.push(words);
        span = Some(own);
    } else if let Some(found) = document.tree().and_then(|root| find(root, offset)) {
        span = Some(found.span);
        texts.extend(recorded(document, &found));
        texts.extend(key(document, &found));
    }
    for finding in document.findings(options) {
        let place = finding.span();
        if place.range().contains(&offset) || place.end as usize == offset {
            span = span.or(Some(place));
            texts.extend(codes::find(finding.code).map(rule));
        }
    }
    texts.dedup();
    (!texts.is_empty()).then(|| Hover {
        contents: markdown(&texts.join("\n\n---\n\n")).into(),
        range: span.map(|span| document.text.span(span)),
    })
}

/// A rule: what it says, and why it is.
fn rule(code: &'static codes::Code) -> String {
    let why = Explanation::of(code).parts.into_iter().find_map(|part| match part {
        Part::Prose(text) => Some(text),
        Part::Example(_) => None,
    });
    format!("**{}** {}\n\n{}", code.id, code.summary, why.unwrap_or_default())
}

/// What a name of the author's is.
fn named(document: &Document, offset: usize) -> Option<(String, Span)> {
    let found = names::at(document, offset)?;
    let entry =
        names::defined(document.tree()?, &found.kind).iter().find(|e| e.key == found.name)?;
    if found.definition.is_some() && !matches!(found.kind, names::Kind::Token) {
        // The key's own documentation says more.
        return None;
    }
    let (detail, _) = about(entry);
    let text = |key: &str| match &entry.value.entry(key)?.value.content {
        Content::String(text) => Some(text.trim().to_owned()),
        _ => None,
    };
    let mut words = format!("{} `{}`", found.kind.word(), found.name);
    if let Some(kind) = text("type") {
        words = format!("{words}: {kind}");
    }
    for line in detail.into_iter().chain(text("description")) {
        words = format!("{words}\n\n{line}");
    }
    Some((words, Span::new(found.bytes.start, found.bytes.end)))
}

/// What a helper does.
fn helper(document: &Document, offset: usize) -> Option<(String, Span)> {
    let line = document.text.line(document.text.line_of(offset));
    let text = &document.source()[line.clone()];
    let found = template::references(text).into_iter().find(|found| {
        line.start + found.bytes.start <= offset && offset <= line.start + found.bytes.end
    })?;
    let (_, helper) = Helper::ALL.iter().find(|(name, _)| *name == found.text)?;
    let span = Span::new(line.start + found.bytes.start, line.start + found.bytes.end);
    Some((format!("`{}`", signature(*helper)), span))
}

/// A key or value of the tree.
struct Found<'t> {
    path: Vec<String>,
    span: Span,
    /// The text, if it is a value.
    value: Option<&'t Node>,
}

fn find(node: &Node, offset: usize) -> Option<Found<'_>> {
    let touches = |span: Span| span.start as usize <= offset && offset <= span.end as usize;
    match &node.content {
        Content::Mapping(entries) => {
            let at = |span: Span| touches(span).then_some(span);
            if let Some((entry, span)) =
                entries.iter().find_map(|entry| Some((entry, at(entry.key_span)?)))
            {
                return Some(Found { path: vec![entry.key.clone()], span, value: None });
            }
            let entry = entries.iter().find(|entry| touches(entry.value.span))?;
            find(&entry.value, offset).map(|found| found.below(&entry.key))
        }
        Content::Sequence(items) => {
            let (at, item) = items.iter().enumerate().find(|(_, item)| touches(item.span))?;
            find(item, offset).map(|found| found.below(&at.to_string()))
        }
        Content::Null => None,
        _ => Some(Found { path: Vec::new(), span: node.span, value: Some(node) }),
    }
}

impl Found<'_> {
    fn below(mut self, step: &str) -> Self {
        self.path.insert(0, step.to_owned());
        self
    }
}

/// What a path finds in the recorded responses.
fn recorded(document: &Document, found: &Found<'_>) -> Option<String> {
    let root = document.tree()?;
    let keys: Vec<_> = found.path.iter().map(String::as_str).collect();
    let (text, site) = match found.value.map(|value| &value.content) {
        Some(Content::String(text)) => (text.as_str(), paths::site(root, &keys, false)?),
        Some(_) => return None,
        None => {
            let (key, owner) = keys.split_last()?;
            (*key, paths::site(root, owner, true)?)
        }
    };
    let starts = paths::starts(document, root, &site);
    let path = match site.form {
        paths::Form::Member => paths::member(text),
        _ => text.to_owned(),
    };
    let path = JsonPath::parse(&path).ok().filter(|_| !starts.is_empty())?;
    Some(format!("`{text}`: {}", paths::summary(&path, &site, &starts)))
}

/// The documentation of a key, or of the value that stands under it.
fn key(document: &Document, found: &Found<'_>) -> Option<String> {
    let path: Vec<_> = found.path.iter().map(String::as_str).collect();
    if let Some(words) = mapped(document.tree()?, &path, found) {
        return Some(words);
    }
    let schema = schema_at(path.iter().copied())?;
    if let Some(Content::String(text)) = found.value.map(|value| &value.content) {
        let choices = schema["enum"].as_array().into_iter().flatten();
        let at = choices.into_iter().position(|choice| choice == text);
        if let Some(words) = at.and_then(|at| schema["markdownEnumDescriptions"][at].as_str()) {
            return Some(format!("`{text}`: {words}"));
        }
    }
    let (name, owner) = path.split_last()?;
    let owner = schema_at(owner.iter().copied())?;
    let words = owner["properties"][*name]["description"].as_str();
    let words = words.or_else(|| schema["description"].as_str())?;
    let mut lines = vec![format!("**{name}**"), words.to_owned()];
    let format = schema["format"].as_str().and_then(|format| format.strip_prefix("longshore-"));
    let example = schema["examples"].get(0).map(Value::to_string);
    let example = example.map(|example| format!(", such as `{}`", example.trim_matches('"')));
    lines.extend(format.map(|format| format!("Format: {format}{}", example.unwrap_or_default())));
    if let Some(default) = schema.get("default") {
        lines.push(format!("Default: `{default}`"));
    }
    Some(lines.join("\n\n"))
}

/// What OCSF says of an attribute or a class.
fn mapped(root: &Node, path: &[&str], found: &Found<'_>) -> Option<String> {
    let place = mapping::place(path)?;
    let version = ocsf::table().version();
    if let (None, ["to"], Some(Content::String(name))) =
        (place.attribute, place.rest.as_slice(), found.value.map(|value| &value.content))
    {
        let class = ocsf::table().class(name)?;
        return Some(format!(
            "**{}** ({}), {}\n\n[OCSF {version}](https://schema.ocsf.io/{version}/classes/{name})",
            class.caption, class.uid, class.category_name
        ));
    }
    let attribute = place.attribute.filter(|_| place.rest.is_empty() && found.value.is_none())?;
    let class = *mapping::classes(root, &place.owner)
        .iter()
        .find(|class| class.resolve(attribute).is_ok())?;
    let resolved = class.resolve(attribute).ok()?;
    let last = resolved.last();
    let mut lines = vec![format!("**{attribute}**: {}", mapping::summary(last.attribute))];
    if let Type::Object(name) = last.attribute.type_ {
        lines.push(format!(
            "[OCSF {version}, {name}](https://schema.ocsf.io/{version}/objects/{name})"
        ));
    }
    if let Some(captions) = mapping::captions(class, attribute) {
        let captions: Vec<_> =
            captions.iter().map(|(id, caption)| format!("`{caption}` ({id})")).collect();
        lines.push(format!("Values: {}", captions.join(", ")));
    }
    let of = format!("Of the class `{}`.", class.name);
    lines.push(of);
    Some(lines.join("\n\n"))
}

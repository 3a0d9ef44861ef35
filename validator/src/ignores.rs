//! Comments that hide findings: `# longshore: ignore[LS0203] reason`.
//!
//! At the end of a line a comment is about that line, on a line of its own about the next one that
//! is not a comment. If a value that spans several lines stands in part on that line, the comment is
//! about all of the value: a block of text has no room for comments.

use longshore_schema::Span;
use longshore_schema::yaml::{Comment, Content, Document, Node};

use crate::codes::{self, Code};
use crate::diagnostic::{Diagnostic, Edit, Safety, Severity};
use crate::suggest::near;

mod syntax;

use syntax::{Parsed, parse};

/// The ignores, and the findings about them, after which no more are read: what they would hide is
/// shown.
const MAX_FOUND: usize = 1_000;

/// The ignores of a manifest.
pub(crate) struct Ignores<'s> {
    source: &'s str,
    all: Vec<Ignore>,
    found: Vec<Diagnostic>,
}

struct Ignore {
    comment: Span,
    /// What stands between the brackets.
    list: Span,
    names: Vec<Name>,
    covered: Vec<Span>,
}

struct Name {
    code: Option<&'static Code>,
    span: Span,
    used: bool,
    /// A finding that this would hide if it were not one that the engine cannot run with.
    refused: Option<Span>,
}

/// Whether a comment may be an ignore: most manifests have none, and reading comments takes time.
pub(crate) fn are_possible(source: &str) -> bool {
    source.split('#').skip(1).any(|rest| {
        let word = rest.trim_start().get(.."longshore".len());
        word.is_some_and(|word| word.eq_ignore_ascii_case("longshore"))
    })
}

impl<'s> Ignores<'s> {
    /// No ignores.
    pub(crate) fn none(source: &'s str) -> Self {
        Self { source, all: Vec::new(), found: Vec::new() }
    }

    /// The ignores among the comments of a manifest.
    pub(crate) fn read(source: &'s str, document: &Document) -> Self {
        let mut ignores = Self::none(source);
        let mut long = None;
        for comment in &document.comments {
            if ignores.all.len() + ignores.found.len() >= MAX_FOUND {
                break;
            }
            match parse(source, comment.span) {
                None => {}
                Some(Err(malformed)) => ignores.found.push(*malformed),
                Some(Ok(parsed)) => {
                    let long = long.get_or_insert_with(|| long_scalars(source, &document.root));
                    ignores.add(comment, parsed, long);
                }
            }
        }
        ignores
    }

    fn add(&mut self, comment: &Comment, parsed: Parsed, long: &[Span]) {
        if !parsed.reasoned {
            self.found.push(
                Diagnostic::new(
                    &codes::IGNORE_WITHOUT_REASON,
                    comment.span,
                    "the ignore does not say why",
                )
                .help("write the reason behind the bracket: `# longshore: ignore[LS0203] reason`"),
            );
        }
        let line = self.line_of(comment.span);
        let mut covered = vec![line];
        covered.extend(long.iter().filter(|span| span.start < line.end && line.start < span.end));
        let names = parsed.names.into_iter().map(|span| {
            let text = self.source.get(span.range()).unwrap_or_default();
            let code = codes::find(text);
            if code.is_none() && self.found.len() < MAX_FOUND {
                self.found.push(unknown(text, span));
            }
            Name { code, span, used: false, refused: None }
        });
        let names = names.collect();
        self.all.push(Ignore { comment: comment.span, list: parsed.list, names, covered });
    }

    /// The line that a comment is about, with its line break.
    fn line_of(&self, comment: Span) -> Span {
        let (before, behind) = self.source.split_at(comment.start as usize);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let next = |from: usize| self.source[from..].find('\n').map(|at| from + at + 1);
        if !before[start..].trim().is_empty() {
            return Span::new(start, next(comment.end as usize).unwrap_or(self.source.len()));
        }
        let mut at = self.source.len() - behind.len();
        while let Some(start) = next(at) {
            let end = next(start).unwrap_or(self.source.len());
            let text = self.source[start..end].trim_start();
            if !text.is_empty() && !text.starts_with('#') {
                return Span::new(start, end);
            }
            at = start;
        }
        Span::default()
    }

    /// Whether a finding of this code at this place is hidden.
    pub(crate) fn cover(&self, code: &Code, place: Span) -> bool {
        self.all.iter().any(|ignore| ignore.covers(place) && ignore.names(code.id))
    }

    /// Takes out what is hidden.
    pub(crate) fn hide(&mut self, diagnostics: &mut Vec<Diagnostic>) {
        if !self.all.is_empty() {
            diagnostics.retain(|diagnostic| !self.hides(diagnostic));
        }
    }

    fn hides(&mut self, diagnostic: &Diagnostic) -> bool {
        let mut hidden = false;
        for ignore in &mut self.all {
            if !ignore.covers(diagnostic.span()) {
                continue;
            }
            for name in &mut ignore.names {
                let Some(code) = name.code.filter(|code| code.id == diagnostic.code) else {
                    continue;
                };
                if code.ignorable || diagnostic.severity != Severity::Error {
                    name.used = true;
                    hidden = true;
                } else {
                    name.refused = Some(diagnostic.span());
                }
            }
        }
        hidden
    }

    /// What is wrong with the ignores themselves. `complete` says that everything was looked at, so that
    /// an ignore that hid nothing has nothing to hide; `compared` that there was an earlier manifest,
    /// without which some rules find nothing.
    pub(crate) fn findings(mut self, complete: bool, compared: bool) -> Vec<Diagnostic> {
        for ignore in &self.all {
            for name in &ignore.names {
                let (Some(code), Some(place)) = (name.code, name.refused) else { continue };
                let message = format!(
                    "{} ({}) cannot be ignored: the engine cannot run a manifest with it",
                    code.id, code.name
                );
                self.found.push(
                    Diagnostic::new(&codes::FORBIDDEN_IGNORE, name.span, message)
                        .also(place, "what would be ignored")
                        .help("mend what was found, and remove the ignore"),
                );
            }
            if complete {
                self.found.extend(unused(self.source, ignore, compared));
            }
        }
        self.found.truncate(MAX_FOUND);
        self.found
    }
}

impl Ignore {
    fn covers(&self, place: Span) -> bool {
        self.covered.iter().any(|span| span.start <= place.start && place.start < span.end)
    }

    fn names(&self, id: &str) -> bool {
        self.names.iter().any(|name| name.code.is_some_and(|code| code.id == id))
    }
}

/// The values that stand on several lines, keys and collections aside.
fn long_scalars(source: &str, root: &Node) -> Vec<Span> {
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        match &node.content {
            Content::Sequence(items) => open.extend(items),
            Content::Mapping(entries) => open.extend(entries.iter().map(|entry| &entry.value)),
            _ => {
                if source.get(node.span.range()).is_some_and(|text| text.contains('\n')) {
                    found.push(node.span);
                }
            }
        }
    }
    found
}

fn unknown(text: &str, span: Span) -> Diagnostic {
    let shown: String = text.chars().take(40).collect();
    let diagnostic =
        Diagnostic::new(&codes::IGNORE_UNKNOWN, span, format!("there is no rule `{shown}`"));
    // Numbers that are alike mean nothing alike.
    let names = codes::ALL.iter().map(|code| code.name);
    match near(text, names).filter(|_| !text.starts_with("LS")) {
        Some(meant) => diagnostic.label(format!("did you mean `{meant}`?")).fix(
            Safety::Safe,
            format!("write `{meant}`"),
            span,
            meant,
        ),
        None => diagnostic.help("write a code as reports show it, such as `LS0203`"),
    }
}

/// What an ignore names and does not hide, with the edit that takes it out.
fn unused(source: &str, ignore: &Ignore, compared: bool) -> Option<Diagnostic> {
    let is_unused = |name: &&Name| {
        let has_effect = |code| compared || !codes::compares(code);
        !name.used && name.refused.is_none() && name.code.is_some_and(has_effect)
    };
    let idle: Vec<_> = ignore.names.iter().filter(is_unused).collect();
    let first = idle.first()?;
    let listed: Vec<_> = idle.iter().filter_map(|name| Some(name.code?.id)).collect();
    let written = |name: &Name| source.get(name.span.range()).unwrap_or_default();
    let kept: Vec<_> = ignore.names.iter().filter(|name| !is_unused(name)).map(written).collect();
    let edit = if kept.is_empty() {
        Edit { span: with_blanks(source, ignore.comment), text: String::new() }
    } else {
        Edit { span: ignore.list, text: kept.join(", ") }
    };
    let title = if kept.is_empty() {
        "remove the ignore".to_owned()
    } else {
        format!("remove {} from the ignore", listed.join(", "))
    };
    let message = format!("the ignore of {} hides nothing", listed.join(", "));
    Some(
        Diagnostic::new(&codes::UNUSED_IGNORE, first.span, message)
            .help("remove it, or put it on the line of the finding, or on the line above")
            .fix_all(Safety::Safe, title, vec![edit]),
    )
}

/// A comment with the blanks before it, or with its whole line if it has one of its own.
fn with_blanks(source: &str, comment: Span) -> Span {
    let (before, end) = (&source[..comment.start as usize], comment.end as usize);
    let start = before.trim_end_matches([' ', '\t']).len();
    let alone = start == 0 || before[..start].ends_with('\n');
    let line_break = source[end..].find('\n').map(|at| end + at + 1);
    match line_break.filter(|_| alone) {
        Some(next) => Span::new(start, next),
        None => Span::new(start, end),
    }
}

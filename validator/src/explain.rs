//! What a rule is for, with an example that it finds and one that it does not.
//!
//! `validator/rules/CODE.md` holds prose, then a block that starts with ```` ```yaml bad ````, then
//! perhaps more prose, then one that starts with ```` ```yaml good ````; further pairs may follow.
//! The word `extended` after it validates the example in the extended profile.
//!
//! Blocks that start with ```` ```json fixtures/STREAM/NAME.json ```` directly behind an example are
//! recorded responses beside it; those of `validator/rules/fixtures/` that have other names lie there
//! too. The word `fixtures` says so of an example without such blocks, and the word `alone` that there
//! are no others than those shown.
//!
//! A block that starts with ```` ```yaml base ```` is the earlier manifest that the examples behind it
//! are compared with.
//!
//! A block is a manifest if it has the key `manifest`. Otherwise its top-level sections take the
//! place of those of `validator/rules/base.yaml`. If the last section is `inputs`, `quotas`, `facts`
//! or `streams`, the base's entries of other names are put behind it, and if the last stream is one
//! of the base's (`users`, `sign_ins`), so are the base's keys of that stream that it lacks.

use std::fmt::Write as _;

use crate::changes::Base;
use crate::codes::Code;
use crate::{
    Fixture, Options, Profile, Report, Safety, render_text, validate, validate_with_fixtures,
};

/// The manifest that examples are part of.
const BASE: &str = include_str!("../rules/base.yaml");

/// The recorded responses of that manifest.
const BASE_FIXTURES: &[(&str, &str)] = &[
    ("fixtures/users/success.json", include_str!("../rules/fixtures/users/success.json")),
    ("fixtures/users/empty.json", include_str!("../rules/fixtures/users/empty.json")),
    ("fixtures/users/error.json", include_str!("../rules/fixtures/users/error.json")),
    ("fixtures/sign_ins/success.json", include_str!("../rules/fixtures/sign_ins/success.json")),
    ("fixtures/sign_ins/empty.json", include_str!("../rules/fixtures/sign_ins/empty.json")),
    ("fixtures/sign_ins/error.json", include_str!("../rules/fixtures/sign_ins/error.json")),
];

/// The page of a rule, in parts.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The prose and the examples, in order.
    pub parts: Vec<Part>,
}

/// A part of a rule's page.
#[derive(Clone, Debug)]
pub enum Part {
    /// Markdown.
    Prose(String),
    /// An example.
    Example(Example),
}

/// An example of a rule.
#[derive(Clone, Debug)]
pub struct Example {
    /// Whether the rule finds something in it.
    pub bad: bool,
    /// What is shown of it.
    pub shown: String,
    /// The whole manifest; it starts with what is shown.
    pub manifest: String,
    /// The recorded responses that are shown with it.
    pub fixtures: Vec<Fixture>,
    /// All recorded responses beside it; none if it is validated without.
    pub all_fixtures: Option<Vec<Fixture>>,
    /// How it is validated.
    pub options: Options,
}

impl Example {
    /// Validates the example.
    #[must_use]
    pub fn report(&self) -> Report {
        match &self.all_fixtures {
            Some(fixtures) => validate_with_fixtures(&self.manifest, fixtures, &self.options),
            None => validate(&self.manifest, &self.options),
        }
    }
}

/// The page of a rule as Markdown: what it is, why it is, what it reports of its examples.
#[must_use]
pub fn explain(code: &Code) -> String {
    let explanation = Explanation::of(code);
    let mut fixes = Vec::new();
    let mut body = String::new();
    for part in &explanation.parts {
        match part {
            Part::Prose(text) => {
                let _ = write!(body, "{text}\n\n");
            }
            Part::Example(example) => {
                let _ = write!(body, "```yaml\n{}```\n\n", example.shown);
                for fixture in &example.fixtures {
                    let (path, text) = (fixture.path(), fixture.text());
                    let _ = write!(body, "`{path}`:\n\n```json\n{text}```\n\n");
                }
                let mut report = example.report();
                report.diagnostics.retain(|diagnostic| diagnostic.code == code.id);
                if example.bad && (!report.diagnostics.is_empty() || !report.fixtures.is_empty()) {
                    for fix in report.diagnostics.iter().flat_map(|found| &found.fixes) {
                        fixes.push(fix.safety);
                    }
                    let text = render_text(&report, "manifest.yaml", &example.manifest, false);
                    let text = text.trim_end().rsplit_once('\n').map_or("", |(text, _)| text);
                    let _ = write!(body, "```text\n{}\n```\n\n", text.trim_end());
                }
            }
        }
    }
    let fix = if fixes.contains(&Safety::Safe) {
        "`longshore validate --fix` mends it"
    } else if fixes.contains(&Safety::Unsafe) {
        "`longshore validate --fix=unsafe` can mend it"
    } else {
        "by hand"
    };
    format!(
        "# {}: {}\n\n{}\n\n| Severity | Fix |\n|---|---|\n| {} | {fix} |\n\n{}\n",
        code.id,
        code.name,
        code.summary,
        code.severity,
        body.trim_end()
    )
}

impl Explanation {
    /// Reads the page of a rule.
    #[must_use]
    pub fn of(code: &Code) -> Self {
        let mut parts = Vec::new();
        let mut prose = String::new();
        let mut base = None;
        let mut lines = code.page.lines().peekable();
        while let Some(line) = lines.next() {
            let words: Vec<_> = line.split(' ').collect();
            if line == "```yaml base" {
                let shown = block(&mut lines);
                base = Base::read(&spliced(&shown)).ok();
                let _ = write!(prose, "```yaml\n{shown}```\n");
            } else if let ["```yaml", kind @ ("bad" | "good"), rest @ ..] = words.as_slice() {
                if !prose.trim().is_empty() {
                    parts.push(Part::Prose(prose.trim().to_owned()));
                }
                prose.clear();
                let shown = block(&mut lines);
                let mut fixtures = Vec::new();
                while let Some(path) = lines.next_if(|line| line.is_empty()).and(lines.peek()) {
                    let Some(path) = path.strip_prefix("```json ") else { break };
                    lines.next();
                    let text = block(&mut lines);
                    fixtures.push(Fixture::new(path, text));
                }
                let beside = !fixtures.is_empty() || rest.contains(&"fixtures");
                let alone = rest.contains(&"alone");
                let profile =
                    if rest.contains(&"extended") { Profile::Extended } else { Profile::Strict };
                parts.push(Part::Example(Example {
                    bad: *kind == "bad",
                    manifest: spliced(&shown),
                    shown,
                    all_fixtures: (beside || alone).then(|| with_base(&fixtures, alone)),
                    fixtures,
                    options: Options { base: base.clone(), ..Options::new(profile) },
                }));
            } else {
                prose.push_str(line);
                prose.push('\n');
            }
        }
        if !prose.trim().is_empty() {
            parts.push(Part::Prose(prose.trim().to_owned()));
        }
        Self { parts }
    }

    /// Its examples in order.
    pub fn examples(&self) -> impl Iterator<Item = &Example> {
        self.parts.iter().filter_map(|part| match part {
            Part::Example(example) => Some(example),
            Part::Prose(_) => None,
        })
    }
}

/// The lines up to the end of a fenced block.
fn block<'l>(lines: &mut impl Iterator<Item = &'l str>) -> String {
    lines.take_while(|line| *line != "```").fold(String::new(), |text, line| text + line + "\n")
}

/// The recorded responses of an example with those of the base that it does not replace.
fn with_base(own: &[Fixture], alone: bool) -> Vec<Fixture> {
    let base = BASE_FIXTURES
        .iter()
        .filter(|(path, _)| !alone && own.iter().all(|fixture| fixture.path() != *path));
    let base = base.map(|(path, text)| Fixture::new(*path, *text));
    own.iter().cloned().chain(base).collect()
}

/// The fragment with what it lacks of the base behind it.
fn spliced(fragment: &str) -> String {
    if fragment.starts_with("manifest:") || fragment.contains("\nmanifest:") {
        return fragment.to_owned();
    }
    let mut manifest = fragment.to_owned();
    append_missing(&mut manifest, fragment, BASE, 0);
    manifest
}

/// Appends the entries of `base` that `own` has not; first those of its last entry, if that is a
/// table whose entries stand for themselves.
fn append_missing(manifest: &mut String, own: &str, base: &str, indent: usize) {
    let own = sections(own, indent);
    let base = sections(base, indent);
    if let Some((last, text)) = own.last() {
        let is_table = indent > 0 || ["inputs", "quotas", "facts", "streams"].contains(last);
        let is_stream = indent < 2 || base.iter().any(|(name, _)| *name == "sign_ins");
        let known = base.iter().find(|(name, _)| name == last);
        if let Some((_, known)) = known.filter(|_| indent < 4 && is_table && is_stream) {
            append_missing(manifest, text, known, indent + 2);
        }
    }
    for (name, text) in base {
        if !own.iter().any(|(own, _)| *own == name) {
            manifest.push_str(text);
        }
    }
}

/// The entries of a mapping whose keys are indented by `indent`: each key with its lines.
fn sections(text: &str, indent: usize) -> Vec<(&str, &str)> {
    let mut starts = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let depth = line.len() - line.trim_start().len();
        if depth == indent
            && !line.trim_start().starts_with(['#', '-'])
            && let Some((key, _)) = line.trim().split_once(':')
        {
            starts.push((key, at));
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).map(|(_, at)| *at).chain([text.len()]);
    starts.iter().zip(ends).map(|((key, start), end)| (*key, &text[*start..end])).collect()
}

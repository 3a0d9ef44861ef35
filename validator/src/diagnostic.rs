//! Findings: what is wrong, where, how bad it is, and how to mend it.

use std::fmt;

use longshore_schema::Span;

use crate::codes::Code;
use crate::suggest::near;

/// The longest text of a finding that is shown whole, in bytes.
const MAX_SHOWN: usize = 640;
/// What is kept of a longer one: its start, and its end, which says what is wrong.
const KEPT: (usize, usize) = (200, 100);

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code, such as `LS0101`; [`crate::codes::ALL`] explains each.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line without a full stop.
    pub message: String,
    /// The places that belong to it; the first is the primary one, and there is at least one.
    pub labels: Vec<Label>,
    /// How to mend it.
    pub help: Option<String>,
    /// Edits that mend it, the best first.
    pub fixes: Vec<Fix>,
}

/// A change of the source that mends a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as an order without a full stop: "rename it to `streams`".
    pub title: String,
    /// Whether it may be made unseen.
    pub safety: Safety,
    /// What is replaced; the spans do not overlap.
    pub edits: Vec<Edit>,
}

/// Whether a fix may be made unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Safety {
    /// It says what the author plainly meant, and takes nothing away.
    Safe,
    /// It is a guess, or changes what the connector does: a person should look at it.
    Unsafe,
}

impl Safety {
    /// How safe it is to put `meant` in place of what was written: what is spelt almost alike was
    /// meant, what merely resembles it may not be.
    pub(crate) fn of_suggestion(written: &str, meant: &str) -> Self {
        if near(written, [meant]).is_some() { Self::Safe } else { Self::Unsafe }
    }
}

/// A replacement of one part of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; an empty span is a place to insert at.
    pub span: Span,
    /// What is put there.
    pub text: String,
}

/// A place in the manifest with what is to be seen there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place, in bytes of the source.
    pub span: Span,
    /// What is to be seen there; may be empty.
    pub text: String,
    /// Whether this is the place of the mistake itself.
    pub primary: bool,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The manifest cannot run.
    Error,
    /// The manifest runs, and will likely not do what was meant.
    Warning,
    /// Something that could be better.
    Info,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        })
    }
}

impl Diagnostic {
    pub(crate) fn new(code: &'static Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code: code.id,
            severity: code.severity,
            message: shown(message.into()),
            labels: vec![Label { span, text: String::new(), primary: true }],
            help: None,
            fixes: Vec::new(),
        }
    }

    /// Says otherwise what is wrong.
    pub(crate) fn set_message(&mut self, text: String) {
        self.message = shown(text);
    }

    /// Says what is to be seen at the primary place.
    pub(crate) fn label(mut self, text: impl Into<String>) -> Self {
        self.labels[0].text = shown(text.into());
        self
    }

    /// Adds a second place.
    pub(crate) fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: shown(text.into()), primary: false });
        self
    }

    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(shown(text.into()));
        self
    }

    pub(crate) fn maybe_help(mut self, text: Option<String>) -> Self {
        self.help = text.map(shown).or(self.help);
        self
    }

    /// Adds a fix of one edit that puts `text` in place of `span`.
    pub(crate) fn fix(
        self,
        safety: Safety,
        title: impl Into<String>,
        span: Span,
        text: impl Into<String>,
    ) -> Self {
        self.fix_all(safety, title, vec![Edit { span, text: text.into() }])
    }

    /// Adds a fix of several edits.
    pub(crate) fn fix_all(
        mut self,
        safety: Safety,
        title: impl Into<String>,
        edits: Vec<Edit>,
    ) -> Self {
        self.fixes.push(Fix { title: shown(title.into()), safety, edits });
        self
    }

    pub(crate) fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// The place of the mistake.
    #[must_use]
    pub fn span(&self) -> Span {
        self.labels.first().map_or(Span::default(), |label| label.span)
    }
}

/// A text as it can be shown on one line, whatever of the manifest it quotes: what would break the
/// line, be taken for something else or not be seen at all is written as an escape
/// (<https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing>), and the middle of a very
/// long text is left out.
fn shown(text: String) -> String {
    let mut line = escaped(text);
    if line.len() > MAX_SHOWN {
        let start = (0..=KEPT.0).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        let last = line.len() - KEPT.1;
        let end = (last..line.len()).find(|at| line.is_char_boundary(*at)).unwrap_or(last);
        line.replace_range(start..end, "...");
    }
    line
}

/// A text on one line, with escapes for what is not seen as itself.
pub(crate) fn escaped(text: String) -> String {
    let is_odd = |c: char| !matches!(c, ' '..='~') && is_hidden(c);
    if !text.contains(is_odd) {
        return text;
    }
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if is_odd(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Whether a character is none that is seen as itself: a control or format character, a separator
/// of lines, or no character at all.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{fffe}'..='\u{ffff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_one_line_that_ends() {
        assert_eq!(
            shown("the key `caf\u{e9}` is \u{5d0}".to_owned()),
            "the key `caf\u{e9}` is \u{5d0}"
        );
        assert_eq!(shown("a\nb\u{1b}[31m".to_owned()), "a\\nb\\u{1b}[31m");
        assert_eq!(shown("a\u{202e}b\u{200b}".to_owned()), "a\\u{202e}b\\u{200b}");
        let long = shown(format!("the key `{}` is set twice", "\u{e9}".repeat(100_000)));
        assert!(
            long.starts_with("the key `\u{e9}") && long.ends_with("\u{e9}` is set twice"),
            "{long}"
        );
        assert!(long.contains("\u{e9}...\u{e9}") && long.len() <= MAX_SHOWN, "{long}");
    }
}

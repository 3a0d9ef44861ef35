//! Where the scanner stops is not always where the mistake is: what it says, told at the right place.

use granit_parser::ErrorKind;

use super::{Builder, MAX_DEPTH, SyntaxError, SyntaxErrorKind};
use crate::span::Span;

impl Builder<'_> {
    pub(super) fn scan_error(&mut self, error: &granit_parser::ScanError) {
        let at = error.marker().byte_offset().unwrap_or(0).min(self.source.len());
        // What follows a template that was read as a mapping is its consequence.
        let line_start = self.source[..at].rfind('\n').map_or(0, |at| at + 1);
        let explained = self.errors.iter().any(|known| {
            known.kind == SyntaxErrorKind::UnquotedTemplate && known.span.end as usize >= line_start
        });
        if explained {
            return;
        }
        let line = self.source[line_start..].lines().next().unwrap_or_default();
        if self.template_on_line(line_start, line) {
            return;
        }
        if self.tab(&error.info(), at) || self.unclosed_quote(&error.info(), at) {
            return;
        }
        let end = at + self.source[at..].chars().next().map_or(0, char::len_utf8);
        let first = self.source[at..].chars().next();
        let help = match error.kind() {
            ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation => "indent with spaces: YAML does not allow tabs here",
            ErrorKind::RecursionLimitExceeded => "a manifest never needs nesting this deep",
            ErrorKind::DirectiveDisallowed => "remove the `%` directive line",
            _ => match first {
                Some('@' | '`' | '%') => {
                    "quote the value: it starts with a character YAML reserves"
                }
                Some('\t') => "indent with spaces: YAML does not allow tabs here",
                _ => "check the indentation, colons and quotes on this line and the one before",
            },
        };
        let kind = match error.kind() {
            ErrorKind::RecursionLimitExceeded => SyntaxErrorKind::Limit,
            ErrorKind::DirectiveDisallowed => SyntaxErrorKind::Unsupported,
            _ => SyntaxErrorKind::Yaml,
        };
        if error.info().contains("mapping values are not allowed") {
            let message = "a key stands where the value of the line above goes on".to_owned();
            let help =
                "indent it like the keys above it; or quote the value, if the colon is part of it";
            self.error(kind, Span::new(at, end), message, help);
            return;
        }
        let message = match kind {
            SyntaxErrorKind::Limit => format!("the manifest nests deeper than {MAX_DEPTH} levels"),
            _ => format!("not valid YAML: {}", error.info().trim_end_matches('.')),
        };
        self.error(kind, Span::new(at, end), message, help);
    }

    /// Reports a tab at the tab: the scanner stops where the scalar before it began.
    fn tab(&mut self, info: &str, at: usize) -> bool {
        if !info.contains("tab") {
            return false;
        }
        let Some(tab) = self.source[at..].find('\t').map(|tab| at + tab) else { return false };
        let message = "a tab stands where YAML allows spaces alone".to_owned();
        let help = "indent with spaces";
        self.error(SyntaxErrorKind::Yaml, Span::new(tab, tab + 1), message, help);
        true
    }

    /// Reports a quote that is not closed where it is opened: the scanner notices at the next one,
    /// lines later.
    fn unclosed_quote(&mut self, info: &str, at: usize) -> bool {
        let quote = match () {
            () if info.contains("double-quoted") => '"',
            () if info.contains("single-quoted") => '\'',
            () => return false,
        };
        let Some(close) = self.source[..at].rfind(quote) else { return false };
        let Some(open) = self.source[..close].rfind(quote) else { return false };
        if !self.source[open..close].contains('\n') {
            return false;
        }
        self.errors.push(SyntaxError {
            kind: SyntaxErrorKind::Yaml,
            span: Span::new(open, open + 1),
            message: "a quote is opened and not closed on its line".to_owned(),
            help: Some(format!("close it with `{quote}`")),
            related: Some((Span::new(close, close + 1), "it would end here".to_owned())),
        });
        true
    }

    /// Reports `key: {{x}}/y` when the scanner stopped before the mapping was seen as one.
    fn template_on_line(&mut self, line_start: usize, line: &str) -> bool {
        let Some(colon) = line.find(": {{").or_else(|| line.find("- {{")) else { return false };
        let start = line_start + colon + 2;
        self.unquoted_template(Span::new(start, start))
    }
}

/// The value that starts with a template, as far as it was meant to go on its line.
pub(super) fn template_value<'s>(before: &str, rest: &'s str) -> &'s str {
    let line = rest.lines().next().unwrap_or_default();
    let value = line.split(" #").next().unwrap_or_default().trim_end();
    let line_before = before.rsplit('\n').next().unwrap_or_default();
    if !line_before.contains(['{', '[']) {
        return value;
    }
    // Between brackets a value ends at the next comma or bracket that is not part of a template.
    let mut at = 0;
    while let Some(open) = value[at..].strip_prefix("{{") {
        let Some(close) = open.find("}}") else { return value };
        at += 2 + close + 2;
        at += value[at..].find(['{', '}', ']', ',']).unwrap_or(value.len() - at);
    }
    value[..at].trim_end()
}

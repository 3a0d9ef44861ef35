//! Where the scanner stops is not always where the mistake is: what it says, told at the right place.

use granit_parser::ErrorKind;

use super::{Builder, MAX_DEPTH, Open, SyntaxError, SyntaxErrorKind};
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
        let info = error.info();
        if self.tab(&info, at)
            || self.unknown_anchor(&info, at)
            || self.unclosed_quote(&info, at)
            || self.unclosed_bracket(&info, at)
            || self.bracket_in_value(at)
        {
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

    /// Reports `*name` where no anchor has the name: neither is part of the language.
    fn unknown_anchor(&mut self, info: &str, at: usize) -> bool {
        if !info.contains("unknown anchor") {
            return false;
        }
        let is_name = |c: char| !c.is_whitespace() && !matches!(c, ',' | '[' | ']' | '{' | '}');
        let length = self.source[at..].find(|c| !is_name(c)).unwrap_or(self.source.len() - at);
        self.alias(Span::new(at, at + length));
        true
    }

    /// Reports a value such as `$.items[*]` between brackets, where YAML reads the `[` of it as one
    /// of its own.
    fn bracket_in_value(&mut self, at: usize) -> bool {
        // The scanner stops at the bracket, or at the `*` in it.
        let bytes = self.source.as_bytes();
        let is_inside = |at: &usize| {
            matches!(bytes.get(*at), Some(b'[' | b'{'))
                && at.checked_sub(1).is_some_and(|before| !b" \n[{,:".contains(&bytes[before]))
        };
        let Some(bracket) = (at.saturating_sub(2)..=at).rev().find(is_inside) else { return false };
        let (before, rest) = self.source.split_at(bracket);
        // The scanner reads to the end of a line before the parser tells what opens in it.
        let line = before.lines().next_back().unwrap_or_default();
        if self.open_bracket().is_none() && !line.contains(" {") && !line.contains(" [") {
            return false;
        }
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        let start = before[line..].rfind([' ', '[', '{', ',']).map_or(line, |at| line + at + 1);
        let mut depth = 0_usize;
        let length = rest.find(|c: char| match c {
            '[' | '{' => {
                depth += 1;
                false
            }
            ']' | '}' if depth > 0 => {
                depth -= 1;
                false
            }
            ',' | ']' | '}' => depth == 0,
            c => c == '\n',
        });
        let value = self.source[start..bracket + length.unwrap_or(rest.len())].trim_end();
        let span = Span::new(start, start + value.len());
        let help = format!("write \"{value}\"");
        let message = "between brackets, a value with a bracket in it must be quoted".to_owned();
        self.error(SyntaxErrorKind::Yaml, span, message, &help);
        true
    }

    /// The innermost `{` or `[` that was opened and not closed.
    fn open_bracket(&self) -> Option<usize> {
        let starts = self.open.iter().rev().map(|open| match open {
            Open::Sequence { span, .. } | Open::Mapping { span, .. } => span.start as usize,
        });
        let is_bracket = |at: &usize| self.source[*at..].starts_with(['{', '[']);
        starts.take_while(is_bracket).next()
    }

    /// Reports a `{` or `[` that nothing closes where it stands: the scanner notices lines later.
    fn unclosed_bracket(&mut self, info: &str, at: usize) -> bool {
        // Closed by a bracket of the other kind, or by none.
        let mismatched = info.contains("mismatched bracket").then_some(at);
        let Some(open) = mismatched.or_else(|| self.open_bracket()) else { return false };
        if mismatched.is_none() && is_closed(&self.source[open..]) {
            return false;
        }
        let (bracket, closing) =
            if self.source[open..].starts_with('{') { ('{', '}') } else { ('[', ']') };
        let noticed = Span::new(at, self.source.len().min(at + 1));
        let elsewhere =
            self.source[open..at].contains('\n') && self.source.is_char_boundary(at + 1);
        self.errors.push(SyntaxError {
            kind: SyntaxErrorKind::Yaml,
            span: Span::new(open, open + 1),
            message: format!("the `{bracket}` is never closed"),
            help: Some(format!("close it with `{closing}`")),
            related: elsewhere.then(|| (noticed, "noticed here".to_owned())),
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

/// Whether the bracket that a text starts with is closed in it. Quotes and comments are skipped, as
/// far as they can be told without reading the text as YAML.
fn is_closed(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut comment = false;
    let mut last = ' ';
    for character in text.chars() {
        if comment {
            comment = character != '\n';
        } else if let Some(open) = quote {
            if character == open && last != '\\' {
                quote = None;
            }
        } else {
            match character {
                '{' | '[' => depth += 1,
                '}' | ']' if depth == 1 => return true,
                '}' | ']' => depth -= 1,
                '#' if last.is_whitespace() => comment = true,
                '"' | '\'' if last.is_whitespace() || "[{,".contains(last) => {
                    quote = Some(character);
                }
                _ => {}
            }
        }
        last = character;
    }
    false
}

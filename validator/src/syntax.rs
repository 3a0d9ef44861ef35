//! Mistakes that the YAML front end found, as diagnostics.

use longshore_schema::yaml::{SyntaxError, SyntaxErrorKind};

use crate::codes;
use crate::diagnostic::{Diagnostic, Safety};

pub(crate) fn diagnostic(source: &str, error: SyntaxError) -> Diagnostic {
    let code = match error.kind {
        SyntaxErrorKind::Yaml => &codes::YAML_SYNTAX,
        SyntaxErrorKind::UnquotedTemplate => &codes::UNQUOTED_TEMPLATE,
        SyntaxErrorKind::DuplicateKey => &codes::DUPLICATE_KEY,
        SyntaxErrorKind::AmbiguousScalar => &codes::AMBIGUOUS_SCALAR,
        SyntaxErrorKind::Unsupported => &codes::UNSUPPORTED_YAML,
        SyntaxErrorKind::Limit => &codes::TOO_LARGE,
        SyntaxErrorKind::Document => &codes::ONE_DOCUMENT,
    };
    let mut diagnostic = Diagnostic::new(code, error.span, error.message).maybe_help(error.help);
    let quoted = source.get(error.span.range()).and_then(quoted);
    diagnostic = match (error.kind, quoted) {
        (SyntaxErrorKind::UnquotedTemplate, Some(quoted)) => {
            diagnostic.fix(Safety::Safe, "put it in quotes", error.span, quoted)
        }
        // A truth value or a number may be meant as well.
        (SyntaxErrorKind::AmbiguousScalar, Some(quoted)) => {
            diagnostic.fix(Safety::Unsafe, "put it in quotes", error.span, quoted)
        }
        _ => diagnostic,
    };
    if let Some((span, text)) = error.related {
        diagnostic = diagnostic.also(span, text);
    }
    diagnostic
}

/// The text in quotes that need no escapes; `None` if there are none.
fn quoted(text: &str) -> Option<String> {
    let quote = ['"', '\''].into_iter().find(|quote| !text.contains([*quote, '\n', '\\']))?;
    Some(format!("{quote}{text}{quote}"))
}

//! Mistakes that the YAML front end found, as diagnostics.

use longshore_schema::yaml::{SyntaxError, SyntaxErrorKind};

use crate::codes;
use crate::diagnostic::Diagnostic;

pub(crate) fn diagnostic(error: SyntaxError) -> Diagnostic {
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
    if let Some((span, text)) = error.related {
        diagnostic = diagnostic.also(span, text);
    }
    diagnostic
}

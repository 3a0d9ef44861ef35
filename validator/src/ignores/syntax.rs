//! How an ignore is written.

use longshore_schema::Span;

use crate::codes;
use crate::diagnostic::{Diagnostic, Safety};

/// A comment that is an ignore.
pub(super) struct Parsed {
    /// What stands between the brackets.
    pub(super) list: Span,
    /// Each name in the list.
    pub(super) names: Vec<Span>,
    /// Whether a reason follows.
    pub(super) reasoned: bool,
}

/// Reads a comment; `None` if it has nothing to do with ignores. What looks like an ignore and is
/// none is a finding.
pub(super) fn parse(source: &str, comment: Span) -> Option<Result<Parsed, Box<Diagnostic>>> {
    let whole = source.get(comment.range())?;
    let text = whole.trim_start_matches('#').trim_start();
    let name =
        text.get(.."longshore".len()).filter(|name| name.eq_ignore_ascii_case("longshore"))?;
    let rest = text[name.len()..].trim_start();
    let colon = rest.strip_prefix(':');
    let rest = colon.unwrap_or(rest).trim_start();
    let word_end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (word, rest) = rest.split_at(word_end);
    if strsim::damerau_levenshtein(&word.to_ascii_lowercase(), "ignore") > 2 {
        return None;
    }
    let rest = rest.trim_start();
    let inner = rest.strip_prefix('[').and_then(|inner| inner.split_once(']'));
    if let Some((list, reason)) = inner
        && (name, word, colon.is_some()) == ("longshore", "ignore", true)
        && !list.trim().is_empty()
    {
        let at = |part: &str| {
            let start = part.as_ptr() as usize - source.as_ptr() as usize;
            Span::new(start, start + part.len())
        };
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        return Some(Ok(Parsed {
            list: at(list),
            names: names.map(at).collect(),
            reasoned: reason.chars().any(char::is_alphanumeric),
        }));
    }
    Some(Err(Box::new(malformed(comment, inner, rest))))
}

/// The finding on a comment that goes on with `rest`, perhaps `[list] reason`.
fn malformed(comment: Span, inner: Option<(&str, &str)>, rest: &str) -> Diagnostic {
    let is_code = |word: &&str| {
        word.len() == 6
            && word.starts_with("LS")
            && word.bytes().skip(2).all(|byte| byte.is_ascii_digit())
    };
    // Outside of brackets the names of rules are words like others.
    let named: Vec<_> = match inner {
        Some((list, _)) => {
            list.split(',').map(str::trim).filter(|name| codes::find(name).is_some()).collect()
        }
        None => rest.split(|c: char| !c.is_ascii_alphanumeric()).filter(is_code).collect(),
    };
    let diagnostic =
        Diagnostic::new(&codes::MALFORMED_IGNORE, comment, "this is not read as an ignore");
    let Some(last) = named.last() else {
        return diagnostic.help(
            "write `# longshore: ignore[LS0203] reason`, with the codes as reports show them",
        );
    };
    let behind = || rest.rsplit_once(last).map(|(_, reason)| reason);
    let reason = inner.map(|(_, reason)| reason).or_else(behind).unwrap_or_default();
    let reason = reason.trim_start_matches(|c: char| !c.is_alphanumeric());
    let text = format!("# longshore: ignore[{}] {reason}", named.join(", "));
    let text = text.trim_end();
    diagnostic.help(format!("write `{text}`")).fix(
        Safety::Safe,
        "write the ignore as it is read",
        comment,
        text,
    )
}

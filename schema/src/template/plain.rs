//! Templates of the usual forms, read many times faster than by the whole Handlebars grammar.

use super::{Expression, Helper, Part, Reference};
use crate::Literal;

/// Words that mean something else than a name in Handlebars, which in places takes a name that
/// starts with one for it.
const WORDS: [&str; 8] = ["this", "true", "false", "null", "else", "as", "undefined", "lookup"];

/// The deepest nesting of conditions that is read here.
const MAX_DEPTH: usize = 4;

/// The parts of a template of text, references (`{{inputs.host}}`), helpers with references and
/// texts as arguments (`{{date window.start "%F"}}`) and conditions. `None` says nothing about the
/// template.
pub(super) fn parts(text: &str) -> Option<Vec<Part>> {
    // A line that holds nothing but a condition is left out whole.
    if text.contains('\n') && text.contains("{{#") {
        return None;
    }
    let mut rest = text;
    match until(&mut rest, 0)? {
        (parts, End::Text) => Some(parts),
        _ => None,
    }
}

/// What ends a run of parts.
#[derive(PartialEq)]
enum End {
    Text,
    Else,
    Close,
}

fn until(rest: &mut &str, depth: usize) -> Option<(Vec<Part>, End)> {
    let mut parts = Vec::new();
    loop {
        let open = rest.find("{{").unwrap_or(rest.len());
        let (before, expression) = rest.split_at(open);
        // A backslash may escape, and a single brace belongs to the expression next to it.
        if before.bytes().any(|byte| matches!(byte, b'\\' | b'{' | b'}')) {
            return None;
        }
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        if expression.is_empty() {
            *rest = "";
            return Some((parts, End::Text));
        }
        let (inner, after) = expression[2..].split_once("}}")?;
        *rest = after;
        match inner {
            "else" => return Some((parts, End::Else)),
            "/if" => return Some((parts, End::Close)),
            _ => {}
        }
        let Some(condition) = inner.strip_prefix("#if ") else {
            parts.push(Part::Expression(one(inner)?));
            continue;
        };
        if depth >= MAX_DEPTH {
            return None;
        }
        let condition = match condition.strip_prefix('(').and_then(|c| c.strip_suffix(')')) {
            Some(call) => one(call).filter(|call| matches!(call, Expression::Call { .. }))?,
            None => reference(condition)?,
        };
        let (then, end) = until(rest, depth + 1)?;
        let (otherwise, end) =
            if end == End::Else { until(rest, depth + 1)? } else { (Vec::new(), end) };
        if end != End::Close {
            return None;
        }
        parts.push(Part::If { condition, then, otherwise });
    }
}

fn one(inner: &str) -> Option<Expression> {
    let inner = inner.trim_matches(' ');
    let Some((name, mut rest)) = inner.split_once(' ') else { return reference(inner) };
    let (_, helper) = Helper::ALL.iter().find(|(known, _)| *known == name)?;
    let mut arguments = Vec::with_capacity(2);
    loop {
        rest = rest.trim_start_matches(' ');
        if rest.is_empty() {
            break;
        }
        let (argument, after) = if let Some(text) = rest.strip_prefix('"') {
            let (text, after) = text.split_once('"')?;
            let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'\\';
            if !text.bytes().all(is_plain) {
                return None;
            }
            (Expression::Literal(Literal::Text(text.to_owned())), after)
        } else {
            let (name, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
            (reference(name)?, after)
        };
        if !after.is_empty() && !after.starts_with(' ') {
            return None;
        }
        arguments.push(argument);
        rest = after;
    }
    (arguments.len() == helper.arity()).then_some(Expression::Call { helper: *helper, arguments })
}

fn reference(text: &str) -> Option<Expression> {
    let is_name = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !WORDS.iter().any(|word| part.starts_with(word))
    };
    text.split('.').all(is_name).then(|| {
        Expression::Reference(Reference { path: text.split('.').map(str::to_owned).collect() })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::by_grammar;
    use super::*;

    #[test]
    fn usual_templates_are_read_without_the_grammar() {
        for text in [
            "{{inputs.host}}",
            "https://{{inputs.host}}/x?y={{ page.cursor }}&z",
            "{{date window.start \"%Y-%m-%dT%H:%M:%SZ\"}}",
            "a {{default record.a \"\"}} b\n{{ago inputs.backfill}}",
            "a {{#if inputs.a}}b{{c.d}}{{else}}e{{/if}} f",
            "{{#if (eq facts.a \"b\")}}c{{#if d}} {{/if}}{{/if}}",
        ] {
            assert_eq!(parts(text), Some(by_grammar(text).unwrap()), "{text}");
        }
        for text in [
            "{{",
            "{{}}",
            "{{a-b}}",
            "{{#if a}}b",
            "{{#if a}}\n{{/if}}",
            "\\{{a}}",
            "{{date a}}",
            "{{1}}",
        ] {
            assert_eq!(parts(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn plain_templates_agree_with_the_grammar(
            pieces in proptest::collection::vec(proptest::sample::select(vec![
                "{{", "{{", "}}", "}}", " ", "  ", "\n", "\t", "a", "a.b", "{{a.b}}", "{{ x }}",
                "date ", "json ", "eq ", "\"%F\"", "\"", "\"a b\"", "'", "\\", "{", "}", "(", ")",
                "else", "this", "true", "null", "lookup", "as", "|", "~", "1", "-", ".", "_", "é",
                "&", "#if ", "/if", "!", ">", "@", "..", "=", "\"}}\"", "if", "log", "each", "or",
                "{{#if a}}", "{{#if a}}", "{{/if}}", "{{/if}}", "{{else}}", "(eq a.b \"c\")", "not", "len", "in", "raw", "with", "gt", "undefined", "inverse",
            ]), 0..10),
        ) {
            let text = pieces.concat();
            if let (Some(parts), false) = (parts(&text), text.contains("{{{")) {
                prop_assert_eq!(Ok(parts), by_grammar(&text));
            }
        }

        #[test]
        fn plain_calls_agree_with_the_grammar(
            name in "[a-z_]{1,5}|date|epoch|ago|urlencode|json|base64|default|eq",
            arguments in proptest::collection::vec("[a-z_][a-z0-9_.]{0,6}|\"[ -~]{0,6}\"", 0..4),
            space in " {1,3}",
            around in "[ -~\n]{0,5}",
        ) {
            let text = format!("{around}{{{{{name}{space}{}}}}}{around}", arguments.join(&space));
            if let (Some(parts), false) = (parts(&text), text.contains("{{{")) {
                prop_assert_eq!(Ok(parts), by_grammar(&text));
            }
        }
    }
}

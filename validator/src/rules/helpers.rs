//! Helpers in templates: each is given what it can work with.

use longshore_schema::scalar::{Duration, Scalar};
use longshore_schema::template::{Expression, Helper, Part};
use longshore_schema::{Literal, Span, Template};

use super::Context;
use super::sites::sites;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::suggest::{closest, one_of};

/// Times are given to what writes times, and formats, units and durations are such.
pub(crate) fn arguments(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for site in sites(cx.manifest) {
        for (helper, arguments) in calls(site.template) {
            if helper == Helper::Lookup {
                found.extend(table(cx, site.span, arguments));
            } else if let Some((n, what, help)) = fault(helper, arguments) {
                let span = place(cx, site.span, &arguments[n]);
                found.push(Diagnostic::new(&codes::HELPER_ARGUMENT, span, what).help(help));
            }
        }
    }
}

/// All calls of helpers in a template.
pub(super) fn calls(template: &Template) -> Vec<(Helper, &[Expression])> {
    let mut calls = Vec::new();
    in_parts(template.parts(), &mut calls);
    calls
}

/// What is looked up stands in a table that is declared.
fn table(cx: &Context<'_>, span: Span, arguments: &[Expression]) -> Option<Diagnostic> {
    let Some(Expression::Literal(Literal::Text(name))) = arguments.first() else {
        let what = "the name of the table is not written out";
        return Some(
            Diagnostic::new(&codes::HELPER_ARGUMENT, place(cx, span, arguments.first()?), what)
                .help("write it in quotes: `lookup \"regions\" inputs.region`"),
        );
    };
    let names = cx.names(&["tables"]);
    if names.contains(&name.as_str()) || cx.unread(&["tables"]) {
        return None;
    }
    let mut diagnostic = Diagnostic::new(
        &codes::HELPER_ARGUMENT,
        cx.find(span, name, 0),
        format!("there is no table `{name}`"),
    );
    if let Some(meant) = closest(name, names.iter().copied()) {
        diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
    }
    Some(diagnostic.help(if names.is_empty() {
        format!("declare it: `tables: {{ {name}: {{ eu: api.eu.example.com }} }}`")
    } else {
        format!("the tables are {}", one_of(names.iter().copied()))
    }))
}

/// Which argument of a call is wrong, in what, and how to mend it.
fn fault(helper: Helper, arguments: &[Expression]) -> Option<(usize, String, &'static str)> {
    let text = |n: usize| match arguments.get(n) {
        Some(Expression::Literal(Literal::Text(text))) => Some(text.as_str()),
        _ => None,
    };
    let (name, example) = match helper {
        Helper::Date => ("date", "write `date window.start \"%Y-%m-%d\"`"),
        Helper::Epoch => ("epoch", "write `epoch window.start \"s\"`, or \"ms\""),
        Helper::Ago => {
            let bad = text(0).filter(|text| Duration::parse(text).is_err())?;
            let help = "write a duration such as `ago \"30d\"`, or an input of type duration";
            return Some((0, format!("`{bad}` is not a duration"), help));
        }
        _ => return None,
    };
    let is_time = match arguments.first()? {
        Expression::Call { helper, .. } => *helper == Helper::Ago,
        Expression::Reference(reference) => {
            // A reference to what does not exist is reported as such.
            !matches!(reference.path[0].as_str(), "inputs" | "facts" | "page" | "auth" | "action")
        }
        Expression::Literal(_) => false,
    };
    if !is_time {
        return Some((0, format!("`{name}` is given what is not a time"), example));
    }
    let second = text(1)?;
    match helper {
        Helper::Date if !second.contains('%') => Some((
            1,
            format!("`{second}` is not a time pattern"),
            "write strftime conversions, such as %Y-%m-%dT%H:%M:%SZ",
        )),
        Helper::Epoch if !matches!(second, "s" | "ms") => Some((
            1,
            format!("`{second}` is not a unit"),
            "write \"s\" for seconds, or \"ms\" for milliseconds",
        )),
        _ => None,
    }
}

fn in_parts<'t>(parts: &'t [Part], calls: &mut Vec<(Helper, &'t [Expression])>) {
    for part in parts {
        match part {
            Part::Text(_) => {}
            Part::Expression(expression) => in_expression(expression, calls),
            Part::If { condition, then, otherwise } => {
                in_expression(condition, calls);
                in_parts(then, calls);
                in_parts(otherwise, calls);
            }
        }
    }
}

fn in_expression<'t>(expression: &'t Expression, calls: &mut Vec<(Helper, &'t [Expression])>) {
    if let Expression::Call { helper, arguments } = expression {
        calls.push((*helper, arguments));
        for argument in arguments {
            in_expression(argument, calls);
        }
    }
}

/// The argument, if it stands in the source verbatim; else the whole template.
fn place(cx: &Context<'_>, span: Span, argument: &Expression) -> Span {
    match argument {
        Expression::Reference(reference) => cx.find(span, &reference.to_string(), 0),
        Expression::Literal(literal) => cx.find(span, &literal.to_string(), 0),
        Expression::Call { .. } => span,
    }
}

//! Tests of values: what they accept, and whether they can tell anything.

use std::collections::{HashMap, HashSet};

use longshore_schema::probe::Test;
use longshore_schema::{Literal, Span, Spanned};

use super::asked::{checks, probes};
use super::errors::for_people;
use super::{Context, is_written};
use crate::codes;
use crate::diagnostic::Diagnostic;

/// A test accepts something, and refuses something.
pub(crate) fn possible(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (test, _) in tests(cx) {
        found.extend(impossible(test));
    }
    let facts: HashMap<_, _> =
        cx.manifest.facts.iter().map(|(name, fact)| (name.as_str(), fact)).collect();
    for asked in probes(cx.manifest) {
        let Some(name) = &asked.probe.fact else { continue };
        let Some(fact) = facts.get(name.as_str()) else { continue };
        // A fact that is not one of two values can be anything.
        let (Some(if_found), Some(if_missing)) = (&fact.found, &fact.missing) else { continue };
        if !is_written(if_found.span) || !is_written(if_missing.span) {
            continue;
        }
        let test = &asked.probe.expect;
        let accepted = [if_found, if_missing].map(|value| accepts(test, value));
        if accepted[0] == accepted[1] && impossible(test).is_none() {
            let what = if accepted[0] { "either" } else { "neither" };
            found.push(
                Diagnostic::new(
                    &codes::IMPOSSIBLE_EXPECTATION,
                    place(test),
                    format!(
                        "the fact `{name}` has one of two values, and {what} of them is expected"
                    ),
                )
                .also(if_found.span, "if something is found")
                .also(if_missing.span, "if nothing is found")
                .help(format!(
                    "write what is good: `expect: {}` or `expect: {}`",
                    **if_found, **if_missing
                )),
            );
        }
    }
}

fn impossible(test: &Spanned<Test>) -> Option<Diagnostic> {
    let (message, help) = match &test.value {
        Test::Between(range)
            if range.from.value > range.to.value
                && is_written(range.from.span)
                && is_written(range.to.span) =>
        {
            (
                format!("no number is between {} and {}", *range.from, *range.to),
                format!("write `from: {}` and `to: {}`", *range.to, *range.from),
            )
        }
        Test::Count(count) => match (&count.at_least, &count.at_most) {
            (None, None) => (
                "any number of values will do".to_owned(),
                "write `count: { at_most: 0 }`, or `count: { at_least: 1 }`".to_owned(),
            ),
            (Some(least), Some(most)) if least.value > most.value => (
                format!("nothing is counted {} times or more and {} or fewer", **least, **most),
                format!("write `at_least: {}` and `at_most: {}`", **most, **least),
            ),
            (Some(least), None) if least.value == 0 => (
                "everything is counted at least no times".to_owned(),
                "write `at_least: 1`, or `at_most: 0` for none".to_owned(),
            ),
            _ => return None,
        },
        _ => return None,
    };
    Some(Diagnostic::new(&codes::IMPOSSIBLE_EXPECTATION, place(test), message).help(help))
}

/// Judgements hang on codes and numbers, not on words.
pub(crate) fn localized(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut seen = HashSet::new();
    for (test, path) in tests(cx) {
        let Some(path) = path.filter(|_| by_text(test)) else { continue };
        if let Some(name) = for_people(&path.value)
            && seen.insert(path.span)
        {
            found.push(
                Diagnostic::new(
                    &codes::LOCALIZED_TEXT,
                    path.span,
                    format!("`{name}` is text for people, and a judgement hangs on it"),
                )
                .also(test.span, "the judgement")
                .help("select a code or a number of the app: text changes with the account's language and with releases"),
            );
        }
    }
}

/// All tests, each with the path of what it looks at.
fn tests<'m>(
    cx: &Context<'m>,
) -> Vec<(&'m Spanned<Test>, Option<&'m Spanned<longshore_schema::JsonPath>>)> {
    let manifest = cx.manifest;
    let values: HashMap<_, _> = manifest
        .settings
        .iter()
        .filter_map(|(name, settings)| Some((name.as_str(), settings.value.as_ref()?)))
        .collect();
    let mut all = Vec::new();
    for asked in probes(manifest) {
        let probe = &asked.probe.value;
        let settings = probe.settings.as_ref().filter(|_| probe.setting.is_some());
        let value = settings.and_then(|name| values.get(name.as_str()).copied());
        let path = probe.select.as_ref().or(value);
        all.push((&probe.expect, path));
    }
    for (_, check) in checks(manifest) {
        all.extend(check.partial.iter().chain(&check.fail).map(|test| (test, None)));
    }
    for (_, action) in &manifest.actions {
        all.push((&action.verify.expect, Some(&action.verify.select)));
    }
    all
}

/// Whether a test hangs on how a text is worded.
fn by_text(test: &Test) -> bool {
    match test {
        Test::Equals(value) | Test::Not(value) => value.as_text().is_some(),
        Test::In(values) => values.iter().any(|value| value.as_text().is_some()),
        Test::Matches(_) => true,
        Test::AtLeast(_) | Test::AtMost(_) | Test::Between(_) | Test::Count(_) => false,
    }
}

/// Where the numbers or values of a test stand.
pub(crate) fn place(test: &Spanned<Test>) -> Span {
    match &test.value {
        Test::Equals(value) | Test::Not(value) => value.span,
        Test::In(values) => values.span,
        Test::AtLeast(number) | Test::AtMost(number) => number.span,
        Test::Between(range) => range.span,
        Test::Matches(pattern) => pattern.span,
        Test::Count(count) => count.span,
    }
}

/// A value as a number, also one that is written as text.
fn number(value: &Literal) -> Option<f64> {
    match value {
        Literal::Integer(number) => Some(*number as f64),
        Literal::Float(number) => Some(*number),
        Literal::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        Literal::Bool(_) => None,
    }
}

fn same(a: &Literal, b: &Literal) -> bool {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq(),
        _ => a.to_string() == b.to_string(),
    }
}

/// Whether a value passes a test.
pub(crate) fn accepts(test: &Test, value: &Literal) -> bool {
    match test {
        Test::Equals(wanted) => same(wanted, value),
        Test::Not(other) => !same(other, value),
        Test::In(wanted) => wanted.iter().any(|wanted| same(wanted, value)),
        Test::Matches(pattern) => pattern.is_match(&value.to_string()),
        Test::AtLeast(_) | Test::AtMost(_) | Test::Between(_) => {
            let number = number(value);
            range(test)
                .zip(number)
                .is_some_and(|((least, most), number)| least <= number && number <= most)
        }
        Test::Count(count) => {
            let least = count.at_least.as_ref().map_or(0, |least| least.value);
            let most = count.at_most.as_ref().map_or(u64::MAX, |most| most.value);
            least <= 1 && 1 <= most
        }
    }
}

/// The values that a test lists, if it lists them.
fn listed(test: &Test) -> Option<Vec<&Literal>> {
    match test {
        Test::Equals(value) => Some(vec![&value.value]),
        Test::In(values) => Some(values.iter().map(|value| &value.value).collect()),
        _ => None,
    }
}

/// The range of numbers, or of counts, that a test accepts; none if it accepts no number at all.
fn range(test: &Test) -> Option<(f64, f64)> {
    let range = match test {
        Test::AtLeast(least) => Some((least.value, f64::INFINITY)),
        Test::AtMost(most) => Some((f64::NEG_INFINITY, most.value)),
        Test::Between(range) => Some((range.from.value, range.to.value)),
        Test::Count(count) => {
            let least = count.at_least.as_ref().map_or(0.0, |least| least.value as f64);
            let most = count.at_most.as_ref().map_or(f64::INFINITY, |most| most.value as f64);
            Some((least, most))
        }
        _ => None,
    };
    range.filter(|(least, most)| least <= most)
}

fn counts(test: &Test) -> bool {
    matches!(test, Test::Count(_))
}

/// Whether no answer passes both tests. In doubt one does.
pub(crate) fn disjoint(a: &Test, b: &Test) -> bool {
    if counts(a) != counts(b) {
        return false;
    }
    if let Some(values) = listed(a) {
        return values.iter().all(|value| !accepts(b, value));
    }
    if let Some(values) = listed(b) {
        return values.iter().all(|value| !accepts(a, value));
    }
    match (range(a), range(b)) {
        (Some((a_least, a_most)), Some((b_least, b_most))) => a_most < b_least || b_most < a_least,
        _ => false,
    }
}

/// Whether every answer that passes `a` passes `b`. In doubt one does not.
pub(crate) fn within(a: &Test, b: &Test) -> bool {
    if counts(a) != counts(b) {
        return false;
    }
    if let Some(values) = listed(a) {
        return values.iter().all(|value| accepts(b, value));
    }
    match (a, b) {
        (Test::Not(a), Test::Not(b)) => same(a, b),
        (Test::Matches(a), Test::Matches(b)) => a.value == b.value,
        (_, Test::Not(b)) => range(a).is_some() && !accepts(a, b),
        _ => match (range(a), range(b)) {
            (Some((a_least, a_most)), Some((b_least, b_most))) => {
                b_least <= a_least && a_most <= b_most
            }
            _ => false,
        },
    }
}

/// Whether two tests are about different things: what is selected, and how often.
pub(crate) fn mixed(a: &Test, b: &Test) -> bool {
    counts(a) != counts(b)
}

/// Whether together two ranges leave nothing out.
pub(crate) fn cover_everything(a: &Test, b: &Test) -> bool {
    let (Some(a), Some(b)) = (range(a), range(b)) else { return false };
    let (low, high) = if a.0 <= b.0 { (a, b) } else { (b, a) };
    let least = low.0 == f64::NEG_INFINITY || low.0 == 0.0;
    least && high.1 == f64::INFINITY && high.0 <= low.1 + 1.0
}

#[cfg(test)]
mod tests {
    use longshore_schema::scalar::{Pattern, Scalar};

    use super::*;

    fn spanned<T>(value: T) -> Spanned<T> {
        Spanned::new(value, Span::default())
    }

    fn text(value: &str) -> Literal {
        Literal::Text(value.to_owned())
    }

    fn equals(value: Literal) -> Test {
        Test::Equals(spanned(value))
    }

    fn one_of(values: &[&str]) -> Test {
        Test::In(spanned(values.iter().map(|value| spanned(text(value))).collect()))
    }

    fn at_most(number: f64) -> Test {
        Test::AtMost(spanned(number))
    }

    fn at_least(number: f64) -> Test {
        Test::AtLeast(spanned(number))
    }

    #[test]
    fn values_are_compared_as_they_are_written() {
        assert!(accepts(&equals(Literal::Bool(true)), &text("true")));
        assert!(accepts(&equals(Literal::Integer(8)), &text("8.0")));
        assert!(!accepts(&equals(text("a")), &text("A")));
        assert!(accepts(&at_most(8.0), &text("8")) && !accepts(&at_most(8.0), &text("eight")));
        assert!(
            !accepts(&at_most(8.0), &text("nan")) && !accepts(&at_most(1.0), &Literal::Bool(true))
        );
        let pattern = Test::Matches(spanned(Pattern::parse("en.*").unwrap()));
        assert!(accepts(&pattern, &text("en_US")) && !accepts(&pattern, &text("de")));
    }

    #[test]
    fn what_excludes_each_other_is_told() {
        assert!(disjoint(&equals(Literal::Bool(true)), &equals(Literal::Bool(false))));
        assert!(!disjoint(&equals(Literal::Bool(true)), &equals(text("true"))));
        assert!(disjoint(&one_of(&["a", "b"]), &one_of(&["c"])));
        assert!(!disjoint(&one_of(&["a", "b"]), &one_of(&["b"])));
        assert!(
            disjoint(&at_most(8.0), &at_least(9.0)) && !disjoint(&at_most(8.0), &at_least(8.0))
        );
        assert!(disjoint(&at_most(8.0), &equals(Literal::Integer(9))));
        assert!(disjoint(&Test::Not(spanned(text("a"))), &equals(text("a"))));
        assert!(!disjoint(&Test::Not(spanned(text("a"))), &Test::Not(spanned(text("b")))));
    }

    #[test]
    fn what_includes_the_other_is_told() {
        assert!(
            within(&at_most(60.0), &at_most(120.0)) && !within(&at_most(121.0), &at_most(120.0))
        );
        assert!(within(&one_of(&["a"]), &one_of(&["a", "b"])));
        assert!(within(&equals(text("b")), &Test::Not(spanned(text("a")))));
        assert!(within(&at_least(2.0), &Test::Not(spanned(Literal::Integer(1)))));
        assert!(cover_everything(&at_most(10.0), &at_least(5.0)));
        assert!(!cover_everything(&at_most(10.0), &at_most(20.0)));
    }
}

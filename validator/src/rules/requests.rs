//! Requests and answers: bodies that fit, waits that end, a pace that can be kept.

use std::collections::HashSet;
use std::time::Duration;

use longshore_schema::http::{Reaction, Wait};
use longshore_schema::map::{Attributes, Value};
use longshore_schema::stream::{Pages, Request};
use longshore_schema::template::{Expression, Helper};
use longshore_schema::{Literal, Span, Spanned};

use super::Context;
use super::asked::{closing_requests, every_fetch, key_of, single_requests};
use super::fetch::following;
use super::helpers::calls;
use super::sites::{all_attributes, maps, sites, streams};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::suggest::{closest, one_of};

/// Every request whose answer is read, and those that free what others left open.
pub(super) fn requests<'m>(cx: &Context<'m>) -> (Vec<&'m Request>, Vec<&'m Request>) {
    let mut read: Vec<&Request> =
        cx.manifest.facts.iter().map(|(_, fact)| &fact.request.value).collect();
    let mut freeing = Vec::new();
    for (_, fetch) in every_fetch(cx) {
        read.push(&fetch.request.value);
        for (n, request) in fetch.pages.map(|p| following(p)).unwrap_or_default().iter().enumerate()
        {
            if n == 0 {
                read.push(&request.value);
            } else {
                freeing.push(&request.value);
            }
        }
    }
    read.extend(single_requests(cx).into_iter().map(|(_, request)| &request.value));
    freeing.extend(closing_requests(cx).into_iter().map(|(_, request)| &request.value));
    (read, freeing)
}

/// A query is given the variables that it names, and no others.
pub(crate) fn graphql_variables(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let (read, freeing) = requests(cx);
    for graphql in read.into_iter().chain(freeing).filter_map(|r| r.graphql.as_ref()) {
        let named = graphql.query.variables();
        for (name, _) in &graphql.variables {
            if named.contains(&name.value) {
                continue;
            }
            let mut diagnostic = Diagnostic::new(
                &codes::GRAPHQL_VARIABLES,
                name.span,
                format!("the query has no variable `${}`", name.value),
            )
            .also(graphql.query.span, "the query")
            .help(format!("declare it in the query, such as `query (${}: String)`", name.value));
            if let Some(meant) = closest(&name.value, named.iter().map(String::as_str)) {
                diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
            }
            found.push(diagnostic);
        }
        let missing = named.iter().find(|name| graphql.variables.get(name).is_none());
        // One that is misspelt is reported as such.
        let misspelt = graphql.variables.iter().any(|(name, _)| !named.contains(&name.value));
        if let Some(missing) = missing.filter(|_| !misspelt) {
            found.push(
                Diagnostic::new(
                    &codes::GRAPHQL_VARIABLES,
                    cx.find(graphql.query.span, missing, 0),
                    format!("the variable `${missing}` is given no value"),
                )
                .help(format!(
                    "add it: `variables: {{ {missing}: ... }}`, or take it out of the query"
                )),
            );
        }
    }
}

/// A body of plain text says of what kind it is, and an answer that is read has a body.
pub(crate) fn bodies(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let (read, freeing) = requests(cx);
    let common = &cx.manifest.http.headers;
    for (request, is_read) in
        read.into_iter().map(|r| (r, true)).chain(freeing.into_iter().map(|r| (r, false)))
    {
        if let (Some(head), true) = (&request.head, is_read) {
            found.push(
                Diagnostic::new(
                    &codes::NO_ANSWER_BODY,
                    head.span,
                    "the answer to a HEAD request has no body to read",
                )
                .help("write `get`: HEAD is for requests whose answer is not looked at (RFC 9110, 9.3.2)"),
            );
        }
        let Some(text) = &request.text else { continue };
        let mut names = request.headers.iter().chain(common).map(|(name, _)| name);
        if !names.any(|name| name.value.eq_ignore_ascii_case("content-type")) {
            found.push(
                Diagnostic::new(
                    &codes::TEXT_WITHOUT_TYPE,
                    text.span,
                    "the body goes out as `text/plain`",
                )
                .help("say what it is, such as `headers: { Content-Type: application/xml }`; for JSON write `json`"),
            );
        }
    }
}

/// Whether some request says what it costs.
pub(crate) fn cost(cx: &Context<'_>) -> bool {
    let (read, freeing) = requests(cx);
    read.into_iter().chain(freeing).any(|request| !request.cost.is_empty())
}

/// What a request costs, it costs of a quota.
pub(crate) fn costs(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let quotas = cx.names(&["quotas"]);
    let (read, freeing) = requests(cx);
    for (name, cost) in read.into_iter().chain(freeing).flat_map(|request| &request.cost) {
        if !quotas.contains(&name.as_str()) && !cx.unread(&["quotas"]) {
            let mut diagnostic = Diagnostic::new(
                &codes::UNKNOWN_COST,
                name.span,
                format!("there is no quota `{name}`"),
            );
            if let Some(meant) = closest(name.as_str(), quotas.iter().copied()) {
                diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
            }
            found.push(diagnostic.help(if quotas.is_empty() {
                "declare it under `quotas`".to_owned()
            } else {
                format!("the quotas are {}", one_of(quotas.iter().copied()))
            }));
        } else if cost.value == 0 {
            found.push(
                Diagnostic::new(&codes::UNKNOWN_COST, cost.span, "a request costs something")
                    .help("write 1 or more; name the streams that a quota counts in its `streams`"),
            );
        }
    }
}

/// A rule that waits says how long, in one way, and with the unit.
pub(crate) fn waits(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for rule in &cx.manifest.errors {
        let Some(wait) = &rule.wait else { continue };
        let mut report = |span, message: &str, help: &str| {
            found.push(Diagnostic::new(&codes::WAIT_UNCLEAR, span, message).help(help));
        };
        let again =
            matches!(rule.then.value, Reaction::Retry | Reaction::Wait | Reaction::WaitForQuota);
        if !again {
            report(
                wait.span,
                "nothing is sent again, so there is nothing to wait for",
                "remove `wait`, or write `then: wait`",
            );
            continue;
        }
        match ways(wait).as_slice() {
            [] => report(
                wait.span,
                "it is not said how long to wait",
                "add `header: NAME` or `body: $.PATH` with the `unit`, or `for: 30s`",
            ),
            [(first, _), (second, span), ..] => report(
                *span,
                &format!("how long to wait is said in two ways: `{first}` and `{second}`"),
                &format!("keep `{first}`, or keep `{second}`"),
            ),
            [("for", span)] => {
                if let Some(unit) = &wait.unit {
                    report(unit.span, "`for` has its unit in itself", "remove `unit`");
                } else if wait.fixed.as_ref().is_some_and(|fixed| fixed.0 == Duration::ZERO) {
                    report(*span, "no time at all is no wait", "write a duration, such as 30s");
                }
            }
            [(way, span)] if wait.unit.is_none() => report(
                *span,
                &format!("it is not said how the `{way}` is written"),
                "add `unit: seconds`, or whichever it is: under the same name some apps send a wait and others a time",
            ),
            [_] => {}
        }
    }
}

fn ways(wait: &Wait) -> Vec<(&'static str, Span)> {
    let header = wait.header.as_ref().map(|header| ("header", header.span));
    let body = wait.body.as_ref().map(|body| ("body", body.span));
    let fixed = wait.fixed.as_ref().map(|fixed| ("for", fixed.span));
    [header, body, fixed].into_iter().flatten().collect()
}

/// A page is left out only where the next one is known without it, and made smaller only where its
/// size is asked for.
pub(crate) fn page_reactions(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut rules = cx
        .manifest
        .errors
        .iter()
        .filter(|rule| matches!(rule.then.value, Reaction::SkipPage | Reaction::ShrinkPage));
    let Some(first) = rules.next() else { return };
    let all: Vec<_> = every_fetch(cx).into_iter().filter_map(|(_, fetch)| fetch.pages).collect();
    let skips = all.iter().any(|pages| match &pages.value {
        Pages::Number(_) => true,
        Pages::Offset(offset) => offset.size.is_some(),
        _ => false,
    });
    let shrinks = all.iter().any(|pages| pages.size().is_some());
    for rule in std::iter::once(first).chain(rules) {
        let (holds, message, help) = match rule.then.value {
            Reaction::SkipPage => (
                skips,
                "no page can be left out: where the next one is, only the page itself tells",
                "it is for pages by `number`, or by `offset` with a `size`; write `then: stop`, or `retry`",
            ),
            _ => (
                shrinks,
                "no page can be made smaller: none has a `size`",
                "add `size` to the stream's `pages` and send `{{page.size}}`; or write `then: split_window`",
            ),
        };
        if !holds {
            found.push(Diagnostic::new(&codes::PAGE_REACTION, rule.then.span, message).help(help));
        }
    }
}

/// The most requests that a rate may count, which is held against each request.
const MAX_RATE: u64 = 100_000;

/// Rates let something through, are whole, and are for hosts that are called.
pub(crate) fn pace(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let http = &cx.manifest.http;
    let mut report = |span, message: String, help: &str| {
        found.push(Diagnostic::new(&codes::PACE, span, message).help(help));
    };
    let mut rates: Vec<(&Spanned<u64>, Span, Duration)> = Vec::new();
    let mut at_once: Vec<&Spanned<u64>> = http.concurrency.iter().collect();
    if let Some(rate) = &http.rate {
        rates.push((&rate.requests, rate.per.span, rate.per.0));
    }
    for (host, rate) in &http.hosts_rate {
        at_once.extend(&rate.concurrency);
        match (&rate.requests, &rate.per) {
            (Some(requests), Some(per)) => rates.push((requests, per.span, per.0)),
            (None, None) if rate.concurrency.is_some() => {}
            (None, None) => report(
                host.span,
                format!("nothing is said of the pace of `{}`", host.value),
                "add `requests` and `per`, or `concurrency`",
            ),
            (Some(requests), None) => report(
                requests.span,
                "so many requests, and it is not said in how long".to_owned(),
                "add `per: 1s`, or whatever the time is",
            ),
            (None, Some(per)) => report(
                per.span,
                "so long, and it is not said how many requests".to_owned(),
                "add `requests` with their number",
            ),
        }
        let name = host.value.as_str().trim_start_matches("*.");
        let called = |pattern: &str| {
            let declared = pattern.trim_start_matches("*.");
            name == declared
                || name.strip_suffix(declared).is_some_and(|front| front.ends_with('.'))
                || declared.strip_suffix(name).is_some_and(|front| front.ends_with('.'))
        };
        if cx.intact(&["http", "hosts"]) && !http.hosts.iter().any(|p| called(p.as_str())) {
            report(
                host.span,
                format!("the host `{}` is never called", host.value),
                "name a host of `http.hosts`",
            );
        }
    }
    for (requests, per_span, per) in rates {
        if requests.value == 0 || requests.value > MAX_RATE {
            report(
                requests.span,
                format!("{} requests cannot be kept to", requests.value),
                "write a number from 1 to 100000; more in a long time are a quota",
            );
        } else if per.is_zero() || per > Duration::from_secs(3600) {
            report(
                per_span,
                "a rate is for a second, a minute or an hour".to_owned(),
                "write such as `per: 1s`; what is allowed in a longer time is a quota",
            );
        }
    }
    for at_once in at_once.into_iter().filter(|at_once| at_once.value == 0) {
        report(
            at_once.span,
            "no request at all may be under way".to_owned(),
            "write at least 1, or leave it out",
        );
    }
}

/// The tables in which attributes are looked up, those of elements among them.
fn looked_up<'m>(attributes: &'m Attributes, used: &mut HashSet<&'m str>) {
    for (_, value) in attributes {
        if let Value::Source(source) = &value.value {
            used.extend(source.lookup.iter().map(|name| name.as_str()));
            looked_up(&source.map.0, used);
        }
    }
}

/// Something is looked up in every table.
pub(crate) fn unused_tables(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    if cx.manifest.tables.is_empty() {
        return;
    }
    let mut used: HashSet<&str> = HashSet::new();
    for site in sites(cx.manifest) {
        for (helper, arguments) in calls(site.template) {
            if let (Helper::Lookup, [Expression::Literal(Literal::Text(name)), ..]) =
                (helper, arguments)
            {
                used.insert(name);
            }
        }
    }
    for (_, _, stream) in streams(cx.manifest) {
        for attributes in maps(stream).flat_map(all_attributes) {
            looked_up(attributes, &mut used);
        }
    }
    for (name, _) in &cx.manifest.tables {
        if !used.contains(name.as_str()) {
            found.push(
                Diagnostic::new(
                    &codes::UNUSED_TABLE,
                    key_of(cx, &["tables", name.as_str()], name.span),
                    format!("nothing is looked up in the table `{name}`"),
                )
                .help(format!(
                    "write `{{{{lookup \"{name}\" inputs.NAME}}}}` where it is needed, or remove it"
                )),
            );
        }
    }
}

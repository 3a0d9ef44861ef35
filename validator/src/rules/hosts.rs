//! Hosts: every URL is https, and only declared hosts are called.

use longshore_schema::manifest::InputType;
use longshore_schema::template::{Expression, Helper, Part as Piece};
use longshore_schema::{Literal, Span, Template};

use super::Context;
use super::fetch::Part;
use super::profiles::placeholder;
use super::sites::{Place, sites};
use crate::codes;
use crate::diagnostic::Diagnostic;

/// A host that a template names.
struct Host {
    /// The host, with its references replaced by what the manifest says of them.
    name: String,
    /// Where that stands.
    span: Span,
}

/// What is known of the hosts that a manifest calls.
#[derive(Default)]
struct Survey {
    hosts: Vec<Host>,
    /// Whether some URL comes whole from an answer of the app.
    open: bool,
    found: Vec<Diagnostic>,
}

/// Every URL is an https URL of a declared host.
pub(crate) fn urls(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let survey = survey(cx);
    found.extend(survey.found);
    if !cx.intact(&["http", "hosts"]) {
        return;
    }
    let hosts = &cx.manifest.http.hosts;
    for host in survey.hosts {
        if hosts.iter().any(|pattern| pattern.matches(&host.name))
            || placeholder(&host.name).is_some()
        {
            continue;
        }
        let patterns: Vec<_> = hosts.iter().map(|pattern| pattern.as_str()).collect();
        let mut diagnostic = Diagnostic::new(
            &codes::HOST_NOT_COVERED,
            host.span,
            format!("the host `{}` is not in `http.hosts`", host.name),
        )
        .also(hosts.span, "the hosts that may be called")
        .help(format!("add `{}` to `http.hosts`: nothing else is ever called", host.name));
        // Hosts of one app are alike: only a slip of the fingers is taken for one.
        let slip = |known: &&&str| strsim::damerau_levenshtein(known, &host.name) <= 2;
        if let Some(meant) = patterns.iter().find(slip) {
            diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
        }
        found.push(diagnostic);
    }
}

/// Every declared host is called.
pub(crate) fn unused(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let survey = survey(cx);
    // Where the app says what to call next, every pattern may be needed.
    if survey.open {
        return;
    }
    for pattern in &cx.manifest.http.hosts.value {
        if !survey.hosts.iter().any(|host| pattern.matches(&host.name)) {
            found.push(
                Diagnostic::new(
                    &codes::UNUSED_HOST,
                    pattern.span,
                    format!("no URL of the manifest has a host in `{}`", pattern.value),
                )
                .help("remove it: credentials may go to every host that is listed"),
            );
        }
    }
}

fn survey(cx: &Context<'_>) -> Survey {
    let mut survey = Survey::default();
    for site in sites(cx.manifest) {
        let (full, name) = match site.place {
            Place::Auth { setting: setting @ ("token_url" | "revoke_url"), .. } => (true, setting),
            Place::Grant { setting: setting @ ("authorize_url" | "device_url"), .. } => {
                (true, setting)
            }
            Place::Http if site.span == cx.manifest.http.base_url.span => (true, "base_url"),
            Place::Fact { part: Part::BaseUrl, .. }
            | Place::Stream { part: Part::BaseUrl, .. }
            | Place::Asked { part: Part::BaseUrl, .. }
            | Place::Action { part: Part::BaseUrl, .. } => (true, "base_url"),
            Place::Fact { part: Part::Url, .. }
            | Place::Session { part: Some(Part::Url), .. }
            | Place::Stream { part: Part::Url, .. }
            | Place::Detail { part: Part::Url, .. }
            | Place::Asked { part: Part::Url, .. }
            | Place::Action { part: Part::Url, .. } => (false, "the request"),
            _ => continue,
        };
        url(cx, site.template, site.span, full, name, &mut survey);
    }
    for (name, input) in &cx.manifest.inputs {
        if input.kind.value != InputType::Host {
            continue;
        }
        if let Some(default) = &input.default
            && let Some(host) = default.as_text()
        {
            survey.hosts.push(Host { name: host.to_ascii_lowercase(), span: default.span });
        }
        let examples = cx.entry(&["inputs", name.as_str(), "examples"]);
        for example in input.examples.iter().filter_map(|example| example.as_text()) {
            let span = examples.map_or(name.span, |entry| cx.find(entry.value.span, example, 0));
            survey.hosts.push(Host { name: example.to_ascii_lowercase(), span });
        }
    }
    survey
}

/// Surveys one URL template. `full` URLs start with a scheme, others may be paths.
fn url(
    cx: &Context<'_>,
    template: &Template,
    span: Span,
    full: bool,
    name: &str,
    survey: &mut Survey,
) {
    let mut report = |code, message: String, help: String| {
        survey.found.push(Diagnostic::new(code, span, message).help(help));
    };
    let (first, rest) = match template.parts().split_first() {
        Some((Piece::Text(text), rest)) => (text.as_str(), rest),
        Some((Piece::Expression(Expression::Reference(reference)), _)) => {
            let root = reference.path[0].as_str();
            match root {
                _ if (full && root != "auth") || matches!(root, "inputs" | "action") => {
                    report(
                        &codes::NOT_HTTPS,
                        format!("`{name}` does not start with `https://`"),
                        format!("write `https://{{{{{reference}}}}}`, and let the input be a host"),
                    );
                }
                // A URL or path that the app handed out; its host is checked before it is called.
                _ => survey.open = true,
            }
            return;
        }
        Some((Piece::Expression(call @ Expression::Call { .. }), rest)) => {
            for (value, at) in looked_up(cx, call) {
                if let Some(after) = value.strip_prefix("https://") {
                    host(cx, after, rest, at, survey);
                } else {
                    survey.found.push(
                        Diagnostic::new(
                            &codes::NOT_HTTPS,
                            at,
                            format!("`{name}` does not start with `https://`"),
                        )
                        .help(format!(
                            "write `https://{value}`, or put `https://` before the `lookup`"
                        )),
                    );
                }
            }
            return;
        }
        _ => return,
    };
    let Some(after) = first.strip_prefix("https://") else {
        if let Some(scheme_end) = first.find("://") {
            let scheme = &first[..scheme_end + 3];
            report(
                &codes::NOT_HTTPS,
                format!("`{name}` is not an https URL"),
                format!("write `https://` in place of `{scheme}`: nothing is sent unencrypted"),
            );
        } else if full {
            report(
                &codes::NOT_HTTPS,
                format!("`{name}` is not a full URL"),
                "write a full URL, such as https://api.acme.com/v1".to_owned(),
            );
        } else if !first.starts_with('/') {
            report(
                &codes::RELATIVE_PATH,
                format!("the path `{}` does not start with `/`", template.source()),
                format!("write `/{}`: it is appended to `http.base_url`", template.source()),
            );
        }
        return;
    };
    host(cx, after, rest, span, survey);
}

/// The most values of a table that are looked at.
const MAX_VALUES: usize = 200;

/// What a `lookup` may give, with the places where it stands. What other helpers give is not known.
fn looked_up<'m>(cx: &Context<'m>, call: &Expression) -> Vec<(&'m str, Span)> {
    let Expression::Call { helper: Helper::Lookup, arguments } = call else { return Vec::new() };
    let Some(Expression::Literal(Literal::Text(name))) = arguments.first() else {
        return Vec::new();
    };
    let Some(table) = cx.manifest.tables.get(name) else { return Vec::new() };
    let values = table.value.iter().take(MAX_VALUES);
    values.filter_map(|(_, value)| Some((value.as_text()?, value.span))).collect()
}

/// Puts the host together, up to the path.
fn host(cx: &Context<'_>, first: &str, rest: &[Piece], span: Span, survey: &mut Survey) {
    let ends = |text: &str| text.find(['/', '?', '#']);
    let mut name = String::new();
    let mut place = span;
    if let Some(end) = ends(first) {
        name.push_str(&first[..end]);
    } else {
        name.push_str(first);
        for (n, piece) in rest.iter().enumerate() {
            match piece {
                Piece::Text(text) => {
                    let end = ends(text);
                    name.push_str(&text[..end.unwrap_or(text.len())]);
                    if end.is_some() {
                        break;
                    }
                }
                Piece::Expression(Expression::Reference(reference)) => {
                    let text = reference.to_string();
                    match reference.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                        ["inputs", input] => {
                            let next = rest.get(n + 1);
                            let alone = name.is_empty()
                                && !matches!(next, Some(Piece::Text(text)) if text.starts_with('.'));
                            match inserted(cx, input, alone) {
                                Inserted::Host => return,
                                Inserted::Label(sample) => name.push_str(&sample),
                                Inserted::NotAHost => {
                                    survey.found.push(
                                        Diagnostic::new(
                                            &codes::HOST_NOT_COVERED,
                                            cx.find(span, &text, 0),
                                            format!("the input `{input}` is a whole host and not declared as one"),
                                        )
                                        .help("write `type: host` for the input: it is then checked against `http.hosts`"),
                                    );
                                    return;
                                }
                            }
                        }
                        ["auth", _] => {
                            survey.open = true;
                            return;
                        }
                        _ => {
                            survey.found.push(
                                Diagnostic::new(
                                    &codes::HOST_FROM_DATA,
                                    cx.find(span, &text, 0),
                                    format!("the host is made of `{text}`, which comes from data"),
                                )
                                .help(
                                    "write the host out, or ask for it with an input of type host",
                                ),
                            );
                            return;
                        }
                    }
                }
                Piece::Expression(call @ Expression::Call { .. }) => {
                    // Each value of the table makes a host of its own.
                    for (value, at) in looked_up(cx, call) {
                        host(cx, &format!("{name}{value}"), &rest[n + 1..], at, survey);
                    }
                    return;
                }
                _ => return,
            }
        }
    }
    let name = name.to_ascii_lowercase();
    if name.contains('@') {
        survey.found.push(
            Diagnostic::new(
                &codes::LITERAL_CREDENTIAL,
                span,
                "the URL holds a user name or password",
            )
            .help("remove what stands before the `@`: credentials belong in `auth`"),
        );
        return;
    }
    let shown = cx.find(span, &name, 0);
    if shown != span {
        place = shown;
    }
    survey.hosts.push(Host { name, span: place });
}

enum Inserted {
    /// The input is a host by itself, and is checked where it is given.
    Host,
    /// A part of a host; this stands for it.
    Label(String),
    /// A whole host that is not declared as one.
    NotAHost,
}

fn inserted(cx: &Context<'_>, input: &str, alone: bool) -> Inserted {
    let Some(input) = cx.inputs.get(input) else { return Inserted::Host };
    if input.kind.value == InputType::Host && alone {
        return Inserted::Host;
    }
    if alone {
        return Inserted::NotAHost;
    }
    let default = input.default.as_ref().and_then(|default| default.as_text());
    let sample = default.or_else(|| input.examples.first().and_then(|example| example.as_text()));
    // Whatever the admin gives is held against `http.hosts` again before it is called.
    Inserted::Label(sample.unwrap_or("name").to_owned())
}

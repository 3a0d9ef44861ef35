//! References in templates: each resolves in the scope of its place.

use std::collections::HashSet;

use longshore_schema::manifest::InputType;
use longshore_schema::stream::{Pages, Request, Stream};
use longshore_schema::template::Reference;
use longshore_schema::yaml::Content;
use longshore_schema::{Span, Template};

use super::fetch::templates;
use super::is_written;
use super::sites::{Place, Site, sites};
use super::ways::ways;
use super::{Context, elsewhere};
use crate::codes;
use crate::diagnostic::{Diagnostic, Safety};
use crate::scope::kept;
use crate::suggest::{closest, one_of};

/// The first parts of references that the language itself gives a meaning.
pub(crate) const ROOTS: [&str; 12] = [
    "inputs",
    "auth",
    "facts",
    "window",
    "cursor",
    "partition",
    "batch",
    "page",
    "record",
    "action",
    "found",
    "request",
];

/// What a request that is signed has: `request.NAME`.
pub(crate) const SIGNED: [&str; 10] = [
    "method",
    "url",
    "host",
    "path",
    "query",
    "sorted_query",
    "body",
    "body_hash",
    "time",
    "nonce",
];

/// The most unknown names that are told: each is compared with what there is.
pub(super) const MAX_FOUND: usize = 1_000;

/// Every reference means something where it stands.
pub(crate) fn resolve(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for site in sites(cx.manifest) {
        if found.len() >= MAX_FOUND {
            return;
        }
        let mut from = 0;
        for reference in site.template.references() {
            let text = reference.to_string();
            let span = cx.find(site.span, &text, from);
            if span != site.span {
                from = (span.end - site.span.start) as usize;
            }
            found.extend(check(cx, &site, reference, span));
        }
    }
}

/// Whether a request has a reference that `wanted` takes. One that means nothing where it stands is
/// reported there, and counts: it may have been meant for that.
pub(crate) fn refers(
    cx: &Context<'_>,
    request: &Request,
    wanted: impl Fn(&[String]) -> bool,
) -> bool {
    // A request that could not be read, or has no method, is reported as such.
    if request.methods().is_empty() {
        return true;
    }
    let own = templates(request);
    let references = own.iter().flat_map(|(template, _, _)| template.references());
    if references.into_iter().any(|reference| wanted(&reference.path)) {
        return true;
    }
    let is_own = |site: &&Site<'_>| {
        own.iter().any(|(template, _, _)| std::ptr::eq(*template, site.template))
    };
    sites(cx.manifest).iter().filter(is_own).any(|site| {
        let references = site.template.references();
        references.iter().any(|reference| check(cx, site, reference, site.span).is_some())
    })
}

/// Whether every reference of these templates means something where it stands.
pub(crate) fn are_clear(cx: &Context<'_>, templates: &[&Template]) -> bool {
    let all = sites(cx.manifest);
    let mut own = all
        .iter()
        .filter(|site| templates.iter().any(|template| std::ptr::eq(*template, site.template)));
    own.all(|site| {
        let references = site.template.references();
        references.iter().all(|reference| check(cx, site, reference, site.span).is_none())
    })
}

/// Whether a request sends a value such as `page.cursor`.
pub(crate) fn sends(cx: &Context<'_>, request: &Request, root: &str, name: &str) -> bool {
    refers(cx, request, |path| matches!(path, [first, second] if first == root && second == name))
}

fn check(
    cx: &Context<'_>,
    site: &Site<'_>,
    reference: &Reference,
    span: Span,
) -> Option<Diagnostic> {
    let roots = roots(cx, site);
    let root = reference.path[0].as_str();
    if !roots.contains(&root) {
        return Some(out_of_scope(cx, site, reference, span, &roots));
    }
    let open = matches!(root, "record" | "found") || !ROOTS.contains(&root);
    let name = match reference.path.as_slice() {
        [_] if root == "batch" => return None,
        [_, name] => name.as_str(),
        [_, _, ..] if open => return None,
        [_, name, _, ..] if root == "inputs" && may_have_members(cx, name) => return None,
        [_, last, name] if root == "page" && last == "last" => {
            return last_member(cx, site, reference, name, span);
        }
        [_, last, name, ..] if root == "page" && last == "last" => {
            return Some(
                Diagnostic::new(
                    &codes::UNKNOWN_REFERENCE,
                    span,
                    format!("`page.last.{name}` is a single value and has nothing below it"),
                )
                .help(format!("write `page.last.{name}`")),
            );
        }
        [_, name, ..] => {
            return Some(
                Diagnostic::new(
                    &codes::UNKNOWN_REFERENCE,
                    span,
                    format!("`{root}.{name}` is a single value and has nothing below it"),
                )
                .help(format!("write `{root}.{name}`")),
            );
        }
        _ => {
            return Some(
                Diagnostic::new(
                    &codes::UNKNOWN_REFERENCE,
                    span,
                    format!("`{root}` alone is not a value"),
                )
                .help(format!("name what is wanted of it, such as `{root}.NAME`")),
            );
        }
    };
    if open {
        return None;
    }
    if root == "inputs" && cx.declares(root, name) {
        return None;
    }
    let unread = if root == "auth" {
        kept(cx.written).iter().any(|table| !matches!(table.value.content, Content::Mapping(_)))
    } else {
        cx.unread(&[root])
    };
    let names = names(cx, site, root);
    if names.contains(&name) || unread {
        return None;
    }
    if root == "facts" && cx.declares(root, name) {
        return Some(
            Diagnostic::new(
                &codes::OUT_OF_SCOPE,
                span,
                format!("the fact `{name}` is not known yet"),
            )
            .label("asked later")
            .help(format!("facts are asked in order: move `{name}` before the fact that uses it")),
        );
    }
    let mut diagnostic =
        Diagnostic::new(&codes::UNKNOWN_REFERENCE, span, format!("there is no `{root}.{name}`"));
    if let Some(meant) = closest(name, names.iter().copied()) {
        let meant = format!("{root}.{meant}");
        diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
        // A span that is not the reference's own is that of a whole template.
        if span != site.span {
            let safety = Safety::of_suggestion(&reference.to_string(), &meant);
            diagnostic = diagnostic.fix(safety, format!("write `{meant}`"), span, meant);
        }
    }
    Some(diagnostic.help(declared(root, name, &names)))
}

/// Whether an input is a JSON document, as far as one can tell.
fn may_have_members(cx: &Context<'_>, name: &str) -> bool {
    match cx.inputs.get(name) {
        Some(input) => input.kind.value == InputType::SecretJson,
        None => cx.declares("inputs", name),
    }
}

/// First parts of references with the names behind them.
#[cfg(test)]
pub(crate) type Scope = Vec<(String, Vec<String>)>;

/// What is in scope at each template.
#[cfg(test)]
pub(crate) fn scopes(cx: &Context<'_>) -> Vec<(Span, Scope)> {
    let scope = |site: &Site<'_>| {
        let names = |root| names(cx, site, root).into_iter().map(str::to_owned).collect();
        let mut scope: Vec<_> =
            roots(cx, site).into_iter().map(|root| (root.to_owned(), names(root))).collect();
        scope.sort();
        scope
    };
    sites(cx.manifest).iter().map(|site| (site.span, scope(site))).collect()
}

/// Where a name of this root is declared, or what there is instead.
fn declared(root: &str, name: &str, names: &[&str]) -> String {
    match root {
        "inputs" => format!("declare it: `{name}: {{ type: string, title: ... }}` under `inputs`"),
        "auth" => format!(
            "`auth.NAME` stands for a member of the answer to the sign-in: declare `{name}: $.{name}` in its `token`"
        ),
        "facts" => format!("declare `{name}` under `facts`"),
        "action" => format!(
            "declare it: `{name}: {{ type: string, title: ... }}` under the action's `inputs`"
        ),
        _ => {
            let names: Vec<_> = names.iter().map(|name| format!("{root}.{name}")).collect();
            format!("here is {}", one_of(names.iter().map(String::as_str)))
        }
    }
}

/// The first parts that a reference may have at a place.
fn roots<'m>(cx: &Context<'m>, site: &Site<'m>) -> Vec<&'m str> {
    let mut roots = vec!["inputs"];
    match site.place {
        Place::Auth { .. } | Place::Grant { .. } | Place::Tls => {}
        Place::Session { opened, .. } => roots.extend(opened.then_some("auth")),
        Place::Signed { signature, .. } => {
            roots.push("request");
            if signature {
                roots.push("auth");
            }
            return roots;
        }
        Place::Http => roots.push("auth"),
        Place::Fact { .. } => roots.extend(["auth", "facts"]),
        Place::Backfill | Place::CursorStart => roots.push("facts"),
        Place::Detail { stream, step, .. } => {
            roots.extend(["auth", "facts"]);
            roots.extend(read_by(stream));
            let steps = stream.steps.iter().map(|(name, _)| name.as_str());
            let known = if let Some(index) = step {
                index + 1
            } else {
                roots.push("record");
                stream.steps.0.len().saturating_sub(1)
            };
            roots.extend(steps.take(known));
        }
        Place::Map { has_parts: true } => roots = vec!["record", "item"],
        Place::Map { has_parts: false } => roots = vec!["record"],
        Place::Asked { .. } | Place::Action { .. } => {
            roots.extend(["auth", "facts"]);
            if !page_names(site).is_empty() {
                roots.push("page");
            }
            if let Place::Action { found, .. } = site.place {
                roots.push("action");
                roots.extend(found.then_some("found"));
            }
        }
        Place::Stream { stream, fetch, index, .. } => {
            roots.extend(["auth", "facts"]);
            roots.extend(read_by(stream));
            if !page_names(site).is_empty() {
                roots.push("page");
            }
            let batched = fetch.settings.is_some_and(|step| step.batch.is_some());
            roots.extend(batched.then_some("batch"));
            let known = index.saturating_sub(usize::from(batched));
            roots.extend(stream.steps.iter().take(known).map(|(name, _)| name.as_str()));
        }
    }
    if !ways(cx.manifest).iter().any(|way| way.oauth().is_some() || way.session().is_some()) {
        roots.retain(|root| *root != "auth");
    }
    roots
}

/// What every request of a stream can refer to for how it is read.
fn read_by(stream: &Stream) -> impl Iterator<Item = &str> {
    let window = stream.window.is_some().then_some("window");
    let cursor = stream.cursor.is_some().then_some("cursor");
    let partition = (!stream.partitions.is_empty()).then_some("partition");
    window.into_iter().chain(cursor).chain(partition)
}

/// The `pages` of the fetch that a template is part of.
fn pages_of<'m>(site: &Site<'m>) -> Option<&'m Pages> {
    match site.place {
        Place::Stream { fetch, .. } => fetch.pages.map(|pages| &pages.value),
        Place::Asked { pages, .. } | Place::Action { pages, .. } => pages,
        _ => None,
    }
}

/// What a request can say of the page that it asks for.
fn page_names(site: &Site<'_>) -> Vec<&'static str> {
    let Some(pages) = pages_of(site) else { return Vec::new() };
    let own = match pages {
        Pages::Cursor(_) => Some("cursor"),
        Pages::Number(_) => Some("number"),
        Pages::Offset(_) => Some("offset"),
        Pages::Keyset(_) => Some("last"),
        Pages::Scroll(_) => site.following.then_some("cursor"),
        Pages::NextUrl(_) | Pages::LinkHeader(_) => None,
    };
    own.into_iter().chain(pages.size().map(|_| "size")).collect()
}

/// Checks `page.last.NAME`.
fn last_member(
    cx: &Context<'_>,
    site: &Site<'_>,
    reference: &Reference,
    name: &str,
    span: Span,
) -> Option<Diagnostic> {
    let Some(Pages::Keyset(keyset)) = pages_of(site) else {
        let roots = roots(cx, site);
        return Some(out_of_scope(cx, site, reference, span, &roots));
    };
    let names: Vec<_> = keyset.last.iter().map(|(name, _)| name.as_str()).collect();
    // Nothing is known of what could not be read.
    if names.contains(&name) || !is_written(keyset.last.span) {
        return None;
    }
    let mut diagnostic =
        Diagnostic::new(&codes::UNKNOWN_REFERENCE, span, format!("there is no `page.last.{name}`"));
    if let Some(meant) = closest(name, names.iter().copied()) {
        diagnostic = diagnostic.label(format!("did you mean `page.last.{meant}`?"));
    }
    Some(diagnostic.help(format!("declare it: `{name}: $.{name}` in `pages.keyset.last`")))
}

/// The names under a root that the language itself gives a meaning.
fn names<'m>(cx: &Context<'m>, site: &Site<'m>, root: &str) -> Vec<&'m str> {
    match root {
        "inputs" => cx.names(&["inputs"]),
        "auth" => match site.place {
            Place::Signed { .. } => vec!["signature"],
            Place::Session { way, .. } => {
                let way = ways(cx.manifest).swap_remove(way);
                let tables = ["token", "headers", "cookies"];
                tables.iter().flat_map(|t| cx.names(&way.below(&["session", t]))).collect()
            }
            _ => {
                let mut names: Vec<_> = kept(cx.written)
                    .into_iter()
                    .chain(kept(cx.root))
                    .flat_map(|table| table.value.entries())
                    .map(|entry| entry.key.as_str())
                    .collect();
                let mut seen = HashSet::new();
                names.retain(|name| seen.insert(*name));
                names
            }
        },
        "request" => SIGNED.to_vec(),
        "facts" => {
            let mut names = cx.names(&["facts"]);
            if let Place::Fact { index, .. } = site.place
                && let Some((own, _)) = cx.manifest.facts.iter().nth(index)
            {
                let earlier = names.iter().take_while(|name| **name != own.as_str()).count();
                names.truncate(earlier);
            }
            names
        }
        "window" => vec!["start", "end"],
        "cursor" => vec!["value"],
        "partition" => match site.place {
            Place::Stream { stream, .. } | Place::Detail { stream, .. } => {
                stream.partitions.iter().map(|(name, _)| name.as_str()).collect()
            }
            _ => Vec::new(),
        },
        "action" => match site.place {
            Place::Action { action, .. } => {
                action.inputs.iter().map(|(name, _)| name.as_str()).collect()
            }
            _ => Vec::new(),
        },
        "page" => page_names(site),
        _ => Vec::new(),
    }
}

fn out_of_scope(
    cx: &Context<'_>,
    site: &Site<'_>,
    reference: &Reference,
    span: Span,
    roots: &[&str],
) -> Diagnostic {
    let text = reference.to_string();
    let root = reference.path[0].as_str();
    let why = elsewhere::why(root, site, roots);
    if let (Some(why), true) = (why, ROOTS.contains(&root)) {
        return Diagnostic::new(&codes::OUT_OF_SCOPE, span, format!("`{text}` has no value here"))
            .help(why);
    }
    let mut diagnostic =
        Diagnostic::new(&codes::UNKNOWN_REFERENCE, span, format!("`{text}` is not known here"));
    if reference.path.len() == 1 && cx.declares("inputs", root) && roots.contains(&"inputs") {
        diagnostic = diagnostic.label(format!("did you mean `inputs.{root}`?"));
    } else if let Some(meant) = closest(root, roots.iter().copied()) {
        let rest = text.strip_prefix(root).unwrap_or_default();
        let meant = format!("{meant}{rest}");
        diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
        if span != site.span {
            let safety = Safety::of_suggestion(&text, &meant);
            diagnostic = diagnostic.fix(safety, format!("write `{meant}`"), span, meant);
        }
    }
    let known: Vec<_> = roots.iter().map(|root| format!("{root}.NAME")).collect();
    let why = why.map(str::to_owned);
    diagnostic.help(why.unwrap_or_else(|| {
        format!("a reference here is {}", one_of(known.iter().map(String::as_str)))
    }))
}

//! Actions: each says how it is seen to be done, and how it is taken back.

use std::collections::{HashMap, HashSet};

use longshore_schema::action::{Action, ActionInputType};
use longshore_schema::stream::Parameter;
use longshore_schema::template::{Expression, Part as Piece};
use longshore_schema::{OneOrMany, Span, Spanned, Table, Template};

use super::Context;
use super::asked::{is_needed_by, key_of};
use super::expectations::within;
use super::fetch::{Part, action_templates, templates};
use super::requirements::undeclared;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::suggest::near;

/// A request that changes something has one method, and at most one body.
pub(crate) fn requests(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, action) in &cx.manifest.actions {
        let keys = ["actions", name.as_str(), "request"];
        let request = &action.request;
        match request.methods().as_slice() {
            [] if cx.has_all_keys(&keys) => found.push(
                Diagnostic::new(
                    &codes::CHOOSE_ONE,
                    key_of(cx, &keys, request.span),
                    format!("the request of the action `{name}` has no method"),
                )
                .help("add `post`, `put`, `patch` or `delete` with the path"),
            ),
            [(first, first_url), (second, url), ..] => found.push(
                Diagnostic::new(&codes::CHOOSE_ONE, url.span, "the request has two methods")
                    .also(first_url.span, "the other one")
                    .help(format!("keep `{first}`, or keep `{second}`")),
            ),
            [("delete", _)] => {
                let json = request.json.as_ref().map(|json| ("json", json.span));
                let form = request.form.iter().next().map(|(name, _)| ("form", name.span));
                if let Some((word, span)) = json.or(form) {
                    found.push(
                        Diagnostic::new(
                            &codes::CONFLICTING_KEYS,
                            key_of(cx, &[&keys[..], &[word]].concat(), span),
                            "a DELETE request has no body",
                        )
                        .help("move it to `query`, or write another method: what a body of DELETE means is not defined (RFC 9110, 9.3.5)"),
                    );
                }
            }
            _ => {
                if let (Some(json), false) = (&request.json, request.form.is_empty()) {
                    found.push(
                        Diagnostic::new(
                            &codes::CONFLICTING_KEYS,
                            key_of(cx, &[&keys[..], &["json"]].concat(), json.span),
                            "the request has two bodies: `form` and `json`",
                        )
                        .help("keep `json`, or keep `form`"),
                    );
                }
            }
        }
    }
}

/// Settings of an action's inputs fit their types.
pub(crate) fn input_settings(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let inputs = cx.manifest.actions.iter().flat_map(|(_, action)| &action.inputs);
    for (name, input) in inputs {
        let kind = input.kind.value;
        let mut report = |span, message: String, help: &str| {
            found.push(Diagnostic::new(&codes::INPUT_SETTINGS, span, message).help(help));
        };
        if kind == ActionInputType::Choice && input.choices.is_empty() {
            let message = format!("the input `{name}` is a choice without choices");
            report(input.kind.span, message, "add `choices: [first, second]`");
        }
        if let Some(choice) = input.choices.first().filter(|_| kind != ActionInputType::Choice) {
            let message = format!("the input `{name}` has choices but is not a choice");
            report(choice.span, message, "write `type: choice`, or remove `choices`");
        }
        if let Some(pattern) = input.pattern.as_ref().filter(|_| kind != ActionInputType::String) {
            let message = format!("the input `{name}` has a pattern but is not a text");
            report(pattern.span, message, "write `type: string`, or remove `pattern`");
        }
        if let Some(pattern) = &input.pattern {
            let wrong =
                input.examples.iter().find(|example| !pattern.is_match(&example.to_string()));
            if let Some(example) = wrong {
                let message = format!(
                    "the example `{example}` of the input `{name}` does not match its pattern"
                );
                report(
                    pattern.span,
                    message,
                    "mend the pattern, or the example: the pattern is about the whole text",
                );
            }
        }
    }
}

/// All templates of an action.
fn all_templates(action: &Action) -> Vec<(&Template, Span, Part)> {
    let find = action.find.iter().flat_map(|find| templates(&find.request));
    find.chain(action_templates(&action.request)).chain(templates(&action.verify.request)).collect()
}

/// What has to be given is used.
pub(crate) fn unused_inputs(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, action) in &cx.manifest.actions {
        let used: HashSet<_> = references(all_templates(action)).collect();
        for (input, _) in &action.inputs {
            let meant = |(root, other): &(&str, &str)| {
                *root == "action"
                    && (*other == input.as_str() || near(other, [input.as_str()]).is_some())
            };
            if !used.iter().any(meant) {
                found.push(
                    Diagnostic::new(
                        &codes::UNUSED_ACTION_INPUT,
                        input.span,
                        format!("the action `{name}` asks for `{input}` and never uses it"),
                    )
                    .help(format!("use it as `{{{{action.{input}}}}}`, or do not ask for it")),
                );
            }
        }
    }
}

fn references(templates: Vec<(&Template, Span, Part)>) -> impl Iterator<Item = (&str, &str)> {
    let all = templates.into_iter().flat_map(|(template, _, _)| template.references());
    all.filter_map(|reference| match reference.path.as_slice() {
        [root, name, ..] => Some((root.as_str(), name.as_str())),
        _ => None,
    })
}

/// A text that is written into a URL or a query cannot say more than its value.
pub(crate) fn open_inputs(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, action) in &cx.manifest.actions {
        for (input, settings) in &action.inputs {
            if settings.kind.value != ActionInputType::String || settings.pattern.is_some() {
                continue;
            }
            let open = all_templates(action).into_iter().find(|(template, _, part)| {
                let uses = template.references().iter().any(|reference| {
                    matches!(reference.path.as_slice(), [root, name] if root == "action" && *name == input.as_str())
                });
                // Alone in a parameter or member, it is written so that it stays one value.
                uses && (*part == Part::Url || *part == Part::Header || !alone(template))
            });
            if let Some((_, span, _)) = open {
                found.push(
                    Diagnostic::new(
                        &codes::OPEN_ACTION_INPUT,
                        input.span,
                        format!("any text will do for `{input}` of the action `{name}`, and it becomes a part of another text"),
                    )
                    .also(cx.find(span, &format!("action.{input}"), 0), "here, where quotes and slashes have a meaning")
                    .help("add `pattern`, such as `pattern: '[0-9A-Za-z]{15,18}'`: another text is then refused before anything is sent"),
                );
            }
        }
    }
}

/// Whether a template is one reference and nothing else.
fn alone(template: &Template) -> bool {
    matches!(template.parts(), [Piece::Expression(Expression::Reference(_))])
}

/// An action can be taken back, or it is said why not.
pub(crate) fn ways_back(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (name, action) in &cx.manifest.actions {
        match (&action.revert, &action.irreversible) {
            (None, None) if cx.has_all_keys(&["actions", name.as_str()]) => found.push(
                Diagnostic::new(
                    &codes::NO_WAY_BACK,
                    name.span,
                    format!("nothing says how the action `{name}` is taken back"),
                )
                .help("add `revert` with the action that takes it back, or `irreversible: why it cannot be`"),
            ),
            (Some(revert), Some(irreversible)) => found.push(
                Diagnostic::new(
                    &codes::CONFLICTING_KEYS,
                    key_of(cx, &["actions", name.as_str(), "irreversible"], irreversible.span),
                    format!("the action `{name}` can be taken back and cannot"),
                )
                .also(revert.span, "the action that takes it back")
                .help("remove `irreversible`, or remove `revert`"),
            ),
            _ => {}
        }
    }
}

/// What takes an action back is an action, is taken back by it, and asks for nothing more.
pub(crate) fn reverts(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let names = cx.names(&["actions"]);
    let written: HashSet<_> = names.iter().copied().collect();
    let known: HashMap<_, _> =
        cx.manifest.actions.iter().map(|(name, action)| (name.as_str(), (name, action))).collect();
    let back = |name: &str| {
        known.get(name).and_then(|(_, action)| action.revert.as_ref()).map(|name| name.as_str())
    };
    let goes_back = |from: &str| back(from).is_some_and(|to| back(to) == Some(from));
    let mut one_way = Vec::new();
    for (name, action) in &cx.manifest.actions {
        let Some(revert) = &action.revert else { continue };
        if !written.contains(revert.as_str()) {
            let message = format!("there is no action `{revert}`");
            let help = format!(
                "declare `{revert}` under `actions`, or write `irreversible: why` in place of `revert`"
            );
            found.push(undeclared(&codes::UNKNOWN_REVERT, revert, &message, &names, help));
            continue;
        }
        let Some((other_name, other)) = known.get(revert.as_str()) else { continue };
        if revert.as_str() == name.as_str() || !goes_back(name.as_str()) {
            // Where the other one has a fault of its own, that is the fault.
            let own = match &other.revert {
                None => other.irreversible.is_some(),
                Some(to) => written.contains(to.as_str()),
            };
            if own {
                one_way.push((name, revert, *other_name, *other));
            }
            continue;
        }
        let missing =
            other.inputs.iter().find(|(input, _)| action.inputs.get(input.as_str()).is_none());
        if let Some((input, _)) = missing {
            found.push(
                Diagnostic::new(
                    &codes::ONE_WAY_REVERT,
                    revert.span,
                    format!("`{revert}` needs `{input}`, which the action `{name}` is not given"),
                )
                .also(input.span, "asked for here")
                .help(format!("declare the input `{input}` in both, or look it up with `find`")),
            );
        }
    }
    // Of two that do not meet, the one whose other half is in a pair already is at fault.
    let at_fault = |other: &str| back(other).is_none() || goes_back(other);
    let some = one_way
        .iter()
        .any(|(name, revert, _, _)| revert.as_str() == name.as_str() || at_fault(revert.as_str()));
    for (name, revert, other_name, other) in one_way {
        let itself = revert.as_str() == name.as_str();
        if some && !itself && !at_fault(revert.as_str()) {
            continue;
        }
        let message = if itself {
            format!("the action `{name}` takes itself back")
        } else {
            format!("`{revert}` takes `{name}` back, and `{name}` does not take `{revert}` back")
        };
        let mut diagnostic = Diagnostic::new(&codes::ONE_WAY_REVERT, revert.span, message).help(
            format!("name the action that undoes `{name}`, and `revert: {name}` in it; or write `irreversible`"),
        );
        if !itself {
            let span = other.revert.as_ref().map(|revert| revert.span);
            let span = span.or(other.irreversible.as_ref().map(|why| why.span));
            diagnostic = diagnostic.also(span.unwrap_or(other_name.span), "what it says of itself");
        }
        found.push(diagnostic);
    }
}

/// Where permissions are declared, an action names those that it takes.
pub(crate) fn permissions(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    if cx.manifest.permissions.is_empty() || is_needed_by(cx.manifest, "actions") {
        return;
    }
    for (name, _) in cx.manifest.actions.iter().filter(|(_, action)| action.permissions.is_empty())
    {
        found.push(
            Diagnostic::new(
                &codes::ACTION_WITHOUT_PERMISSION,
                name.span,
                format!("the action `{name}` names no permission"),
            )
            .help("add `permissions: [...]`, so that it is offered only where it can work"),
        );
    }
}

/// Reading back looks at what was acted on, and changes nothing.
pub(crate) fn verifications(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let known: HashMap<_, _> =
        cx.manifest.actions.iter().map(|(name, action)| (name.as_str(), action)).collect();
    for (name, action) in &cx.manifest.actions {
        let verify = &action.verify;
        if let (Some(own), Some(read)) = (&action.request.post, &verify.request.post)
            && own.source() == read.source()
            && action.request.json == verify.request.json
            && verify.request.graphql.is_none()
            && verify.request.text.is_none()
            && same_form(&action.request.form, &verify.request.form)
        {
            found.push(
                Diagnostic::new(
                    &codes::VERIFICATION_ACTS,
                    read.span,
                    format!("the verification of `{name}` sends the action again"),
                )
                .also(own.span, "the action")
                .help("read back with a request that changes nothing, such as `get`"),
            );
            continue;
        }
        let looks = references(templates(&verify.request))
            .any(|(root, _)| matches!(root, "action" | "found"));
        let acts =
            references(all_templates(action)).any(|(root, _)| matches!(root, "action" | "found"));
        if acts && !looks && cx.intact(&["actions", name.as_str()]) {
            found.push(
                Diagnostic::new(
                    &codes::BLIND_VERIFICATION,
                    key_of(
                        cx,
                        &["actions", name.as_str(), "verify", "request"],
                        verify.request.span,
                    ),
                    format!("the verification of `{name}` reads the same whatever was acted on"),
                )
                .help(
                    "name what was acted on in it, such as `{{action.user_id}}` or `{{found.id}}`",
                ),
            );
        }
        let Some(revert) = &action.revert else { continue };
        let Some(other) = known.get(revert.as_str()) else { continue };
        // Each pair once.
        if other.revert.as_ref().is_some_and(|back| back.value == name.value)
            && revert.as_str() < name.as_str()
            && other.verify.select.value == verify.select.value
            && (within(&verify.expect, &other.verify.expect)
                || within(&other.verify.expect, &verify.expect))
        {
            found.push(
                Diagnostic::new(
                    &codes::BLIND_VERIFICATION,
                    verify.expect.span,
                    format!("`{name}` and `{revert}` are verified by the same: one of them is not"),
                )
                .also(other.verify.expect.span, "what the other one expects")
                .help("expect the opposite in one of them"),
            );
        }
    }
}

type Parameters = Table<String, OneOrMany<Spanned<Parameter>>>;

fn same_form(a: &Parameters, b: &Parameters) -> bool {
    let same = |(a, b): (&Spanned<Parameter>, &Spanned<Parameter>)| a.0.source() == b.0.source();
    a.len() == b.len()
        && a.iter().zip(b).all(|((a_name, a), (b_name, b))| {
            a_name.value == b_name.value && a.0.len() == b.0.len() && a.0.iter().zip(&b.0).all(same)
        })
}

//! Profiles and metadata: what is claimed is there, and nothing was left unfilled.

use longshore_schema::manifest::Profile;
use longshore_schema::stream::Capability;
use longshore_schema::yaml::{Content, Node};

use super::Context;
use super::asked::checks;
use super::sites::streams;
use crate::codes;
use crate::diagnostic::Diagnostic;

/// Each profile's prerequisites are met.
pub(crate) fn prerequisites(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let profiles = &cx.manifest.profiles;
    if profiles.is_empty() {
        found.push(
            Diagnostic::new(&codes::PROFILE_UNMET, profiles.span, "the connector is for nothing")
                .help("claim a profile: `profiles: [threat_protection]`"),
        );
    }
    for profile in &profiles.value {
        match profile.value {
            Profile::ThreatProtection => {
                let users =
                    streams(cx.manifest).any(|(_, _, s)| s.provides.value == Capability::Users);
                let logs: Vec<_> = streams(cx.manifest)
                    .filter(|(_, _, stream)| {
                        use Capability::{AdminActivity, SignIns, UserActivity};
                        matches!(stream.provides.value, SignIns | AdminActivity | UserActivity)
                    })
                    .collect();
                if !users {
                    found.push(
                        Diagnostic::new(
                            &codes::PROFILE_UNMET,
                            profile.span,
                            "`threat_protection` needs the user accounts",
                        )
                        .help("add a stream with `provides: users`"),
                    );
                }
                if logs.is_empty() {
                    found.push(
                        Diagnostic::new(&codes::PROFILE_UNMET, profile.span, "`threat_protection` needs an audit log")
                            .help("add a stream with `provides: sign_ins`, `admin_activity` or `user_activity`, read by `window`"),
                    );
                } else if logs
                    .iter()
                    .all(|(_, _, stream)| stream.window.is_none() && stream.cursor.is_none())
                {
                    let (name, span, _) = logs[0];
                    found.push(
                        Diagnostic::new(
                            &codes::PROFILE_UNMET,
                            profile.span,
                            "`threat_protection` needs an audit log of which each poll reads what is new",
                        )
                        .also(span, "a log without `window` or `cursor`")
                        .help(format!("add `window` to the stream `{name}`")),
                    );
                }
            }
            Profile::Posture => {
                // A fact is about what can be read, not a setting.
                let judged = checks(cx.manifest).any(|(_, check)| {
                    check.probe.settings.is_some() || check.probe.request.is_some()
                });
                if !judged {
                    found.push(
                        Diagnostic::new(
                            &codes::PROFILE_UNMET,
                            profile.span,
                            "`posture` needs a check of the app's security settings",
                        )
                        .help("add `settings` with the request that reads them, and `posture: { checks: ... }` with a check that looks into them"),
                    );
                }
            }
        }
    }
}

/// The API's own page can be found.
pub(crate) fn links(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    if cx.manifest.app.links.get("api").is_none() {
        found.push(
            Diagnostic::new(
                &codes::NO_API_LINK,
                cx.manifest.app.name.span,
                "the manifest does not say where the app's API is described",
            )
            .help("add `links: { api: https://... }` to `app`"),
        );
    }
}

/// Nothing was left as a template had it.
pub(crate) fn placeholders(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    walk(cx.root, &mut |node, text| {
        let Some(placeholder) = placeholder(text) else { return };
        found.push(
            Diagnostic::new(
                &codes::PLACEHOLDER,
                cx.find(node.span, placeholder, 0),
                format!("`{placeholder}` was never filled in"),
            )
            .help("write the app's own value, or remove the key"),
        );
    });
}

fn walk(node: &Node, visit: &mut impl FnMut(&Node, &str)) {
    match &node.content {
        Content::String(text) => visit(node, text),
        Content::Sequence(items) => items.iter().for_each(|item| walk(item, visit)),
        // Examples for the admin may well be made of example.com (RFC 2606).
        Content::Mapping(entries) => {
            let filled = entries.iter().filter(|entry| entry.key != "examples");
            filled.for_each(|entry| walk(&entry.value, visit));
        }
        _ => {}
    }
}

/// What in a text is only there to be replaced.
pub(super) fn placeholder(text: &str) -> Option<&str> {
    // Every text of a manifest is looked at, and next to none has one: a single pass sees that.
    let starts = |rest: &[u8], word: &str| {
        rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
    };
    let bytes = text.as_bytes();
    let possible = bytes.iter().enumerate().any(|(at, byte)| match byte {
        b'T' => starts(&bytes[at..], "todo"),
        b'F' => starts(&bytes[at..], "fixme"),
        b'C' => starts(&bytes[at..], "change"),
        b'e' | b'E' => starts(&bytes[at..], "example."),
        b'<' => true,
        _ => false,
    });
    if !possible {
        return None;
    }
    for word in ["TODO", "FIXME", "CHANGEME", "CHANGE_ME"] {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if let Some(at) = text.find(word)
            && !text[..at].ends_with(is_word)
            && !text[at + word.len()..].starts_with(is_word)
        {
            return Some(&text[at..at + word.len()]);
        }
    }
    let lower = text.to_ascii_lowercase();
    for domain in ["example.com", "example.org", "example.net"] {
        if let Some(at) = lower.find(domain) {
            let start =
                lower[..at].rfind(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-');
            let start = start.map_or(0, |before| before + 1);
            return text.get(start..at + domain.len());
        }
    }
    for opening in ["<your", "<enter", "<insert"] {
        if let Some(at) = lower.find(opening) {
            let end = lower[at..].find('>').map_or(text.len(), |end| at + end + 1);
            return text.get(at..end);
        }
    }
    None
}

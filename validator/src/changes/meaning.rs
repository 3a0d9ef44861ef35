//! What the changes of particular keys mean to those who use the connector.

use super::{Effect, Event};

/// What such a change asks of those who use the connector, and why if that is not plain.
pub(super) fn effect(event: Event, path: &[&str]) -> (Effect, &'static str) {
    use Effect::{Addition, Break, Correction};
    const OTHER_UIDS: &str = ": events get other uids";
    let effect = match (event, path) {
        (_, ["streams", _, "window"]) => return (Break, OTHER_UIDS),
        (Event::Changed, ["streams", _, "key"] | ["streams", _, "window", "on"]) => {
            return (Break, OTHER_UIDS);
        }
        (Event::Added, ["auth", "oauth2", "grants", _, "scopes", _]) => {
            return (Break, ": admins must consent again");
        }
        (
            Event::Added,
            // Inputs of actions have no defaults.
            ["http", "hosts", _] | ["actions", _, "inputs", _],
        )
        | (
            Event::Removed,
            ["streams" | "inputs" | "actions" | "auth" | "profiles", _]
            | ["posture", "checks", _]
            | ["actions", _, "inputs", _]
            | ["auth", "oauth2", "grants", _]
            | ["inputs", _, "choices", _]
            | ["actions", _, "inputs", _, "choices", _],
        )
        | (
            Event::Changed,
            ["inputs", _, "type"]
            | ["actions", _, "inputs", _, "type"]
            | ["actions", _, "does"]
            | ["streams", _, "provides"],
        ) => Break,
        (
            Event::Added,
            [
                "inputs" | "quotas" | "errors" | "facts" | "streams" | "permissions"
                | "prerequisites" | "settings" | "actions" | "profiles",
                _,
            ]
            | ["posture", "checks", _]
            | ["auth", "oauth2", "grants", _]
            | ["streams", _, "map", "cases", _],
        ) => Addition,
        (Event::Added, path) if attribute(path).is_some() => Addition,
        _ => Correction,
    };
    (effect, "")
}

/// The attribute that a path leads to.
fn attribute<'m>(path: &[&'m str]) -> Option<&'m str> {
    let (["streams", _, "map", name]
    | ["streams", _, "map", "shared" | "else", name]
    | ["streams", _, "map", "cases", _, name]) = path
    else {
        return None;
    };
    let is_part = ["by", "shared", "cases", "else", "is", "to", "activity"].contains(name);
    (!is_part).then_some(*name)
}

/// What a path leads to, in words.
pub(super) fn name(path: &[&str]) -> String {
    let (kind, name) = match path {
        ["streams", name] => ("stream", name),
        ["inputs", name] | ["actions", _, "inputs", name] => ("input", name),
        ["quotas", name] => ("quota", name),
        ["facts", name] => ("fact", name),
        ["permissions", name] => ("permission", name),
        ["prerequisites", name] => ("prerequisite", name),
        ["settings", name] => ("answer", name),
        ["posture", "checks", name] => ("check", name),
        ["actions", name] => ("action", name),
        ["profiles", name] => ("profile", name),
        ["http", "hosts", name] => ("host", name),
        ["auth", "oauth2", "grants", name] => ("grant", name),
        ["auth", "oauth2", "grants", _, "scopes", name] => ("scope", name),
        ["errors", _] => return "an error rule".to_owned(),
        ["streams", _, "map", "cases", _] => return "a case".to_owned(),
        _ => {
            if let Some(name) = attribute(path) {
                return format!("the attribute `{name}`");
            }
            let keys: Vec<_> = path.iter().filter(|key| !key.is_empty()).copied().collect();
            return format!("`{}`", keys.join("."));
        }
    };
    format!("the {kind} `{name}`")
}

//! Mistakes in what records become.

use crate::base::{At, Base, Mutant};

/// The attributes of a map: entries below `map` whose keys the language does not have.
pub(crate) fn attributes(base: &Base) -> Vec<At<'_>> {
    let own =
        ["for_each", "verb", "to", "activity", "by", "shared", "cases", "else", "is", "if", "map"];
    base.entries()
        .into_iter()
        .filter(|at| {
            let depth = at.path.iter().position(|key| *key == "map");
            let Some(depth) = depth.filter(|_| at.path[0] == "streams") else { return false };
            let rest = &at.path[depth + 1..];
            matches!(rest, [_] | ["shared" | "else", _] | ["cases", _, _])
                && !own.contains(&at.entry.key.as_str())
        })
        .collect()
}

pub(crate) fn mutants(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.at("**.to").into_iter().filter(|at| at.path[0] == "streams") {
        found.push(base.replace(
            "misspelt class",
            at.value(),
            &format!("{}x", base.text(at.value())),
            &[base.text(at.value())],
        ));
        found.push(base.replace(
            "class that does not exist",
            at.value(),
            "coffee_break",
            &["coffee_break"],
        ));
    }
    for at in base.at("**.verb").into_iter().filter(|at| at.path[0] == "streams") {
        let activity = "activity: Other";
        found.push(base.before("activity beside a verb", &at, activity, &["activity"]));
    }
    for at in base.at("tables.*.*") {
        if base.source.contains(&format!("lookup: {}", at.path[1])) {
            let (kind, wrong) = ("table with what is no caption", "Coffee Machine");
            found.push(base.replace(kind, at.value(), wrong, &[wrong]));
        }
    }
    for at in base.at("**.activity") {
        if let Some(activity) = at.text() {
            found.push(base.replace(
                "misspelt activity",
                at.value(),
                &format!("{activity}x"),
                &[activity],
            ));
            found.push(base.replace("activity of another class", at.value(), "Brew", &["Brew"]));
        }
    }
    for at in base.at("**.activity.*") {
        if let Some(activity) =
            at.text().filter(|_| !["from", "else"].contains(&at.entry.key.as_str()))
        {
            found.push(base.replace(
                "misspelt activity in a table",
                at.value(),
                &format!("{activity}x"),
                &[activity],
            ));
        }
    }
    for at in attributes(base) {
        let key = at.entry.key.as_str();
        let span = at.entry.key_span;
        let last = key.rsplit('.').next().unwrap();
        let misspelt = format!("{key}x");
        if !key.starts_with("unmapped") && !key.ends_with(']') {
            found.push(base.replace("misspelt attribute", span, &misspelt, &[last]));
            found.push(base.replace(
                "attribute below a value",
                span,
                &format!("{key}.colour.shade"),
                &["colour", last],
            ));
        }
        found.push(base.before(
            "attribute that the engine writes",
            &at,
            "class_uid: 3002",
            &["class_uid"],
        ));
        if !key.ends_with(']') && !key.starts_with("unmapped") {
            let twice = format!("{key}.colour: $.colour");
            found.push(base.before("attribute in parts and whole", &at, &twice, &["colour", last]));
        }
    }
    for at in base.at("**.map.time") {
        found.push(base.replace(
            "text for a time",
            at.value(),
            "yesterday",
            &["time", "yesterday"],
        ));
    }
    for at in base.at("**.as") {
        found.push(base.replace("conversion that does not exist", at.value(), "date", &["date"]));
    }
    for at in base.at("**.map.time.as") {
        found.push(base.replace(
            "time as a truth value",
            at.value(),
            "boolean",
            &["boolean", "time"],
        ));
    }
    for at in base.at("**.map.status.else") {
        found.push(base.replace(
            "caption that OCSF does not have",
            at.value(),
            "Perhaps",
            &["Perhaps"],
        ));
    }
    for at in base.at("**.map.status.when.*") {
        found.push(base.replace(
            "caption that OCSF does not have",
            at.value(),
            "Perhaps",
            &["Perhaps"],
        ));
    }
    for at in base.at("**.map.status") {
        found.push(base.replace(
            "number of a caption",
            at.entry.key_span,
            "status_id",
            &["status_id"],
        ));
    }
}

//! Mistakes in permissions, prerequisites, settings, posture checks and actions.

use crate::base::{Base, Mutant};

pub(crate) fn mutants(base: &Base, found: &mut Vec<Mutant>) {
    requirements(base, found);
    checks(base, found);
    actions(base, found);
}

/// A name that nothing has, where a list of names or one of them stands.
fn unknown_names(base: &Base, kind: &'static str, pattern: &str, found: &mut Vec<Mutant>) {
    for at in base.at(pattern) {
        let list = base.text(at.value()).starts_with('[');
        let wrong = if list { "[nothing_like_it]" } else { "nothing_like_it" };
        found.push(base.replace(kind, at.value(), wrong, &["nothing_like_it"]));
    }
}

fn requirements(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.at("permissions.*").into_iter().take(1) {
        let more =
            "colour: { name: C, label: C, why: It is asked for., manual: No., steps: Settings }";
        found.push(base.before("permission that nothing needs", &at, more, &["colour"]));
    }
    for pattern in ["actions.*.permissions", "posture.checks.*.permissions", "permissions.*.or"] {
        unknown_names(base, "permission that is not declared", pattern, found);
    }
    for pattern in ["permissions.*.needed_by", "prerequisites.*.affects"] {
        unknown_names(base, "requirement of nothing that there is", pattern, found);
    }
    for pattern in ["permissions.*", "prerequisites.*"] {
        for key in ["probe", "manual"] {
            for at in base.at(&format!("{pattern}.{key}")) {
                let kind = "requirement that is never looked at";
                found.push(base.without(kind, &at, &[at.path[1]]));
            }
        }
    }
    unknown_names(base, "settings that are not declared", "**.probe.settings", found);
    unknown_names(base, "fact that is not declared", "**.when.fact", found);
}

fn checks(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.at("posture.checks.*.weight") {
        found.push(base.replace("check that counts for nothing", at.value(), "0", &["counts"]));
        found.push(base.without("check without a weight", &at, &[at.path[2]]));
    }
    for at in base.at("posture.checks.*.unknown") {
        let probe = at.owner.entry("probe").and_then(|probe| probe.value.entry("settings"));
        let settings = probe.map(|entry| base.text(entry.value.span));
        if settings.is_some_and(|name| base.one(&format!("settings.{name}.unknown")).is_some()) {
            continue; // The settings say it for all.
        }
        found.push(base.without("no word on a missing answer", &at, &[at.path[2]]));
    }
    for at in base.at("**.between.from") {
        found.push(base.replace("range that nothing is in", at.value(), "9999", &["9999"]));
    }
    unknown_names(
        base,
        "prerequisite that is not declared",
        "posture.checks.*.conflicts_with",
        found,
    );
}

fn actions(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.at("actions.*.irreversible") {
        found.push(base.without("action without a way back", &at, &[at.path[1]]));
    }
    unknown_names(base, "way back that does not exist", "actions.*.revert", found);
    for at in base.at("actions.*.permissions") {
        found.push(base.without("action without a permission", &at, &[at.path[1]]));
    }
    // What takes an action back asks for the same.
    let alone = |name: &str| base.one(&format!("actions.{name}.irreversible")).is_some();
    for at in base.at("actions.*.inputs.*").into_iter().filter(|at| alone(at.path[1])) {
        let more = "colour: { type: integer, title: Colour }";
        found.push(base.before("action input that nothing uses", &at, more, &["colour"]));
    }
    for at in base.at("actions.*.verify.expect") {
        let expected = base.text(at.value());
        if expected == "false" || expected == "true" {
            let wrong = "{ count: { at_least: 0 } }";
            let kind = "verification that is always passed";
            found.push(base.replace(kind, at.value(), wrong, &["at least"]));
        }
    }
}

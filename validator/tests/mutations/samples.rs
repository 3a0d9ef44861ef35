//! Mistakes that only recorded responses show: paths that find nothing in them, times that are
//! written in another way.

use crate::base::{At, Base, Mutant};
use crate::mapping::attributes;

pub(crate) fn mutants(base: &Base, found: &mut Vec<Mutant>) {
    if base.fixtures.is_empty() {
        return;
    }
    let first = found.len();
    let streams = |keys: &str| {
        let mut all = base.at(&format!("streams.*.{keys}"));
        all.extend(base.at(&format!("streams.*.steps.*.{keys}")));
        all
    };
    paths(base, "records path that finds nothing", &streams("records"), found);
    paths(base, "key that finds nothing", &streams("key"), found);
    paths(base, "window time that finds nothing", &streams("window.on"), found);
    paths(base, "next page that finds nothing", &streams("pages.next_url"), found);
    paths(base, "next page that finds nothing", &streams("pages.cursor"), found);
    paths(base, "promised total that finds nothing", &streams("promise.total"), found);
    // Which records a case is for depends on what was recorded.
    let mapped: Vec<_> = attributes(base).into_iter().filter(|at| at.path.len() == 4).collect();
    paths(base, "mapped path that finds nothing", &mapped, found);
    let deciding = streams("map.by");
    paths(base, "deciding path that finds nothing", &deciding, found);
    members_of_items(base, found);
    times(base, found);
    for mutant in &mut found[first..] {
        mutant.sampled = true;
    }
}

/// Misspells the last member of each path.
fn paths(base: &Base, kind: &'static str, all: &[At<'_>], found: &mut Vec<Mutant>) {
    for at in all {
        let Some(path) = at.text().filter(|path| path.starts_with("$.")) else { continue };
        let (members, rest) = path.split_at(path.find('[').unwrap_or(path.len()));
        let wrong = format!("{members}z{rest}");
        let written = base.scalar(at, &wrong);
        found.push(base.replace(kind, at.value(), &written, &[&wrong]));
        if let Some(mutant) = found.last_mut().filter(|_| at.entry.key.contains('.')) {
            // Where an event cannot do without it, the attribute is named.
            mutant.names.push(at.entry.key.clone());
        }
    }
}

/// Misspells what the second step takes from each item that the first one lists.
fn members_of_items(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.at("streams.*.steps.*.request.get") {
        let Some((before, rest)) = at.text().and_then(|text| text.split_once("{{")) else {
            continue;
        };
        let (inner, after) = rest.split_once("}}").unwrap();
        if inner.starts_with(['i', 'w']) {
            continue; // An input, or the window.
        }
        let wrong = format!("{before}{{{{{inner}z}}}}{after}");
        let names = format!("{inner}z");
        let written = format!("\"{wrong}\"");
        found.push(base.replace("item member that finds nothing", at.value(), &written, &[&names]));
    }
}

/// Declares times to be written as they are not.
fn times(base: &Base, found: &mut Vec<Mutant>) {
    let kind = "time format that recorded times are not in";
    for at in base.at("streams.*.window.on") {
        let stream = at.path[1];
        if let Some(format) = base.one(&format!("streams.{stream}.window.format")) {
            let wrong = "\"%Y-%m-%dT%H:%M:%SZ\"";
            let mut mutant = base.replace(kind, format.value(), wrong, &["format", "time"]);
            // The map reads the same time, and either of the two may be the wrong one.
            for time in ["map.time", "map.shared.time"] {
                let time = base.one(&format!("streams.{stream}.{time}"));
                mutant.lines.extend(time.map(|time| base.line(time.entry.key_span.start)));
            }
            found.push(mutant);
        } else {
            let mut mutant = base.before(kind, &at, "format: epoch_s", &["format", "time"]);
            mutant.lines.push(mutant.lines[0] + 1);
            found.push(mutant);
        }
    }
}

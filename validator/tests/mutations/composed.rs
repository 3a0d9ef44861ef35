//! Mistakes in streams that are put together: places, snapshots, partitions, details, batches, jobs.

use longshore_schema::Span;

use crate::base::{At, Base, Mutant};

pub(crate) fn mutants(base: &Base, found: &mut Vec<Mutant>) {
    places(base, found);
    changes(base, found);
    partitions(base, found);
    steps(base, found);
    windows(base, found);
    let first = found.len();
    if !base.fixtures.is_empty() {
        recorded(base, found);
    }
    for mutant in &mut found[first..] {
        mutant.sampled = true;
    }
}

/// The span of a reference in a value.
fn reference(base: &Base, at: &At<'_>, text: &str) -> Option<Span> {
    let start = base.text(at.value()).find(text)? + at.value().start as usize;
    Some(Span::new(start, start + text.len()))
}

/// The one use of a reference in a stream replaced by a fixed text, blamed on a place.
fn never_sent(
    base: &Base,
    kind: &'static str,
    (at, text): (&At<'_>, &str),
    blame: &[u32],
    found: &mut Vec<Mutant>,
) {
    let Some(stream) = base.one(&format!("streams.{}", at.path[1])) else { return };
    if base.text(stream.value()).matches(text).count() != 1 {
        return;
    }
    let Some(span) = reference(base, &stream, text) else { return };
    let name = text.trim_matches(['{', '}']);
    found.push(base.mutant(kind, vec![(span, "fixed".to_owned())], blame, &[name]));
}

fn places(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.at("streams.*.cursor") {
        let stream = at.path[1];
        let request = base.one(&format!("streams.{stream}.request")).unwrap();
        let blame = [request.entry.key_span.start];
        never_sent(base, "place that is never sent", (&at, "{{cursor.value}}"), &blame, found);
        let window = "window: { on: $.time, lag: 1m, backfill: 1d }";
        let mut mutant = base.before("place beside a window", &at, window, &["window"]);
        mutant.lines = vec![mutant.lines[0] + 1];
        found.push(mutant);
        let changes = "changes: { ignore: [$.seen] }";
        found.push(base.before("place beside changes", &at, changes, &["changes"]));
    }
    for at in base.at("streams.*.cursor.next") {
        let records = base.one(&format!("streams.{}.records", at.path[1]));
        if let Some(list) = records.and_then(|records| records.text().map(str::to_owned)) {
            let first = format!("\"{}[0].id\"", list.trim_end_matches("[*]"));
            found.push(base.replace("place of one record", at.value(), &first, &["record"]));
        }
        found.push(base.before("place in two ways", &at, "last: $.id", &["place"]));
        found.push(base.without("place that is nowhere", &at, &["place"]));
        found.push(base.replace("place of many values", at.value(), "\"$.all[*]\"", &["$.all[*]"]));
    }
    for at in base.at("streams.*.cursor.expires") {
        found.push(base.replace("place forgotten too soon", at.value(), "1m", &["1m"]));
    }
}

fn changes(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.at("streams.*.changes.ignore") {
        let stream = at.path[1];
        let key = base.one(&format!("streams.{stream}.key")).unwrap();
        let known = base.text(key.value());
        found.push(base.replace("change of the key", at.value(), &format!("[{known}]"), &[known]));
        let many = "[\"$.a[*].b\"]";
        found.push(base.replace("change of no member", at.value(), many, &["$.a[*].b"]));
        found.push(base.replace(
            "snapshot known by all of it",
            key.value(),
            "$",
            &["never changes"],
        ));
        let mut mutant = base.before("compared and ignored", &at, "compare: [$.name]", &["ignore"]);
        mutant.lines.push(mutant.lines[0] + 1);
        found.push(mutant);
    }
}

fn partitions(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.at("streams.*.partitions.*") {
        let name = at.entry.key.as_str();
        found.push(base.replace("partition without values", at.value(), "[]", &[name]));
        found.push(base.replace(
            "partition with a value twice",
            at.value(),
            "[a, b, a]",
            &["twice"],
        ));
        let text = format!("{{{{partition.{name}}}}}");
        let blame = [at.entry.key_span.start];
        never_sent(base, "partition that is never sent", (&at, &text), &blame, found);
    }
    for at in base.at("streams.*.join.*.request") {
        let blame = [at.entry.key_span.start];
        let request = base.text(at.value());
        let Some(start) = request.find("{{record.") else { continue };
        let end = start + request[start..].find("}}").unwrap() + 2;
        let start = at.value().start as usize + start;
        let span = Span::new(start, at.value().start as usize + end);
        let edits = vec![(span, "fixed".to_owned())];
        found.push(base.mutant("detail of no record", edits, &blame, &[at.path[3]]));
    }
    for at in base.at("streams.*.pages.keyset.last.*") {
        let text = format!("{{{{page.last.{}}}}}", at.entry.key);
        let blame = [at.value().start];
        never_sent(base, "last record that is never sent", (&at, &text), &blame, found);
    }
}

fn steps(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.at("streams.*.steps.*.batch") {
        let request = base.one(&format!("streams.{}.steps.{}.request", at.path[1], at.path[3]));
        let blame = [request.unwrap().entry.key_span.start];
        never_sent(base, "batch that is never sent", (&at, "{{batch}}"), &blame, found);
        if let Some(last) = found.last_mut().filter(|last| last.kind == "batch that is never sent")
        {
            last.names = vec![at.path[3].to_owned()];
        }
    }
    for at in base.at("streams.*.steps.*.batch.size") {
        found.push(base.replace("batch of no items", at.value(), "0", &["no items"]));
    }
    for at in base.at("streams.*.steps.*.batch.bytes") {
        found.push(base.replace("batch that is too small", at.value(), "10", &["10 bytes"]));
    }
    for at in base.at("streams.*.steps.*.wait.until") {
        found.push(base.replace("wait for nothing", at.value(), "{}", &["until"]));
        if let Some(failed) = base.one(&at.path.join(".").replace("until", "failed")) {
            let done = base.text(at.value());
            found.push(base.replace("done and failed", failed.value(), done, &["failed"]));
        }
    }
    for at in base.at("streams.*.steps.*.wait.every") {
        found.push(base.replace("wait without a pause", at.value(), "0s", &["pause"]));
        found.push(base.replace("wait that ends at once", at.value(), "30d", &["never again"]));
    }
    for at in base.at("streams.*.steps.*.cleanup.delete") {
        let cleanup = base.one(&at.path[..5].join(".")).unwrap();
        found.push(base.mutant(
            "cleanup of everything",
            vec![(at.value(), "/all".to_owned())],
            &[cleanup.entry.key_span.start],
            &["cleanup"],
        ));
    }
    for at in base.at("streams.*.steps.*.cleanup.delete") {
        found.push(base.replace("cleanup that reads", at.entry.key_span, "get", &["reads"]));
    }
    for at in base.at("streams.*.steps.*.cleanup") {
        let last = base.at(&format!("streams.{}.steps.*.request", at.path[1])).pop().unwrap();
        let name = last.path[3];
        let more = format!("cleanup: {}", base.text(at.value()));
        found.push(base.before("cleanup of the records", &last, &more, &[name]));
    }
    for at in base.at("streams.*.steps.*.concurrency") {
        found.push(base.replace("more items than requests", at.value(), "99", &["99"]));
        found.push(base.replace("no item at a time", at.value(), "0", &["no item"]));
        let first = base.at(&format!("streams.{}.steps.*.request", at.path[1])).swap_remove(0);
        let more = "concurrency: 2";
        found.push(base.before("first step at once", &first, more, &["first one"]));
    }
}

fn windows(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.at("streams.*.window.on") {
        let stream = base.stream_span(&at);
        let text = base.text(stream);
        if at.owner.entry("filter").is_none() && text.contains("window.end") {
            found.push(base.before("window filtered twice", &at, "filter: here", &["filter"]));
        }
        if at.owner.entry("order").is_none() && !text.contains("pages:") {
            let order = "order: descending";
            found.push(base.before("order of one page", &at, order, &["one page"]));
        }
        if at.owner.entry("zone").is_none() {
            let zone = "zone: Europe/Berln";
            found.push(base.before("zone that nobody knows", &at, zone, &["Europe/Berln"]));
        }
        let format = at.owner.entry("format").map(|format| base.text(format.value.span));
        if format.is_some_and(|format| format.starts_with("epoch") || format.contains("%z")) {
            let zone = "zone: Europe/Berlin";
            found.push(base.before("zone for times that have one", &at, zone, &["Europe/Berlin"]));
        }
    }
    for at in base.at("streams.*.window.most") {
        found.push(base.replace("window of no records", at.value(), "0", &["never shows"]));
        let span = at.owner.entry("span").map(|span| base.text(span.value.span).to_owned());
        if let (Some(span), Some(fine)) = (span, at.owner.entry("resolution")) {
            let edits = vec![(fine.value.span, span)];
            let blame = [at.value().start];
            found.push(base.mutant("window without halves", edits, &blame, &["halves"]));
        }
    }
    for at in base.at("streams.*.map.for_each") {
        if let Some(list) = at.text().and_then(|path| path.strip_suffix("[*]")) {
            found.push(base.replace("parts that are no list", at.value(), list, &[list]));
        }
    }
}

/// What only recorded responses show.
fn recorded(base: &Base, found: &mut Vec<Mutant>) {
    let mut misspelt = |kind, pattern: &str| {
        for at in base.at(pattern) {
            let Some(path) = at.text().filter(|path| path.starts_with("$.")) else { continue };
            let (members, rest) = path.split_at(path.find('[').unwrap_or(path.len()));
            let wrong = format!("{members}z{rest}");
            found.push(base.replace(kind, at.value(), &base.scalar(&at, &wrong), &[&wrong]));
        }
    };
    misspelt("place that finds nothing", "streams.*.cursor.next");
    misspelt("place that finds nothing", "streams.*.cursor.last");
    misspelt("last record that finds nothing", "streams.*.pages.keyset.last.*");
    misspelt("detail that finds nothing", "streams.*.join.*.select");
    misspelt("batch of what finds nothing", "streams.*.steps.*.batch.of");
    misspelt("gone path that finds nothing", "streams.*.changes.gone.*");
    misspelt("parts that find nothing", "streams.*.map.for_each");
    misspelt("quota that finds nothing", "quotas.*.body.*");
    let keys = ["streams.*.privacy.*", "streams.*.unpack.*", "streams.*.steps.*.wait.until.*"];
    for at in keys.iter().flat_map(|pattern| base.at(pattern)) {
        let wrong = format!("{}z", at.entry.key);
        let kind = "member that finds nothing";
        found.push(base.replace(kind, at.entry.key_span, &wrong, &[&wrong]));
    }
    for at in base.at("**.if.*").into_iter().filter(|at| at.path[0] == "streams") {
        let value = base.text(at.value());
        if value.chars().all(char::is_alphanumeric) {
            let capital = value[..1].to_uppercase() + &value[1..];
            let kind = "condition in other letters";
            found.push(base.replace(kind, at.value(), &capital, &[value]));
        }
    }
    for at in base.at("streams.*.unpack.*") {
        let steps = "[base64, json]";
        found.push(base.replace("packed otherwise", at.value(), steps, &["Base64"]));
    }
    for at in base.at("streams.*.map.shared.message") {
        let text = base.text(at.value());
        if text.contains("{{item.kind}}") {
            let wrong = text.replace("item.kind", "item.kindz");
            let kind = "part member that finds nothing";
            found.push(base.replace(kind, at.value(), &wrong, &["item.kindz"]));
        }
    }
    for at in base.at("streams.*.steps.*.wait.until.*") {
        let kind = "wait for what is never recorded";
        found.push(base.replace(kind, at.value(), "finished", &["recorded"]));
    }
}

//! Mistakes of pages, windows, schedules, quotas and error rules that are right for each line.

use longshore_schema::Span;

use crate::base::{At, Base, Mutant};

/// Whether the entry's stream has a window.
fn is_windowed(base: &Base, at: &At<'_>) -> bool {
    !base.at(&format!("streams.{}.window", at.path[1])).is_empty()
}

pub(crate) fn mutants(base: &Base, found: &mut Vec<Mutant>) {
    pages(base, found);
    windows(base, found);
    quotas(base, found);
    errors(base, found);
    for at in base.at("streams.*.every") {
        let value = at.value();
        found.push(base.replace("polled without a pause", value, "0s", &["every", at.path[1]]));
        found.push(base.replace("polled every second", value, "1s", &["a minute"]));
        let read_whole = !is_windowed(base, &at)
            && base.at(&format!("streams.{}.cursor", at.path[1])).is_empty();
        if read_whole && base.at(&format!("streams.{}.steps", at.path[1])).is_empty() {
            found.push(base.replace("everything again", value, "5m", &["everything"]));
        }
    }
    for at in base.at("streams.*.key") {
        if let [on] = base.at(&format!("streams.{}.window.on", at.path[1])).as_slice() {
            found.push(base.replace(
                "key is the time",
                at.value(),
                base.text(on.value()),
                &["same time"],
            ));
        }
        found.push(base.replace("key of many values", at.value(), "$.all[*]", &["$.all[*]"]));
    }
}

fn pages(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.at("**.records") {
        let path = at.text().unwrap_or_default();
        if let Some(list) = path.strip_suffix("[*]").filter(|list| *list != "$") {
            found.push(base.replace("records is the list itself", at.value(), list, &[list]));
        }
    }
    for at in base.at("**.request.get") {
        let pages = "pages: { next_url: $.next }";
        found.push(base.before("pages in the request", &at, pages, &["pages"]));
    }
    for at in base.at("streams.*.pages") {
        // Elsewhere only a response shows that there are more.
        let promise = at.owner.entry("promise");
        let Some(promise) = promise.filter(|promise| promise.value.entry("last_page").is_some())
        else {
            continue;
        };
        let edits = vec![(base.whole(&at), String::new())];
        let request = base.text(at.owner.span);
        if !request.contains("{{page.") {
            found.push(base.mutant("pages left out", edits, &[promise.key_span.start], &["next"]));
        }
    }
    for at in base.at("**.pages") {
        let owner = [at.owner_key.start];
        let uses_page = base.text(at.owner.span).contains("{{page.");
        if uses_page {
            continue; // References without a value are their own kind.
        }
        let other = "{ cursor: $.next }";
        let mut mutant =
            base.replace("pages that are never asked for", at.value(), other, &["page.cursor"]);
        mutant.lines.push(base.line(owner[0]));
        if base.is_flow(&at.entry.value) {
            found.push(mutant);
            found.push(base.replace(
                "two kinds of pages",
                at.value(),
                "{ next_url: $.next, cursor: $.cursor }",
                &["next_url", "cursor"],
            ));
        }
    }
    for at in base.at("**.number.size").into_iter().chain(base.at("**.offset.size")) {
        found.push(base.replace("page of no records", at.value(), "0", &["no records"]));
    }
    for at in base.at("**.promise") {
        if base.is_flow(&at.entry.value) {
            found.push(base.replace("empty promise", at.value(), "{}", &["promise"]));
        }
    }
}

fn windows(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.at("streams.*.window") {
        let stream = base.stream_span(&at);
        let text = base.text(stream);
        for (kind, end) in [
            ("window without its end", "{{window.end}}"),
            ("window without its start", "{{window.start}}"),
        ] {
            if let Some(place) = text.find(end).filter(|_| text.matches(end).count() == 1) {
                let start = stream.start as usize + place;
                let span = Span::new(start, start + end.len());
                let request = base.at(&format!("streams.{}.request", at.path[1]));
                let step = base.at(&format!("streams.{}.steps.*.request", at.path[1]));
                let request = request.first().or(step.first()).unwrap();
                found.push(base.mutant(
                    kind,
                    vec![(span, "2026-10-01T00:00:00Z".to_owned())],
                    &[request.entry.key_span.start],
                    &["window"],
                ));
            }
        }
    }
    for at in base.at("streams.*.window.overlap") {
        if let Some(span) = at.owner.entry("span") {
            let span = base.text(span.value.span);
            found.push(base.replace("overlap as long as the span", at.value(), span, &["overlap"]));
        }
        if at.owner.entry("retention").is_some() {
            found.push(base.replace(
                "overlap past the retention",
                at.value(),
                "400d",
                &["overlap"],
            ));
        }
    }
    for at in base.at("streams.*.window.bounds") {
        if at.owner.entry("overlap").is_some() {
            continue; // What is asked for twice has no boundary.
        }
        let whole = base.one(&format!("streams.{}.window.resolution", at.path[1]));
        let mut edits = vec![(at.value(), "\"()\"".to_owned())];
        edits.extend(whole.map(|at| (base.whole(&at), String::new())));
        let start = at.value().start;
        found.push(base.mutant("window open at both ends", edits, &[start], &["start"]));
        found.push(base.replace("window closed at both ends", at.value(), "\"[]\"", &["boundary"]));
    }
    for at in base.at("streams.*.window.backfill") {
        if at.owner.entry("retention").is_some() {
            found.push(base.replace(
                "backfill past the retention",
                at.value(),
                "3000d",
                &["3000d"],
            ));
        }
        found.push(base.replace(
            "backfill that is no duration",
            at.value(),
            "\"{{inputs.client_id}}\"",
            &["client_id"],
        ));
    }
    for at in base.at("streams.*.window.on") {
        if at.owner.entry("format").is_none() {
            found.push(base.before(
                "time format too coarse",
                &at,
                "format: \"%Y\"",
                &["format", "steps"],
            ));
        }
        let many = base.scalar(&at, "$.times[*]");
        found.push(base.replace("window on many values", at.value(), &many, &["$.times[*]"]));
    }
    for at in base.at("streams.*.window.lag") {
        if base.at(&format!("streams.{}.window.overlap", at.path[1])).is_empty() {
            let on = base.at(&format!("streams.{}.window.on", at.path[1]));
            found.push(base.mutant(
                "late records",
                vec![(base.whole(&at), String::new())],
                &[on[0].value().start],
                &["lag"],
            ));
        }
    }
    for at in base.at("streams.*.remember") {
        if is_windowed(base, &at) {
            found.push(base.replace("keys forgotten", at.value(), "1s", &["forgotten"]));
        }
    }
}

fn quotas(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.at("quotas") {
        let http = base.at("http");
        // What a request costs of it shows it first.
        let costs = base.at("**.cost.*");
        let place = costs.first().or(http.first()).unwrap();
        found.push(base.mutant(
            "no quota",
            vec![(base.whole(&at), String::new())],
            &[place.entry.key_span.start],
            &["quota"],
        ));
    }
    for at in base.at("quotas.*.streams") {
        let (kind, name) = ("quota for a stream that is not declared", "nothing_like_it");
        found.push(base.replace(kind, at.value(), &format!("[{name}]"), &[name]));
    }
    for at in base.at("quotas.*.reserve") {
        found.push(base.replace("no reserve", at.value(), "0%", &["others"]));
    }
    for at in base.at("quotas.*.limit") {
        // An hour's calls are few.
        let period = at.owner.entry("period").map(|period| base.text(period.value.span));
        if !period.is_some_and(|period| period.contains("1d")) {
            continue;
        }
        found.push(base.replace("schedule over the quota", at.value(), "20", &["requests"]));
    }
    for at in base.at("quotas.*.counts") {
        let header = base.at(&format!("quotas.{}.header", at.path[1]));
        let headers = base.at(&format!("quotas.{}.headers", at.path[1]));
        let body = base.at(&format!("quotas.{}.body", at.path[1]));
        if header.is_empty() && headers.is_empty() && body.is_empty() {
            found.push(base.replace(
                "quota that nothing reports",
                at.value(),
                "[own, reported]",
                &["reported"],
            ));
        }
    }
    for at in base.at("quotas.*.headers.reset.unit") {
        found.push(base.without("reset without its unit", &at, &["unit"]));
    }
}

fn errors(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.at("errors.*.when") {
        if base.is_flow(&at.entry.value) {
            found.push(base.replace(
                "error rule without a condition",
                at.value(),
                "{}",
                &["condition"],
            ));
        }
    }
    for at in base.at("errors.*.code") {
        found.push(base.replace(
            "error code in small letters",
            at.value(),
            "perm-missing",
            &["perm-missing"],
        ));
    }
    for at in base.at("errors.*.then") {
        let words = base.at("errors.*.code");
        let has_words = words.iter().any(|code| std::ptr::eq(code.owner, at.owner));
        if !has_words && base.text(at.value()) != "refresh" {
            found.push(base.replace("stop without words", at.value(), "stop", &["why"]));
        }
    }
    for at in base.at("errors.*.message") {
        found.push(base.replace(
            "message that says nothing",
            at.value(),
            "Something went wrong",
            &["Something went wrong"],
        ));
    }
    if let Some(first) = base.at("errors.*.when").first() {
        let again = base.text(first.value()).trim_end();
        let dash = base.source[..first.entry.key_span.start as usize].rfind('-').unwrap();
        let errors = base.at("errors");
        let whole = base.whole(&errors[0]);
        if base.is_flow(&first.entry.value) {
            let indent = " ".repeat(dash - base.source[..dash].rfind('\n').unwrap() - 1);
            let end = Span { start: whole.end, end: whole.end };
            let rule = format!("{indent}- when: {again}\n{indent}  then: retry\n");
            found.push(base.replace("rule that is never reached", end, &rule, &["never"]));
        }
    }
}

impl Base {
    /// The stream that an entry is part of.
    pub(crate) fn stream_span(&self, at: &At<'_>) -> Span {
        let stream = self.at(&format!("streams.{}", at.path[1]));
        stream.first().map_or(at.value(), |stream| self.whole(stream))
    }
}

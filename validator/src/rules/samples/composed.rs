//! Streams that are put together, against what was recorded of their parts.

use longshore_schema::decode::Unpacking;
use longshore_schema::stream::Order;
use longshore_schema::time;
use longshore_schema::yaml::Content;

use super::view::{Record, View, text_of};
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::samples::select;
use crate::suggest::one_of;

/// Every column of a recorded table has a name.
pub(super) fn columns(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    for fetch in &view.fetches {
        let dialect = fetch.decode.csv.as_ref().or(fetch.decode.tsv.as_ref());
        let Some(names) = dialect.map(|dialect| &dialect.columns).filter(|c| !c.is_empty()) else {
            continue;
        };
        let fields = view.responses(fetch).map(|sample| sample.fields).max().unwrap_or_default();
        if fields > 0 && fields != names.len() {
            found.push(
                Diagnostic::new(
                    &codes::COLUMNS,
                    names.span,
                    format!("{} columns are named, and recorded rows have {fields}", names.len()),
                )
                .help("name all columns in order: with one too few or too many, names stand for the wrong ones"),
            );
        }
    }
}

/// Some recorded answer is what is waited for.
pub(super) fn waits(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    for fetch in &view.fetches {
        let Some(wait) = fetch.settings.and_then(|step| step.wait.as_ref()) else { continue };
        let bodies = view.bodies(fetch);
        for (path, values) in wait.until.iter() {
            let mut seen: Vec<_> = bodies
                .iter()
                .filter_map(|body| text_of(select(&path.value, body).first()?))
                .collect();
            let done = |seen: &String| values.0.iter().any(|value| value.to_string() == *seen);
            // Where nothing is found, that is reported.
            if seen.is_empty() || seen.iter().any(done) {
                continue;
            }
            seen.sort();
            seen.dedup();
            seen.truncate(8);
            let recorded: Vec<_> = seen.iter().map(|seen| format!("`{seen}`")).collect();
            found.push(
                Diagnostic::new(
                    &codes::NEVER_DONE,
                    path.span,
                    format!("`{}` has no recorded value that is waited for", path.value),
                )
                .label(format!("recorded: {}", recorded.join(", ")))
                .help("write the value as the app does, to the letter, or record an answer that is done"),
            );
        }
    }
}

/// What is packed into recorded members can be opened as it is said.
pub(super) fn unpacked(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    let Some(fetch) = view.fetches.last() else { return };
    let Some(records) = fetch.records else { return };
    let records: Vec<_> =
        view.bodies(fetch).into_iter().flat_map(|body| select(&records.value, body)).collect();
    for (path, steps) in &view.stream.unpack {
        let Some(first) = steps.first() else { continue };
        let texts = records.iter().flat_map(|record| select(&path.value, record));
        let texts = texts.filter_map(|node| match &node.content {
            Content::String(text) if !text.is_empty() => Some(text),
            _ => None,
        });
        let odd = |text: &&String| match first.value {
            Unpacking::Base64 => text.contains(|c: char| {
                !(c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "+/-_=".contains(c))
            }),
            Unpacking::Json => !text.trim_start().starts_with(['{', '[', '"']),
            _ => false,
        };
        if texts.clone().next().is_some() && texts.clone().all(|text| odd(&text)) {
            let what = if first.value == Unpacking::Json { "JSON" } else { "Base64" };
            found.push(
                Diagnostic::new(
                    &codes::UNPACK,
                    first.span,
                    format!("no recorded text at `{}` is {what}", path.value),
                )
                .help("write the steps in the order in which the text is opened, or the member that is packed"),
            );
        }
    }
}

/// Recorded records come in the order that is declared.
pub(super) fn order(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    let Some(window) = &view.stream.window else { return };
    let Some(order) = &window.order else { return };
    let records = view.timed();
    let wrong = records.windows(2).find(|pair| {
        let at = |record: &Record<'_>| {
            let text = text_of(select(&window.on.value, record.node).first()?)?;
            time::parse(&text, &window.format)
        };
        let (Some(first), Some(second)) = (at(&pair[0]), at(&pair[1])) else { return false };
        let otherwise = match order.value {
            Order::Ascending => first > second,
            Order::Descending => first < second,
        };
        otherwise && pair[0].fixture == pair[1].fixture
    });
    let Some([first, second]) = wrong else { return };
    let (declared, is) = match order.value {
        Order::Ascending => ("oldest first", "an older one"),
        Order::Descending => ("newest first", "a newer one"),
    };
    found.push(
        Diagnostic::new(
            &codes::ORDER_ELSE,
            order.span,
            format!("records come {declared}, and {is} is recorded behind another"),
        )
        .label(format!(
            "{} and {}",
            view.place(first.fixture, first.node.span),
            view.place(second.fixture, second.node.span)
        ))
        .help("leave `order` out unless the app is sure of it: reading stops or goes on by it, and records would be missed"),
    );
}

/// Each recorded item fits into a batch.
pub(super) fn batches(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    for pair in view.fetches.windows(2) {
        let Some(batch) = pair[1].settings.and_then(|step| step.batch.as_ref()) else { continue };
        let Some(bytes) = &batch.bytes else { continue };
        let items = view.fetched(&pair[0]);
        let lengths = items.iter().filter_map(|item| {
            Some((text_of(select(&batch.of.value, item.node).first()?)?.len(), item))
        });
        let Some((longest, item)) = lengths.max_by_key(|(length, _)| *length) else { continue };
        // A limit that is too small for `size` is reported as such.
        if longest as u64 > bytes.value && bytes.value >= batch.size.value {
            let place = view.place(item.fixture, item.node.span);
            found.push(
                Diagnostic::new(
                    &codes::BATCH,
                    bytes.span,
                    format!("not one recorded item fits into {} bytes", bytes.value),
                )
                .label(format!("{longest} bytes at {place}"))
                .help("write how many bytes the values of one request may have together"),
            );
        }
    }
}

/// What is to grow from record to record can be compared.
pub(super) fn places(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    let Some(last) = view.stream.cursor.as_ref().and_then(|cursor| cursor.last.as_ref()) else {
        return;
    };
    let odd = view.records.iter().find_map(|record| {
        let node = *select(&last.value, record.node).first()?;
        let what = match node.content {
            Content::Mapping(_) => "an object",
            Content::Sequence(_) => "a list",
            Content::Bool(_) => "a truth value",
            Content::Float(_) => "a fraction",
            _ => return None,
        };
        Some((view.place(record.fixture, node.span), what))
    });
    if let Some((place, what)) = odd {
        found.push(
            Diagnostic::new(
                &codes::PLACE,
                last.span,
                format!("`{}` is {what}, of which there is no greatest", last.value),
            )
            .label(format!("at {place}"))
            .help("choose a member that only grows, such as an id or a time"),
        );
    }
}

/// A detail takes the place of nothing that the app says of the record itself.
pub(super) fn details(view: &View<'_>, found: &mut Vec<Diagnostic>) {
    for (name, _) in &view.stream.join.value {
        let own = |record: &&Record<'_>| {
            let member = record.node.entry(name.as_str());
            // What was joined stands where the record does.
            member.is_some_and(|member| member.key_span != record.node.span)
        };
        let Some(record) = view.records.iter().find(own) else { continue };
        let names = record.node.entries().iter().map(|entry| entry.key.as_str());
        found.push(
            Diagnostic::new(
                &codes::DETAIL,
                name.span,
                format!(
                    "a recorded record has a member `{name}` of its own, which the detail replaces"
                ),
            )
            .label(format!("at {}", view.place(record.fixture, record.node.span)))
            .help(format!("choose a name other than {}", one_of(names.take(8))))
            .severity(Severity::Warning),
        );
    }
}

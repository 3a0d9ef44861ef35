//! Mistakes in keys.

use longshore_schema::yaml::Content;

use crate::base::{At, Base, Mutant};

/// Keys that say something else when they are misspelt, because their mapping is free.
fn is_known(base: &Base, at: &At<'_>) -> bool {
    let (_, owner) = at.path.split_last().unwrap();
    base.is_closed(owner)
}

fn is_required(base: &Base, at: &At<'_>) -> bool {
    let (key, owner) = at.path.split_last().unwrap();
    let required = base.schema(owner).and_then(|schema| schema["required"].as_array());
    required.is_some_and(|required| required.iter().any(|name| name == key))
}

pub(crate) fn mutants(base: &Base, found: &mut Vec<Mutant>) {
    let entries = base.entries();
    for at in &entries {
        let key = at.entry.key.as_str();
        let span = at.entry.key_span;
        if is_known(base, at) {
            let mut add = |kind, wrong: &str| {
                // `headers` is no misspelt `header` where there are both.
                if !base.knows(at, wrong) {
                    found.push(base.replace(kind, span, wrong, &[key, wrong]));
                }
            };
            let letters: Vec<char> = key.chars().collect();
            if letters.len() > 3 {
                let dropped: String =
                    letters.iter().take(1).chain(letters.iter().skip(2)).collect();
                add("key with a letter missing", &dropped);
                let mut swapped = letters.clone();
                let last = swapped.len() - 1;
                swapped.swap(last, last - 1);
                if swapped != letters {
                    let swapped: String = swapped.iter().collect();
                    add("key with letters swapped", &swapped);
                }
            }
            if letters.len() > 2 && !key.ends_with('s') {
                add("key in the plural", &format!("{key}s"));
            }
            if key.contains('_') {
                let dashed = key.replace('_', "-");
                add("key with dashes", &dashed);
                let camel: String = key
                    .split('_')
                    .enumerate()
                    .map(|(n, word)| {
                        if n == 0 { word.to_owned() } else { word[..1].to_uppercase() + &word[1..] }
                    })
                    .collect();
                add("key in camel case", &camel);
            }
            let mut capital = key.to_owned();
            capital[..1].make_ascii_uppercase();
            add("key with a capital", &capital);
            // Without its only entry a mapping is a key without a value.
            if is_required(base, at) && (base.is_flow(at.owner) || at.owner.entries().len() > 1) {
                found.push(base.without("required key missing", at, &[key]));
            }
            found.push(base.before("unknown key", at, "colour: blue", &["colour"]));
            let nothing = longshore_schema::Span { start: span.end, end: base.text_end(at) };
            let takes_nothing = base.schema(&at.path).is_some_and(|schema| {
                let types = schema["type"].as_array();
                types.is_some_and(|types| types.iter().any(|name| name == "null"))
                    || schema.get("type").is_none()
            });
            if !matches!(at.entry.value.content, Content::Null) && !takes_nothing {
                found.push(base.replace("key without a value", nothing, ":", &[key]));
            }
        }
    }
    // A key that is right elsewhere.
    for at in entries.iter().filter(|at| at.path.len() == 3 && at.path[0] == "streams") {
        if at.path[2] == "every" {
            for (wrong, owner) in [
                ("next_url: $.next", "pages"),
                ("lag: 1m", "window"),
                ("total: $.total", "promise"),
                ("hosts: []", "http"),
                ("errors: []", "errors"),
                ("reserve: 10%", "reserve"),
            ] {
                found.push(base.before("key of another place", at, wrong, &[owner]));
            }
        }
    }
}

impl Base {
    /// Whether the mapping of an entry has a key of this name too.
    fn knows(&self, at: &At<'_>, key: &str) -> bool {
        let (_, owner) = at.path.split_last().unwrap();
        self.schema(owner).is_some_and(|schema| schema["properties"].get(key).is_some())
    }

    /// The end of what an entry says.
    fn text_end(&self, at: &At<'_>) -> u32 {
        let whole = self.whole(at);
        if self.is_flow(at.owner) {
            return at.value().end.max(at.entry.key_span.end);
        }
        let text = self.text(whole).trim_end();
        whole.start + text.len() as u32
    }
}

//! Values of the wrong type, and values that cannot be read.

use longshore_schema::yaml::Content;

use crate::base::{At, Base, Mutant};

/// The mistakes that a format can have, each with what may name it.
fn malformed(format: &str) -> &'static [(&'static str, &'static str)] {
    match format {
        "longshore-duration" => &[
            ("duration in words", "15 minutes"),
            ("duration without a unit", "\"15\""),
            ("negative duration", "-5m"),
            ("duration in an unknown unit", "3y"),
        ],
        "longshore-percent" => {
            &[("percentage over 100", "110%"), ("percentage without its sign", "\"10\"")]
        }
        "longshore-jsonpath" => &[
            ("path without its dollar", "records"),
            ("path with an open bracket", "$.a["),
            ("path with a dash", "$.a-b"),
            ("path that ends in a dot", "$.a."),
        ],
        "longshore-version" => {
            &[("version of two numbers", "\"1.0\""), ("version in words", "latest")]
        }
        "longshore-name" => &[("name with a space", "two words"), ("name with capitals", "Name")],
        "longshore-host" => &[
            ("host with a scheme", "https://example.test"),
            ("host with a path", "example.test/v1"),
        ],
        "longshore-url" => &[("link without a scheme", "example.test")],
        "longshore-status" => {
            &[("status that does not exist", "999"), ("status in words", "error")]
        }
        "longshore-time-format" => &[("time format of another language", "yyyy-MM-dd")],
        "longshore-header-pattern" => &[
            ("pattern without its groups", "'(\\d+)'"),
            ("pattern that is not closed", "'(?<used>\\d+'"),
        ],
        "longshore-capture" => &[("expression that is not closed", "'(a'")],
        "longshore-template" => &[
            ("template that is not closed", "\"{{inputs.client_id\""),
            ("template with a filter", "\"{{inputs.client_id | upper}}\""),
            ("template with a loop", "\"{{#each inputs.client_id}}a{{/each}}\""),
            ("empty template", "\"{{}}\""),
            ("helper that does not exist", "\"{{upper inputs.client_id}}\""),
        ],
        _ => &[],
    }
}

/// What a report may call the value of an entry: its key, or what is wrong with it.
fn names<'a>(at: &'a At<'_>, wrong: &'a str) -> Vec<&'a str> {
    let wrong = wrong.trim_matches(['"', '\'']);
    vec![at.entry.key.as_str(), wrong]
}

pub(crate) fn mutants(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.entries() {
        let Some(schema) = base.schema(&at.path) else { continue };
        let types: Vec<&str> = match &schema["type"] {
            serde_json::Value::String(one) => vec![one],
            serde_json::Value::Array(many) => {
                many.iter().filter_map(|name| name.as_str()).collect()
            }
            _ => Vec::new(),
        };
        let value = at.value();
        let written = base.text(value);
        if !base.is_inline(&at) || value.start == value.end {
            continue;
        }
        let mut add = |kind, new: &str| {
            found.push(base.replace(kind, value, new, &names(&at, new)));
        };
        for (kind, wrong) in malformed(schema["format"].as_str().unwrap_or_default()) {
            add(kind, &base.scalar(&at, wrong));
        }
        if schema["enum"].is_array() {
            let word = written.trim_matches(['"', '\'']);
            let letters: Vec<char> = word.chars().collect();
            if letters.len() > 3 {
                let misspelt: String =
                    letters.iter().take(2).chain(letters.iter().skip(3)).collect();
                add("misspelt choice", &misspelt);
            }
            add("choice that does not exist", "somehow");
        }
        let scalar = !matches!(at.entry.value.content, Content::Mapping(_) | Content::Sequence(_));
        if scalar && !types.is_empty() {
            if !types.contains(&"array") {
                add("list for one value", "[1, 2]");
            }
            if !types.contains(&"object") {
                add("mapping for one value", "{ a: 1 }");
            }
            if types == ["string"] && schema.get("format").is_none() && schema.get("enum").is_none()
            {
                add("number for text", "5");
                add("truth value for text", "true");
            }
            if types == ["integer"] {
                add("text for a number", "many");
                add("number in quotes", "\"100\"");
                add("negative number", "-1");
                add("fraction for a whole number", "1.5");
                add("number of thirty digits", "123456789012345678901234567890");
            }
            if types == ["boolean"] {
                add("text for a truth value", "maybe");
                add("truth value in quotes", "\"true\"");
            }
        } else if types == ["array"] {
            if written.starts_with('[') {
                if schema["minItems"].as_u64() > Some(0) {
                    add("empty list", "[]");
                }
                add("text for a list", "everything");
            }
        } else if types == ["object"] && written.starts_with('{') {
            add("text for a mapping", "everything");
            add("list for a mapping", "[everything]");
        }
    }
}

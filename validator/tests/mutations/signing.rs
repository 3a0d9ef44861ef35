//! Mistakes in signatures, sessions, choices of how to sign in, and in what depends on the tenant.

use longshore_schema::Span;

use crate::base::{Base, Mutant};

pub(crate) fn mutants(base: &Base, found: &mut Vec<Mutant>) {
    signatures(base, found);
    for at in base.at("**.session.token.*") {
        let line = "account_name: $.name";
        found.push(base.before("token that is never used", &at, line, &["account_name"]));
    }
    for at in base.at("**.session.login.form") {
        let login = base.one(&at.path[..at.path.len() - 1].join(".")).unwrap();
        found.push(base.mutant(
            "login of nobody",
            vec![(at.value(), "{ user: someone }".to_owned())],
            &[login.entry.key_span.start],
            &["who signs in"],
        ));
    }
    for pattern in ["http.headers.*", "**.request.headers.*", "**.hmac.headers.*"] {
        for at in base.at(pattern).into_iter().filter(|at| at.entry.key.contains('-')) {
            let wrong = at.entry.key.replace('-', " ");
            found.push(base.replace("header with a space", at.entry.key_span, &wrong, &[&wrong]));
        }
    }
    for pattern in ["**.next_url.header", "quotas.*.headers.limit", "**.session.send.header"] {
        for at in base.at(pattern) {
            let wrong = format!("\"{}:\"", base.text(at.value()));
            let name = at.text().unwrap_or_default();
            found.push(base.replace("header with a colon", at.value(), &wrong, &[name]));
        }
    }
    for at in base.at("**.one_of.kinds.*") {
        let name = at.entry.key.as_str();
        let wrong = format!("{name}x");
        let mut mutant =
            base.replace("way that nobody can choose", at.entry.key_span, &wrong, &[&wrong]);
        // The choice leads nowhere then.
        let choices = base.one("inputs.way.choices").unwrap();
        mutant.lines.push(base.line(choices.entry.key_span.start));
        found.push(mutant);
    }
    for at in base.at("tables.*.*") {
        let looked_up = format!("lookup \"{}\" inputs", at.path[1]);
        if base.source.contains(&looked_up) {
            let wrong = format!("{}x", at.entry.key);
            let kind = "choice that a table lacks";
            found.push(base.replace(kind, at.entry.key_span, &wrong, &[&wrong]));
        }
    }
    for at in base.at("facts.*.prefer") {
        found.push(base.before("fact said twice", &at, "found: 7", &["found", "prefer"]));
        if let Some(last) = found.last_mut() {
            last.lines.push(last.lines[0] + 1);
        }
    }
    for at in base.at("**.query.*") {
        let text = base.text(at.value());
        if let Some(list) = text.split("{{join ").nth(1).and_then(|rest| rest.split(' ').next()) {
            let bare = format!("\"{{{{{list}}}}}\"");
            found.push(base.replace("list in a text", at.value(), &bare, &[list]));
        }
    }
    for at in base.at("streams.*.privacy.*") {
        if base.text(at.entry.key_span) == "$.ip" {
            found.push(base.replace("hash of an address", at.value(), "hash", &["a hash"]));
            found.push(base.replace("dropped and mapped", at.value(), "drop", &["mapped"]));
        }
    }
    for at in base.at("streams.*.decode.compression") {
        let kind = "file in what is no archive";
        found.push(base.before(kind, &at, "inside: \"*.json\"", &["zip"]));
    }
    for at in base.at("quotas.*.limit") {
        let http = base.one("http.base_url").unwrap();
        if base.one("http.rate").is_none() && base.text(at.value()) == "5000" {
            let rate = "rate: { requests: 9000, per: 1m }";
            found.push(base.before("rate above the quota", &http, rate, &["quota"]));
        }
    }
}

fn signatures(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.at("**.hmac.string") {
        let text = base.text(at.value());
        let mut without = |kind, part: &str, names: &[&str]| {
            if let Some(start) = text.find(part) {
                let start = at.value().start as usize + start;
                let span = Span::new(start, start + part.len());
                found.push(base.replace(kind, span, "", names));
            }
        };
        without("time that is not signed", " {{request.time}}", &["request.time"]);
        if base.source.contains("json:") {
            without("body that is not signed", " {{request.body_hash}}", &["body"]);
        }
    }
    for at in base.at("**.hmac.headers.*") {
        if base.text(at.value()).contains("request.time") {
            let string = base.one(&at.path[..at.path.len() - 2].join(".")).unwrap();
            let string = string.entry.value.entry("string").unwrap();
            found.push(base.mutant(
                "time that is never sent",
                vec![(base.whole(&at), String::new())],
                &[string.value.span.start],
                &["request.time"],
            ));
        }
    }
    for at in base.at("**.hmac.key") {
        let wrong = "\"key: {{inputs.key}}\"";
        found.push(base.replace("key that cannot be decoded", at.value(), wrong, &["base64"]));
    }
}

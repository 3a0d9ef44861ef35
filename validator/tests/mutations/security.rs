//! Mistakes of signing in, of hosts and of what the manifest says of itself.

use crate::base::{At, Base, Mutant};

pub(crate) fn mutants(base: &Base, found: &mut Vec<Mutant>) {
    for at in base.at("**.*") {
        let Some(text) = at.text() else { continue };
        let written = base.text(at.value());
        let is_url = ["token_url", "revoke_url", "authorize_url", "base_url"]
            .contains(&at.entry.key.as_str());
        if let Some(rest) = written.strip_prefix("https://").filter(|_| is_url) {
            found.push(base.replace(
                "unencrypted URL",
                at.value(),
                &format!("http://{rest}"),
                &["https"],
            ));
            found.push(base.replace(
                "placeholder in a URL",
                at.value(),
                "https://<your site>/v1",
                &["<your site>"],
            ));
            found.push(base.replace(
                "host that is not declared",
                at.value(),
                "https://elsewhere.test/v1",
                &["elsewhere.test"],
            ));
            found.push(base.replace(
                "host of data",
                at.value(),
                "https://{{facts.host}}/v1",
                &["facts.host"],
            ));
        }
        if ["get", "post"].contains(&at.entry.key.as_str()) && text.starts_with('/') {
            found.push(base.replace(
                "path without its slash",
                at.value(),
                &base.scalar(&at, text[1..].trim_start_matches('{')),
                &["/"],
            ));
        }
    }
    for at in base.at("auth.oauth2.client_secret") {
        let mut mutant = base.replace(
            "credential in the manifest",
            at.value(),
            "simulated-secret",
            &["written in the manifest"],
        );
        let input = base.at("inputs.client_secret");
        mutant.lines.push(base.line(input[0].entry.key_span.start));
        found.push(mutant);
    }
    for at in base.at("inputs.*.type") {
        if base.text(at.value()) == "secret" {
            found.push(base.replace("secret as plain text", at.value(), "string", &["secret"]));
        }
        let sibling = at.owner.entry("default").is_some();
        if !sibling {
            found.push(base.before("default of another type", &at, "default: [a]", &["default"]));
        }
    }
    let plain = |at: &At<'_>| {
        let sent = ["{{window.", "{{page.", "{{cursor.", "{{partition."];
        at.text().is_none_or(|text| !sent.iter().any(|sent| text.contains(sent)))
    };
    for at in base.at("**.query.*").into_iter().filter(|at| base.is_inline(at) && plain(at)) {
        found.push(base.replace(
            "secret in a URL",
            at.value(),
            "\"{{inputs.client_secret}}\"",
            &["secret"],
        ));
    }
    for at in base.at("http.headers.*").into_iter().take(1) {
        let header = "X-Key: \"{{inputs.client_secret}}\"";
        found.push(base.before("secret in a header", &at, header, &["secret"]));
    }
    for at in base.at("auth.oauth2") {
        let key = at.entry.key_span;
        found.push(base.replace(
            "way of signing in that does not exist",
            key,
            "bearer",
            &["bearer"],
        ));
    }
    for at in base.at("**.pkce") {
        found.push(base.replace("PKCE turned off", at.value(), "\"off\"", &["PKCE"]));
    }
    for at in base.at("**.scopes.*") {
        found.push(base.replace(
            "scope that may do everything",
            at.entry.key_span,
            "full_admin",
            &["full_admin"],
        ));
        found.push(base.replace("scope without a reason", at.value(), &at.entry.key, &["why"]));
    }
    for at in base.at("auth.oauth2.grants") {
        if base.is_flow(&at.entry.value) {
            found.push(base.replace("no grant", at.value(), "{}", &["grant"]));
        }
    }
    let is_open = |at: &At<'_>| at.text().is_some_and(|text| text.starts_with("{{"));
    let urls = ["http.base_url", "**.request.get", "**.request.post"];
    let open = urls.iter().any(|url| base.at(url).iter().any(is_open));
    for at in base.at("http.hosts").into_iter().filter(|_| !open) {
        let list = base.text(at.value());
        let more = format!("{}, unused.test]", list.trim_end_matches(']'));
        found.push(base.replace("host that no URL has", at.value(), &more, &["unused.test"]));
    }
    for at in base.at("streams.*.provides") {
        if base.text(at.value()) == "users"
            && base.at("streams.*.provides").iter().filter(|at| at.text() == Some("users")).count()
                == 1
        {
            let profiles = base.at("profiles");
            found.push(base.mutant(
                "profile without users",
                vec![(at.value(), "groups".to_owned())],
                &[profiles[0].entry.key_span.start],
                &["user"],
            ));
        }
    }
    for at in base.at("app.links.api") {
        let name = base.at("app.name");
        let mut edits = vec![(base.whole(&at), String::new())];
        if at.owner.entries().len() == 1 {
            edits = vec![(at.owner.span, "{}".to_owned())];
        }
        found.push(base.mutant("no link to the API", edits, &[name[0].value().start], &["API"]));
    }
    for at in base.at("app.vendor") {
        found.push(base.replace("placeholder", at.value(), "<your company>", &["<your company>"]));
    }
    for at in base.at("manifest") {
        found.push(base.replace(
            "language of another version",
            at.value(),
            "longshore/v9",
            &["longshore/v9"],
        ));
    }
}

//! What a platform has to ask for: a JSON Schema of the configuration.

use std::collections::HashSet;

use longshore_engine::connection::{ACCESS_TOKEN, CONNECT_TO, GRANT, NAME, REFRESH_TOKEN};
use longshore_schema::Manifest;
use longshore_schema::auth::Auth;
use longshore_schema::manifest::{GrantKind, Input, InputType};
use longshore_validator::unasked;
use serde_json::{Map, Value, json};

/// A JSON Schema of the configuration, with what Airbyte adds: `airbyte_secret`, `order`.
pub(super) fn spec(manifest: &Manifest) -> Value {
    let grants = grants(manifest);
    let ways = manifest.auth.ways();
    let unasked: Vec<HashSet<&str>> = ways.iter().map(|(_, way)| unasked(manifest, way)).collect();
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut add = |name: &str, mut property: Value| {
        property["order"] = properties.len().into();
        // An input of the manifest goes before.
        properties.entry(name.to_owned()).or_insert(property);
    };
    for (name, input) in &manifest.inputs {
        let name = name.as_str();
        add(name, property(input));
        let always = unasked.iter().all(|unasked| !unasked.contains(name));
        let with_all = input
            .grants
            .as_ref()
            .is_none_or(|needing| grants.iter().all(|grant| needing.0.contains(grant)));
        if input.default.is_none() && always && with_all {
            required.push(name);
        }
    }
    if let Some(first) = grants.first() {
        let names: Vec<_> = grants.iter().map(ToString::to_string).collect();
        add(
            GRANT,
            json!({
                "type": "string",
                "title": "How to sign in",
                "description": "The OAuth grant.",
                "enum": names,
                "default": first.to_string(),
            }),
        );
    }
    if grants.iter().any(|g| matches!(g, GrantKind::AuthorizationCode | GrantKind::DeviceCode)) {
        add(
            REFRESH_TOKEN,
            json!({
                "type": "string",
                "title": "Refresh token",
                "description": "Of a sign-in that a person made, for the grants authorization_code and device_code.",
                "airbyte_secret": true,
            }),
        );
        add(
            ACCESS_TOKEN,
            json!({
                "type": "string",
                "title": "Access token",
                "description": "Of such a sign-in, if the app gives no refresh token.",
                "airbyte_secret": true,
            }),
        );
    }
    add(
        NAME,
        json!({
            "type": "string",
            "title": "Name of the connection",
            "description": "Tells its events from those of other connections to the same app. Never change it.",
            "default": manifest.id.as_str(),
            "pattern": "^[a-z][a-z0-9_]*$",
        }),
    );
    add(
        CONNECT_TO,
        json!({
            "type": "string",
            "title": "Stand-in for the app",
            "description": "For development: a loopback address that all requests are sent to.",
            "examples": ["127.0.0.1:8080"],
            "airbyte_hidden": true,
        }),
    );
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": manifest.app.name.value,
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": true,
    })
}

/// The OAuth grants on offer, the preferred one first.
fn grants(manifest: &Manifest) -> Vec<GrantKind> {
    let mut grants = Vec::new();
    for (_, way) in manifest.auth.ways() {
        if let Auth::OAuth2(oauth) = way {
            let offered = oauth.grants.offered();
            grants.extend(
                offered.into_iter().filter(|grant| !grants.contains(grant)).collect::<Vec<_>>(),
            );
        }
    }
    grants
}

fn property(input: &Input) -> Value {
    let (kind, secret) = match input.kind.value {
        InputType::Integer => ("integer", false),
        InputType::Boolean => ("boolean", false),
        InputType::Secret | InputType::SecretJson => ("string", true),
        _ => ("string", false),
    };
    let mut property = json!({ "type": kind, "title": input.title.value });
    if let Some(description) = &input.description {
        property["description"] = description.trim().into();
    }
    if let Some(default) = &input.default {
        // A duration is a text whatever it looks like.
        let value = default.to_json();
        property["default"] = if kind == "string" { default.to_string().into() } else { value };
    }
    if !input.examples.is_empty() {
        property["examples"] = input.examples.iter().map(ToString::to_string).collect();
    }
    if !input.choices.is_empty() {
        property["enum"] = input.choices.iter().map(|choice| choice.value.as_str()).collect();
    }
    if secret {
        property["airbyte_secret"] = true.into();
    }
    if input.kind.value == InputType::SecretJson {
        property["multiline"] = true.into();
    }
    property
}

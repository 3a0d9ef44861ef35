//! The values with which a connection reaches the app.

use std::collections::BTreeMap;

use longshore_schema::Manifest;
use longshore_schema::auth::JwtAlgorithm;
use longshore_schema::manifest::InputType;

use crate::generic::auth::{self, Way};
use crate::generic::{Unsupported, keys};

/// A value for an input of the manifest.
#[derive(Clone, Debug)]
pub struct Input {
    /// The input's name.
    pub name: String,
    /// Its value; of secrets a made-up one.
    pub value: String,
    /// Whether it is a secret, as far as the manifest is concerned.
    pub secret: bool,
}

pub(crate) fn inputs(manifest: &Manifest, way: &Way) -> Result<Vec<Input>, Unsupported> {
    let mut inputs = Vec::new();
    let keys = auth::key_inputs(manifest, way);
    for (name, input) in &manifest.inputs {
        let asked = match (&input.grants, way.grant) {
            (Some(grants), Some(grant)) => grants.0.contains(&grant),
            _ => true,
        };
        if !asked {
            continue;
        }
        let kind = input.kind.value;
        let secret = matches!(kind, InputType::Secret | InputType::SecretJson);
        let chosen = way.choices.iter().find(|(input, _)| input == name.as_str());
        let example = input.examples.first().filter(|_| !secret).map(ToString::to_string);
        let value = if let Some((_, choice)) = chosen {
            choice.clone()
        } else if let Some(algorithm) = keys.get(name.as_str()) {
            keys::private_pem(*algorithm)?
        } else if kind == InputType::SecretJson {
            document(manifest, name.as_str(), &keys)?
        } else if let Some(default) = &input.default {
            default.to_string()
        } else if let (InputType::Choice, Some(first)) = (kind, input.choices.first()) {
            first.value.clone()
        } else {
            example.unwrap_or_else(|| auth::made_up(name.as_str(), kind, manifest))
        };
        inputs.push(Input { name: name.as_str().to_owned(), value, secret });
    }
    Ok(inputs)
}

/// A JSON document with all members that templates use of an input.
fn document(
    manifest: &Manifest,
    input: &str,
    keys: &BTreeMap<String, JwtAlgorithm>,
) -> Result<String, Unsupported> {
    let mut document = serde_json::json!({});
    let text = format!("{:?}", manifest.auth.value);
    // Whatever a template of the sign-in names: `inputs.NAME.member`.
    let pattern = regex::Regex::new(&format!(r"inputs\.{input}\.(\w+)"))
        .map_err(|_| Unsupported(format!("the input `{input}` has an odd name")))?;
    for found in pattern.captures_iter(&text) {
        let member = &found[1];
        let value = match keys.get(&format!("{input}.{member}")) {
            Some(algorithm) => keys::private_pem(*algorithm)?,
            None => format!("simulated-{}", member.replace('_', "-")),
        };
        document[member] = value.into();
    }
    Ok(document.to_string())
}

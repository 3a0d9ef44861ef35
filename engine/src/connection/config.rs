//! A connection as platforms for connectors describe it: a JSON object with the inputs by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use longshore_schema::manifest::{GrantKind, InputType, Manifest};
use longshore_schema::scalar::Name;
use longshore_schema::{Literal, Span, Spanned, Table};
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::{Connection, ConnectionFile, InputSource, Source, read_small};
use crate::auth::Tokens;
use crate::error::{Code, Error, Result};
use crate::secret::Secret;

/// The member for the OAuth grant, where the app offers several.
pub const GRANT: &str = "grant";
/// The member for the refresh token of a sign-in that a person made elsewhere.
pub const REFRESH_TOKEN: &str = "refresh_token";
/// The member for the access token of such a sign-in, where the app gives no refresh token.
pub const ACCESS_TOKEN: &str = "access_token";
/// The member for a loopback address that stands in for the app.
pub const CONNECT_TO: &str = "connect_to";
/// The member for the connection's name; without it, it is the manifest's id.
pub const NAME: &str = "name";

const OURS: [&str; 5] = [GRANT, REFRESH_TOKEN, ACCESS_TOKEN, CONNECT_TO, NAME];

/// Reads a connection from a JSON object: the manifest's inputs by name, and beside them what is not
/// an input: [`GRANT`], [`REFRESH_TOKEN`], [`ACCESS_TOKEN`], [`CONNECT_TO`] and [`NAME`]. For a grant
/// that needs a person, the tokens to begin with are given back beside the connection. Members that
/// are null or begin with `_` count as not given.
///
/// # Errors
/// [`Code::InputMissing`] or [`Code::InputInvalid`] naming the file, the member and the fix. No value
/// is part of a message.
pub fn from_config(path: &Path, manifest: &Manifest) -> Result<(Connection, Option<Tokens>)> {
    let refused =
        |what: String| Error::new(Code::InputInvalid, format!("{}: {what}", path.display()));
    let text = read_small(path).map_err(|error| {
        refused("it could not be read".to_owned())
            .cause(error.to_string())
            .fix("give the path of the JSON file with the configuration")
    })?;
    // What serde says may repeat a part of a secret.
    let members: Map<String, Value> = serde_json::from_str(&text).map_err(|error| {
        refused("it is not a JSON object".to_owned())
            .cause(format!("reading stopped in line {}", error.line()))
            .fix("write the inputs by name, as `spec` describes them")
    })?;
    let mut members: Vec<_> = members
        .into_iter()
        .filter(|(name, value)| !value.is_null() && !name.starts_with('_'))
        .collect();
    let mut ours = |name: &str| -> Result<Option<String>> {
        // An input of the manifest goes before.
        let at = members.iter().position(|(known, _)| known == name);
        match at.filter(|_| manifest.inputs.get(name).is_none()).map(|at| members.remove(at).1) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => {
                Err(refused(format!("`{name}` is not a text")).fix("write a text in quotes"))
            }
        }
    };
    let grant = ours(GRANT)?.map(|text| grant(&text, &refused)).transpose()?;
    let refresh = ours(REFRESH_TOKEN)?.filter(|token| !token.is_empty()).map(Secret::new);
    let access = ours(ACCESS_TOKEN)?.filter(|token| !token.is_empty()).map(Secret::new);
    let connect_to = ours(CONNECT_TO)?.map(spanned);
    let name = match ours(NAME)? {
        None => manifest.id.clone(),
        Some(text) => Name::deserialize(Value::String(text)).map(spanned).map_err(|_| {
            refused(format!("`{NAME}` is not a name"))
                .fix("use lower case letters, digits and `_`, with a letter first")
        })?,
    };
    let mut inputs = Vec::new();
    for (name, value) in members {
        let Some(input) = manifest.inputs.get(&name) else {
            let known = manifest.inputs.iter().map(|(name, _)| name.as_str()).chain(OURS);
            let known: Vec<_> = known.collect();
            return Err(refused(format!("there is no input `{}`", shown(&name)))
                .cause(format!("{} asks for other inputs", manifest.app.name))
                .fix(format!("what can be given is {}", known.join(", "))));
        };
        let text = match value {
            Value::String(text) => Literal::Text(text),
            Value::Bool(value) => Literal::Bool(value),
            object @ Value::Object(_) if input.kind.value == InputType::SecretJson => {
                Literal::Text(object.to_string())
            }
            Value::Number(number) if number.is_i64() => {
                Literal::Integer(number.as_i64().unwrap_or_default())
            }
            _ => {
                return Err(refused(format!("`{name}` has a value of a wrong type"))
                    .cause("an input is a text, a whole number or a truth value")
                    .fix("write it as `spec` describes it"));
            }
        };
        inputs.push((spanned(name), spanned(InputSource::Value(text))));
    }
    let file = ConnectionFile {
        name,
        manifest: spanned(PathBuf::new()),
        grant: grant.map(spanned),
        inputs: Table(inputs),
        state: None,
        output: None,
        redirect_url: None,
        connect_to,
        sinks: Table(Vec::new()),
        spool: None,
    };
    let source = Source { path: path.to_owned(), text: String::new(), lines: None };
    let connection = file.connection(&source, manifest)?;
    let interactive =
        matches!(connection.grant, Some(GrantKind::AuthorizationCode | GrantKind::DeviceCode));
    if !interactive {
        return Ok((connection, None));
    }
    let tokens = Tokens {
        // A refresh token is worth more: with it comes what else the app tells.
        expires_at: refresh.is_some().then_some(Timestamp::UNIX_EPOCH),
        access: access.or_else(|| refresh.as_ref().map(|_| Secret::new(""))).ok_or_else(|| {
            let how = connection.grant.map(|grant| grant.to_string()).unwrap_or_default();
            let what = format!("{}: `{REFRESH_TOKEN}` is missing", path.display());
            Error::new(Code::InputMissing, what)
                .cause(format!("the grant `{how}` needs a person to sign in, which is done elsewhere"))
                .fix(format!("add the `{REFRESH_TOKEN}` of a sign-in, or its `{ACCESS_TOKEN}` if the app gives no other, or choose another `{GRANT}`"))
        })?,
        refresh,
        fields: BTreeMap::new(),
        obtained_at: Timestamp::UNIX_EPOCH,
        generation: 1,
    };
    Ok((connection, Some(tokens)))
}

fn grant(text: &str, refused: &impl Fn(String) -> Error) -> Result<GrantKind> {
    GrantKind::deserialize(Value::String(text.to_owned())).map_err(|_| {
        refused(format!("`{GRANT}` is not an OAuth grant"))
            .fix("write a grant of the manifest, such as client_credentials")
    })
}

/// A name as far as it can be one: somebody may have written a secret in its place.
fn shown(name: &str) -> &str {
    let is_name = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if is_name { name } else { "..." }
}

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Span::default())
}

#[cfg(test)]
mod tests {
    use longshore_validator::{Options, Profile, validate};

    use super::*;

    const MANIFEST: &str = include_str!("../../../manifests/salesforce/manifest.yaml");

    fn read(config: &str) -> Result<(Connection, Option<Tokens>)> {
        let report = validate(MANIFEST, &Options::new(Profile::Strict));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, config).unwrap();
        from_config(&path, report.checked.as_ref().unwrap())
    }

    #[test]
    fn inputs_are_read_by_name() {
        let config = r#"{ "grant": "client_credentials", "login_host": "a.my.salesforce.com",
            "client_id": "simulated-id", "client_secret": "simulated-secret", "username": null,
            "connect_to": "127.0.0.1:8080", "_more": 1 }"#;
        let (connection, tokens) = read(config).unwrap();
        assert_eq!(connection.name, "salesforce");
        assert_eq!(connection.grant, Some(GrantKind::ClientCredentials));
        assert_eq!(connection.inputs.get("client_secret"), Some("simulated-secret"));
        assert_eq!(connection.inputs.get("backfill"), Some("60d"));
        assert_eq!(connection.connect_to, Some(([127, 0, 0, 1], 8080).into()));
        assert_eq!(tokens, None);

        let config = r#"{ "client_id": "simulated-id", "client_secret": "simulated-secret",
            "refresh_token": "simulated-refresh", "name": "acme" }"#;
        let (connection, tokens) = read(config).unwrap();
        assert_eq!(connection.grant, Some(GrantKind::AuthorizationCode));
        assert_eq!(connection.name, "acme");
        let tokens = tokens.unwrap();
        assert_eq!(tokens.refresh.unwrap().expose(), "simulated-refresh");
        assert_eq!(tokens.expires_at, Some(Timestamp::UNIX_EPOCH));

        let config = r#"{ "client_id": "simulated-id", "client_secret": "simulated-secret",
            "refresh_token": "", "access_token": "simulated-access" }"#;
        let tokens = read(config).unwrap().1.unwrap();
        assert_eq!(tokens.access.expose(), "simulated-access");
        assert_eq!((tokens.refresh, tokens.expires_at), (None, None));
    }

    #[test]
    fn what_does_not_fit_is_named_and_no_value_shown() {
        for (config, code, told) in [
            ("simulated-secret", Code::InputInvalid, "not a JSON object"),
            (r#"["simulated-secret"]"#, Code::InputInvalid, "not a JSON object"),
            (r#"{ "grant": "simulated-secret" }"#, Code::InputInvalid, "`grant`"),
            (r#"{ "grant": 7 }"#, Code::InputInvalid, "`grant` is not a text"),
            (r#"{ "name": "simulated secret" }"#, Code::InputInvalid, "`name`"),
            (r#"{ "client_id": ["simulated-secret"] }"#, Code::InputInvalid, "`client_id`"),
            (r#"{ "client_idd": "x" }"#, Code::InputInvalid, "`client_idd`"),
            (r#"{ "Simulated-secret": "x" }"#, Code::InputInvalid, "`...`"),
            (r#"{ "client_id": "x" }"#, Code::InputMissing, "`client_secret`"),
            (
                r#"{ "client_id": "x", "client_secret": "simulated-secret" }"#,
                Code::InputMissing,
                "`refresh_token`",
            ),
            (
                r#"{ "client_id": "x", "client_secret": "y", "login_host": "simulated-secret" }"#,
                Code::NetHostBlocked,
                "`login_host`",
            ),
            (
                r#"{ "client_id": "x", "client_secret": "y", "connect_to": "simulated-secret" }"#,
                Code::InputInvalid,
                "`connect_to`",
            ),
        ] {
            let error = read(config).unwrap_err();
            let text = error.to_string();
            assert_eq!(error.code, code, "{text}");
            assert!(text.contains(told), "{text}");
            assert!(text.contains("config.json") && error.fix.is_some(), "{text}");
            assert!(!text.to_lowercase().contains("simulated"), "{text}");
        }
    }
}

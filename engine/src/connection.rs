//! A connection: one tenant of an app, as the platform team describes it in a file.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use longshore_schema::auth::Auth;
use longshore_schema::manifest::{GrantKind, Input, InputType, Manifest};
use longshore_schema::scalar::{Duration, HostPattern, Name, Scalar};
use longshore_schema::yaml::SyntaxErrorKind;
use longshore_schema::{LineIndex, Literal, Span, Spanned, Table, deserialize, yaml};
use serde::Deserialize;
use url::Url;

use crate::error::{Code, Error, Result};
use crate::secret::Secret;

mod config;
mod sinks;

pub use config::{ACCESS_TOKEN, CONNECT_TO, GRANT, NAME, REFRESH_TOKEN, from_config};
pub use sinks::{
    AzureLogs, Compression, Elasticsearch, Given, Http, HttpBody, JsonLines, Kafka, Nats,
    ObjectStore, Otlp, Parquet, Postgres, Rotate, SinkConfig, Size, SplunkHec, SpoolConfig, Sqlite,
    Syslog,
};

/// A connection as its file describes it. Relative paths start at the file's folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionFile {
    /// The connection's name, unique among those that share a state directory.
    pub name: Spanned<Name>,
    /// The manifest.
    pub manifest: Spanned<PathBuf>,
    /// The OAuth grant, if the app offers several.
    pub grant: Option<Spanned<GrantKind>>,
    /// Values for the manifest's inputs.
    #[serde(default)]
    pub inputs: Table<String, Spanned<InputSource>>,
    /// Where cursors, delivered keys and tokens are kept.
    pub state: Option<PathBuf>,
    /// Where events are written.
    pub output: Option<PathBuf>,
    /// The callback address registered at the app, for the authorization code grant.
    pub redirect_url: Option<Spanned<String>>,
    /// For development: send every request to this loopback address instead of the app.
    pub connect_to: Option<Spanned<String>>,
    /// Where events go, by a name for each; to files in `output` if there is none.
    #[serde(default)]
    pub sinks: Table<Name, Spanned<SinkConfig>>,
    /// What waits for the sinks.
    pub spool: Option<SpoolConfig>,
}

/// Where an input's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum InputSource {
    /// Written in the connection file.
    Value(Literal),
    /// The environment variable with this name.
    Env(String),
    /// The content of this file, without the line end at its end.
    File(PathBuf),
}

impl<'de> Deserialize<'de> for InputSource {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Elsewhere {
            Env(String),
            File(PathBuf),
        }

        struct SourceVisitor;

        impl<'de> serde::de::Visitor<'de> for SourceVisitor {
            type Value = InputSource;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, {env: NAME} or {file: PATH}")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<InputSource, E> {
                Ok(InputSource::Value(Literal::Text(text.to_owned())))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<InputSource, E> {
                Ok(InputSource::Value(Literal::Integer(number)))
            }

            fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<InputSource, E> {
                Ok(InputSource::Value(Literal::Bool(value)))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<InputSource, A::Error> {
                let map = serde::de::value::MapAccessDeserializer::new(map);
                Ok(match Elsewhere::deserialize(map)? {
                    Elsewhere::Env(name) => InputSource::Env(name),
                    Elsewhere::File(path) => InputSource::File(path),
                })
            }
        }

        deserializer.deserialize_any(SourceVisitor)
    }
}

/// A connection with its inputs read and checked against the manifest.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The connection's name.
    pub name: String,
    /// The grant to use, for an OAuth app.
    pub grant: Option<GrantKind>,
    /// The inputs' values.
    pub inputs: Inputs,
    /// The callback address of the authorization code grant.
    pub redirect_url: String,
    /// The loopback address that stands in for the app.
    pub connect_to: Option<SocketAddr>,
}

/// Where `longshore connect` waits for the browser unless the connection says otherwise. Loopback
/// addresses are meant for this (RFC 8252, section 7.3).
pub const DEFAULT_REDIRECT_URL: &str = "http://localhost:8788/callback";

/// The values of a connection's inputs. `Debug` shows no value: any of them may be a secret.
#[derive(Clone, Default)]
pub struct Inputs(BTreeMap<String, (Secret, InputType)>);

impl Inputs {
    /// The value of an input as text, secrets included.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(value, _)| value.expose())
    }

    /// The value of an input as JSON, secrets included: a number for a whole number, a truth value
    /// for a truth value, a text for everything else.
    #[must_use]
    pub fn json(&self, name: &str) -> Option<serde_json::Value> {
        let (value, kind) = self.0.get(name)?;
        let text = value.expose();
        Some(match kind {
            InputType::Integer => text.parse::<i64>().map_or_else(|_| text.into(), Into::into),
            InputType::Boolean => (text == "true").into(),
            _ => text.into(),
        })
    }
}

impl fmt::Debug for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// A connection file and the text it came from, for messages with line and column.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    text: String,
    /// None for a configuration in JSON, which other programs write.
    lines: Option<LineIndex>,
}

impl Source {
    fn place(&self, span: Span) -> String {
        let Some(lines) = &self.lines else { return self.path.display().to_string() };
        let (line, column) = lines.position(&self.text, span.start);
        format!("{}:{line}:{column}", self.path.display())
    }

    /// An error at a place of the file.
    #[must_use]
    pub fn error(&self, span: Span, code: Code, what: impl Into<String>) -> Error {
        Error::new(code, format!("{}: {}", self.place(span), what.into()))
    }
}

impl ConnectionFile {
    /// Reads a connection file.
    ///
    /// # Errors
    /// [`Code::InputInvalid`] with `file:line:column`, the cause and the fix.
    pub fn read(path: &Path) -> Result<(Self, Source)> {
        let text = read_small(path).map_err(|error| {
            Error::new(Code::InputInvalid, format!("{} could not be read", path.display()))
                .cause(error.to_string())
                .fix("give the path of a connection file; `longshore check --help` shows one")
        })?;
        let lines = Some(LineIndex::new(&text));
        let source = Source { path: path.to_owned(), text, lines };
        if source.text.trim().is_empty() {
            return Err(source
                .error(Span::default(), Code::InputInvalid, "the connection file is empty")
                .fix(SHOWN));
        }
        let document =
            yaml::parse(&source.text).map_err(|errors| {
                let first = &errors[0];
                // The one message that repeats a value, which may be a secret.
                let ambiguous = first.kind == SyntaxErrorKind::AmbiguousScalar;
                let what = if ambiguous { AMBIGUOUS } else { &first.message };
                let help = first.help.as_deref().filter(|_| !ambiguous);
                source
                    .error(first.span, Code::InputInvalid, what)
                    .fix(help.unwrap_or(if ambiguous { "write it in quotes" } else { SHOWN }))
            })?;
        let file: Self = deserialize::from_node(&document.root).map_err(|error| {
            let (what, fix) = misfit(&error.message);
            source.error(error.span.unwrap_or_default(), Code::InputInvalid, what).fix(fix)
        })?;
        Ok((file, source))
    }

    /// A path of the file, relative to the file's folder.
    #[must_use]
    pub fn resolve(source: &Source, path: &Path) -> PathBuf {
        source.path.parent().unwrap_or(Path::new(".")).join(path)
    }

    /// Reads the inputs' values and checks them against the manifest.
    ///
    /// # Errors
    /// [`Code::InputMissing`] or [`Code::InputInvalid`] naming the input, its place and the fix.
    pub fn connection(&self, source: &Source, manifest: &Manifest) -> Result<Connection> {
        for (name, _) in &self.inputs {
            if manifest.inputs.get(name).is_none() {
                let names: Vec<_> = manifest.inputs.iter().map(|(name, _)| name.as_str()).collect();
                return Err(source
                    .error(name.span, Code::InputInvalid, format!("there is no input `{name}`"))
                    .cause(format!("{} asks for other inputs", manifest.app.name))
                    .fix(format!("the inputs are {}", names.join(", "))));
            }
        }
        let (auth, grant) = self.sign_in(source, manifest)?;
        let unasked = longshore_validator::unasked(manifest, auth);
        let mut inputs = BTreeMap::new();
        for (name, input) in &manifest.inputs {
            let needed = needed(input, grant) && !unasked.contains(name.as_str());
            match self.input(source, manifest, (name, input))? {
                Some(text) => {
                    let value = (Secret::new(text), input.kind.value);
                    inputs.insert(name.as_str().to_owned(), value);
                }
                None if needed => return Err(missing(source, manifest, name, input)),
                None => {}
            }
        }
        let connect_to = self
            .connect_to
            .as_ref()
            .map(|address| {
                let refused = |what: String, cause: &str| {
                    source
                        .error(address.span, Code::InputInvalid, what)
                        .cause(cause)
                        .fix("write a loopback address and a port, such as 127.0.0.1:8080")
                };
                let parsed: SocketAddr = address.parse().map_err(|_| {
                    refused(
                        "`connect_to` is not an address".to_owned(),
                        "a name or a URL is not enough: nothing is looked up here",
                    )
                })?;
                if parsed.ip().is_loopback() {
                    return Ok(parsed);
                }
                Err(refused(
                    format!("requests cannot be sent to {parsed} instead of the app"),
                    "they would travel unencrypted, and this is not a loopback address",
                ))
            })
            .transpose()?;
        if let Some(address) = &self.redirect_url
            && Url::parse(address).is_err()
        {
            return Err(source
                .error(address.span, Code::InputInvalid, "`redirect_url` is not a URL")
                .cause("it is sent to the app, which compares it with what is registered there")
                .fix(format!("write it in full, such as {DEFAULT_REDIRECT_URL}")));
        }
        Ok(Connection {
            name: self.name.as_str().to_owned(),
            grant,
            inputs: Inputs(inputs),
            redirect_url: self
                .redirect_url
                .as_ref()
                .map_or_else(|| DEFAULT_REDIRECT_URL.to_owned(), |url| url.value.clone()),
            connect_to,
        })
    }

    /// How the connection signs in: the way that its inputs choose, and the grant.
    fn sign_in<'m>(
        &self,
        source: &Source,
        manifest: &'m Manifest,
    ) -> Result<(&'m Auth, Option<GrantKind>)> {
        let mut auth = &manifest.auth.value;
        while let Auth::OneOf(one_of) = auth {
            let name = &one_of.input;
            let choice = manifest.inputs.iter().find(|(known, _)| known.value == name.value);
            let unchecked = || {
                Error::new(Code::Internal, format!("`{name}` chooses no way to sign in"))
                    .cause("the validator lets such a manifest pass")
                    .fix("report this as a bug, with the manifest")
            };
            let (name, input) = choice.ok_or_else(unchecked)?;
            let chosen = self.input(source, manifest, (name, input))?;
            let chosen = chosen.ok_or_else(|| missing(source, manifest, name, input))?;
            auth = one_of.kinds.get(&chosen).ok_or_else(unchecked)?;
        }
        let offered = match auth {
            Auth::OAuth2(oauth) => oauth.grants.offered(),
            _ => Vec::new(),
        };
        let grant = match (&self.grant, offered.first()) {
            (Some(grant), _) if offered.contains(grant) => Some(grant.value),
            (Some(grant), _) => {
                let names: Vec<_> = offered.iter().map(ToString::to_string).collect();
                return Err(source
                    .error(
                        grant.span,
                        Code::InputInvalid,
                        format!("the app does not offer the grant `{}`", grant.value),
                    )
                    .fix(if names.is_empty() {
                        "remove `grant`: it is for OAuth alone".to_owned()
                    } else {
                        format!("choose one of: {}", names.join(", "))
                    }));
            }
            (None, first) => first.copied(),
        };
        Ok((auth, grant))
    }

    /// The value of an input in its normal form, given or by default.
    fn input(
        &self,
        source: &Source,
        manifest: &Manifest,
        (name, input): (&Name, &Input),
    ) -> Result<Option<String>> {
        let given = self.inputs.iter().find(|(given, _)| given.value == name.as_str());
        let (span, text) = match (given, &input.default) {
            (Some((_, value)), _) => (value.span, Self::value(source, name, value)?),
            (None, Some(default)) => (Span::default(), default.to_string()),
            (None, None) => return Ok(None),
        };
        let text = normal(input, &text).map_err(|(cause, fix)| {
            let what = format!("the input `{name}` is not usable");
            source.error(span, Code::InputInvalid, what).cause(cause).fix(fix)
        })?;
        check_host(manifest, input, &text).map_err(|(cause, fix)| {
            let what = format!("the input `{name}` is refused");
            source.error(span, Code::NetHostBlocked, what).cause(cause).fix(fix)
        })?;
        Ok(Some(text))
    }

    fn value(source: &Source, name: &Name, value: &Spanned<InputSource>) -> Result<String> {
        Self::given(source, &format!("the input `{name}`"), value)
    }

    /// The text of a value that may be kept elsewhere; `what` names it in errors.
    ///
    /// # Errors
    /// [`Code::InputMissing`] with the place of the value, if the variable or file is not there.
    pub fn given(source: &Source, what: &str, value: &Given) -> Result<String> {
        match &value.value {
            InputSource::Value(literal) => Ok(literal.to_string()),
            InputSource::Env(variable) => std::env::var(variable).map_err(|_| {
                // Some write the secret itself in the place of the name.
                let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
                let is_name = variable.bytes().all(plain);
                let variable = if is_name { variable.as_str() } else { "named here" };
                source
                    .error(value.span, Code::InputMissing, format!("{what} has no value"))
                    .cause(format!("the environment variable {variable} is not set"))
                    .fix(format!("set {variable}, or name another variable"))
            }),
            InputSource::File(path) => {
                let path = Self::resolve(source, path);
                let text = read_small(&path).map_err(|error| {
                    source
                        .error(value.span, Code::InputMissing, format!("{what} has no value"))
                        .cause(format!("{} could not be read: {error}", path.display()))
                        .fix("check the path, which starts at the connection file's folder")
                })?;
                Ok(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        }
    }
}

/// What is wrong with a value that YAML readers disagree about.
const AMBIGUOUS: &str = "this value is read as a text by some and as something else by others";

const SHOWN: &str = "write it as `longshore check --help` shows it";

/// What does not fit and how to mend it: serde's message in the words of the file. Values are left
/// out of it.
fn misfit(message: &str) -> (String, &'static str) {
    let expected = message.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
    let what = if message.starts_with("invalid type: string") {
        format!("this is a text, expected {expected}")
    } else if message.starts_with("invalid type: map") || message.starts_with("invalid type: seq") {
        message.to_owned()
    } else if message.starts_with("invalid ") {
        format!("this does not fit, expected {expected}")
    } else if message.starts_with("unknown variant") && expected.contains("`env`") {
        format!("this is no source of a value, expected {expected}")
    } else if message.ends_with("is not a name") {
        "this is not a name".to_owned()
    } else {
        message.to_owned()
    };
    let what = what
        .replace("unknown field", "there is no key")
        .replace("missing field", "the file has no key")
        .replace("unknown variant", "there is no choice")
        .replace("invalid type: sequence", "this is a list")
        .replace("invalid type: map", "this is a mapping");
    let fix = if what.ends_with("is not a name") {
        "use lower case letters, digits and `_`, with a letter first"
    } else {
        SHOWN
    };
    (what, fix)
}

/// The longest connection file, and the longest file with an input's value, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Reads a file that is known to be small, whatever it is.
fn read_small(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(std::io::Error::other(format!("it is larger than {MAX_FILE} bytes")));
    }
    Ok(text)
}

fn missing(source: &Source, manifest: &Manifest, name: &Name, input: &Input) -> Error {
    let kind = match input.kind.value {
        InputType::Secret => "{ env: NAME } or { file: PATH }",
        InputType::SecretJson => "{ file: PATH }",
        _ => "VALUE",
    };
    let what = format!("{}: the input `{name}` is missing", source.path.display());
    Error::new(Code::InputMissing, what)
        .cause(format!("{} needs it: {}", manifest.app.name, input.title))
        .fix(match &source.lines {
            Some(_) => format!("add `{name}: {kind}` under `inputs`"),
            None => format!("add `{name}`"),
        })
}

/// Whether an input without a default must be given.
fn needed(input: &Input, grant: Option<GrantKind>) -> bool {
    match (&input.grants, grant) {
        (Some(grants), Some(grant)) => grants.0.contains(&grant),
        _ => true,
    }
}

/// The input's value in its normal form, or why it has none and how to mend it. Values themselves
/// are never part of a message: they may be secrets in the wrong place.
fn normal(input: &Input, text: &str) -> Result<String, (String, String)> {
    let example = input.examples.first().map(|example| format!(", such as {example}"));
    let example = example.unwrap_or_default();
    match input.kind.value {
        InputType::String | InputType::Secret | InputType::SecretJson if text.is_empty() => {
            Err(("it is empty".into(), format!("give a value{example}")))
        }
        InputType::SecretJson => match serde_json::from_str(text) {
            Ok(serde_json::Value::Object(members)) => {
                Ok(serde_json::Value::Object(members).to_string())
            }
            // Where it goes wrong says enough; what stands there may be a part of a secret.
            _ => Err((
                "it is not a JSON object".into(),
                "give the file as the app handed it out: `{ file: PATH }`".into(),
            )),
        },
        InputType::String | InputType::Secret => Ok(text.to_owned()),
        InputType::Host => match HostPattern::parse(text) {
            Ok(host) if !host.as_str().starts_with('*') => Ok(host.as_str().to_owned()),
            Ok(_) => Err(("it has a `*`".into(), format!("name one host{example}"))),
            Err(error) => Err(("it is not a host".into(), error.help.unwrap_or_default())),
        },
        InputType::Integer => text.parse::<i64>().map(|number| number.to_string()).map_err(|_| {
            ("it is not a whole number".into(), format!("give a whole number{example}"))
        }),
        InputType::Boolean => match text {
            "true" | "false" => Ok(text.to_owned()),
            _ => Err(("it is neither true nor false".into(), "give true or false".into())),
        },
        InputType::Duration => {
            let duration = Duration::parse(text)
                .map_err(|error| ("it is not a duration".into(), error.help.unwrap_or_default()))?;
            match &input.max {
                Some(max) if duration > max.value => {
                    Err((format!("{duration} is more than {max}"), format!("give at most {max}")))
                }
                _ => Ok(duration.to_string()),
            }
        }
        InputType::Choice => {
            if input.choices.iter().any(|choice| choice.value == text) {
                return Ok(text.to_owned());
            }
            let choices: Vec<_> = input.choices.iter().map(|choice| choice.as_str()).collect();
            Err(("it is not one of the choices".into(), format!("choose {}", choices.join(", "))))
        }
    }
}

/// A host that the admin names must be one that the manifest allows to be called.
fn check_host(manifest: &Manifest, input: &Input, text: &str) -> Result<(), (String, String)> {
    if input.kind.value != InputType::Host
        || manifest.http.hosts.iter().any(|pattern| pattern.matches(text))
    {
        return Ok(());
    }
    let hosts: Vec<_> = manifest.http.hosts.iter().map(|pattern| pattern.as_str()).collect();
    // Without a dot it may be anything, even a secret.
    let shown = if text.contains('.') { text } else { "it" };
    Err((
        format!("{shown} is not a host that the manifest declares"),
        format!("name a host under {}", hosts.join(" or ")),
    ))
}

//! The section `nats` of a connection file, as the client takes it.

use std::time::Duration;

use async_nats::{ConnectOptions, ServerAddr};
use longshore_engine::connection::{ConnectionFile, Given, Nats as Config, Source};
use longshore_engine::error::{Code, Error, Result};
use longshore_schema::{Span, Spanned};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use url::Url;

use super::failure::Place;
use crate::template::PerStream;

/// How long it is waited for one server to be connected to.
const CONNECTING: Duration = Duration::from_secs(10);
/// How long it is waited for one acknowledgement.
const LIMIT: Duration = Duration::from_secs(30);
/// The port of NATS, where none is given.
const PORT: u16 = 4222;

pub(super) fn read(source: &Source, config: &Config) -> Result<super::Nats> {
    // Where more than one is built in, TLS wants to be told; it was if this fails.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let servers = servers(source, &config.servers)?;
    let subject = subject(source, &config.subject)?;
    let shown: Vec<_> = servers.iter().map(|s| format!("{}:{}", s.host(), s.port())).collect();
    let mut options = signed_in(source, config)?
        .name("longshore")
        .connection_timeout(CONNECTING)
        .require_tls(servers.iter().any(ServerAddr::tls_required))
        // What a server says of others is no way around the addresses that are given.
        .ignore_discovered_servers()
        // Each server is tried once. After that it is for the caller to wait and try again.
        .max_reconnects(servers.len());
    if let Some(authority) = &config.authority {
        let path = ConnectionFile::resolve(source, authority);
        let refused = |cause: String| {
            source
                .error(authority.span, Code::InputInvalid, "`authority` is not usable")
                .cause(cause)
                .fix("give a PEM file with certificates of authorities")
        };
        let found = CertificateDer::pem_file_iter(&path)
            .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
            .map_err(|error| refused(format!("{} could not be read: {error}", path.display())))?;
        if found.is_empty() {
            return Err(refused(format!("{} has no certificate in it", path.display())));
        }
        options = options.add_root_certificates(path);
    }
    let place = Place { servers: shown.join(",") };
    Ok(super::Nats { servers, options, place, subject, limit: LIMIT, connected: None })
}

fn servers(source: &Source, given: &Spanned<Vec<String>>) -> Result<Vec<ServerAddr>> {
    let refused = |what: &str, cause: &str| {
        source.error(given.span, Code::InputInvalid, what).cause(cause).fix(
            "write a list of `nats://host:port` or `tls://host:port`, such as [tls://nats.example:4222]",
        )
    };
    if given.is_empty() {
        return Err(refused("`servers` is empty", "there is nobody to send events to"));
    }
    let server = |text: &String| {
        // What is wrong with the text is not shown with it: there may be a password inside.
        let no_address = || refused("a server is not an address", "it could not be read as a URL");
        let mut url = Url::parse(text).map_err(|_| no_address())?;
        if !matches!(url.scheme(), "nats" | "tls") {
            return Err(refused(
                "a server has an unknown scheme",
                "NATS is spoken by `nats` and `tls`",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(source
                .error(given.span, Code::InputInvalid, "a server has a user in its URL")
                .cause("it would be seen wherever the address is")
                .fix("write `user` and `password`, or `token`, beside `servers`"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refused(
                "a server has no host",
                "nothing stands between `//` and the port",
            ));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(refused("a server has more than an address", "NATS knows no paths"));
        }
        if url.port().is_none() && url.set_port(Some(PORT)).is_err() {
            return Err(no_address());
        }
        ServerAddr::from_url(url).map_err(|_| no_address())
    };
    given.iter().map(server).collect()
}

fn subject(source: &Source, given: &Spanned<String>) -> Result<PerStream> {
    let refused = |what: &str, cause: &str| {
        source
            .error(given.span, Code::InputInvalid, what)
            .cause(cause)
            .fix("write a subject, such as `longshore` or `longshore.{stream}`")
    };
    let template = PerStream::parse(given).ok_or_else(|| {
        refused("`subject` has an unknown placeholder", "`{stream}` is the only one")
    })?;
    let name = template.name("s");
    let token = |token: &str| {
        !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '*' | '>'))
    };
    if !name.split('.').all(token) {
        return Err(refused(
            "`subject` is not a subject that can be published to",
            "it has words with a `.` between them, without spaces, `*` and `>`",
        ));
    }
    if name.starts_with('$') {
        return Err(refused("`subject` begins with `$`", "such subjects are of NATS itself"));
    }
    Ok(template)
}

/// How the client signs in: by one of the ways, or not at all.
fn signed_in(source: &Source, config: &Config) -> Result<ConnectOptions> {
    let value = |name: &str, given: &Given| {
        let text = ConnectionFile::given(source, &format!("`{name}`"), given)?;
        if text.is_empty() {
            return Err(source
                .error(given.span, Code::InputInvalid, format!("`{name}` is empty"))
                .fix("give it a value, or remove it"));
        }
        Ok(text)
    };
    let options = ConnectOptions::new();
    match (&config.token, &config.user, &config.password, &config.credentials) {
        (None, None, None, None) => Ok(options),
        (Some(token), None, None, None) => Ok(options.token(value("token", token)?)),
        (None, Some(user), Some(password), None) => {
            Ok(options.user_and_password(value("user", user)?, value("password", password)?))
        }
        (None, None, None, Some(given)) => {
            let text = value("credentials", given)?;
            // What is wrong with it may repeat a part of it.
            options.credentials(&text).map_err(|_| {
                source
                    .error(given.span, Code::InputInvalid, "`credentials` are not usable")
                    .cause("they have no user JWT, or no seed of its key")
                    .fix("give the content of a `.creds` file, e.g. `{file: nats.creds}`")
            })
        }
        (_, user, password, _) => {
            let half = |span: Span, there: &str, missing: &str| -> Error {
                source
                    .error(span, Code::InputMissing, format!("`{missing}` is missing"))
                    .cause(format!("`{there}` is given"))
                    .fix(format!("add `{missing}`"))
            };
            match (user, password) {
                (Some(user), None) if config.token.is_none() && config.credentials.is_none() => {
                    Err(half(user.span, "user", "password"))
                }
                (None, Some(password))
                    if config.token.is_none() && config.credentials.is_none() =>
                {
                    Err(half(password.span, "password", "user"))
                }
                _ => Err(source
                    .error(
                        config.servers.span,
                        Code::InputInvalid,
                        "there are several ways to sign in",
                    )
                    .cause("a client signs in once")
                    .fix("give `token`, `user` and `password`, or `credentials`")),
            }
        }
    }
}

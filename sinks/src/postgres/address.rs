//! The connection string.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use longshore_engine::connection::{self, ConnectionFile, Source};
use longshore_engine::error::{Code, Result};
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, Host, SslMode};

use super::tls::{Tls, Verify};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

const FORM: &str = "write it as `postgresql://user:password@host:5432/database`, with `@`, `:`, `/`, \
                    `?`, `#` and `%` in user and password as %40, %3A, %2F, %3F, %23 and %25";

/// Parameters of libpq that say something about us that we would not do
/// (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>).
const NOT_DONE: [&str; 14] = [
    "gssencmode",
    "gsslib",
    "krbsrvname",
    "passfile",
    "require_auth",
    "requirepeer",
    "service",
    "sslcert",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslpassword",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
];

/// Where the server is and how to get in.
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) tls: Tls,
    /// The server's name in messages.
    pub(super) name: String,
}

impl Address {
    pub(super) fn read(source: &Source, given: &connection::Postgres) -> Result<Self> {
        let url = ConnectionFile::given(source, "`url`", &given.url)?;
        parse(&url, |path| ConnectionFile::resolve(source, path)).map_err(|(cause, fix)| {
            let what = "`url` is not a connection string of PostgreSQL";
            source.error(given.url.span, Code::InputInvalid, what).cause(cause).fix(fix)
        })
    }
}

type Refused = (String, String);

/// Nothing of the text is in a message: any part of it may be a part of the password.
fn parse(url: &str, resolve: impl Fn(&Path) -> std::path::PathBuf) -> Result<Address, Refused> {
    let refused = |cause: &str, fix: &str| (cause.to_owned(), fix.to_owned());
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(refused("it does not begin with `postgresql://`", FORM));
    }
    // One before the first `@` is a part of the password.
    let behind = url.find('@').unwrap_or(0);
    let query = url[behind..].find('?').map_or(url.len(), |at| behind + at);
    let (front, query) = (&url[..query], url[query..].trim_start_matches('?'));
    let (mut mode, mut authority, mut others) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(Mode::read(value)?),
            Some(("sslrootcert", value)) => authority = Some(resolve(Path::new(value))),
            Some((name, _)) if NOT_DONE.contains(&name) => {
                let cause = format!("`{name}` is not supported");
                return Err(refused(&cause, "leave it out"));
            }
            _ => others.push(pair),
        }
    }
    let known = format!("{front}?{}", others.join("&"));
    let mut config: Config = known.parse().map_err(|_| {
        refused("a part of it is malformed, or a parameter behind `?` is unknown", FORM)
    })?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(refused("it names no host", FORM));
    }
    // What is behind the first `@` of a password that was not encoded would be taken for a host.
    if !config.get_hosts().iter().all(is_host) {
        return Err(refused("a host has characters that no host has", FORM));
    }
    if config.get_user().is_none_or(str::is_empty) {
        return Err(refused("it names no user", FORM));
    }
    if config.get_channel_binding() == ChannelBinding::Require {
        let fix = "use `sslmode=verify-full`, which leaves nothing for it to protect from";
        return Err(refused("`channel_binding=require` is not supported", fix));
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name("longshore");
    }
    let mode = mode.unwrap_or(if stays_here(&config) { Mode::Prefer } else { Mode::VerifyFull });
    config.ssl_mode(match mode {
        Mode::Disable => SslMode::Disable,
        Mode::Prefer => SslMode::Prefer,
        Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
    });
    let verify = match mode {
        Mode::VerifyFull => Verify::Full,
        Mode::VerifyCa => Verify::Chain,
        // As libpq has it.
        Mode::Require if authority.is_some() => Verify::Chain,
        Mode::Disable | Mode::Prefer | Mode::Require => Verify::Nothing,
    };
    let tls = Tls::new(verify, authority.as_deref()).map_err(|cause| {
        (cause, "give the path of a PEM file with the authority as `sslrootcert`".to_owned())
    })?;
    let name = name(&config);
    Ok(Address { config, tls, name })
}

/// How the way to the server is protected: `sslmode` of libpq.
#[derive(Clone, Copy)]
enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl Mode {
    fn read(text: &str) -> Result<Self, Refused> {
        Ok(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                return Err((
                    "its `sslmode` is unknown".to_owned(),
                    "use `disable`, `prefer`, `require`, `verify-ca` or `verify-full`".to_owned(),
                ));
            }
        })
    }
}

/// Whether nothing leaves this machine.
fn stays_here(config: &Config) -> bool {
    let addresses = config.get_hostaddrs();
    if !addresses.is_empty() {
        return addresses.iter().all(IpAddr::is_loopback);
    }
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

fn is_host(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            let is_usual = |c: char| c.is_alphanumeric() || "-._:%".contains(c);
            !name.is_empty() && name.chars().all(is_usual)
        }
        #[cfg(unix)]
        Host::Unix(path) => !path.as_os_str().as_encoded_bytes().contains(&b'@'),
    }
}

fn name(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
    let mut hosts: Vec<_> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(at, host)| match host {
            Host::Tcp(name) if name.contains(':') => format!("[{name}]:{}", port(at)),
            Host::Tcp(name) => format!("{name}:{}", port(at)),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    if hosts.is_empty() {
        hosts.extend(config.get_hostaddrs().iter().map(ToString::to_string));
    }
    format!("PostgreSQL at {}", hosts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Address, Refused> {
        parse(url, Path::to_owned)
    }

    #[test]
    fn what_leaves_this_machine_is_protected_unless_told_otherwise() {
        let mode = |url: &str| read(url).unwrap().config.get_ssl_mode();
        assert_eq!(mode("postgresql://u:p@localhost/d"), SslMode::Prefer);
        assert_eq!(mode("postgresql://u:p@[::1]/d"), SslMode::Prefer);
        assert_eq!(mode("postgresql://u@%2Frun%2Fpostgresql/d"), SslMode::Prefer);
        assert_eq!(mode("postgresql://u:p@localhost,db.example/d"), SslMode::Require);
        assert_eq!(mode("postgres://u:p@db.example/d?sslmode=verify-ca"), SslMode::Require);
        assert_eq!(mode("postgres://u:p@db.example/d?sslmode=prefer"), SslMode::Prefer);
        assert_eq!(mode("postgres://u:p@db.example/d?sslmode=disable"), SslMode::Disable);
        assert_eq!(
            mode("postgresql://u@localhost/d?connect_timeout=3&hostaddr=192.0.2.1"),
            SslMode::Require
        );
    }

    #[test]
    fn a_server_has_a_name_without_secrets() {
        let name = |url: &str| read(url).unwrap().name;
        assert_eq!(
            name("postgresql://u:simulated@db.example,[2001:db8::1]:6432/d?application_name=x"),
            "PostgreSQL at db.example:5432, [2001:db8::1]:6432"
        );
    }

    #[test]
    fn no_message_repeats_what_was_written() {
        for (url, expected) in [
            ("host=db.example password=simulated", "does not begin"),
            ("postgresql://u:a@db.example/d?simulated=1", "unknown"),
            ("postgresql://u:simul@ated@db.example:x/d", "malformed"),
            ("postgresql://u:a@simulated@db.example/d", "no host has"),
            ("postgresql://u:a@%2Fsimulated@db.example/d", "no host has"),
            ("postgresql://u:simulated@/d", "no host"),
            ("postgresql://db.example/d", "no user"),
            ("postgresql://u@db.example/d?sslmode=simulated", "`sslmode`"),
            ("postgresql://u@db.example/d?sslkey=simulated", "`sslkey` is not supported"),
            ("postgresql://u@db.example/d?channel_binding=require", "channel_binding"),
            ("postgresql://u@db.example/d?sslrootcert=/none/simulated.pem", "PEM"),
        ] {
            let Err((cause, fix)) = read(url) else { panic!("{url}") };
            assert!(format!("{cause} {fix}").contains(expected), "{url}: {cause}: {fix}");
            let is_path = url.contains("sslrootcert");
            assert!(is_path || !format!("{cause}{fix}").contains("simul"), "{url}: {cause}: {fix}");
        }
    }
}

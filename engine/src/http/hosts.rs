//! The hosts a connection may call, and nothing else.

use std::fmt;
use std::sync::Arc;

use url::{Host, Url};

use crate::error::{Code, Error, Result, printable};

/// The port of https where a pattern names none.
const HTTPS_PORT: u16 = 443;

/// The declared hosts: exact names (`login.example.com`), all names below one (`*.example.com`,
/// which does not include `example.com` itself) and IP addresses (`192.0.2.7`, `[2001:db8::7]`),
/// each with an optional port (`:8443`; 443 without). Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Hosts(Arc<[Pattern]>);

#[derive(Clone, PartialEq, Eq)]
struct Pattern {
    host: Host<String>,
    below: bool,
    port: u16,
}

impl Hosts {
    /// Reads the patterns.
    ///
    /// # Errors
    /// [`Code::InputInvalid`] if one is not a host pattern, or covers a whole top-level domain.
    pub fn new<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Result<Self> {
        patterns.into_iter().map(Pattern::parse).collect::<Result<_>>().map(Self)
    }

    /// True if `url` may be called: https, a declared host and port, no user name or password.
    #[must_use]
    pub fn allows(&self, url: &Url) -> bool {
        self.refusal(url).is_none()
    }

    /// Checks that `url` may be called.
    ///
    /// # Errors
    /// [`Code::NetHostBlocked`], naming the host and what is declared.
    pub fn check(&self, url: &Url) -> Result<()> {
        let Some(reason) = self.refusal(url) else { return Ok(()) };
        Err(Error::new(
            Code::NetHostBlocked,
            format!("{} may not be called: {reason}", printable(&place_of(url), 300)),
        )
        .cause(format!("the manifest declares: {self}"))
        .fix("if the app really uses this host, add it to http.hosts of the manifest"))
    }

    fn refusal(&self, url: &Url) -> Option<&'static str> {
        if url.scheme() != "https" {
            return Some("only https is spoken");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Some("a URL must not carry a user name or password");
        }
        let declared = url.host().is_some_and(|host| {
            let port = url.port().unwrap_or(HTTPS_PORT);
            self.0.iter().any(|pattern| pattern.matches(&host, port))
        });
        (!declared).then_some("the host is not declared")
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no host");
        }
        for (index, pattern) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let prefix = if pattern.below { "*." } else { "" };
            write!(f, "{separator}{prefix}{}", pattern.host)?;
            if pattern.port != HTTPS_PORT {
                write!(f, ":{}", pattern.port)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hosts({self})")
    }
}

impl Pattern {
    fn parse(pattern: &str) -> Result<Self> {
        let invalid = |cause: String| {
            Error::new(
                Code::InputInvalid,
                format!("`{}` is not a host pattern", printable(pattern, 100)),
            )
            .cause(cause)
            .fix("write a host name such as api.example.com or *.example.com, optionally :port")
        };
        let (below, rest) = match pattern.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        // The colons of an IPv6 address are inside brackets.
        let (name, port) = match rest.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => {
                let digits = port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse::<u16>().ok().filter(|port| digits && *port > 0);
                (name, port.ok_or_else(|| invalid("the port is not in 1..=65535".to_owned()))?)
            }
            _ => (rest, HTTPS_PORT),
        };
        let host = Host::parse(name).map_err(|error| invalid(error.to_string()))?;
        match &host {
            Host::Domain(name) if below && !name.contains('.') => {
                return Err(invalid("it covers a whole top-level domain".to_owned()));
            }
            Host::Domain(name) if name.contains('*') || name.ends_with('.') => {
                return Err(invalid("a `*` stands for the leftmost labels only".to_owned()));
            }
            Host::Ipv4(_) | Host::Ipv6(_) if below => {
                return Err(invalid("an address has nothing below it".to_owned()));
            }
            _ => {}
        }
        Ok(Self { host, below, port })
    }

    fn matches(&self, host: &Host<&str>, port: u16) -> bool {
        if self.port != port {
            return false;
        }
        match (&self.host, host) {
            (Host::Domain(declared), Host::Domain(name)) if self.below => name
                .strip_suffix(declared.as_str())
                .is_some_and(|front| front.len() > 1 && front.ends_with('.')),
            (Host::Domain(declared), Host::Domain(name)) => declared == name,
            (Host::Ipv4(declared), Host::Ipv4(address)) => declared == address,
            (Host::Ipv6(declared), Host::Ipv6(address)) => declared == address,
            _ => false,
        }
    }
}

/// Scheme, host, port and path of a URL: all that a message may show of it. User information,
/// query and fragment may hold secrets.
#[must_use]
pub fn place_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    printable(&format!("{}://{host}{port}{}", url.scheme(), url.path()), 500)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hosts() -> Hosts {
        Hosts::new([
            "login.example.com",
            "*.force.example",
            "api.example.org:8443",
            "192.0.2.7",
            "[2001:db8::7]:444",
        ])
        .unwrap()
    }

    #[test]
    fn declared_hosts_pass_and_nothing_else() {
        let cases = [
            ("https://login.example.com/a?b=c", true),
            ("https://LOGIN.EXAMPLE.COM:443/", true),
            ("https://a.force.example/", true),
            ("https://a.b.force.example/", true),
            ("https://api.example.org:8443/", true),
            ("https://192.0.2.7/", true),
            ("https://[2001:db8::7]:444/", true),
            ("http://login.example.com/", false),
            ("https://login.example.com:8443/", false),
            ("https://force.example/", false),
            ("https://.force.example/", false),
            ("https://evilforce.example/", false),
            ("https://a.force.example.evil.test/", false),
            ("https://login.example.com./", false),
            ("https://login.example.com@evil.test/", false),
            ("https://user@login.example.com/", false),
            ("https://user:simulated@login.example.com/", false),
            ("https://api.example.org/", false),
            ("https://192.0.2.8/", false),
            ("https://127.0.0.1/", false),
            ("https://2130706433/", false),
            ("https://[::1]/", false),
            ("https://[2001:db8::7]/", false),
            ("ftp://login.example.com/", false),
            ("file:///etc/passwd", false),
            ("data:text/plain,x", false),
        ];
        for (url, allowed) in cases {
            assert_eq!(hosts().allows(&Url::parse(url).unwrap()), allowed, "{url}");
        }
    }

    #[test]
    fn a_refusal_names_the_host_and_the_declared_list_but_no_query() {
        let url = Url::parse("https://u:simulated-secret@evil.test/p?token=simulated-secret#f");
        let error = hosts().check(&url.unwrap()).unwrap_err();
        insta::assert_snapshot!(error, @r"
        NET_HOST_BLOCKED: https://evil.test/p may not be called: a URL must not carry a user name or password
          cause: the manifest declares: login.example.com, *.force.example, api.example.org:8443, 192.0.2.7, [2001:db8::7]:444
          fix:   if the app really uses this host, add it to http.hosts of the manifest
        ");
    }

    #[test]
    fn wrong_patterns_are_refused() {
        for pattern in [
            "",
            "*",
            "*.",
            "*.com",
            "a.*.example.com",
            "*example.com",
            "https://example.com",
            "example.com/path",
            "example.com:",
            "example.com:0",
            "example.com:65536",
            "example.com:+443",
            "user@example.com",
            "*.192.0.2.1",
            "[::1",
            "example.com.",
        ] {
            assert!(Hosts::new([pattern]).is_err(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(pattern in ".{0,40}", url in ".{0,60}") {
            let hosts = Hosts::new([pattern.as_str()]);
            if let (Ok(hosts), Ok(url)) = (hosts, Url::parse(&url)) {
                let _ = hosts.check(&url);
            }
        }

        #[test]
        fn only_true_subdomains_match(front in "[a-z0-9.-]{0,20}") {
            if let Ok(url) = Url::parse(&format!("https://{front}force.example/")) {
                let host = url.host_str().unwrap_or_default();
                let below = host.ends_with(".force.example") && host != ".force.example";
                prop_assert_eq!(hosts().allows(&url), below);
            }
        }
    }
}

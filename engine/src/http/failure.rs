//! Names the layer a request failed at: DNS, proxy, TCP, TLS, time, or the connection breaking.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::{AlertDescription, CertificateError};
use url::Url;

use crate::error::{Code, Error, printable};

/// A request without a response.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What happened.
    pub error: Error,
    /// True if the app may have received the request and acted on it; false if it certainly did
    /// not. Decides whether a request that changes something may be sent again.
    pub sent: bool,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// The system's resolver, with an error that can be told from all others.
pub(super) struct Resolver;

/// The resolver's error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unresolved(io::Error);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(|error| Box::new(Unresolved(error)))?
                .collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The failure of a request that got no response head.
pub(super) fn head(error: &reqwest::Error, url: &Url, connect_timeout: Duration) -> Error {
    let host = host_of(url);
    let root = root_cause(error);
    if find::<Unresolved>(error).is_some() {
        return Error::new(Code::NetDns, format!("the name of {host} could not be resolved"))
            .cause(root)
            .fix("check the spelling of the host, and that this machine's DNS knows it");
    }
    if let Some(tls) = find::<rustls::Error>(error) {
        return tls_failure(tls, &host);
    }
    if error.is_connect() && error.is_timeout() {
        return timeout(url, "accepting a connection", connect_timeout);
    }
    if chain(error).any(|layer| layer.to_string().starts_with("tunnel error")) {
        return Error::new(Code::NetProxy, format!("the proxy did not connect us to {host}"))
            .cause(root)
            .fix("check HTTPS_PROXY and NO_PROXY, and allow the host on the proxy");
    }
    let what = match find::<io::Error>(error).map(io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) => format!("{host} refused the connection"),
        Some(ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted) => {
            format!("the connection to {host} was reset before an answer")
        }
        _ if error.is_connect() => format!("no connection to {host}"),
        _ => format!("{host} closed the connection before answering"),
    };
    Error::new(Code::NetUnreachable, what)
        .cause(root)
        .fix(format!("check that the firewall lets this machine reach {host} with https"))
}

/// The failure of a body after `received` bytes of it.
pub(super) fn body(error: &reqwest::Error, url: &Url, received: u64) -> Error {
    let host = host_of(url);
    let reset = find::<io::Error>(error).is_some_and(|error| {
        matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
    });
    let (code, what) = if reset {
        (Code::NetUnreachable, "was reset")
    } else {
        (Code::DataIncomplete, "ended too early")
    };
    Error::new(code, format!("the response of {host} {what} after {received} bytes"))
        .cause(root_cause(error))
        .fix("nothing to do: the request is repeated and the part that came is not used")
}

/// The app was silent for longer than `limit` when it should have been `doing` something.
pub(super) fn timeout(url: &Url, doing: &str, limit: Duration) -> Error {
    let host = host_of(url);
    Error::new(Code::AppTimeout, format!("{host} did not answer in {:.3} s", limit.as_secs_f64()))
        .cause(format!("it was silent when it should have been {doing}"))
        .fix("if this lasts, ask for less at once, or raise the timeout")
}

/// Whether the host broke off because of our certificate. Nothing that was sent has been carried out
/// then, though in TLS 1.3 a client hears of it after it began to send (RFC 8446, section 4.4.2.4).
pub(super) fn is_stranger(error: &reqwest::Error) -> bool {
    find::<rustls::Error>(error).is_some_and(|error| {
        matches!(error, rustls::Error::AlertReceived(alert) if about_client(*alert).is_some())
    })
}

/// What an alert says of the client's certificate (RFC 8446, section 6.2), and the fix.
fn about_client(alert: AlertDescription) -> Option<(&'static str, &'static str)> {
    Some(match alert {
        AlertDescription::CertificateRequired => (
            "wants a client certificate, and was shown none",
            "give the connection a certificate that the app knows, with its key, as `http.tls` of the manifest wants it",
        ),
        AlertDescription::CertificateExpired => (
            "says that our client certificate has expired",
            "have a new certificate issued, make it known to the app, and give it to the connection",
        ),
        AlertDescription::CertificateRevoked => (
            "says that our client certificate was revoked",
            "find out why, have a new certificate issued, and give it to the connection",
        ),
        AlertDescription::UnknownCA => (
            "does not know the authority that issued our client certificate",
            "give the connection the certificate that was issued for this app, followed by those that lead to its root, or make its authority known to the app",
        ),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError => (
            "refuses our client certificate",
            "give the connection the certificate that was issued for this app, and the key that belongs to it",
        ),
        _ => return None,
    })
}

fn tls_failure(error: &rustls::Error, host: &str) -> Error {
    use rustls::Error::{AlertReceived, InvalidCertificate};

    let (code, what, fix) = match error {
        InvalidCertificate(CertificateError::UnknownIssuer) => (
            Code::NetTlsIntercept,
            format!("the certificate of {host} comes from an authority this machine does not know"),
            "if a proxy re-signs TLS traffic, add its authority to the system's trust store (or SSL_CERT_FILE); if the app has an authority of its own, give its root certificate as `http.tls.ca` of the manifest wants it",
        ),
        InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            (
                Code::NetTls,
                format!("the certificate of {host} has expired"),
                "check this machine's clock; if it is right, only those who run the host can renew its certificate",
            )
        }
        InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => (
            Code::NetTls,
            format!("the certificate shown for {host} is that of another host"),
            "check the spelling of the host, and that no proxy or portal answers for it",
        ),
        AlertReceived(alert) if let Some((said, fix)) = about_client(*alert) => {
            (Code::AuthCertExpired, format!("{host} {said}"), fix)
        }
        AlertReceived(AlertDescription::HandshakeFailure) => (
            Code::NetTls,
            format!("no secure connection to {host}"),
            "if the app wants a client certificate, give the connection one, as `http.tls` of the manifest wants it; check that the host speaks TLS 1.2 or 1.3, and that nothing between here and it alters TLS",
        ),
        _ => (
            Code::NetTls,
            format!("no secure connection to {host}"),
            "check this machine's clock, and that nothing between here and the host alters TLS",
        ),
    };
    Error::new(code, what).cause(printable(&error.to_string(), 300)).fix(fix)
}

/// Host and port for a message.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The layers of an error below the outermost one, whose text contains the whole URL.
fn chain<'e>(error: &'e reqwest::Error) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    let mut next = error.source();
    // Bounded: an error that contains itself must not hang us.
    std::iter::from_fn(move || {
        let layer = next?;
        next = source_of(layer);
        Some(layer)
    })
    .take(16)
}

/// Like `source`, but an `io::Error` hides what it wraps.
fn source_of<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn find<T: StdError + 'static>(error: &reqwest::Error) -> Option<&T> {
    chain(error).find_map(|layer| layer.downcast_ref())
}

fn root_cause(error: &reqwest::Error) -> String {
    chain(error).last().map_or_else(
        || "the connection failed".to_owned(),
        |root| printable(&root.to_string(), 300),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A resolver that knows no name, without asking anybody.
    struct Ignorant;

    impl Resolve for Ignorant {
        fn resolve(&self, _: Name) -> Resolving {
            let error = Unresolved(io::Error::other("no such name"));
            Box::pin(async { Err(error.into()) })
        }
    }

    #[tokio::test]
    async fn a_name_without_address_is_a_dns_failure() {
        let client = reqwest::Client::builder().no_proxy().dns_resolver(Ignorant).build().unwrap();
        let url = Url::parse("https://app.example.com/p?key=simulated").unwrap();
        let error = client.get(url.clone()).send().await.unwrap_err();
        insta::assert_snapshot!(head(&error, &url, Duration::from_secs(1)), @r"
        NET_DNS: the name of app.example.com could not be resolved
          cause: no such name
          fix:   check the spelling of the host, and that this machine's DNS knows it
          next:  tried again later
        ");
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_is_named() {
        let (address, _) = crate::http::tests::serve(|_| {
            axum::response::IntoResponse::into_response(axum::http::StatusCode::FORBIDDEN)
        })
        .await;
        let proxy = reqwest::Proxy::https(format!("http://{address}")).unwrap();
        let client = reqwest::Client::builder().proxy(proxy).build().unwrap();
        let url = Url::parse("https://app.example.com/p?key=simulated").unwrap();
        let error = client.get(url.clone()).send().await.unwrap_err();
        let error = head(&error, &url, Duration::from_secs(1));
        assert_eq!(error.code, Code::NetProxy, "{error}");
        assert!(!error.to_string().contains("simulated"), "{error}");
    }

    #[tokio::test]
    async fn the_system_resolves_itself() {
        let mut addresses = Resolver.resolve("localhost".parse().unwrap()).await.unwrap();
        assert!(addresses.all(|address| address.ip().is_loopback()));
    }

    #[test]
    fn an_unknown_authority_is_told_from_other_tls_failures() {
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert_eq!(tls_failure(&unknown, "app.example.com").code, Code::NetTlsIntercept);
        let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
        assert_eq!(tls_failure(&expired, "app.example.com").code, Code::NetTls);
        // What many servers say in TLS 1.2 to a client without a certificate.
        let failed = rustls::Error::AlertReceived(AlertDescription::HandshakeFailure);
        let failed = tls_failure(&failed, "app.example.com");
        assert_eq!(failed.code, Code::NetTls);
        assert!(failed.fix.as_deref().unwrap().contains("client certificate"), "{failed}");
    }
}

//! Certificates of both sides, against real handshakes on the loopback interface. All of them are
//! made when a test runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::error::{Code, Error};
use crate::http::{Certificates, Client, Failure, Hosts, Method, Request, Transport};
use crate::secret::Secret;

/// A certificate authority.
struct Authority {
    certificate: Certificate,
    key: KeyPair,
}

/// A certificate with its private key.
struct Pair {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self { certificate: params.self_signed(&key).unwrap(), key }
    }

    fn issues(&self, name: &str, until: i32) -> Pair {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        Pair { certificate, key }
    }

    fn pem(&self) -> Secret {
        Secret::new(self.certificate.pem())
    }
}

impl Pair {
    fn pem(&self) -> (Secret, Secret) {
        (Secret::new(self.certificate.pem()), Secret::new(self.key.serialize_pem()))
    }
}

/// A year that is over, and one that is far away.
const PAST: i32 = 2001;
const FUTURE: i32 = 4000;

/// A server that shows this certificate, and lets in whom the authority `clients` vouches for.
async fn serve(
    shown: &Pair,
    clients: &Authority,
    version: &'static SupportedProtocolVersion,
) -> SocketAddr {
    let mut roots = RootCertStore::empty();
    roots.add(clients.certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let chain: Vec<CertificateDer<'static>> = vec![shown.certificate.der().clone()];
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain, PrivatePkcs8KeyDer::from(shown.key.serialize_der()).into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 8192];
                match acceptor.accept(stream).into_fallible().await {
                    Ok(mut stream) => {
                        let _ = stream.read(&mut buffer).await;
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                        stream.write_all(answer).await.unwrap();
                        let _ = stream.shutdown().await;
                    }
                    // What was sent is read to its end: a reset would overtake the alert.
                    Err((_, mut stream)) => {
                        let _ = stream.shutdown().await;
                        while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
                    }
                }
            });
        }
    });
    address
}

async fn asks(address: SocketAddr, certificates: &Certificates) -> Result<u16, Failure> {
    let host = format!("localhost:{}", address.port());
    let transport = Transport::without_proxy(certificates).unwrap();
    let client = Client::new(&transport, Hosts::new([&*host]).unwrap(), None).unwrap();
    let url = Url::parse(&format!("https://{host}/path?key=simulated")).unwrap();
    let mut request = Request::new(Method::GET, url);
    request.timeout = Duration::from_secs(5);
    client.send(request).await.map(|response| response.status.as_u16())
}

/// The error as a person reads it, without what differs from run to run.
fn shown(error: &Error, address: SocketAddr) -> String {
    let text = error.to_string().replace(&format!(":{}", address.port()), ":PORT");
    assert!(!text.contains("simulated"), "{text}");
    let (before, after) = text.split_once("(request ").unwrap();
    let (_, after) = after.split_once(')').unwrap();
    format!("{before}(request ID){after}")
}

/// Both versions tell in their own way: in 1.3 a client hears of its certificate after the handshake.
#[tokio::test]
async fn a_client_is_known_by_its_certificate() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = ours.issues("localhost", FUTURE);
    for version in [&version::TLS12, &version::TLS13] {
        let address = serve(&server, &ours, version).await;
        let with = |client: Option<(Secret, Secret)>| Certificates { client, ca: Some(ours.pem()) };
        let known = with(Some(ours.issues("client", FUTURE).pem()));
        assert_eq!(asks(address, &known).await.unwrap(), 200);

        let unknown = with(Some(theirs.issues("client", FUTURE).pem()));
        let failure = asks(address, &unknown).await.unwrap_err();
        assert!(!failure.sent, "the app took nothing from a stranger");
        insta::allow_duplicates! { insta::assert_snapshot!(shown(&failure.error, address), @r"
        AUTH_CERT_EXPIRED: localhost:PORT does not know the authority that issued our client certificate
          where: request GET https://localhost:PORT/path (request ID)
          cause: received fatal alert: UnknownCA
          fix:   give the connection the certificate that was issued for this app, followed by those that lead to its root, or make its authority known to the app
        "); }

        let expired = with(Some(ours.issues("client", PAST).pem()));
        let failure = asks(address, &expired).await.unwrap_err();
        assert!(!failure.sent, "the app took nothing from a stranger");
        insta::allow_duplicates! { insta::assert_snapshot!(shown(&failure.error, address), @r"
        AUTH_CERT_EXPIRED: localhost:PORT says that our client certificate has expired
          where: request GET https://localhost:PORT/path (request ID)
          cause: received fatal alert: CertificateExpired
          fix:   have a new certificate issued, make it known to the app, and give it to the connection
        "); }
    }
}

#[tokio::test]
async fn a_missing_client_certificate_is_named() {
    let ours = Authority::new("ours");
    let server = ours.issues("localhost", FUTURE);
    let none = Certificates { client: None, ca: Some(ours.pem()) };

    for version in [&version::TLS12, &version::TLS13] {
        let address = serve(&server, &ours, version).await;
        let failure = asks(address, &none).await.unwrap_err();
        assert!(!failure.sent, "the app took nothing from a stranger");
        insta::allow_duplicates! { insta::assert_snapshot!(shown(&failure.error, address), @r"
        AUTH_CERT_EXPIRED: localhost:PORT wants a client certificate, and was shown none
          where: request GET https://localhost:PORT/path (request ID)
          cause: received fatal alert: CertificateRequired
          fix:   give the connection a certificate that the app knows, with its key, as `http.tls` of the manifest wants it
        "); }
    }
}

#[tokio::test]
async fn a_server_is_known_by_its_certificate() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let client = || Some(ours.issues("client", FUTURE).pem());
    let trusting = |ca: Option<Secret>| Certificates { client: client(), ca };

    let server = ours.issues("localhost", FUTURE);
    let address = serve(&server, &ours, &version::TLS13).await;
    for ca in [None, Some(theirs.pem())] {
        let failure = asks(address, &trusting(ca)).await.unwrap_err();
        assert!(!failure.sent);
        insta::allow_duplicates! { insta::assert_snapshot!(shown(&failure.error, address), @r"
        NET_TLS_INTERCEPT: the certificate of localhost:PORT comes from an authority this machine does not know
          where: request GET https://localhost:PORT/path (request ID)
          cause: invalid peer certificate: UnknownIssuer
          fix:   if a proxy re-signs TLS traffic, add its authority to the system's trust store (or SSL_CERT_FILE); if the app has an authority of its own, give its root certificate as `http.tls.ca` of the manifest wants it
        "); }
    }
    // One of several that are trusted is enough.
    let both = Secret::new(format!("{}\n{}", theirs.pem().expose(), ours.pem().expose()));
    assert_eq!(asks(address, &trusting(Some(both))).await.unwrap(), 200);

    let address = serve(&ours.issues("localhost", PAST), &ours, &version::TLS13).await;
    let failure = asks(address, &trusting(Some(ours.pem()))).await.unwrap_err();
    assert_eq!(failure.error.code, Code::NetTls);
    let told = shown(&failure.error, address);
    assert!(told.contains("the certificate of localhost:PORT has expired"), "{told}");
    assert!(told.contains("clock"), "{told}");

    let address = serve(&ours.issues("other.test", FUTURE), &ours, &version::TLS13).await;
    let failure = asks(address, &trusting(Some(ours.pem()))).await.unwrap_err();
    insta::assert_snapshot!(shown(&failure.error, address), @r#"
        NET_TLS: the certificate shown for localhost:PORT is that of another host
          where: request GET https://localhost:PORT/path (request ID)
          cause: invalid peer certificate: certificate not valid for name "localhost"; certificate is only valid for DnsName("other.test")
          fix:   check the spelling of the host, and that no proxy or portal answers for it
          next:  tried again later
        "#);
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_not_shown() {
    let ours = Authority::new("ours");
    let (one, other) = (ours.issues("client", FUTURE), ours.issues("client", FUTURE));
    let garbled = |text: &str| {
        let body = "c2ltdWxhdGVkIGNlcnRpZmljYXRl";
        Secret::new(format!("-----BEGIN {text}-----\n{body}\n-----END {text}-----\n"))
    };
    let plain = || Secret::new("simulated");
    let client = |client| Certificates { client: Some(client), ca: None };
    let root = |ca| Certificates { client: None, ca: Some(ca) };
    let cases = [
        client((one.pem().0, other.pem().1)),
        client((one.pem().0, plain())),
        client((plain(), one.pem().1)),
        client((one.pem().0, Secret::new(""))),
        client((garbled("CERTIFICATE"), one.pem().1)),
        client((one.pem().0, garbled("PRIVATE KEY"))),
        root(plain()),
        root(Secret::new("")),
        root(one.pem().1),
        root(garbled("CERTIFICATE")),
        root(Secret::new(ours.pem().expose().to_owned() + garbled("CERTIFICATE").expose())),
    ];
    for (number, certificates) in cases.into_iter().enumerate() {
        let error = Transport::without_proxy(&certificates).expect_err(&number.to_string());
        assert_eq!(error.code, Code::InputInvalid, "{number} {error}");
        assert!(error.what.contains("certificate"), "{error}");
        assert!(error.cause.is_some() && error.fix.is_some(), "{error}");
        for hidden in ["simulated", "c2ltdWxhdGVk", "PRIVATE KEY-----\n"] {
            assert!(!format!("{error} {error:?}").contains(hidden), "{error}");
        }
    }
}

//! What a person reads when something is wrong.

use std::sync::Arc;

use longshore_engine::error::Error;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::TlsAcceptor;

use crate::played::{PRODUCTS, Product};
use crate::wire::{Act, Asked, Serve, Told, serve};
use crate::{deliver, lines, open};

/// Always says the same.
struct Says(Told);

impl Serve for Says {
    fn breaks_after(&self, _: usize) -> Option<usize> {
        None
    }

    fn act(&self, asked: Asked) -> Act {
        if asked.target.ends_with("/token") && self.0.status != 400 {
            return Act::Tell(Told::new(
                200,
                r#"{"access_token":"simulated-1","expires_in":3599}"#,
            ));
        }
        Act::Tell(self.0.clone())
    }
}

/// What becomes of two events.
async fn failure(section: &str) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = open(folder.path(), section).unwrap();
    deliver(&mut *sink, &lines([0, 1])).await.unwrap_err()
}

async fn told(product: Product, told: Told) -> String {
    let address = serve(Arc::new(Says(told)), None).await;
    let error = failure(&product.section(&format!("http://{address}"))).await;
    error.to_string().replace(&address.to_string(), "HOST")
}

#[tokio::test]
async fn answers_are_explained() {
    let mut all = String::new();
    let es = |status: u16, kind: &str| {
        let error = format!(
            r#"{{"type":"{kind}","reason":"failed [x]. Preview of field's value: 'private'"}}"#
        );
        let item = format!(r#"{{"create":{{"status":{status},"error":{error}}}}}"#);
        Told::new(200, format!(r#"{{"errors":true,"items":[{item},{item}]}}"#))
    };
    let otlp = r#"{"partialSuccess":{"rejectedLogRecords":2,"errorMessage":"too old"}}"#;
    let redirect = vec![("location", "http://elsewhere.example/".to_owned())];
    for (product, answer) in [
        (Product::Lines, Told::new(401, "who is simulated-key?")),
        (Product::Lines, Told::new(403, "")),
        (Product::Lines, Told::new(404, "<html>nothing\n\nhere</html>")),
        (Product::Lines, Told { headers: redirect, ..Told::new(307, "") }),
        (Product::Lines, Told::new(400, "no")),
        (Product::Lines, Told::new(415, "")),
        (Product::Lines, Told::new(503, "")),
        (Product::Splunk, Told::new(200, "<html>")),
        (Product::Splunk, Told::new(403, r#"{"text":"Token disabled","code":1}"#)),
        (Product::Splunk, Told::new(403, r#"{"text":"Invalid token simulated-token","code":4}"#)),
        (
            Product::Splunk,
            Told::new(400, r#"{"text":"Incorrect index","code":7,"invalid-event-number":0}"#),
        ),
        (Product::Splunk, Told::new(400, r#"{"text":"Data channel is missing","code":10}"#)),
        (Product::Splunk, Told::new(503, r#"{"text":"Server is busy","code":9}"#)),
        (Product::Elasticsearch, Told::new(200, "{}")),
        (Product::Elasticsearch, Told::new(200, r#"{"errors":false,"items":[]}"#)),
        (Product::Elasticsearch, es(403, "security_exception")),
        (Product::Elasticsearch, es(404, "index_not_found_exception")),
        (Product::Elasticsearch, es(400, "document_parsing_exception")),
        (
            Product::Elasticsearch,
            Told::new(
                401,
                r#"{"error":{"type":"security_exception","reason":"missing"},"status":401}"#,
            ),
        ),
        (
            Product::Azure,
            Told::new(403, r#"{"error":{"code":"OperationFailed","message":"no role"}}"#),
        ),
        (Product::Azure, Told::new(404, r#"{"error":{"code":"NotFound","message":"no rule"}}"#)),
        (
            Product::Azure,
            Told::new(
                400,
                r#"{"error":"invalid_client","error_description":"AADSTS7000215: simulated&secret"}"#,
            ),
        ),
        (Product::Otlp, Told::new(200, "<html>")),
        (Product::Otlp, Told::new(200, otlp)),
    ] {
        let status = answer.status;
        all += &format!("{product:?}, {status}\n{}\n", told(product, answer).await);
    }
    assert!(!all.contains("simulated") && !all.contains("private"), "{all}");
    insta::assert_snapshot!(all);
}

/// Repeats what it was sent.
struct Echo(u16);

impl Serve for Echo {
    fn breaks_after(&self, _: usize) -> Option<usize> {
        None
    }

    fn act(&self, asked: Asked) -> Act {
        let body = String::from_utf8(asked.body).unwrap();
        Act::Tell(Told::new(self.0, format!("why was I given {body}")))
    }
}

#[tokio::test]
async fn what_a_receiver_repeats_of_events_is_not_shown() {
    for status in [400, 500] {
        let address = serve(Arc::new(Echo(status)), None).await;
        let error = failure(&Product::Lines.section(&format!("http://{address}"))).await;
        let cause = error.cause.as_deref().unwrap();
        assert!(cause.contains("why was I given …") && !cause.contains("rgen"), "{error}");
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_told() {
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for product in PRODUCTS {
        let error = failure(&product.section(&format!("http://{address}"))).await;
        assert!(
            error.to_string().contains(&format!("http://{address} does not answer")),
            "{error}"
        );
    }
    let error = failure(&Product::Splunk.section(&format!("http://{address}"))).await;
    insta::assert_snapshot!(error.to_string().replace(&address.to_string(), "HOST"), @r"
    SINK_UNAVAILABLE: Splunk at http://HOST does not answer
      cause: HOST refused the connection: Connection refused (os error 111)
      fix:   check that it runs, and that the firewall lets this machine reach it
      next:  tried again later
    ");
}

#[tokio::test]
async fn a_private_authority_has_to_be_named() {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority, &authority_key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let settings = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let said = Told::new(200, r#"{"text":"Success","code":0}"#);
    let acceptor = TlsAcceptor::from(Arc::new(settings));
    let address = serve(Arc::new(Says(said)), Some(acceptor)).await;
    let section = |more: &str| {
        let port = address.port();
        format!("splunk_hec: {{ url: 'https://localhost:{port}', token: simulated{more} }}")
    };
    let error = failure(&section("")).await;
    insta::assert_snapshot!(error.to_string().replace(&address.port().to_string(), "PORT"), @r"
    SINK_UNAVAILABLE: Splunk at https://localhost:PORT does not answer
      cause: the certificate of localhost:PORT comes from an authority this machine does not know: invalid peer certificate: UnknownIssuer
      fix:   give the certificate of its authority as `authority` of the sink, or add it to those that this machine trusts
      next:  tried again later
    ");

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    let mut sink = open(folder.path(), &section(", authority: ca.pem")).unwrap();
    deliver(&mut *sink, &lines([0, 1])).await.unwrap();
}

#[test]
fn settings_that_cannot_be_used_are_named_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = String::new();
    for section in [
        "http: { url: 'ftp://simulated/' }",
        "http: { url: { env: LONGSHORE_TEST_NOT_SET } }",
        "http: { url: 'https://a/', headers: { 'a b': c } }",
        "http: { url: 'https://a/', headers: { a: \"simulated\\nb\" } }",
        "http: { url: 'https://a/', compress: zstd }",
        "http: { url: 'https://a/', authority: none.pem }",
        "http: { url: 'https://a/', body: xml }",
        "splunk_hec: { url: 'https://a/?token=simulated', token: b }",
        "elasticsearch: { url: 'https://a', index: Logs }",
        "elasticsearch: { url: 'https://a', index: logs, user: b }",
        "elasticsearch: { url: 'https://a', index: logs, user: b, password: c, api_key: d }",
        "azure_logs: { endpoint: 'https://a', rule: r, stream: s, tenant: t, client_id: c, client_secret: s }",
        "otlp: { url: localhost:4318 }",
    ] {
        let error = open(folder.path(), section).err().unwrap();
        all += &format!("{section}\n{error}\n\n");
    }
    insta::assert_snapshot!(all.replace(folder.path().to_str().unwrap(), "DIR"));
}

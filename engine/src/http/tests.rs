//! The client against real sockets on the loopback interface.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request as Incoming;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response as Outgoing};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::Url;

use crate::error::{Code, Error, Retry};
use crate::http::{Certificates, Client, Credential, Failure, Hosts, Request, Response, Transport};
use crate::secret::Secret;

/// What a server of ours was asked.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A server on the loopback interface that answers with `answer` and remembers what it was asked.
pub(crate) async fn serve(
    answer: impl Fn(&Seen) -> Outgoing + Clone + Send + Sync + 'static,
) -> (SocketAddr, Arc<Mutex<Vec<Seen>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&log);
    let app = Router::new().fallback(move |request: Incoming| {
        let (answer, seen) = (answer.clone(), Arc::clone(&seen));
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let request = Seen {
                method: head.method,
                path: head.uri.path().to_owned(),
                headers: head.headers,
                body: String::from_utf8(body.to_vec()).unwrap(),
            };
            seen.lock().unwrap().push(request.clone());
            answer(&request)
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, log)
}

/// What a raw server does after its bytes.
#[derive(Clone, Copy)]
enum Then {
    Close,
    Reset,
    Hang,
}

/// A server that reads a request, writes `bytes` and does `then`.
async fn raw(bytes: &str, then: Then) -> SocketAddr {
    let bytes = Arc::<str>::from(bytes);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let bytes = Arc::clone(&bytes);
            tokio::spawn(async move {
                // For a reset, part of the request stays unread in the buffer of the socket.
                let mut buffer = [0; 8192];
                let length = if matches!(then, Then::Reset) { 1 } else { buffer.len() };
                let _ = stream.read(&mut buffer[..length]).await;
                let _ = stream.write_all(bytes.as_bytes()).await;
                if matches!(then, Then::Hang) {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                }
            });
        }
    });
    address
}

fn transport() -> Transport {
    Transport::without_proxy(&Certificates::default()).unwrap()
}

pub(crate) fn client(hosts: &[&str], address: SocketAddr) -> Client {
    let hosts = Hosts::new(hosts.iter().copied()).unwrap();
    Client::new(&transport(), hosts, Some(address)).unwrap()
}

fn get(url: &str) -> Request {
    let mut request = Request::new(Method::GET, Url::parse(url).unwrap());
    request.timeout = Duration::from_secs(5);
    request
}

fn redirect(status: u16, location: &str) -> Outgoing {
    let location = HeaderValue::from_str(location).unwrap();
    (StatusCode::from_u16(status).unwrap(), [(HeaderName::from_static("location"), location)])
        .into_response()
}

async fn failure(client: &Client, request: Request) -> Failure {
    client.send(request).await.unwrap_err()
}

async fn body_error(address: SocketAddr, request: Request) -> Error {
    let client = client(&["app.example.com"], address);
    let mut response: Response = client.send(request).await.unwrap();
    response.bytes().await.unwrap_err()
}

#[tokio::test]
async fn a_request_keeps_its_host_and_introduces_itself() {
    let (address, log) = serve(|_| "hello".into_response()).await;
    let client = client(&["app.example.com:8443"], address);
    let mut response = client.send(get("https://app.example.com:8443/a%20b?q=1")).await.unwrap();
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(response.url.as_str(), "https://app.example.com:8443/a%20b?q=1");
    assert_eq!(&response.bytes().await.unwrap()[..], b"hello");
    let seen = log.lock().unwrap()[0].clone();
    assert_eq!(seen.path, "/a%20b");
    assert_eq!(seen.header("host"), Some("app.example.com:8443"));
    assert_eq!(seen.header("accept-encoding"), Some("gzip"));
    assert_eq!(seen.header("user-agent"), Some(concat!("Longshore/", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn undeclared_hosts_are_never_called() {
    let (address, log) = serve(|seen| match seen.path.as_str() {
        "/away" => redirect(302, "https://evil.test/p?token=simulated"),
        "/down" => redirect(302, "http://app.example.com/p"),
        "/address" => redirect(302, "https://127.0.0.1/p"),
        "/nonsense" => redirect(302, "https://[/"),
        _ => "reached".into_response(),
    })
    .await;
    let client = client(&["app.example.com"], address);
    // A next link is a URL like any other: it is checked before it is sent.
    let next = failure(&client, get("https://evil.test/next?cursor=simulated")).await;
    assert_eq!((next.error.code, next.sent), (Code::NetHostBlocked, false));
    assert!(log.lock().unwrap().is_empty());
    for path in ["away", "down", "address"] {
        let failure = failure(&client, get(&format!("https://app.example.com/{path}"))).await;
        assert_eq!((failure.error.code, failure.sent), (Code::NetHostBlocked, true), "{path}");
        let text = failure.error.to_string();
        assert!(text.contains("app.example.com") && !text.contains("simulated"), "{text}");
    }
    let nonsense = failure(&client, get("https://app.example.com/nonsense")).await;
    assert_eq!(nonsense.error.code, Code::AppError);
    assert_eq!(log.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn credentials_stay_with_their_hosts() {
    let (address, log) = serve(|seen| match (seen.path.as_str(), seen.header("host")) {
        ("/start", _) => redirect(302, "https://files.example.net/middle"),
        ("/middle", _) => redirect(302, "https://other.example.com/end"),
        _ => "end".into_response(),
    })
    .await;
    let client = client(&["*.example.com", "files.example.net"], address);
    let mut request = get("https://app.example.com/start");
    let issued_for = Hosts::new(["*.example.com"]).unwrap();
    let token = Secret::new("simulated-token");
    request.credentials = vec![Credential::bearer(&token, issued_for).unwrap()];
    request.headers.insert("cookie", HeaderValue::from_static("simulated=cookie"));
    request.headers.insert("x-page", HeaderValue::from_static("2"));
    client.send(request).await.unwrap();

    let log = log.lock().unwrap();
    let sent: Vec<_> = log
        .iter()
        .map(|seen| ["host", "authorization", "cookie", "x-page"].map(|name| seen.header(name)))
        .collect();
    let bearer = Some("Bearer simulated-token");
    assert_eq!(
        sent,
        [
            [Some("app.example.com"), bearer, Some("simulated=cookie"), Some("2")],
            [Some("files.example.net"), None, None, Some("2")],
            [Some("other.example.com"), bearer, None, Some("2")],
        ]
    );
}

#[tokio::test]
async fn redirects_keep_or_change_the_method_as_the_standard_says() {
    let (address, log) = serve(|seen| {
        let status = seen.path.trim_start_matches('/').parse::<u16>();
        status.map_or_else(|_| "end".into_response(), |status| redirect(status, "/end"))
    })
    .await;
    let client = client(&["app.example.com"], address);
    let cases = [
        (301, Method::POST, Method::GET),
        (302, Method::POST, Method::GET),
        (303, Method::POST, Method::GET),
        (303, Method::PUT, Method::GET),
        (303, Method::HEAD, Method::HEAD),
        (301, Method::PUT, Method::PUT),
        (307, Method::POST, Method::POST),
        (308, Method::POST, Method::POST),
    ];
    for (status, before, after) in cases {
        let mut request = get(&format!("https://app.example.com/{status}"));
        request.method = before.clone();
        request.headers.insert("content-type", HeaderValue::from_static("text/plain"));
        if before != Method::HEAD {
            request.body = Some("payload".into());
        }
        client.send(request).await.unwrap();
        let end = log.lock().unwrap().last().unwrap().clone();
        assert_eq!((&end.path[..], &end.method), ("/end", &after), "{status} {before}");
        let kept = before == after && before != Method::HEAD;
        assert_eq!(end.body, if kept { "payload" } else { "" }, "{status} {before}");
        assert_eq!(end.header("content-type").is_some(), before == after, "{status} {before}");
    }

    let mut request = get("https://app.example.com/302");
    request.follow_redirects = false;
    assert_eq!(client.send(request).await.unwrap().status, StatusCode::FOUND);
}

#[tokio::test]
async fn a_body_is_not_sent_to_another_host() {
    let (address, log) = serve(|_| redirect(307, "https://b.example.com/")).await;
    let client = client(&["*.example.com"], address);
    let mut request = get("https://a.example.com/");
    request.method = Method::POST;
    request.body = Some("simulated".into());
    let failure = failure(&client, request).await;
    assert_eq!(failure.error.code, Code::NetHostBlocked);
    assert_eq!(log.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn circles_end() {
    let (address, log) = serve(|_| redirect(302, "/again")).await;
    let client = client(&["app.example.com"], address);
    let error = failure(&client, get("https://app.example.com/")).await.error;
    assert_eq!((error.code, error.retry), (Code::AppError, Retry::Never));
    assert_eq!(log.lock().unwrap().len(), 6);
}

#[tokio::test]
async fn silence_has_an_end() {
    let mut request = get("https://app.example.com/q?secret=simulated");
    request.timeout = Duration::from_millis(50);
    let silent = raw("", Then::Hang).await;
    let failure = failure(&client(&["app.example.com"], silent), request.clone()).await;
    assert_eq!((failure.error.code, failure.sent), (Code::AppTimeout, true));

    let stalled = raw("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart", Then::Hang).await;
    let error = body_error(stalled, request).await;
    assert_eq!(error.code, Code::AppTimeout);
    let place = error.place.request.clone().unwrap();
    let (_, id) = place.rsplit_once(' ').unwrap();
    insta::assert_snapshot!(error.to_string().replace(id, "ID)"), @r"
    APP_TIMEOUT: app.example.com did not answer in 0.050 s
      where: request GET https://app.example.com/q (request ID)
      cause: it was silent when it should have been sending the body
      fix:   if this lasts, ask for less at once, or raise the timeout
      next:  tried again later
    ");
}

#[tokio::test]
async fn a_cut_body_is_an_error_not_a_short_body() {
    let cut = [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nten bytes.",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\nten bytes.\r\n",
    ];
    for bytes in cut {
        let address = raw(bytes, Then::Close).await;
        let error = body_error(address, get("https://app.example.com/")).await;
        assert_eq!((error.code, error.retry), (Code::DataIncomplete, Retry::Later(None)));
        assert!(error.what.contains("after 10 bytes"), "{error}");
    }
}

#[tokio::test]
async fn a_body_has_a_size_limit() {
    let announced = format!("content-length: 1001\r\n\r\n{}", "x".repeat(1001));
    let chunked = format!("transfer-encoding: chunked\r\n\r\n3e9\r\n{}\r\n", "x".repeat(1001));
    for rest in [announced, chunked] {
        let address = raw(&format!("HTTP/1.1 200 OK\r\n{rest}"), Then::Hang).await;
        let mut request = get("https://app.example.com/");
        request.max_body = 1000;
        assert_eq!(body_error(address, request).await.code, Code::DataTooLarge);
    }
    let (address, _) = serve(|_| vec![b'x'; 1000].into_response()).await;
    let mut request = get("https://app.example.com/exact");
    request.max_body = 1000;
    let mut response = client(&["app.example.com"], address).send(request).await.unwrap();
    assert_eq!(response.bytes().await.unwrap().len(), 1000);
}

#[tokio::test]
async fn each_layer_has_its_error() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client_of_closed = client(&["app.example.com"], closed);
    let refused = failure(&client_of_closed, get("https://app.example.com/")).await;
    assert_eq!((refused.error.code, refused.sent), (Code::NetUnreachable, false));
    assert!(refused.error.what.contains("refused the connection"), "{}", refused.error);

    for then in [Then::Close, Then::Reset] {
        let hangs_up = raw("", then).await;
        let client = client(&["app.example.com"], hangs_up);
        let failure = failure(&client, get("https://app.example.com/")).await;
        assert_eq!((failure.error.code, failure.sent), (Code::NetUnreachable, true));
    }

    let direct =
        |hosts: &str| Client::new(&transport(), Hosts::new([hosts]).unwrap(), None).unwrap();
    let not_tls = raw("HTTP/1.1 400 Bad Request\r\n\r\n", Then::Close).await;
    let tls = failure(&direct(&not_tls.to_string()), get(&format!("https://{not_tls}/"))).await;
    assert_eq!((tls.error.code, tls.sent), (Code::NetTls, false), "{}", tls.error);
}

#[tokio::test]
async fn only_a_loopback_address_stands_in_for_an_app() {
    let hosts = Hosts::new(["app.example.com"]).unwrap();
    let transport = transport();
    let error = Client::new(&transport, hosts, "192.0.2.1:80".parse().ok()).unwrap_err();
    assert_eq!(error.code, Code::InputInvalid);
    assert!(error.what.contains("192.0.2.1:80"));
}

#[tokio::test]
async fn nothing_prints_a_secret() {
    let (address, _) =
        serve(|_| ([("set-cookie", "sid=simulated")], "simulated body").into_response()).await;
    let client = client(&["app.example.com"], address);
    let mut request = get("https://app.example.com/p?key=simulated#simulated");
    request.headers.insert("x-api-key", HeaderValue::from_static("simulated"));
    let token = Secret::new("simulated");
    request.credentials = vec![Credential::bearer(&token, client.hosts().clone()).unwrap()];
    request.body = Some("simulated".into());
    let printed = format!("{request:?} {client:?} {token:?}");
    let response = client.send(request).await.unwrap();
    let printed = format!("{printed} {response:?} {}", response.place());
    assert!(!printed.contains("simulated"), "{printed}");
    let bad = Credential::bearer(&Secret::new("simulated\nbreak"), client.hosts().clone());
    assert!(!bad.unwrap_err().to_string().contains("simulated"));
}

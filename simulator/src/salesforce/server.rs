//! The HTTP server: sockets, dispatch, codings, and the faults that happen on the wire.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use tokio::net::TcpListener;

use super::event_log::{self, LogText};
use super::faults::Fault;
use super::http::{Call, Content, Reply, gzip};
use super::org::Org;
use super::sync::lock;
use super::{admin, oauth, rest};
use crate::wire::{Line, Listening, broken};

/// Longest request body, in bytes.
const LONGEST_BODY: usize = 1024 * 1024;
/// How long bytes before a fault get to leave.
const FLUSH: Duration = Duration::from_millis(30);
/// Longest target and header fields, in bytes; beyond it Salesforce answers 414 or 431.
const LONGEST_HEAD: usize = 16_384;

/// Serves until `stop` is done.
pub(crate) async fn serve(
    org: Arc<Org>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let app = Router::new().fallback(handle).with_state(org);
    axum::serve(Listening::new(listener), app.into_make_service_with_connect_info::<Line>())
        .with_graceful_shutdown(stop)
        .await
}

async fn handle(
    State(org): State<Arc<Org>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let host = parts
        .headers
        .get("host")
        .and_then(|host| host.to_str().ok())
        .or_else(|| parts.uri.authority().map(axum::http::uri::Authority::as_str))
        .unwrap_or_default()
        .to_owned();
    let head: usize = parts.uri.to_string().len()
        + parts
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum::<usize>();
    let target = parts.uri.to_string().len();
    let Ok(body) = axum::body::to_bytes(body, LONGEST_BODY).await else {
        return send(&org, Reply::empty(413), None);
    };
    let call = Call {
        method: parts.method,
        host,
        path: parts.uri.path().trim_end_matches('/').to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    if call.path.starts_with("/simulator") {
        return send(&org, admin::answer(&org, &call), None);
    }
    org.count_served(class(&call));
    if target > LONGEST_HEAD {
        return send(&org, Reply::empty(414), None);
    }
    if head > LONGEST_HEAD {
        return send(&org, Reply::empty(431), None);
    }
    let fault = lock(&org.faults).strike(&call);
    if fault == Some(Fault::ConnectionReset) {
        line.reset.store(true, Ordering::Relaxed);
    }
    if fault == Some(Fault::ExpireLocator) {
        lock(&org.locators).expire(&call.path);
    }
    let instead = fault.as_ref().and_then(|fault| fault.instead(&call));
    let reply = answer(&org, &call, instead);
    let coding = if matches!(fault, Some(Fault::TruncateGzip { .. })) || call.accepts_gzip() {
        Coding::Gzip
    } else {
        Coding::Plain
    };
    send(&org, reply, Some((&call, fault, coding)))
}

/// The kinds of paths that the truth counts.
fn class(call: &Call) -> &'static str {
    let path = call.path.as_str();
    if !path.starts_with("/services/data") {
        return if path.starts_with("/services/oauth2") { "oauth" } else { "other" };
    }
    let mut rest = path.split('/').skip(4);
    match (rest.next(), rest.next()) {
        (None, _) => "versions",
        (Some("query" | "queryAll"), None) => "query",
        (Some("query" | "queryAll"), Some(_)) => "query_more",
        (Some("tooling"), _) => "tooling",
        (Some("limits"), _) => "limits",
        (Some("sobjects"), _) if path.ends_with("/LogFile") => "log_file",
        (Some("sobjects"), _) if path.ends_with("/describe") => "describe",
        (Some("sobjects"), _) => "sobjects",
        _ => "other",
    }
}

fn answer(org: &Org, call: &Call, instead: Option<Reply>) -> Reply {
    if call.path.starts_with("/services/data") {
        return rest::answer(org, call, instead);
    }
    instead.unwrap_or_else(|| oauth::answer(org, call))
}

#[derive(Clone, Copy, PartialEq)]
enum Coding {
    Plain,
    Gzip,
}

fn send(org: &Org, reply: Reply, wire: Option<(&Call, Option<Fault>, Coding)>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = axum::http::StatusCode::from_u16(reply.status).unwrap_or_default();
    let date = org.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let named = reply.headers.into_iter().chain([("date", date)]);
    for (name, value) in named {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    let Some((call, fault, coding)) = wire else {
        return finish(org, response, reply.content, None, Coding::Plain);
    };
    let content = match (reply.content, &fault) {
        (Content::Bytes(body), Some(fault)) => Content::Bytes(fault.change_page(call, body)),
        (content, _) => content,
    };
    finish(org, response, content, fault.as_ref(), coding)
}

fn finish(
    org: &Org,
    mut response: Response,
    content: Content,
    fault: Option<&Fault>,
    coding: Coding,
) -> Response {
    let coded = |response: &mut Response| {
        response.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
    };
    // A fault on the wire needs the whole body; only whole log files are worth streaming.
    let body = match content {
        Content::Log(file) if fault.is_none() => {
            let text = LogText::new(&org.data.files, &file);
            *response.body_mut() = if coding == Coding::Gzip {
                coded(&mut response);
                Body::from_stream(event_log::compressed(text))
            } else {
                Body::from_stream(event_log::plain(text))
            };
            return response;
        }
        Content::Log(file) => LogText::new(&org.data.files, &file).collect::<String>().into_bytes(),
        Content::Bytes(body) => body,
    };
    let body = if coding == Coding::Gzip && !body.is_empty() {
        coded(&mut response);
        gzip(&body)
    } else {
        body
    };
    *response.body_mut() = match fault {
        Some(Fault::TruncateBody { after, chunked }) => {
            if !*chunked {
                response.headers_mut().insert("content-length", HeaderValue::from(body.len()));
            }
            broken(Bytes::from(body).slice_to(*after), FLUSH)
        }
        Some(Fault::TruncateGzip { after }) => Body::from(Bytes::from(body).slice_to(*after)),
        Some(Fault::SlowBody { milliseconds, bytes }) => slow(body, *milliseconds, *bytes),
        _ => Body::from(body),
    };
    response
}

trait SliceTo {
    fn slice_to(self, end: usize) -> Self;
}

impl SliceTo for Bytes {
    fn slice_to(mut self, end: usize) -> Self {
        self.truncate(end);
        self
    }
}

fn slow(body: Vec<u8>, milliseconds: u64, bytes: usize) -> Body {
    let pieces = Bytes::from(body);
    let size = bytes.max(1);
    Body::from_stream(stream::unfold(pieces, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        let piece = rest.split_to(size.min(rest.len()));
        Some((Ok::<_, io::Error>(piece), rest))
    }))
}

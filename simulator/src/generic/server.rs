//! Sockets: requests are read, answers are brought onto the wire with all that can happen there.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::App;
use super::http::{Call, Reply, Wire, pairs};
use super::packing::gzip;
use crate::wire::{Line, Listening, broken};

/// The longest request body, in bytes.
const LONGEST_BODY: usize = 16 << 20;
/// How long bytes before the end of a connection get to leave.
const FLUSH: Duration = Duration::from_millis(2);
/// The longest that connections are waited for which nobody uses any more.
const LONGEST_LEAVING: Duration = Duration::from_secs(2);

/// An app that can be reached. Dropped, it stops.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    open: Arc<AtomicUsize>,
    _stop: oneshot::Sender<()>,
    _task: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until nobody is connected any more, and all that was sent is answered: what a connector
    /// sent before it was killed would otherwise be counted at some later time. A while, at most.
    pub async fn left(&self) {
        let mut quiet = 0;
        for _ in 0..LONGEST_LEAVING.as_millis() {
            // Connections wait for a moment until they are accepted.
            quiet = if self.open.load(Ordering::SeqCst) == 0 { quiet + 1 } else { 0 };
            if quiet == 3 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl App {
    /// Serves the app on a loopback address; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn serve(self: &Arc<Self>, address: SocketAddr) -> io::Result<Running> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let listening = Listening::new(listener);
        let open = listening.open();
        let router = Router::new().fallback(handle).with_state(Arc::clone(self));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            axum::serve(listening, router.into_make_service_with_connect_info::<Line>())
                .with_graceful_shutdown(async {
                    let _ = stopped.await;
                })
                .await
        });
        Ok(Running { address, open, _stop: stop, _task: task })
    }
}

async fn handle(
    State(app): State<Arc<App>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LONGEST_BODY).await else {
        return plain(Reply::error(413, "the request is too large"));
    };
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let is_form = header("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let is_json = header("content-type").is_some_and(|kind| kind.contains("json"));
    let call = Call {
        json: if is_json { serde_json::from_slice(&body).ok() } else { None },
        host: header("host").unwrap_or_default().to_owned(),
        path: parts.uri.path().to_owned(),
        query: pairs(parts.uri.query().unwrap_or_default().as_bytes()),
        form: if is_form { pairs(&body) } else { Vec::new() },
        target: parts.uri.to_string(),
        method: parts.method.clone(),
        headers: parts.headers,
        body,
    };
    let (reply, wire) = app.answer(&call);
    app.linger().await;
    if wire == Wire::Nothing {
        silence(Arc::clone(&app)).await;
    }
    if wire == Wire::Reset {
        line.reset.store(true, Ordering::Relaxed);
        return plain(reply);
    }
    let packed = call.accepts_gzip() && reply.body.len() > 256;
    send(app, reply, wire, packed, &line)
}

/// Says nothing for good, and lets the time pass in which nothing is said.
async fn silence(app: Arc<App>) {
    let mut patience = Duration::from_millis(1);
    loop {
        tokio::time::sleep(patience).await;
        app.stall(1.1);
        patience = (patience * 2).min(Duration::from_secs(1));
    }
}

fn plain(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or_default();
    for (name, value) in reply.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn send(app: Arc<App>, mut reply: Reply, wire: Wire, packed: bool, line: &Line) -> Response {
    let packed = match wire {
        Wire::GzipCut { .. } => true,
        Wire::Half { .. } | Wire::Drip => false,
        _ => packed,
    };
    if packed {
        reply.body = gzip(&reply.body);
        reply.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
    }
    let length = reply.body.len();
    let part = |share: f64| ((length as f64 * share) as usize).min(length.saturating_sub(1));
    match wire {
        Wire::Whole | Wire::Nothing | Wire::Reset => plain(reply),
        Wire::GzipCut { share } | Wire::Half { share } => {
            reply.body.truncate(part(share));
            plain(reply)
        }
        Wire::Cut { share, chunked, reset } => {
            let kept = Bytes::from(reply.body.split_off(0)).slice(..part(share));
            if !chunked {
                reply.headers.push(("content-length".to_owned(), length.to_string()));
            }
            let mut response = plain(reply);
            *response.body_mut() =
                if reset { torn(kept, line.clone()) } else { broken(kept, FLUSH) };
            response
        }
        Wire::Silence { share } => {
            let kept = Bytes::from(reply.body.split_off(0)).slice(..part(share));
            let mut response = plain(reply);
            *response.body_mut() = Body::from_stream(stream::unfold(Some(kept), move |kept| {
                let app = Arc::clone(&app);
                async move {
                    if let Some(kept) = kept {
                        return Some((Ok::<_, io::Error>(kept), None));
                    }
                    silence(app).await;
                    None
                }
            }));
            response
        }
        Wire::Drip => {
            reply.body.clear();
            let mut response = plain(reply);
            *response.body_mut() = Body::from_stream(stream::unfold((), move |()| {
                let app = Arc::clone(&app);
                async move {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    app.stall(0.9);
                    Some((Ok::<_, io::Error>(Bytes::from_static(b" ")), ()))
                }
            }));
            response
        }
    }
}

/// A body whose connection is reset after what is `kept`.
fn torn(kept: Bytes, line: Line) -> Body {
    Body::from_stream(stream::unfold(Some(kept), move |kept| {
        let line = line.clone();
        async move {
            if let Some(kept) = kept {
                return Some((Ok::<_, io::Error>(kept), None));
            }
            tokio::time::sleep(FLUSH).await;
            line.reset.store(true, Ordering::Relaxed);
            Some((Ok(Bytes::from_static(b" ")), None))
        }
    }))
}

//! What happens on the wire: connections that can be reset, and bodies that break off.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use bytes::Bytes;
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// A body whose connection ends after what is `kept`, which gets `flush` to leave.
pub(crate) fn broken(kept: Bytes, flush: Duration) -> Body {
    Body::from_stream(stream::unfold(Some(kept), move |kept| async move {
        let Some(kept) = kept else {
            // An error at once would take the head and the first bytes down with it.
            tokio::time::sleep(flush).await;
            return Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), None));
        };
        Some((Ok(kept), None))
    }))
}

/// A listener whose connections can be reset, and are counted.
pub(crate) struct Listening {
    listener: TcpListener,
    open: Arc<AtomicUsize>,
}

impl Listening {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self { listener, open: Arc::default() }
    }

    /// How many connections are open, now and later.
    pub(crate) fn open(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.open)
    }
}

impl Listener for Listening {
    type Io = Connection;
    type Addr = Line;

    async fn accept(&mut self) -> (Connection, Line) {
        // The standard listener knows which errors of `accept` to wait out.
        let (stream, _) = Listener::accept(&mut self.listener).await;
        // Without this small answers wait for acknowledgements.
        let _ = stream.set_nodelay(true);
        let reset = Arc::new(AtomicBool::new(false));
        self.open.fetch_add(1, Ordering::SeqCst);
        let open = Arc::clone(&self.open);
        (Connection { stream, reset: Arc::clone(&reset), open }, Line { reset })
    }

    fn local_addr(&self) -> io::Result<Line> {
        Ok(Line { reset: Arc::default() })
    }
}

/// What a handler knows of its connection.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Set, the connection is reset in place of whatever is written next.
    pub(crate) reset: Arc<AtomicBool>,
}

impl Connected<IncomingStream<'_, Listening>> for Line {
    fn connect_info(stream: IncomingStream<'_, Listening>) -> Self {
        stream.remote_addr().clone()
    }
}

pub(crate) struct Connection {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
    open: Arc<AtomicUsize>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Connection {
    fn check(&self) -> io::Result<()> {
        if self.reset.load(Ordering::Relaxed) {
            // Without lingering, closing sends RST.
            let _ = self.stream.set_zero_linger();
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

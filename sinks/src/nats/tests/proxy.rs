//! A proxy that cuts connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::net::{TcpListener, TcpStream};

/// A loopback proxy that ends each connection after so many bytes.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    left: Arc<AtomicI64>,
}

impl Proxy {
    /// Listens, and cuts nothing yet.
    pub(super) async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let left = Arc::new(AtomicI64::new(i64::MAX));
        let budget = Arc::clone(&left);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, to, Arc::clone(&budget)));
            }
        });
        Self { address, left }
    }

    /// Cuts the connection after so many bytes, in both directions together, and those made later not.
    pub(super) fn cut_after(&self, bytes: i64) {
        self.left.store(bytes, Ordering::SeqCst);
    }
}

async fn carry(near: TcpStream, to: SocketAddr, left: Arc<AtomicI64>) {
    let Ok(far) = TcpStream::connect(to).await else { return };
    let mut buffers = (vec![0; 4096], vec![0; 4096]);
    loop {
        let (from, count) = tokio::select! {
            () = ready(&near) => (true, near.try_read(&mut buffers.0)),
            () = ready(&far) => (false, far.try_read(&mut buffers.1)),
        };
        let count = match count {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        let before = left.fetch_sub(count as i64, Ordering::SeqCst);
        let whole = before >= count as i64;
        let passed = if whole { count } else { before.max(0) as usize };
        let (to, bytes) = if from { (&far, &buffers.0) } else { (&near, &buffers.1) };
        if write(to, &bytes[..passed]).await.is_err() {
            return;
        }
        if !whole {
            left.store(i64::MAX, Ordering::SeqCst);
            return;
        }
    }
}

async fn ready(stream: &TcpStream) {
    stream.readable().await.ok();
}

async fn write(stream: &TcpStream, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

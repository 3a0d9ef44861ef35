//! A proxy that drops connections when it hurts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// When the next connections are cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    Never,
    /// After so many bytes to the server.
    AfterSent(usize),
    /// After so many bytes from the server.
    AfterReceived(usize),
    /// When COMMIT has reached the server, and its answer is on the way.
    CommitAnswer,
}

/// A proxy before a port of this machine, ended with its value.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    cut: Arc<Mutex<Cut>>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(Mutex::new(Cut::Never));
        let next = Arc::clone(&cut);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let cut = *next.lock().unwrap();
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await {
                        carry(client, server, cut).await;
                    }
                });
            }
        });
        Self { port, cut, task }
    }

    /// From the next connection on.
    pub(crate) fn cut(&self, cut: Cut) {
        *self.cut.lock().unwrap() = cut;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, cut: Cut) {
    let (mut sent, mut received) = (0, 0);
    let (mut there, mut back) = (vec![0; 16384], vec![0; 16384]);
    loop {
        tokio::select! {
            read = client.read(&mut there) => {
                let Ok(1..) = read else { return };
                let mut part = &there[..read.unwrap()];
                if let Cut::AfterSent(most) = cut {
                    part = &part[..part.len().min(most - sent)];
                }
                if server.write_all(part).await.is_err() {
                    return;
                }
                sent += part.len();
                if matches!(cut, Cut::AfterSent(most) if sent >= most) {
                    return;
                }
                let commits = part.windows(7).any(|word| word == b"COMMIT\0");
                if commits && matches!(cut, Cut::CommitAnswer) {
                    // The server does its work meanwhile; nobody hears of it.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    return;
                }
            }
            read = server.read(&mut back) => {
                let Ok(1..) = read else { return };
                let mut part = &back[..read.unwrap()];
                if let Cut::AfterReceived(most) = cut {
                    part = &part[..part.len().min(most - received)];
                }
                if client.write_all(part).await.is_err() {
                    return;
                }
                received += part.len();
                if matches!(cut, Cut::AfterReceived(most) if received >= most) {
                    return;
                }
            }
        }
    }
}

//! A stand-in for an object store, and a line to it that breaks.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The Python that has what `requirements.txt` names; `None`, said aloud, if there is none.
pub(crate) fn python() -> Option<String> {
    let python = std::env::var("SINKS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let asked = Command::new(&python).args(["-c", "import boto3, duckdb, moto, pyarrow"]).output();
    if asked.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let how = "`pip install --requirement sinks/tests/parquet/requirements.txt` in the environment of \
               the Python that SINKS_PYTHON names";
    assert!(std::env::var_os("SKIP_NOTHING").is_none(), "no DuckDB, pyarrow and moto: {how}");
    println!("SKIPPED: no DuckDB, pyarrow and moto to read what was written; {how}");
    None
}

/// An S3-compatible server with a bucket `lake`.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(python: &str) -> Self {
        let address = free();
        Self::start_at(python, address)
    }

    pub(crate) fn start_at(python: &str, address: SocketAddr) -> Self {
        let process = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, address };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(120), "the server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    pub(crate) fn make_bucket(&self) {
        let mut connection = TcpStream::connect(self.address).unwrap();
        let request = "PUT /lake HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A loopback address that nothing listens to.
pub(crate) fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A line to `behind` of which each connection breaks after so many bytes of the client.
pub(crate) struct Line {
    pub(crate) address: SocketAddr,
    /// Bytes until it breaks; it does not from `usize::MAX` on.
    pub(crate) length: Arc<AtomicUsize>,
    /// How often it broke.
    pub(crate) broken: Arc<AtomicUsize>,
}

impl Line {
    pub(crate) fn to(behind: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let line = Self { address, length: Arc::default(), broken: Arc::default() };
        let (length, broken) = (Arc::clone(&line.length), Arc::clone(&line.broken));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(behind) else { continue };
                let (length, broken) = (length.load(Ordering::SeqCst), Arc::clone(&broken));
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || carry(back.0, back.1, usize::MAX));
                std::thread::spawn(move || {
                    if carry(client, server, length) {
                        broken.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        line
    }
}

/// Carries bytes until there are no more, or `length` of them; whether it broke then.
fn carry(mut from: TcpStream, mut to: TcpStream, length: usize) -> bool {
    let mut left = length;
    let mut buffer = [0; 4096];
    let broke = loop {
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => break false,
            Ok(read) => {
                let part = read.min(left);
                if to.write_all(&buffer[..part]).is_err() {
                    break false;
                }
                left -= part;
                if left == 0 {
                    break true;
                }
            }
        }
    };
    let _ = to.shutdown(Shutdown::Both);
    if broke {
        let _ = from.shutdown(Shutdown::Both);
    }
    broke
}

//! An HTTP server that may break off anywhere, which no library does on demand.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A request as it came, its body inflated.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What is answered.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Told {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }
}

/// What a server does with a request.
pub(crate) enum Act {
    /// Answers.
    Tell(Told),
    /// Answers as much of it as this share, and breaks off.
    TellPart(Told, f64),
    /// Breaks off without an answer.
    Break,
}

/// Decides on requests; the first is asked before the body has come, with its length.
pub(crate) trait Serve: Send + Sync + 'static {
    /// How many bytes of the body are read before the connection breaks; `None` to read all.
    fn breaks_after(&self, length: usize) -> Option<usize>;
    fn act(&self, asked: Asked) -> Act;
}

/// Starts a server on a free port; it ends with the test.
pub(crate) async fn serve(server: Arc<impl Serve>, tls: Option<TlsAcceptor>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let (server, tls) = (Arc::clone(&server), tls.clone());
            tokio::spawn(async move {
                match tls {
                    None => converse(stream, &*server).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            converse(stream, &*server).await;
                        }
                    }
                }
            });
        }
    });
    address
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, server: &impl Serve) {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            match stream.read_buf(&mut read).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        };
        let head = String::from_utf8(read[..end].to_vec()).unwrap();
        read.drain(..end + 4);
        let mut asked = head_of(&head);
        let length: usize = asked.header("content-length").unwrap().parse().unwrap();
        let wanted = server.breaks_after(length);
        while read.len() < wanted.unwrap_or(length) {
            match stream.read_buf(&mut read).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        if wanted.is_some() {
            return;
        }
        asked.body = inflated(&asked, read.drain(..length).collect());
        match server.act(asked) {
            Act::Tell(told) => {
                if stream.write_all(&bytes(&told)).await.is_err() {
                    return;
                }
            }
            Act::TellPart(told, share) => {
                let bytes = bytes(&told);
                let part = &bytes[..(bytes.len() as f64 * share) as usize];
                let _ = stream.write_all(part).await;
                return;
            }
            Act::Break => return,
        }
    }
}

fn head_of(head: &str) -> Asked {
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, target) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
    assert_eq!(first.next(), Some("HTTP/1.1"));
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    });
    Asked { method, target, headers: headers.collect(), body: Vec::new() }
}

fn inflated(asked: &Asked, body: Vec<u8>) -> Vec<u8> {
    match asked.header("content-encoding") {
        None => body,
        Some("gzip") => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&*body).read_to_end(&mut plain).unwrap();
            plain
        }
        Some(other) => panic!("{other} is not an encoding that was declared"),
    }
}

fn bytes(told: &Told) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} Said\r\n", told.status);
    for (name, value) in &told.headers {
        text += &format!("{name}: {value}\r\n");
    }
    // RFC 9110, section 6.4.1: such an answer has no body.
    if told.status == 204 {
        assert_eq!(told.body, "");
        return (text + "\r\n").into_bytes();
    }
    (text + &format!("content-length: {}\r\n\r\n{}", told.body.len(), told.body)).into_bytes()
}

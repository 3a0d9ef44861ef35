//! How messages travel: TLS (RFC 5425), TCP with counted octets (RFC 6587, section 3.4.1) or UDP
//! (RFC 5426).

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use longshore_engine::connection::Source;
use longshore_engine::error::{Code, Error, Result, printable};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;

use crate::http::authority_file;

/// Longest wait for a connection, and for each further step.
const STEP: Duration = Duration::from_secs(30);
/// Bytes that are written in one step.
const PIECE: usize = 64 << 10;

/// How a receiver is reached.
pub(super) enum Way {
    Tls(Arc<ClientConfig>, ServerName<'static>),
    Tcp,
    Udp,
}

/// A receiver.
pub(super) struct Receiver {
    host: String,
    port: u16,
    way: Way,
}

/// Settings of TLS: the system's authorities, and those of a file beside them.
pub(super) fn tls(source: &Source, authority: Option<&Path>) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let unusable =
        |what: String| Error::new(Code::InputInvalid, format!("{}: {what}", source.path.display()));
    let verifier = match authority {
        None => Verifier::new(Arc::clone(&provider)),
        Some(path) => {
            let text = authority_file(source, path)?;
            let roots: Option<Vec<_>> =
                CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<_, _>>().ok();
            let roots = roots.filter(|roots| !roots.is_empty()).ok_or_else(|| {
                unusable("`authority` is not a certificate".to_owned())
                    .cause("it is not in PEM, which begins with `-----BEGIN CERTIFICATE-----`")
                    .fix("give the certificate of the authority that issued the receiver's own")
            })?;
            Verifier::new_with_extra_roots(roots, Arc::clone(&provider))
        }
    };
    let verifier = verifier.map_err(|error| {
        unusable("TLS cannot be set up for a sink".to_owned())
            .cause(printable(&error.to_string(), 300))
            .fix("check `authority`, and that the system's CA certificates are installed")
    })?;
    let settings = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Code::Internal, error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(settings)
}

impl Receiver {
    pub(super) fn new(host: String, port: u16, way: Way) -> Self {
        Self { host, port, way }
    }

    /// Whether each message is a datagram.
    pub(super) fn by_datagram(&self) -> bool {
        matches!(self.way, Way::Udp)
    }

    /// Sends messages. When it is done, the receiver has read all of them; by UDP, they have left this
    /// machine.
    ///
    /// # Errors
    /// [`Code::SinkUnavailable`]; the receiver may have any part of them then.
    pub(super) async fn send(&self, messages: &[Vec<u8>]) -> Result<()> {
        let sent = match &self.way {
            Way::Udp => self.datagrams(messages).await,
            Way::Tcp => match self.connect().await {
                Ok(stream) => write_and_close(stream, messages).await,
                Err(error) => Err(error),
            },
            Way::Tls(settings, name) => match self.connect().await {
                Ok(stream) => {
                    let connector = TlsConnector::from(Arc::clone(settings));
                    match step("shaking hands", connector.connect(name.clone(), stream)).await {
                        Ok(stream) => write_and_close(stream, messages).await,
                        Err(error) => Err(error),
                    }
                }
                Err(error) => Err(error),
            },
        };
        sent.map_err(|error| self.failed(&error))
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        step("connecting", TcpStream::connect((self.host.as_str(), self.port))).await
    }

    async fn datagrams(&self, messages: &[Vec<u8>]) -> io::Result<()> {
        let mut addresses =
            step("asking DNS", tokio::net::lookup_host((self.host.as_str(), self.port))).await?;
        let address = addresses.next().ok_or_else(|| io::Error::other("it has no address"))?;
        let here: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(here).await?;
        // What comes back from a port that nobody listens to is told by the next call.
        socket.connect(address).await?;
        for message in messages {
            step("sending", socket.send(message)).await?;
        }
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> Error {
        let scheme = match self.way {
            Way::Tls(..) => "tls",
            Way::Tcp => "tcp",
            Way::Udp => "udp",
        };
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let place = format!("the syslog receiver at {scheme}://{host}:{}", self.port);
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let fix = match (tls, error.kind()) {
            (Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)), _) => {
                "give the certificate of its authority as `authority` of the sink, or add it to \
                 those that this machine trusts"
            }
            (Some(rustls::Error::InvalidCertificate(_)), _) => {
                "give the receiver a certificate that is valid and names this host"
            }
            (Some(_), _) => {
                "check that the receiver speaks TLS at this port, and asks for no certificate"
            }
            (None, ErrorKind::TimedOut) => {
                "check the address and the firewall, and that the receiver closes a connection \
                 whose other side is closed"
            }
            (None, ErrorKind::UnexpectedEof) => {
                "let the receiver end TLS with close_notify, as RFC 5425 has it, and check that \
                 nothing between breaks the connection"
            }
            (None, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                "nothing to do unless it lasts: then look into the receiver's own log, and check that \
                 it expects TLS if the address is that of TLS"
            }
            _ => "check the address, and that the receiver runs and the firewall lets us reach it",
        };
        Error::new(Code::SinkUnavailable, format!("{place} does not take events"))
            .cause(printable(&error.to_string(), 300))
            .fix(fix)
    }
}

/// Writes messages, closes this direction, and waits until the other side has closed too, as it does
/// when it has read everything.
async fn write_and_close(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    messages: &[Vec<u8>],
) -> io::Result<()> {
    let mut frames = Vec::with_capacity(messages.iter().map(|message| message.len() + 8).sum());
    for message in messages {
        frames.extend_from_slice(format!("{} ", message.len()).as_bytes());
        frames.extend_from_slice(message);
    }
    for piece in frames.chunks(PIECE) {
        step("taking messages", stream.write_all(piece)).await?;
    }
    step("taking messages", stream.shutdown()).await?;
    let mut said = [0; 1024];
    // A receiver has nothing to say; one that talks on all the same is not waited for without end.
    step("closing its side", async {
        loop {
            match stream.read(&mut said).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
    })
    .await
}

async fn step<T>(doing: &str, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(STEP, work).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::new(
            ErrorKind::TimedOut,
            format!("it was silent for {} s when it should have been {doing}", STEP.as_secs()),
        )),
    }
}

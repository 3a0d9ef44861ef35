//! TLS between the server and the engine, as it is with an app: the server plays a proxy, too, so that
//! it is reached under the app's name (RFC 9110 section 9.3.6).

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::Failure;

const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// A folder with a new certificate for the app and its key.
pub(crate) fn certificate() -> Result<TempDir, Failure> {
    let folder = tempfile::tempdir()?;
    let made = rcgen::generate_simple_self_signed(["api.bench.test".to_owned()])?;
    std::fs::write(folder.path().join(CERTIFICATE), made.cert.pem())?;
    std::fs::write(folder.path().join(KEY), made.key_pair.serialize_pem())?;
    Ok(folder)
}

/// How a server with the certificate of a folder answers.
pub(crate) fn server(folder: &Path) -> Result<Arc<ServerConfig>, Failure> {
    let chain = vec![CertificateDer::from_pem_file(folder.join(CERTIFICATE))?];
    let key = PrivateKeyDer::from_pem_file(folder.join(KEY))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
}

/// Tells a run in `folder` which certificate to trust.
pub(crate) fn trust(certificate: &Path, folder: &Path) -> Result<(), Failure> {
    std::fs::copy(certificate.join(CERTIFICATE), folder.join(CERTIFICATE))?;
    Ok(())
}

/// The certificate that a run in `folder` was told to trust, in PEM.
pub(crate) fn trusted(folder: &Path) -> Result<Option<String>, Failure> {
    let path = folder.join(CERTIFICATE);
    Ok(if path.exists() { Some(std::fs::read_to_string(path)?) } else { None })
}

/// Sends the requests of a run to `server`.
pub(crate) fn through(run: &mut Command, server: SocketAddr) {
    run.env("HTTPS_PROXY", format!("http://{server}"));
    for other in ["https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
        run.env_remove(other);
    }
}

/// Takes a connection that is asked for at the proxy.
pub(crate) fn accept(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
) -> Result<StreamOwned<ServerConnection, TcpStream>, Failure> {
    // Nothing comes behind the request before it is answered, so no byte is lost with the reader.
    let mut lines = BufReader::new(&stream).lines();
    while !lines.next().ok_or("the client went away")??.is_empty() {}
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    Ok(StreamOwned::new(ServerConnection::new(config)?, stream))
}

/// The manifest with requests that trust the certificate.
pub(crate) fn manifest(manifest: &str) -> String {
    manifest
        .replace(
            "api.bench.test, hosts",
            "api.bench.test, tls: { ca: \"{{inputs.authority}}\" }, hosts",
        )
        .replace("inputs: {", "inputs: { authority: { type: secret, title: Certificates },")
}

//! TLS between the server and the engine, as it is with an app.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

use crate::Failure;

const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// A folder with a new certificate for `localhost` and its key.
pub(crate) fn certificate() -> Result<TempDir, Failure> {
    let folder = tempfile::tempdir()?;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
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

/// The manifest with requests that go to `server` by TLS.
pub(crate) fn manifest(manifest: &str, server: SocketAddr) -> String {
    let host = format!("localhost:{}", server.port());
    manifest
        .replace(
            "api.bench.test, hosts",
            &format!("{host}, tls: {{ ca: \"{{{{inputs.authority}}}}\" }}, hosts"),
        )
        .replace("hosts: [api.bench.test]", &format!("hosts: [\"{host}\"]"))
        .replace("inputs: {", "inputs: { authority: { type: secret, title: Certificates },")
}

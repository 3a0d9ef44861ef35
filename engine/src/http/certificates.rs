//! Certificates of a connection beside those of the system.

use std::fmt;

use reqwest::{Certificate, ClientBuilder, Identity};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::error::{Code, Error, Result};
use crate::secret::Secret;

/// What a connection shows in a TLS handshake, and whom it trusts.
#[derive(Clone, Default)]
pub struct Certificates {
    /// The client's certificate, with those that lead to its root, and its private key, each in PEM
    /// (mutual TLS, RFC 8446, section 4.4.2).
    pub client: Option<(Secret, Secret)>,
    /// Root certificates that are trusted beside those of the system, in PEM.
    pub ca: Option<Secret>,
}

impl Certificates {
    /// Makes a client use them.
    ///
    /// # Errors
    /// [`Code::InputInvalid`] if one of them cannot be read.
    pub(super) fn apply(&self, mut builder: ClientBuilder) -> Result<ClientBuilder> {
        if let Some((certificate, key)) = &self.client {
            let pem = format!("{}\n{}\n", certificate.expose().trim(), key.expose().trim());
            // The library's own words may repeat what it read.
            let identity = Identity::from_pem(pem.as_bytes()).map_err(|_| {
                unreadable(
                    "the client certificate",
                    "give the certificate and its private key in PEM form, the key unencrypted",
                )
            })?;
            builder = builder.identity(identity);
        }
        if let Some(ca) = &self.ca {
            let pem = ca.expose().as_bytes();
            let roots = Certificate::from_pem_bundle(pem).ok().filter(|_| are_certificates(pem));
            let roots = roots.ok_or_else(|| {
                unreadable("the root certificate", "give the certificates of the CA in PEM form")
            })?;
            builder = builder.tls_certs_merge(roots);
        }
        Ok(builder)
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("client", &self.client.is_some())
            .field("ca", &self.ca.is_some())
            .finish()
    }
}

/// Whether there are certificates in a PEM text, and each is one. A root that cannot be read is left
/// out without a word where roots of the system are trusted as well.
fn are_certificates(pem: &[u8]) -> bool {
    let mut roots = RootCertStore::empty();
    let all = CertificateDer::pem_slice_iter(pem)
        .all(|certificate| certificate.is_ok_and(|certificate| roots.add(certificate).is_ok()));
    all && !roots.is_empty()
}

fn unreadable(what: &str, fix: &str) -> Error {
    Error::new(Code::InputInvalid, format!("{what} cannot be read"))
        .cause("it is not in PEM, which begins with `-----BEGIN`, or a part of it is missing")
        .fix(fix)
}

//! Certificates of a connection beside those of the system.

use std::fmt;

use reqwest::{Certificate, ClientBuilder, Identity};

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
            let roots = Certificate::from_pem_bundle(ca.expose().as_bytes()).ok();
            let roots = roots.filter(|roots| !roots.is_empty()).ok_or_else(|| {
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

fn unreadable(what: &str, fix: &str) -> Error {
    Error::new(Code::InputInvalid, format!("{what} cannot be read"))
        .cause("it is not in PEM, which begins with `-----BEGIN`, or a part of it is missing")
        .fix(fix)
}

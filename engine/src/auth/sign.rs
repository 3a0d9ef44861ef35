//! Signs requests just before they are sent, with a key that never is.

mod aws;
mod hmac;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use url::Url;

use crate::error::Result;
use crate::http::Outgoing;
use crate::render::percent_encode;

pub use aws::AwsSigner;
pub use hmac::{Encoding, Hash, HmacSigner};

/// Signs the requests of a connection. Cheap to clone.
#[derive(Clone)]
pub enum Signer {
    /// A keyed hash over a text that the manifest declares.
    Hmac(Arc<HmacSigner>),
    /// AWS Signature Version 4.
    Aws(Arc<AwsSigner>),
}

impl Signer {
    /// Signs a request that is otherwise complete. Everything that is signed must go out as it is.
    pub(crate) fn sign(&self, request: &mut Outgoing, now: Timestamp) -> Result<()> {
        match self {
            Self::Hmac(signer) => signer.sign(request, now),
            Self::Aws(signer) => signer.sign(request, now),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hmac(_) => "Signer(hmac)",
            Self::Aws(_) => "Signer(aws_sigv4)",
        })
    }
}

/// The parameters of a query sorted by name and value, each percent-encoded (RFC 3986, section 2.3).
fn sorted_query(url: &Url) -> String {
    let mut pairs: Vec<_> = url
        .query_pairs()
        .map(|(name, value)| (percent_encode(&name), percent_encode(&value)))
        .collect();
    pairs.sort();
    let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// Host and port as the `Host` header has them.
fn host(url: &Url) -> &str {
    &url[url::Position::BeforeHost..url::Position::AfterPort]
}

//! Signed assertions: what the JWT bearer grant asks with, and how a client proves who it is (RFC
//! 7523).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value};

use crate::auth::config::{Algorithm, SigningKey};
use crate::error::{Code, Error, Result, printable};
use crate::secret::Secret;

/// Bytes of a `jti` claim.
const UNIQUE: usize = 16;

/// Who asserts what about whom.
pub(super) struct Assertion<'c> {
    pub(super) issuer: &'c str,
    pub(super) subject: Option<&'c str>,
    pub(super) audience: &'c str,
    pub(super) lifetime: Duration,
    pub(super) claims: &'c BTreeMap<String, String>,
}

impl Assertion<'_> {
    /// The compact form (RFC 7515, section 3.1), signed with the key. Each has a `jti` of its own,
    /// as some apps require and all allow (RFC 7523, section 3).
    pub(super) fn sign(&self, key: &SigningKey, now: Timestamp) -> Result<Secret> {
        let pem = key.pem.expose().as_bytes();
        let (algorithm, signing) = match key.algorithm {
            Algorithm::Rs256 => (jsonwebtoken::Algorithm::RS256, EncodingKey::from_rsa_pem(pem)),
            Algorithm::Es256 => (jsonwebtoken::Algorithm::ES256, EncodingKey::from_ec_pem(pem)),
        };
        let mut claims = Map::new();
        claims.insert("iss".to_owned(), self.issuer.into());
        if let Some(subject) = self.subject {
            claims.insert("sub".to_owned(), subject.into());
        }
        claims.insert("aud".to_owned(), self.audience.into());
        claims.insert("iat".to_owned(), now.as_second().into());
        let expires = now.as_second().saturating_add(self.lifetime.as_secs() as i64);
        claims.insert("exp".to_owned(), expires.into());
        claims.insert("jti".to_owned(), unique()?.into());
        for (name, value) in self.claims {
            claims.insert(name.clone(), Value::from(value.as_str()));
        }
        let mut header = Header::new(algorithm);
        header.kid.clone_from(&key.id);
        signing
            .and_then(|signing| jsonwebtoken::encode(&header, &claims, &signing))
            .map(Secret::new)
            .map_err(|error| {
                Error::new(Code::InputInvalid, "the private key cannot sign an assertion")
                    .cause(printable(&error.to_string(), 200))
                    .fix(format!(
                        "give a private key for {:?} in PEM form, unencrypted, beginning with \
                         `-----BEGIN`",
                        key.algorithm
                    ))
            })
    }
}

/// A text that no other assertion has.
pub(crate) fn unique() -> Result<String> {
    let mut bytes = [0; UNIQUE];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Error::new(Code::Internal, "the system gives no random numbers"))?;
    Ok(super::hex(&bytes))
}

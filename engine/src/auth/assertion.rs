//! The signed assertion of the JWT bearer grant (RFC 7523).

use std::time::Duration;

use jiff::Timestamp;
use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;

use crate::auth::config::Algorithm;
use crate::error::{Code, Error, Result, printable};
use crate::secret::Secret;

/// The claims of section 3 that apps look at, without `jti`, which some apps refuse to see twice
/// and none requires.
#[derive(Serialize)]
struct Claims<'c> {
    iss: &'c str,
    sub: &'c str,
    aud: &'c str,
    iat: i64,
    exp: i64,
}

/// Who asserts what about whom.
pub(super) struct Assertion<'c> {
    pub(super) issuer: &'c str,
    pub(super) subject: &'c str,
    pub(super) audience: &'c str,
    pub(super) lifetime: Duration,
}

impl Assertion<'_> {
    /// The compact form (RFC 7515, section 3.1), signed with the PEM key.
    pub(super) fn sign(
        &self,
        key_pem: &Secret,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Secret> {
        let pem = key_pem.expose().as_bytes();
        let (algorithm, key) = match algorithm {
            Algorithm::Rs256 => (jsonwebtoken::Algorithm::RS256, EncodingKey::from_rsa_pem(pem)),
            Algorithm::Es256 => (jsonwebtoken::Algorithm::ES256, EncodingKey::from_ec_pem(pem)),
        };
        let claims = Claims {
            iss: self.issuer,
            sub: self.subject,
            aud: self.audience,
            iat: now.as_second(),
            exp: now.as_second().saturating_add(self.lifetime.as_secs() as i64),
        };
        key.and_then(|key| jsonwebtoken::encode(&Header::new(algorithm), &claims, &key))
            .map(Secret::new)
            .map_err(|error| {
                Error::new(Code::InputInvalid, "the private key cannot sign an assertion")
                    .cause(printable(&error.to_string(), 200))
                    .fix(format!(
                        "give a private key for {algorithm:?} in PEM form, unencrypted, beginning \
                         with `-----BEGIN`"
                    ))
            })
    }
}

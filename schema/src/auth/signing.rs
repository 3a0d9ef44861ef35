//! Signing every request with a key that is never sent.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Spanned, Table, Template};

/// A keyed hash (HMAC, RFC 2104) over a text that is made of the request.
///
/// The templates see the request as it is sent: `request.method`, `request.url`, `request.host`,
/// `request.path`, `request.query`, `request.sorted_query`, `request.body`, `request.body_hash`,
/// `request.time` and `request.nonce`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hmac {
    /// The key.
    pub key: Spanned<Template>,
    /// How the key is written.
    #[serde(default)]
    pub key_encoding: KeyEncoding,
    /// The hash, also that of `request.body_hash`.
    pub algorithm: HmacAlgorithm,
    /// How the signature and `request.body_hash` are written.
    #[serde(default)]
    pub encoding: HashEncoding,
    /// The text that is signed.
    pub string: Spanned<Template>,
    /// The headers that carry the signature, as `auth.signature`, and what it was made with.
    pub headers: Table<String, Spanned<Template>>,
}

/// How a key is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyEncoding {
    /// The text itself is the key.
    #[default]
    Text,
    /// In base64 (RFC 4648, section 4).
    Base64,
    /// In hexadecimal digits.
    Hex,
}

/// The hashes for signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HmacAlgorithm {
    /// SHA-1, for apps that know nothing newer.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How a hash is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashEncoding {
    /// In lower-case hexadecimal digits.
    #[default]
    Hex,
    /// In base64 (RFC 4648, section 4).
    Base64,
}

/// AWS Signature Version 4.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsSigV4 {
    /// The access key's identifier.
    pub access_key_id: Spanned<Template>,
    /// The secret access key.
    pub secret_access_key: Spanned<Template>,
    /// The session token that belongs to temporary keys.
    pub session_token: Option<Spanned<Template>>,
    /// The region, such as `eu-central-1`. Without it the host of each request says so, or, where it
    /// names none, it is `us-east-1`, by which global services are signed for.
    pub region: Option<Spanned<Template>>,
    /// The service's code, such as `execute-api`. Without it the host of each request says so.
    pub service: Option<Spanned<Template>>,
}

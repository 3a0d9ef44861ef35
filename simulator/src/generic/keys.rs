//! Keys made for a simulation and thrown away with it.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use longshore_schema::auth::JwtAlgorithm;

use super::Unsupported;

/// A private key in PEM (RFC 7468, section 10), the same for the whole process: to make an RSA key
/// takes longer than to play an app for a day.
pub(super) fn private_pem(algorithm: JwtAlgorithm) -> Result<String, Unsupported> {
    static RSA: OnceLock<Option<String>> = OnceLock::new();
    static EC: OnceLock<Option<String>> = OnceLock::new();
    let made = match algorithm {
        JwtAlgorithm::RS256 => RSA.get_or_init(|| {
            let key = KeyPair::generate(KeySize::Rsa2048).ok()?;
            let der: Pkcs8V1Der<'_> = key.as_der().ok()?;
            Some(pem(der.as_ref()))
        }),
        JwtAlgorithm::ES256 => EC.get_or_init(|| {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
            Some(pem(key.to_pkcs8v1().ok()?.as_ref()))
        }),
    };
    made.clone().ok_or_else(|| Unsupported("a key could not be made on this machine".to_owned()))
}

fn pem(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + "-----END PRIVATE KEY-----\n"
}

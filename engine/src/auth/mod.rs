//! OAuth 2.0 (RFC 6749) for connections: obtains tokens, keeps them fresh, and keeps them safe.
//!
//! One [`Authenticator`] per connection answers "which token do I send now?". However many streams
//! ask at once, one request is made; and whoever gets a token can rely on it being on disk
//! already, because an app that rotates refresh tokens (RFC 6749, section 6; RFC 9700, section
//! 4.14) accepts each of them once.

mod answer;
mod assertion;
mod authenticator;
mod authorize;
mod compile;
mod config;
mod device;
mod endpoint;
mod refusal;
mod session;
mod sign;
mod tokens;

#[cfg(test)]
mod tests;

pub(crate) use assertion::unique;
pub use authenticator::{Authenticator, Revocation};
pub use authorize::AuthorizationRequest;
pub use compile::{AuthPlan, SessionPlan, Slot};
pub use config::{Algorithm, ClientAuth, Grant, OAuthConfig, ResponsePaths, SendToken, SigningKey};
pub use device::DeviceAuthorization;
pub use sign::{AwsSigner, Encoding, Hash, HmacSigner, Signer};
pub use tokens::Tokens;

/// Bytes in lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// The bytes that hexadecimal digits stand for; `None` if they do not.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

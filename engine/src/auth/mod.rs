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
mod config;
mod endpoint;
mod refusal;
mod tokens;

#[cfg(test)]
mod tests;

pub use authenticator::Authenticator;
pub use authorize::AuthorizationRequest;
pub use config::{Algorithm, ClientAuth, Grant, OAuthConfig};
pub use tokens::Tokens;

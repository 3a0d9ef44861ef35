//! OAuth 2.0.
mod tokens;
pub use tokens::Tokens;

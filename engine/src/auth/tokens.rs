//! What a token endpoint gave us.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// The tokens of one connection. There is no `Serialize`: the only way out of memory is the
/// encrypted [`SecretStore`](crate::secret::SecretStore).
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The access token that goes with every request.
    pub access: Secret,
    /// The refresh token, if the app issued one.
    pub refresh: Option<Secret>,
    /// When the access token expires; `None` if the app does not say and the manifest declares no
    /// default: then only a refused request tells.
    pub expires_at: Option<Timestamp>,
    /// What else is kept of the response, under the names the manifest gives it: of a session, all
    /// that is sent. `Debug` shows the names alone.
    pub fields: BTreeMap<String, String>,
    /// When the request for these tokens was made.
    pub obtained_at: Timestamp,
    /// Counts up with every new access token of the connection, across restarts.
    pub generation: u64,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("fields", &self.fields.keys())
            .field("expires_at", &self.expires_at)
            .field("obtained_at", &self.obtained_at)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// The form in which tokens are encrypted.
#[derive(Serialize, Deserialize)]
struct Stored<'t> {
    access: Cow<'t, str>,
    refresh: Option<Cow<'t, str>>,
    expires_at: Option<Timestamp>,
    fields: Cow<'t, BTreeMap<String, String>>,
    obtained_at: Timestamp,
    generation: u64,
}

impl Tokens {
    /// The plain bytes to encrypt.
    pub(crate) fn to_stored(&self) -> Vec<u8> {
        let stored = Stored {
            access: self.access.expose().into(),
            refresh: self.refresh.as_ref().map(|token| token.expose().into()),
            expires_at: self.expires_at,
            fields: Cow::Borrowed(&self.fields),
            obtained_at: self.obtained_at,
            generation: self.generation,
        };
        serde_json::to_vec(&stored).expect("text, times and numbers always have a JSON form")
    }

    /// Reads the decrypted bytes; `None` if they are something else.
    pub(crate) fn from_stored(plain: &[u8]) -> Option<Self> {
        let stored: Stored<'_> = serde_json::from_slice(plain).ok()?;
        Some(Self {
            access: Secret::new(stored.access),
            refresh: stored.refresh.map(Secret::new),
            expires_at: stored.expires_at,
            fields: stored.fields.into_owned(),
            obtained_at: stored.obtained_at,
            generation: stored.generation,
        })
    }
}

//! The part of the authorization code grant that happens in a browser.

use std::borrow::Cow;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use jiff::{SignedDuration, Timestamp};
use oauth2::basic::BasicClient;
use oauth2::{AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, RedirectUrl, Scope};
use url::Url;

use crate::auth::config::{Grant, OAuthConfig};
use crate::auth::refusal::{self, Asked};
use crate::error::{Code, Error, Result};
use crate::secret::Secret;

/// How long a person may take to sign in.
const MAX_SIGN_IN: SignedDuration = SignedDuration::from_mins(10);

/// One sign-in: where to send the browser, and what proves that the callback belongs to it. Use it
/// once, then drop it.
#[derive(Debug, Clone)]
pub struct AuthorizationRequest {
    /// Where the browser goes. Contains the state, so it is not for logs.
    pub url: Secret,
    /// Comes back in the callback (RFC 6749, section 10.12).
    pub state: Secret,
    /// The PKCE verifier, if the app uses PKCE.
    pub verifier: Option<Secret>,
    /// When the sign-in is given up.
    pub expires_at: Timestamp,
}

impl AuthorizationRequest {
    pub(super) fn new(config: &OAuthConfig, now: Timestamp) -> Result<Self> {
        let (Grant::AuthorizationCode { redirect_url, scopes, pkce }, Some(authorize_url)) =
            (&config.grant, &config.authorize_url)
        else {
            return Err(Error::new(Code::InputInvalid, "this app is not connected by signing in")
                .cause("its grant is not authorization_code, or it has no authorize_url")
                .fix("connect it with its client credentials or key"));
        };
        let id = ClientId::new(config.client_id.clone().unwrap_or_default());
        let client = BasicClient::new(id).set_auth_uri(AuthUrl::from_url(authorize_url.clone()));
        let mut request = client
            .authorize_url(CsrfToken::new_random)
            .set_redirect_uri(Cow::Owned(redirect(redirect_url)?))
            .add_scopes(scopes.iter().cloned().map(Scope::new));
        for (name, value) in &config.authorize_params {
            request = request.add_extra_param(name, value);
        }
        let mut verifier = None;
        if *pkce {
            let (challenge, secret) = PkceCodeChallenge::new_random_sha256();
            request = request.set_pkce_challenge(challenge);
            verifier = Some(Secret::new(secret.into_secret()));
        }
        let (url, state) = request.url();
        Ok(Self {
            url: Secret::new(url),
            state: Secret::new(state.into_secret()),
            verifier,
            expires_at: now.checked_add(MAX_SIGN_IN).unwrap_or(Timestamp::MAX),
        })
    }

    /// The authorization code of the callback, if the callback belongs to this request and the app
    /// said yes (RFC 6749, sections 4.1.2 and 4.1.2.1).
    pub(super) fn code(
        &self,
        config: &OAuthConfig,
        callback: &Url,
        now: Timestamp,
    ) -> Result<Secret> {
        let parameter = |name: &str| {
            let mut values =
                callback.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value);
            match (values.next(), values.next()) {
                (value, None) => Ok(value),
                // Twice is forbidden (section 3.1), and a way to smuggle in a second code.
                _ => Err(mismatch("the callback has a parameter twice")),
            }
        };
        let (state, code, error) = (parameter("state")?, parameter("code")?, parameter("error")?);
        match (&state, &error) {
            (Some(state), _) => {
                verify_slices_are_equal(state.as_bytes(), self.state.expose().as_bytes())
                    .map_err(|_| mismatch("the state is another one"))?;
            }
            // Some apps forget the state when they refuse; nothing is gained by forging a no.
            (None, Some(_)) => {}
            (None, None) => return Err(mismatch("the callback has no state")),
        }
        if let Some(error) = error {
            let description = parameter("error_description")?;
            let secrets: Vec<_> =
                std::iter::once(self.state.clone()).chain(self.verifier.clone()).collect();
            return Err(refusal::refused(
                config,
                Asked::Authorization,
                &error,
                description.as_deref(),
                &secrets,
            ));
        }
        if now > self.expires_at {
            return Err(Error::new(Code::AuthTimeout, "the sign-in took too long")
                .cause(format!("it had to be completed by {:.0}", self.expires_at))
                .fix("start the sign-in again"));
        }
        code.filter(|code| !code.is_empty())
            .map(Secret::new)
            .ok_or_else(|| mismatch("the callback has no code"))
    }
}

/// The callback address as the app knows it, character for character.
fn redirect(redirect_url: &str) -> Result<RedirectUrl> {
    RedirectUrl::new(redirect_url.to_owned()).map_err(|error| {
        Error::new(Code::InputInvalid, "the callback address is not a URL")
            .cause(error.to_string())
            .fix("give the address registered at the app, beginning with https://")
    })
}

fn mismatch(cause: &str) -> Error {
    Error::new(
        Code::AuthStateMismatch,
        "the sign-in response did not match this request; it may be old or from another browser",
    )
    .cause(cause)
    .fix("start the sign-in again and complete it in the same browser")
}

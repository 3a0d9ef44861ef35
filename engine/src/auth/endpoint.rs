//! The token endpoint: what is asked of it, and when it is asked again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AsyncHttpClient, AuthType, AuthorizationCode, Client as OAuthClient, ClientId, ClientSecret,
    ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeVerifier, RefreshToken, RequestTokenError,
    RevocationUrl, Scope, StandardRevocableToken, StandardTokenResponse, TokenResponse as _,
    TokenUrl,
};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::auth::answer::{Trouble, invalid, text};
use crate::auth::assertion::Assertion;
use crate::auth::authorize::redirect;
use crate::auth::config::{ClientAuth, Grant, OAuthConfig};
use crate::auth::refusal::Asked;
use crate::clock::Clock;
use crate::error::{Code, Error, Result, Retry};
use crate::http::retry::{self, Decision, Policy};
use crate::http::{Client, Request};
use crate::secret::Secret;

/// Members that are secrets, and never kept as fields.
const SECRET_MEMBERS: [&str; 3] = ["access_token", "refresh_token", "id_token"];

/// The authorization server of a connection.
pub(super) struct Endpoint<'a> {
    pub(super) config: &'a OAuthConfig,
    pub(super) http: &'a Client,
    pub(super) clock: &'a Clock,
}

/// What to ask for tokens with.
pub(super) enum Ask<'a> {
    Code { code: &'a Secret, verifier: Option<&'a Secret> },
    Refresh(&'a Secret),
    ClientCredentials,
    Assertion,
}

/// A readable answer with a token in it.
pub(super) struct Answer {
    pub(super) access: Secret,
    pub(super) refresh: Option<Secret>,
    pub(super) expires_in: Option<Duration>,
    pub(super) fields: BTreeMap<String, String>,
    pub(super) requested_at: Timestamp,
}

/// All members of the response, in the canonical form given to the OAuth library.
#[derive(Serialize, Deserialize)]
pub(super) struct Members {
    members: Value,
}

impl ExtraTokenFields for Members {}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Members(***)")
    }
}

type Response = StandardTokenResponse<Members, BasicTokenType>;
type OAuth = OAuthClient<
    BasicErrorResponse,
    Response,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

/// The OAuth library's client, without endpoints.
pub(super) fn oauth_client(config: &OAuthConfig) -> OAuth {
    let client = OAuth::new(ClientId::new(config.client_id.clone())).set_auth_type(
        match config.client_auth {
            ClientAuth::Body => AuthType::RequestBody,
            ClientAuth::Basic => AuthType::BasicAuth,
        },
    );
    match &config.client_secret {
        Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
        None => client,
    }
}

impl Endpoint<'_> {
    /// Asks for tokens, and asks again as long as that is safe and may help.
    pub(super) async fn obtain(&self, ask: Ask<'_>) -> Result<Answer> {
        let policy = Policy::default();
        let mut attempt = 1;
        loop {
            let trouble = match self.once(&ask).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            if trouble.lost {
                match ask {
                    Ask::Refresh(_) if self.config.refresh_rotates => {
                        return Err(lost_refresh(&trouble.error));
                    }
                    Ask::Code { .. } => return Err(lost_code(&trouble.error)),
                    _ => {}
                }
            }
            let Trouble { outcome, retry_after, mut error, .. } = trouble;
            match policy.decide(attempt, outcome, retry_after, retry::random()) {
                Decision::RetryAfter(wait) => self.clock.sleep(wait).await,
                Decision::GiveUp => {
                    if let (Some(wait), Retry::Later(None)) = (retry_after, error.retry) {
                        error.retry = Retry::Later(self.clock.now().checked_add(wait).ok());
                    }
                    return Err(error);
                }
            }
            attempt += 1;
        }
    }

    /// Revokes a refresh token, or an access token (RFC 7009).
    pub(super) async fn revoke(&self, url: &Url, token: StandardRevocableToken) -> Result<()> {
        let oauth =
            oauth_client(self.config).set_revocation_url(RevocationUrl::from_url(url.clone()));
        let http = self.asking(Asked::Revocation, &[]);
        let request = oauth.revoke_token(token).map_err(|error| {
            Error::new(Code::InputInvalid, "the revocation endpoint cannot be used")
                .cause(error.to_string())
                .fix("give its https URL in the manifest")
        })?;
        request.request_async(&http).await.map_err(|error| unwrap(error).error)
    }

    async fn once(&self, ask: &Ask<'_>) -> Result<Answer, Trouble> {
        let requested_at = self.clock.now();
        let config = self.config;
        let oauth =
            oauth_client(config).set_token_uri(TokenUrl::from_url(config.token_url.clone()));
        let mut secrets = vec![config.client_secret.as_ref()];
        let response = match ask {
            Ask::Code { code, verifier } => {
                secrets.extend([Some(*code), *verifier]);
                let http = self.asking(Asked::Code, &secrets);
                let mut request =
                    oauth.exchange_code(AuthorizationCode::new(code.expose().to_owned()));
                if let Grant::AuthorizationCode { redirect_url, .. } = &config.grant {
                    let redirect = redirect(redirect_url).map_err(Trouble::permanent)?;
                    request = request.set_redirect_uri(Cow::Owned(redirect));
                }
                if let Some(verifier) = verifier {
                    let verifier = PkceCodeVerifier::new(verifier.expose().to_owned());
                    request = request.set_pkce_verifier(verifier);
                }
                for (name, value) in &config.token_params {
                    request = request.add_extra_param(name, value);
                }
                request.request_async(&http).await.map_err(unwrap)?
            }
            Ask::Refresh(token) => {
                secrets.push(Some(*token));
                let http = self.asking(Asked::Refresh, &secrets);
                let token = RefreshToken::new(token.expose().to_owned());
                let mut request = oauth.exchange_refresh_token(&token);
                for (name, value) in &config.token_params {
                    request = request.add_extra_param(name, value);
                }
                request.request_async(&http).await.map_err(unwrap)?
            }
            Ask::ClientCredentials => {
                let http = self.asking(Asked::ClientCredentials, &secrets);
                let mut request = oauth.exchange_client_credentials();
                if let Grant::ClientCredentials { scopes } = &config.grant {
                    request = request.add_scopes(scopes.iter().cloned().map(Scope::new));
                }
                for (name, value) in &config.token_params {
                    request = request.add_extra_param(name, value);
                }
                request.request_async(&http).await.map_err(unwrap)?
            }
            Ask::Assertion => self.assert(requested_at, &secrets).await?,
        };
        Ok(self.answer(&response, requested_at))
    }

    /// The JWT bearer grant, which the OAuth library does not know.
    async fn assert(
        &self,
        now: Timestamp,
        secrets: &[Option<&Secret>],
    ) -> Result<Response, Trouble> {
        let Grant::JwtBearer { issuer, subject, audience, key_pem, algorithm, lifetime } =
            &self.config.grant
        else {
            let error = Error::new(Code::Internal, "an assertion without its grant");
            return Err(Trouble::permanent(error));
        };
        let assertion = Assertion { issuer, subject, audience, lifetime: *lifetime }
            .sign(key_pem, *algorithm, now)
            .map_err(Trouble::permanent)?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .append_pair("assertion", assertion.expose())
            .extend_pairs(&self.config.token_params)
            .finish();
        let mut request = Request::new(Method::POST, self.config.token_url.clone());
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(CONTENT_TYPE, form_type);
        request.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        request.body = Some(Bytes::from(form));
        let secrets = [secrets, &[Some(&assertion)]].concat();
        let body = self.canonical(request, Asked::Assertion, &secrets).await?;
        serde_json::from_value(body).map_err(|error| {
            Trouble::lost(invalid(&format!(
                "the answer is not a token response: {:?}",
                error.classify()
            )))
        })
    }

    fn asking<'c>(&'c self, asked: Asked, secrets: &'c [Option<&'c Secret>]) -> Asking<'c> {
        Asking { endpoint: self, asked, secrets }
    }

    fn answer(&self, response: &Response, requested_at: Timestamp) -> Answer {
        let members = &response.extra_fields().members;
        let field = |member: &str| {
            let name = member.rsplit('/').next().unwrap_or(member);
            let value =
                if member.starts_with('/') { members.pointer(member) } else { members.get(member) };
            value.filter(|_| !SECRET_MEMBERS.contains(&name)).and_then(text)
        };
        Answer {
            access: Secret::new(response.access_token().secret()),
            refresh: response.refresh_token().map(|token| Secret::new(token.secret())),
            expires_in: response.expires_in(),
            fields: self
                .config
                .token_fields
                .iter()
                .filter_map(|(name, member)| Some((name.clone(), field(member)?)))
                .collect(),
            requested_at,
        }
    }
}

/// How the OAuth library speaks HTTP: our client sends, and gives back the canonical form.
struct Asking<'a> {
    endpoint: &'a Endpoint<'a>,
    asked: Asked,
    secrets: &'a [Option<&'a Secret>],
}

impl<'c> AsyncHttpClient<'c> for Asking<'_> {
    type Error = Trouble;
    // Boxed: as an `impl Future` its lifetimes keep the compiler from seeing that it is `Send`.
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Trouble>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let request = into_request(request)?;
            if self.asked == Asked::Revocation {
                self.endpoint.post(request, self.asked, self.secrets).await?;
                return Ok(HttpResponse::default());
            }
            let body = self.endpoint.canonical(request, self.asked, self.secrets).await?;
            Ok(HttpResponse::new(body.to_string().into_bytes()))
        })
    }
}

/// The OAuth library's request as one of ours.
fn into_request(request: HttpRequest) -> Result<Request, Trouble> {
    let (head, body) = request.into_parts();
    let url = Url::parse(&head.uri.to_string()).map_err(|_| {
        Trouble::permanent(Error::new(Code::Internal, "the token endpoint is not a URL"))
    })?;
    let mut request = Request::new(head.method, url);
    request.headers = head.headers;
    request.body = Some(Bytes::from(body));
    Ok(request)
}

/// Our trouble, out of the library's error, whose other variants hold the response body.
fn unwrap<E>(error: RequestTokenError<Trouble, E>) -> Trouble
where
    E: oauth2::ErrorResponse + 'static,
{
    match error {
        RequestTokenError::Request(trouble) => trouble,
        _ => Trouble::lost(invalid("the answer is not a token response")),
    }
}

fn lost_refresh(error: &Error) -> Error {
    let mut lost = Error::new(
        Code::AuthRefreshLost,
        "the answer to a token refresh was lost, so the refresh token may be used up",
    )
    .cause(format!("{}: {}", error.code, error.what))
    .fix(
        "not tried again by itself, because the app accepts each refresh token once and may revoke \
         the access of whoever sends one twice: run `longshore connect`, or restart to try the old token once",
    );
    lost.place.clone_from(&error.place);
    lost
}

fn lost_code(error: &Error) -> Error {
    let mut lost = error.clone().retry(Retry::Never);
    lost.fix = Some("start the sign-in again: an authorization code works once".to_owned());
    lost
}

//! What a refusal of an authorization server means, and what to do about it.
//!
//! The names are those of RFC 6749 (sections 4.1.2.1 and 5.2) and further ones that apps use. The
//! descriptions are the only way to tell some causes apart; where one is not recognized, the name
//! alone decides.

use crate::auth::config::{ClientAuth, Grant, OAuthConfig};
use crate::error::{Code, Error, printable};
use crate::secret::Secret;

/// Longest text of a server shown in an error, in characters.
const MAX_SHOWN: usize = 200;

/// A shorter secret cannot be told from a part of a word.
const MIN_HIDDEN: usize = 4;

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A person's consent.
    Authorization,
    /// Tokens for an authorization code.
    Code,
    /// Tokens for a refresh token.
    Refresh,
    /// Tokens for the client itself.
    ClientCredentials,
    /// Tokens for a signed assertion.
    Assertion,
    /// That the client is who it says, for an assertion that it signed.
    ClientKey,
    /// Tokens for an account's name and password.
    Password,
    /// A code for a person, or tokens for one that was entered.
    Device,
    /// The revocation of a token.
    Revocation,
}

/// Part of a description (lower case), whatever the name of the error.
const DESCRIPTIONS: &[(&str, Code)] = &[
    ("ip restricted", Code::AuthIpRestricted),
    ("inactive user", Code::AuthUserInactive),
    ("inactive org", Code::AuthOrgInactive),
    ("not admin approved", Code::AuthUserNotApproved),
    ("hasn't approved this consumer", Code::AuthUserNotApproved),
    ("no client credentials user", Code::AuthNoRunAs),
    ("app must be installed", Code::AuthAppNotInstalled),
    ("app is not installed", Code::AuthAppNotInstalled),
    ("blocked by admin", Code::AuthAppBlocked),
    ("login hours", Code::AuthLoginHours),
    ("account is locked", Code::AuthAccountLocked),
    ("invalid code verifier", Code::AuthStateMismatch),
    ("invalid scope", Code::AuthScopeInsufficient),
];

/// Name of the error (lower case).
const NAMES: &[(&str, Code)] = &[
    ("access_denied", Code::AuthDenied),
    ("invalid_client", Code::AuthClientInvalid),
    ("invalid_client_id", Code::AuthClientInvalid),
    ("unauthorized_client", Code::AuthClientInvalid),
    ("unsupported_grant_type", Code::AuthClientInvalid),
    ("unsupported_response_type", Code::AuthClientInvalid),
    ("invalid_scope", Code::AuthScopeInsufficient),
    ("redirect_uri_mismatch", Code::AuthRedirectMismatch),
    ("invalid_redirect_uri", Code::AuthRedirectMismatch),
    ("inactive_user", Code::AuthUserInactive),
    ("inactive_org", Code::AuthOrgInactive),
    ("invalid_app_access", Code::AuthUserNotApproved),
    ("oauth_app_access_denied", Code::AuthUserNotApproved),
    ("oauth_app_blocked", Code::AuthAppBlocked),
    ("oauth_approval_error_generic", Code::AuthAppBlocked),
    ("oauth_ec_app_not_found", Code::AuthAppNotInstalled),
    ("rate_limit_exceeded", Code::AuthLoginRate),
    ("slow_down", Code::AuthLoginRate),
    ("expired_token", Code::AuthTimeout),
    ("server_error", Code::AppError),
    ("unknown_error", Code::AppError),
    ("temporarily_unavailable", Code::AppMaintenance),
];

/// The error for a refusal by name and description. `secrets` are what the request contained: some
/// apps repeat it in the description.
pub(super) fn refused(
    config: &OAuthConfig,
    asked: Asked,
    name: &str,
    description: Option<&str>,
    secrets: &[Secret],
) -> Error {
    let code = code(asked, name, description.unwrap_or_default());
    let asked = proof(config, asked, name);
    let said = [Some(name), description].into_iter().flatten().map(|text| {
        let hidden = secrets.iter().fold(text.to_owned(), |text, secret| {
            let short = secret.expose().len() < MIN_HIDDEN;
            if short { text } else { text.replace(secret.expose(), "***") }
        });
        printable(&hidden, MAX_SHOWN)
    });
    let error = Error::new(code, what(code, asked))
        .cause(format!("the app said: {}", said.collect::<Vec<_>>().join(": ")));
    match fix(code, asked, config) {
        Some(fix) => error.fix(fix),
        None => error,
    }
}

/// What a refusal of this name is about: what was asked for, or the client's own assertion (RFC 7521,
/// section 4.2.1).
pub(super) fn proof(config: &OAuthConfig, asked: Asked, name: &str) -> Asked {
    let signs = matches!(config.client_auth, ClientAuth::PrivateKeyJwt { .. });
    let about_client = ["invalid_client", "invalid_client_id", "unauthorized_client"];
    let is_client = about_client.iter().any(|known| name.eq_ignore_ascii_case(known));
    if signs && is_client && asked != Asked::Assertion { Asked::ClientKey } else { asked }
}

fn code(asked: Asked, name: &str, description: &str) -> Code {
    let name = name.to_ascii_lowercase();
    let description = description.to_ascii_lowercase().replace('’', "'");
    let by_description = DESCRIPTIONS.iter().find(|(part, _)| description.contains(part));
    let by_name = || NAMES.iter().find(|(known, _)| *known == name);
    match (by_description.or_else(by_name), asked) {
        (Some((_, code)), _) => *code,
        // A code is short-lived and used once: invalid means late or replayed.
        (None, Asked::Code) if name == "invalid_grant" => Code::AuthTimeout,
        (None, Asked::Refresh) if name == "invalid_grant" => Code::AuthTokenRevoked,
        (None, _) if name == "invalid_grant" => Code::AuthClientInvalid,
        (None, Asked::Authorization) => Code::AuthDenied,
        (None, _) => Code::AuthResponseInvalid,
    }
}

fn what(code: Code, asked: Asked) -> &'static str {
    match code {
        Code::AuthDenied => "authorization was declined at the app",
        Code::AuthClientInvalid if matches!(asked, Asked::Assertion | Asked::ClientKey) => {
            "the app does not accept our signed assertion"
        }
        Code::AuthClientInvalid if asked == Asked::Password => {
            "the app does not accept the account's name and password, or the client"
        }
        Code::AuthClientInvalid => "the client id or secret is not recognized for this grant",
        Code::AuthScopeInsufficient => "the app does not grant the scopes the connection needs",
        Code::AuthRedirectMismatch => "the app does not know our callback address",
        Code::AuthTokenRevoked => "access was revoked or has expired",
        Code::AuthUserInactive => "the account is deactivated or frozen",
        Code::AuthOrgInactive => "the organization is locked or inactive",
        Code::AuthIpRestricted => "the app refused our network address",
        Code::AuthUserNotApproved => "the account is not authorized in advance for the client app",
        Code::AuthNoRunAs => "no user to run as is set for client credentials",
        Code::AuthAppNotInstalled => "the organization has not installed the client app",
        Code::AuthAppBlocked => "an administrator blocked the client app",
        Code::AuthLoginHours => "the account may not sign in at this hour",
        Code::AuthLoginRate => "too many token requests",
        Code::AuthAccountLocked => "the account is locked",
        Code::AuthTimeout if asked == Asked::Device => "the code was not entered in time",
        Code::AuthTimeout => "the authorization code has expired or was used before",
        Code::AuthStateMismatch => "the sign-in was not completed by the client that began it",
        Code::AppError => "the authorization server had an internal error",
        Code::AppMaintenance => "the authorization server is not available",
        _ => "the authorization server refused",
    }
}

fn fix(code: Code, asked: Asked, config: &OAuthConfig) -> Option<String> {
    let host = config.token_url.host_str().unwrap_or_default();
    let text = match code {
        Code::AuthDenied => "run `longshore connect` again and allow the access".to_owned(),
        Code::AuthClientInvalid if asked == Asked::Assertion => format!(
            "check issuer, subject and audience, that the app has the certificate of this key, and \
             that {host} is the right login host (sandbox or production)"
        ),
        Code::AuthClientInvalid if asked == Asked::ClientKey => format!(
            "check client id, key id and audience, that the app has the public key that belongs to \
             this key, and that {host} is the right login host (sandbox or production)"
        ),
        Code::AuthClientInvalid if asked == Asked::Password => format!(
            "check name, password and client, that the app allows this grant for the account (many \
             refuse it with multi-factor authentication), and that {host} is the right login host"
        ),
        Code::AuthClientInvalid => format!(
            "check client id and secret, that the app allows this grant, and that {host} is the \
             right login host (sandbox or production); a new client can take minutes to work"
        ),
        Code::AuthScopeInsufficient => {
            "allow the scopes of the manifest for the client at the app, and run `longshore connect`"
                .to_owned()
        }
        Code::AuthRedirectMismatch => match &config.grant {
            Grant::AuthorizationCode { redirect_url, .. } => format!(
                "register exactly {} at the app (a trailing slash matters)",
                printable(redirect_url, MAX_SHOWN)
            ),
            _ => return None,
        },
        Code::AuthTokenRevoked => {
            "run `longshore connect` again; usual causes are a revoked app, a password reset, a refresh token \
             policy or a deactivated account. Collection goes on where it stopped"
                .to_owned()
        }
        Code::AuthUserInactive => "reactivate the account, or connect with another".to_owned(),
        Code::AuthOrgInactive => "ask the app's vendor about the state of the tenant".to_owned(),
        Code::AuthIpRestricted => {
            "allow the public address of this machine at the app, for the account and the client"
                .to_owned()
        }
        Code::AuthUserNotApproved => {
            "authorize the account for the client app at the app (profile, permission set or group)"
                .to_owned()
        }
        Code::AuthNoRunAs => "set the user to run as in the client app's settings".to_owned(),
        Code::AuthAppNotInstalled => "have an administrator install the client app".to_owned(),
        Code::AuthAppBlocked => "have an administrator unblock the client app".to_owned(),
        Code::AuthAccountLocked => "unlock the account at the app".to_owned(),
        Code::AuthTimeout | Code::AuthStateMismatch => "start the sign-in again".to_owned(),
        Code::AuthLoginRate | Code::AuthLoginHours | Code::AppError | Code::AppMaintenance => {
            "nothing to do; it is tried again".to_owned()
        }
        _ => "look the error up in the app's documentation, and check the inputs of the connection"
            .to_owned(),
    };
    Some(text)
}

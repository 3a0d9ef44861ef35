//! The one error type of the engine.
//!
//! An error is read by a person who wants to know four things: what went wrong, where, why, and
//! what to do about it. It is also read by the engine, which wants to know one more: whether and
//! when to try again. Every error therefore carries a stable [`Code`] (the key of its page in the
//! documentation), a sentence, a [`Place`], a cause, a fix and a [`Retry`].
//!
//! Text that came from a server passes through [`printable`] before it gets here, and no error ever
//! holds a query string, a header, a token or a request body: they may contain secrets.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::str::FromStr;

use jiff::Timestamp;

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Declares [`Code`] as a table: variant, stable name, what the engine does by itself.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $retry:expr;)*) => {
        /// Stable name of a failure; the part of an error that scripts and dashboards may rely on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code, in the order of the catalogue.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The name shown to people and machines, e.g. `AUTH_TOKEN_REVOKED`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// What to do about a failure of this kind when nothing more is known about it.
            #[must_use]
            pub fn default_retry(self) -> Retry {
                match self { $(Code::$variant => $retry,)* }
            }
        }
    };
}

codes! {
    /// The person (or the app) declined the authorization.
    AuthDenied = "AUTH_DENIED", Retry::Never;
    /// The callback's `state` or PKCE check does not belong to the request we made.
    AuthStateMismatch = "AUTH_STATE_MISMATCH", Retry::Never;
    /// Nobody completed the sign-in within its time.
    AuthTimeout = "AUTH_TIMEOUT", Retry::Never;
    /// The app does not know our callback address.
    AuthRedirectMismatch = "AUTH_REDIRECT_MISMATCH", Retry::Never;
    /// The client id or secret is not recognized, or not allowed to use this grant.
    AuthClientInvalid = "AUTH_CLIENT_INVALID", Retry::Never;
    /// Fewer scopes than asked for, or a scope the app does not know.
    AuthScopeInsufficient = "AUTH_SCOPE_INSUFFICIENT", Retry::Never;
    /// The organization has not installed the client app.
    AuthAppNotInstalled = "AUTH_APP_NOT_INSTALLED", Retry::Never;
    /// An administrator blocked the client app.
    AuthAppBlocked = "AUTH_APP_BLOCKED", Retry::Never;
    /// The account is not authorized in advance for the client app.
    AuthUserNotApproved = "AUTH_USER_NOT_APPROVED", Retry::Never;
    /// Client credentials without a user to run as.
    AuthNoRunAs = "AUTH_NO_RUN_AS", Retry::Never;
    /// There are no tokens yet: the connection was never authorized.
    AuthRequired = "AUTH_REQUIRED", Retry::Never;
    /// The grant was revoked or has expired; only a person can connect again.
    AuthTokenRevoked = "AUTH_TOKEN_REVOKED", Retry::Never;
    /// The account is deactivated or frozen.
    AuthUserInactive = "AUTH_USER_INACTIVE", Retry::Never;
    /// The organization is locked or inactive.
    AuthOrgInactive = "AUTH_ORG_INACTIVE", Retry::Never;
    /// The app refuses our network address.
    AuthIpRestricted = "AUTH_IP_RESTRICTED", Retry::Never;
    /// Outside the hours in which the account may sign in.
    AuthLoginHours = "AUTH_LOGIN_HOURS", Retry::Later(None);
    /// Too many token requests.
    AuthLoginRate = "AUTH_LOGIN_RATE", Retry::Later(None);
    /// The clocks of this machine and the app differ too much for a signed assertion.
    AuthClockSkew = "AUTH_CLOCK_SKEW", Retry::Never;
    /// The certificate or key by which we prove who we are is refused, expired or missing.
    AuthCertExpired = "AUTH_CERT_EXPIRED", Retry::Never;
    /// The account is locked.
    AuthAccountLocked = "AUTH_ACCOUNT_LOCKED", Retry::Never;
    /// The account was an administrator and is not one any more.
    AuthRoleLost = "AUTH_ROLE_LOST", Retry::Never;
    /// The account is not an administrator.
    AuthNotAdmin = "AUTH_NOT_ADMIN", Retry::Never;
    /// The connection points to a different tenant than before.
    AuthTenantMismatch = "AUTH_TENANT_MISMATCH", Retry::Never;
    /// The token endpoint answered something that is not a token.
    AuthResponseInvalid = "AUTH_RESPONSE_INVALID", Retry::Later(None);
    /// The answer to a rotating refresh was lost: whether the token still lives is unknown.
    AuthRefreshLost = "AUTH_REFRESH_LOST", Retry::Never;

    /// The API is disabled for the organization.
    PermApiDisabledOrg = "PERM_API_DISABLED_ORG", Retry::Never;
    /// The API is disabled for the account.
    PermApiDisabledUser = "PERM_API_DISABLED_USER", Retry::Never;
    /// A named permission is missing.
    PermMissing = "PERM_MISSING", Retry::Never;
    /// The app answered, but shows only a part of the records.
    PermPartialVisibility = "PERM_PARTIAL_VISIBILITY", Retry::Never;
    /// A declared field is hidden from the account or unknown.
    PermFieldHidden = "PERM_FIELD_HIDDEN", Retry::Never;
    /// A declared object is hidden from the account or unknown.
    PermObjectUnsupported = "PERM_OBJECT_UNSUPPORTED", Retry::Never;
    /// A license is missing.
    LicenseMissing = "LICENSE_MISSING", Retry::Never;
    /// A feature of the app is turned off.
    FeatureDisabled = "FEATURE_DISABLED", Retry::Never;
    /// The edition of the app is not supported.
    EditionUnsupported = "EDITION_UNSUPPORTED", Retry::Never;
    /// The region of the app is not supported.
    RegionUnsupported = "REGION_UNSUPPORTED", Retry::Never;
    /// Sessions are locked to the address they came from.
    PrereqSessionIpLock = "PREREQ_SESSION_IP_LOCK", Retry::Never;
    /// The account's language makes the app translate its data.
    PrereqLanguage = "PREREQ_LANGUAGE", Retry::Never;
    /// A domain is not verified at the app.
    PrereqDomainUnverified = "PREREQ_DOMAIN_UNVERIFIED", Retry::Never;
    /// Audit logging is not enabled in the app.
    PrereqLoggingOff = "PREREQ_LOGGING_OFF", Retry::Never;

    /// What is left of a quota is the reserve.
    QuotaReserveReached = "QUOTA_RESERVE_REACHED", Retry::Later(None);
    /// Others spent the quota.
    QuotaExhaustedByOthers = "QUOTA_EXHAUSTED_BY_OTHERS", Retry::Later(None);
    /// The app says that the quota is spent.
    QuotaExceeded = "QUOTA_EXCEEDED", Retry::Later(None);
    /// The app asks us to slow down.
    RateLimited = "RATE_LIMITED", Retry::Later(None);

    /// The app had an internal error (5xx).
    AppError = "APP_ERROR", Retry::Later(None);
    /// The app is in maintenance.
    AppMaintenance = "APP_MAINTENANCE", Retry::Later(None);
    /// The app did not answer in time.
    AppTimeout = "APP_TIMEOUT", Retry::Later(None);
    /// The app moved the tenant to another host.
    AppInstanceMoved = "APP_INSTANCE_MOVED", Retry::Now;
    /// The endpoint does not exist (any more).
    AppEndpointGone = "APP_ENDPOINT_GONE", Retry::Never;
    /// The app refused the request as wrong (4xx without a better code).
    AppRequestRefused = "APP_REQUEST_REFUSED", Retry::Never;
    /// The host name could not be resolved.
    NetDns = "NET_DNS", Retry::Later(None);
    /// The TLS handshake failed.
    NetTls = "NET_TLS", Retry::Later(None);
    /// The certificate comes from an unknown authority: a proxy re-signs the traffic.
    NetTlsIntercept = "NET_TLS_INTERCEPT", Retry::Never;
    /// The proxy refused or failed.
    NetProxy = "NET_PROXY", Retry::Later(None);
    /// No connection, or a connection that broke.
    NetUnreachable = "NET_UNREACHABLE", Retry::Later(None);
    /// A URL, redirect or next link leaves the declared hosts.
    NetHostBlocked = "NET_HOST_BLOCKED", Retry::Never;

    /// A body or record could not be read.
    DataParse = "DATA_PARSE", Retry::Never;
    /// The paging position expired; the window starts again.
    DataCursorExpired = "DATA_CURSOR_EXPIRED", Retry::Now;
    /// A promise in a response was not kept, e.g. "more pages" without a next page.
    DataIncomplete = "DATA_INCOMPLETE", Retry::Later(None);
    /// Paging did not advance.
    PageLoop = "PAGE_LOOP", Retry::Never;
    /// A body, file or record is larger than its limit.
    DataTooLarge = "DATA_TOO_LARGE", Retry::Never;
    /// Data is gone at the source before it could be read.
    DataGap = "DATA_GAP", Retry::Never;
    /// A record could not be mapped.
    DataMapping = "DATA_MAPPING", Retry::Never;

    /// A sink does not accept events; collection pauses.
    SinkUnavailable = "SINK_UNAVAILABLE", Retry::Later(None);
    /// The disk is full.
    DiskFull = "DISK_FULL", Retry::Later(None);

    /// The state store does not hold what it should.
    StateCorrupt = "STATE_CORRUPT", Retry::Never;
    /// Another process works on this connection.
    StateLocked = "STATE_LOCKED", Retry::Later(None);
    /// The secret store cannot be read or written, or its key is wrong.
    SecretStoreUnavailable = "SECRET_STORE_UNAVAILABLE", Retry::Never;

    /// An input of the connection is missing.
    InputMissing = "INPUT_MISSING", Retry::Never;
    /// An input of the connection is not valid.
    InputInvalid = "INPUT_INVALID", Retry::Never;

    /// A fault of the engine itself.
    Internal = "INTERNAL", Retry::Never;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not a code of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an error code of the engine")]
pub struct UnknownCode(pub String);

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(name: &str) -> Result<Self, UnknownCode> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == name)
            .ok_or_else(|| UnknownCode(printable(name, 64)))
    }
}

/// Where in the work it happened; the parts that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Name of the connection, e.g. `acme-production`.
    pub connection: Option<String>,
    /// Name of the stream, e.g. `sign_ins`.
    pub stream: Option<String>,
    /// Name of the sink, e.g. `archive`.
    pub sink: Option<String>,
    /// The request in words: method, scheme, host and path, never the query string.
    pub request: Option<String>,
}

/// Whether and when the same thing may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not until somebody or something changes: a person has to act, or the input has to differ.
    Never,
    /// With back-off, or not before the given time if the app named one.
    Later(Option<Timestamp>),
    /// At once: the cause is already dealt with (a fresh cursor, a new host).
    Now,
}

/// What happened. Made with [`Error::new`] and completed by whoever knows more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Details {
    /// Stable name of the failure.
    pub code: Code,
    /// One sentence in words, without a final period.
    pub what: String,
    /// Where it happened.
    pub place: Place,
    /// Why we think so: the evidence.
    pub cause: Option<String>,
    /// What the reader can do about it.
    pub fix: Option<String>,
    /// Whether and when to try again.
    pub retry: Retry,
}

/// A failure of the engine; see [`Details`] for its parts, which are read and set through it.
///
/// ```
/// use longshore_engine::error::{Code, Error, Retry};
///
/// let mut error = Error::new(Code::NetDns, "login.example.com could not be resolved")
///     .cause("the resolver knows no such name")
///     .fix("check the spelling of the login host");
/// error.place.connection.get_or_insert_with(|| "acme".to_owned());
/// assert_eq!(error.code.as_str(), "NET_DNS");
/// assert_eq!(error.retry, Retry::Later(None));
/// ```
// Boxed so that a `Result` stays small on the hot path, where almost nothing fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Details>);

impl Error {
    /// A failure with the retry behavior that is usual for its code.
    #[must_use]
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self(Box::new(Details {
            code,
            what: what.into(),
            place: Place::default(),
            cause: None,
            fix: None,
            retry: code.default_retry(),
        }))
    }

    /// Adds the evidence.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds what the reader can do.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Replaces the retry behavior.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Names the connection, unless a place nearer to the failure already did.
    #[must_use]
    pub fn in_connection(mut self, connection: &str) -> Self {
        self.place.connection.get_or_insert_with(|| connection.to_owned());
        self
    }

    /// Names the stream, unless a place nearer to the failure already did.
    #[must_use]
    pub fn in_stream(mut self, stream: &str) -> Self {
        self.place.stream.get_or_insert_with(|| stream.to_owned());
        self
    }

    /// Names the sink, unless a place nearer to the failure already did.
    #[must_use]
    pub fn in_sink(mut self, sink: &str) -> Self {
        self.place.sink.get_or_insert_with(|| sink.to_owned());
        self
    }

    /// Describes the request, unless a place nearer to the failure already did.
    #[must_use]
    pub fn in_request(mut self, request: impl Into<String>) -> Self {
        self.place.request.get_or_insert_with(|| request.into());
        self
    }

    /// True if trying again without a change cannot succeed.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.retry == Retry::Never
    }
}

impl Deref for Error {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Details {
        &mut self.0
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.what)?;
        let Place { connection, stream, sink, request } = &self.place;
        let place =
            [("connection", connection), ("stream", stream), ("sink", sink), ("request", request)]
                .into_iter()
                .filter_map(|(kind, name)| name.as_ref().map(|name| format!("{kind} {name}")))
                .collect::<Vec<_>>()
                .join(", ");
        if !place.is_empty() {
            write!(f, "\n  where: {place}")?;
        }
        if let Some(cause) = &self.cause {
            write!(f, "\n  cause: {cause}")?;
        }
        if let Some(fix) = &self.fix {
            write!(f, "\n  fix:   {fix}")?;
        }
        match self.retry {
            Retry::Never => Ok(()),
            Retry::Now => write!(f, "\n  next:  tried again at once"),
            Retry::Later(None) => write!(f, "\n  next:  tried again later"),
            Retry::Later(Some(at)) => write!(f, "\n  next:  tried again not before {at:.0}"),
        }
    }
}

/// Text of a server, made safe to show: at most `limit` characters, white space folded into single
/// spaces, control and invisible formatting characters removed.
#[must_use]
pub fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        if length > 0 && length < limit {
            shown.push(' ');
            length += 1;
        }
        for character in word.chars().filter(|c| !c.is_control() && !is_invisible(*c)) {
            if length == limit {
                shown.push('…');
                return shown;
            }
            shown.push(character);
            length += 1;
        }
    }
    shown
}

/// Characters that reorder or hide text in a terminal (Unicode bidirectional controls, zero-width).
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_thing_place_cause_and_fix() {
        let error = Error::new(Code::RateLimited, "the app asked us to slow down")
            .cause("HTTP 429 with Retry-After: 30")
            .fix("nothing to do; nothing is lost")
            .retry(Retry::Later(Some("2026-01-02T03:04:05.5Z".parse().unwrap())))
            .in_request("GET https://api.example.com/query")
            .in_stream("sign_ins")
            .in_connection("acme");
        insta::assert_snapshot!(error, @r"
        RATE_LIMITED: the app asked us to slow down
          where: connection acme, stream sign_ins, request GET https://api.example.com/query
          cause: HTTP 429 with Retry-After: 30
          fix:   nothing to do; nothing is lost
          next:  tried again not before 2026-01-02T03:04:05Z
        ");
    }

    #[test]
    fn the_nearest_place_wins() {
        let error = Error::new(Code::Internal, "x").in_stream("near").in_stream("far");
        assert_eq!(error.place.stream.as_deref(), Some("near"));
    }

    #[test]
    fn every_code_has_one_name_that_reads_back() {
        for code in Code::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
        }
        assert!("AUTH_DENIED ".parse::<Code>().is_err());
    }

    #[test]
    fn text_of_a_server_is_bounded_and_clean() {
        assert_eq!(printable("a\u{1b}[31m\r\n\t b\u{202E}c", 100), "a[31m bc");
        assert_eq!(printable("abcdef", 3), "abc…");
        assert_eq!(printable("ab cd", 2), "ab…");
        assert_eq!(printable("abc", 3), "abc");
        assert_eq!(printable("", 3), "");
    }
}

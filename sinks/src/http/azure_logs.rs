//! The Logs Ingestion API of Azure Monitor.
//!
//! As in "Logs Ingestion API in Azure Monitor" and, for the limits, "Azure Monitor service limits"
//! (learn.microsoft.com); tokens as in "OAuth 2.0 client credentials flow on the Microsoft identity
//! platform" there.

use std::time::{Duration, Instant};

use bytes::Bytes;
use longshore_engine::connection::{AzureLogs, ConnectionFile, Source};
use longshore_engine::error::{Code, Error, Result, printable};
use longshore_engine::http::StatusCode;
use longshore_engine::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use longshore_engine::secret::Secret;
use longshore_engine::sink::{Log, Portion};
use longshore_schema::Spanned;
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::exchange::{Answer, Exchange};
use super::{HttpSink, Problem, Protocol, SHOWN, Verdict, by_status, settings};
use crate::event::{Head, with_time};

/// Largest call, in bytes: the limit of 1 MB holds for compressed and for uncompressed data.
const LIMIT: usize = 1_000_000;
/// Size of the events of a portion, so that with what is added to each they still make one call.
const PORTION: usize = 900_000;
/// A token is replaced this long before its end.
const MARGIN: Duration = Duration::from_secs(300);
/// No token is kept longer, whatever is said of it.
const MAX_LIFETIME: Duration = Duration::from_secs(86_400);

/// Reads the section `azure_logs`.
pub(crate) fn azure_logs(source: &Source, config: &AzureLogs) -> Result<HttpSink> {
    let path = ["dataCollectionRules", &config.rule, "streams", &config.stream];
    let mut url = settings::below(source, &config.endpoint, &path)?;
    url.set_query(Some("api-version=2023-01-01"));
    let login = config.login.clone().unwrap_or_else(|| {
        Spanned::new("https://login.microsoftonline.com".to_owned(), config.tenant.span)
    });
    let login = settings::below(source, &login, &[&config.tenant, "oauth2", "v2.0", "token"])?;
    let client = ConnectionFile::given(source, "`client_id` of the sink", &config.client_id)?;
    let secret =
        ConnectionFile::given(source, "`client_secret` of the sink", &config.client_secret)?;
    if !config.rule.starts_with("dcr-") {
        return Err(source
            .error(config.rule.span, Code::InputInvalid, "`rule` is not the id of a rule")
            .cause("an immutable id begins with `dcr-`")
            .fix("copy the immutable id from the overview of the data collection rule"));
    }
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &client)
        .append_pair("client_secret", &secret)
        .append_pair("scope", scope(&login))
        .finish();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let place = settings::place("Azure Monitor", &url);
    let exchange = Exchange::new(settings::transport(source, None)?, url, place)
        .headers(headers)
        .gzip(true)
        .limit(LIMIT)
        .secret(Secret::new(secret))
        .tokens(TokenSource { login, form: Secret::new(form) });
    let mut sink = HttpSink::new(exchange, Ingestion);
    sink.portion = Portion { bytes: PORTION, ..Portion::default() };
    Ok(sink)
}

/// What a token is for, which differs between the clouds ("Send data to a sovereign cloud" of the
/// client libraries' pages).
fn scope(login: &Url) -> &'static str {
    match login.host_str() {
        Some("login.microsoftonline.us") => "https://monitor.azure.us/.default",
        Some("login.chinacloudapi.cn" | "login.partner.microsoftonline.cn") => {
            "https://monitor.azure.cn/.default"
        }
        _ => "https://monitor.azure.com/.default",
    }
}

/// Where tokens come from.
pub(super) struct TokenSource {
    login: Url,
    form: Secret,
}

/// A token that was given.
pub(super) struct Token {
    /// The value of `Authorization`.
    pub(super) value: HeaderValue,
    until: Instant,
}

impl Token {
    /// Whether it is good for some more minutes.
    pub(super) fn is_good(&self) -> bool {
        Instant::now() < self.until
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// In seconds.
    expires_in: u64,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    error_description: Option<String>,
}

impl TokenSource {
    /// Asks for a token.
    ///
    /// # Errors
    /// As for the exchange itself, with what the sign-in said.
    pub(super) async fn ask(&self, exchange: &Exchange) -> Result<Token> {
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        let body = Bytes::copy_from_slice(self.form.expose().as_bytes());
        let answer = exchange.send(self.login.clone(), headers, body).await?;
        let read = || {
            let granted: Granted = serde_json::from_slice(&answer.body).ok()?;
            let bearer = format!("Bearer {}", granted.access_token);
            let mut value = HeaderValue::from_str(&bearer).ok()?;
            value.set_sensitive(true);
            // Even a token that does not live as long as the margin is good for one request.
            let lifetime = Duration::from_secs(granted.expires_in).saturating_sub(MARGIN);
            let until = Instant::now().checked_add(lifetime.min(MAX_LIFETIME))?;
            Some(Token { value, until })
        };
        let token = read().filter(|_| answer.status == StatusCode::OK);
        token.ok_or_else(|| self.refused(exchange, &answer))
    }

    fn refused(&self, exchange: &Exchange, answer: &Answer) -> Error {
        let said = match serde_json::from_slice::<Refused>(&answer.body) {
            Ok(Refused { error, error_description }) => {
                format!("{error}: {}", error_description.unwrap_or_default())
            }
            Err(_) => "it is not an answer of the Microsoft identity platform".to_owned(),
        };
        let login = settings::place("the sign-in", &self.login);
        let said = format!("{login} answers {}: {said}", answer.status);
        let fix = "check `tenant`, `client_id`, `client_secret` and `login` of the sink, and that the \
                   secret has not expired";
        exchange.failed(&Problem::new(said, fix), answer, b"")
    }
}

pub(super) struct Ingestion;

/// What is answered beside a status.
#[derive(Deserialize)]
struct Failed {
    error: Reason,
}

#[derive(Deserialize)]
struct Reason {
    code: String,
    message: Option<String>,
}

impl Protocol for Ingestion {
    fn write(&self, _: Log<'_>, events: &[&[u8]], body: &mut Vec<u8>) -> Result<()> {
        for event in events {
            body.push(if body.is_empty() { b'[' } else { b',' });
            // Every table has this column, and rows without it get the time of their arrival.
            with_time(body, "TimeGenerated", &Head::read(event)?, event);
        }
        body.push(b']');
        Ok(())
    }

    fn read(&self, answer: &Answer, _: usize) -> Verdict {
        let failed: Option<Failed> = serde_json::from_slice(&answer.body).ok();
        let text = failed.map(|Failed { error: Reason { code, message } }| {
            printable(&format!("{code}: {}", message.unwrap_or_default()), SHOWN)
        });
        let fix = match answer.status {
            StatusCode::NO_CONTENT | StatusCode::OK => return Verdict::Taken,
            StatusCode::FORBIDDEN => {
                "give the application the role Monitoring Metrics Publisher on the data collection \
                 rule; it takes up to 30 minutes until it has effect"
            }
            StatusCode::NOT_FOUND => {
                "check `endpoint`, `rule` and `stream` of the sink: the rule must have such a stream"
            }
            status if status.is_success() => "check `endpoint` of the sink",
            _ => return by_status(answer, text.as_deref()),
        };
        let said = text.unwrap_or_default();
        Verdict::Later(Problem::new(format!("it answers {}: {said}", answer.status), fix))
    }
}

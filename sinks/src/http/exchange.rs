//! One request and its answer: who is asked, with which credentials, for how long.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use longshore_engine::error::{Code, Error, Result, Retry, printable};
use longshore_engine::http::header::{
    AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderValue, RETRY_AFTER,
};
use longshore_engine::http::{Failure, Method, Request, StatusCode, Transport, retry};
use longshore_engine::secret::Secret;
use url::Url;

use super::azure_logs::{Token, TokenSource};
use super::{Problem, SHOWN};

/// Largest answer that is read, in bytes. The largest are those of bulk requests, with some hundred
/// bytes for each event.
const MAX_ANSWER: u64 = 16 << 20;
/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Characters that an answer has in common with events by chance at most.
const REPEATED: usize = 16;
/// Longest wait that a receiver may ask for.
const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// An address and what is sent along.
pub(super) struct Exchange {
    transport: Transport,
    url: Url,
    /// The product and its address in words, as errors name it.
    place: String,
    headers: HeaderMap,
    /// Parts of requests that must not come back in an error.
    secrets: Vec<Secret>,
    gzip: bool,
    /// Largest body before it is compressed, in bytes.
    pub(super) limit: usize,
    timeout: Duration,
    tokens: Option<TokenSource>,
    token: Option<Token>,
}

/// What was answered.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    /// Not before this time, says the receiver.
    pub(super) retry_at: Option<Timestamp>,
}

impl Exchange {
    /// `place` names the product and the address without anything secret.
    pub(super) fn new(transport: Transport, url: Url, place: String) -> Self {
        Self {
            transport,
            url,
            place,
            headers: HeaderMap::new(),
            secrets: Vec::new(),
            gzip: false,
            limit: usize::MAX,
            timeout: TIMEOUT,
            tokens: None,
            token: None,
        }
    }

    pub(super) fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// A text that a careless receiver might repeat in its answer.
    pub(super) fn secret(mut self, secret: Secret) -> Self {
        self.secrets.push(secret);
        self
    }

    pub(super) fn gzip(self, gzip: bool) -> Self {
        Self { gzip, ..self }
    }

    pub(super) fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    pub(super) fn tokens(self, tokens: TokenSource) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    #[cfg(test)]
    pub(super) fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Posts a body once.
    ///
    /// # Errors
    /// [`Code::SinkUnavailable`] if there is no whole answer.
    pub(super) async fn post(&mut self, body: &[u8]) -> Result<Answer> {
        let mut headers = self.headers.clone();
        if let Some(tokens) = &self.tokens {
            let token = match self.token.take().filter(Token::is_good) {
                Some(token) => token,
                None => tokens.ask(self).await?,
            };
            headers.insert(AUTHORIZATION, token.value.clone());
            self.token = Some(token);
        }
        let body = if self.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            compressed(body)
        } else {
            Bytes::copy_from_slice(body)
        };
        let answer = self.send(self.url.clone(), headers, body).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.token = None;
        }
        Ok(answer)
    }

    /// Posts to any address with the transport and the limits of this one.
    pub(super) async fn send(&self, url: Url, headers: HeaderMap, body: Bytes) -> Result<Answer> {
        let mut request = Request::new(Method::POST, url);
        request.headers = headers;
        request.body = Some(body);
        request.timeout = self.timeout;
        request.max_body = MAX_ANSWER;
        request.follow_redirects = false;
        let failed = |failure: Failure| self.unanswered(&failure.error);
        let mut response = self.transport.send(request).await.map_err(failed)?;
        let now = Timestamp::now();
        let wait = response
            .headers
            .get(RETRY_AFTER)
            .and_then(|value| retry::retry_after(value.to_str().ok()?, now));
        let retry_at = wait.and_then(|wait| now.checked_add(wait.min(MAX_WAIT)).ok());
        let body = response.bytes().await.map_err(|error| self.unanswered(&error))?;
        Ok(Answer { status: response.status, body, retry_at })
    }

    /// There was no answer, or not a whole one.
    fn unanswered(&self, error: &Error) -> Error {
        let cause = match &error.cause {
            Some(cause) => format!("{}: {cause}", error.what),
            None => error.what.clone(),
        };
        let fix = match (error.code, &error.fix) {
            (Code::NetTlsIntercept, _) => {
                "give the certificate of its authority as `authority` of the sink, or add it to \
                 those that this machine trusts"
            }
            (Code::NetUnreachable | Code::DataIncomplete, _) => {
                "check that it runs, and that the firewall lets this machine reach it"
            }
            (Code::AppTimeout, _) => "if this lasts, look into the receiver's own log",
            (Code::DataTooLarge, _) => "check the address: no receiver of events answers so much",
            (_, Some(fix)) => fix,
            (_, None) => "check the address of the sink in the connection file",
        };
        Error::new(Code::SinkUnavailable, format!("{} does not answer", self.place))
            .cause(self.clean(&cause))
            .fix(fix)
    }

    /// There was an answer, but events were not taken.
    /// What it said of the `lines` of a log may repeat parts of them, which are left out.
    pub(super) fn failed(&self, problem: &Problem, answer: &Answer, lines: &[u8]) -> Error {
        Error::new(Code::SinkUnavailable, format!("{} does not take events", self.place))
            .cause(without(&self.clean(&problem.said), lines))
            .fix(&problem.fix)
            .retry(Retry::Later(answer.retry_at))
    }

    /// Why an event is refused that would make a body of so many bytes.
    pub(super) fn too_large(&self, bytes: usize) -> String {
        format!("alone it makes a request of {bytes} bytes, and {} is the most", self.limit)
    }

    fn clean(&self, said: &str) -> String {
        let secrets = self.secrets.iter().map(Secret::expose).filter(|secret| !secret.is_empty());
        let said = secrets.fold(said.to_owned(), |said, secret| said.replace(secret, "***"));
        printable(&said, SHOWN)
    }
}

/// A text without what it repeats of events, as far as that is longer than a word.
fn without(said: &str, lines: &[u8]) -> String {
    let ends = |text: &str| -> Vec<usize> {
        text.char_indices().map(|(at, c)| at + c.len_utf8()).skip(REPEATED - 1).collect()
    };
    let is_content = |text: &str| memchr::memmem::find(lines, text.as_bytes()).is_some();
    let mut shown = String::new();
    let mut rest = said;
    while let Some(first) = rest.chars().next() {
        let content = ends(rest).into_iter().take_while(|&end| is_content(&rest[..end])).last();
        let end = content.unwrap_or(first.len_utf8());
        shown.push(if content.is_some() { '…' } else { first });
        rest = &rest[end..];
    }
    shown
}

fn compressed(body: &[u8]) -> Bytes {
    let buffer = Vec::with_capacity(body.len() / 4);
    let mut encoder = GzEncoder::new(buffer, flate2::Compression::fast());
    // Memory takes everything.
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    Bytes::from(written.unwrap_or_default())
}

//! The HTTP Event Collector of Splunk.
//!
//! Bodies are as in "Format events for HTTP Event Collector", and answers as in "Troubleshoot HTTP
//! Event Collector", both of Splunk's manual "Getting Data In" (help.splunk.com, Splunk Enterprise).

use longshore_engine::connection::{ConnectionFile, Source, SplunkHec};
use longshore_engine::error::Result;
use longshore_engine::http::StatusCode;
use longshore_engine::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use longshore_engine::secret::Secret;
use longshore_engine::sink::Log;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::exchange::{Answer, Exchange};
use super::{HttpSink, Problem, Protocol, Verdict, by_status, settings};
use crate::event::{Head, read_raw};

/// Reads the section `splunk_hec`.
pub(crate) fn splunk_hec(source: &Source, config: &SplunkHec) -> Result<HttpSink> {
    let url = settings::below(source, &config.url, &["services", "collector", "event"])?;
    let token = ConnectionFile::given(source, "`token` of the sink", &config.token)?;
    let mut headers = HeaderMap::new();
    let authorization = format!("Splunk {token}");
    headers.insert(AUTHORIZATION, settings::header(source, config.token.span, &authorization)?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let place = settings::place("Splunk", &url);
    let transport = settings::transport(source, config.authority.as_deref())?;
    let exchange = Exchange::new(transport, url, place).headers(headers).secret(Secret::new(token));
    let sourcetype = config.sourcetype.as_ref();
    let protocol = Collector {
        index: config.index.as_ref().map(|index| index.value.clone()),
        sourcetype: sourcetype.map_or_else(|| "longshore:ocsf".to_owned(), |t| t.value.clone()),
    };
    Ok(HttpSink::new(exchange, protocol))
}

pub(super) struct Collector {
    pub(super) index: Option<String>,
    pub(super) sourcetype: String,
}

/// One event with its metadata; several of them simply follow each other.
#[derive(Serialize)]
struct Envelope<'e> {
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<f64>,
    source: &'e str,
    sourcetype: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<&'e str>,
    event: &'e RawValue,
}

/// What Splunk answers, whatever the status.
#[derive(Deserialize)]
struct Said {
    text: String,
    code: i64,
    /// The place in the request of the first event that is wrong, from 0.
    #[serde(rename = "invalid-event-number")]
    invalid: Option<usize>,
}

impl Protocol for Collector {
    fn write(&self, log: Log<'_>, events: &[&[u8]], body: &mut Vec<u8>) -> Result<()> {
        let origin = format!("longshore:{}:{}", log.connection, log.stream);
        for event in events {
            let head = Head::read(event)?;
            let envelope = Envelope {
                // Milliseconds are whole below 2^53, and print as such: 285,000 years.
                time: head.time.map(|time| time as f64 / 1000.0),
                source: &origin,
                sourcetype: &self.sourcetype,
                index: self.index.as_deref(),
                event: read_raw(event)?,
            };
            crate::event::append(body, &envelope)?;
        }
        Ok(())
    }

    fn read(&self, answer: &Answer, _: usize) -> Verdict {
        let Ok(said) = serde_json::from_slice::<Said>(&answer.body) else {
            return match by_status(answer, None) {
                // Some proxy or another program answered.
                Verdict::Taken => Verdict::Later(Problem::new(
                    format!("it answers {} without a code", answer.status),
                    "check that the address is that of an HTTP Event Collector",
                )),
                verdict => verdict,
            };
        };
        let text = format!("{} (code {})", said.text, said.code);
        let fix = match said.code {
            0 if answer.status.is_success() => return Verdict::Taken,
            // Invalid data format; event field required, or blank; error in indexed fields.
            6 | 12 | 13 | 15 if answer.status == StatusCode::BAD_REQUEST => {
                return Verdict::Wrong { at: said.invalid, reason: text };
            }
            1 => "enable the token in Splunk, under HTTP Event Collector",
            2..=4 => "check `token` of the sink, and that the collector is enabled in Splunk",
            7 => {
                "correct `index` of the sink, or add it to those that the token may write to, and \
                 create it if it does not exist"
            }
            10 | 11 | 14 => "turn off indexer acknowledgement for the token",
            _ => return by_status(answer, Some(&text)),
        };
        Verdict::Later(Problem::new(text, fix))
    }
}

//! OpenTelemetry logs by HTTP, in JSON.
//!
//! As in the "OTLP Specification" (opentelemetry.io/docs/specs/otlp), sections "OTLP/HTTP" and "JSON
//! Protobuf Encoding", with the messages of opentelemetry-proto's `logs.proto` and
//! `logs_service.proto`, and attributes of the semantic conventions.

use longshore_engine::connection::{Otlp, Source};
use longshore_engine::error::Result;
use longshore_engine::http::StatusCode;
use longshore_engine::http::header::{CONTENT_TYPE, HeaderValue};
use longshore_engine::sink::Log;
use serde::{Deserialize, Serialize};

use super::any_value;
use super::exchange::{Answer, Exchange};
use super::{HttpSink, Problem, Protocol, Verdict, by_status, settings};
use crate::event::{Head, append};

/// Reads the section `otlp`.
pub(crate) fn otlp(source: &Source, config: &Otlp) -> Result<HttpSink> {
    let url = settings::below(source, &config.url, &["v1", "logs"])?;
    let place = settings::place("the OpenTelemetry collector", &url);
    let (mut headers, secrets) = settings::headers(source, &config.headers)?;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let transport = settings::transport(source, config.authority.as_deref())?;
    let exchange = Exchange::new(transport, url, place)
        .headers(headers)
        .gzip(settings::gzip(source, config.compress.as_ref())?);
    let exchange = secrets.into_iter().fold(exchange, Exchange::secret);
    Ok(HttpSink::new(exchange, Logs))
}

pub(super) struct Logs;

/// A text attribute (`KeyValue` with an `AnyValue`).
#[derive(Serialize)]
struct Attribute<'e> {
    key: &'static str,
    value: Text<'e>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Text<'e> {
    string_value: &'e str,
}

fn attribute<'e>(key: &'static str, text: &'e str) -> Attribute<'e> {
    Attribute { key, value: Text { string_value: text } }
}

/// `severityNumber` for an OCSF `severity_id` ("Severity Fields" of the logs data model): numbers, as
/// names of enumerations are not allowed.
fn severity(severity_id: Option<i64>) -> u8 {
    match severity_id {
        // Informational, low, medium, high, critical, fatal: INFO, INFO2, WARN, ERROR, ERROR3, FATAL.
        Some(1) => 9,
        Some(2) => 10,
        Some(3) => 13,
        Some(4) => 17,
        Some(5) => 19,
        Some(6) => 21,
        _ => 0,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    partial_success: Option<Partial>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Partial {
    rejected_log_records: Count,
    error_message: String,
}

/// An `int64`, which is a text in JSON, and a number for some.
#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(i64),
    Text(String),
}

impl Default for Count {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl Protocol for Logs {
    fn write(&self, log: Log<'_>, events: &[&[u8]], body: &mut Vec<u8>) -> Result<()> {
        let resource = [
            attribute("service.name", "longshore"),
            attribute("service.version", env!("CARGO_PKG_VERSION")),
            attribute("service.instance.id", log.connection),
        ];
        body.extend_from_slice(b"{\"resourceLogs\":[{\"resource\":{\"attributes\":");
        append(body, &resource)?;
        body.extend_from_slice(b"},\"scopeLogs\":[{\"scope\":{\"name\":");
        append(body, &log.stream)?;
        body.extend_from_slice(b"},\"logRecords\":[");
        // What a value is wrapped in is a good deal longer than the value.
        body.reserve(events.iter().map(|event| event.len() * 4).sum());
        for (at, event) in events.iter().enumerate() {
            let head = Head::read(event)?;
            if at > 0 {
                body.push(b',');
            }
            body.push(b'{');
            // Nanoseconds since 1970 without a sign; 0 is an unknown time.
            if let Some(time) = head.time.filter(|time| *time > 0) {
                body.extend_from_slice(format!("\"timeUnixNano\":\"{time}000000\",").as_bytes());
            }
            body.extend_from_slice(b"\"severityNumber\":");
            append(body, &severity(head.severity_id))?;
            body.extend_from_slice(b",\"attributes\":");
            append(body, &[attribute("log.record.uid", head.uid())])?;
            body.extend_from_slice(b",\"body\":");
            any_value::append(body, event)?;
            body.push(b'}');
        }
        body.extend_from_slice(b"]}]}]}");
        Ok(())
    }

    fn read(&self, answer: &Answer, _: usize) -> Verdict {
        if answer.status != StatusCode::OK {
            return match by_status(answer, None) {
                Verdict::Taken if answer.body.is_empty() => Verdict::Taken,
                Verdict::Taken => unclear(answer),
                verdict => verdict,
            };
        }
        // Some receivers leave out the empty message.
        if answer.body.is_empty() {
            return Verdict::Taken;
        }
        let Ok(said) = serde_json::from_slice::<Said>(&answer.body) else { return unclear(answer) };
        let Partial { rejected_log_records, error_message } =
            said.partial_success.unwrap_or_default();
        let rejected = match rejected_log_records {
            Count::Number(number) => Some(number),
            Count::Text(text) => text.parse().ok(),
        };
        match rejected {
            None => unclear(answer),
            Some(0) => Verdict::Taken,
            // It does not say which ones: they are found by sending fewer.
            Some(_) => Verdict::Wrong { at: None, reason: error_message },
        }
    }
}

fn unclear(answer: &Answer) -> Verdict {
    Verdict::Later(Problem::new(
        format!("it answers {} with something that is not of OTLP", answer.status),
        "check that the address is that of an OTLP receiver for HTTP, usually on port 4318",
    ))
}

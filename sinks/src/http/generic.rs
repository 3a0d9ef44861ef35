//! Any address that takes JSON by HTTP.

use longshore_engine::connection::{ConnectionFile, Http, HttpBody, Source};
use longshore_engine::error::Result;
use longshore_engine::http::header::{CONTENT_TYPE, HeaderValue};
use longshore_engine::secret::Secret;
use longshore_engine::sink::Log;

use super::exchange::{Answer, Exchange};
use super::{HttpSink, Protocol, Verdict, by_status, settings};

/// Reads the section `http`.
pub(crate) fn http(source: &Source, config: &Http) -> Result<HttpSink> {
    let text = ConnectionFile::given(source, "the address of the sink", &config.url)?;
    let url = settings::address(source, config.url.span, &text)?;
    let place = settings::place("the receiver", &url);
    let (mut headers, secrets) = settings::headers(source, &config.headers)?;
    let body = config.body.as_ref().map(|body| body.value).unwrap_or_default();
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(match body {
        HttpBody::Lines => "application/x-ndjson",
        HttpBody::Array => "application/json",
    }));
    let transport = settings::transport(source, config.authority.as_deref())?;
    let exchange = Exchange::new(transport, url, place)
        .headers(headers)
        .gzip(settings::gzip(source, config.compress.as_ref())?)
        .secret(Secret::new(text));
    let exchange = secrets.into_iter().fold(exchange, Exchange::secret);
    Ok(HttpSink::new(exchange, Generic { body }))
}

pub(super) struct Generic {
    pub(super) body: HttpBody,
}

impl Protocol for Generic {
    fn write(&self, _: Log<'_>, events: &[&[u8]], body: &mut Vec<u8>) -> Result<()> {
        match self.body {
            HttpBody::Lines => {
                for event in events {
                    body.extend_from_slice(event);
                    body.push(b'\n');
                }
            }
            HttpBody::Array => {
                for event in events {
                    body.push(if body.is_empty() { b'[' } else { b',' });
                    body.extend_from_slice(event);
                }
                body.push(b']');
            }
        }
        Ok(())
    }

    fn read(&self, answer: &Answer, _: usize) -> Verdict {
        by_status(answer, None)
    }
}

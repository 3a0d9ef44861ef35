//! The bulk API of Elasticsearch and OpenSearch.
//!
//! As in "Bulk index or delete documents" of the Elasticsearch API reference (elastic.co/docs) and
//! "Bulk" of the OpenSearch documentation (docs.opensearch.org). Data streams take `create` alone, and
//! only with `@timestamp` ("Use a data stream" of the Elasticsearch guide).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use longshore_engine::connection::{ConnectionFile, Elasticsearch, Source};
use longshore_engine::error::{Code, Result, printable};
use longshore_engine::http::StatusCode;
use longshore_engine::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use longshore_engine::secret::Secret;
use longshore_engine::sink::Log;
use serde::{Deserialize, Serialize};

use super::exchange::{Answer, Exchange};
use super::{HttpSink, Of, Problem, Protocol, SHOWN, Verdict, by_status, settings};
use crate::event::{Head, append, with_time};
use crate::template::PerStream;

/// The answer is asked to be as short as it can be.
const QUERY: &str = "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason";

/// Reads the section `elasticsearch`.
pub(crate) fn elasticsearch(source: &Source, config: &Elasticsearch) -> Result<HttpSink> {
    let mut url = settings::below(source, &config.url, &["_bulk"])?;
    url.set_query(Some(QUERY));
    let place = settings::place("Elasticsearch", &url);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    let transport = settings::transport(source, config.authority.as_deref())?;
    let mut exchange = Exchange::new(transport, url, place);
    let authorization = match (&config.api_key, &config.user, &config.password) {
        (None, None, None) => None,
        (Some(key), None, None) => {
            let text = ConnectionFile::given(source, "`api_key` of the sink", key)?;
            exchange = exchange.secret(Secret::new(&text));
            Some((key.span, format!("ApiKey {text}")))
        }
        (None, Some(user), Some(password)) => {
            let name = ConnectionFile::given(source, "`user` of the sink", user)?;
            let text = ConnectionFile::given(source, "`password` of the sink", password)?;
            let pair = BASE64.encode(format!("{name}:{text}"));
            exchange = exchange.secret(Secret::new(text)).secret(Secret::new(&pair));
            Some((password.span, format!("Basic {pair}")))
        }
        (key, user, password) => {
            let span = [key, user, password].into_iter().flatten().next().map(|given| given.span);
            return Err(source
                .error(span.unwrap_or_default(), Code::InputInvalid, "it is not clear who writes")
                .cause("there is an `api_key` and a `user`, or one of `user` and `password` alone")
                .fix("give either `api_key`, or `user` and `password`"));
        }
    };
    if let Some((span, text)) = authorization {
        headers.insert(AUTHORIZATION, settings::header(source, span, &text)?);
    }
    Ok(HttpSink::new(exchange.headers(headers), Bulk { index: index(source, config)? }))
}

/// The name of an index, with `{stream}` in it, after the rules of "Create an index" of the API
/// reference: a wrong one would be refused for each document.
fn index(source: &Source, config: &Elasticsearch) -> Result<PerStream> {
    let wrong = |c: char| c.is_uppercase() || " \\/*?\"<>|,#:".contains(c) || c.is_control();
    let is_name = |index: &PerStream| {
        let name = index.name("stream");
        !name.is_empty()
            && name.len() <= 255
            && !name.starts_with(['-', '_', '+', '.'])
            && !name.contains(wrong)
    };
    PerStream::parse(&config.index).filter(is_name).ok_or_else(|| {
        source
            .error(config.index.span, Code::InputInvalid, "this is not the name of an index")
            .cause("it is empty or too long, or has upper case letters or other characters that are not allowed")
            .fix("write it like logs-longshore-default or longshore-{stream}")
    })
}

pub(super) struct Bulk {
    pub(super) index: PerStream,
}

#[derive(Serialize)]
struct Action<'e> {
    create: Target<'e>,
}

#[derive(Serialize)]
struct Target<'e> {
    _index: &'e str,
    _id: &'e str,
}

#[derive(Deserialize)]
struct Said {
    errors: bool,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    create: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    error: Option<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(rename = "type")]
    kind: Option<String>,
    reason: Option<String>,
}

/// What is answered if the whole request fails.
#[derive(Deserialize)]
struct Failed {
    error: Reason,
}

impl Reason {
    /// In words, without the value that some of them quote at the end.
    fn text(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or_default();
        let reason = reason.split(". Preview of field's value").next().unwrap_or_default();
        let kind = self.kind.as_deref().unwrap_or("unknown error");
        printable(&format!("{kind}: {reason}"), SHOWN)
    }
}

impl Outcome {
    fn of(&self) -> Of {
        let text = self.error.as_ref().map_or_else(|| "no reason".to_owned(), Reason::text);
        let fix = match self.status {
            // It exists already: this is a repeat.
            200 | 201 | 409 => return Of::Taken,
            400 | 413 => return Of::Refused(text),
            401 | 403 => {
                "give the sink's user or key the privilege `create_doc` for the index, and \
                 `auto_configure` if it does not exist yet; a full disk blocks writing, too"
            }
            404 => "create the index or data stream, or correct `index` of the sink",
            _ => "nothing to do unless it lasts: then look at the load of the cluster",
        };
        Of::Later(Problem::new(format!("{} for an event: {text}", self.status), fix))
    }
}

impl Protocol for Bulk {
    fn write(&self, log: Log<'_>, events: &[&[u8]], body: &mut Vec<u8>) -> Result<()> {
        let index = self.index.name(log.stream);
        for event in events {
            let head = Head::read(event)?;
            append(body, &Action { create: Target { _index: &index, _id: head.uid() } })?;
            body.push(b'\n');
            with_time(body, "@timestamp", &head, event);
            body.push(b'\n');
        }
        Ok(())
    }

    fn read(&self, answer: &Answer, events: usize) -> Verdict {
        if answer.status != StatusCode::OK {
            let failed: Option<Failed> = serde_json::from_slice(&answer.body).ok();
            let text = failed.map(|failed| failed.error.text());
            return match by_status(answer, text.as_deref()) {
                Verdict::Taken => unclear(format!("it answers {}", answer.status)),
                verdict => verdict,
            };
        }
        match serde_json::from_slice::<Said>(&answer.body) {
            Err(error) => unclear(format!("its answer cannot be read: {error}")),
            Ok(said) if said.items.len() != events => {
                unclear(format!("it tells of {} events, and {events} were sent", said.items.len()))
            }
            Ok(said) if !said.errors => Verdict::Taken,
            Ok(said) => Verdict::Each(said.items.iter().map(|item| item.create.of()).collect()),
        }
    }
}

fn unclear(said: String) -> Verdict {
    Verdict::Later(Problem::new(
        said,
        "check that the address is that of Elasticsearch or OpenSearch, and nothing between alters \
         what it answers",
    ))
}

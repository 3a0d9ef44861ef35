//! The requests of a stream, whether it has one or two steps.

use longshore_schema::action::{ActionRequest, Json};
use longshore_schema::decode::Decode;
use longshore_schema::scalar::Name;
use longshore_schema::stream::{Pages, Promise, Request, Stream};
use longshore_schema::{JsonPath, OneOrMany, Span, Spanned, Template};

/// One request with how its answer is read.
#[derive(Clone, Copy)]
pub(crate) struct Fetch<'m> {
    /// The step's name; none for a stream of one request.
    pub(crate) step: Option<&'m Spanned<Name>>,
    pub(crate) request: &'m Spanned<Request>,
    pub(crate) decode: &'m Decode,
    pub(crate) records: Option<&'m Spanned<JsonPath>>,
    pub(crate) pages: Option<&'m Spanned<Pages>>,
    pub(crate) promise: Option<&'m Spanned<Promise>>,
    pub(crate) key: Option<&'m Spanned<OneOrMany<Spanned<JsonPath>>>>,
}

/// Which part of a request a template writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Url,
    Query,
    Header,
    Form,
    Json,
}

/// The requests of a stream in order.
pub(crate) fn fetches(stream: &Stream) -> Vec<Fetch<'_>> {
    let own = stream.request.as_ref().map(|request| Fetch {
        step: None,
        request,
        decode: &stream.decode,
        records: stream.records.as_ref(),
        pages: stream.pages.as_ref(),
        promise: stream.promise.as_ref(),
        key: Some(&stream.key),
    });
    let steps = stream.steps.iter().map(|(name, step)| Fetch {
        step: Some(name),
        request: &step.request,
        decode: &step.decode,
        records: step.records.as_ref(),
        pages: step.pages.as_ref(),
        promise: step.promise.as_ref(),
        key: step.key.as_ref(),
    });
    own.into_iter().chain(steps).collect()
}

/// All templates of a request.
pub(crate) fn templates(request: &Request) -> Vec<(&Template, Span, Part)> {
    let urls = request.get.iter().chain(&request.post).map(|url| (&url.value, url.span, Part::Url));
    let query = request.query.iter().map(|(_, value)| (&value.value.0, value.span, Part::Query));
    let headers = request.headers.iter().map(|(_, value)| (&value.value, value.span, Part::Header));
    let form = request.form.iter().map(|(_, value)| (&value.value.0, value.span, Part::Form));
    urls.chain(query).chain(headers).chain(form).collect()
}

/// All templates of a request that changes something.
pub(crate) fn action_templates(request: &ActionRequest) -> Vec<(&Template, Span, Part)> {
    let urls = request.methods().into_iter().map(|(_, url)| (&url.value, url.span, Part::Url));
    let query = request.query.iter().map(|(_, value)| (&value.value.0, value.span, Part::Query));
    let headers = request.headers.iter().map(|(_, value)| (&value.value, value.span, Part::Header));
    let form = request.form.iter().map(|(_, value)| (&value.value.0, value.span, Part::Form));
    let mut all: Vec<_> = urls.chain(query).chain(headers).chain(form).collect();
    let mut left: Vec<_> = request.json.iter().collect();
    while let Some(json) = left.pop() {
        match &json.value {
            Json::Null | Json::Literal(_) => {}
            Json::Template(template) => all.push((template, json.span, Part::Json)),
            Json::Array(items) => left.extend(items.iter().rev()),
            Json::Object(members) => left.extend(members.iter().rev().map(|(_, value)| value)),
        }
    }
    all
}

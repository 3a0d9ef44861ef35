//! The requests of a stream, whether it has one or several steps.

use longshore_schema::action::ActionRequest;
use longshore_schema::decode::Decode;
use longshore_schema::scalar::Name;
use longshore_schema::stream::{Json, Pages, Parameter, Promise, Request, Step, Stream};
use longshore_schema::{JsonPath, OneOrMany, Span, Spanned, Table, Template};

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
    /// The other settings of a step.
    pub(crate) settings: Option<&'m Step>,
}

/// Which part of a request a template writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Url,
    BaseUrl,
    Query,
    Header,
    Form,
    Json,
    Text,
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
        settings: None,
    });
    let steps = stream.steps.iter().map(|(name, step)| Fetch {
        step: Some(name),
        request: &step.request,
        decode: &step.decode,
        records: step.records.as_ref(),
        pages: step.pages.as_ref(),
        promise: step.promise.as_ref(),
        key: step.key.as_ref(),
        settings: Some(step),
    });
    own.into_iter().chain(steps).collect()
}

/// The requests that read on from the first page, and free what that left open.
pub(crate) fn following(pages: &Pages) -> Vec<&Spanned<Request>> {
    match pages {
        Pages::Scroll(scroll) => std::iter::once(&scroll.next).chain(&scroll.release).collect(),
        _ => Vec::new(),
    }
}

type Parameters = Table<String, OneOrMany<Spanned<Parameter>>>;

fn parameters(table: &Parameters, part: Part) -> impl Iterator<Item = (&Template, Span, Part)> {
    let values = table.iter().flat_map(|(_, values)| &values.0);
    values.map(move |value| (&value.value.0, value.span, part))
}

/// All templates of a request.
pub(crate) fn templates(request: &Request) -> Vec<(&Template, Span, Part)> {
    let json = |json| Json::templates(json).into_iter().map(|(t, span)| (t, span, Part::Json));
    let urls = request.methods().into_iter().map(|(_, url)| (&url.value, url.span, Part::Url));
    let base = request.base_url.iter().map(|url| (&url.value, url.span, Part::BaseUrl));
    let headers = request.headers.iter().map(|(_, value)| (&value.value, value.span, Part::Header));
    let variables = request.graphql.iter().flat_map(|query| &query.variables);
    urls.chain(base)
        .chain(parameters(&request.query, Part::Query))
        .chain(headers)
        .chain(parameters(&request.form, Part::Form))
        .chain(request.json.iter().flat_map(json))
        .chain(variables.flat_map(|(_, value)| json(value)))
        .chain(request.text.iter().map(|text| (&text.value, text.span, Part::Text)))
        .collect()
}

/// All templates of a request that changes something.
pub(crate) fn action_templates(request: &ActionRequest) -> Vec<(&Template, Span, Part)> {
    let json = |json| Json::templates(json).into_iter().map(|(t, span)| (t, span, Part::Json));
    let urls = request.methods().into_iter().map(|(_, url)| (&url.value, url.span, Part::Url));
    let headers = request.headers.iter().map(|(_, value)| (&value.value, value.span, Part::Header));
    urls.chain(parameters(&request.query, Part::Query))
        .chain(headers)
        .chain(parameters(&request.form, Part::Form))
        .chain(request.json.iter().flat_map(json))
        .collect()
}

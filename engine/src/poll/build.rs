//! Makes requests of what the manifest declares.

use bytes::Bytes;
use longshore_schema::http::Reaction;
use longshore_schema::stream::{Parameter, Request};
use longshore_schema::template::Part;
use longshore_schema::{OneOrMany, Spanned, Table, Template};
use serde_json::{Map, Value};
use url::Url;

use crate::auth::Tokens;
use crate::error::{Code, Error, Result};
use crate::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use crate::http::{self, Hosts, Method};
use crate::plan::Plan;
use crate::render::json::render_json;
use crate::render::{Scope, render, render_all, render_url};

/// What to request.
#[derive(Clone, Copy)]
pub enum Target<'t> {
    /// The manifest's request.
    Declared(&'t Request),
    /// The URL of a next page, with the request's headers and body.
    Link(&'t Url, &'t Request),
}

impl<'t> Target<'t> {
    /// The manifest's request.
    #[must_use]
    pub fn declared(&self) -> &'t Request {
        match self {
            Self::Declared(declared) | Self::Link(_, declared) => declared,
        }
    }
}

/// A request that cannot be made, and what is to be done about that.
#[derive(Debug)]
pub(crate) struct Unmade {
    pub(crate) error: Error,
    pub(crate) reaction: Reaction,
}

impl From<Error> for Unmade {
    fn from(error: Error) -> Self {
        Self { error, reaction: Reaction::Stop }
    }
}

/// Fills a request's templates. Refused if one of them has no value, or one that leads out of its
/// place.
pub(crate) fn build(
    plan: &Plan,
    target: &Target<'_>,
    scope: &Scope<'_>,
    tokens: Option<&Tokens>,
) -> Result<http::Request, Unmade> {
    let scope = &Scope { auth: tokens.map(|tokens| &tokens.fields), ..*scope };
    let declared = target.declared();
    let url = match target {
        Target::Link(url, _) => (*url).clone(),
        Target::Declared(_) => declared_url(plan, declared, scope)?,
    };
    let mut request = http::Request::new(method_of(declared)?.0, url);
    request.timeout = plan.timeout;
    let common = plan.headers.iter().map(|(name, value)| (name.as_str(), value));
    let own = declared.headers.iter().map(|(name, value)| (name.value.as_str(), &value.value));
    if let Some((kind, body)) = body_of(declared, scope)? {
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        request.body = Some(body);
    }
    if declared.graphql.is_some() {
        // GraphQL over HTTP, section 4.1: the older media type is what all servers know.
        request.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    }
    for (name, template) in common.chain(own) {
        set_header(&mut request.headers, name, template, scope)?;
    }
    // A login comes before there is anything to send, and often before the base URL is known.
    let signed_in = tokens.is_some() || !plan.auth.has_tokens();
    if declared.auth.is_none() && signed_in {
        let home = home(plan, declared, scope)?;
        request.credentials = plan.auth.credentials(tokens, scope, &home)?;
    }
    Ok(request)
}

/// Whether new tokens belong to another host than old ones: links of the old one are of no use.
pub(super) fn has_moved(
    plan: &Plan,
    scope: &Scope<'_>,
    old: &Tokens,
    new: &Tokens,
) -> Result<bool> {
    let base = |tokens: &Tokens| {
        url(
            &render_all(&plan.base_url, &Scope { auth: Some(&tokens.fields), ..*scope })?,
            &plan.base_url,
        )
    };
    Ok(base(old)?.host() != base(new)?.host())
}

fn method_of(declared: &Request) -> Result<(Method, &Template)> {
    let (name, url) =
        declared.method().ok_or_else(|| Error::new(Code::Internal, "a request has no method"))?;
    let method = match name {
        "get" => Method::GET,
        "post" => Method::POST,
        "put" => Method::PUT,
        "patch" => Method::PATCH,
        "delete" => Method::DELETE,
        _ => Method::HEAD,
    };
    Ok((method, &url.value))
}

/// The body with its media type, which a header of the request may replace.
fn body_of(declared: &Request, scope: &Scope<'_>) -> Result<Option<(&'static str, Bytes)>> {
    const JSON: &str = "application/json";
    if let Some(json) = &declared.json {
        let value = render_json(&json.value, scope)?.unwrap_or(Value::Null);
        return Ok(Some((JSON, value.to_string().into())));
    }
    if let Some(graphql) = &declared.graphql {
        let mut variables = Map::new();
        for (name, value) in &graphql.variables {
            if let Some(value) = render_json(&value.value, scope)? {
                variables.insert(name.value.clone(), value);
            }
        }
        let mut body = Map::new();
        body.insert("query".to_owned(), graphql.query.as_str().into());
        if !variables.is_empty() {
            body.insert("variables".to_owned(), variables.into());
        }
        if let Some(operation) = &graphql.operation {
            body.insert("operationName".to_owned(), operation.value.as_str().into());
        }
        return Ok(Some((JSON, Value::Object(body).to_string().into())));
    }
    if let Some(text) = &declared.text {
        return Ok(Some(("text/plain; charset=utf-8", render_all(text, scope)?.into())));
    }
    if declared.form.is_empty() {
        return Ok(None);
    }
    let form = parameters(&declared.form, scope)?;
    Ok(Some(("application/x-www-form-urlencoded", form.into())))
}

/// What the path of a request is appended to.
fn base_of<'r>(plan: &'r Plan, declared: &'r Request) -> &'r Template {
    declared.base_url.as_ref().map_or(&plan.base_url, |base| &base.value)
}

/// The hosts that credentials are for: that of the base URL, and one that the manifest itself
/// writes into the request. A host that only the app names gets none.
fn home(plan: &Plan, declared: &Request, scope: &Scope<'_>) -> Result<Hosts> {
    let (_, template) = method_of(declared)?;
    let base = base_of(plan, declared);
    let base = url(&render_all(base, scope)?, base)?;
    let written = match template.parts().first() {
        Some(Part::Text(text)) if text.starts_with("https://") => {
            Some(url(&render_url(template, scope)?, template)?)
        }
        _ => None,
    };
    Hosts::new([Some(&base), written.as_ref()].into_iter().flatten().filter_map(Url::host_str))
}

fn declared_url(plan: &Plan, declared: &Request, scope: &Scope<'_>) -> Result<Url, Unmade> {
    let (_, template) = method_of(declared)?;
    let path = render_url(template, scope)?;
    let handed_out = matches!(template.parts().first(), Some(Part::Expression(_)));
    if !handed_out && has_dots(&path) {
        let error = Error::new(Code::DataGap, "a value would lead out of the path of its request")
            .cause(format!("`{template}` has `.` or `..` in the place of a name"))
            .fix("look at the item in the app: names like this are made to deceive");
        let reaction = if scope.named.is_empty() { Reaction::Stop } else { Reaction::Skip };
        return Err(Unmade { error, reaction });
    }
    let mut text = if path.starts_with('/') {
        let base = render_all(base_of(plan, declared), scope)?;
        format!("{}{path}", base.trim_end_matches('/'))
    } else {
        path
    };
    let query = parameters(&declared.query, scope)?;
    if !query.is_empty() {
        text.push(if text.contains('?') { '&' } else { '?' });
        text.push_str(&query);
    }
    Ok(url(&text, template)?)
}

/// Parameters in `application/x-www-form-urlencoded` form, those without a value left out.
fn parameters(
    table: &Table<String, OneOrMany<Spanned<Parameter>>>,
    scope: &Scope<'_>,
) -> Result<String> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, templates) in table {
        for template in &templates.0 {
            if let Some(value) = render(&template.value.0, scope)? {
                form.append_pair(&name.value, &value);
            }
        }
    }
    Ok(form.finish())
}

/// Whether a path has a segment that leads elsewhere (WHATWG URL, "single-dot" and "double-dot path
/// segment"). Encoding does not help: `%2e` counts as a dot.
fn has_dots(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.split('/').any(|segment| segment == "." || segment == "..")
}

fn url(text: &str, template: &Template) -> Result<Url> {
    Url::parse(text).map_err(|error| {
        Error::new(Code::InputInvalid, format!("`{template}` does not make a URL"))
            .cause(error.to_string())
            .fix("check the inputs and fields that it is made of")
    })
}

fn header_name(name: &str) -> Result<HeaderName> {
    name.parse().map_err(|_| {
        Error::new(Code::InputInvalid, format!("`{name}` is not a header name"))
            .fix("use letters, digits and hyphens")
    })
}

fn set_header(
    headers: &mut HeaderMap,
    name: &str,
    template: &Template,
    scope: &Scope<'_>,
) -> Result<()> {
    let Some(text) = render(template, scope)? else { return Ok(()) };
    let value = HeaderValue::from_str(&text).map_err(|_| {
        Error::new(Code::InputInvalid, format!("the value for the header `{name}` is not usable"))
            .cause("it has a line break or another character that no header can carry")
            .fix("check the inputs that it is made of")
    })?;
    headers.insert(header_name(name)?, value);
    Ok(())
}

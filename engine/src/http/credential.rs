//! What proves to an app who asks, and the hosts that may see it.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::auth::Signer;
use crate::error::{Code, Error, Result};
use crate::http::hosts::Hosts;
use crate::secret::Secret;

/// The media type of forms.
const FORM: &str = "application/x-www-form-urlencoded";

/// A request as it goes onto the wire.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

/// A secret that goes with requests, and the hosts it may be sent to. A request to any other host,
/// by a redirect or otherwise, goes without it.
#[derive(Clone)]
pub struct Credential {
    slot: Slot,
    hosts: Hosts,
}

/// Where a credential is put.
#[derive(Clone)]
enum Slot {
    Header(HeaderName, HeaderValue),
    Query(String, Secret),
    Cookie(String, HeaderValue),
    Body(String, Secret),
    Signature(Signer, Timestamp),
}

impl Credential {
    /// A credential in any header, e.g. `X-Api-Key`.
    ///
    /// # Errors
    /// [`Code::InputInvalid`] if the value cannot stand in a header.
    pub fn new(header: HeaderName, value: &Secret, hosts: Hosts) -> Result<Self> {
        let value = sensitive(value.expose(), header.as_str())?;
        Ok(Self { slot: Slot::Header(header, value), hosts })
    }

    /// An access token in the `Authorization` header (RFC 6750, section 2.1).
    ///
    /// # Errors
    /// [`Code::InputInvalid`] if the token cannot stand in a header.
    pub fn bearer(token: &Secret, hosts: Hosts) -> Result<Self> {
        Self::new(AUTHORIZATION, &Secret::new(format!("Bearer {}", token.expose())), hosts)
    }

    /// A credential in a query parameter. It is added when the request is sent: no message and no
    /// link that an app makes of the request has it from us.
    #[must_use]
    pub fn query(name: &str, value: Secret, hosts: Hosts) -> Self {
        Self { slot: Slot::Query(name.to_owned(), value), hosts }
    }

    /// A credential in a cookie (RFC 6265, section 4.2.1).
    ///
    /// # Errors
    /// [`Code::InputInvalid`] if name or value cannot stand in a cookie.
    pub fn cookie(name: &str, value: &Secret, hosts: Hosts) -> Result<Self> {
        let plain = |text: &str| !text.contains([';', ',', ' ', '"', '\\', '\t']);
        if !plain(name) || name.contains('=') || !plain(value.expose()) {
            return Err(unusable(name));
        }
        let pair = sensitive(&format!("{name}={}", value.expose()), name)?;
        Ok(Self { slot: Slot::Cookie(name.to_owned(), pair), hosts })
    }

    /// A credential in the form or JSON object that a request sends.
    #[must_use]
    pub fn body(name: &str, value: Secret, hosts: Hosts) -> Self {
        Self { slot: Slot::Body(name.to_owned(), value), hosts }
    }

    /// A signature over the whole request. It must be the last of a request's credentials.
    #[must_use]
    pub fn signature(signer: Signer, now: Timestamp, hosts: Hosts) -> Self {
        Self { slot: Slot::Signature(signer, now), hosts }
    }

    /// Adds the credential if the request goes to one of its hosts.
    ///
    /// # Errors
    /// [`Code::InputInvalid`] if the request has no place for it.
    pub(super) fn apply(&self, request: &mut Outgoing) -> Result<()> {
        if !self.hosts.allows(&request.url) {
            return Ok(());
        }
        match &self.slot {
            Slot::Header(name, value) => {
                request.headers.insert(name.clone(), value.clone());
            }
            Slot::Query(name, value) => {
                // A link that the app made of an earlier request may have it already.
                if request.url.query_pairs().any(|(known, _)| known == name.as_str()) {
                    let others: Vec<_> = request
                        .url
                        .query_pairs()
                        .filter(|(known, _)| known != name.as_str())
                        .map(|(name, value)| (name.into_owned(), value.into_owned()))
                        .collect();
                    request.url.query_pairs_mut().clear().extend_pairs(others);
                }
                request.url.query_pairs_mut().append_pair(name, value.expose());
            }
            Slot::Cookie(name, pair) => {
                let others = request.headers.get(COOKIE).and_then(|value| value.to_str().ok());
                let others = others.into_iter().flat_map(|others| others.split("; "));
                let own = pair.to_str().unwrap_or_default();
                let others = others.filter(|other| other.split('=').next() != Some(name.as_str()));
                let all: Vec<_> = others.chain([own]).collect();
                request.headers.insert(COOKIE, sensitive(&all.join("; "), name)?);
            }
            Slot::Body(name, value) => into_body(request, name, value)?,
            Slot::Signature(signer, now) => signer.sign(request, *now)?,
        }
        Ok(())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.slot {
            Slot::Header(name, _) => name.as_str(),
            Slot::Query(name, _) | Slot::Cookie(name, _) | Slot::Body(name, _) => name,
            Slot::Signature(..) => "signature",
        };
        write!(f, "Credential({place}: ***, {})", self.hosts)
    }
}

fn sensitive(text: &str, place: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| unusable(place))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unusable(place: &str) -> Error {
    Error::new(Code::InputInvalid, format!("the credential for `{place}` is not usable"))
        .cause("it contains a line break or another character that cannot be sent there")
        .fix("enter it again, without anything before or after it")
}

/// Adds a member to a form or JSON object.
fn into_body(request: &mut Outgoing, name: &str, value: &Secret) -> Result<()> {
    let kind = request.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or(FORM).split(';').next().unwrap_or_default().trim().to_owned();
    let body = match (&request.body, kind.as_str()) {
        (None, _) if matches!(request.method, Method::GET | Method::HEAD) => None,
        (Some(body), "application/json") => match serde_json::from_slice(body) {
            Ok(Value::Object(mut members)) => {
                members.insert(name.to_owned(), value.expose().into());
                Some(Value::Object(members).to_string())
            }
            _ => None,
        },
        (body, FORM) => {
            let text = body.as_ref().map(|body| String::from_utf8_lossy(body).into_owned());
            let mut form = form_urlencoded::Serializer::new(text.unwrap_or_default());
            form.append_pair(name, value.expose());
            request.headers.insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
            Some(form.finish())
        }
        _ => None,
    };
    let Some(body) = body else {
        return Err(Error::new(Code::InputInvalid, "a request has no place for the key")
            .cause(format!(
                "the manifest puts it as `{name}` into the body, and this request sends neither a \
                 form nor a JSON object"
            ))
            .fix("give the request `form` or `json` in the manifest"));
    };
    request.body = Some(body.into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, url: &str) -> Outgoing {
        let url = Url::parse(url).unwrap();
        Outgoing { method, url, headers: HeaderMap::new(), body: None }
    }

    fn hosts() -> Hosts {
        Hosts::new(["api.example.com"]).unwrap()
    }

    #[test]
    fn a_credential_is_put_where_it_belongs_and_nowhere_else() {
        let secret = Secret::new("simulated key&+");
        let query = Credential::query("key", secret.clone(), hosts());
        let mut one = request(Method::GET, "https://api.example.com/a?b=c%20d");
        query.apply(&mut one).unwrap();
        assert_eq!(one.url.as_str(), "https://api.example.com/a?b=c%20d&key=simulated+key%26%2B");
        // Not twice, whatever the app's links say.
        let mut again = request(Method::GET, "https://api.example.com/a?key=old&b=c");
        query.apply(&mut again).unwrap();
        assert_eq!(again.url.query(), Some("b=c&key=simulated+key%26%2B"));
        let mut elsewhere = request(Method::GET, "https://files.example.com/a");
        query.apply(&mut elsewhere).unwrap();
        assert_eq!(elsewhere.url.query(), None);

        let cookie = Credential::cookie("SID", &Secret::new("simulated"), hosts()).unwrap();
        let mut one = request(Method::GET, "https://api.example.com/");
        one.headers.insert(COOKIE, HeaderValue::from_static("lang=en; SID=old"));
        cookie.apply(&mut one).unwrap();
        assert_eq!(one.headers[COOKIE], "lang=en; SID=simulated");
        for bad in ["a;b", "a b", "a\nb"] {
            let error = Credential::cookie("SID", &Secret::new(bad), hosts()).unwrap_err();
            assert!(!error.to_string().contains(bad), "{error}");
        }
    }

    #[test]
    fn a_key_goes_into_a_form_or_a_json_object() {
        let key = Credential::body("api_key", Secret::new("simulated+"), hosts());
        let mut form = request(Method::POST, "https://api.example.com/");
        key.apply(&mut form).unwrap();
        assert_eq!(form.body.as_deref(), Some(&b"api_key=simulated%2B"[..]));
        form.body = Some("a=b".into());
        key.apply(&mut form).unwrap();
        assert_eq!(form.body.as_deref(), Some(&b"a=b&api_key=simulated%2B"[..]));

        let mut json = request(Method::POST, "https://api.example.com/");
        let kind = HeaderValue::from_static("application/json; charset=utf-8");
        json.headers.insert(CONTENT_TYPE, kind);
        json.body = Some(r#"{"a":1}"#.into());
        key.apply(&mut json).unwrap();
        assert_eq!(json.body.as_deref(), Some(&br#"{"a":1,"api_key":"simulated+"}"#[..]));

        json.body = Some("[1]".into());
        let error = key.apply(&mut json).unwrap_err();
        assert_eq!(error.code, Code::InputInvalid);
        assert!(!error.to_string().contains("simulated"), "{error}");
        let mut get = request(Method::GET, "https://api.example.com/");
        assert!(key.apply(&mut get).is_err());
        assert_eq!(format!("{key:?}"), "Credential(api_key: ***, api.example.com)");
    }
}

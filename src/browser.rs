//! A person at a browser, played by a program: signs in to the simulated org and allows access.

use longshore_engine::error::{Code, Error, Result};
use longshore_engine::http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use longshore_engine::http::{Client, Method, Request, Response};
use longshore_engine::poll::body::whole;
use url::Url;
use url::form_urlencoded::Serializer;

/// More pages than a sign-in has.
const MAX_PAGES: usize = 6;

/// Opens `url`, fills every form it is shown, and returns where it is sent in the end.
pub(crate) async fn sign_in(
    client: &Client,
    url: &Url,
    username: &str,
    password: &str,
) -> Result<Url> {
    let mut request = page(Method::GET, url.clone());
    for _ in 0..MAX_PAGES {
        let here = request.url.clone();
        let mut response = client.send(request).await?;
        if response.status.is_redirection() {
            let next = location(&response, &here)?;
            if !client.hosts().allows(&next) {
                return Ok(next);
            }
            request = page(Method::GET, next);
            continue;
        }
        let body = whole(&mut response, 1 << 20).await?;
        let html = String::from_utf8_lossy(&body);
        let form = form(&html).ok_or_else(|| stuck("the page has no form"))?;
        let mut fields = Serializer::new(String::new());
        for (name, value) in &form.fields {
            let value = match name.as_str() {
                "username" => username,
                "password" => password,
                "decision" => "allow",
                _ => value,
            };
            fields.append_pair(name, value);
        }
        let action = here.join(&form.action).map_err(|_| stuck("the form goes nowhere"))?;
        request = page(Method::POST, action);
        request.body = Some(fields.finish().into());
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(CONTENT_TYPE, kind);
    }
    Err(stuck("it never came to an end"))
}

fn page(method: Method, url: Url) -> Request {
    let mut request = Request::new(method, url);
    request.follow_redirects = false;
    request.max_body = 1 << 20;
    request
}

fn location(response: &Response, here: &Url) -> Result<Url> {
    let location = response.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    location.and_then(|text| here.join(text).ok()).ok_or_else(|| stuck("a redirect names no place"))
}

fn stuck(cause: &str) -> Error {
    Error::new(Code::AuthDenied, "the sign-in at the simulated org did not work").cause(cause)
}

struct Form {
    action: String,
    fields: Vec<(String, String)>,
}

/// The first form of a page, with its named fields; of several buttons with one name the first.
fn form(html: &str) -> Option<Form> {
    let start = html.find("<form")?;
    let text = &html[start..start + html[start..].find("</form>")?];
    let mut fields: Vec<(String, String)> = Vec::new();
    for tag in text.split('<').skip(2) {
        if !tag.starts_with("input") && !tag.starts_with("button") {
            continue;
        }
        let tag = tag.split('>').next().unwrap_or_default();
        let Some(name) = attribute(tag, "name") else { continue };
        if fields.iter().all(|(known, _)| *known != name) {
            fields.push((name, attribute(tag, "value").unwrap_or_default()));
        }
    }
    Some(Form { action: attribute(text, "action")?, fields })
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = &tag[start..start + tag[start..].find('"')?];
    Some(
        value
            .replace("&amp;", "&")
            .replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_gives_its_fields() {
        let html = r#"<p>x</p><form method="post" action="/go?a=1&amp;b=2"><input type="hidden" name="login" value="7"><input name="username"><button name="decision" value="allow">A</button><button name="decision" value="deny">D</button></form>"#;
        let form = form(html).unwrap();
        assert_eq!(form.action, "/go?a=1&b=2");
        let fields: Vec<_> = form.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(fields, [("login", "7"), ("username", ""), ("decision", "allow")]);
    }
}

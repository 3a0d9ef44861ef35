//! AWS Signature Version 4.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};

use super::{host, sorted_query};
use crate::auth::hex;
use crate::error::{Code, Error, Result};
use crate::http::Outgoing;
use crate::render::percent_encode;
use crate::secret::Secret;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Signs for a service in a region. It has no `Debug`: it holds the key.
pub struct AwsSigner {
    /// The access key's identifier.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: Secret,
    /// The session token of temporary keys.
    pub session_token: Option<Secret>,
    /// The region; that of the request's host if not given.
    pub region: Option<String>,
    /// The service's code; that of the request's host if not given.
    pub service: Option<String>,
}

impl AwsSigner {
    pub(super) fn sign(&self, request: &mut Outgoing, now: Timestamp) -> Result<()> {
        let time = now.to_zoned(TimeZone::UTC);
        let time = time.strftime("%Y%m%dT%H%M%SZ").to_string();
        let (date, _) = time.split_at(8);
        let payload = hex(digest(&SHA256, request.body.as_deref().unwrap_or_default()).as_ref());

        insert(request, "x-amz-date", &time)?;
        if let Some(token) = &self.session_token {
            insert(request, "x-amz-security-token", token.expose())?;
        }
        let named = host(&request.url).to_owned();
        let (service, region) = self.scope(&named)?;
        if service == "s3" {
            insert(request, "x-amz-content-sha256", &payload)?;
        }
        // Sent as it is signed: readers of a query differ in what a `+` is.
        let query = sorted_query(&request.url);
        request.url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));

        let headers = signed_headers(request);
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let mut canonical =
            format!("{}\n{}\n{query}\n", request.method, path(service, request.url.path()));
        for (name, value) in &headers {
            let _ = writeln!(canonical, "{name}:{value}");
        }
        let _ = write!(canonical, "\n{names}\n{payload}");

        let scope = format!("{date}/{region}/{service}/aws4_request");
        let hashed = hex(digest(&SHA256, canonical.as_bytes()).as_ref());
        let string = format!("{ALGORITHM}\n{time}\n{scope}\n{hashed}");
        let key = format!("AWS4{}", self.secret_access_key.expose());
        let mut key = hash(key.as_bytes(), date);
        for part in [region, service, "aws4_request"] {
            key = hash(key.as_ref(), part);
        }
        let signature = hex(hash(key.as_ref(), &string).as_ref());
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key_id
        );
        insert(request, AUTHORIZATION.as_str(), &authorization)
    }

    /// The service and the region to sign for. Hosts are `SERVICE.REGION.amazonaws.com`, and
    /// `SERVICE.amazonaws.com` for global services, which are signed for by `us-east-1`.
    ///
    /// <https://docs.aws.amazon.com/general/latest/gr/rande.html>
    fn scope<'s>(&'s self, host: &'s str) -> Result<(&'s str, &'s str)> {
        let labels = host.strip_suffix(".amazonaws.com").unwrap_or_default();
        let (named, region) = labels.split_once('.').unwrap_or((labels, "us-east-1"));
        let service = self.service.as_deref().unwrap_or(named);
        if service.is_empty() {
            return Err(Error::new(Code::InputInvalid, "the request cannot be signed")
                .cause(format!("the host {host} names no service of AWS"))
                .fix("write `service` and `region` in the manifest's `auth.aws_sigv4`"));
        }
        let region = if labels.is_empty() { "us-east-1" } else { region };
        Ok((service, self.region.as_deref().unwrap_or(region)))
    }
}

/// The canonical path. What is percent-encoded on the wire is encoded once more, and segments are not
/// empty, except for S3, whose keys may be anything.
fn path(service: &str, path: &str) -> String {
    if service == "s3" {
        return path.to_owned();
    }
    let segments: Vec<_> =
        path.split('/').filter(|segment| !segment.is_empty()).map(percent_encode).collect();
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}", segments.join("/"))
}

/// The headers that are signed, by name: the host, the body's type and all of AWS's own.
fn signed_headers(request: &Outgoing) -> Vec<(String, String)> {
    let own = |name: &HeaderName| name == CONTENT_TYPE || name.as_str().starts_with("x-amz-");
    let mut headers: Vec<_> = request
        .headers
        .iter()
        .filter(|(name, _)| own(name))
        .map(|(name, value)| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let words: Vec<_> = text.split_whitespace().collect();
            (name.as_str().to_owned(), words.join(" "))
        })
        .collect();
    headers.push(("host".to_owned(), host(&request.url).to_owned()));
    headers.sort();
    headers
}

fn hash(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn insert(request: &mut Outgoing, name: &str, value: &str) -> Result<()> {
    let header = name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(value).ok());
    let (name, mut value) = header.ok_or_else(|| {
        Error::new(Code::InputInvalid, format!("the request cannot be signed: `{name}`"))
            .cause("the access key, session token, region or service has a character that no header can carry")
            .fix("enter it again, without anything before or after it")
    })?;
    value.set_sensitive(true);
    request.headers.insert(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use reqwest::Method;
    use reqwest::header::HeaderMap;
    use url::Url;

    use super::*;

    fn signer(service: &str) -> AwsSigner {
        AwsSigner {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            // The key of AWS's own published examples.
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: None,
            region: Some("us-east-1".to_owned()),
            service: Some(service.to_owned()),
        }
    }

    fn now() -> Timestamp {
        "2015-08-30T12:36:00Z".parse().unwrap()
    }

    fn signed(signer: &AwsSigner, mut request: Outgoing) -> (String, String) {
        signer.sign(&mut request, now()).unwrap();
        let authorization = request.headers[AUTHORIZATION].to_str().unwrap().to_owned();
        (authorization, request.url.to_string())
    }

    fn request(method: Method, url: &str) -> Outgoing {
        let url = Url::parse(url).unwrap();
        Outgoing { method, url, headers: HeaderMap::new(), body: None }
    }

    /// The figures of AWS's Signature Version 4 test suite (get-vanilla, post-vanilla,
    /// get-vanilla-query-order-key-case), and of the example in the documentation.
    #[test]
    fn signatures_are_those_of_the_test_suite() {
        let cases = [
            (
                request(Method::GET, "https://example.amazonaws.com/"),
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                request(Method::POST, "https://example.amazonaws.com/"),
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                request(Method::GET, "https://example.amazonaws.com/?Param2=value2&Param1=value1"),
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
        ];
        for (request, signature) in cases {
            let (authorization, _) = signed(&signer("service"), request);
            assert_eq!(
                authorization,
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature={signature}"
                )
            );
        }
        let mut list =
            request(Method::GET, "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08");
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        list.headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        let (authorization, _) = signed(&signer("iam"), list);
        assert!(
            authorization.ends_with(
                "SignedHeaders=content-type;host;x-amz-date, \
                 Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
            ),
            "{authorization}"
        );
    }

    #[test]
    fn the_query_is_sent_as_it_is_signed() {
        let url = "https://example.amazonaws.com/a%20b//c/?q=x+y&a=%2B";
        let (_, sent) = signed(&signer("service"), request(Method::GET, url));
        assert_eq!(sent, "https://example.amazonaws.com/a%20b//c/?a=%2B&q=x%20y");
        assert_eq!(path("service", "/a%20b//c/"), "/a%2520b/c/");
        assert_eq!(path("s3", "/a%20b//c/"), "/a%20b//c/");
        assert_eq!(path("service", "/"), "/");
    }

    #[test]
    fn a_host_says_what_is_signed_for() {
        let by_host = AwsSigner { region: None, service: None, ..signer("") };
        for (host, service, region) in [
            ("cloudtrail.eu-central-1.amazonaws.com", "cloudtrail", "eu-central-1"),
            ("iam.amazonaws.com", "iam", "us-east-1"),
        ] {
            assert_eq!(by_host.scope(host).unwrap(), (service, region));
            assert_eq!(signer("s3").scope(host).unwrap(), ("s3", "us-east-1"));
        }
        assert_eq!(signer("s3").scope("files.example.com").unwrap(), ("s3", "us-east-1"));
        let error = by_host.scope("files.example.com").unwrap_err();
        assert!(error.cause.as_ref().unwrap().contains("files.example.com"));
    }

    #[test]
    fn temporary_keys_have_their_token_signed() {
        let mut signer = signer("service");
        signer.session_token = Some(Secret::new("simulated-token"));
        let mut request = request(Method::GET, "https://example.amazonaws.com/");
        signer.sign(&mut request, now()).unwrap();
        let authorization = request.headers[AUTHORIZATION].to_str().unwrap();
        assert!(authorization.contains("SignedHeaders=host;x-amz-date;x-amz-security-token,"));
        signer.session_token = Some(Secret::new("simulated\ntoken"));
        let error = signer.sign(&mut request, now()).unwrap_err();
        assert!(!error.to_string().contains("simulated"), "{error}");
    }
}

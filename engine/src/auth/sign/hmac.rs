//! A keyed hash (HMAC, RFC 2104) over a text that the manifest makes of the request.

use std::collections::BTreeMap;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use longshore_schema::Template;
use reqwest::header::{HeaderName, HeaderValue};

use super::{host, sorted_query};
use crate::auth::assertion::unique;
use crate::connection::Inputs;
use crate::error::{Code, Error, Result};
use crate::http::Outgoing;
use crate::render::{Scope, render_all};

/// The hash of signatures and of `request.body_hash`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How hashes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Lower-case hexadecimal digits.
    Hex,
    /// Base64 with padding (RFC 4648, section 4).
    Base64,
}

/// Signs with a key over a text. It has no `Debug`: it holds the key.
pub struct HmacSigner {
    key: hmac::Key,
    hash: Hash,
    encoding: Encoding,
    string: Template,
    headers: Vec<(HeaderName, Template)>,
    inputs: Inputs,
}

impl HmacSigner {
    /// A signer with the bytes of a key, the text that it signs and the headers it writes.
    #[must_use]
    pub fn new(
        key: &[u8],
        (hash, encoding): (Hash, Encoding),
        string: Template,
        headers: Vec<(HeaderName, Template)>,
        inputs: Inputs,
    ) -> Self {
        let algorithm = match hash {
            Hash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha512 => hmac::HMAC_SHA512,
        };
        let key = hmac::Key::new(algorithm, key);
        Self { key, hash, encoding, string, headers, inputs }
    }

    pub(super) fn sign(&self, request: &mut Outgoing, now: Timestamp) -> Result<()> {
        let values = self.values(request, now)?;
        let scope = Scope {
            inputs: Some(&self.inputs),
            request: Some(&values),
            now: Some(now),
            ..Scope::default()
        };
        let text = render_all(&self.string, &scope)?;
        let signature = self.written(hmac::sign(&self.key, text.as_bytes()).as_ref());
        let signature = BTreeMap::from([("signature".to_owned(), signature)]);
        let scope = Scope { auth: Some(&signature), ..scope };
        for (name, template) in &self.headers {
            let mut value =
                HeaderValue::from_str(&render_all(template, &scope)?).map_err(|_| {
                    Error::new(Code::InputInvalid, format!("the header `{name}` cannot be signed"))
                        .cause("its value has a line break or another character that no header can carry")
                        .fix("check the inputs that it is made of")
                })?;
            value.set_sensitive(true);
            request.headers.insert(name.clone(), value);
        }
        Ok(())
    }

    /// What the templates see of the request.
    fn values(&self, request: &Outgoing, now: Timestamp) -> Result<BTreeMap<&'static str, String>> {
        let body = request.body.as_deref().unwrap_or_default();
        let algorithm = match self.hash {
            Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha512 => &digest::SHA512,
        };
        let url = &request.url;
        Ok(BTreeMap::from([
            ("method", request.method.to_string()),
            ("url", url.to_string()),
            ("host", host(url).to_owned()),
            ("path", url.path().to_owned()),
            ("query", url.query().unwrap_or_default().to_owned()),
            ("sorted_query", sorted_query(url)),
            ("body", String::from_utf8_lossy(body).into_owned()),
            ("body_hash", self.written(digest::digest(algorithm, body).as_ref())),
            ("time", format!("{now:.0}")),
            ("nonce", unique()?),
        ]))
    }

    fn written(&self, hash: &[u8]) -> String {
        match self.encoding {
            Encoding::Hex => crate::auth::hex(hash),
            Encoding::Base64 => BASE64.encode(hash),
        }
    }
}

#[cfg(test)]
mod tests {
    use longshore_schema::scalar::Scalar as _;
    use reqwest::Method;
    use reqwest::header::HeaderMap;
    use url::Url;

    use super::*;

    fn signer(key: &[u8], hash: Hash, encoding: Encoding, string: &str) -> HmacSigner {
        let template = |text: &str| Template::parse(text).unwrap();
        let headers = [
            ("date", "{{date request.time \"%a, %d %b %Y %H:%M:%S -0000\"}}"),
            ("authorization", "Sig {{auth.signature}}"),
        ];
        let headers = headers.map(|(name, text)| (HeaderName::from_static(name), template(text)));
        let inputs = Inputs::default();
        HmacSigner::new(key, (hash, encoding), template(string), headers.into(), inputs)
    }

    fn signed(signer: &HmacSigner, method: Method, url: &str, body: &str) -> HeaderMap {
        let url = Url::parse(url).unwrap();
        let body = Some(body.to_owned().into()).filter(|_| !body.is_empty());
        let mut request = Outgoing { method, url, headers: HeaderMap::new(), body };
        signer.sign(&mut request, "2012-08-21T17:29:18Z".parse().unwrap()).unwrap();
        request.headers
    }

    /// RFC 4231, test case 2, and RFC 2202, test case 2: key `Jefe`.
    #[test]
    fn signatures_are_those_of_the_standards() {
        let what = "what do ya want for nothing?";
        let cases = [
            (Hash::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (Hash::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        ];
        for (hash, expected) in cases {
            let signer = signer(b"Jefe", hash, Encoding::Hex, "{{request.body}}");
            let headers = signed(&signer, Method::POST, "https://api.example.com/", what);
            assert_eq!(headers["authorization"], format!("Sig {expected}"));
        }
    }

    #[test]
    fn the_text_sees_the_request_as_it_is_sent() {
        let string = "{{request.method}}\n{{request.host}}\n{{request.path}}\n{{request.query}}\n\
                      {{request.sorted_query}}\n{{epoch request.time \"s\"}}\n{{request.body_hash}}";
        let with = signer(b"simulated", Hash::Sha256, Encoding::Base64, string);
        let url = "https://API.example.com:8443/a%20b/c?z=1+2&a=%7E&a=";
        let headers = signed(&with, Method::GET, url, "");
        let expected = "GET\napi.example.com:8443\n/a%20b/c\nz=1+2&a=%7E&a=\na=&a=~&z=1%202\n\
                        1345570158\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"simulated");
        let signature = BASE64.encode(hmac::sign(&key, expected.as_bytes()));
        assert_eq!(headers["authorization"], format!("Sig {signature}"));
        assert_eq!(headers["date"], "Tue, 21 Aug 2012 17:29:18 -0000");
        assert!(headers["authorization"].is_sensitive());
    }
}

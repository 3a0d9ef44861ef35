//! What several of these sinks read from their section of the connection file.

use std::path::Path;

use longshore_engine::connection::{Compression, ConnectionFile, Given, Source};
use longshore_engine::error::{Code, Error, Result};
use longshore_engine::http::header::{HeaderMap, HeaderName, HeaderValue};
use longshore_engine::http::{Certificates, Transport};
use longshore_engine::secret::Secret;
use longshore_schema::{Span, Spanned, Table};
use url::{Position, Url};

/// Largest file of certificates that is read: the whole of Mozilla's is a fifth of it.
const MAX_AUTHORITY: u64 = 1 << 20;

/// An http or https address.
pub(super) fn address(source: &Source, span: Span, text: &str) -> Result<Url> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.fragment().is_none()
    });
    // The text is not shown: it may hold a secret.
    url.ok_or_else(|| {
        source
            .error(span, Code::InputInvalid, "this is not the address of a sink")
            .cause("it does not begin with `https://` or `http://` and a host, or has a fragment")
            .fix("write it like https://collector.example:8088")
    })
}

/// An address with a path behind that which it has. An address may have one if the product stands
/// behind a reverse proxy.
pub(super) fn below(source: &Source, text: &Spanned<String>, path: &[&str]) -> Result<Url> {
    let mut url = address(source, text.span, text)?;
    if url.query().is_some() {
        return Err(source
            .error(text.span, Code::InputInvalid, "the address of the sink has a query")
            .cause("the path of the product's API is appended to the address")
            .fix("remove everything from the `?` on"));
    }
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    Ok(url)
}

/// A product at an address, as errors name it: scheme, host and port, as the rest may be secret.
pub(super) fn place(product: &str, url: &Url) -> String {
    format!("{product} at {}://{}", url.scheme(), &url[Position::BeforeHost..Position::AfterPort])
}

/// Pools and trusted certificates for a sink.
pub(super) fn transport(source: &Source, authority: Option<&Path>) -> Result<Transport> {
    let Some(path) = authority else { return Transport::new() };
    let ca = Some(Secret::new(authority_file(source, path)?));
    Transport::with_certificates(&Certificates { client: None, ca })
}

/// The content of a PEM file of authorities.
pub(crate) fn authority_file(source: &Source, path: &Path) -> Result<String> {
    use std::io::Read as _;

    let path = ConnectionFile::resolve(source, path);
    let mut text = String::new();
    std::fs::File::open(&path)
        .and_then(|file| file.take(MAX_AUTHORITY).read_to_string(&mut text))
        .map_err(|error| {
            let what = format!("{}: `authority` cannot be read", source.path.display());
            Error::new(Code::InputInvalid, what)
                .cause(format!("{}: {error}", path.display()))
                .fix("give the path of a PEM file, which starts at the connection file's folder")
        })?;
    Ok(text)
}

/// The headers of a section, and their values, which must not be shown.
pub(super) fn headers(
    source: &Source,
    given: &Table<String, Given>,
) -> Result<(HeaderMap, Vec<Secret>)> {
    let mut headers = HeaderMap::new();
    let mut secrets = Vec::new();
    for (name, value) in given {
        let refused = |span, what: &str| {
            source
                .error(span, Code::InputInvalid, what)
                .cause("a header cannot hold such characters")
                .fix("write it as in `Authorization: { env: NAME }`")
        };
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| refused(name.span, "this is not the name of a header"))?;
        let text = ConnectionFile::given(source, &format!("the header `{key}`"), value)?;
        headers.insert(key, header(source, value.span, &text)?);
        secrets.push(Secret::new(text));
    }
    Ok((headers, secrets))
}

/// The value of a header that holds something secret.
pub(super) fn header(source: &Source, span: Span, text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        source
            .error(span, Code::InputInvalid, "this cannot be sent in a header")
            .cause("it holds a line end or another control character")
            .fix("check that nothing was copied along with it")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether bodies are compressed with gzip, the one way that receivers have in common.
pub(super) fn gzip(source: &Source, compress: Option<&Spanned<Compression>>) -> Result<bool> {
    match compress {
        None => Ok(false),
        Some(Spanned { value: Compression::Gzip, .. }) => Ok(true),
        Some(Spanned { value: Compression::Zstd, span }) => Err(source
            .error(*span, Code::InputInvalid, "requests cannot be compressed with zstd")
            .cause("few receivers of events by HTTP take it")
            .fix("write `compress: gzip`")),
    }
}

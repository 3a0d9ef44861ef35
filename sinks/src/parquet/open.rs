//! The sink as the connection file describes it.

use std::path::Path;
use std::time::Duration;

use longshore_engine::connection::{ConnectionFile, ObjectStore, Parquet, Source};
use longshore_engine::error::{Code, Error, Result};
use longshore_engine::sink::{Portion, Sink};
use longshore_schema::Span;
use object_store::aws::AmazonS3Builder;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use url::Url;

use super::bucket::{Bucket, CONNECT, TIMEOUT};
use super::folder::Folder;
use super::{Parquet as Opened, Place};

const SIZE: usize = 32_000_000;
/// A portion is in memory several times over.
const LARGEST: u64 = 1_000_000_000;
const EVERY: Duration = Duration::from_secs(300);

/// Makes the sink ready.
///
/// # Errors
/// [`Code::InputInvalid`] and [`Code::InputMissing`] with the place in the file.
pub(crate) fn open(source: &Source, config: &Parquet) -> Result<Box<dyn Sink>> {
    let bytes = match &config.size {
        Some(size) if size.value.0 > LARGEST => {
            return Err(source
                .error(size.span, Code::InputInvalid, "`size` is more than 1GB")
                .cause("as much is held in memory before it is written")
                .fix("write at most 1GB; the default is 32MB"));
        }
        Some(size) => size.value.0 as usize,
        None => SIZE,
    };
    let portion =
        Portion { bytes, age: config.every.as_ref().map_or(EVERY, |every| every.value.0) };
    Ok(Box::new(Opened::new(place(source, config)?, portion)))
}

fn place(source: &Source, config: &Parquet) -> Result<Place> {
    let to = config.to.as_str();
    let wrong = |what: &str, cause: &str| {
        source
            .error(config.to.span, Code::InputInvalid, what)
            .cause(cause)
            .fix("write a folder, or `s3://bucket/prefix`")
    };
    if to.is_empty() {
        return Err(wrong("`to` is empty", "events need a place"));
    }
    let Some((scheme, rest)) = to.split_once("://") else {
        return match &config.s3 {
            Some(_) => Err(wrong("`to` is a folder, and there is an `s3`", "`s3` is for buckets")),
            None => Ok(Place::Folder(Folder(ConnectionFile::resolve(source, Path::new(to))))),
        };
    };
    if scheme != "s3" {
        return Err(wrong(
            "`to` is in a place of another kind",
            "what has an address is written by the protocol of Amazon S3 alone",
        ));
    }
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_bucket = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(|byte| is_name(byte) || matches!(byte, b'.' | b'-'))
        && bucket.starts_with(|first: char| first.is_ascii_alphanumeric());
    if !is_bucket {
        return Err(wrong(
            "`to` names no bucket",
            "a bucket has 3 to 63 lower case letters, digits, `.` and `-`",
        ));
    }
    let prefix = object_store::path::Path::parse(prefix.trim_end_matches('/')).map_err(|_| {
        wrong("`to` has a prefix that no key can have", "it has an empty part, `.` or `..`")
    })?;
    let unset = ObjectStore::default();
    let s3 = builder(source, config.to.span, config.s3.as_ref().unwrap_or(&unset))?;
    let store = s3.with_bucket_name(bucket).build().map_err(|error| {
        source
            .error(config.to.span, Code::InputInvalid, "the bucket cannot be spoken to")
            .cause(longshore_engine::error::printable(&error.to_string(), 200))
            .fix("check `s3` of the sink, and the environment variables that begin with AWS_")
    })?;
    let shown = to.trim_end_matches('/').to_owned();
    Ok(Place::Bucket(Box::new(Bucket { store, prefix, shown })))
}

fn builder(source: &Source, span: Span, config: &ObjectStore) -> Result<AmazonS3Builder> {
    let given = |what: &str, value| ConnectionFile::given(source, &format!("`{what}`"), value);
    let mut builder = match (&config.access_key_id, &config.secret_access_key) {
        (Some(id), Some(secret)) => AmazonS3Builder::new()
            .with_access_key_id(given("access_key_id", id)?)
            .with_secret_access_key(given("secret_access_key", secret)?),
        // With keys for one account, a token for another would be sent along.
        (None, None) => AmazonS3Builder::from_env(),
        (Some(_), None) => return Err(alone(source, span, "secret_access_key")),
        (None, Some(_)) => return Err(alone(source, span, "access_key_id")),
    };
    if let Some(region) = &config.region {
        builder = builder.with_region(region.as_str());
    }
    let mut options = ClientOptions::new().with_timeout(TIMEOUT).with_connect_timeout(CONNECT);
    if let Some(endpoint) = &config.endpoint {
        let address = Url::parse(endpoint.as_str()).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        let address = address.ok_or_else(|| {
            source
                .error(endpoint.span, Code::InputInvalid, "`endpoint` is not an address")
                .cause("it is `https://host`, with a port where needed and nothing else")
                .fix("leave it out for Amazon S3, or write such as https://minio.example:9000")
        })?;
        options = options.with_allow_http(address.scheme() == "http");
        builder = builder.with_endpoint(address.as_str().trim_end_matches('/'));
    }
    // What is not done by then is tried again as a whole, for ever.
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: 2,
        retry_timeout: Duration::from_secs(30),
    };
    // One request for each, which every such store understands.
    Ok(builder.with_client_options(options).with_retry(retry).with_disable_bulk_delete(true))
}

fn alone(source: &Source, span: Span, missing: &str) -> Error {
    source
        .error(span, Code::InputMissing, format!("`s3` of this sink has no `{missing}`"))
        .cause("an access key has two parts")
        .fix(format!(
            "add `{missing}: {{ env: NAME }}`, or leave out both and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ))
}

//! Objects in a bucket of an object store that speaks the protocol of Amazon S3.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use longshore_engine::error::{Code, Error, Result, printable};
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore as _, ObjectStoreExt as _};

use super::name::{CLASS, Files};

/// How long one request may take: a large file over a slow line.
pub(super) const TIMEOUT: Duration = Duration::from_secs(300);
/// How long it may take until there is a connection.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// A folder of a bucket.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    pub(super) store: AmazonS3,
    pub(super) prefix: Path,
    /// `s3://bucket/prefix`, for errors.
    pub(super) shown: String,
}

impl Bucket {
    /// Writes an object whole, in place of one of the same key.
    ///
    /// # Errors
    /// [`Code::SinkUnavailable`]; what was there before stays then.
    pub(super) async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        let path = self.inside(path);
        let put = self.store.put(&path, bytes.into()).await;
        put.map(|_| ()).map_err(|error| self.failed("a file could not be written to", &error))
    }

    /// Removes the log's objects of portions that start at `start` or later, but those in `keep`.
    ///
    /// # Errors
    /// [`Code::SinkUnavailable`] with some of them removed.
    pub(super) async fn remove_from(
        &self,
        files: &Files,
        start: u64,
        keep: &[String],
    ) -> Result<()> {
        let keep: Vec<Path> = keep.iter().map(|path| self.inside(path)).collect();
        let listed = |error| self.failed("the files could not be listed in", &error);
        let root = (!self.prefix.is_root()).then_some(&self.prefix);
        let classes = self.store.list_with_delimiter(root).await.map_err(listed)?;
        for class in classes.common_prefixes {
            let Some(class) = class.filename().filter(|name| name.starts_with(CLASS)) else {
                continue;
            };
            let folder = files.folder(class);
            // The last name before the first that is looked for.
            let before = files.name(start);
            let before = before.trim_end_matches(".parquet");
            let before = self.inside(&format!("{folder}/{before}"));
            let later = self.store.list_with_offset(Some(&self.inside(&folder)), &before);
            let later: Vec<ObjectMeta> = later.try_collect().await.map_err(listed)?;
            let stale = later.into_iter().map(|object| object.location).filter(|path| {
                let found = path.filename().and_then(|name| files.start(name));
                found.is_some_and(|it| it >= start) && !keep.contains(path)
            });
            for path in stale {
                let removed = self.store.delete(&path).await;
                removed.map_err(|error| self.failed("a file could not be removed from", &error))?;
            }
        }
        Ok(())
    }

    fn inside(&self, path: &str) -> Path {
        path.split('/').fold(self.prefix.clone(), Path::join)
    }

    fn failed(&self, doing: &str, error: &object_store::Error) -> Error {
        use object_store::Error::{Generic, NotFound, PermissionDenied, Unauthenticated};
        let fix = match error {
            NotFound { .. } => "make the bucket, or correct `to`",
            PermissionDenied { .. } | Unauthenticated { .. } => {
                "check the keys; they need s3:PutObject, s3:ListBucket and s3:DeleteObject there"
            }
            Generic { .. } => {
                "check that the object store can be reached from here, and `endpoint` and `region`"
            }
            _ => "check the bucket and its settings",
        };
        Error::new(Code::SinkUnavailable, format!("{doing} {}", self.shown))
            .cause(said(error))
            .fix(fix)
    }
}

/// What the store said, or why it said nothing: of an answer only its code and message, for the rest
/// of it may repeat keys (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
fn said(error: &object_store::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    let mut text = error.to_string();
    while let Some(source) = innermost.source() {
        innermost = source;
        text.push(' ');
        text.push_str(&source.to_string());
    }
    let element = |name: &str| {
        let (_, behind) = text.split_once(&format!("<{name}>"))?;
        Some(behind.split_once('<')?.0)
    };
    match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => printable(&format!("{code}: {message}"), 300),
        (Some(code), None) => printable(code, 300),
        _ => {
            let text = innermost.to_string();
            // Something else that answers, such as a proxy.
            printable(text.split('<').next().unwrap_or_default(), 300)
        }
    }
}

//! Where a connection's events go besides, or instead of, the files of its output folder: what the
//! section `sinks` of a connection file says.
//!
//! This is data alone. What speaks to the products behind the names is made of it elsewhere.

use std::path::PathBuf;

use longshore_schema::scalar::Duration;
use longshore_schema::{Spanned, Table};
use serde::Deserialize;

use super::InputSource;

/// A value that may be a secret, so it may be kept elsewhere: a text, `{env: NAME}` or `{file: PATH}`.
pub type Given = Spanned<InputSource>;

/// One sink, by its kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkConfig {
    /// Files of one event per line.
    JsonLines(JsonLines),
    /// A SQLite database.
    Sqlite(Sqlite),
    /// A table of a PostgreSQL database.
    Postgres(Postgres),
    /// Parquet files in a folder or in an object store.
    Parquet(Parquet),
    /// A Kafka topic.
    Kafka(Kafka),
    /// A subject of a NATS JetStream stream.
    Nats(Nats),
    /// Any address that takes JSON by HTTP.
    Http(Http),
    /// The HTTP Event Collector of Splunk.
    SplunkHec(SplunkHec),
    /// The bulk API of Elasticsearch or OpenSearch.
    Elasticsearch(Elasticsearch),
    /// The Logs Ingestion API of Azure Monitor.
    AzureLogs(AzureLogs),
    /// A collector of OpenTelemetry logs, by HTTP.
    Otlp(Otlp),
    /// A syslog receiver.
    Syslog(Syslog),
}

/// One file per stream, each event a line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonLines {
    /// The folder. Relative paths start at the connection file's folder, as everywhere here.
    pub folder: PathBuf,
    /// When a file is closed and a new one begun; never, unless given.
    pub rotate: Option<Rotate>,
    /// How closed files are compressed.
    pub compress: Option<Spanned<Compression>>,
}

/// When a file is closed: whichever comes first.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// After so many bytes.
    pub size: Option<Spanned<Size>>,
    /// After this long since its first event.
    pub every: Option<Spanned<Duration>>,
}

/// How files or request bodies are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// A table `events` in a SQLite file, and where the delivery stands beside it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sqlite {
    /// The database file.
    pub file: PathBuf,
}

/// A table of a PostgreSQL database, and where the delivery stands beside it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// The connection string, as libpq has it: `postgresql://user:password@host/database?sslmode=require`.
    pub url: Given,
    /// The schema that holds the tables; `longshore` unless given.
    pub schema: Option<Spanned<String>>,
}

/// Parquet files, one set per class of events.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parquet {
    /// A folder, or a URL of the form `s3://bucket/prefix`.
    pub to: Spanned<String>,
    /// What an object store needs to be told.
    pub s3: Option<ObjectStore>,
    /// How much of events, as JSON, goes into one file at most; 32 MB unless given.
    pub size: Option<Spanned<Size>>,
    /// How long events wait at most until a file is written; 5 minutes unless given.
    pub every: Option<Spanned<Duration>>,
}

/// Access to an S3-compatible object store.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectStore {
    /// The region, e.g. `eu-central-1`.
    pub region: Option<Spanned<String>>,
    /// The address, if it is not that of Amazon S3.
    pub endpoint: Option<Spanned<String>>,
    /// The access key; the usual AWS environment variables are used unless given.
    pub access_key_id: Option<Given>,
    /// Its secret.
    pub secret_access_key: Option<Given>,
}

/// A Kafka topic; the key of each message is the event's `metadata.uid`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// `host:port` of some brokers.
    pub brokers: Spanned<Vec<String>>,
    /// The topic; `{stream}` in it stands for the stream's name.
    pub topic: Spanned<String>,
    /// Further settings of librdkafka, such as `security.protocol` and `sasl.password`.
    #[serde(default)]
    pub settings: Table<String, Given>,
}

/// A NATS JetStream subject; the message id is the event's `metadata.uid`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nats {
    /// `nats://host:port` or `tls://host:port`, of one cluster.
    pub servers: Spanned<Vec<String>>,
    /// The subject; `{stream}` in it stands for the stream's name.
    pub subject: Spanned<String>,
    /// A token.
    pub token: Option<Given>,
    /// A user.
    pub user: Option<Given>,
    /// The user's password.
    pub password: Option<Given>,
    /// The content of a credentials file.
    pub credentials: Option<Given>,
    /// A PEM file of authorities to trust in place of the system's, for TLS.
    pub authority: Option<Spanned<PathBuf>>,
}

/// Any address that takes JSON by HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where events are posted. Some products put a secret into it, so it may be kept elsewhere.
    pub url: Given,
    /// Headers to send along, such as `Authorization`.
    #[serde(default)]
    pub headers: Table<String, Given>,
    /// How several events make a body; one per line unless given.
    pub body: Option<Spanned<HttpBody>>,
    /// How bodies are compressed; not at all unless given.
    pub compress: Option<Spanned<Compression>>,
    /// A PEM file of authorities to trust beside the system's.
    pub authority: Option<PathBuf>,
}

/// How several events make a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpBody {
    /// One event per line, `application/x-ndjson`.
    #[default]
    Lines,
    /// A JSON array.
    Array,
}

/// The HTTP Event Collector of Splunk.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplunkHec {
    /// The collector's address without a path, e.g. `https://splunk.example:8088`.
    pub url: Spanned<String>,
    /// The collector's token.
    pub token: Given,
    /// The index; the token's own unless given.
    pub index: Option<Spanned<String>>,
    /// The source type; `longshore:ocsf` unless given.
    pub sourcetype: Option<Spanned<String>>,
    /// A PEM file of authorities to trust beside the system's.
    pub authority: Option<PathBuf>,
}

/// The bulk API of Elasticsearch or OpenSearch; the id of each document is `metadata.uid`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elasticsearch {
    /// The address without a path, e.g. `https://search.example:9200`.
    pub url: Spanned<String>,
    /// The index or data stream; `{stream}` in it stands for the stream's name.
    pub index: Spanned<String>,
    /// An API key, as Elasticsearch shows it encoded.
    pub api_key: Option<Given>,
    /// A user, in place of a key.
    pub user: Option<Given>,
    /// The user's password.
    pub password: Option<Given>,
    /// A PEM file of authorities to trust beside the system's.
    pub authority: Option<PathBuf>,
}

/// The Logs Ingestion API of Azure Monitor.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AzureLogs {
    /// The address of the data collection endpoint or rule.
    pub endpoint: Spanned<String>,
    /// The immutable id of the data collection rule, `dcr-...`.
    pub rule: Spanned<String>,
    /// The stream of the rule, e.g. `Custom-Longshore`.
    pub stream: Spanned<String>,
    /// The tenant of the application that sends.
    pub tenant: Spanned<String>,
    /// Its client id.
    pub client_id: Given,
    /// Its client secret.
    pub client_secret: Given,
    /// Where tokens come from; `https://login.microsoftonline.com` unless given.
    pub login: Option<Spanned<String>>,
}

/// A collector of OpenTelemetry logs, by HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// The collector's address, e.g. `http://127.0.0.1:4318`; `/v1/logs` is appended to it.
    pub url: Spanned<String>,
    /// Headers to send along.
    #[serde(default)]
    pub headers: Table<String, Given>,
    /// How bodies are compressed; not at all unless given.
    pub compress: Option<Spanned<Compression>>,
    /// A PEM file of authorities to trust beside the system's.
    pub authority: Option<PathBuf>,
}

/// A syslog receiver (RFC 5424).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Syslog {
    /// `tls://host:6514` (RFC 5425), `tcp://host:601` (RFC 6587, counted octets) or `udp://host:514`
    /// (RFC 5426, without any acknowledgement).
    pub to: Spanned<String>,
    /// The facility by number or name; `local0` unless given.
    pub facility: Option<Spanned<String>>,
    /// A PEM file of authorities to trust beside the system's, for `tls`.
    pub authority: Option<PathBuf>,
}

/// The durable spool between polls and sinks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpoolConfig {
    /// How much may wait for the slowest sink until polls wait too; 1 GB unless given.
    pub size: Option<Spanned<Size>>,
}

/// A number of bytes, as in `512KB`, `100MB` or `1GB`: powers of 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(
                "invalid value, expected a size such as `512KB`, `100MB` or `1GB`",
            )
        })
    }
}

impl Size {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor = match unit {
            "B" => 1,
            "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            _ => return None,
        };
        let bytes = number.parse::<u64>().ok()?.checked_mul(factor)?;
        (bytes > 0).then_some(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_and_a_unit() {
        assert_eq!(Size::parse("512KB"), Some(Size(512_000)));
        assert_eq!(Size::parse("1GB"), Some(Size(1_000_000_000)));
        for wrong in ["", "1", "MB", "0MB", "1.5MB", "1 MB", "1mb", "99999999999999GB"] {
            assert_eq!(Size::parse(wrong), None, "{wrong}");
        }
    }
}

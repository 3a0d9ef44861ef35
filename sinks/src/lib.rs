//! The products that events are delivered to, each behind the one contract of
//! [`longshore_engine::sink::Sink`].

mod event;
mod http;
mod json_lines;
#[cfg(feature = "kafka")]
mod kafka;
mod kept;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;
mod syslog;
mod template;
#[cfg(any(feature = "kafka", feature = "nats"))]
#[cfg(test)]
mod testing;

pub use event::Head;

use longshore_engine::connection::{ConnectionFile, SinkConfig, Source};
use longshore_engine::error::Result;
use longshore_engine::sink::Sink;
use longshore_schema::Spanned;

/// A sink and its name in the connection file.
pub type Named = (String, Box<dyn Sink>);

/// Makes the sinks of a connection file ready. Nothing is sent yet.
///
/// # Errors
/// [`Code::InputInvalid`](longshore_engine::error::Code::InputInvalid) and
/// [`Code::InputMissing`](longshore_engine::error::Code::InputMissing) with the place in the file.
pub fn open(file: &ConnectionFile, source: &Source) -> Result<Vec<Named>> {
    let sinks = file.sinks.iter();
    sinks.map(|(name, config)| Ok((name.as_str().to_owned(), sink(source, config)?))).collect()
}

fn sink(source: &Source, config: &Spanned<SinkConfig>) -> Result<Box<dyn Sink>> {
    match &config.value {
        SinkConfig::JsonLines(config) => {
            Ok(Box::new(json_lines::JsonLinesSink::new(config, source)))
        }
        SinkConfig::Sqlite(config) => Ok(Box::new(sqlite::Sqlite::new(source, config))),
        #[cfg(feature = "postgres")]
        SinkConfig::Postgres(config) => Ok(Box::new(postgres::Postgres::open(source, config)?)),
        #[cfg(not(feature = "postgres"))]
        SinkConfig::Postgres(_) => Err(absent(source, config.span, "postgres")),
        #[cfg(feature = "parquet")]
        SinkConfig::Parquet(config) => parquet::open(source, config),
        #[cfg(not(feature = "parquet"))]
        SinkConfig::Parquet(_) => Err(absent(source, config.span, "parquet")),
        #[cfg(feature = "kafka")]
        SinkConfig::Kafka(kafka) => Ok(Box::new(kafka::Kafka::open(source, config.span, kafka)?)),
        #[cfg(not(feature = "kafka"))]
        SinkConfig::Kafka(_) => Err(absent(source, config.span, "kafka")),
        #[cfg(feature = "nats")]
        SinkConfig::Nats(nats) => Ok(Box::new(nats::Nats::open(source, nats)?)),
        #[cfg(not(feature = "nats"))]
        SinkConfig::Nats(_) => Err(absent(source, config.span, "nats")),
        SinkConfig::Http(config) => Ok(Box::new(http::http(source, config)?)),
        SinkConfig::SplunkHec(config) => Ok(Box::new(http::splunk_hec(source, config)?)),
        SinkConfig::Elasticsearch(config) => Ok(Box::new(http::elasticsearch(source, config)?)),
        SinkConfig::AzureLogs(config) => Ok(Box::new(http::azure_logs(source, config)?)),
        SinkConfig::Otlp(config) => Ok(Box::new(http::otlp(source, config)?)),
        SinkConfig::Syslog(config) => Ok(Box::new(syslog::syslog(source, config)?)),
    }
}

#[cfg(not(all(feature = "kafka", feature = "nats", feature = "parquet", feature = "postgres")))]
fn absent(
    source: &Source,
    span: longshore_schema::Span,
    kind: &str,
) -> longshore_engine::error::Error {
    use longshore_engine::error::Code;

    source
        .error(span, Code::InputInvalid, format!("this program has no {kind} sinks"))
        .cause("it was built without them")
        .fix(format!("use a released program, or build one with `--features {kind}`"))
}

//! The section `kafka` of a connection file, as librdkafka takes it.

use std::path::Path;
use std::time::Duration;

use longshore_engine::connection::{ConnectionFile, InputSource, Kafka as Config, Source};
use longshore_engine::error::{Code, Error, Result, printable};
use longshore_engine::secret::Secret;
use longshore_schema::{Span, Spanned};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::BaseProducer;
use rdkafka::types::RDKafkaConfRes;

use super::failure::Place;
use super::reports::Reports;
use crate::template::PerStream;

/// How long a message may take: long enough for a broker to be replaced by another, short enough to be
/// told what is wrong. After that it is delivered again, for ever.
const LIMIT: Duration = Duration::from_secs(30);

/// The longest name of a topic.
const LONGEST_TOPIC: usize = 249;

/// Settings that are not for the file to give, and why.
const OURS: [(&str, &str); 11] = [
    ("bootstrap.servers", "it is what `brokers` says"),
    ("metadata.broker.list", "it is what `brokers` says"),
    ("acks", "an event is delivered when all replicas in sync have it"),
    ("request.required.acks", "an event is delivered when all replicas in sync have it"),
    ("enable.idempotence", "without it, events would be in the topic twice after a lost answer"),
    ("enable.gapless.guarantee", "one event that is refused would stop all others"),
    ("delivery.report.only.error", "nobody would know what is delivered"),
    ("transactional.id", "events are not delivered in transactions"),
    ("message.timeout.ms", "a message has 30 seconds, and is delivered again after that"),
    ("delivery.timeout.ms", "a message has 30 seconds, and is delivered again after that"),
    ("plugin.library.paths", "no foreign code is loaded"),
];

/// Mechanisms of SASL that are built in.
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

pub(super) fn read(source: &Source, span: Span, config: &Config) -> Result<super::Kafka> {
    let brokers = brokers(source, &config.brokers)?;
    let topic = topic(source, &config.topic)?;
    let mut place = Place { brokers: brokers.clone(), secrets: Vec::new() };
    let mut made = ClientConfig::new();
    // OpenSSL that is linked statically does not know where a system keeps its authorities.
    made.set("client.id", "longshore").set("ssl.ca.location", "probe");
    for (name, given) in &config.settings {
        let value =
            ConnectionFile::given(source, &format!("the setting `{}`", shown(name)), given)?;
        let open = matches!(given.value, InputSource::Value(_)) && !is_secret(name);
        refuse_ours(source, name, &value)?;
        let value =
            if is_path(name, &value) { path(source, name, given.span, &value)? } else { value };
        refuse_unusable(source, name, given.span, &value, open)?;
        if !open {
            place.secrets.push(Secret::new(value.clone()));
        }
        made.set(name.as_str(), value);
    }
    made.set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", LIMIT.as_millis().to_string());
    // Without brokers nothing is sent; all settings are checked together.
    let trial = made.create_with_context::<_, BaseProducer<Reports>>(Reports::default());
    if let Err(error) = trial {
        return Err(disagreement(source, span, config, &place, &error));
    }
    made.set("bootstrap.servers", &brokers);
    Ok(super::Kafka { config: made, place, topic, limit: LIMIT, producer: None })
}

/// The brokers, each as `host:port`, with commas between them.
fn brokers(source: &Source, given: &Spanned<Vec<String>>) -> Result<String> {
    let refused = |what: String, cause: &str| {
        source.error(given.span, Code::InputInvalid, what).cause(cause).fix(
            "write a list of `host:port`, such as [kafka-1.example:9092, kafka-2.example:9092]",
        )
    };
    if given.is_empty() {
        return Err(refused("`brokers` is empty".to_owned(), "there is nobody to send events to"));
    }
    for broker in &given.value {
        let parts = broker.rsplit_once(':');
        let port = parts.and_then(|(_, port)| port.parse::<u16>().ok()).filter(|port| *port > 0);
        let host = parts.map_or("", |(host, _)| host);
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let name = !host.is_empty() && host.chars().all(plain);
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let address = inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok());
        if broker.contains("://") {
            return Err(refused(
                "a broker is given as a URL".to_owned(),
                "what is spoken with brokers is said by the setting `security.protocol`",
            ));
        }
        if port.is_none() || !(name || address) {
            let what = format!("`{}` is not an address of a broker", printable(broker, 80));
            return Err(refused(what, "an address is a host and a port"));
        }
    }
    Ok(given.join(","))
}

fn topic(source: &Source, given: &Spanned<String>) -> Result<PerStream> {
    let refused = |what: &str, cause: &str| {
        source
            .error(given.span, Code::InputInvalid, what)
            .cause(cause)
            .fix("write a topic, such as `longshore` or `longshore.{stream}`")
    };
    let template = PerStream::parse(given).ok_or_else(|| {
        refused("`topic` has an unknown placeholder", "`{stream}` is the only one")
    })?;
    let name = template.name("s");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if name.is_empty() || name == "." || name == ".." || !name.chars().all(plain) {
        return Err(refused(
            "`topic` is not the name of a topic",
            "Kafka allows letters, digits, `.`, `_` and `-` in it",
        ));
    }
    if name.len() > LONGEST_TOPIC {
        return Err(refused("`topic` is too long", "Kafka allows 249 characters"));
    }
    Ok(template)
}

/// Refuses settings that would break what the sink promises.
fn refuse_ours(source: &Source, name: &Spanned<String>, value: &str) -> Result<()> {
    let refused = |what: String, cause: &str, fix: &str| {
        Err(source.error(name.span, Code::InputInvalid, what).cause(cause).fix(fix))
    };
    if let Some((ours, why)) = OURS.iter().find(|(ours, _)| *ours == name.value) {
        return refused(format!("the setting `{ours}` cannot be given"), why, "remove it");
    }
    if name.starts_with("test.") {
        let cause = "events would go to brokers that are simulated, and be lost";
        return refused("settings for tests cannot be given".to_owned(), cause, "remove it");
    }
    let mechanism = matches!(name.as_str(), "sasl.mechanism" | "sasl.mechanisms");
    if mechanism && !MECHANISMS.contains(&value) {
        return refused(
            "this mechanism of SASL is not built in".to_owned(),
            "Kerberos and OAuth need libraries that are not part of the program",
            "use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, or a client certificate",
        );
    }
    Ok(())
}

/// Refuses a setting that librdkafka does not know, or whose value it does not take. What it says
/// repeats the value, so it is shown for numbers alone: anything else may be a secret in a wrong place.
fn refuse_unusable(
    source: &Source,
    name: &Spanned<String>,
    span: Span,
    value: &str,
    open: bool,
) -> Result<()> {
    let one: ClientConfig = [(name.value.clone(), value.to_owned())].into_iter().collect();
    let Err(error) = one.create_native_config() else { return Ok(()) };
    let said = match &error {
        KafkaError::ClientConfig(_, said, ..) if open && value.parse::<f64>().is_ok() => {
            printable(said, 300)
        }
        KafkaError::Nul(_) => "the value has a zero byte in it".to_owned(),
        _ => "librdkafka has no such value for it".to_owned(),
    };
    if matches!(&error, KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) {
        let what = format!("librdkafka has no setting `{}`", shown(name));
        return Err(source
            .error(name.span, Code::InputInvalid, what)
            .cause("it is not known, or not built in")
            .fix("check the spelling in the list of settings of librdkafka"));
    }
    let what = format!("the setting `{}` does not take this value", shown(name));
    let error = source.error(span, Code::InputInvalid, what).cause(said);
    Err(error.fix("check the value in the list of settings of librdkafka"))
}

/// Settings that are each good and do not go together, or name a file that is not there.
fn disagreement(
    source: &Source,
    span: Span,
    config: &Config,
    place: &Place,
    error: &KafkaError,
) -> Error {
    let said = match error {
        KafkaError::ClientCreation(text) => place.said(text),
        _ => "librdkafka does not say why".to_owned(),
    };
    let named = config.settings.iter().find(|(name, _)| said.contains(name.as_str()));
    let span = named.map_or(span, |(name, _)| name.span);
    source
        .error(span, Code::InputInvalid, "librdkafka does not take these settings")
        .cause(said)
        .fix("change the setting that is named, or what it depends on")
}

/// A setting that names a file.
fn is_path(name: &str, value: &str) -> bool {
    name.starts_with("ssl.") && name.ends_with(".location") && value != "probe"
}

/// The path of a file that a setting names, from the connection file's folder on.
fn path(source: &Source, name: &str, span: Span, value: &str) -> Result<String> {
    let path = ConnectionFile::resolve(source, Path::new(value));
    let what = || format!("the file of the setting `{}` cannot be used", shown(name));
    std::fs::metadata(&path).map_err(|error| {
        source
            .error(span, Code::InputInvalid, what())
            .cause(format!("{}: {error}", path.display()))
            .fix("check the path, which starts at the connection file's folder")
    })?;
    path.into_os_string().into_string().map_err(|_| {
        source
            .error(span, Code::InputInvalid, what())
            .cause("librdkafka takes paths in UTF-8 alone")
            .fix("keep the file elsewhere")
    })
}

/// A setting whose value must not be shown.
fn is_secret(name: &str) -> bool {
    ["password", "secret", "key.pem", "oauthbearer.config"].iter().any(|part| name.contains(part))
}

/// A name as far as it can be one: somebody may have written a secret in its place.
fn shown(name: &str) -> &str {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c);
    if name.len() <= 60 && name.chars().all(plain) { name } else { "..." }
}

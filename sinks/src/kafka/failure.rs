//! What went wrong at a Kafka cluster, in words that help.

use longshore_engine::error::{Code, Error, printable};
use longshore_engine::secret::Secret;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use super::reports::Trouble;

/// How much is shown of what librdkafka says.
const SHOWN: usize = 300;

/// The cluster that errors speak of.
pub(super) struct Place {
    /// The brokers, as `host:port`.
    pub(super) brokers: String,
    /// Values that must not be shown, should librdkafka repeat one.
    pub(super) secrets: Vec<Secret>,
}

impl Place {
    /// What librdkafka said, fit to be shown.
    pub(super) fn said(&self, text: &str) -> String {
        let shown = self.secrets.iter().fold(text.to_owned(), |text, secret| {
            if secret.expose().is_empty() { text } else { text.replace(secret.expose(), "***") }
        });
        printable(&shown, SHOWN)
    }

    /// The producer could not be made, although its settings were good at the start.
    pub(super) fn not_started(&self, error: &KafkaError) -> Error {
        let cause = match error {
            KafkaError::ClientCreation(text) => self.said(text),
            // The text of other errors may repeat a value.
            _ => "librdkafka refuses its settings".to_owned(),
        };
        Error::new(Code::SinkUnavailable, format!("no producer for Kafka at {}", self.brokers))
            .cause(cause)
            .fix("check the files that `settings` names, and the limits of this machine")
    }

    /// Messages were not acknowledged.
    pub(super) fn failure(
        &self,
        topic: &str,
        code: RDKafkaErrorCode,
        trouble: Option<Trouble>,
    ) -> Error {
        use RDKafkaErrorCode as K;
        let what = format!("Kafka at {} did not take events for the topic `{topic}`", self.brokers);
        // That a message waited too long or was dropped says nothing of the reason; what happened
        // meanwhile does.
        let silent =
            matches!(code, K::MessageTimedOut | K::PurgeQueue | K::PurgeInflight | K::Fatal);
        let (code, cause) = match trouble {
            Some(trouble) if silent => (trouble.code, self.said(&trouble.text)),
            _ if silent => (code, "no broker acknowledged them in time".to_owned()),
            _ => (code, self.said(&code.to_string())),
        };
        let fix = match code {
            K::UnknownTopic | K::UnknownTopicOrPartition => format!(
                "create it, e.g. with `kafka-topics.sh --create --topic {topic}`, or let the brokers create topics"
            ),
            K::TopicAuthorizationFailed => format!(
                "allow the user to write, e.g. with `kafka-acls.sh --add --operation Write --topic {topic}`"
            ),
            K::ClusterAuthorizationFailed => {
                "allow the user the operation IdempotentWrite on the cluster".to_owned()
            }
            // A handshake that fails is reported as what it did to the connection, too.
            _ if code == K::SSL || silent && cause.contains("SSL") => {
                "check `security.protocol`, and `ssl.ca.location` if the port speaks TLS".to_owned()
            }
            K::Authentication | K::SaslAuthenticationFailed => {
                "check `sasl.mechanism`, `sasl.username` and `sasl.password`".to_owned()
            }
            K::Resolve => "check the names in `brokers`".to_owned(),
            K::NotEnoughReplicas | K::NotEnoughReplicasAfterAppend => format!(
                "bring back the replicas of `{topic}`, or lower its `min.insync.replicas`"
            ),
            K::BrokerTransportFailure | K::AllBrokersDown | K::MessageTimedOut => {
                "check that the brokers run, that they can be reached from here, and `security.protocol`"
                    .to_owned()
            }
            K::QueueFull => {
                "raise `queue.buffering.max.messages` or `queue.buffering.max.kbytes`".to_owned()
            }
            _ => "see the logs of the brokers".to_owned(),
        };
        Error::new(Code::SinkUnavailable, what).cause(cause).fix(fix)
    }
}

/// Why a message will never be taken, if that is what the code says.
pub(super) fn refusal(code: RDKafkaErrorCode) -> Option<&'static str> {
    use RDKafkaErrorCode as K;
    match code {
        K::MessageSizeTooLarge | K::InvalidMessageSize | K::MessageBatchTooLarge => Some(
            "it is larger than Kafka takes: see `message.max.bytes` of the settings and of the brokers, and `max.message.bytes` of the topic",
        ),
        K::InvalidTimestamp => Some(
            "Kafka does not take its time: see `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms` of the topic",
        ),
        K::InvalidRecord => {
            Some("Kafka takes it for an invalid record: see the logs of the brokers")
        }
        _ => None,
    }
}

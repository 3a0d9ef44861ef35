//! Kafka topics. Events are sent by an idempotent producer, so what it sends again itself is in the
//! topic once; what is delivered again after an error or a crash is there again, with the same key.

mod failure;
mod reports;
mod settings;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_engine::connection::{Kafka as Config, Source};
use longshore_engine::error::{Error, Result};
use longshore_engine::sink::{Doing, Log, Portioned, Sink, Taken};
use longshore_schema::Span;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;

use crate::event::Head;
use failure::{Place, refusal};
use reports::{Reports, Trouble};

/// How long it is waited for room in the producer's queue before it is asked again.
const ROOM: Duration = Duration::from_millis(10);

/// A sink that writes to the topics of a Kafka cluster.
pub(crate) struct Kafka {
    config: ClientConfig,
    place: Place,
    topic: crate::template::PerStream,
    /// How long a message may take, with everything that is tried again; `message.timeout.ms`.
    limit: Duration,
    producer: Option<Arc<ThreadedProducer<Reports>>>,
}

impl Kafka {
    /// Reads what the connection file says. Nothing is sent.
    ///
    /// # Errors
    /// With the place in the file: a broker, the topic or a setting that cannot be used.
    pub(crate) fn open(source: &Source, span: Span, config: &Config) -> Result<Self> {
        settings::read(source, span, config)
    }

    fn producer(&mut self) -> Result<Arc<ThreadedProducer<Reports>>> {
        if let Some(producer) = &self.producer {
            return Ok(Arc::clone(producer));
        }
        let made = self.config.create_with_context(Reports::default());
        let made = Arc::new(made.map_err(|error| self.place.not_started(&error))?);
        self.producer = Some(Arc::clone(&made));
        Ok(made)
    }

    async fn take(&mut self, portion: Portioned<'_>) -> Result<Taken> {
        let events: Vec<_> =
            portion.events().map(|event| Ok((Head::read(event)?, event))).collect::<Result<_>>()?;
        if events.is_empty() {
            return Ok(Taken::default());
        }
        let producer = self.producer()?;
        let topic = self.topic.name(portion.log.stream);
        let taken = self.send_all(&producer, &topic, portion.log, &events).await;
        if taken.is_err() && producer.client().fatal_error().is_some() {
            // It takes nothing any more. Ending it waits for its threads.
            self.producer = None;
            tokio::task::spawn_blocking(move || drop(producer));
        }
        taken
    }

    async fn send_all(
        &self,
        producer: &ThreadedProducer<Reports>,
        topic: &str,
        log: Log<'_>,
        events: &[(Head<'_>, &[u8])],
    ) -> Result<Taken> {
        let failed = self.send(producer, topic, log, events).await?;
        let mut refused = Vec::new();
        if let Some((_, code)) = failed.iter().find(|(_, code)| refusal(*code).is_none()) {
            return Err(self.failure(producer, topic, *code));
        }
        // A broker refuses a batch whole, for one message or for the size of all together.
        for (index, _) in failed {
            let alone = self.send(producer, topic, log, &events[index..=index]).await?;
            match alone.first().map(|(_, code)| (*code, refusal(*code))) {
                None => {}
                Some((_, Some(reason))) => refused.push((index, reason.to_owned())),
                Some((code, None)) => return Err(self.failure(producer, topic, code)),
            }
        }
        Ok(Taken { refused })
    }

    /// Sends events and waits for all reports; gives those that failed, by their index.
    async fn send(
        &self,
        producer: &ThreadedProducer<Reports>,
        topic: &str,
        log: Log<'_>,
        events: &[(Head<'_>, &[u8])],
    ) -> Result<Vec<(usize, RDKafkaErrorCode)>> {
        let reports = producer.client().context();
        let first = reports.expect(events.len());
        for (index, (head, event)) in events.iter().enumerate() {
            let queued = Instant::now();
            loop {
                match offer(producer, topic, log, head, event, first.wrapping_add(index)) {
                    Ok(()) => break,
                    // Room comes with the end of another message, if there is one.
                    Err(RDKafkaErrorCode::QueueFull) if queued.elapsed() < self.limit * 2 => {
                        tokio::time::sleep(ROOM).await;
                    }
                    Err(code) => {
                        reports.settle(first.wrapping_add(index), Some(code));
                        break;
                    }
                }
            }
        }
        // Each message ends within the limit; more than that is a producer that does not run any more.
        match tokio::time::timeout(self.limit * 2, reports.all()).await {
            Ok(failed) => Ok(failed),
            Err(_) => Err(self.failure(producer, topic, RDKafkaErrorCode::MessageTimedOut)),
        }
    }

    fn failure(
        &self,
        producer: &ThreadedProducer<Reports>,
        topic: &str,
        code: RDKafkaErrorCode,
    ) -> Error {
        let client = producer.client();
        let fatal = client.fatal_error().map(|(code, text)| Trouble { code, text });
        self.place.failure(topic, code, fatal.or_else(|| client.context().trouble()))
    }
}

impl Sink for Kafka {
    fn deliver<'a>(&'a mut self, events: Portioned<'a>) -> Doing<'a, Taken> {
        Box::pin(self.take(events))
    }
}

/// Puts one message into the producer's queue.
fn offer(
    producer: &ThreadedProducer<Reports>,
    topic: &str,
    log: Log<'_>,
    head: &Head<'_>,
    event: &[u8],
    number: usize,
) -> std::result::Result<(), RDKafkaErrorCode> {
    let mut headers = OwnedHeaders::new_with_capacity(3)
        .insert(Header { key: "connection", value: Some(log.connection) })
        .insert(Header { key: "stream", value: Some(log.stream) });
    if let Some(class) = head.class_uid {
        headers = headers.insert(Header { key: "class_uid", value: Some(&class.to_string()) });
    }
    let mut record =
        BaseRecord::with_opaque_to(topic, number).key(head.uid()).payload(event).headers(headers);
    // Kafka has no times before 1970, and librdkafka takes 0 for none.
    if let Some(time) = head.time.filter(|time| *time > 0) {
        record = record.timestamp(time);
    }
    producer
        .send(record)
        .map_err(|(error, _)| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail))
}

//! Subjects of a NATS JetStream stream. The id of each message is the event's `metadata.uid`, by which
//! the server drops what it was sent before, within the duplicate window of the stream.

mod failure;
mod settings;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{ContextBuilder, PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::{ConnectOptions, Event, ServerAddr, ServerError};
use bytes::Bytes;
use longshore_engine::connection::{Nats as Config, Source};
use longshore_engine::error::Result;
use longshore_engine::sink::{Doing, Portioned, Sink, Taken};
use tokio::sync::watch;

use crate::event::Head;
use crate::template::PerStream;
use failure::Place;

/// How many messages are on their way without an acknowledgement.
const IN_FLIGHT: usize = 256;

/// A sink that publishes to JetStream.
pub(crate) struct Nats {
    servers: Vec<ServerAddr>,
    options: ConnectOptions,
    place: Place,
    subject: PerStream,
    /// How long it is waited for one acknowledgement.
    limit: Duration,
    connected: Option<Connected>,
}

/// A connection to one of the servers. It is given up at the first trouble.
struct Connected {
    jetstream: Context,
    trouble: watch::Receiver<Option<String>>,
}

impl Nats {
    /// Reads what the connection file says. Nothing is sent.
    ///
    /// # Errors
    /// With the place in the file: a server, the subject or a credential that cannot be used.
    pub(crate) fn open(source: &Source, config: &Config) -> Result<Self> {
        settings::read(source, config)
    }

    async fn connect(&self) -> Result<Connected> {
        let (teller, trouble) = watch::channel(None);
        let options = self.options.clone().event_callback(move |event| {
            note(&teller, &event);
            std::future::ready(())
        });
        let connecting = options.connect(self.servers.as_slice()).await;
        let client = connecting.map_err(|error| self.place.unreachable(&error))?;
        let jetstream = ContextBuilder::new()
            .timeout(self.limit)
            .max_ack_inflight(IN_FLIGHT)
            .backpressure_on_inflight(true)
            .build(client);
        Ok(Connected { jetstream, trouble })
    }

    async fn take(&mut self, portion: Portioned<'_>) -> Result<Taken> {
        let connected = self.connected.take().filter(|known| known.trouble.borrow().is_none());
        let mut connected = match connected {
            Some(connected) => connected,
            None => self.connect().await?,
        };
        let subject = self.subject.name(portion.log.stream);
        // What was on its way on a connection that is lost gets no answer: waiting is no use.
        let taken = tokio::select! {
            taken = self.publish(&connected.jetstream, &subject, portion) => taken?,
            trouble = connected.trouble.wait_for(Option::is_some) => {
                let said = trouble.ok().and_then(|said| said.clone());
                return Err(self.place.lost(&subject, said.as_deref()));
            }
        };
        self.connected = Some(connected);
        Ok(taken)
    }

    async fn publish(
        &self,
        jetstream: &Context,
        subject: &str,
        portion: Portioned<'_>,
    ) -> Result<Taken> {
        let mut waiting = VecDeque::with_capacity(IN_FLIGHT);
        let mut refused = Vec::new();
        for (index, event) in portion.events().enumerate() {
            if waiting.len() == IN_FLIGHT
                && let Some(oldest) = waiting.pop_front()
            {
                self.settle(subject, oldest, &mut refused).await?;
            }
            let message = PublishMessage::build()
                .payload(Bytes::copy_from_slice(event))
                .message_id(Head::read(event)?.uid());
            match jetstream.send_publish(subject.to_owned(), message).await {
                Ok(acknowledgement) => waiting.push_back((index, acknowledgement)),
                Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                    refused.push((index, failure::LARGER_THAN_SERVER.to_owned()));
                }
                Err(error) => return Err(self.place.failure(subject, &error)),
            }
        }
        for left in waiting {
            self.settle(subject, left, &mut refused).await?;
        }
        refused.sort_unstable_by_key(|(index, _)| *index);
        Ok(Taken { refused })
    }

    /// Waits until a message is stored, or refused for good.
    async fn settle(
        &self,
        subject: &str,
        (index, acknowledgement): (usize, PublishAckFuture),
        refused: &mut Vec<(usize, String)>,
    ) -> Result<()> {
        match acknowledgement.await {
            Ok(_) => Ok(()),
            Err(error) => match failure::refusal(&error) {
                Some(reason) => {
                    refused.push((index, reason.to_owned()));
                    Ok(())
                }
                None => Err(self.place.failure(subject, &error)),
            },
        }
    }
}

impl Sink for Nats {
    fn deliver<'a>(&'a mut self, events: Portioned<'a>) -> Doing<'a, Taken> {
        Box::pin(self.take(events))
    }
}

/// Keeps the first trouble of a connection: what follows is a consequence of it.
fn note(teller: &watch::Sender<Option<String>>, event: &Event) {
    let said = match event {
        Event::Disconnected => "the connection was lost".to_owned(),
        Event::ServerError(ServerError::Other(said)) => said.clone(),
        Event::ServerError(error) => error.to_string(),
        _ => return,
    };
    teller.send_if_modified(|trouble| {
        let first = trouble.is_none();
        trouble.get_or_insert(said);
        first
    });
}

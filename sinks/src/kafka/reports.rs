//! What librdkafka reports from its own thread: what became of each message, and what troubles it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::Notify;

/// Reports on the messages that are being delivered.
#[derive(Default)]
pub(super) struct Reports {
    state: Mutex<State>,
    settled: Notify,
}

#[derive(Default)]
struct State {
    /// The number of the first message; reports on earlier ones come from a delivery that was given up.
    first: usize,
    /// The number behind the last message.
    next: usize,
    /// How many have no report yet.
    open: usize,
    failed: Vec<(usize, RDKafkaErrorCode)>,
    trouble: Option<Trouble>,
}

/// What librdkafka said last about its connections, since something was delivered.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    /// What kind of trouble it is.
    pub(super) code: RDKafkaErrorCode,
    /// What it said.
    pub(super) text: String,
}

impl Reports {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait for reports on so many messages; gives the number of the first.
    pub(super) fn expect(&self, messages: usize) -> usize {
        let mut state = self.state();
        state.first = state.next;
        state.next = state.first.wrapping_add(messages);
        state.open = messages;
        state.failed.clear();
        state.first
    }

    /// Notes what became of a message.
    pub(super) fn settle(&self, number: usize, failure: Option<RDKafkaErrorCode>) {
        let mut state = self.state();
        let index = number.wrapping_sub(state.first);
        if index >= state.next.wrapping_sub(state.first) {
            return;
        }
        match failure {
            Some(code) => state.failed.push((index, code)),
            None => state.trouble = None,
        }
        state.open = state.open.saturating_sub(1);
        if state.open == 0 {
            self.settled.notify_one();
        }
    }

    /// Waits for a report on each message; gives those that failed, in order.
    pub(super) async fn all(&self) -> Vec<(usize, RDKafkaErrorCode)> {
        loop {
            let settled = self.settled.notified();
            {
                let mut state = self.state();
                if state.open == 0 {
                    let mut failed = std::mem::take(&mut state.failed);
                    failed.sort_unstable_by_key(|(index, _)| *index);
                    return failed;
                }
            }
            settled.await;
        }
    }

    /// What troubles the connections.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.state().trouble.clone()
    }
}

impl ClientContext for Reports {
    // What matters of it is in the errors. The rest has no place to go to.
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        let mut state = self.state();
        // That all are down says less than what happened to the last of them.
        if code != RDKafkaErrorCode::AllBrokersDown || state.trouble.is_none() {
            state.trouble = Some(Trouble { code, text: reason.to_owned() });
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let failure = result.as_ref().err();
        let failure =
            failure.map(|(error, _)| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail));
        self.settle(number, failure);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn late_reports_count_for_nothing() {
        let reports = Reports::default();
        let old = reports.expect(2);
        let new = reports.expect(2);
        reports.settle(old, Some(RDKafkaErrorCode::Fail));
        reports.settle(old + 1, None);
        reports.settle(new, None);
        let all = tokio::time::timeout(Duration::from_millis(20), reports.all());
        assert!(all.await.is_err());
        reports.settle(new + 1, Some(RDKafkaErrorCode::MessageTimedOut));
        assert_eq!(reports.all().await, [(1, RDKafkaErrorCode::MessageTimedOut)]);
    }
}

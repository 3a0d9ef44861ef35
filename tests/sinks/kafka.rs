//! Kafka: the brokers are those that librdkafka simulates, which cannot be reached by another address.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;

use crate::http::STREAMS;
use crate::org::{Org, uid};
use crate::scenario::{Place, compare, survive};

const PARTITIONS: i32 = 3;
const BROKERS: i32 = 3;
/// All of them.
const EACH: i32 = -1;

struct Brokers(MockCluster<'static, DefaultProducerContext>);

impl Brokers {
    fn new() -> Self {
        let brokers = MockCluster::new(BROKERS).unwrap();
        for stream in STREAMS {
            brokers.create_topic(&format!("longshore.{stream}"), PARTITIONS, BROKERS).unwrap();
        }
        Self(brokers)
    }

    /// A consumer of all partitions from their beginning on, and how many messages there are.
    fn consumer(&self) -> (BaseConsumer, i64) {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.0.bootstrap_servers())
            .set("group.id", "reader")
            .set("check.crcs", "true")
            .create()
            .unwrap();
        let mut all = TopicPartitionList::new();
        let mut messages = 0;
        for topic in STREAMS.map(|stream| format!("longshore.{stream}")) {
            for partition in 0..PARTITIONS {
                all.add_partition_offset(&topic, partition, Offset::Beginning).unwrap();
                let (low, high) =
                    consumer.fetch_watermarks(&topic, partition, Duration::from_secs(30)).unwrap();
                messages += high - low;
            }
        }
        consumer.assign(&all).unwrap();
        (consumer, messages)
    }
}

impl Place for Brokers {
    fn section(&mut self, _: &Org) -> String {
        format!(
            "kafka: {{ brokers: [{}], topic: 'longshore.{{stream}}', settings: {{ reconnect.backoff.max.ms: 200 }} }}",
            self.0.bootstrap_servers()
        )
    }

    fn arrived(&mut self) -> u64 {
        self.consumer().1 as u64
    }

    fn kill(&mut self) {
        self.0.broker_down(EACH).unwrap();
    }

    fn start(&mut self) {
        self.0.broker_up(EACH).unwrap();
    }

    fn check(&mut self, given: &BTreeMap<String, Value>) -> usize {
        let (consumer, messages) = self.consumer();
        let mut events: Vec<Value> = Vec::new();
        for _ in 0..messages {
            let message = consumer.poll(Duration::from_secs(30)).expect("a message").unwrap();
            let event = serde_json::from_slice(message.payload().unwrap()).unwrap();
            assert_eq!(message.key(), Some(uid(&event).as_bytes()));
            events.push(event);
        }
        compare(given, &events)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_has_everything() {
    survive(&mut Brokers::new()).await;
}

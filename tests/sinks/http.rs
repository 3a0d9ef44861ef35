//! Sinks that speak HTTP: receivers that are played, and one that reads with published messages.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::line::Line;
use crate::local::parsed;
use crate::org::Org;
use crate::played::{Played, Product};
use crate::receiver::Receiver;
use crate::scenario::{Place, compare, survive};
use crate::wire::{Act, Asked, Serve, Told, serve};

/// The streams of the connector.
pub(crate) const STREAMS: [&str; 4] = ["sign_ins", "setup_audit_trail", "event_log", "users"];

/// A receiver that has enough now and then.
struct Moody {
    played: Played,
    is_busy: AtomicBool,
}

impl Serve for Moody {
    fn breaks_after(&self, _: usize) -> Option<usize> {
        None
    }

    fn act(&self, asked: Asked) -> Act {
        if self.is_busy.load(Ordering::SeqCst) {
            return Act::Tell(Told::new(503, "busy"));
        }
        self.played.act(asked)
    }
}

struct Reached {
    served: Arc<Moody>,
    line: Line,
}

impl Reached {
    async fn new(product: Product) -> Self {
        let mut played = Played::new(product, 0.0, 0);
        played.streams = &STREAMS;
        let served = Arc::new(Moody { played, is_busy: AtomicBool::new(false) });
        let line = Line::to(serve(Arc::clone(&served), None).await);
        Self { served, line }
    }
}

impl Place for Reached {
    fn section(&mut self, _: &Org) -> String {
        self.served.played.product.section(&format!("http://{}", self.line.address))
    }

    fn arrived(&mut self) -> u64 {
        self.served.played.stored.lock().unwrap().len() as u64
    }

    fn kill(&mut self) {
        self.served.is_busy.store(true, Ordering::SeqCst);
        self.line.cut();
    }

    fn start(&mut self) {
        self.served.is_busy.store(false, Ordering::SeqCst);
    }

    fn line(&self) -> Option<(&Line, &'static [u8])> {
        Some((&self.line, b"POST "))
    }

    fn check(&mut self, given: &BTreeMap<String, Value>) -> usize {
        let mut events: Vec<Value> =
            self.served.played.stored.lock().unwrap().values().cloned().collect();
        // What the products are given besides.
        let beside = match self.served.played.product {
            Product::Elasticsearch => Some("@timestamp"),
            Product::Azure => Some("TimeGenerated"),
            _ => None,
        };
        for event in &mut events {
            let event = event.as_object_mut().unwrap();
            assert!(beside.is_none_or(|name| event.remove(name).is_some()));
        }
        assert_eq!(compare(given, &events), 0);
        *self.served.played.repeats.lock().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_by_http_have_everything_and_repeats_are_the_same() {
    assert!(survive(&mut Reached::new(Product::Lines).await).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn splunk_has_everything_and_repeats_are_the_same() {
    assert!(survive(&mut Reached::new(Product::Splunk).await).await > 0);
}

/// It drops what it has, by its id.
#[tokio::test(flavor = "multi_thread")]
async fn elasticsearch_has_everything_once() {
    assert_eq!(survive(&mut Reached::new(Product::Elasticsearch).await).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_has_everything_and_repeats_are_the_same() {
    survive(&mut Reached::new(Product::Azure).await).await;
}

/// A collector that writes what it reads to a file.
struct Collector {
    receiver: Option<Receiver>,
    port: u16,
    line: Line,
    told: tempfile::NamedTempFile,
}

impl Collector {
    fn new() -> Option<Self> {
        // Free now; the receiver takes it a moment later.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let told = tempfile::NamedTempFile::new().unwrap();
        let line = Line::to(address);
        let mut collector = Self { receiver: None, port: address.port(), line, told };
        collector.start();
        collector.receiver.is_some().then_some(collector)
    }

    fn records(&self) -> Vec<Value> {
        // Each time that it starts it tells its port.
        let told = parsed(&std::fs::read(self.told.path()).unwrap());
        told.into_iter().filter(Value::is_object).collect()
    }
}

impl Place for Collector {
    fn section(&mut self, _: &Org) -> String {
        format!("otlp: {{ url: 'http://{}', compress: gzip }}", self.line.address)
    }

    fn arrived(&mut self) -> u64 {
        self.records().len() as u64
    }

    fn kill(&mut self) {
        self.receiver = None;
    }

    fn start(&mut self) {
        let told = File::options().append(true).open(self.told.path()).unwrap();
        self.receiver = Receiver::start(self.port, told);
        let begun = std::time::Instant::now();
        while self.receiver.is_some()
            && std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err()
        {
            assert!(begun.elapsed() < crate::line::PATIENCE, "the receiver does not start");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    fn line(&self) -> Option<(&Line, &'static [u8])> {
        Some((&self.line, b"POST "))
    }

    fn check(&mut self, given: &BTreeMap<String, Value>) -> usize {
        let bodies: Vec<Value> =
            self.records().iter().map(|record| record["body"].clone()).collect();
        compare(given, &bodies)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_of_otlp_has_everything() {
    let Some(mut collector) = Collector::new() else { return };
    survive(&mut collector).await;
}

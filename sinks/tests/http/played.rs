//! Receivers that play the documented protocols: they read strictly what they get, store it by its
//! id, and can be told to fail at random, before or after they have stored something.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::wire::{Act, Asked, Serve, Told};

/// Which product is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Lines,
    Array,
    Splunk,
    Elasticsearch,
    Azure,
    Otlp,
}

pub(crate) const PRODUCTS: [Product; 6] = [
    Product::Lines,
    Product::Array,
    Product::Splunk,
    Product::Elasticsearch,
    Product::Azure,
    Product::Otlp,
];

impl Product {
    /// The section of a connection file for a receiver at an address.
    pub(crate) fn section(self, address: &str) -> String {
        match self {
            Self::Lines => format!(
                "http: {{ url: '{address}/in?key=simulated', headers: {{ X-Key: simulated-key }} }}"
            ),
            Self::Array => {
                format!("http: {{ url: '{address}/in', body: array, compress: gzip }}")
            }
            Self::Splunk => format!(
                "splunk_hec: {{ url: '{address}', token: simulated-token, index: security }}"
            ),
            Self::Elasticsearch => format!(
                "elasticsearch: {{ url: '{address}/es/', index: 'logs-{{stream}}', api_key: simulated-key }}"
            ),
            Self::Azure => format!(
                "azure_logs: {{ endpoint: '{address}', rule: dcr-simulated, stream: Custom-Longshore, \
                 tenant: simulated-tenant, client_id: simulated-id, \
                 client_secret: simulated&secret, login: '{address}/login' }}"
            ),
            Self::Otlp => format!("otlp: {{ url: '{address}', compress: gzip }}"),
        }
    }
}

/// A receiver.
pub(crate) struct Played {
    pub(crate) product: Product,
    /// How often it fails, from 0 to 1.
    pub(crate) failures: f64,
    pub(crate) random: Mutex<fastrand::Rng>,
    /// Which streams events may come of.
    pub(crate) streams: &'static [&'static str],
    /// The events by their id, as they came.
    pub(crate) stored: Mutex<BTreeMap<String, Value>>,
    /// How many came again; they must be the same.
    pub(crate) repeats: Mutex<usize>,
    /// Requests that came to their end.
    pub(crate) requests: Mutex<usize>,
    token: Mutex<usize>,
}

impl Played {
    pub(crate) fn new(product: Product, failures: f64, seed: u64) -> Self {
        Self {
            product,
            failures,
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            streams: &["sign_ins"],
            stored: Mutex::default(),
            repeats: Mutex::default(),
            requests: Mutex::default(),
            token: Mutex::default(),
        }
    }

    fn fails(&self) -> bool {
        self.random.lock().unwrap().f64() < self.failures
    }

    fn any(&self, below: usize) -> usize {
        self.random.lock().unwrap().usize(..below)
    }

    fn store(&self, uid: &str, event: &Value) {
        if let Some(before) = self.stored.lock().unwrap().insert(uid.to_owned(), event.clone()) {
            assert_eq!(before, *event);
            *self.repeats.lock().unwrap() += 1;
        }
    }

    fn answer(&self, asked: &Asked) -> Told {
        assert_eq!(asked.method, "POST");
        match self.product {
            Product::Lines => {
                assert_eq!(asked.target, "/in?key=simulated");
                assert_eq!(asked.header("content-type"), Some("application/x-ndjson"));
                assert_eq!(asked.header("x-key"), Some("simulated-key"));
                let text = std::str::from_utf8(&asked.body).unwrap();
                assert!(text.ends_with('\n'));
                let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
                self.all_or_nothing(&events.collect::<Vec<_>>())
            }
            Product::Array => {
                assert_eq!(asked.target, "/in");
                assert_eq!(asked.header("content-type"), Some("application/json"));
                assert_eq!(asked.header("content-encoding"), Some("gzip"));
                self.all_or_nothing(&serde_json::from_slice::<Vec<_>>(&asked.body).unwrap())
            }
            Product::Splunk => self.splunk(asked),
            Product::Elasticsearch => self.elasticsearch(asked),
            Product::Azure => self.azure(asked),
            Product::Otlp => self.otlp(asked),
        }
    }

    /// Takes all, or refuses all because of one.
    fn all_or_nothing(&self, events: &[Value]) -> Told {
        assert!(!events.is_empty());
        if events.iter().any(|event| uid(event).starts_with("bad-")) {
            return Told::new(400, "an event is bad");
        }
        for event in events {
            self.store(uid(event), event);
        }
        Told::new(202, "")
    }

    /// "Format events for HTTP Event Collector": what is before the event that is wrong is taken.
    fn splunk(&self, asked: &Asked) -> Told {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Envelope {
            time: f64,
            source: String,
            sourcetype: String,
            index: String,
            event: Value,
        }
        assert_eq!(asked.target, "/services/collector/event");
        assert_eq!(asked.header("authorization"), Some("Splunk simulated-token"));
        let envelopes = serde_json::Deserializer::from_slice(&asked.body).into_iter::<Envelope>();
        for (at, envelope) in envelopes.enumerate() {
            let Envelope { time, source, sourcetype, index, event } = envelope.unwrap();
            assert_eq!((index.as_str(), sourcetype.as_str()), ("security", "longshore:ocsf"));
            let stream = source.strip_prefix("longshore:acme:").unwrap();
            assert!(self.streams.contains(&stream), "{stream}");
            assert_eq!((time * 1000.0).round() as i64, event["time"].as_i64().unwrap());
            if uid(&event).starts_with("bad-") {
                let said =
                    json!({"text": "Invalid data format", "code": 6, "invalid-event-number": at});
                return Told::new(400, said.to_string());
            }
            self.store(uid(&event), &event);
        }
        if self.fails() {
            return Told::new(503, r#"{"text":"Server is busy","code":9}"#);
        }
        Told::new(200, r#"{"text":"Success","code":0}"#)
    }

    /// "Bulk index or delete documents", into a data stream.
    fn elasticsearch(&self, asked: &Asked) -> Told {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Action {
            create: Target,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Target {
            #[serde(rename = "_index")]
            index: String,
            #[serde(rename = "_id")]
            id: String,
        }
        let (path, query) = asked.target.split_once('?').unwrap();
        assert_eq!(path, "/es/_bulk");
        assert!(query.starts_with("filter_path="), "{query}");
        assert_eq!(asked.header("content-type"), Some("application/x-ndjson"));
        assert_eq!(asked.header("authorization"), Some("ApiKey simulated-key"));
        let text = std::str::from_utf8(&asked.body).unwrap();
        assert!(text.ends_with('\n'));
        let mut lines = text.lines();
        let mut items = Vec::new();
        let mut errors = false;
        while let Some(action) = lines.next() {
            let action: Action = serde_json::from_str(action).unwrap();
            let event: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
            let stream = action.create.index.strip_prefix("logs-").unwrap();
            assert!(self.streams.contains(&stream), "{stream}");
            assert_eq!(action.create.id, uid(&event));
            let timestamp: jiff::Timestamp = event["@timestamp"].as_str().unwrap().parse().unwrap();
            assert_eq!(timestamp.as_millisecond(), event["time"].as_i64().unwrap());
            let error = |kind: &str| json!({"type": kind, "reason": "so it is"});
            let item = if uid(&event).starts_with("bad-") {
                json!({"status": 400, "error": error("document_parsing_exception")})
            } else if self.fails() {
                json!({"status": 429, "error": error("es_rejected_execution_exception")})
            } else if self.stored.lock().unwrap().contains_key(uid(&event)) {
                json!({"status": 409, "error": error("version_conflict_engine_exception")})
            } else {
                self.store(uid(&event), &event);
                json!({"status": 201})
            };
            errors |= item["error"].is_object();
            items.push(json!({"create": item}));
        }
        Told::new(200, json!({"errors": errors, "items": items}).to_string())
    }

    /// "Logs Ingestion API in Azure Monitor", and the sign-in before it.
    fn azure(&self, asked: &Asked) -> Told {
        let mut token = self.token.lock().unwrap();
        if asked.target == "/login/simulated-tenant/oauth2/v2.0/token" {
            let form = "grant_type=client_credentials&client_id=simulated-id&\
                client_secret=simulated%26secret&scope=https%3A%2F%2Fmonitor.azure.com%2F.default";
            assert_eq!(std::str::from_utf8(&asked.body).unwrap(), form);
            *token += 1;
            let token = format!("simulated-{token}");
            let said = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": token});
            return Told::new(200, said.to_string());
        }
        assert_eq!(
            asked.target,
            "/dataCollectionRules/dcr-simulated/streams/Custom-Longshore?api-version=2023-01-01"
        );
        assert_eq!(asked.header("content-type"), Some("application/json"));
        assert_eq!(asked.header("content-encoding"), Some("gzip"));
        assert!(asked.body.len() <= 1_000_000, "{}", asked.body.len());
        if asked.header("authorization") != Some(&format!("Bearer simulated-{token}")) {
            return Told::new(401, r#"{"error":{"code":"InvalidToken","message":"expired"}}"#);
        }
        // It ends before its time.
        *token += usize::from(self.fails());
        drop(token);
        let events: Vec<Value> = serde_json::from_slice(&asked.body).unwrap();
        for event in &events {
            let time: jiff::Timestamp = event["TimeGenerated"].as_str().unwrap().parse().unwrap();
            assert_eq!(time.as_millisecond(), event["time"].as_i64().unwrap());
        }
        match self.all_or_nothing(&events) {
            Told { status: 202, .. } => Told::new(204, ""),
            _ => Told::new(400, r#"{"error":{"code":"InvalidRecord","message":"bad"}}"#),
        }
    }

    /// "OTLP/HTTP": the others are taken, and the number of those that are refused is told.
    fn otlp(&self, asked: &Asked) -> Told {
        assert_eq!(asked.target, "/v1/logs");
        assert_eq!(asked.header("content-type"), Some("application/json"));
        assert_eq!(asked.header("content-encoding"), Some("gzip"));
        let request: Value = serde_json::from_slice(&asked.body).unwrap();
        let records = &request["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
        let mut rejected = 0;
        for record in records.as_array().unwrap() {
            assert_eq!(record["attributes"][0]["key"], "log.record.uid");
            let uid = record["attributes"][0]["value"]["stringValue"].as_str().unwrap();
            if uid.starts_with("bad-") {
                rejected += 1;
            } else {
                self.store(uid, record);
            }
        }
        Told::new(200, match rejected {
            0 => "{}".to_owned(),
            _ => json!({"partialSuccess": {"rejectedLogRecords": rejected.to_string(), "errorMessage": "bad"}})
                .to_string(),
        })
    }
}

impl Serve for Played {
    fn breaks_after(&self, length: usize) -> Option<usize> {
        (self.failures > 0.0 && self.any(12) == 0).then(|| self.any(length + 1))
    }

    fn act(&self, asked: Asked) -> Act {
        if self.fails() {
            return match self.any(5) {
                0 => Act::Tell(Told::new(500, "an inner error")),
                1 => {
                    let headers = vec![("retry-after", "120".to_owned())];
                    Act::Tell(Told { headers, ..Told::new(429, "slow down") })
                }
                2 => Act::Break,
                // What is taken, but not told.
                3 => {
                    self.answer(&asked);
                    Act::Break
                }
                _ => Act::TellPart(self.answer(&asked), self.random.lock().unwrap().f64()),
            };
        }
        *self.requests.lock().unwrap() += 1;
        Act::Tell(self.answer(&asked))
    }
}

pub(crate) fn uid(event: &Value) -> &str {
    event["metadata"]["uid"].as_str().unwrap()
}

/// What is stored, in words for a failed assertion.
pub(crate) fn summary(stored: &BTreeMap<String, Value>) -> String {
    stored.keys().fold(String::new(), |mut text, uid| {
        let _ = write!(text, "{uid} ");
        text
    })
}

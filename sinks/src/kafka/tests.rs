//! The brokers are those that librdkafka simulates: they speak the protocol on loopback ports.

use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_engine::connection::SinkConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaErrorCode as Code, RDKafkaRespErr as Answer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use rustls::pki_types::PrivatePkcs8KeyDer;

use super::Kafka;
use super::failure::Place;
use super::reports::Trouble;
use crate::testing::{
    deliver, file, insist, line, lines, refused, repeats, shown, time, uid, uids,
};
use longshore_engine::secret::Secret;

type Brokers = MockCluster<'static, DefaultProducerContext>;

const PARTITIONS: i32 = 3;

fn brokers(count: i32, topics: &[&str]) -> Brokers {
    let brokers = MockCluster::new(count).unwrap();
    for topic in topics {
        brokers.create_topic(topic, PARTITIONS, count).unwrap();
    }
    brokers
}

fn sink(brokers: &str, topic: &str, settings: &str) -> Kafka {
    let (_folder, file, source) = file(&format!(
        "    kafka:\n      brokers: [{brokers}]\n      topic: \"{topic}\"\n      settings: {{ {settings} }}\n"
    ));
    let (_, config) = file.sinks.iter().next().unwrap();
    let SinkConfig::Kafka(kafka) = &config.value else { panic!("not Kafka") };
    Kafka::open(&source, config.span, kafka).unwrap_or_else(|error| panic!("{error}"))
}

/// Gives up sooner than people do.
fn hasty(mut sink: Kafka) -> Kafka {
    sink.limit = Duration::from_secs(3);
    sink.config.set("message.timeout.ms", "3000");
    sink
}

#[derive(Debug)]
struct Read {
    uid: String,
    payload: Vec<u8>,
    time: Option<i64>,
    headers: Vec<(String, String)>,
}

/// Everything that is in a topic.
fn read(brokers: &Brokers, topic: &str) -> Vec<Read> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers.bootstrap_servers())
        .set("group.id", "reader")
        .set("check.crcs", "true")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    let mut left = 0;
    for partition in 0..PARTITIONS {
        assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        let (low, high) =
            consumer.fetch_watermarks(topic, partition, Duration::from_secs(10)).unwrap();
        left += high - low;
    }
    consumer.assign(&assignment).unwrap();
    let mut all = Vec::new();
    while left > 0 {
        let message = consumer.poll(Duration::from_secs(10)).expect("a message").unwrap();
        let headers = message.headers().unwrap();
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        all.push(Read {
            uid: text(message.key()),
            payload: message.payload().unwrap().to_vec(),
            time: message.timestamp().to_millis(),
            headers: headers.iter().map(|h| (h.key.to_owned(), text(h.value))).collect(),
        });
        left -= 1;
    }
    all
}

fn read_uids(brokers: &Brokers, topic: &str) -> Vec<String> {
    read(brokers, topic).into_iter().map(|read| read.uid).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_is_in_the_topic_with_key_headers_and_time() {
    let brokers = brokers(3, &["longshore.sign_ins", "longshore.changes"]);
    let mut sink =
        sink(&brokers.bootstrap_servers(), "longshore.{stream}", "compression.codec: zstd");
    for start in [0, 1000] {
        assert_eq!(insist(&mut sink, "sign_ins", &lines(start..start + 1000)).await, 0);
    }
    assert_eq!(insist(&mut sink, "changes", &lines(5000..5001)).await, 0);
    assert_eq!(insist(&mut sink, "changes", b"").await, 0);

    let mut all = read(&brokers, "longshore.sign_ins");
    all.sort_by(|a, b| a.uid.cmp(&b.uid));
    assert_eq!(all.len(), 2000);
    for (number, message) in all.iter().enumerate() {
        assert_eq!(message.uid, uid(number));
        assert_eq!([&message.payload[..], b"\n"].concat(), line(number, 200));
        assert_eq!(message.time, Some(time(number)));
    }
    let headers: Vec<_> = all[0].headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(headers, [("connection", "acme"), ("stream", "sign_ins"), ("class_uid", "3002")]);
    assert_eq!(read_uids(&brokers, "longshore.changes"), [uid(5000)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_go_down_in_the_middle_lose_nothing() {
    let brokers = brokers(3, &["events"]);
    let settings = "reconnect.backoff.max.ms: 200";
    let mut sink = hasty(sink(&brokers.bootstrap_servers(), "events", settings));
    let delivering = tokio::spawn(async move {
        let mut failures = 0;
        for start in (0..20_000).step_by(500) {
            failures += insist(&mut sink, "sign_ins", &lines(start..start + 500)).await;
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        failures
    });
    let mut downs = 0;
    while !delivering.is_finished() {
        let broker = if downs % 4 == 3 { -1 } else { downs % 4 + 1 };
        tokio::time::sleep(Duration::from_millis(150)).await;
        brokers.broker_down(broker).unwrap();
        // Longer than a message may take, once.
        let long = if downs == 3 { 4500 } else { 150 };
        tokio::time::sleep(Duration::from_millis(long)).await;
        brokers.broker_up(broker).unwrap();
        downs += 1;
    }
    let failures = delivering.await.unwrap();
    assert!(downs >= 4 && failures >= 1, "{downs} {failures}");
    let mut found = read_uids(&brokers, "events");
    let repeats = repeats(&mut found);
    assert_eq!(found, uids(0..20_000));
    println!("{downs} times down, {failures} failures, {repeats} repeats");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_tried_again_within_one_delivery() {
    use Answer::{
        RD_KAFKA_RESP_ERR__TRANSPORT as CUT, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS as FEW,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION as MOVED,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT as SLOW,
    };
    let brokers = brokers(3, &["events"]);
    let mut sink = sink(&brokers.bootstrap_servers(), "events", "retry.backoff.ms: 10");
    for (nth, errors) in [vec![CUT], vec![FEW, MOVED], vec![SLOW, CUT, CUT]].iter().enumerate() {
        brokers.request_errors(Api::Produce, errors);
        let start = nth * 300;
        assert_eq!(insist(&mut sink, "sign_ins", &lines(start..start + 300)).await, 0);
    }
    let mut found = read_uids(&brokers, "events");
    let repeats = repeats(&mut found);
    assert_eq!(found, uids(0..900));
    println!("{repeats} repeats");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_what_was_not_acknowledged_is_there_again_with_its_uid() {
    let brokers = brokers(1, &["events"]);
    let sink = || sink(&brokers.bootstrap_servers(), "events", "");
    assert_eq!(insist(&mut sink(), "sign_ins", &lines(0..300)).await, 0);
    assert_eq!(insist(&mut sink(), "sign_ins", &lines(0..700)).await, 0);
    let mut found = read_uids(&brokers, "events");
    assert_eq!(repeats(&mut found), 300);
    assert_eq!(found, uids(0..700));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_was_given_up_does_not_answer_for_the_next() {
    let brokers = brokers(1, &["events"]);
    let mut sink = sink(&brokers.bootstrap_servers(), "events", "");
    brokers.broker_round_trip_time(-1, Duration::from_millis(300)).unwrap();
    let first = lines(0..10);
    let given_up =
        tokio::time::timeout(Duration::from_millis(700), deliver(&mut sink, "sign_ins", &first));
    assert!(given_up.await.is_err());
    assert_eq!(insist(&mut sink, "sign_ins", &lines(0..100)).await, 0);
    let mut found = read_uids(&brokers, "events");
    repeats(&mut found);
    assert_eq!(found, uids(0..100));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_too_large_is_refused_alone() {
    let brokers = brokers(1, &["events"]);
    let mut sink = sink(&brokers.bootstrap_servers(), "events", "message.max.bytes: 20000");
    let portion = [lines(0..2), line(2, 30_000), lines(3..50), line(50, 20_000)].concat();
    let taken = deliver(&mut sink, "sign_ins", &portion).await.unwrap();
    let indexes: Vec<_> = taken.refused.iter().map(|(index, _)| *index).collect();
    assert_eq!(indexes, [2, 50]);
    insta::assert_snapshot!(taken.refused[0].1, @"it is larger than Kafka takes: see `message.max.bytes` of the settings and of the brokers, and `max.message.bytes` of the topic");
    let mut found = read_uids(&brokers, "events");
    assert_eq!(repeats(&mut found), 0);
    assert_eq!(found, [uids(0..2), uids(3..50)].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_queue_is_waited_for_while_it_moves() {
    let brokers = brokers(1, &["events"]);
    let short = "queue.buffering.max.messages: 7, queue.buffering.max.kbytes: 10";
    let mut sink = hasty(sink(&brokers.bootstrap_servers(), "events", short));
    assert_eq!(insist(&mut sink, "sign_ins", &lines(0..300)).await, 0);
    let portion = [lines(300..302), line(302, 20_000)].concat();
    let error = deliver(&mut sink, "sign_ins", &portion).await.unwrap_err();
    insta::assert_snapshot!(shown(&error).replace(&brokers.bootstrap_servers(), "BROKERS"));
    assert_eq!(read_uids(&brokers, "events").len(), 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_that_is_refused_only_what_is_refused_alone_is_set_aside() {
    use Answer::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE as LARGE;
    let brokers = MockCluster::new(1).unwrap();
    brokers.create_topic("events", PARTITIONS, 1).unwrap();
    let settings = "linger.ms: 300, partitioner: random, sticky.partitioning.linger.ms: 0";
    let mut sink = sink(&brokers.bootstrap_servers(), "events", settings);
    // More refusals than there are partitions: each is asked for one batch, and some message alone.
    brokers.request_errors(Api::Produce, &[LARGE; PARTITIONS as usize + 1]);
    let taken = deliver(&mut sink, "sign_ins", &lines(0..30)).await.unwrap();
    assert_eq!(taken.refused.len(), 1, "{:?}", taken.refused);
    let refused = taken.refused[0].0;
    let mut found = read_uids(&brokers, "events");
    assert_eq!(repeats(&mut found), 0);
    let expected: Vec<_> = (0..30).filter(|number| *number != refused).map(uid).collect();
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_can_do_no_more_is_replaced() {
    use Answer::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED as DENIED;
    let brokers = brokers(1, &["events"]);
    let mut sink = hasty(sink(&brokers.bootstrap_servers(), "events", ""));
    brokers.request_errors(Api::InitProducerId, &[DENIED]);
    let error = deliver(&mut sink, "sign_ins", &lines(0..10)).await.unwrap_err();
    let address = brokers.bootstrap_servers();
    insta::assert_snapshot!(shown(&error).replace(&address, "BROKERS"));
    assert_eq!(insist(&mut sink, "sign_ins", &lines(0..10)).await, 0);
    assert_eq!(read_uids(&brokers, "events").len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_at_the_brokers_is_said() {
    use Answer::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED as DENIED;
    use Answer::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART as UNKNOWN;
    let brokers = brokers(1, &["denied", "unknown"]);
    let address = brokers.bootstrap_servers();
    brokers.topic_error("unknown", UNKNOWN).unwrap();
    brokers.topic_error("denied", DENIED).unwrap();
    let nowhere = "127.0.0.1:1";
    let mut all = Vec::new();
    for (brokers, topic, settings) in [
        (address.as_str(), "unknown", "topic.metadata.propagation.max.ms: 500"),
        (address.as_str(), "denied", ""),
        (nowhere, "events", ""),
    ] {
        let mut sink = hasty(sink(brokers, topic, settings));
        let error = deliver(&mut sink, "sign_ins", &lines(0..10)).await.unwrap_err();
        let shown = shown(&error).replace(&address, "BROKERS");
        // How long it took is different each time.
        let line = |line: &str| line.split(" (after ").next().unwrap_or_default().to_owned();
        all.push(shown.lines().map(line).collect::<Vec<_>>().join("\n"));
    }
    insta::assert_snapshot!(all.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_without_tls_is_not_talked_to_in_plain() {
    let brokers = brokers(1, &["events"]);
    let settings = "security.protocol: SASL_SSL, sasl.mechanism: PLAIN, sasl.username: longshore, sasl.password: simulated-password";
    let mut sink = hasty(sink(&brokers.bootstrap_servers(), "events", settings));
    let error = deliver(&mut sink, "sign_ins", &lines(0..10)).await.unwrap_err();
    assert!(error.cause.as_ref().is_some_and(|cause| cause.starts_with("sasl_ssl://")), "{error}");
    assert!(!format!("{error:?}{error}").contains("simulated-password"));
    assert_eq!(read_uids(&brokers, "events").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_hang_are_not_waited_for_without_end() {
    let brokers = brokers(1, &["events"]);
    let mut sink = hasty(sink(&brokers.bootstrap_servers(), "events", ""));
    assert_eq!(insist(&mut sink, "sign_ins", &lines(0..100)).await, 0);
    brokers.broker_round_trip_time(-1, Duration::from_secs(60)).unwrap();
    let start = Instant::now();
    let error = deliver(&mut sink, "sign_ins", &lines(100..200)).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(10));
    println!("{error}");
    brokers.broker_round_trip_time(-1, Duration::ZERO).unwrap();
    insist(&mut sink, "sign_ins", &lines(100..200)).await;
    let mut found = read_uids(&brokers, "events");
    println!("{} repeats", repeats(&mut found));
    assert_eq!(found, uids(0..200));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_trusts_the_authority_that_is_given_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = folder.path().join("broker.pem");
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![made.cert.der().clone()],
            PrivatePkcs8KeyDer::from(made.key_pair.serialize_der()).into(),
        )
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (teller, told) = std::sync::mpsc::channel();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = stream.unwrap();
            // It is over with the first bytes that a trusting client sends.
            while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
            let trusted = !tls.is_handshaking() && tls.complete_io(&mut stream).is_ok();
            if teller.send(trusted).is_err() {
                return;
            }
        }
    });
    let trusting = format!("security.protocol: SSL, ssl.ca.location: '{}'", certificate.display());
    let mut sink = hasty(self::sink(&address, "events", &trusting));
    deliver(&mut sink, "sign_ins", &lines(0..1)).await.unwrap_err();
    assert!(told.try_iter().any(|trusted| trusted));
    drop(sink);
    while told.recv_timeout(Duration::from_secs(1)).is_ok() {}

    let mut sink = hasty(self::sink(&address, "events", "security.protocol: SSL"));
    let error = deliver(&mut sink, "sign_ins", &lines(0..1)).await.unwrap_err();
    assert!(told.try_iter().all(|trusted| !trusted));
    assert!(error.cause.as_ref().is_some_and(|cause| cause.contains("certificate")), "{error}");
    assert!(error.fix.as_ref().is_some_and(|fix| fix.contains("ssl.ca.location")), "{error}");
}

#[test]
fn what_librdkafka_says_is_shown_without_secrets() {
    let place = Place {
        brokers: "kafka.example:9093".to_owned(),
        secrets: vec![Secret::new("simulated-password"), Secret::new("")],
    };
    let trouble = Trouble {
        code: Code::Authentication,
        text: "sasl_ssl://kafka.example:9093/1: no entry for\n simulated-password".to_owned(),
    };
    let error = place.failure("events", Code::MessageTimedOut, Some(trouble));
    insta::assert_snapshot!(shown(&error));
}

#[test]
fn settings_that_cannot_be_used_are_refused_at_their_place() {
    let with = |brokers: &str, topic: &str, settings: &str| {
        refused(&format!(
            "    kafka:\n      brokers: {brokers}\n      topic: \"{topic}\"\n      settings:\n        client.id: longshore\n        {settings}\n"
        ))
    };
    let setting = |settings: &str| with("['k.example:9092']", "events", settings);
    let mut all = vec![
        with("[]", "events", ""),
        with("['kafka.example']", "events", ""),
        with("['SASL_SSL://kafka.example:9092']", "events", ""),
        with("['a.example:9092,b.example:9092']", "events", ""),
        with("['[::1]:9092', ':9092']", "events", ""),
        with("['k.example:9092']", "longshore.{connection}", ""),
        with("['k.example:9092']", "sign ins", ""),
        with("['k.example:9092']", &"x".repeat(250), ""),
    ];
    for settings in [
        "acks: 1",
        "enable.idempotence: false",
        "bootstrap.servers: other.example:9092",
        "delivery.report.only.error: true",
        "test.mock.num.brokers: 3",
        "sasl.mechanism: GSSAPI",
        "linger.millis: 5",
        "linger.ms: soon",
        "linger.ms: 1000000000",
        "compression.codec: { file: manifest.yaml }",
        "sasl.password: { env: LONGSHORE_SIMULATED_ABSENT }",
        "security.protocol: SASL_SSL\n        sasl.mechanism: PLAIN",
        "security.protocol: SSL\n        ssl.ca.location: nowhere/authorities.pem",
        "security.protocol: TLS",
        "max.in.flight: 10",
    ] {
        all.push(setting(settings));
    }
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn a_password_is_in_no_error_about_settings() {
    for settings in [
        "security.protocol: SASL_SSL\n        sasl.mechanism: PLAIN\n        sasl.password: simulated-password",
        "security.protocol: SSL\n        ssl.key.pem: simulated-password",
        "security.protocol: simulated-password",
    ] {
        let error = refused(&format!(
            "    kafka:\n      brokers: ['k.example:9092']\n      topic: events\n      settings:\n        {settings}\n"
        ));
        assert!(!error.contains("simulated-password"), "{error}");
    }
}

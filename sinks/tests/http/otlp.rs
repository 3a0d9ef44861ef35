//! A receiver of OTLP that reads with the messages of the package `opentelemetry-proto` and the
//! `ProtoJSON` reader of Google's `protobuf`, which refuses what it does not know.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::receiver::Receiver;
use crate::{deliver, event, lines, open};

#[tokio::test]
async fn the_published_messages_read_what_is_sent() {
    let Some(mut receiver) = Receiver::start(0, Stdio::piped()) else { return };
    let mut told = BufReader::new(receiver.0.stdout.take().unwrap()).lines();
    let port = told.next().unwrap().unwrap();
    for compress in ["", ", compress: gzip"] {
        let folder = tempfile::tempdir().unwrap();
        let section = format!("otlp: {{ url: 'http://127.0.0.1:{port}/'{compress} }}");
        let mut sink = open(folder.path(), &section).unwrap();
        deliver(&mut *sink, &lines(0..20)).await.unwrap();
        for number in 0..20 {
            let record: Value = serde_json::from_str(&told.next().unwrap().unwrap()).unwrap();
            let mut given: Value = serde_json::from_str(&event(number)).unwrap();
            // What does not fit into 64 bits with a sign.
            given["count"] = (u64::MAX as f64).into();
            assert_eq!(record["body"], given);
            assert_eq!(record["attributes"]["log.record.uid"], given["metadata"]["uid"]);
            assert_eq!(
                record["time"].as_i64().unwrap(),
                given["time"].as_i64().unwrap() * 1_000_000
            );
            assert_eq!(record["severity"], [0, 9, 10, 13, 17, 19, 21][number % 7]);
            assert_eq!(record["resource"]["service.name"], "longshore");
            assert_eq!(record["resource"]["service.instance.id"], "acme");
            assert_eq!(record["scope"], "sign_ins");
        }
    }
}

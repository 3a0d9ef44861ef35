//! What is not seen from outside: the time-out, and how long bodies take to write.

use std::time::{Duration, Instant};

use longshore_engine::connection::HttpBody;
use longshore_engine::http::Transport;
use longshore_engine::sink::{Log, Portioned, Sink as _};
use url::Url;

use super::azure_logs::Ingestion;
use super::elasticsearch::Bulk;
use super::exchange::Exchange;
use super::generic::Generic;
use super::otlp::Logs;
use super::splunk_hec::Collector;
use super::{HttpSink, Protocol};
use crate::template::PerStream;

const LOG: Log<'static> = Log { spool: "spool", connection: "acme", stream: "sign_ins" };

#[tokio::test]
async fn silence_is_not_waited_for_without_end() {
    // Connections are made by the system, and nobody speaks.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let url = Url::parse(&format!("http://{address}/")).unwrap();
    let exchange = Exchange::new(Transport::new().unwrap(), url, "the receiver".to_owned())
        .timeout(Duration::from_millis(100));
    let mut sink = HttpSink::new(exchange, Generic { body: HttpBody::Lines });
    let lines = br#"{"metadata":{"uid":"a"}}"#;
    let lines = [&lines[..], b"\n"].concat();
    let given = Portioned { log: LOG, start: 0, lines: &lines };
    let error = sink.deliver(given).await.unwrap_err();
    insta::assert_snapshot!(error.to_string().replace(&address.to_string(), "HOST"), @r"
    SINK_UNAVAILABLE: the receiver does not answer
      cause: HOST did not answer in 0.100 s: it was silent when it should have been answering
      fix:   if this lasts, look into the receiver's own log
      next:  tried again later
    ");
}

/// Prints how long a portion takes. The figures count only where this crate is optimized: run it with
/// `--config 'profile.dev.package.longshore-sinks.opt-level=3' -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn a_portion_is_written_quickly() {
    let event = r#"{"time":1772366400123,"class_uid":3002,"severity_id":1,"metadata":{"version":"1.8.0","uid":"0123456789abcdef0123456789abcdef","product":{"name":"App","vendor_name":"Vendor"}},"actor":{"user":{"name":"someone@example.com","uid":"00u1"}},"src_endpoint":{"ip":"192.0.2.1"},"status_id":1,"list":["a","b",1.5,null]}"#;
    let events = vec![event.as_bytes(); (1 << 20) / event.len()];
    let protocols: [(&str, &dyn Protocol); 5] = [
        ("lines", &Generic { body: HttpBody::Lines }),
        ("splunk", &Collector { index: None, sourcetype: "longshore:ocsf".to_owned() }),
        ("elasticsearch", &Bulk { index: PerStream::parse("logs-{stream}").unwrap() }),
        ("azure", &Ingestion),
        ("otlp", &Logs),
    ];
    for (name, protocol) in protocols {
        let mut body = Vec::new();
        let mut best = Duration::MAX;
        for _ in 0..20 {
            body.clear();
            let start = Instant::now();
            protocol.write(LOG, &events, &mut body).unwrap();
            best = best.min(start.elapsed());
        }
        println!("{name}: {best:?} for {} bytes", body.len());
    }
}

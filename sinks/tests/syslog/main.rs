//! The sink `syslog` against rsyslog, a real receiver, which tells what it parsed.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "texts here are short")]

mod cut;
mod rsyslog;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use longshore_engine::connection::ConnectionFile;
use longshore_engine::error::{Code, Result};
use longshore_engine::sink::{Log, Portioned, Sink, Taken};
use serde_json::{Value, json};

use cut::Cut;
use rsyslog::{Rsyslog, Ways};

const LOG: Log<'static> = Log { spool: "spool", connection: "acme", stream: "sign_ins" };

fn open(folder: &Path, section: &str) -> Result<Box<dyn Sink>> {
    let text = format!("name: acme\nmanifest: manifest.yaml\nsinks:\n  here:\n    {section}\n");
    let path = folder.join("acme.yaml");
    std::fs::write(&path, text).unwrap();
    let (file, source) = ConnectionFile::read(&path)?;
    let mut sinks = longshore_sinks::open(&file, &source)?;
    Ok(sinks.remove(0).1)
}

fn event(number: usize) -> Value {
    json!({
        "time": 1_772_366_400_000_i64 + number as i64,
        "severity_id": number % 7,
        "metadata": {"uid": format!("u\"{number}]\\")},
        "text": format!("jürgen 😀\t\u{7f} {}", "x".repeat(number % 500)),
    })
}

fn lines(numbers: impl IntoIterator<Item = usize>) -> String {
    numbers.into_iter().map(|number| event(number).to_string() + "\n").collect()
}

async fn deliver(sink: &mut dyn Sink, lines: &str) -> Result<Taken> {
    sink.deliver(Portioned { log: LOG, start: 0, lines: lines.as_bytes() }).await
}

/// Delivers until it is done, as the worker does.
async fn insist(sink: &mut dyn Sink, lines: &str) {
    for _ in 0..300 {
        match deliver(sink, lines).await {
            Ok(taken) => return assert!(taken.refused.is_empty()),
            Err(error) => assert_eq!(error.code, Code::SinkUnavailable, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it was not delivered");
}

/// The event that a record of the receiver holds.
fn message(record: &Value) -> Value {
    serde_json::from_str(record["msg"].as_str().unwrap()).unwrap()
}

fn numbers(records: &[Value]) -> BTreeSet<i64> {
    let number = |record| message(record)["time"].as_i64().unwrap() - 1_772_366_400_000;
    records.iter().map(number).collect()
}

#[tokio::test]
async fn rsyslog_reads_what_was_sent() {
    let Some(rsyslog) = Rsyslog::start().await else { return };
    for way in Ways::ALL {
        rsyslog.forget();
        let mut sink = open(rsyslog.folder(), &rsyslog.section(way)).unwrap();
        // So many datagrams that no system loses one on its way through itself.
        let count = if way == Ways::Udp { 20 } else { 200 };
        let taken = deliver(&mut *sink, &lines(0..count)).await.unwrap();
        assert!(taken.refused.is_empty());
        // By TLS and TCP it is there at once.
        let records = match way {
            Ways::Udp => rsyslog.wait_for(count).await,
            Ways::Tls | Ways::Tcp => rsyslog.records(),
        };
        assert_eq!(records.len(), count, "{way:?}");
        for (number, record) in records.iter().enumerate() {
            let given = event(number);
            assert_eq!(message(record), given, "{way:?}");
            let severity = [6, 6, 5, 4, 3, 2, 1][number % 7];
            assert_eq!(record["severity"], severity.to_string());
            assert_eq!(record["facility"], "16");
            assert_eq!(record["msgid"], "sign_ins");
            assert_eq!(record["app"], "longshore");
            let time: jiff::Timestamp = record["time"].as_str().unwrap().parse().unwrap();
            assert_eq!(time.as_millisecond(), given["time"].as_i64().unwrap());
            let uid = given["metadata"]["uid"].as_str().unwrap();
            let escaped = uid.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
            let data = format!("[longshore@32473 uid=\"{escaped}\" connection=\"acme\"]");
            assert_eq!(record["data"], data);
        }
    }
}

#[tokio::test]
async fn a_receiver_that_is_killed_loses_nothing() {
    let Some(mut rsyslog) = Rsyslog::start().await else { return };
    // Not by TCP: a process that has read the last bytes, and is killed before it has worked on them,
    // leaves a connection that its system closes in good order.
    let mut sink = open(rsyslog.folder(), &rsyslog.section(Ways::Tls)).unwrap();
    for round in 0..8 {
        let from = round * 3000;
        let text = lines(from..from + 3000);
        let delivery = async { insist(&mut *sink, &text).await };
        let killing = async {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..60))).await;
            rsyslog.kill();
            tokio::time::sleep(Duration::from_millis(50)).await;
            rsyslog.start_again().await;
        };
        tokio::join!(delivery, killing);
    }
    let missing = &(0..24_000).collect::<BTreeSet<i64>>() - &numbers(&rsyslog.records());
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn a_connection_that_is_cut_loses_nothing() {
    let Some(rsyslog) = Rsyslog::start().await else { return };
    // By TCP alone, a connection that somebody closes in good order looks like one that the receiver
    // closes; by TLS, only the receiver can say that it is the end.
    for (way, cut) in [(Ways::Tcp, Cut::Reset), (Ways::Tls, Cut::Reset), (Ways::Tls, Cut::Close)] {
        rsyslog.forget();
        let port = cut::proxy(rsyslog.port(way), 100_000, cut).await;
        let mut sink = open(rsyslog.folder(), &Rsyslog::section_at(way, port)).unwrap();
        for round in 0..20 {
            insist(&mut *sink, &lines(round * 100..(round + 1) * 100)).await;
        }
        assert_eq!(numbers(&rsyslog.records()), (0..2000).collect(), "{way:?}, {cut:?}");
    }
}

#[tokio::test]
async fn what_does_not_fit_into_a_datagram_is_refused_alone() {
    let Some(rsyslog) = Rsyslog::start().await else { return };
    let mut sink = open(rsyslog.folder(), &rsyslog.section(Ways::Udp)).unwrap();
    let mut large = event(1);
    large["text"] = "x".repeat(66_000).into();
    let text = format!("{}\n{large}\n{}\n", event(0), event(2));
    let taken = deliver(&mut *sink, &text).await.unwrap();
    let [(1, reason)] = taken.refused.as_slice() else { panic!("{taken:?}") };
    assert!(reason.contains("65507 at most"), "{reason}");
    assert_eq!(numbers(&rsyslog.wait_for(2).await), [0, 2].into());
}

#[tokio::test]
async fn what_is_wrong_at_the_receiver_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut sink =
        open(folder.path(), &format!("syslog: {{ to: 'tcp://127.0.0.1:{free}' }}")).unwrap();
    let error = deliver(&mut *sink, &lines([0])).await.unwrap_err();
    insta::assert_snapshot!(error.to_string().replace(&free.to_string(), "PORT"), @r"
    SINK_UNAVAILABLE: the syslog receiver at tcp://127.0.0.1:PORT does not take events
      cause: Connection refused (os error 111)
      fix:   check the address, and that the receiver runs and the firewall lets us reach it
      next:  tried again later
    ");

    let Some(rsyslog) = Rsyslog::start().await else { return };
    let port = rsyslog.port(Ways::Tls);
    let section = format!("syslog: {{ to: 'tls://localhost:{port}' }}");
    let mut sink = open(folder.path(), &section).unwrap();
    let error = deliver(&mut *sink, &lines([0])).await.unwrap_err();
    insta::assert_snapshot!(error.to_string().replace(&port.to_string(), "PORT"), @r"
    SINK_UNAVAILABLE: the syslog receiver at tls://localhost:PORT does not take events
      cause: invalid peer certificate: UnknownIssuer
      fix:   give the certificate of its authority as `authority` of the sink, or add it to those that this machine trusts
      next:  tried again later
    ");
    // Plain words to a port of TLS.
    let section = format!("syslog: {{ to: 'tcp://localhost:{port}' }}");
    let mut sink = open(folder.path(), &section).unwrap();
    let result = deliver(&mut *sink, &lines(0..2000)).await;
    assert_eq!(numbers(&rsyslog.records()), [].into(), "{result:?}");
}

#[test]
fn settings_that_cannot_be_used_are_named_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("no.pem"), "simulated").unwrap();
    let mut all = String::new();
    for section in [
        "syslog: { to: 'http://a:1' }",
        "syslog: { to: 'tcp://a:1/b' }",
        "syslog: { to: a }",
        "syslog: { to: 'tcp://a:99999' }",
        "syslog: { to: 'tcp://a', facility: local8 }",
        "syslog: { to: 'tcp://a', authority: no.pem }",
        "syslog: { to: 'tls://a', authority: no.pem }",
        "syslog: { to: 'tls://a', authority: none.pem }",
    ] {
        let error = open(folder.path(), section).err().unwrap();
        all += &format!("{section}\n{error}\n\n");
    }
    insta::assert_snapshot!(all.replace(folder.path().to_str().unwrap(), "DIR"));
}

//! The sink `postgres`, its tables read by another program.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_engine::error::Code;
use longshore_engine::sink::Sink;

use crate::events::{event, lines, starts, uid, uids};
use crate::proxy::{Cut, Proxy};
use crate::server::{PASSWORD, Server, config, own};
use crate::{deliver, log, shown, sink, skip};

/// A server, or `None` where there is none.
fn server(prepare: impl FnOnce(&Path)) -> Option<Server> {
    let server = Server::start(prepare);
    if server.is_none() {
        skip("PostgreSQL is not installed");
    }
    server
}

fn open(port: u16) -> Box<dyn Sink> {
    let folder = tempfile::tempdir().unwrap();
    sink(folder.path(), &config("127.0.0.1", port, "")).unwrap()
}

fn stored(server: &Server) -> Vec<String> {
    server.psql("SELECT uid FROM longshore.events ORDER BY uid").unwrap()
}

fn positions(server: &Server) -> Vec<String> {
    server.psql("SELECT spool, position FROM longshore.positions ORDER BY spool").unwrap()
}

/// Gives all events as the worker does, asking for the position at the start and after each error.
/// Tells how many errors there were.
async fn persist(sink: &mut dyn Sink, all: &[u8], mut between: impl FnMut()) -> usize {
    let at = starts(all);
    let mut errors = 0;
    let until = Instant::now() + Duration::from_secs(120);
    'again: loop {
        assert!(Instant::now() < until, "delivery does not come to its end");
        let Ok(position) = sink.position(log("s")).await else {
            errors += 1;
            between();
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let position = position.unwrap_or(0) as usize;
        let mut next = at.binary_search(&position).expect("a position is between events");
        while next + 1 < at.len() {
            let end = (next + fastrand::usize(1..60)).min(at.len() - 1);
            between();
            if deliver(sink, "s", at[next], &all[at[next]..at[end]]).await.is_err() {
                errors += 1;
                continue 'again;
            }
            next = end;
        }
        return errors;
    }
}

#[tokio::test]
async fn events_are_read_back_by_another_program() {
    let Some(server) = server(|_| {}) else { return };
    let mut sink = open(server.port);
    assert_eq!(sink.position(log("s")).await.unwrap(), None);
    let given = lines(0..700);
    deliver(&mut *sink, "s", 0, &given).await.unwrap();
    assert_eq!(sink.position(log("s")).await.unwrap(), Some(given.len() as u64));
    assert_eq!(stored(&server), uids(0..700));
    let events = server.psql("SELECT event FROM longshore.events ORDER BY time").unwrap();
    for (number, read) in events.iter().enumerate() {
        let read: serde_json::Value = serde_json::from_str(read).unwrap();
        assert_eq!(read, serde_json::from_str::<serde_json::Value>(&event(number)).unwrap());
    }
    let head = "SELECT uid, connection, stream, class_uid, extract(epoch FROM time) * 1000,
                event #>> '{user,name}', original FROM longshore.events ORDER BY time LIMIT 1";
    let first = uid(0);
    assert_eq!(
        server.psql(head).unwrap(),
        [format!("{first}|acme|sign_ins|3002|1760000000000.000000|user0@acme.example|")]
    );
}

#[tokio::test]
async fn what_was_not_acknowledged_is_not_doubled() {
    let Some(server) = server(|_| {}) else { return };
    let all = lines(0..400);
    let at = starts(&all);
    deliver(&mut *open(server.port), "s", 0, &all[..at[100]]).await.unwrap();
    for end in [100, 250, 50, 250] {
        deliver(&mut *open(server.port), "s", 0, &all[..at[end]]).await.unwrap();
    }
    let mut sink = open(server.port);
    deliver(&mut *sink, "s", at[200], &all[at[200]..]).await.unwrap();
    assert_eq!(stored(&server), uids(0..400));
    // A spool that was made anew, with some of the events, and one of them twice.
    let again = [lines(300..500), lines(499..500)].concat();
    assert_eq!(sink.position(log("anew")).await.unwrap(), None);
    deliver(&mut *sink, "anew", 0, &again).await.unwrap();
    assert_eq!(stored(&server), uids(0..500));
    assert_eq!(positions(&server), [format!("anew|{}", again.len()), format!("s|{}", all.len())]);
    // The database was put back to an older state.
    server.psql(&format!("UPDATE longshore.positions SET position = {}", at[4])).unwrap();
    let gap = deliver(&mut *sink, "s", at[5], &all[at[5]..]).await.unwrap_err();
    insta::assert_snapshot!(shown(&gap, &[(&server.port.to_string(), "PORT")]));
    assert_eq!(positions(&server)[1], format!("s|{}", at[4]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_do_not_double_events() {
    let Some(server) = server(|_| {}) else { return };
    let all = lines(0..1000);
    let at = starts(&all);
    let work = async |step: usize| {
        let mut sink = open(server.port);
        for from in (0..1000).step_by(step) {
            let to = (from + step).min(1000);
            deliver(&mut *sink, "s", at[from], &all[at[from]..at[to]]).await.unwrap();
        }
    };
    // All of them make the tables, too.
    tokio::join!(work(7), work(10), work(100));
    assert_eq!(stored(&server), uids(0..1000));
    assert_eq!(positions(&server), [format!("s|{}", all.len())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_has_each_event_once() {
    let Some(mut server) = server(|_| {}) else { return };
    let mut sink = open(server.port);
    let all = lines(0..12_000);
    let given = all.clone();
    let delivery = tokio::spawn(async move { persist(&mut *sink, &given, || {}).await });
    for kill in 1..5 {
        let before = Instant::now();
        // Further each time.
        let sql = "SELECT count(*) FROM longshore.events";
        while server.psql(sql).map_or(0, |rows| rows[0].parse().unwrap()) < kill * 2000 {
            assert!(before.elapsed() < Duration::from_secs(60), "delivery stands still");
        }
        server.kill();
        server.run();
    }
    let errors = delivery.await.unwrap();
    assert!(errors >= 4, "{errors}");
    assert_eq!(stored(&server), uids(0..12_000));
    assert_eq!(positions(&server), [format!("s|{}", all.len())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_double_and_lose_nothing() {
    let Some(server) = server(|_| {}) else { return };
    let proxy = Proxy::start(server.port).await;
    let mut sink = open(proxy.port);
    let all = lines(0..4000);
    let mut cuts = 0;
    proxy.cut(Cut::AfterSent(1000));
    let errors = persist(&mut *sink, &all, || {
        cuts += 1;
        proxy.cut(match cuts {
            200.. => Cut::Never,
            _ => match fastrand::u8(0..4) {
                0 => Cut::AfterSent(fastrand::usize(1..3000)),
                1 => Cut::AfterSent(fastrand::usize(1..300_000)),
                2 => Cut::AfterReceived(fastrand::usize(1..5000)),
                _ => Cut::CommitAnswer,
            },
        });
    })
    .await;
    assert!(errors > 20, "{errors}");
    assert_eq!(stored(&server), uids(0..4000));
    assert_eq!(positions(&server), [format!("s|{}", all.len())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_counts() {
    let Some(server) = server(|_| {}) else { return };
    let proxy = Proxy::start(server.port).await;
    // The tables are there.
    deliver(&mut *open(server.port), "s", 0, &lines(0..1)).await.unwrap();
    let all = lines(0..50);
    let at = starts(&all);
    proxy.cut(Cut::CommitAnswer);
    let mut sink = open(proxy.port);
    let error = deliver(&mut *sink, "s", at[1], &all[at[1]..]).await.unwrap_err();
    assert_eq!(error.code, Code::SinkUnavailable);
    proxy.cut(Cut::Never);
    assert_eq!(sink.position(log("s")).await.unwrap(), Some(all.len() as u64));
    deliver(&mut *sink, "s", at[1], &all[at[1]..]).await.unwrap();
    assert_eq!(stored(&server), uids(0..50));
}

#[tokio::test]
async fn events_that_jsonb_cannot_hold_are_kept_all_the_same() {
    let Some(server) = server(|_| {}) else { return };
    let mut sink = open(server.port);
    let with = |number: usize, value: &str| {
        let uid = uid(number);
        format!(r#"{{"metadata":{{"uid":"{uid}"}},"time":{number},"class_uid":1,"x":{value}}}"#)
    };
    let odd = [
        with(0, r#""plain""#),
        with(1, r#""a\u0000b""#),
        with(2, r#""\ud800""#),
        with(3, "1e999999"),
        with(4, r#""\\u0000""#),
        with(5, r#""\ud83d\ude00""#),
        with(6, "-0.0"),
        format!(r#"{{"metadata":{{"uid":"{}"}},"time":9223372036854775807}}"#, uid(7)),
    ];
    let given = odd.join("\n") + "\n";
    deliver(&mut *sink, "s", 0, given.as_bytes()).await.unwrap();
    let sql = "SELECT uid, time IS NULL, event ->> 'x', original FROM longshore.events
               ORDER BY array_position(ARRAY['UIDS'], uid)";
    let order: Vec<_> = (0..8).map(uid).collect();
    let read = server.psql(&sql.replace("UIDS", &order.join("','"))).unwrap();
    let expected = [
        format!("{}|f|plain|", uid(0)),
        format!("{}|f|a\u{fffd}b|{}", uid(1), odd[1]),
        format!("{}|f|\u{fffd}|{}", uid(2), odd[2]),
        format!("{}|f||{}", uid(3), odd[3]),
        format!("{}|f|\\u0000|", uid(4)),
        format!("{}|f|\u{1f600}|", uid(5)),
        format!("{}|f|-0.0|", uid(6)).replace("-0.0", "0.0"),
        format!("{}|t||", uid(7)),
    ];
    assert_eq!(read, expected);
    assert_eq!(positions(&server), [format!("s|{}", given.len())]);
}

/// What the sink answers, without what differs from run to run, and never with the password.
async fn refused(config: &str, server: &Server) -> String {
    let folder = tempfile::tempdir().unwrap();
    let error = match sink(folder.path(), config) {
        Ok(mut sink) => deliver(&mut *sink, "s", 0, &lines(0..2)).await.unwrap_err(),
        Err(error) => error,
    };
    let text = shown(
        &error,
        &[(&folder.path().display().to_string(), "FOLDER"), (&server.port.to_string(), "PORT")],
    );
    let debugged = format!("{error:?}");
    for secret in ["simulated-p", "ss/word", "ss%2F", PASSWORD, "UNITED_wrong"] {
        assert!(!text.contains(secret) && !debugged.contains(secret), "{text}");
    }
    text
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_said() {
    let Some(server) = server(|_| {}) else { return };
    let config = config("127.0.0.1", server.port, "");
    insta::assert_snapshot!(refused(&config.replace("simulated-p", "UNITED_wrong"), &server).await);
    insta::assert_snapshot!(refused(&config.replace("/postgres\"", "/absent\""), &server).await);
    insta::assert_snapshot!(
        refused(&config.replace("\" }", "?sslmode=require\" }"), &server).await
    );
    insta::assert_snapshot!(refused(&config.replace("%40", "@"), &server).await);
    insta::assert_snapshot!(refused(&config.replace(" }", ", schema: pg_x }"), &server).await);
    server.psql("CREATE DATABASE latin ENCODING LATIN1 TEMPLATE template0").unwrap();
    insta::assert_snapshot!(refused(&config.replace("/postgres\"", "/latin\""), &server).await);
    server.psql("CREATE ROLE reader LOGIN PASSWORD 'simulated-reader'").unwrap();
    let reader = config
        .replace("collector:", "reader:")
        .replace("simulated-p%40ss%2Fword", "simulated-reader");
    insta::assert_snapshot!(refused(&reader, &server).await);
    // It may, in a schema of its own.
    server.psql("CREATE SCHEMA longshore AUTHORIZATION reader").unwrap();
    let folder = tempfile::tempdir().unwrap();
    deliver(&mut *sink(folder.path(), &reader).unwrap(), "s", 0, &lines(0..2)).await.unwrap();
    server.psql("UPDATE longshore.version SET version = 7").unwrap();
    insta::assert_snapshot!(refused(&reader, &server).await);
}

#[tokio::test]
async fn a_table_that_somebody_locks_is_not_waited_for_without_end() {
    let Some(server) = server(|_| {}).map(Arc::new) else { return };
    let mut sink = open(server.port);
    let all = lines(0..20);
    let at = starts(&all);
    deliver(&mut *sink, "s", 0, &all[..at[10]]).await.unwrap();
    let locking = Arc::clone(&server);
    let locking = std::thread::spawn(move || {
        locking.psql("BEGIN; LOCK TABLE longshore.events; SELECT pg_sleep(13); COMMIT").unwrap();
    });
    std::thread::sleep(Duration::from_secs(1));
    let error = deliver(&mut *sink, "s", at[10], &all[at[10]..]).await.unwrap_err();
    insta::assert_snapshot!(shown(&error, &[(&server.port.to_string(), "PORT")]));
    locking.join().unwrap();
    deliver(&mut *sink, "s", at[10], &all[at[10]..]).await.unwrap();
    assert_eq!(stored(&server), uids(0..20));
}

#[tokio::test]
async fn the_way_to_the_server_is_protected() {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = authority.self_signed(&authority_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &authority, &authority_key)
        .unwrap();
    let server = server(|data| {
        for (name, text) in [("server.crt", certificate.pem()), ("server.key", key.serialize_pem())]
        {
            let path = data.join(name);
            std::fs::write(&path, text).unwrap();
            own(&path);
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&path, mode).unwrap();
        }
        let path = data.join("postgresql.conf");
        let settings = std::fs::read_to_string(&path).unwrap() + "\nssl = on\n";
        std::fs::write(&path, settings).unwrap();
    });
    let Some(server) = server else { return };
    let pem = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(pem.path(), authority.pem()).unwrap();
    let known = format!("&sslrootcert={}", pem.path().display());
    let ways = [
        ("localhost", format!("?sslmode=verify-full{known}")),
        ("127.0.0.1", format!("?sslmode=verify-ca{known}")),
        ("127.0.0.1", format!("?sslmode=require{known}")),
        ("127.0.0.1", "?sslmode=require".to_owned()),
        ("127.0.0.1", "?sslmode=prefer".to_owned()),
        ("127.0.0.1", "?sslmode=disable".to_owned()),
        ("127.0.0.1", String::new()),
    ];
    for (number, (host, query)) in ways.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("&application_name=test{number}");
        let query = if query.is_empty() { name.replacen('&', "?", 1) } else { query + &name };
        let mut sink = sink(folder.path(), &config(host, server.port, &query)).unwrap();
        deliver(&mut *sink, "s", 0, &lines(0..200)).await.unwrap();
        let is_encrypted = server
            .psql(&format!(
                "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                 WHERE application_name = 'test{number}'"
            ))
            .unwrap();
        let expected = if query.contains("disable") { "f" } else { "t" };
        assert_eq!(is_encrypted, [expected], "{query}");
    }
    let wrong_name = config("127.0.0.1", server.port, &format!("?sslmode=verify-full{known}"));
    insta::assert_snapshot!(refused(&wrong_name, &server).await);
    let unknown = config("localhost", server.port, "?sslmode=verify-full");
    insta::assert_snapshot!(refused(&unknown, &server).await);
    let unknown = config("localhost", server.port, "?sslmode=verify-ca");
    assert!(refused(&unknown, &server).await.contains("UnknownIssuer"));
}

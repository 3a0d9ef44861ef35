//! The server is the real one, from the package `nats-server`.

mod operated;
mod proxy;
mod server;

use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream};
use longshore_engine::connection::SinkConfig;

use super::Nats;
use crate::testing::{deliver, file, insist, line, lines, refused, repeats, shown, uid, uids};
use proxy::Proxy;
use server::{Server, skipped};

fn sink(servers: &str, subject: &str, more: &str) -> Nats {
    let (_folder, file, source) = file(&format!(
        "    nats:\n      servers: ['{servers}']\n      subject: \"{subject}\"\n{more}"
    ));
    let (_, config) = file.sinks.iter().next().unwrap();
    let SinkConfig::Nats(nats) = &config.value else { panic!("not NATS") };
    Nats::open(&source, nats).unwrap_or_else(|error| panic!("{error}"))
}

async fn jetstream(server: &Server) -> jetstream::Context {
    jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

/// Makes a stream `EVENTS` for all subjects that begin with `longshore`.
async fn stream(server: &Server, change: impl FnOnce(&mut stream::Config)) {
    let mut config = stream::Config {
        name: "EVENTS".to_owned(),
        subjects: vec!["longshore.>".to_owned()],
        duplicate_window: Duration::from_secs(120),
        ..Default::default()
    };
    change(&mut config);
    jetstream(server).await.create_stream(config).await.unwrap();
}

/// Everything that is in the stream: subject, id, payload.
async fn read(server: &Server) -> Vec<(String, String, Vec<u8>)> {
    let mut stream = jetstream(server).await.get_stream("EVENTS").await.unwrap();
    let state = stream.info().await.unwrap().state.clone();
    let mut all = Vec::new();
    for sequence in state.first_sequence..=state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let id = message.headers.get("Nats-Msg-Id").unwrap().to_string();
        all.push((message.subject.to_string(), id, message.payload.to_vec()));
    }
    assert_eq!(all.len() as u64, state.messages);
    all
}

async fn read_uids(server: &Server) -> Vec<String> {
    read(server).await.into_iter().map(|(_, uid, _)| uid).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_is_in_the_stream_once() {
    let Some(server) = Server::start("") else { return skipped() };
    stream(&server, |_| ()).await;
    let mut first = sink(&server.url(), "longshore.{stream}", "");
    assert_eq!(insist(&mut first, "sign_ins", &lines(0..1000)).await, 0);
    assert_eq!(insist(&mut first, "changes", &lines(5000..5001)).await, 0);
    // As after a crash between the delivery and its being noted.
    let mut second = sink(&server.url(), "longshore.{stream}", "");
    assert_eq!(insist(&mut second, "sign_ins", &lines(0..1500)).await, 0);
    assert_eq!(insist(&mut second, "sign_ins", b"").await, 0);

    let all = read(&server).await;
    let numbers = (0..1000).chain([5000]).chain(1000..1500);
    assert_eq!(all.len(), 1501);
    for ((subject, id, payload), number) in all.into_iter().zip(numbers) {
        let stream = if number == 5000 { "changes" } else { "sign_ins" };
        assert_eq!(subject, format!("longshore.{stream}"));
        assert_eq!(id, uid(number));
        assert_eq!([&payload[..], b"\n"].concat(), line(number, 200));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_duplicate_window_repeats_have_the_same_uid() {
    let Some(server) = Server::start("") else { return skipped() };
    stream(&server, |config| config.duplicate_window = Duration::from_millis(100)).await;
    let mut sink = sink(&server.url(), "longshore", "");
    let error = deliver(&mut sink, "sign_ins", &lines(0..1)).await.unwrap_err();
    insta::assert_snapshot!(server.hide(&shown(&error)));
    let mut sink = self::sink(&server.url(), "longshore.events", "");
    assert_eq!(insist(&mut sink, "sign_ins", &lines(0..300)).await, 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(insist(&mut sink, "sign_ins", &lines(0..400)).await, 0);
    let mut found = read_uids(&server).await;
    assert_eq!(repeats(&mut found), 300);
    assert_eq!(found, uids(0..400));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_the_middle_loses_nothing() {
    let Some(mut server) = Server::start("") else { return skipped() };
    stream(&server, |_| ()).await;
    let mut sink = sink(&server.url(), "longshore.events", "");
    let delivering = tokio::spawn(async move {
        let mut failures = 0;
        for start in (0..20_000).step_by(500) {
            failures += insist(&mut sink, "sign_ins", &lines(start..start + 500)).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        failures
    });
    let mut kills = 0;
    while !delivering.is_finished() && kills < 5 {
        tokio::time::sleep(Duration::from_millis(137)).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.run();
        kills += 1;
    }
    let failures = delivering.await.unwrap();
    assert!(kills > 1 && failures > 0, "{kills} {failures}");
    let mut found = read_uids(&server).await;
    let repeats = repeats(&mut found);
    assert_eq!(found, uids(0..20_000));
    println!("{kills} times killed, {failures} failures, {repeats} repeats");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_lost_meanwhile_is_made_anew() {
    let Some(mut server) = Server::start("") else { return skipped() };
    stream(&server, |_| ()).await;
    let mut sink = sink(&server.url(), "longshore.events", "");
    assert_eq!(insist(&mut sink, "sign_ins", &lines(0..10)).await, 0);
    server.kill();
    server.run();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(insist(&mut sink, "sign_ins", &lines(10..20)).await, 0);
    assert_eq!(read_uids(&server).await, uids(0..20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_in_the_middle_loses_nothing() {
    let Some(server) = Server::start("") else { return skipped() };
    stream(&server, |_| ()).await;
    let proxy = Proxy::start(server.address()).await;
    let mut sink = sink(&format!("nats://{}", proxy.address), "longshore.events", "");
    let portion = lines(0..2000);
    let mut failures = 0;
    // From the first bytes of the greeting to the last acknowledgements.
    for cut in [10, 500, 5_000, 77_777, 300_000, 600_000] {
        proxy.cut_after(cut);
        failures += insist(&mut sink, "sign_ins", &portion).await;
    }
    assert!(failures >= 6, "{failures}");
    let mut found = read_uids(&server).await;
    assert_eq!(repeats(&mut found), 0);
    assert_eq!(found, uids(0..2000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_not_waited_for_without_end() {
    let Some(server) = Server::start("") else { return skipped() };
    stream(&server, |_| ()).await;
    let mut sink = sink(&server.url(), "longshore.events", "");
    sink.limit = Duration::from_secs(2);
    assert_eq!(insist(&mut sink, "sign_ins", &lines(0..100)).await, 0);
    server.signal("STOP");
    let start = Instant::now();
    let error = deliver(&mut sink, "sign_ins", &lines(100..1000)).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(10));
    insta::assert_snapshot!(server.hide(&shown(&error)));
    server.signal("CONT");
    assert_eq!(insist(&mut sink, "sign_ins", &lines(100..1200)).await, 0);
    let mut found = read_uids(&server).await;
    assert_eq!(repeats(&mut found), 0);
    assert_eq!(found, uids(0..1200));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_too_large_is_refused_alone() {
    let Some(server) = Server::start("max_payload: 40000\n") else { return skipped() };
    stream(&server, |config| config.max_message_size = 20_000).await;
    let mut sink = sink(&server.url(), "longshore.events", "");
    let portion = [lines(0..2), line(2, 41_000), lines(3..500), line(500, 20_000)].concat();
    let taken = deliver(&mut sink, "sign_ins", &portion).await.unwrap();
    insta::assert_debug_snapshot!(taken.refused);
    let mut found = read_uids(&server).await;
    assert_eq!(repeats(&mut found), 0);
    assert_eq!(found, [uids(0..2), uids(3..500)].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_full_is_waited_for() {
    let Some(server) = Server::start("") else { return skipped() };
    stream(&server, |config| {
        config.max_messages = 100;
        config.discard = stream::DiscardPolicy::New;
    })
    .await;
    let mut sink = sink(&server.url(), "longshore.events", "");
    let error = deliver(&mut sink, "sign_ins", &lines(0..150)).await.unwrap_err();
    insta::assert_snapshot!(server.hide(&shown(&error)));
    let jetstream = jetstream(&server).await;
    let mut config =
        jetstream.get_stream("EVENTS").await.unwrap().info().await.unwrap().config.clone();
    config.max_messages = -1;
    jetstream.update_stream(config).await.unwrap();
    assert_eq!(insist(&mut sink, "sign_ins", &lines(0..150)).await, 0);
    let mut found = read_uids(&server).await;
    assert_eq!(repeats(&mut found), 0);
    assert_eq!(found, uids(0..150));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_signs_in_with_a_token_or_a_password() {
    let Some(server) = Server::start("authorization { token: simulated-token }\n") else {
        return skipped();
    };
    let with = |more: &str| sink(&server.url(), "longshore.events", more);
    // There is no stream: who gets that far is signed in.
    let mut known = with("      token: simulated-token\n");
    let error = deliver(&mut known, "sign_ins", &lines(0..1)).await.unwrap_err();
    assert!(shown(&error).contains("no JetStream stream"), "{error}");
    for wrong in ["", "      token: simulated-wrong\n"] {
        let error = deliver(&mut with(wrong), "sign_ins", &lines(0..1)).await.unwrap_err();
        assert!(!format!("{error:?}").contains("simulated-"), "{error}");
        insta::assert_snapshot!("wrong_token", server.hide(&shown(&error)));
    }

    let users = r#"authorization {
  users: [
    { user: longshore, password: simulated-password },
    { user: reader, password: simulated-password, permissions: { publish: "other" } },
  ]
}
"#;
    let Some(server) = Server::start(users) else { return skipped() };
    let with = |user: &str, password: &str| {
        let more = format!("      user: {user}\n      password: {password}\n");
        sink(&server.url(), "longshore.events", &more)
    };
    let mut known = with("longshore", "simulated-password");
    let error = deliver(&mut known, "sign_ins", &lines(0..1)).await.unwrap_err();
    assert!(shown(&error).contains("no JetStream stream"), "{error}");
    let mut wrong = with("longshore", "simulated-wrong");
    let error = deliver(&mut wrong, "sign_ins", &lines(0..1)).await.unwrap_err();
    insta::assert_snapshot!("wrong_token", server.hide(&shown(&error)));
    let mut forbidden = with("reader", "simulated-password");
    let error = deliver(&mut forbidden, "sign_ins", &lines(0..1)).await.unwrap_err();
    insta::assert_snapshot!("forbidden", server.hide(&shown(&error)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_signs_in_with_credentials() {
    let operated = operated::Operated::new();
    let Some(server) = Server::start(&operated.configuration) else { return skipped() };
    let indented = operated.credentials.replace('\n', "\n        ");
    let more = format!("      credentials: |\n        {indented}\n");
    let mut known = sink(&server.url(), "longshore.events", &more);
    let error = deliver(&mut known, "sign_ins", &lines(0..1)).await.unwrap_err();
    assert!(shown(&error).contains("no JetStream stream"), "{error}");
    let mut unknown = sink(&server.url(), "longshore.events", "");
    let error = deliver(&mut unknown, "sign_ins", &lines(0..1)).await.unwrap_err();
    assert!(shown(&error).contains("authorization violation"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_trusts_the_authority_that_is_given_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.key_pair.serialize_pem()).unwrap();
    let configuration = format!(
        "tls {{ cert_file: '{}', key_file: '{}' }}\n",
        certificate.display(),
        key.display()
    );
    let Some(server) = Server::start(&configuration) else { return skipped() };
    let address = format!("tls://localhost:{}", server.address().port());
    let authority = format!("      authority: '{}'\n", certificate.display());
    let mut trusting = sink(&address, "longshore.events", &authority);
    let error = deliver(&mut trusting, "sign_ins", &lines(0..1)).await.unwrap_err();
    assert!(shown(&error).contains("no JetStream stream"), "{error}");
    let mut strange = sink(&address, "longshore.events", "");
    let error = deliver(&mut strange, "sign_ins", &lines(0..1)).await.unwrap_err();
    insta::assert_snapshot!(server.hide(&shown(&error)));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let mut sink = sink("nats://127.0.0.1:1", "longshore.events", "");
    let error = deliver(&mut sink, "sign_ins", &lines(0..1)).await.unwrap_err();
    insta::assert_snapshot!(shown(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_jetstream_is_told_apart() {
    let Some(server) = Server::start_without_jetstream() else { return skipped() };
    let mut sink = sink(&server.url(), "longshore.events", "");
    let error = deliver(&mut sink, "sign_ins", &lines(0..1)).await.unwrap_err();
    insta::assert_snapshot!(server.hide(&shown(&error)));
    // Somebody who answers, and is not JetStream.
    let client = async_nats::connect(server.url()).await.unwrap();
    let mut asked = client.subscribe("longshore.events").await.unwrap();
    client.flush().await.unwrap();
    let answering = tokio::spawn(async move {
        let message = futures_util::StreamExt::next(&mut asked).await.unwrap();
        client.publish(message.reply.unwrap(), "hello".into()).await.unwrap();
        client.flush().await.unwrap();
    });
    let error = deliver(&mut sink, "sign_ins", &lines(0..1)).await.unwrap_err();
    insta::assert_snapshot!(server.hide(&shown(&error)));
    answering.await.unwrap();
}

#[test]
fn what_cannot_be_used_is_refused_at_its_place() {
    let with = |servers: &str, subject: &str, more: &str| {
        let error = refused(&format!(
            "    nats:\n      servers: {servers}\n      subject: \"{subject}\"\n{more}"
        ));
        assert!(!error.contains("simulated-"), "{error}");
        error
    };
    let server = |servers: &str| with(servers, "longshore.{stream}", "");
    let subject = |subject: &str| with("['nats://n.example']", subject, "");
    let more = |more: &str| with("['nats://n.example']", "longshore", more);
    let all = [
        server("[]"),
        server("[n.example]"),
        server("['wss://n.example']"),
        server("['nats://']"),
        server("['tls://longshore:simulated-password@n.example:4222']"),
        server("['nats://n.example/simulated-path']"),
        subject("longshore.{connection}"),
        subject("longshore..events"),
        subject("longshore.>"),
        subject("sign ins"),
        subject(""),
        subject("$JS.API"),
        more("      token: ''\n"),
        more("      user: longshore\n"),
        more("      password: simulated-password\n"),
        more("      token: simulated-token\n      user: longshore\n"),
        more("      credentials: simulated-credentials\n"),
        more("      token: { env: LONGSHORE_SIMULATED_ABSENT }\n"),
        more("      authority: nowhere.pem\n"),
        more("      authority: acme.yaml\n"),
    ];
    insta::assert_snapshot!(all.join("\n\n"));
}

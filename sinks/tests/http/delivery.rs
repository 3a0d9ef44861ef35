//! Nothing is lost and nothing is refused without need, whatever the receiver does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use longshore_engine::error::{Code, Retry};
use longshore_engine::sink::Portioned;
use serde_json::Value;

use crate::played::{PRODUCTS, Played, Product, summary, uid};
use crate::wire::serve;
use crate::{LOG, deliver, event, is_bad, lines, open};

/// Failures of one portion that are enough to say that delivery has come to a stand.
const PATIENCE: usize = 3000;

async fn delivered_through_failures(product: Product, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let count = random.usize(1..80);
    // The last is a good one: a receiver that has taken nothing yet is not believed.
    let last = if is_bad(count) { count + 1 } else { count };
    let numbers: Vec<usize> = (0..count).chain([last]).collect();
    let events: Vec<String> = numbers.iter().map(|&number| event(number)).collect();
    let played = Arc::new(Played::new(product, random.f64() * 0.5, seed));
    let address = serve(Arc::clone(&played), None).await;
    let folder = tempfile::tempdir().unwrap();
    let section = product.section(&format!("http://{address}"));
    let mut sink = open(folder.path(), &section).unwrap();

    let mut refused = BTreeSet::new();
    let (mut first, mut start, mut failures, mut ends) = (0, 0, 0, 0);
    let mut length = random.usize(1..=events.len());
    while first < events.len() {
        let end = (first + length).min(events.len());
        let text: String = events[first..end].iter().map(|event| format!("{event}\n")).collect();
        let portioned = Portioned { log: LOG, start, lines: text.as_bytes() };
        match sink.deliver(portioned).await {
            Ok(taken) => {
                refused.extend(taken.refused.into_iter().map(|(at, _)| numbers[first + at]));
                (first, start) = (end, portioned.end());
                (length, failures, ends) = (random.usize(1..=events.len()), 0, 0);
            }
            Err(error) => {
                assert_eq!(error.code, Code::SinkUnavailable, "{error}");
                assert!(error.fix.is_some() && error.cause.is_some(), "{error}");
                assert!(!error.to_string().contains("simulated"), "{error}");
                if let Retry::Later(Some(time)) = error.retry {
                    let wait = time.duration_since(Timestamp::now()).as_secs();
                    assert!((110..=120).contains(&wait), "{error}");
                }
                failures += 1;
                assert!(failures < PATIENCE, "{product:?}, seed {seed}: {error}");
                match random.u8(..8) {
                    0 => length = events.len(),
                    // The process ends, and another goes on, which has to find out everything again.
                    1 if ends < 3 => {
                        sink = open(folder.path(), &section).unwrap();
                        ends += 1;
                    }
                    _ => {}
                }
            }
        }
    }

    let bad: BTreeSet<usize> = numbers.iter().copied().filter(|&number| is_bad(number)).collect();
    assert_eq!(refused, bad, "{product:?}, seed {seed}");
    let stored = played.stored.lock().unwrap();
    let good: BTreeSet<String> = numbers
        .iter()
        .filter(|&&number| !is_bad(number))
        .map(|number| format!("good-{number}"))
        .collect();
    let found: BTreeSet<String> = stored.keys().cloned().collect();
    assert_eq!(found, good, "{product:?}, seed {seed}: {}", summary(&stored));
}

#[tokio::test]
async fn every_good_event_arrives_and_only_bad_ones_are_refused() {
    for product in PRODUCTS {
        for seed in 0..40 {
            delivered_through_failures(product, seed).await;
        }
    }
}

#[tokio::test]
async fn what_arrives_is_what_was_sent() {
    for product in PRODUCTS {
        let played = Arc::new(Played::new(product, 0.0, 0));
        let address = serve(Arc::clone(&played), None).await;
        let folder = tempfile::tempdir().unwrap();
        let section = product.section(&format!("http://{address}"));
        let mut sink = open(folder.path(), &section).unwrap();
        let taken = deliver(&mut *sink, &lines([0, 1, 2])).await.unwrap();
        assert!(taken.refused.is_empty());
        assert_eq!(*played.requests.lock().unwrap(), 1 + usize::from(product == Product::Azure));
        let mut stored = played.stored.lock().unwrap().clone();
        assert_eq!(stored.len(), 3, "{product:?}");
        if product == Product::Otlp {
            continue;
        }
        for number in 0..3 {
            let given: Value = serde_json::from_str(&event(number)).unwrap();
            let found = stored.get_mut(uid(&given)).unwrap().as_object_mut().unwrap();
            found.remove("@timestamp");
            found.remove("TimeGenerated");
            assert_eq!(Some(&*found), given.as_object(), "{product:?}");
        }
    }
}

/// One event in a thousand costs few requests, and what was taken is not sent again after a failure.
#[tokio::test]
async fn one_bad_event_is_found_with_few_requests() {
    for (product, most) in [
        (Product::Lines, 25),
        (Product::Splunk, 4),
        (Product::Elasticsearch, 1),
        (Product::Otlp, 25),
    ] {
        let played = Arc::new(Played::new(product, 0.0, 0));
        let address = serve(Arc::clone(&played), None).await;
        let folder = tempfile::tempdir().unwrap();
        let section = product.section(&format!("http://{address}"));
        let mut sink = open(folder.path(), &section).unwrap();
        let numbers = (0..1000).filter(|&number| !is_bad(number) || number == 333);
        let numbers: Vec<usize> = numbers.collect();
        assert!(is_bad(333));
        let taken = deliver(&mut *sink, &lines(numbers.iter().copied())).await.unwrap();
        let refused: Vec<usize> = taken.refused.iter().map(|(at, _)| numbers[*at]).collect();
        assert_eq!(refused, [333]);
        assert_eq!(played.stored.lock().unwrap().len(), numbers.len() - 1);
        let requests = *played.requests.lock().unwrap();
        assert!(requests <= most, "{product:?}: {requests}");
    }
}

/// A receiver that refuses everything is more likely a wrong address than a thousand wrong events.
#[tokio::test]
async fn a_receiver_that_never_took_anything_is_not_believed() {
    let played = Arc::new(Played::new(Product::Lines, 0.0, 0));
    let address = serve(Arc::clone(&played), None).await;
    let folder = tempfile::tempdir().unwrap();
    let section = Product::Lines.section(&format!("http://{address}"));
    let mut sink = open(folder.path(), &section).unwrap();
    let bad: Vec<usize> = (0..1000).filter(|&number| is_bad(number)).collect();
    for _ in 0..3 {
        let error = deliver(&mut *sink, &lines(bad.iter().copied())).await.unwrap_err();
        assert!(
            error.cause.as_deref().unwrap().contains("has not taken a single event"),
            "{error}"
        );
    }
    assert!(*played.requests.lock().unwrap() <= 3 * 32);
    // As soon as it takes one, it is.
    let more: Vec<usize> = bad.iter().copied().chain([4]).collect();
    let mut tries = 0;
    let taken = loop {
        match deliver(&mut *sink, &lines(more.iter().copied())).await {
            Ok(taken) => break taken,
            Err(error) => assert_eq!(error.code, Code::SinkUnavailable),
        }
        tries += 1;
        assert!(tries < 10);
    };
    assert_eq!(taken.refused.len(), bad.len());
}

#[tokio::test]
async fn an_azure_call_stays_below_its_limit() {
    let played = Arc::new(Played::new(Product::Azure, 0.0, 0));
    let address = serve(Arc::clone(&played), None).await;
    let folder = tempfile::tempdir().unwrap();
    let section = Product::Azure.section(&format!("http://{address}"));
    let mut sink = open(folder.path(), &section).unwrap();
    let sized = |number: usize, bytes: usize| {
        let text = "x".repeat(bytes);
        format!("{{\"time\":5,\"metadata\":{{\"uid\":\"good-{number}\"}},\"text\":\"{text}\"}}\n")
    };
    let all: String =
        sized(0, 400_000) + &sized(1, 999_960) + &sized(2, 999_000) + &sized(3, 500_000);
    let taken = deliver(&mut *sink, &all).await.unwrap();
    insta::assert_debug_snapshot!(taken.refused, @r#"
    [
        (
            1,
            "alone it makes a request of 1000053 bytes, and 1000000 is the most",
        ),
    ]
    "#);
    assert_eq!(summary(&played.stored.lock().unwrap()), "good-0 good-2 good-3 ");
    assert!(sink.portion().bytes < 1_000_000);
}

#[tokio::test]
async fn a_slow_receiver_is_waited_for() {
    struct Slow(Played);
    impl crate::wire::Serve for Slow {
        fn breaks_after(&self, _: usize) -> Option<usize> {
            None
        }
        fn act(&self, asked: crate::wire::Asked) -> crate::wire::Act {
            std::thread::sleep(Duration::from_millis(300));
            self.0.act(asked)
        }
    }
    let slow = Arc::new(Slow(Played::new(Product::Lines, 0.0, 0)));
    let address = serve(Arc::clone(&slow), None).await;
    let folder = tempfile::tempdir().unwrap();
    let section = Product::Lines.section(&format!("http://{address}"));
    let mut sink = open(folder.path(), &section).unwrap();
    deliver(&mut *sink, &lines([0, 1])).await.unwrap();
    assert_eq!(slow.0.stored.lock().unwrap().len(), 2);
}

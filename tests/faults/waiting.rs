//! Being told to wait.

use std::time::Duration;

use jiff::SignedDuration;
use longshore_engine::error::{Code, Retry};
use longshore_simulator::salesforce::Fault;

use crate::support::{Tenant, redacted, small};
use crate::{LATER, SIGN_INS, named};

fn told(status: u16, seconds: u64) -> Fault {
    let retry_after = Some(seconds);
    Fault::Status { status, body: "[]".to_owned(), content_type: None, retry_after }
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_obeyed() {
    for (status, code) in [(429, Code::RateLimited), (503, Code::AppMaintenance)] {
        let tenant = Tenant::start(small()).await;
        tenant.break_query(SIGN_INS, LATER, 1, told(status, 90));
        let before = tenant.clock.now();
        tenant.completes().await;
        assert!(tenant.clock.now().duration_since(before) >= SignedDuration::from_secs(90));
        let [(found, wait)] = tenant.retried()[..] else { panic!("{:?}", tenant.retried()) };
        assert_eq!(found, code);
        let asked = Duration::from_secs(90);
        assert!(wait >= asked && wait <= asked + Duration::from_secs(2), "{wait:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_wait_is_left_to_the_next_poll() {
    let tenant = Tenant::start(small()).await;
    tenant.break_query(SIGN_INS, 0, 0, told(429, 7200));
    let before = tenant.clock.now();
    let error = tenant.failure("sign_ins").await;
    assert_eq!(error.code, Code::RateLimited);
    let Retry::Later(Some(at)) = error.retry else { panic!("{:?}", error.retry) };
    assert_eq!(at.duration_since(before), SignedDuration::from_secs(7200));
    assert_eq!(tenant.hits(), 1);
    insta::assert_snapshot!(redacted(&error));
    // A poll that comes too early does not ask.
    let early = tenant.failure("sign_ins").await;
    assert_eq!((early.code, early.retry), (Code::RateLimited, Retry::Later(Some(at))));
    assert_eq!(tenant.hits(), 1);
    tenant.org.clear_faults();
    tenant.clock.sleep(Duration::from_secs(7200)).await;
    tenant.completes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_requests_left() {
    for concurrent in [false, true] {
        let fault = Fault::RequestLimitExceeded { concurrent };
        let tenant = Tenant::start(small()).await;
        tenant.break_query(SIGN_INS, LATER, 3, fault.clone());
        tenant.completes().await;
        let codes: Vec<_> = tenant.retried().into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, [Code::QuotaExceeded; 3]);
    }
    let fault = Fault::RequestLimitExceeded { concurrent: false };
    named("no_requests_left", Code::QuotaExceeded, fault).await;
}

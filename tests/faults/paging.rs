//! Pages that lead nowhere.

use longshore_engine::error::Code;
use longshore_simulator::salesforce::{Config, Fault};

use crate::support::{Tenant, small};
use crate::{LATER, SIGN_INS, named, named_in};

/// An org whose answers have many pages.
fn paged() -> Config {
    Config { page_size: 7, ..small() }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_pages() {
    let tenant = Tenant::start(paged()).await;
    tenant.completes().await;
    assert!(tenant.org.truth().requests["query_more"] > 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_page_that_is_the_same_page() {
    named("a_next_page_that_is_the_same_page", Code::PageLoop, Fault::RepeatNextRecordsUrl).await;
    // Once: the page is read twice, which the promised total gives away.
    let tenant = Tenant::start(paged()).await;
    tenant.break_query(SIGN_INS, LATER, 1, Fault::RepeatNextRecordsUrl);
    tenant.completes().await;
    assert_eq!((tenant.hits(), tenant.retried().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_page_that_is_the_same_page() {
    let tenant = Tenant::start(paged()).await;
    tenant.break_path("/query/", 0, 0, Fault::RepeatNextRecordsUrl);
    let error = tenant.failure("sign_ins").await;
    assert_eq!(error.code, Code::PageLoop);
    tenant.org.clear_faults();
    tenant.completes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_without_a_next_page() {
    let tenant = Tenant::start(paged()).await;
    named_in(tenant, "more_without_a_next_page", Code::DataIncomplete, Fault::DropNextRecordsUrl)
        .await;
    let tenant = Tenant::start(paged()).await;
    tenant.break_path("/query/", 0, 2, Fault::DropNextRecordsUrl);
    tenant.completes().await;
    assert_eq!(tenant.hits(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locator_that_expires_between_pages() {
    let tenant = Tenant::start(paged()).await;
    tenant.break_path("/query/", 0, 3, Fault::ExpireLocator);
    tenant.completes().await;
    assert_eq!(tenant.hits(), 3);
    let codes: Vec<_> = tenant.retried().into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [Code::DataCursorExpired; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn locators_that_always_expire() {
    let tenant = Tenant::start(paged()).await;
    tenant.break_path("/query/", 0, 0, Fault::ExpireLocator);
    let error = tenant.failure("sign_ins").await;
    assert_eq!(error.code, Code::DataCursorExpired);
    insta::assert_snapshot!(crate::support::redacted(&error));
    tenant.org.clear_faults();
    tenant.completes().await;
}

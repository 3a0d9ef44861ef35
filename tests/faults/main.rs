//! Whatever goes wrong at the app has a name, a cause and a fix, or heals by itself; and once it
//! is gone, the next run delivers exactly what the org holds.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod answers;
#[cfg(unix)]
mod disk;
mod late;
mod paging;
mod waiting;

use longshore_engine::error::Code;
use longshore_simulator::salesforce::Fault;
use support::{Tenant, redacted, small};

/// A request that only the stream `sign_ins` makes.
const SIGN_INS: &str = "FROM LoginHistory";
/// Its windows that a fault lets through first: then some events are in hand, and not yet on disk.
const LATER: u64 = 3;

/// The fault befalls every request of `sign_ins`, which fails with `code`; the words are in the
/// snapshot of that name. The other streams complete. Without the fault everything does.
async fn named(name: &str, code: Code, fault: Fault) {
    named_in(Tenant::start(small()).await, name, code, fault).await;
}

async fn named_in(tenant: Tenant, name: &str, code: Code, fault: Fault) {
    tenant.break_query(SIGN_INS, 0, 0, fault);
    let reports = tenant.poll().await;
    assert!(tenant.hits() > 0, "{name}: the fault did not strike");
    for report in &reports {
        let expected = (report.stream == "sign_ins").then_some(code);
        let found = report.error.as_ref().map(|error| error.code);
        assert_eq!(found, expected, "{name}: {}: {:?}", report.stream, report.error);
    }
    let error = reports.iter().find_map(|report| report.error.as_ref()).unwrap();
    insta::assert_snapshot!(name, redacted(error));
    tenant.org.clear_faults();
    tenant.completes().await;
}

/// The fault befalls `times` requests of `sign_ins` and as many downloads of log files, when some
/// have gone well; the same run gets over it.
async fn heals(times: u64, fault: Fault) -> Tenant {
    let tenant = Tenant::start(small()).await;
    tenant.break_query(SIGN_INS, LATER, times, fault.clone());
    tenant.break_path("/LogFile", 40, times, fault);
    tenant.completes().await;
    assert_eq!(tenant.hits(), 2 * times, "the faults did not all strike");
    tenant
}

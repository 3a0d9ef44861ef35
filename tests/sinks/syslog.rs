//! Syslog by TLS, read by rsyslog.

#[path = "../../sinks/tests/syslog/rsyslog.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod rsyslog;

use std::collections::BTreeMap;

use rsyslog::{Rsyslog, Ways};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::line::Line;
use crate::org::Org;
use crate::scenario::{Place, compare, survive};

struct Receiver {
    rsyslog: Rsyslog,
    line: Line,
}

impl Place for Receiver {
    fn section(&mut self, org: &Org) -> String {
        std::fs::copy(self.rsyslog.folder().join("ca.pem"), org.path("ca.pem")).unwrap();
        Rsyslog::section_at(Ways::Tls, self.line.address.port())
    }

    fn arrived(&mut self) -> u64 {
        self.rsyslog.records().len() as u64
    }

    fn kill(&mut self) {
        self.rsyslog.kill();
    }

    fn start(&mut self) {
        block_in_place(|| Handle::current().block_on(self.rsyslog.start_again()));
    }

    fn line(&self) -> Option<(&Line, &'static [u8])> {
        // A record of TLS with something in it that only the two can read.
        Some((&self.line, &[0x17, 3, 3]))
    }

    fn check(&mut self, given: &BTreeMap<String, Value>) -> usize {
        let event = |record: &Value| serde_json::from_str(record["msg"].as_str().unwrap()).unwrap();
        let events: Vec<Value> = self.rsyslog.records().iter().map(event).collect();
        compare(given, &events)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn syslog_has_everything() {
    let Some(rsyslog) = Rsyslog::start().await else { return };
    let line = Line::to(([127, 0, 0, 1], rsyslog.port(Ways::Tls)).into());
    survive(&mut Receiver { rsyslog, line }).await;
}

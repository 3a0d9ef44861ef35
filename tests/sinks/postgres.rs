//! PostgreSQL, read by psql.

#[path = "../../sinks/tests/sql/server.rs"]
mod server;

use std::collections::BTreeMap;

use serde_json::Value;
use server::Server;

use crate::line::Line;
use crate::local::parsed;
use crate::org::Org;
use crate::scenario::{Place, compare, survive};
use crate::skip;

struct Database {
    server: Server,
    line: Line,
}

impl Place for Database {
    fn section(&mut self, _: &Org) -> String {
        server::config("127.0.0.1", self.line.address.port(), "?sslmode=disable")
    }

    fn arrived(&mut self) -> u64 {
        // The table is made with the first delivery.
        let asked = self.server.psql("SELECT count(*) FROM longshore.events");
        asked.map_or(0, |rows| rows[0].parse().unwrap())
    }

    fn kill(&mut self) {
        self.server.kill();
    }

    fn start(&mut self) {
        self.server.run();
    }

    fn line(&self) -> Option<(&Line, &'static [u8])> {
        Some((&self.line, b"COMMIT\0"))
    }

    fn check(&mut self, given: &BTreeMap<String, Value>) -> usize {
        let rows = self.server.psql("SELECT event FROM longshore.events").unwrap();
        compare(given, &parsed(rows.join("\n").as_bytes()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_has_everything_once() {
    let Some(server) = Server::start(|_| {}) else {
        return skip("PostgreSQL is not installed (Debian: apt-get install postgresql)");
    };
    let line = Line::to(([127, 0, 0, 1], server.port).into());
    assert_eq!(survive(&mut Database { server, line }).await, 0);
}

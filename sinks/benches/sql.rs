//! Events per second of processor time that the sinks `sqlite` and `postgres` take, that of a database
//! server not counted: `cargo bench -p longshore-sinks --features postgres --bench sql`. A name behind
//! `--` measures one of them. It needs 2 GB of room in the folder for temporary files.
#![allow(clippy::unwrap_used, reason = "a benchmark may stop at the first surprise")]

#[path = "../tests/sql/events.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod events;
#[cfg(all(unix, feature = "postgres"))]
#[path = "../tests/sql/server.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod server;

use std::path::Path;
use std::time::{Duration, Instant};

use longshore_engine::connection::ConnectionFile;
use longshore_engine::sink::{Log, Portioned, Sink};

/// Clock ticks per second in `/proc`, the same on every Linux that there is.
const TICKS: f64 = 100.0;

/// After so many events the figures are printed: a larger table is slower.
const STEP: usize = 200_000;

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let wanted = |name: &str| {
        let names: Vec<_> =
            std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
        names.is_empty() || names.iter().any(|wanted| wanted == name)
    };
    if wanted("sqlite") {
        runtime.block_on(measure("sqlite", folder.path(), "sqlite: { file: events.db }", 5));
    }
    #[cfg(all(unix, feature = "postgres"))]
    if wanted("postgres") {
        let server = server::Server::start(|_| {}).expect("PostgreSQL is installed");
        let config = server::config("127.0.0.1", server.port, "?sslmode=disable");
        runtime.block_on(measure("postgres", folder.path(), &config, 2));
    }
}

async fn measure(name: &str, folder: &Path, config: &str, steps: usize) {
    let path = folder.join("acme.yaml");
    let text = format!("name: acme\nmanifest: manifest.yaml\nsinks:\n  database:\n    {config}\n");
    std::fs::write(&path, text).unwrap();
    let (file, source) = ConnectionFile::read(&path).unwrap();
    let mut sink: Box<dyn Sink> = longshore_sinks::open(&file, &source).unwrap().remove(0).1;
    let log = Log { spool: "bench", connection: "acme", stream: "sign_ins" };
    assert_eq!(sink.position(log).await.unwrap(), None);
    let most = sink.portion().bytes;
    let mut start = 0;
    for step in 0..steps {
        let lines = events::lines(step * STEP..(step + 1) * STEP);
        let (mut cpu, mut wall) = (0.0, Duration::ZERO);
        let mut rest = &lines[..];
        while !rest.is_empty() {
            let end = rest[..most.min(rest.len())].iter().rposition(|byte| *byte == b'\n').unwrap();
            let (portion, behind) = rest.split_at(end + 1);
            let (began, used) = (Instant::now(), used());
            sink.deliver(Portioned { log, start, lines: portion }).await.unwrap();
            cpu += self::used() - used;
            wall += began.elapsed();
            start += portion.len() as u64;
            rest = behind;
        }
        println!(
            "{name}: {:>7} events in the table, {:.0} bytes each: {:.0} events per CPU second, {:.0} \
             per second",
            (step + 1) * STEP,
            lines.len() as f64 / STEP as f64,
            STEP as f64 / cpu,
            STEP as f64 / wall.as_secs_f64(),
        );
    }
    assert_eq!(sink.position(log).await.unwrap(), Some(start));
}

/// Processor time of this process so far, in seconds: user and system, its children's not.
fn used() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name in parentheses may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / TICKS
}

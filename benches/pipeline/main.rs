//! Records of four shapes from a socket to a file, in several ways in the same run:
//!
//! - `drain`: the bytes are received and dropped,
//! - `by-hand`: a program written for this one response, with 12 fields a record,
//! - `projected`: a manifest that maps 12 fields and keeps nothing else,
//! - `complete`: a manifest with complete OCSF events, unmapped members included,
//! - `general`: like `projected`, with records found by a filter in the parsed page.
//!
//! The manifests run with everything: windows, paging, quotas, deduplication, state and durable
//! commits. Each way runs in a process of its own, several times in turn, so that CPU time and peak
//! memory are its own. The server is another process and does not count. Compare ratios, not single
//! figures: machines are noisy.
//!
//! ```text
//! cargo bench --bench pipeline                  all shapes
//! cargo bench --bench pipeline -- csv           one shape
//! cargo bench --bench pipeline -- memory        peak memory and state of 10^5, 10^6 and 10^7 records,
//!                                               of bodies of 1 GB, and of 100,000 items, by TLS
//! cargo bench --bench pipeline -- sinks         peak memory of the program with 10^5 and 10^6 records
//!                                               and a receiver that is fast or slow (20 minutes)
//! ```

mod by_hand;
mod manifest;
mod process;
mod shapes;
mod sinks;
mod tls;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use longshore_engine::clock::Clock;
use longshore_engine::connection::ConnectionFile;
use longshore_engine::plan::Plan;
use longshore_engine::poll::Limits;
use longshore_engine::runner::{Folders, Runner};
use longshore_validator::{Options, Profile, validate};
use tempfile::TempDir;

use by_hand::{by_hand, drain};
use manifest::{Depth, manifest};
use process::{Used, used};
use shapes::{Shape, serve};

const ROUNDS: usize = 3;

/// The allocator of the release binary.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Failure = Box<dyn std::error::Error>;

/// What one run took.
#[derive(Clone, Copy)]
struct Figures {
    cpu_seconds: f64,
    peak_kib: u64,
    state_kib: u64,
    wall_seconds: f64,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["server", shape, records] => serve(shape_named(shape)?, records.parse()?, None),
        ["server", shape, records, folder] => {
            serve(shape_named(shape)?, records.parse()?, Some(&tls::server(Path::new(folder))?))
        }
        ["run", shape, way, records, server, folder] => {
            run(shape_named(shape)?, way, records.parse()?, server.parse()?, Path::new(folder))
        }
        ["memory", ..] => memory(),
        ["receiver", milliseconds] => sinks::receive(Duration::from_millis(milliseconds.parse()?)),
        ["sinks", ..] => sinks::sinks(),
        _ => {
            // `cargo bench` and `cargo test --benches` pass flags of their own.
            let wanted: Vec<_> = words.iter().filter_map(|word| Shape::named(word)).collect();
            for (name, shape) in Shape::ALL {
                if wanted.is_empty() || wanted.contains(&shape) {
                    compare(name, shape)?;
                }
            }
            Ok(())
        }
    }
}

fn shape_named(name: &str) -> Result<Shape, Failure> {
    Shape::named(name).ok_or_else(|| format!("no shape `{name}`").into())
}

/// The ways of a shape, with the goal of each in CPU seconds, where it has one.
fn ways(shape: Shape, bytes: u64) -> Vec<(&'static str, Option<f64>)> {
    let rate = |mebibytes: f64| Some(bytes as f64 / (mebibytes * 1e6));
    let mut ways = vec![("drain", None), ("by-hand", None)];
    ways.extend(match shape {
        Shape::Salesforce | Shape::Body => vec![("projected", Some(1.3)), ("complete", Some(2.2))],
        Shape::Nested => {
            vec![("projected", rate(250.0)), ("complete", None), ("general", rate(62.5))]
        }
        Shape::Small => vec![("projected", Some(0.8)), ("complete", None)],
        Shape::Csv => vec![("projected", rate(150.0)), ("complete", None)],
    });
    ways
}

/// Runs all ways of a shape in turn and prints a table.
fn compare(name: &str, shape: Shape) -> Result<(), Failure> {
    let records = shape.records();
    let server = Server::start(name, records, None)?;
    let bytes = runtime()?.block_on(drain(shape, records, server.address))?;
    let ways = ways(shape, bytes);
    let mut figures: Vec<Vec<Figures>> = vec![Vec::new(); ways.len()];
    for _ in 0..ROUNDS {
        for ((way, _), figures) in ways.iter().zip(&mut figures) {
            figures.push(server.measure(name, way, records)?);
        }
    }
    println!("\n{name}: {records} records, {bytes} bytes; medians of {ROUNDS} runs in turn");
    println!(
        "{:<10} {:>8} {:>16} {:>12} {:>10} {:>8}  goal",
        "", "CPU s", "records / CPU s", "MB / CPU s", "peak MiB", "wall s"
    );
    for ((way, goal), figures) in ways.iter().zip(&mut figures) {
        figures.sort_by(|a, b| a.cpu_seconds.total_cmp(&b.cpu_seconds));
        let Figures { cpu_seconds, peak_kib, wall_seconds, .. } = figures[figures.len() / 2];
        let goal = match goal {
            None => String::new(),
            Some(goal) if cpu_seconds <= *goal => format!("met ({goal:.2} CPU s)"),
            Some(goal) => format!("MISSED ({goal:.2} CPU s)"),
        };
        println!(
            "{way:<10} {cpu_seconds:>8.2} {:>16.0} {:>12.0} {:>10.1} {wall_seconds:>8.2}  {goal}",
            records as f64 / cpu_seconds,
            bytes as f64 / cpu_seconds / 1e6,
            peak_kib as f64 / 1024.0,
        );
    }
    Ok(())
}

/// Peak memory of ever more records, of long bodies, and of many items with a request each.
fn memory() -> Result<(), Failure> {
    println!(
        "{:<12} {:<10} {:>10} {:>10} {:>10} {:>8} {:>8}",
        "", "", "records", "peak MiB", "state MiB", "CPU s", "wall s"
    );
    for (name, way, records) in [
        ("salesforce", "projected", 100_000),
        ("salesforce", "projected", 1_000_000),
        ("salesforce", "projected", 10_000_000),
        ("csv", "projected", 80_000),
        // 1 GB.
        ("csv", "projected", 1_480_000),
        ("body", "projected", 150_000),
        // 1 GB.
        ("body", "projected", 1_800_000),
        ("small", "items", 1_000),
        ("small", "items", 100_000),
    ] {
        let server = Server::start(name, records, Some(tls::certificate()?))?;
        let figures = server.measure(name, way, records)?;
        println!(
            "{name:<12} {way:<10} {records:>10} {:>10.1} {:>10.1} {:>8.2} {:>8.2}",
            figures.peak_kib as f64 / 1024.0,
            figures.state_kib as f64 / 1024.0,
            figures.cpu_seconds,
            figures.wall_seconds
        );
    }
    Ok(())
}

/// A server in a process of its own.
struct Server {
    process: Child,
    address: SocketAddr,
    /// With its certificate, if it serves by TLS.
    certificate: Option<TempDir>,
}

impl Server {
    fn start(shape: &str, records: u64, certificate: Option<TempDir>) -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        let records = records.to_string();
        let mut process = Command::new(program)
            .args(["server", shape, &records])
            .args(certificate.as_ref().map(TempDir::path))
            .stdout(Stdio::piped())
            .spawn()?;
        let out = process.stdout.take().ok_or("the server has no output")?;
        let mut address = String::new();
        BufReader::new(out).read_line(&mut address)?;
        Ok(Self { process, address: address.trim().parse()?, certificate })
    }

    fn measure(&self, shape: &str, way: &str, records: u64) -> Result<Figures, Failure> {
        let folder = tempfile::tempdir()?;
        if let Some(certificate) = &self.certificate {
            tls::trust(certificate.path(), folder.path())?;
        }
        let mut run = Command::new(std::env::current_exe()?);
        run.args(["run", shape, way, &records.to_string(), &self.address.to_string()]);
        if self.certificate.is_some() {
            tls::through(&mut run, self.address);
        }
        let output = run.arg(folder.path()).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("`{shape} {way}` failed").into());
        }
        let text = String::from_utf8(output.stdout)?;
        let mut parts = text.split_whitespace();
        let mut next = || parts.next().ok_or("a figure is missing");
        Ok(Figures {
            cpu_seconds: next()?.parse()?,
            peak_kib: next()?.parse()?,
            state_kib: next()?.parse()?,
            wall_seconds: next()?.parse()?,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Runs one way, and prints CPU seconds, peak KiB, KiB of state and wall seconds of this process.
fn run(
    shape: Shape,
    way: &str,
    expected: u64,
    server: SocketAddr,
    folder: &Path,
) -> Result<(), Failure> {
    let started = Instant::now();
    let runtime = runtime()?;
    let records = match way {
        "drain" => runtime.block_on(drain(shape, expected, server)).map(|_| expected)?,
        "by-hand" => runtime.block_on(by_hand(shape, server, folder))?,
        "projected" => runtime.block_on(longshore(shape, Depth::Projected, server, folder))?,
        "complete" => runtime.block_on(longshore(shape, Depth::Complete, server, folder))?,
        "items" => runtime.block_on(longshore(shape, Depth::Items, server, folder))?,
        "general" => runtime.block_on(longshore(shape, Depth::General, server, folder))?,
        _ => return Err(format!("no way `{way}`").into()),
    };
    if records != expected {
        return Err(format!("{records} records instead of {expected}").into());
    }
    let wall = started.elapsed().as_secs_f64();
    let Used { cpu_seconds, peak_kib } = used("self")?;
    let state = size(&folder.join("state"))? / 1024;
    println!("{cpu_seconds} {peak_kib} {state} {wall}");
    Ok(())
}

/// The bytes of the files in a folder, if there is one.
fn size(folder: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    if folder.exists() {
        for entry in std::fs::read_dir(folder)? {
            bytes += entry?.metadata()?.len();
        }
    }
    Ok(bytes)
}

async fn longshore(
    shape: Shape,
    depth: Depth,
    server: SocketAddr,
    folder: &Path,
) -> Result<u64, Failure> {
    let authority = tls::trusted(folder)?;
    let manifest = match authority {
        None => manifest(shape, depth),
        Some(_) => tls::manifest(&manifest(shape, depth)),
    };
    let report = validate(&manifest, &Options::new(Profile::Extended));
    let Some(manifest) = report.checked else {
        let findings: Vec<_> = report.diagnostics.iter().map(|d| d.message.clone()).collect();
        return Err(findings.join("\n").into());
    };
    let path: PathBuf = folder.join("connection.yaml");
    let to = match authority {
        None => format!("inputs: {{ key: simulated }}\nconnect_to: {server}\n"),
        Some(authority) => format!("inputs: {{ key: simulated, authority: {authority:?} }}\n"),
    };
    std::fs::write(&path, format!("name: bench\nmanifest: m.yaml\n{to}"))?;
    let (file, source) = ConnectionFile::read(&path)?;
    let plan = Plan::compile(&manifest, file.connection(&source, &manifest)?)?;
    let folders = Folders { state: folder.join("state"), output: folder.join("events") };
    let now: Timestamp = "2026-09-30T00:00:00Z".parse()?;
    let runner = Runner::open(plan, &folders, Clock::starting_at(now), Arc::new(|_, _| {}))?;
    let streams = runner.select(&["sign_ins".to_owned()])?;
    let reports = runner.once(&streams, Limits::default()).await;
    match &reports[0].error {
        Some(error) => Err(error.to_string().into()),
        None => Ok(reports[0].delivered),
    }
}

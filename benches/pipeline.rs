//! 500,000 Salesforce-shaped records from a socket to a file, three ways in the same run:
//!
//! - `drain`: the bytes are received and dropped,
//! - `by hand`: a program written for this one response, with serde, borrowing where it can,
//! - `longshore`: a manifest, with windows, paging, quotas, deduplication, state and durable commits.
//!
//! Each way runs in a process of its own, several times in turn, so that CPU time and peak memory
//! are its own. The server is another process and does not count. Compare ratios, not single
//! figures: machines are noisy.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use longshore_engine::clock::Clock;
use longshore_engine::connection::ConnectionFile;
use longshore_engine::http::{Client, Hosts, Method, Request, Transport};
use longshore_engine::plan::Plan;
use longshore_engine::poll::Limits;
use longshore_engine::runner::{Folders, Runner};
use longshore_validator::{Options, Profile, validate};
use serde::{Deserialize, Serialize};
use url::Url;

const RECORDS: u64 = 500_000;
const PAGE: u64 = 2_000;
const ROUNDS: usize = 3;
/// The goals of this benchmark: CPU seconds and peak resident memory in KiB.
const GOAL: (f64, u64) = (2.0, 30 * 1024);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("server") => serve(),
        Some("drain") => measured(|| runtime()?.block_on(drain(arguments[2].parse()?))),
        Some("by-hand") => measured(|| {
            runtime()?.block_on(by_hand(arguments[2].parse()?, Path::new(&arguments[3])))
        }),
        Some("longshore") => measured(|| {
            runtime()?.block_on(longshore(arguments[2].parse()?, Path::new(&arguments[3])))
        }),
        // `cargo test --benches` passes its own flags: one small check that it runs at all.
        _ => compare(),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Runs the three ways in turn and prints a table.
fn compare() -> Result<(), Failure> {
    let program = std::env::current_exe()?;
    let mut server = Command::new(&program).arg("server").stdout(Stdio::piped()).spawn()?;
    let result = rounds(&program, &mut server);
    server.kill()?;
    server.wait()?;
    result
}

fn rounds(program: &Path, server: &mut Child) -> Result<(), Failure> {
    let out = server.stdout.take().ok_or("the server has no output")?;
    let mut address = String::new();
    BufReader::new(out).read_line(&mut address)?;
    let ways = ["drain", "by-hand", "longshore"];
    let mut figures: Vec<Vec<(f64, u64, f64)>> = vec![Vec::new(); ways.len()];
    for _ in 0..ROUNDS {
        for (way, figures) in ways.iter().zip(&mut figures) {
            let folder = tempfile::tempdir()?;
            let output = Command::new(program)
                .arg(way)
                .arg(address.trim())
                .arg(folder.path())
                .stderr(Stdio::inherit())
                .output()?;
            if !output.status.success() {
                return Err(format!("`{way}` failed").into());
            }
            let text = String::from_utf8(output.stdout)?;
            let mut parts = text.split_whitespace();
            let mut next = || parts.next().ok_or("a figure is missing");
            figures.push((next()?.parse()?, next()?.parse()?, next()?.parse()?));
        }
    }
    println!("{RECORDS} records, {PAGE} a page; medians of {ROUNDS} runs in turn");
    println!(
        "{:<10} {:>8} {:>18} {:>10} {:>8}",
        "", "CPU s", "records / CPU s", "peak MiB", "wall s"
    );
    let mut medians = Vec::new();
    for (way, figures) in ways.iter().zip(&mut figures) {
        figures.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (cpu, peak, wall) = figures[figures.len() / 2];
        let rate = RECORDS as f64 / cpu;
        let peak_mib = peak as f64 / 1024.0;
        println!("{way:<10} {cpu:>8.2} {rate:>18.0} {peak_mib:>10.1} {wall:>8.2}");
        medians.push((cpu, peak));
    }
    let (cpu, peak) = medians[2];
    println!("longshore to by hand: {:.2} times the CPU time", cpu / medians[1].0);
    if cpu > GOAL.0 || peak > GOAL.1 {
        println!("past the goal of {} CPU s and {} MiB", GOAL.0, GOAL.1 / 1024);
    }
    Ok(())
}

/// Prints CPU seconds, peak KiB and wall seconds of this process.
fn measured(work: impl FnOnce() -> Result<u64, Failure>) -> Result<(), Failure> {
    let started = Instant::now();
    let records = work()?;
    if records != RECORDS {
        return Err(format!("{records} records instead of {RECORDS}").into());
    }
    let wall = started.elapsed().as_secs_f64();
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Fields 14 and 15 of proc(5), in ticks of 10 ms on every Linux there is.
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 =
        peak.and_then(|text| text.split_whitespace().next()).ok_or("no VmHWM")?.parse()?;
    println!("{} {peak} {wall}", ticks as f64 / 100.0);
    Ok(())
}

// The server.

fn serve() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let page = Arc::new(template());
    for stream in listener.incoming() {
        let (stream, page) = (stream?, Arc::clone(&page));
        std::thread::spawn(move || {
            // A client that goes away ends its connection, nothing else.
            let _ = answer(stream, &page);
        });
    }
    Ok(())
}

/// A page with room for what differs from record to record.
struct Template {
    body: Vec<u8>,
    /// Where the record numbers, times and the rest stand.
    ids: Vec<usize>,
    times: Vec<usize>,
}

fn template() -> Template {
    let mut body = Vec::new();
    let (mut ids, mut times) = (Vec::new(), Vec::new());
    body.extend_from_slice(
        b"{\"totalSize\":500000,\"done\":@@@@@,\"nextRecordsUrl\":\"/query/@@@@@@\",\"records\":[",
    );
    for record in 0..PAGE {
        if record > 0 {
            body.push(b',');
        }
        body.extend_from_slice(b"{\"attributes\":{\"type\":\"LoginHistory\",\"url\":\"/services/data/v67.0/sobjects/LoginHistory/0Ya\"},\"Id\":\"0YaDn");
        ids.push(body.len());
        let text = format!(
            "@@@@@@@@QAC\",\"UserId\":\"005Dn00000{:05}IAC\",\"LoginTime\":\"@@@@@@@@@@@@@@@@@@@.000+0000\",\"LoginType\":\"Application\",\"LoginSubType\":\"UI Login\",\"LoginUrl\":\"demo.my.salesforce.com\",\"SourceIp\":\"203.0.113.{}\",\"Status\":\"{}\",\"Browser\":\"Chrome 129\",\"Platform\":\"Windows 10\",\"Application\":\"Browser\",\"ClientVersion\":\"N/A\",\"CountryIso\":\"NO\",\"TlsProtocol\":\"TLS 1.3\",\"CipherSuite\":\"TLS_AES_256_GCM_SHA384\"}}",
            record * 7 % 5000,
            record % 250,
            if record % 17 == 0 { "Invalid Password" } else { "Success" },
        );
        let start = body.len();
        body.extend_from_slice(text.as_bytes());
        let time = text.find("LoginTime\":\"").unwrap_or_default() + 12;
        times.push(start + time);
    }
    body.extend_from_slice(b"]}");
    Template { body, ids, times }
}

fn answer(stream: TcpStream, template: &Template) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    let mut body = template.body.clone();
    let start: Timestamp = START.parse()?;
    loop {
        let mut page = 0_u64;
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if let Some(path) = line.split_whitespace().nth(1) {
            page = path.rsplit('/').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        }
        while line.trim_end() != "" {
            line.clear();
            reader.read_line(&mut line)?;
        }
        let last = (page + 1) * PAGE >= RECORDS;
        body[27..32].copy_from_slice(if last { b"true " } else { b"false" });
        let next = if last { "null".to_owned() } else { format!("\"/query/{:06}\"", page + 1) };
        body[50..65].copy_from_slice(format!("{next:15}").as_bytes());
        for (index, (id, time)) in template.ids.iter().zip(&template.times).enumerate() {
            let number = page * PAGE + index as u64;
            body[*id..id + 8].copy_from_slice(format!("{number:08}").as_bytes());
            // Ten records a minute.
            let at = start.as_second() + (number * 6) as i64;
            let at = Timestamp::from_second(at)?.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            body[*time..time + 19].copy_from_slice(at.as_bytes());
        }
        write!(
            writer,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )?;
        writer.write_all(&body)?;
    }
}

const START: &str = "2026-08-01T00:00:00Z";

// The three ways.

fn client(server: SocketAddr) -> Result<(Client, Url), Failure> {
    let hosts = Hosts::new(["api.bench.test"])?;
    let client = Client::new(&Transport::new()?, hosts, Some(server))?;
    Ok((client, Url::parse("https://api.bench.test/query/000000")?))
}

async fn drain(server: SocketAddr) -> Result<u64, Failure> {
    let (client, first) = client(server)?;
    for page in 0..RECORDS / PAGE {
        let url = first.join(&format!("/query/{page:06}"))?;
        let mut response =
            client.send(Request::new(Method::GET, url)).await.map_err(|f| f.error)?;
        while let Some(chunk) = response.chunk().await? {
            std::hint::black_box(&chunk);
        }
    }
    Ok(RECORDS)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'p> {
    next_records_url: Option<&'p str>,
    #[serde(borrow)]
    records: Vec<Login<'p>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_field_names, reason = "the names are the source's")]
struct Login<'p> {
    id: &'p str,
    user_id: &'p str,
    login_time: &'p str,
    login_type: &'p str,
    login_url: &'p str,
    source_ip: &'p str,
    status: &'p str,
    browser: &'p str,
    application: &'p str,
    country_iso: &'p str,
}

#[derive(Serialize)]
struct Event<'p> {
    class_uid: u32,
    activity_id: u32,
    time: i64,
    uid: &'p str,
    user_uid: &'p str,
    src_ip: std::net::IpAddr,
    status_id: u32,
    status_detail: &'p str,
    service: &'p str,
    user_agent: &'p str,
    country: &'p str,
    hostname: &'p str,
    logon_type: &'p str,
}

async fn by_hand(server: SocketAddr, folder: &Path) -> Result<u64, Failure> {
    let (client, first) = client(server)?;
    let mut file = BufWriter::with_capacity(1 << 20, std::fs::File::create(folder.join("events"))?);
    let (mut url, mut records) = (first, 0);
    loop {
        let mut response =
            client.send(Request::new(Method::GET, url.clone())).await.map_err(|f| f.error)?;
        let body = response.bytes().await?;
        let page: Page<'_> = serde_json::from_slice(&body)?;
        for login in &page.records {
            let event = Event {
                class_uid: 3002,
                activity_id: 1,
                time: login.login_time.replace("+0000", "Z").parse::<Timestamp>()?.as_millisecond(),
                uid: login.id,
                user_uid: login.user_id,
                src_ip: login.source_ip.parse()?,
                status_id: if login.status == "Success" { 1 } else { 2 },
                status_detail: login.status,
                service: login.application,
                user_agent: login.browser,
                country: login.country_iso,
                hostname: login.login_url,
                logon_type: login.login_type,
            };
            serde_json::to_writer(&mut file, &event)?;
            file.write_all(b"\n")?;
        }
        records += page.records.len() as u64;
        match page.next_records_url {
            Some(next) => url = url.join(next)?,
            None => break,
        }
    }
    file.flush()?;
    Ok(records)
}

const MANIFEST: &str = r#"
manifest: longshore/v1
id: bench
version: 1.0.0
app: { name: Bench, vendor: Longshore, links: { api: https://api.bench.test/docs } }
profiles: [threat_protection]
inputs: { key: { type: secret, title: Key } }
auth: { api_key: { header: Authorization, value: "Token {{inputs.key}}" } }
http: { base_url: https://api.bench.test, hosts: [api.bench.test] }
quotas:
  calls: { limit: 100000, period: { rolling: 24h }, reserve: 10%, counts: [own] }
streams:
  users:
    provides: users
    every: 24h
    request: { get: /users }
    records: $.users[*]
    key: $.id
    map: { to: user_inventory, activity: Collect, time: $.changed, user.uid: $.id }
  sign_ins:
    provides: sign_ins
    every: 15m
    window: { on: $.LoginTime, backfill: 60d, span: 60d, lag: 1m, overlap: 10m, order: ascending }
    request: { get: /query/000000, query: { from: "{{window.start}}", to: "{{window.end}}" } }
    pages: { next_url: $.nextRecordsUrl }
    promise: { last_page: { $.done: true }, total: $.totalSize }
    records: $.records[*]
    key: $.Id
    ignore: [attributes, LoginSubType, Platform, ClientVersion, TlsProtocol, CipherSuite]
    map:
      to: authentication
      activity: Logon
      time: $.LoginTime
      metadata.original_event_uid: $.Id
      user.uid: $.UserId
      src_endpoint.ip: $.SourceIp
      src_endpoint.location.country: $.CountryIso
      status: { from: $.Status, when: { Success: Success }, else: Failure }
      status_detail: $.Status
      service.name: { from: $.Application, else: Salesforce }
      http_request.user_agent: $.Browser
      dst_endpoint.hostname: $.LoginUrl
      metadata.event_code: $.LoginType
"#;

async fn longshore(server: SocketAddr, folder: &Path) -> Result<u64, Failure> {
    let report = validate(MANIFEST, &Options::new(Profile::Extended));
    let Some(manifest) = report.checked else {
        let findings: Vec<_> = report.diagnostics.iter().map(|d| d.message.clone()).collect();
        return Err(findings.join("\n").into());
    };
    let path: PathBuf = folder.join("connection.yaml");
    std::fs::write(
        &path,
        format!(
            "name: bench\nmanifest: m.yaml\ninputs: {{ key: simulated }}\nconnect_to: {server}\n"
        ),
    )?;
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

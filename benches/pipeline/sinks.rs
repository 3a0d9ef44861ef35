//! Processor time and peak memory of the program when it delivers to a receiver by HTTP that is fast, and
//! to one that takes a second for each request.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::manifest::{Depth, manifest};
use crate::process::{Used, used};
use crate::shapes::Shape;
use crate::{Failure, Server};

const SLOW: Duration = Duration::from_secs(1);

/// Prints a line for each number of records and each receiver. `LONGSHORE` names the program, if it is
/// not the one that was just built.
pub(crate) fn sinks() -> Result<(), Failure> {
    println!(
        "{:<10} {:>10} {:>10} {:>10} {:>8} {:>8}",
        "receiver", "records", "requests", "peak MiB", "CPU s", "wall s"
    );
    for records in [100_000, 1_000_000] {
        for (name, pause) in [("fast", Duration::ZERO), ("slow", SLOW)] {
            let (requests, used, wall) = measure(records, pause)?;
            println!(
                "{name:<10} {records:>10} {requests:>10} {:>10.1} {:>8.2} {wall:>8.1}",
                used.peak_kib as f64 / 1024.0,
                used.cpu_seconds
            );
        }
    }
    Ok(())
}

/// Requests, what the program used, and wall seconds of one run.
fn measure(records: u64, pause: Duration) -> Result<(u64, Used, f64), Failure> {
    let app = Server::start("salesforce", records, None)?;
    let (mut receiver, port) = start(pause)?;
    let folder = tempfile::tempdir()?;
    let connection = folder.path().join("connection.yaml");
    std::fs::write(folder.path().join("m.yaml"), manifest(Shape::Salesforce, Depth::Projected))?;
    std::fs::write(
        &connection,
        format!(
            "name: bench\nmanifest: m.yaml\ninputs: {{ key: simulated }}\nconnect_to: {}\n\
             sinks: {{ there: {{ http: {{ url: 'http://127.0.0.1:{port}/' }} }} }}\n",
            app.address
        ),
    )?;
    let begun = Instant::now();
    let run = run(&connection, records);
    let wall = begun.elapsed().as_secs_f64();
    let told = TcpStream::connect(("127.0.0.1", port)).and_then(|mut asked| {
        asked.write_all(b"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")?;
        let mut told = String::new();
        asked.read_to_string(&mut told)?;
        Ok(told)
    });
    let _ = receiver.kill();
    let _ = receiver.wait();
    let (used, told) = (run?, told?);
    let mut told = told.split_whitespace().map(str::parse::<u64>);
    let mut next = || told.next().ok_or("the receiver told nothing");
    let (requests, events) = (next()??, next()??);
    if events != records {
        return Err(format!("{events} events of {records} arrived").into());
    }
    Ok((requests, used, wall))
}

/// Runs the program to its end, and gives what it had used when it was last looked at.
fn run(connection: &Path, records: u64) -> Result<Used, Failure> {
    let program =
        std::env::var_os("LONGSHORE").unwrap_or_else(|| env!("CARGO_BIN_EXE_longshore").into());
    let mut program = Command::new(program)
        .args(["run", "--stream", "sign_ins", "--since", "2026-08-01T00:00:00Z"])
        .args(["--until", "2026-09-30T00:00:00Z"])
        .arg(connection)
        .stdout(Stdio::null())
        .spawn()?;
    let id = program.id().to_string();
    let mut last = None;
    let ended = loop {
        // One that has ended has no memory, and is told by its state below.
        last = used(&id).ok().or(last);
        if let Some(ended) = program.try_wait()? {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    if !ended.success() {
        return Err(format!("the run with {records} records failed").into());
    }
    last.ok_or_else(|| "the run was never seen".into())
}

/// A receiver in a process of its own, and its port.
fn start(pause: Duration) -> Result<(Child, u16), Failure> {
    let mut process = Command::new(std::env::current_exe()?)
        .args(["receiver", &pause.as_millis().to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let out = process.stdout.take().ok_or("the receiver has no output")?;
    let mut port = String::new();
    BufReader::new(out).read_line(&mut port)?;
    Ok((process, port.trim().parse()?))
}

/// Takes events until it is killed, each request after a pause. Prints its port; tells whoever sends
/// nothing how many requests and events there were.
pub(crate) fn receive(pause: Duration) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let (mut requests, mut events) = (0_u64, 0_u64);
    for stream in listener.incoming() {
        let mut reader = BufReader::new(stream?);
        while let Some(length) = head(&mut reader)? {
            if length == 0 {
                write!(reader.get_mut(), "{requests} {events}")?;
                break;
            }
            let mut left = length;
            let mut buffer = vec![0; 1 << 16];
            while left > 0 {
                let room = buffer.len().min(left);
                let read = reader.read(&mut buffer[..room])?;
                if read == 0 {
                    return Err("a body breaks off".into());
                }
                events += buffer[..read].split(|byte| *byte == b'\n').count() as u64 - 1;
                left -= read;
            }
            requests += 1;
            std::thread::sleep(pause);
            reader.get_mut().write_all(b"HTTP/1.1 204 Taken\r\n\r\n")?;
        }
    }
    Ok(())
}

/// The length of a request's body; `None` if there are no more requests.
fn head(reader: &mut BufReader<TcpStream>) -> Result<Option<usize>, Failure> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            return Ok(Some(length));
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
}

//! `longshore demo`: a simulated org, a connection to it, everything read, everything compared.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use longshore_engine::clock::Clock;
use longshore_engine::error::{Code, Error, Result};
use longshore_engine::poll::{Limits, StreamReport};
use longshore_engine::runner::Runner;
use longshore_simulator::salesforce::{Config, Running, Simulator, Truth, Volume};
use serde_json::json;
use url::Url;

use crate::Exit;
use crate::arguments::{Demo, Format};
use crate::browser::sign_in;
use crate::live::Live;
use crate::open::{manifest, open, unless_interrupted};
use crate::summary::{self, number};
use crate::terminal::{complain, fail, print};

const MANIFEST: &str = include_str!("../manifests/salesforce/manifest.yaml");
/// How long the org keeps its log files.
const LOG_RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

pub(crate) async fn run(command: &Demo) -> Exit {
    let live = Live::new();
    let outcome = demo(command, &live).await;
    live.clear();
    match outcome {
        Ok(exit) => exit,
        Err(error) => fail(&error),
    }
}

async fn demo(command: &Demo, live: &Live) -> Result<Exit> {
    let started = Instant::now();
    let directory = directory(command.directory.as_deref())?;
    let config = config(command);
    let (username, password) = (config.username.clone(), config.password.clone());
    let address = ([127, 0, 0, 1], 0).into();
    let org = Simulator::start(config.clone(), address).await.map_err(|error| {
        Error::new(Code::Internal, "the simulated org could not be started")
            .cause(error.to_string())
    })?;
    live.say(&format!("A simulated Salesforce org listens on {}.", org.url()));

    let connection = write_connection(&directory, &config, &org)?;
    let begun = directory.join("state").exists();
    let start = due(command.now, &directory)?;
    let clock = Clock::starting_at(start);
    let runner = open(&connection, None, clock, live.observer())?;
    let streams = runner.select(&[])?;
    let reports = unless_interrupted(&runner, async {
        connect(&runner, &username, &password).await?;
        live.say(
            "Signed in with the OAuth authorization code flow and PKCE. Reading what is due ...",
        );
        Ok::<_, Error>(runner.once(&streams, Limits::default()).await)
    })
    .await;
    live.clear();
    let Some(reports) = reports.transpose()? else {
        complain("stopped; started again with the same --directory, the demo goes on from here");
        return Ok(Exit::Interrupted);
    };
    let log = reports.iter().find(|report| report.stream == "event_log").and_then(|log| log.from);
    // A run that goes on where another one stopped asks for less than the first one did.
    let from = if begun { start.checked_sub(LOG_RETENTION).ok() } else { log };
    let compared = compare(&org.truth(), from, &directory.join("events"));
    show(command, &runner, &reports, &compared, &directory, started.elapsed());
    let exit = summary::complain_about(reports.iter().filter_map(|report| report.error.as_ref()));
    let right = compared.iter().all(Compared::holds);
    Ok(if right { exit } else { Exit::Findings })
}

fn directory(given: Option<&Path>) -> Result<PathBuf> {
    let made = match given {
        Some(path) => std::fs::create_dir_all(path).map(|()| path.to_owned()),
        None => tempfile::Builder::new()
            .prefix("longshore-demo-")
            .tempdir()
            .map(tempfile::TempDir::keep),
    };
    made.and_then(|path| path.canonicalize()).map_err(|error| {
        Error::new(Code::InputInvalid, "the demo's folder could not be made")
            .cause(error.to_string())
            .fix("name another folder with --directory")
    })
}

/// The org stands still, so that what it holds can be compared with what was delivered. It has a
/// day less of history than the backfill reaches back, so that all of it is due.
fn config(command: &Demo) -> Config {
    Config {
        seed: command.seed,
        now: Some(command.now),
        frozen: true,
        refresh_token_rotation: true,
        volume: Volume { days: 59, ..Volume::default() },
        ..Config::default()
    }
}

/// When the demo polls: so long after the org stopped that the manifest's lag is over and
/// everything it holds is due.
fn due(now: Timestamp, directory: &Path) -> Result<Timestamp> {
    let manifest = manifest(&directory.join("manifest.yaml"))?;
    let windows = manifest.streams.iter().filter_map(|(_, stream)| stream.window.as_ref());
    let lag = windows.filter_map(|window| Some(window.lag.as_ref()?.0)).max().unwrap_or_default();
    let wait = SignedDuration::try_from(lag + Duration::from_secs(60)).unwrap_or_default();
    Ok(now.checked_add(wait).unwrap_or(now))
}

/// The manifest and a connection file, as a platform team would have them.
fn write_connection(directory: &Path, config: &Config, org: &Running) -> Result<PathBuf> {
    let connection = directory.join("connection.yaml");
    let text = format!(
        "name: demo\nmanifest: manifest.yaml\ngrant: authorization_code\ninputs:\n  client_id: {}\n  client_secret: {}\nconnect_to: {}\n",
        config.client_id,
        config.client_secret,
        org.address()
    );
    std::fs::write(directory.join("manifest.yaml"), MANIFEST)
        .and_then(|()| std::fs::write(&connection, text))
        .map_err(|error| {
            Error::new(Code::InputInvalid, format!("{} cannot be written to", directory.display()))
                .cause(error.to_string())
                .fix("name another folder with --directory")
        })?;
    Ok(connection)
}

/// Signs in as an admin would, the browser played by the program.
async fn connect(runner: &Runner, username: &str, password: &str) -> Result<()> {
    let session = runner.session();
    let authenticator = session
        .authenticator()
        .ok_or_else(|| Error::new(Code::Internal, "the demo's manifest does not use OAuth"))?;
    let request = authenticator.authorization_request()?;
    let url = Url::parse(request.url.expose()).map_err(|error| {
        Error::new(Code::Internal, "the sign-in address is not a URL").cause(error.to_string())
    })?;
    let callback = sign_in(session.client(), &url, username, password).await?;
    authenticator.exchange(request, &callback).await.map(|_| ())
}

/// What the org held against what is on disk.
struct Compared {
    what: &'static str,
    held: u64,
    delivered: u64,
}

impl Compared {
    fn holds(&self) -> bool {
        self.held == self.delivered
    }
}

/// `from` is the oldest time that log files were asked for.
fn compare(truth: &Truth, from: Option<Timestamp>, events: &Path) -> Vec<Compared> {
    let lines = |stream: &str| {
        let text = std::fs::read_to_string(events.join(format!("{stream}.jsonl")));
        text.unwrap_or_default().lines().count() as u64
    };
    // Log files that are older than the history asked for are not due.
    let due = |created: &str| {
        created.parse::<Timestamp>().ok().zip(from).is_none_or(|(created, from)| created >= from)
    };
    let files = truth.log.files.iter().filter(|file| file.interval == "Hourly");
    let rows: u64 = files.filter(|file| due(&file.created_date)).map(|f| u64::from(f.rows)).sum();
    vec![
        Compared {
            what: "sign_ins",
            held: truth.sign_ins.count as u64,
            delivered: lines("sign_ins"),
        },
        Compared {
            what: "setup_audit_trail",
            held: truth.setup_audit.count as u64,
            delivered: lines("setup_audit_trail"),
        },
        Compared { what: "event_log", held: rows, delivered: lines("event_log") },
        Compared { what: "users", held: truth.users.count as u64, delivered: lines("users") },
    ]
}

fn show(
    command: &Demo,
    runner: &Runner,
    reports: &[StreamReport],
    compared: &[Compared],
    directory: &Path,
    took: Duration,
) {
    let events = directory.join("events");
    if command.format == Format::Json {
        let org: Vec<_> = compared
            .iter()
            .map(|c| json!({ "stream": c.what, "held": c.held, "delivered": c.delivered }))
            .collect();
        let document = json!({
            "version": 1,
            "streams": summary::json(reports),
            "compared": org,
            "events": events.display().to_string(),
            "seconds": took.as_secs_f64(),
        });
        print(&format!("{document:#}\n"));
        return;
    }
    print("\n");
    print(&summary::streams(reports));
    print("\n");
    let rows: Vec<_> = compared
        .iter()
        .map(|c| {
            let verdict = if c.holds() { "same" } else { "DIFFERENT" };
            vec![c.what.to_owned(), number(c.held), number(c.delivered), verdict.to_owned()]
        })
        .collect();
    let header = ["stream", "the org holds", "events on disk", ""];
    print(&summary::table(&header, &rows, &[false, true, true, false]));
    print("\n");
    print(&summary::quotas(runner.session()));
    print(&format!("events: {}\ntook {:.1} s\n", events.display(), took.as_secs_f64()));
}

//! What can be asked for on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use longshore_schema::manifest::GrantKind;
use longshore_simulator::generic::Fault;
use longshore_simulator::salesforce::Volume;

use crate::protocol::arguments::Protocol;

/// Run security connectors for `SaaS` apps from a manifest.
#[derive(Debug, Parser)]
#[command(name = "longshore", version, about)]
#[command(
    after_help = "Start here: longshore demo\n\nExit codes: 0 all is well, 1 findings or failed streams, 2 wrong usage, 3 something could not be read or started, 130 stopped by Ctrl-C."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// The arguments of the process. With wrong ones the process ends here, with exit code 2.
    pub(crate) fn read() -> Self {
        let arguments = Self::parse();
        if let Command::Run(Run { since: Some(since), until: Some(until), .. }) = &arguments.command
            && since >= until
        {
            let message =
                format!("--since {since} is not before --until {until}: nothing would be read");
            Self::command().error(ErrorKind::ValueValidation, message).exit();
        }
        arguments
    }
}

/// A time, or a day in UTC, which stands for its start.
fn time(text: &str) -> Result<Timestamp, String> {
    let day = || {
        // A date also reads from a time without an offset, which would be cut off unnoticed.
        let date = text.parse::<Date>().ok().filter(|_| !text.contains(['T', 't', ' ']))?;
        date.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp())
    };
    let time = text.parse().ok().or_else(day);
    time.ok_or_else(|| {
        "write it as 2026-10-01T12:00:00Z, or 2026-10-01 for its start in UTC".into()
    })
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:8080".into())
}

fn grant(text: &str) -> Result<GrantKind, String> {
    let grant = serde_json::from_value(text.into());
    grant.map_err(|_| "write a grant of the manifest, such as client_credentials".into())
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "write a number from 0 to 1, such as 0.2".into())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a manifest for an app
    Init(Init),
    /// Check manifests, offline
    Validate(Validate),
    /// Bring manifests into their canonical form
    Fmt(Fmt),
    /// Say why a rule exists, with examples
    Explain(Explain),
    /// Print the JSON Schema of the manifest language
    Schema(Schema),
    /// Help an editor with manifests, over standard input and output
    Lsp(Lsp),
    /// Read what is due from an app and write it as events
    Run(Run),
    /// Map records anew that were set aside, once the manifest is mended
    Replay(Replay),
    /// Ask an app what a connection can see
    Check(Connection),
    /// Sign in to an app with a browser
    Connect(Connection),
    /// End a connection's access at the app, and delete its tokens
    #[command(
        after_help = "Examples:\n  longshore disconnect acme.yaml\n  longshore disconnect acme.yaml --format json\n\nWhere each stream stands is kept: after `longshore connect` reading goes on there."
    )]
    Disconnect(Connection),
    /// Start a server that plays an app
    Simulate(Simulate),
    /// Prove a connector against a simulated app, through faults, kills and days
    Conformance(Conformance),
    /// Run inside another platform, in the words of its protocol
    Protocol(Protocol),
    /// See it all work, with nothing set up
    Demo(Demo),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  longshore validate manifests/salesforce/manifest.yaml\n  longshore validate manifests\n  longshore validate --fix 'apps/**/manifest.yaml'\n  longshore validate --base ../main manifests\n  git show main:manifest.yaml > old.yaml && longshore validate --base old.yaml manifest.yaml\n  longshore validate --format json manifests | jq .\n  cat manifest.yaml | longshore validate -\n\nIn a folder every manifest.yaml below it is checked."
)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Validate {
    /// Files, folders or patterns such as 'apps/*/manifest.yaml'; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// How findings are shown
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ReportFormat,
    /// Accept apps that sign in with an API key, with a warning
    #[arg(long)]
    pub(crate) extended: bool,
    /// Treat warnings as errors
    #[arg(long)]
    pub(crate) deny_warnings: bool,
    /// Show findings that a comment in the manifest hides
    #[arg(long)]
    pub(crate) no_inline_ignores: bool,
    /// Show errors only; nothing if there are none
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Also say how many of the canonical verbs that the capabilities are about are mapped
    #[arg(long, conflicts_with = "format")]
    pub(crate) verbs: bool,
    /// Mend what can be mended, in the files themselves; what is read from standard input is
    /// written to standard output
    #[arg(
        long,
        value_enum,
        value_name = "WHICH",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "safe"
    )]
    pub(crate) fix: Option<Fixes>,
    /// Show what --fix would change, and change nothing
    #[arg(long, conflicts_with = "format")]
    pub(crate) diff: bool,
    /// Also see whether versions were raised enough since these earlier manifests: one manifest, or
    /// a folder that holds them under the same paths
    #[arg(long, value_name = "OLD")]
    pub(crate) base: Option<PathBuf>,
    /// Validate again whenever a file changes, until Ctrl-C
    #[arg(long, conflicts_with_all = ["fix", "diff"])]
    pub(crate) watch: bool,
    /// Take settings from this file, in place of the longshore.toml beside or above each manifest
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Take settings from no file
    #[arg(long, conflicts_with = "config")]
    pub(crate) no_config: bool,
    /// What standard input is called in reports, and where its settings are looked for
    #[arg(long, value_name = "NAME")]
    pub(crate) stdin_filename: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people, with the lines that findings are about
    #[default]
    Text,
    /// A line for each finding
    Concise,
    /// For programs
    Json,
    /// SARIF 2.1.0, for services that show findings
    Sarif,
    /// Annotations of a GitHub workflow
    Github,
    /// `JUnit` XML, for GitLab and Jenkins
    Junit,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  longshore init acme\n  longshore validate acme\n\nWrites ID/manifest.yaml, in which every value that starts with TODO is still to be filled in, and\nthe folder ID/fixtures for recorded responses. `validate` shows what is left to do."
)]
pub(crate) struct Init {
    /// What the connector is called in catalogs, commands and events
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Where its folder is made [default: here]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  longshore explain LS0203\n  longshore explain unused-input\n  longshore explain"
)]
pub(crate) struct Explain {
    /// The rule's code or name; without one all rules are listed
    #[arg(value_name = "RULE")]
    pub(crate) rule: Option<String>,
    /// How it is shown
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Print the schema of JSON reports on manifests instead
    #[arg(long)]
    pub(crate) report: bool,
}

/// Which fixes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fixes {
    /// Those that say what was plainly meant
    Safe,
    /// All, guesses among them
    Unsafe,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Editors start it themselves; docs/editors.md says how to tell them. Exit codes are those of the\nLanguage Server Protocol: 0 after its shutdown, otherwise 1."
)]
pub(crate) struct Lsp {
    /// Accept apps that sign in with an API key, with a warning
    #[arg(long)]
    pub(crate) extended: bool,
    /// What many editors add; there is no other way to speak
    #[arg(long, hide = true)]
    pub(crate) stdio: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  longshore fmt manifests/salesforce/manifest.yaml\n  longshore fmt --check manifests\n  longshore fmt --diff manifests\n  longshore fmt - < manifest.yaml\n\nIn a folder every manifest.yaml below it is formatted. Standard input is written to standard output."
)]
pub(crate) struct Fmt {
    /// Files or folders; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Change nothing; name the files that would change, with exit code 1 if there are any
    #[arg(long)]
    pub(crate) check: bool,
    /// Change nothing; show what would change, with exit code 1 if anything would
    #[arg(long, conflicts_with = "check")]
    pub(crate) diff: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// Which connection.
#[derive(Debug, Args)]
#[command(
    after_help = "A connection file:\n\n  name: acme\n  manifest: manifests/salesforce/manifest.yaml\n  grant: client_credentials\n  inputs:\n    login_host: acme.my.salesforce.com\n    client_id: YOUR_CONSUMER_KEY\n    client_secret: { env: ACME_SECRET }   # or { file: acme.secret }\n\nPaths start at the file's folder. State goes to `state` beside the file and events to `events`,\nunless the keys `state` and `output` name other folders. Events go to other places in place of files\nif there are some:\n\n  sinks:\n    archive: { json_lines: { folder: archive, compress: zstd } }\n    search: { sqlite: { file: events.db } }"
)]
pub(crate) struct Connection {
    /// The connection file
    #[arg(value_name = "CONNECTION")]
    pub(crate) connection: PathBuf,
    /// How the result is shown
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  longshore run acme.yaml\n  longshore run acme.yaml --stream sign_ins --since 2026-10-01T00:00:00Z\n  longshore run acme.yaml --watch\n\nA connection file is shown by: longshore check --help"
)]
pub(crate) struct Run {
    /// The connection file
    #[arg(value_name = "CONNECTION")]
    pub(crate) connection: PathBuf,
    /// Read this stream only; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) stream: Vec<String>,
    /// Where streams start that were never read, in place of their backfill; the others go on
    /// where they stand
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) since: Option<Timestamp>,
    /// Read nothing from this time on
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) until: Option<Timestamp>,
    /// Where events are written, in place of the connection's own folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
    /// Keep reading, each stream on its schedule, until Ctrl-C
    #[arg(long, conflicts_with = "format")]
    pub(crate) watch: bool,
    /// How the result is shown
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  longshore replay acme.yaml\n  longshore replay acme.yaml --stream sign_ins --format json\n\nNothing is asked of the app. What still cannot be mapped stays set aside."
)]
pub(crate) struct Replay {
    /// The connection file
    #[arg(value_name = "CONNECTION")]
    pub(crate) connection: PathBuf,
    /// Replay this stream only; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) stream: Vec<String>,
    /// Where events are written, in place of the connection's own folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
    /// How the result is shown
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  longshore simulate manifests/okta/manifest.yaml --connection okta.yaml\n  longshore simulate manifest.yaml --faults throttle,cut,half --chance 0.3\n  longshore simulate salesforce --listen 127.0.0.1:8080\n\nThe records are made from the fixtures beside the manifest; new ones happen while it runs. Ctrl-C ends\nit, and shows what it saw."
)]
pub(crate) struct Simulate {
    #[command(subcommand)]
    pub(crate) app: Option<App>,
    #[command(flatten)]
    pub(crate) simulated: Simulated,
}

/// The app of a manifest.
#[derive(Debug, Args)]
pub(crate) struct Simulated {
    /// The manifest whose app is played, with its fixtures beside it
    #[arg(value_name = "MANIFEST", required = true)]
    pub(crate) manifest: Option<PathBuf>,
    /// The loopback address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Write the connection that reads from it to this file in place of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) connection: Option<PathBuf>,
    /// The OAuth grant by which it is signed in to [default: the first of the manifest]
    #[arg(long, value_name = "NAME", value_parser = grant)]
    pub(crate) grant: Option<GrantKind>,
    /// The same seed gives the same records and the same faults
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Records of each stream, half of them yet to happen
    #[arg(long, value_name = "NUMBER", default_value_t = 200)]
    pub(crate) records: usize,
    /// Days of history, and days to come
    #[arg(long, value_name = "NUMBER", default_value_t = 7)]
    pub(crate) days: u32,
    /// What may go wrong, by name [default: nothing]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) faults: Vec<Fault>,
    /// How often something goes wrong, from 0 to 1
    #[arg(long, value_name = "NUMBER", value_parser = share, default_value_t = 0.2)]
    pub(crate) chance: f64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum App {
    /// A Salesforce org: OAuth, SOQL queries, event log files, limits
    Salesforce(Org),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  longshore simulate salesforce --listen 127.0.0.1:8080\n\nThen a connection with `connect_to: 127.0.0.1:8080` reads from it, and\ncurl http://127.0.0.1:8080/simulator/truth shows what it holds."
)]
pub(crate) struct Org {
    /// The loopback address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// The same seed gives the same data
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// The org's time at the start; it runs on from there [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) now: Option<Timestamp>,
    /// Let the org's time stand still
    #[arg(long)]
    pub(crate) frozen: bool,
    /// Days of history
    #[arg(long, value_name = "NUMBER", default_value_t = 60)]
    pub(crate) days: u32,
    /// Sign-ins on a working day; a day of the weekend has a third of it
    #[arg(long, value_name = "NUMBER", default_value_t = Volume::default().sign_ins_per_day)]
    pub(crate) sign_ins_per_day: u32,
    /// API requests that the org may make in 24 hours
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000)]
    pub(crate) daily_api_requests: u64,
    /// API requests that other apps made in the last 24 hours
    #[arg(long, value_name = "NUMBER", default_value_t = 1_200)]
    pub(crate) api_requests_used: u64,
    /// Which event log files the org has
    #[arg(long, value_enum, default_value_t)]
    pub(crate) event_monitoring: EventMonitoring,
    /// Give a new refresh token with each refresh, and take the old one away
    #[arg(long)]
    pub(crate) refresh_token_rotation: bool,
    /// The public key in PEM form that goes with the private key of a JWT bearer connection
    #[arg(long, value_name = "FILE")]
    pub(crate) jwt_public_key: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventMonitoring {
    /// Hourly and daily files of the last 30 days
    #[default]
    Hourly,
    /// Daily files of the last 30 days
    Daily,
    /// A few kinds of daily files of the last day
    Free,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  longshore conformance manifests/github/manifest.yaml\n  longshore conformance manifests/*/manifest.yaml --format html --output report.html\n  longshore conformance manifest.yaml --seed 42\n  longshore conformance manifest.yaml --faults cut,kill --seeds 100 --fail-fast\n\nEach seed is a life of a connection: records, faults, polls and kills are drawn from it. Exit codes:\n0 nothing is wrong, 1 something is, 2 wrong usage, 3 a manifest cannot be played."
)]
pub(crate) struct Conformance {
    /// The manifests, with their fixtures beside them
    #[arg(required = true, value_name = "MANIFEST")]
    pub(crate) manifests: Vec<PathBuf>,
    /// How many seeds are played for each manifest, from 1 on
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    pub(crate) seeds: u64,
    /// Play this seed alone, and tell what happens
    #[arg(long, value_name = "NUMBER", conflicts_with = "seeds")]
    pub(crate) seed: Option<u64>,
    /// Stop at the first seed with which something is wrong
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// What may go wrong, by name [default: everything]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) faults: Vec<Fault>,
    /// The longest life of a connection, in virtual days
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    pub(crate) days: u32,
    /// How many seeds are played at a time [default: one for each core]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) jobs: Option<usize>,
    /// How the report is shown
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ProofFormat,
    /// Write the report to this file in place of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProofFormat {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
    /// A page for people that needs nothing else
    Html,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The demo starts a simulated Salesforce org, signs in with the full OAuth code flow, reads\neverything that is due, and checks that it has exactly what the org holds. It needs no network and\nleaves everything in one folder."
)]
pub(crate) struct Demo {
    /// Where everything is kept [default: a new temporary folder]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) directory: Option<PathBuf>,
    /// The same seed gives the same data
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// The simulated time
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "2026-10-01T12:00:00Z")]
    pub(crate) now: Timestamp,
    /// How the result is shown
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_stands_for_its_start_in_utc() {
        assert_eq!(time("2026-10-01"), Ok("2026-10-01T00:00:00Z".parse().unwrap()));
        assert_eq!(time("2026-10-01T02:00+02:00"), time("2026-10-01"));
        for wrong in ["", "yesterday", "2026-10-32", "2026-10", "2026-10-01T12:00"] {
            assert!(time(wrong).unwrap_err().contains("2026-10-01T12:00:00Z"), "{wrong}");
        }
    }
}

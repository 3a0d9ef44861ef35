//! What can be asked for in the words of other platforms.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  longshore protocol airbyte --manifest okta.yaml read --config config.json --catalog catalog.json\n  longshore protocol singer --manifest okta.yaml --config config.json | target-jsonl"
)]
pub(crate) struct Protocol {
    #[command(subcommand)]
    pub(crate) platform: Platform,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Platform {
    /// Be a source of Airbyte: spec, check, discover, read
    Airbyte(Airbyte),
    /// Be a tap of Singer
    Singer(Singer),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  longshore protocol airbyte --manifest manifests/okta/manifest.yaml spec\n  longshore protocol airbyte --manifest okta.yaml check --config config.json\n  longshore protocol airbyte --manifest okta.yaml discover --config config.json > streams.jsonl\n  longshore protocol airbyte --manifest okta.yaml read --config config.json \\\n    --catalog catalog.json --state state.json\n\nPlatforms that call one program are given a script:\n\n  #!/bin/sh\n  exec longshore protocol airbyte --manifest /connectors/okta/manifest.yaml \"$@\"\n\nStandard output has messages of the Airbyte protocol and nothing else. Exit codes of read: 0 all\nstreams are complete, 1 a stream failed, 3 nothing could be read, 130 stopped."
)]
pub(crate) struct Airbyte {
    /// The manifest of the app that is read from
    #[arg(long, value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    #[command(subcommand)]
    pub(crate) step: Step,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Step {
    /// Describe the configuration
    Spec,
    /// Ask the app what it lets this configuration see
    Check {
        /// The configuration, a JSON object
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// List the streams
    Discover {
        /// The configuration; what there is does not depend on it
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Read streams
    #[command(
        after_help = "Example:\n  longshore protocol airbyte --manifest okta.yaml read --config config.json \\\n    --catalog catalog.json --state state.json\n\nThe catalog is a ConfiguredAirbyteCatalog, the state a list of the last STATE message of each stream."
    )]
    Read {
        /// The configuration, a JSON object
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The configured catalog
        #[arg(long, value_name = "FILE")]
        catalog: PathBuf,
        /// What the last read gave out as its state
        #[arg(long, value_name = "FILE")]
        state: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  longshore protocol singer --manifest okta.yaml --config config.json --discover > catalog.json\n  longshore protocol singer --manifest okta.yaml --config config.json | target-jsonl > state.jsonl\n  tail -1 state.jsonl > state.json\n  longshore protocol singer --manifest okta.yaml --config config.json --state state.json |\n    target-jsonl\n\nStandard output has messages of Singer and nothing else. Exit codes: 0 all streams are complete, 1 a\nstream failed, 3 nothing could be read, 130 stopped."
)]
pub(crate) struct Singer {
    /// The manifest of the app that is read from
    #[arg(long, value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// The configuration, a JSON object with the manifest's inputs
    #[arg(long, value_name = "FILE", required_unless_present = "discover")]
    pub(crate) config: Option<PathBuf>,
    /// What the target gave out as the state of the last read
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// The catalog with the streams that are selected [default: all streams]
    #[arg(long, value_name = "FILE", alias = "properties")]
    pub(crate) catalog: Option<PathBuf>,
    /// List the streams as a catalog, and read nothing
    #[arg(long, conflicts_with_all = ["state", "catalog"])]
    pub(crate) discover: bool,
}

//! Proved manifests hold: nothing lost, nothing twice, no reserve broken, nothing hung.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use longshore_conformance::{Limits, Options, Subject, render_text, run};
use longshore_simulator::generic::Fault;

/// Seeds of all manifests together.
const SEEDS: u64 = 96;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The manifests that are proved with every build. Add one as soon as the simulator can play it.
const PROVED: [&str; 11] = [
    "aws",
    "box",
    "dropbox",
    "github",
    "google_workspace",
    "okta",
    "salesforce",
    "servicenow",
    "slack",
    "zendesk",
    "zoom",
];

/// Manifests made to show what the others do not use.
const EXAMPLES: [&str; 9] =
    ["combined", "crowded", "following", "formats", "jobs", "ordered", "points", "steps", "zones"];

fn manifests() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (apps, examples) = (here.join("../manifests"), here.join("tests/manifests"));
    let apps = PROVED.iter().map(|app| apps.join(app));
    let examples = EXAMPLES.iter().map(|example| examples.join(example));
    apps.chain(examples).map(|folder| folder.join("manifest.yaml")).collect()
}

#[test]
fn proved_manifests_hold() {
    let only = std::env::var("CONFORMANCE_MANIFEST").ok();
    let manifests: Vec<_> = manifests()
        .into_iter()
        .filter(|path| only.as_ref().is_none_or(|only| path.to_string_lossy().contains(only)))
        .collect();
    let each = (SEEDS / manifests.len() as u64).clamp(2, 40);
    let mut failed = Vec::new();
    for path in manifests {
        let subject = match Subject::read(&path) {
            Ok(subject) => subject,
            Err(error) => {
                failed.push(error.to_string());
                continue;
            }
        };
        let options = Options {
            first: variable("CONFORMANCE_SEED").unwrap_or(1),
            seeds: variable("CONFORMANCE_SEEDS").unwrap_or(each),
            jobs: 2,
            limits: Limits {
                faults: Fault::ALL.iter().map(|(_, fault)| *fault).collect(),
                length: Duration::from_secs(2 * 86_400),
                records: 30,
                patience: Duration::from_secs(60),
            },
        };
        let started = std::time::Instant::now();
        let report = run(&subject, &options, &AtomicBool::new(false), &|seed| {
            if std::env::var_os("CONFORMANCE_STORY").is_some() {
                println!("seed {}\n{}", seed.seed, seed.story.join("\n"));
            }
        })
        .unwrap();
        let text = render_text(&report);
        println!("{text}  {:.1} s", started.elapsed().as_secs_f64());
        if !report.holds() {
            failed.push(text);
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

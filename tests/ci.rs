//! The files by which other projects' checks call the program.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use longshore_schema::yaml;
use regex::Regex;
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const GOOD: &str = include_str!("good/minimal.yaml");

fn read(name: &str) -> Value {
    let text = std::fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
    let parsed = yaml::parse(&text).unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
    parsed.root.to_json()
}

/// The options that a command names, all of which there must be.
fn assert_options(text: &str) {
    let help = Command::new(env!("CARGO_BIN_EXE_longshore")).args(["validate", "--help"]).output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let option = Regex::new(r"--[a-z][a-z-]+").unwrap();
    let known: BTreeSet<_> = option.find_iter(&help).map(|found| found.as_str()).collect();
    assert!(known.contains("--format"), "{help}");
    for found in option.find_iter(text) {
        assert!(known.contains(found.as_str()), "there is no {}", found.as_str());
    }
}

#[test]
fn the_hook_runs_what_there_is_on_manifests() {
    let hooks = read(".pre-commit-hooks.yaml");
    let [hook] = hooks.as_array().unwrap().as_slice() else { panic!("{hooks}") };
    let entry = hook["entry"].as_str().unwrap();
    assert!(entry.starts_with("longshore validate"), "{entry}");
    assert_options(entry);
    assert_eq!(hook["types"], serde_json::json!(["yaml"]));
    let files = Regex::new(hook["files"].as_str().unwrap()).unwrap();
    for (path, matches) in [
        ("manifest.yaml", true),
        ("manifests/acme/manifest.yml", true),
        ("my-manifest.yaml", false),
        ("manifest.yaml.orig", false),
        ("manifest_yaml", false),
    ] {
        assert_eq!(files.is_match(path), matches, "{path}");
    }
}

/// Runs the last step of the action as a runner would, with its inputs.
fn act(folder: &Path, inputs: &[(&str, &str)]) -> Output {
    let action = read("action.yml");
    let step = action["runs"]["steps"].as_array().unwrap().last().unwrap();
    let built = folder.join("temp/longshore/release");
    std::fs::create_dir_all(&built).unwrap();
    let link = built.join("longshore");
    if !link.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_longshore"), link).unwrap();
    }
    let mut command = Command::new(step["shell"].as_str().unwrap());
    command.args(["-e", "-o", "pipefail", "-c", step["run"].as_str().unwrap()]);
    command.current_dir(folder).env("RUNNER_TEMP", folder.join("temp"));
    for (name, value) in step["env"].as_object().unwrap() {
        let input = value.as_str().unwrap();
        let input = input.strip_prefix("${{ inputs.").and_then(|rest| rest.strip_suffix(" }}"));
        let default = action["inputs"][input.unwrap()]["default"].as_str().unwrap();
        let given = inputs.iter().find(|(name, _)| Some(*name) == input);
        command.env(name, given.map_or(default, |(_, value)| value));
    }
    command.output().unwrap()
}

#[test]
fn the_action_runs_what_there_is() {
    let action = read("action.yml");
    assert_eq!(action["runs"]["using"], "composite");
    for step in action["runs"]["steps"].as_array().unwrap() {
        assert_eq!(step["uses"], Value::Null, "nothing of others is run");
        assert!(step["shell"] == "bash" && !step["run"].as_str().unwrap().contains("${{"));
    }
    assert_options(action["runs"]["steps"][1]["run"].as_str().unwrap());

    let folder = tempfile::tempdir().unwrap();
    let apps = folder.path().join("my apps");
    std::fs::create_dir_all(&apps).unwrap();
    std::fs::write(apps.join("manifest.yaml"), GOOD).unwrap();
    std::fs::write(apps.join("broken.yaml"), GOOD.replace("records:", "recods:")).unwrap();
    let settings = "[validate.severity]\nno-fixtures = \"off\"\n";
    std::fs::write(folder.path().join("longshore.toml"), settings).unwrap();
    let done = act(folder.path(), &[]);
    assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(0), &b""[..]), "{done:?}");
    let paths = "my apps/manifest.yaml\nmy apps/broken.yaml\n";
    let done =
        act(folder.path(), &[("paths", paths), ("arguments", "--deny-warnings\n--no-config")]);
    assert_eq!(done.status.code(), Some(1));
    let shown = String::from_utf8(done.stdout).unwrap();
    assert!(shown.starts_with("::notice file=my apps/manifest.yaml,line="), "{shown}");
    assert!(shown.contains("\n::error file=my apps/broken.yaml,line="), "{shown}");
    let done =
        act(folder.path(), &[("paths", paths), ("format", "sarif"), ("output", "found.sarif")]);
    assert_eq!(done.status.code(), Some(1));
    let log = std::fs::read(folder.path().join("found.sarif")).unwrap();
    let log: Value = serde_json::from_slice(&log).unwrap();
    assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), 2);
}

#[test]
fn the_page_on_checks_names_what_there_is() {
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/ci.md")).unwrap();
    for line in page.lines().filter(|line| line.contains("longshore validate --")) {
        assert_options(line);
    }
    let inputs = read("action.yml")["inputs"].clone();
    for name in inputs.as_object().unwrap().keys() {
        assert!(page.contains(&format!("| `{name}` |")), "{name} is not described");
    }
}

//! What the program is made of: licences that allow its distribution, and not too much of it.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Packages of a default build for Linux, our own included. Every one is code to trust and update.
const MOST: usize = 280;
const LINUX: &str = "x86_64-unknown-linux-gnu";

/// What cargo answers, or `None` without cargo. Only for Linux: packages for other systems need not
/// have been downloaded.
fn cargo(arguments: &[&str]) -> Option<Vec<u8>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(&cargo)
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    match output {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(output.stdout)
        }
        Err(error) => {
            eprintln!("SKIPPED: {} cannot be run: {error}", cargo.display());
            None
        }
    }
}

/// The licences that `deny.toml` allows.
fn allowed() -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let list = text.split_once("allow = [").unwrap().1.split_once(']').unwrap().0;
    let names = list.lines().filter_map(|line| line.trim().strip_prefix('"'));
    names.map(|name| name.split_once('"').unwrap().0.to_owned()).collect()
}

/// Whether an SPDX expression (<https://spdx.github.io/spdx-spec/v3.0.1/annexes/spdx-license-expressions>)
/// can be met with what is allowed. `/` is how older packages write OR.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = any(&words, &mut at, allowed);
    assert_eq!(at, words.len(), "`{expression}` is no licence expression");
    met
}

fn any(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut met = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all(words, at, allowed);
    }
    met
}

fn all(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    if words[*at] == "(" {
        *at += 1;
        let met = any(words, at, allowed);
        assert_eq!(words.get(*at), Some(&")"), "{words:?}");
        *at += 1;
        return met;
    }
    let mut name = words[*at].to_owned();
    *at += 1;
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words[*at + 1]);
        *at += 2;
    }
    allowed.contains(&name)
}

#[test]
fn expressions_are_understood() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(GPL-3.0 OR MIT) AND ISC",
        "Apache-2.0 WITH LLVM-exception OR Apache-2.0",
    ] {
        assert!(is_met(good, &allowed), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "ISC AND (GPL-3.0 OR Zlib)"] {
        assert!(!is_met(bad, &allowed), "{bad}");
    }
}

#[test]
fn every_licence_is_allowed() {
    let filter = ["metadata", "--format-version", "1", "--filter-platform", LINUX];
    let Some(metadata) = cargo(&filter) else { return };
    let metadata: Value = serde_json::from_slice(&metadata).unwrap();
    let allowed = allowed();
    assert!(allowed.contains("Apache-2.0") && allowed.len() > 5, "{allowed:?}");
    let mut refused = BTreeMap::new();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100);
    for package in packages {
        let name = format!("{} {}", package["name"], package["version"]);
        match package["license"].as_str() {
            Some(license) if is_met(license, &allowed) => {}
            license => {
                refused.insert(name, license);
            }
        }
    }
    assert!(refused.is_empty(), "deny.toml does not allow: {refused:#?}");
}

#[test]
fn the_default_build_stays_small() {
    let tree = ["tree", "--package", "longshore", "--edges", "normal,build", "--target", LINUX];
    let shown = ["--prefix", "none", "--format", "{p}"];
    let Some(tree) = cargo(&[&tree[..], &shown[..]].concat()) else { return };
    let tree = String::from_utf8(tree).unwrap();
    let packages: BTreeSet<Vec<&str>> = tree
        .lines()
        .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>())
        .filter(|package| !package.is_empty())
        .collect();
    println!("{} packages", packages.len());
    assert!(packages.len() <= MOST, "{} packages; is what was added worth it?", packages.len());
    assert!(packages.iter().any(|package| package[0] == "reqwest"), "that is not our tree");
}

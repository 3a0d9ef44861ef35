//! The validator over a manifest of a thousand lines, without and with mistakes.
//!
//! The first call also reads the JSON Schema and the OCSF table; a linter in CI makes no other, so
//! it is timed by itself before the rest.

use std::fmt::Write as _;
use std::time::Instant;

use longshore_validator::{Options, render_text, validate};

/// The lines of the generated manifest.
const LINES: usize = 1_000;

fn main() {
    let source = good();
    let start = Instant::now();
    let report = validate(&source, &Options::default());
    println!("first call, {} lines: {:?}", source.lines().count(), start.elapsed());
    assert!(report.checked.is_some(), "{:?}", report.diagnostics.first());
    divan::main();
}

/// A good manifest with as many streams as fill the lines.
fn good() -> String {
    let base = include_str!("../../tests/good/minimal.yaml");
    let stream = base.find("  sign_ins:").expect("the good manifest has a stream `sign_ins`");
    let (mut source, stream) = (base.to_owned(), &base[stream..]);
    let mut n = 0;
    while source.lines().count() < LINES {
        n += 1;
        let _ = write!(source, "\n{}", stream.replace("  sign_ins:", &format!("  sign_ins_{n}:")));
    }
    source
}

/// The same with three mistakes in every stream.
fn broken() -> String {
    good().replace("overlap:", "overlapp:").replace("Logon", "Login").replace("$.time,", "time,")
}

#[divan::bench]
fn good_manifest(bencher: divan::Bencher<'_, '_>) {
    let source = good();
    bencher.bench(|| validate(divan::black_box(&source), &Options::default()));
}

#[divan::bench]
fn broken_manifest(bencher: divan::Bencher<'_, '_>) {
    let source = broken();
    bencher.bench(|| validate(divan::black_box(&source), &Options::default()));
}

#[divan::bench]
fn broken_manifest_as_text(bencher: divan::Bencher<'_, '_>) {
    let source = broken();
    let report = validate(&source, &Options::default());
    bencher.bench(|| render_text(divan::black_box(&report), "manifest.yaml", &source, false));
}

//! The validator over a manifest of a thousand lines, without and with mistakes, and over a thousand
//! different ones of five hundred lines, as `benches/validate.sh` does with the whole program.
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

/// Manifests of about five hundred lines that use every part of the language, no two alike.
fn different(copies: usize) -> Vec<String> {
    let base = include_str!("../../tests/good/complete.yaml");
    let at = base.find("\nstreams:\n").expect("the good manifest has streams") + 10;
    let (head, streams) = base.split_at(at);
    let mut blocks: Vec<String> = Vec::new();
    for line in streams.split_inclusive('\n') {
        match blocks.last_mut() {
            Some(block) if line.starts_with("    ") || line.trim().is_empty() => {
                block.push_str(line);
            }
            _ => blocks.push(line.to_owned()),
        }
    }
    let copy = |copy: usize| {
        let mut source = head.replace("\nid: harbor", &format!("\nid: harbor_{copy}"));
        for (n, block) in blocks.iter().cycle().enumerate() {
            // The first of each keeps its name: other parts of the manifest name it.
            let name = if n < blocks.len() { ":".to_owned() } else { format!("_{copy}_{n}:") };
            let block = block.replacen(':', &name, 1);
            source.push_str(&block.replace(".UserId", &format!(".UserId_{copy}")));
            if source.lines().count() >= 500 {
                break;
            }
        }
        source
    };
    (0..copies).map(copy).collect()
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn a_thousand_manifests(bencher: divan::Bencher<'_, '_>) {
    let sources = different(1_000);
    let report = validate(&sources[0], &Options::default());
    assert!(report.diagnostics.is_empty(), "{:?}", report.diagnostics.first());
    bencher.bench(|| {
        for source in &sources {
            divan::black_box(validate(divan::black_box(source), &Options::default()));
        }
    });
}

#[divan::bench]
fn one_of_them(bencher: divan::Bencher<'_, '_>) {
    let sources = different(1);
    bencher.bench(|| validate(divan::black_box(&sources[0]), &Options::default()));
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

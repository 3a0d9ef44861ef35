//! What the validator lets pass, the engine can compile: manifests as they are, and with one line
//! changed, whatever that makes of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

use std::path::{Path, PathBuf};

use fastrand::Rng;
use longshore_engine::connection::{ConnectionFile, Source};
use longshore_engine::error::Code;
use longshore_engine::map::{EventContext, Mapper};
use longshore_engine::plan::Plan;
use longshore_schema::Manifest;
use longshore_schema::stream::Stream;
use longshore_simulator::generic::{Model, Recorded, ways};
use longshore_validator::{Checked, Options, Profile, Severity, validate};

/// Changed manifests of all together.
const CHANGED: usize = 1500;
/// Of these at least so many pass the validator; with fewer the test says nothing.
const PASSED: usize = 200;

/// What stands in the place of a value.
const VALUES: [&str; 34] = [
    "unknown",
    "5",
    "-5",
    "99999999999999",
    "1.5",
    "true",
    "''",
    "'5'",
    "2026-10-01T10:00:00Z",
    "203.0.113.9",
    "ann@harbor.example",
    "Other",
    "Unknown",
    "Low",
    "$",
    "$.id",
    "$.a.b[0]",
    "$.a[*].b",
    "[$.a, $.b]",
    "'{{record.a}}'",
    "'{{record.a}}: {{epoch record.b \"s\"}}'",
    "{ else: unknown }",
    "{ else: 5 }",
    "{ else: 99999999999999 }",
    "{ else: true }",
    "{ else: 2026-10-01 }",
    "{ from: $.a, else: unknown }",
    "{ from: $.a, else: -1 }",
    "{ from: $.a, else: 1.5 }",
    "{ from: $.a, as: lower, else: x }",
    "{ from: $.a, as: timestamp }",
    "{ from: $.a, when: { x: unknown, y: 7 }, else: 0 }",
    "{ template: '{{record.a}}', else: unknown }",
    "{ from: $.a, split: ' ' }",
];

/// Attributes of every type, some of them of a few classes only.
const ATTRIBUTES: [&str; 28] = [
    "user.email_addr",
    "actor.user.email_addr",
    "actor.user.uid",
    "actor.user.name",
    "actor.user.type",
    "actor.user.has_mfa",
    "actor.session.uuid",
    "actor.session.created_time",
    "actor.session.is_mfa",
    "src_endpoint.ip",
    "src_endpoint.port",
    "src_endpoint.mac",
    "src_endpoint.subnet_uid",
    "src_endpoint.location.lat",
    "src_endpoint.location.country",
    "src_endpoint.intermediate_ips",
    "device.type",
    "device.mac",
    "device.subnet",
    "http_request.url.url_string",
    "severity",
    "status",
    "status_code",
    "confidence_score",
    "duration",
    "start_time",
    "count",
    "message",
];

struct Base {
    path: PathBuf,
    text: String,
    /// A connection to the app as it is, if the simulator can play that.
    connection: Option<(ConnectionFile, Source)>,
}

fn bases(folder: &Path) -> Vec<Base> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths = Vec::new();
    for folder in ["manifests", "conformance/tests/manifests"] {
        let apps = std::fs::read_dir(root.join(folder)).unwrap();
        paths.extend(apps.map(|app| app.unwrap().path().join("manifest.yaml")));
    }
    let good = std::fs::read_dir(root.join("tests/good")).unwrap();
    let good = good.map(|entry| entry.unwrap().path());
    paths.extend(good.filter(|path| path.extension().is_some_and(|end| end == "yaml")));
    paths.sort();
    let base = |(number, path): (usize, PathBuf)| {
        let text = std::fs::read_to_string(&path).unwrap();
        let file = folder.join(format!("{number}.yaml"));
        let connection = valid(&text).and_then(|manifest| connection(&path, &manifest, &file));
        Base { path, text, connection }
    };
    paths.into_iter().enumerate().map(base).collect()
}

fn connection(
    path: &Path,
    manifest: &Checked<Manifest>,
    file: &Path,
) -> Option<(ConnectionFile, Source)> {
    let way = ways(manifest).into_iter().next()?;
    let model = Model::new(manifest, &Recorded::beside(path).ok()?, &way).ok()?;
    std::fs::write(file, model.connection("manifest.yaml", ([127, 0, 0, 1], 1).into())).unwrap();
    Some(ConnectionFile::read(file).unwrap())
}

fn valid(text: &str) -> Option<Checked<Manifest>> {
    let report = validate(text, &Options::new(Profile::Extended));
    let errors = report.count(Severity::Error);
    report.checked.filter(|_| errors == 0)
}

/// Why the engine cannot compile a manifest.
fn fault(base: &Base, manifest: &Checked<Manifest>) -> Option<String> {
    let context = EventContext {
        connection: "here".to_owned(),
        stream: "events".to_owned(),
        product: manifest.app.name.value.clone(),
        vendor: manifest.app.vendor.value.clone(),
        tenant: None,
    };
    for (_, stream) in manifest.streams.iter() {
        let gone = stream.changes.iter().filter_map(|changes| changes.gone.as_ref());
        for map in std::iter::once(&stream.map).chain(gone) {
            let mut map = map.clone();
            map.value = map.value.with_tables(&manifest.tables);
            if let Err(error) = Mapper::compile(&Stream { map, ..stream.clone() }, &context) {
                return Some(format!("{error:?}"));
            }
        }
    }
    let (file, source) = base.connection.as_ref()?;
    // The change may be about an input.
    let connection = file.connection(source, manifest).ok()?;
    let error = Plan::compile(manifest, connection).err()?;
    (error.code == Code::Internal).then(|| format!("{error:?}"))
}

/// The manifest with one line changed, added or left out, and that line.
fn changed(text: &str, rng: &mut Rng) -> (String, String) {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = rng.usize(..lines.len());
    let value = VALUES[rng.usize(..VALUES.len())];
    let indent = |line: &str| line.len() - line.trim_start().len();
    let what = match rng.u8(..8) {
        0 => format!("without {}", lines.remove(at)),
        1..4 => {
            let line = &mut lines[at];
            if let Some(colon) = line.find(": ") {
                line.replace_range(colon + 2.., value);
            }
            line.clone()
        }
        _ => {
            // Beside what makes an event.
            let maps = lines.iter().enumerate().filter(|(_, line)| {
                line.trim_start().starts_with("activity: ")
                    || line.trim_start().starts_with("time: ")
            });
            let maps: Vec<usize> = maps.map(|(at, _)| at).collect();
            let at = maps[rng.usize(..maps.len())];
            let attribute = ATTRIBUTES[rng.usize(..ATTRIBUTES.len())];
            let line = format!("{}{attribute}: {value}", " ".repeat(indent(&lines[at])));
            lines.retain(|other| !other.trim_start().starts_with(&format!("{attribute}:")));
            let at = at.min(lines.len());
            lines.insert(at, line.clone());
            line
        }
    };
    (lines.join("\n") + "\n", what)
}

#[test]
fn what_is_valid_can_be_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let bases = bases(folder.path());
    let mut faults = Vec::new();
    for base in &bases {
        let manifest = valid(&base.text).expect("a manifest of this repository is valid");
        faults.extend(
            fault(base, &manifest).map(|fault| format!("{}: {fault}", base.path.display())),
        );
    }
    assert!(bases.iter().filter(|base| base.connection.is_some()).count() > 10);
    let seed = std::env::var("COMPILES_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut rng = Rng::with_seed(seed.unwrap_or(1));
    let mut passed = 0;
    for _ in 0..CHANGED {
        let base = &bases[rng.usize(..bases.len())];
        let (text, what) = changed(&base.text, &mut rng);
        let Some(manifest) = valid(&text) else { continue };
        passed += 1;
        faults.extend(
            fault(base, &manifest).map(|fault| format!("{}: {what}\n{fault}", base.path.display())),
        );
    }
    println!("{passed} of {CHANGED} passed the validator");
    assert!(passed >= PASSED, "{passed} of {CHANGED} passed the validator");
    assert!(faults.is_empty(), "{} of {passed}:\n{}", faults.len(), faults.join("\n"));
}

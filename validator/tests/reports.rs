//! What the reporters make of the same few reports, and that others can read it.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::{Path, PathBuf};

use longshore_validator::{
    Fixture, Options, Severity, Validated, json_schema_text, render_concise, render_github,
    render_json, render_junit, render_sarif, validate, validate_with_fixtures,
};
use serde_json::Value;

const GOOD: &str = include_str!("data/good.yaml");

fn validated(file: &str, source: &str, fixtures: &[Fixture]) -> Validated {
    let report = if fixtures.is_empty() {
        validate(source, &Options::default())
    } else {
        validate_with_fixtures(source, fixtures, &Options::default())
    };
    let failed = report.count(Severity::Error) > 0;
    Validated { file: file.to_owned(), source: source.to_owned(), report, failed }
}

/// A fix, two places, a note, characters of several bytes, what must be escaped, a fixture, and a
/// manifest without findings.
fn few() -> Vec<Validated> {
    let misspelt = GOOD
        .replacen("  name: Acme\n", "  name: \"Acmé, 50% <off>: & more\"\n", 1)
        .replacen("records: $.users[*]", "\"recörds, 5%: <&>\": 1\n    records: $.users[*]", 1)
        .replacen("  links: { api: https://developer.acme.test/api }\n", "", 1);
    let retention = include_str!("data/retention.yaml");
    let renamed = GOOD.replacen("provides: users", "provide: users", 1);
    let token = Fixture::new(
        "fixtures/users/success.json",
        "{ \"users\": [{ \"id\": \"1\", \"updated\": 1 }]\n",
    );
    vec![
        validated("apps/a b, 5%/manifest.yaml", &misspelt, &[]),
        validated("retention.yaml", retention, &[]),
        validated("renamed.yaml", &renamed, &[]),
        validated("good/manifest.yaml", GOOD, &[]),
        validated("recorded/manifest.yaml", GOOD, &[token]),
    ]
}

/// Every broken manifest of the repository.
fn broken() -> Vec<Validated> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/broken");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.is_file()).collect();
    paths.sort();
    let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    paths.iter().map(|path| validated(path.to_str().unwrap(), &text(path), &[])).collect()
}

fn assert_valid(schema: &Value, document: &str) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let document: Value = serde_json::from_str(document).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(&document)
        .take(5)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn one_line_each() {
    let few = few();
    let text: String = few.iter().map(|v| render_concise(&v.report, &v.file, &v.source)).collect();
    insta::assert_snapshot!(text);
}

#[test]
fn json() {
    insta::assert_snapshot!(render_json(&few()));
}

#[test]
fn github() {
    let text: String = few().iter().map(render_github).collect();
    assert!(text.lines().all(|line| line.starts_with("::")), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn junit() {
    insta::assert_snapshot!(render_junit(&few()));
}

#[test]
fn sarif() {
    let text = render_sarif(&few(), Path::new("/folder"));
    let mut log: Value = serde_json::from_str(&text).unwrap();
    // The pages of the rules have tests of their own.
    for rule in log["runs"][0]["tool"]["driver"]["rules"].as_array_mut().unwrap() {
        assert!(rule["help"]["markdown"].as_str().unwrap().starts_with("# LS"));
        assert!(!rule["fullDescription"]["text"].as_str().unwrap().is_empty());
        rule["help"] = "...".into();
        rule["fullDescription"] = "...".into();
    }
    log["runs"][0]["tool"]["driver"]["semanticVersion"] = "...".into();
    insta::assert_snapshot!(format!("{log:#}"));
}

#[test]
fn a_fingerprint_stays_when_lines_move() {
    let fingerprints = |source: &str| -> Vec<Value> {
        let log = render_sarif(&[validated("manifest.yaml", source, &[])], Path::new("/"));
        let log: Value = serde_json::from_str(&log).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap();
        results.iter().map(|result| result["partialFingerprints"].clone()).collect()
    };
    let broken = GOOD.replace("key: $.id", "key: $.[");
    let before = fingerprints(&broken);
    assert_eq!(before.len(), 2);
    assert_ne!(before[0], before[1]);
    assert_eq!(fingerprints(&broken.replace("streams:", "# moved\n\nstreams:")), before);
}

#[test]
fn the_json_report_satisfies_its_schema() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/report.schema.json");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, json_schema_text()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(committed == json_schema_text(), "run this test with UPDATE_DOCS=1");
    let schema: Value = serde_json::from_str(&committed).unwrap();
    for reports in [few(), broken(), Vec::new()] {
        assert_valid(&schema, &render_json(&reports));
    }
    // A schema that allows anything would prove nothing.
    let validator = jsonschema::validator_for(&schema).unwrap();
    for wrong in [
        "{}",
        r#"{"version":2,"reports":[],"summary":{"files":0,"errors":0,"warnings":0}}"#,
        r#"{"version":1,"reports":[{}],"summary":{"files":0,"errors":0,"warnings":0}}"#,
    ] {
        assert!(!validator.is_valid(&serde_json::from_str(wrong).unwrap()), "{wrong}");
    }
}

/// The schema of SARIF 2.1.0, which the crate `serde-sarif` carries in its source:
/// `cargo info serde-sarif@0.8.0` fetches it.
fn sarif_schema() -> Option<Value> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")))?;
    let registries = std::fs::read_dir(home.join("registry/src")).ok()?;
    let text = registries.filter_map(Result::ok).find_map(|registry| {
        std::fs::read(registry.path().join("serde-sarif-0.8.0/src/schema.json")).ok()
    })?;
    let mut schema: Value = serde_json::from_slice(&text).unwrap();
    // Its bracket without a partner is no regular expression to a strict reader.
    for owner in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][owner]["properties"]["language"];
        language.as_object_mut().unwrap().remove("pattern").unwrap();
    }
    Some(schema)
}

#[test]
fn the_sarif_log_satisfies_the_schema_of_the_standard() {
    let Some(schema) = sarif_schema() else {
        assert!(std::env::var_os("SKIP_NOTHING").is_none(), "the schema of SARIF is not here");
        eprintln!("SKIPPED: cargo info serde-sarif@0.8.0 fetches the schema");
        return;
    };
    for reports in [few(), broken(), Vec::new()] {
        assert_valid(&schema, &render_sarif(&reports, Path::new("/")));
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(!validator.is_valid(&serde_json::json!({ "version": "2.1.0", "runs": [{}] })));
}

//! `longshore validate`: what it shows, what it mends, and how it ends.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![allow(dead_code, reason = "other tests use more of the support")]

#[path = "support/process.rs"]
mod process;

use std::path::{Path, PathBuf};

use process::{Ran, longshore, run};
use tempfile::TempDir;

const GOOD: &str = include_str!("good/minimal.yaml");

/// Settings that do not ask for recorded responses beside a manifest.
const UNRECORDED: &str = "[validate.severity]\nno-fixtures = \"off\"\n";

/// A folder with a manifest.
fn folder(manifest: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manifest.yaml");
    std::fs::write(&path, manifest).unwrap();
    (folder, path)
}

fn validate(folder: &Path, arguments: &[&str]) -> Ran {
    run(longshore(["validate"]).args(arguments).current_dir(folder))
}

fn piped(text: &str, arguments: &[&str]) -> Ran {
    let (folder, path) = folder(text);
    let file = std::fs::File::open(&path).unwrap();
    run(longshore(["validate"]).args(arguments).stdin(file).current_dir(&folder))
}

fn misspelt() -> String {
    GOOD.replacen("records:", "recods:", 1)
}

#[test]
fn fixes_are_made_in_the_file() {
    let (folder, path) = folder(&misspelt().replace('\n', "\r\n"));
    std::fs::write(folder.path().join("longshore.toml"), UNRECORDED).unwrap();
    let ran = validate(folder.path(), &["--fix", "manifest.yaml"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout, "manifest.yaml: no findings\n");
    let line = misspelt().lines().position(|line| line.contains("recods:")).unwrap() + 1;
    let fixed = format!("fixed manifest.yaml:{line}:5: LS0101: rename `recods` to `records`\n");
    assert_eq!(ran.stderr, fixed);
    assert_eq!(std::fs::read_to_string(path).unwrap(), GOOD.replace('\n', "\r\n"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_difference_is_shown_and_not_made() {
    let (folder, path) = folder(&misspelt());
    let ran = validate(folder.path(), &["--diff", "manifest.yaml"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));
    let changed: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with(['+', '-'])).collect();
    assert_eq!(
        changed,
        [
            "--- a/manifest.yaml",
            "+++ b/manifest.yaml",
            "-    recods: $.users[*]",
            "+    records: $.users[*]",
        ]
    );
    assert_eq!(std::fs::read_to_string(path).unwrap(), misspelt());
    let good = GOOD.as_bytes();
    std::fs::write(folder.path().join("manifest.yaml"), good).unwrap();
    let ran = validate(folder.path(), &["--diff", "manifest.yaml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
}

#[test]
fn standard_input_is_mended_to_standard_output() {
    let ran = piped(&misspelt(), &["--fix", "-"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), GOOD));
    assert!(ran.stderr.ends_with("<stdin>: no findings\n"), "{}", ran.stderr);
    // What cannot be mended is passed on as it is.
    let broken = GOOD.replace("key: $.id", "key: $.[");
    let ran = piped(&broken, &["--fix", "-"]);
    assert_eq!((ran.code, ran.stdout), (Some(1), broken));
}

#[test]
fn a_file_that_cannot_be_written_is_left_alone() {
    let (folder, path) = folder(&misspelt());
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    let ran = validate(folder.path(), &["--fix", "manifest.yaml"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stdout);
    assert!(ran.stderr.contains("manifest.yaml could not be written"), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(path).unwrap(), misspelt());
}

#[test]
fn ignores_hide_findings_unless_they_are_asked_for() {
    let source =
        GOOD.replacen("  users:\n", "  users:\n    wat: 1 # longshore: ignore[LS0101] ours\n", 1);
    let (folder, _) = folder(&source);
    assert_eq!(validate(folder.path(), &["."]).code, Some(0));
    let ran = validate(folder.path(), &["--no-inline-ignores", "."]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("error[LS0101]"), "{}", ran.stdout);
}

#[test]
fn verbs_are_counted_if_that_is_asked_for() {
    let (folder, _) = folder(GOOD);
    let ran = validate(folder.path(), &["--verbs", "."]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout.contains(" verbs mapped\n  not mapped: "), "{}", ran.stdout);
    assert!(!validate(folder.path(), &["."]).stdout.contains("verbs mapped"));
}

/// A manifest that asks for an input that nobody uses: a warning.
fn warned() -> String {
    let input = "  client_id: { type: string, title: Client ID }\n";
    GOOD.replacen(input, &format!("{input}  region: {{ type: string, title: Region }}\n"), 1)
}

#[test]
fn settings_are_taken_from_the_nearest_file_above() {
    let (folder, path) = folder(&warned());
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let code = |arguments: &[&str]| validate(folder.path(), arguments).code;
    assert_eq!(code(&["."]), Some(0));
    write("longshore.toml", "[validate]\ndeny_warnings = true\n");
    assert_eq!(code(&["."]), Some(1));
    assert_eq!(code(&["--no-config", "."]), Some(0));
    write("other.toml", "[validate.severity]\nunused-input = \"error\"\n");
    let ran = validate(folder.path(), &["--config", "other.toml", "manifest.yaml"]);
    assert!(ran.code == Some(1) && ran.stdout.contains("error[LS0203]"), "{}", ran.stdout);

    let below = folder.path().join("apps/acme");
    std::fs::create_dir_all(&below).unwrap();
    std::fs::rename(path, below.join("manifest.yaml")).unwrap();
    assert_eq!(code(&["."]), Some(1), "the file is two folders above");
    write("apps/acme/longshore.toml", &format!("{UNRECORDED}LS0203 = \"off\"\n"));
    let ran = validate(folder.path(), &["."]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "./apps/acme/manifest.yaml: no findings\n")
    );
    let piped = std::fs::File::open(below.join("manifest.yaml")).unwrap();
    let mut command = longshore(["validate", "-", "--stdin-filename", "apps/acme/new.yaml"]);
    let ran = run(command.stdin(piped).current_dir(folder.path()));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "apps/acme/new.yaml: no findings\n"));

    write("apps/acme/longshore.toml", "[validate]\nprofle = \"strict\"\n");
    let ran = validate(folder.path(), &["."]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""));
    assert!(
        ran.stderr.contains("apps/acme/longshore.toml:2:1: unknown key `profle`"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("did you mean `profile`?"), "{}", ran.stderr);
}

#[test]
fn patterns_name_manifests_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for app in ["b", "a", "deep/c"] {
        let app = folder.path().join("apps").join(app);
        std::fs::create_dir_all(&app).unwrap();
        std::fs::write(app.join("manifest.yaml"), GOOD).unwrap();
    }
    let patterns = ["apps/**/manifest.yaml", "apps/b", "apps/b/manifest.yaml"];
    // One line for each: that it has no recorded responses.
    let ran = validate(folder.path(), &[&["--format", "concise"], &patterns[..]].concat());
    let names: Vec<_> = ran.stdout.lines().filter_map(|line| line.split_once(':')).collect();
    let names: Vec<_> = names.into_iter().map(|(name, _)| name).collect();
    let expected = ["apps/a/manifest.yaml", "apps/b/manifest.yaml", "apps/deep/c/manifest.yaml"];
    assert_eq!((ran.code, names.as_slice()), (Some(0), &expected[..]));
    for (pattern, said) in
        [("apps/*/x.yaml", "nothing matches apps/*/x.yaml"), ("a***", "is no pattern")]
    {
        let ran = validate(folder.path(), &[pattern]);
        assert_eq!(ran.code, Some(3));
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
}

#[test]
fn every_format_is_one_document_of_all_manifests() {
    let (folder, _) = folder(&misspelt());
    std::fs::write(folder.path().join("warned.yaml"), warned()).unwrap();
    std::fs::write(folder.path().join("longshore.toml"), UNRECORDED).unwrap();
    let show = |format: &str| {
        let ran = validate(folder.path(), &["--format", format, "manifest.yaml", "warned.yaml"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""), "{format}");
        ran.stdout
    };
    assert_eq!(show("concise").lines().count(), 2);
    assert_eq!(show("github").lines().count(), 2);
    assert_eq!(show("junit").matches("<testcase").count(), 2);
    let json: serde_json::Value = serde_json::from_str(&show("json")).unwrap();
    assert_eq!(json["reports"].as_array().unwrap().len(), 2);
    assert_eq!(json["reports"][0]["diagnostics"][0]["fixes"][0]["edits"][0]["text"], "records");
    let sarif: serde_json::Value = serde_json::from_str(&show("sarif")).unwrap();
    assert_eq!(sarif["runs"].as_array().unwrap().len(), 1);
    let result = &sarif["runs"][0]["results"][1];
    assert_eq!(result["ruleId"], "LS0203");
    let place = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(place, "warned.yaml");
    // The same from an absolute path.
    let path = folder.path().canonicalize().unwrap().join("warned.yaml");
    let ran = validate(folder.path(), &["--format", "sarif", path.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout.contains("\"uri\": \"warned.yaml\""), "{}", ran.stdout);
}

#[test]
fn responses_are_asked_for_where_none_is_recorded() {
    let (folder, _) = folder(GOOD);
    let ran = validate(folder.path(), &["--deny-warnings", "."]);
    assert_eq!(ran.code, Some(0), "a note fails nothing");
    assert!(ran.stdout.contains("info[LS0904]"), "{}", ran.stdout);
    // Of standard input nothing is known but its text.
    let ran = piped(GOOD, &["-"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "<stdin>: no findings\n"));
    let users = folder.path().join("fixtures/users");
    std::fs::create_dir_all(&users).unwrap();
    let response = r#"{ "status": 200, "body": { "users": [] } }"#;
    std::fs::write(users.join("empty.json"), response).unwrap();
    let ran = validate(folder.path(), &["."]);
    assert!(!ran.stdout.contains("LS0904"), "{}", ran.stdout);
    assert!(ran.stdout.contains("LS0905"), "{}", ran.stdout);
}

#[test]
fn quiet_says_nothing_of_warnings() {
    let (folder, _) = folder(&warned());
    let ran = validate(folder.path(), &["--quiet", "."]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", ""));
    let ran = validate(folder.path(), &["-q", "--deny-warnings", "."]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("LS0203"), "{}", ran.stdout);
}

#[test]
fn rules_are_explained_by_code_and_by_name() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules/LS0101.md");
    let page = std::fs::read_to_string(page).unwrap();
    for name in ["LS0101", "ls0101", "unknown-key"] {
        let ran = run(&mut longshore(["explain", name]));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), page.as_str()), "{name}");
    }
    let ran = run(&mut longshore(["explain", "unknown-keys"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("longshore explain LS0101 (unknown-key)"), "{}", ran.stderr);
    let ran = run(&mut longshore(["explain", "LS0101", "--format", "json"]));
    let rule: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (rule["name"].as_str(), rule["markdown"].as_str()),
        (Some("unknown-key"), Some(page.as_str()))
    );
    let all = run(&mut longshore(["explain"])).stdout;
    assert!(all.starts_with("LS00: ") && all.contains("\n  LS0101  unknown-key"), "{all}");
    let ran = run(&mut longshore(["explain", "--format", "json"]));
    let rules: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let listed = all.lines().filter(|line| line.starts_with("  LS")).count();
    assert_eq!(rules["rules"].as_array().unwrap().len(), listed);
}

#[test]
fn the_schema_of_reports_is_the_committed_one() {
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/report.schema.json");
    let ran = run(&mut longshore(["schema", "--report"]));
    assert_eq!(ran.stdout, std::fs::read_to_string(committed).unwrap());
}

#[test]
fn a_watch_validates_again_after_each_change() {
    use std::io::{BufRead, BufReader};
    let (folder, path) = folder(GOOD);
    std::fs::write(folder.path().join("longshore.toml"), UNRECORDED).unwrap();
    let mut command = longshore(["validate", "--watch", "--format", "concise", "."]);
    command.current_dir(folder.path()).stdout(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut shown = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(said.next().unwrap(), "waiting for changes; Ctrl-C ends it");
    std::fs::write(&path, misspelt()).unwrap();
    assert!(shown.next().unwrap().contains("error[LS0101]"));
    assert!(said.next().unwrap().starts_with("waiting"));
    // Settings that change later count as well.
    let settings = format!("{UNRECORDED}LS0101 = \"info\"\n");
    std::fs::write(folder.path().join("longshore.toml"), settings).unwrap();
    // The misspelt key is only left out now, so that the one that it should be is missing.
    assert!(shown.any(|line| line.contains("info[LS0101]")));
    assert!(said.next().unwrap().starts_with("waiting"));
    process::signal("INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn standard_input_cannot_be_watched() {
    let ran = run(&mut longshore(["validate", "--watch", "-"]));
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[test]
fn versions_are_held_against_an_earlier_manifest() {
    let (folder, _) = folder(GOOD);
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let earlier = GOOD.replacen("every: 1d", "every: 12h", 1);
    assert_ne!(earlier, GOOD);
    write("old.yaml", &earlier);
    write(".main/manifest.yaml", &earlier);
    write("new/manifest.yaml", GOOD);
    let ran = validate(folder.path(), &["--quiet", "--base", "old.yaml", "manifest.yaml"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    insta::assert_snapshot!(ran.stdout);
    for format in ["concise", "json", "sarif", "github", "junit"] {
        let ran =
            validate(folder.path(), &["--base", "old.yaml", "--format", format, "manifest.yaml"]);
        assert_eq!(ran.code, Some(1));
        assert!(ran.stdout.contains("LS0706"), "{format}: {}", ran.stdout);
    }
    // In a folder by the same path; what is not there is new.
    let ran = validate(folder.path(), &["--base", ".main", "."]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert_eq!(ran.stdout.matches("LS0706").count(), 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("new/manifest.yaml is new: .main has none"), "{}", ran.stderr);
    // The repair is a guess at what is to be said of the change.
    let ran = validate(folder.path(), &["--base", "old.yaml", "--fix=unsafe", "manifest.yaml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let fixed = std::fs::read_to_string(folder.path().join("manifest.yaml")).unwrap();
    assert!(fixed.contains("\nversion: 1.0.1\n"), "{fixed}");
}

#[test]
fn what_cannot_be_compared_with_is_said() {
    let (folder, _) = folder(GOOD);
    std::fs::write(folder.path().join("empty.yaml"), "").unwrap();
    std::fs::write(folder.path().join("other.yaml"), "id: a\n").unwrap();
    std::fs::create_dir(folder.path().join("more")).unwrap();
    std::fs::write(folder.path().join("more/manifest.yaml"), GOOD).unwrap();
    for (base, paths, code, text) in [
        ("missing.yaml", "manifest.yaml", 3, "missing.yaml could not be read"),
        ("empty.yaml", "manifest.yaml", 3, "empty.yaml is no manifest to compare with"),
        ("other.yaml", "manifest.yaml", 3, "`version` is missing"),
        ("more", "more/../manifest.yaml", 3, "has no place in more"),
        ("more/manifest.yaml", ".", 2, "is one manifest, and 2 are to be compared"),
    ] {
        let ran = validate(folder.path(), &["--base", base, paths]);
        assert_eq!(ran.code, Some(code), "{base}: {}", ran.stderr);
        assert!(ran.stderr.contains(text), "{base}: {}", ran.stderr);
    }
    let ran = run(longshore(["validate", "--base", "more", "-"])
        .stdin(std::fs::File::open(folder.path().join("manifest.yaml")).unwrap())
        .current_dir(folder.path()));
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.contains("- has no place in more"), "{}", ran.stderr);
}

//! The manifests in `tests/` at the root of the repository: good ones have no findings, broken
//! ones exactly those of their snapshot.

use std::path::{Path, PathBuf};

use longshore_validator::{
    Fixture, Options, Profile, render_text, validate, validate_with_fixtures,
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn manifests(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(ROOT).join("tests").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(root)
        .expect("the folder is in the repository")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

fn fixtures(folder: &Path, name: &str) -> Vec<Fixture> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> =
        entries.map(|entry| entry.expect("a folder can be listed").path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let name = format!("{name}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            found.extend(fixtures(&path, &name));
        } else {
            let text = std::fs::read_to_string(&path).expect("a fixture is text");
            found.push(Fixture::new(name, text));
        }
    }
    found
}

fn text_of(path: &Path, profile: Profile) -> (String, bool) {
    let source = std::fs::read_to_string(path).expect("a manifest is text");
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Beside `x.yaml` of a folder of many lies what belongs to it in `x/fixtures/`.
    let folder = match &*name {
        "manifest.yaml" => path.with_file_name("fixtures"),
        _ => path.with_extension("").join("fixtures"),
    };
    let options = Options { profile, ..Options::default() };
    let report = match fixtures(&folder, "fixtures") {
        fixtures if fixtures.is_empty() => validate(&source, &options),
        fixtures => validate_with_fixtures(&source, &fixtures, &options),
    };
    (render_text(&report, &name, &source, false), report.checked.is_some())
}

#[test]
fn good_manifests_have_no_findings() {
    let files = manifests("good");
    assert!(!files.is_empty());
    for path in files {
        let (text, checked) = text_of(&path, Profile::Strict);
        assert!(checked && text.ends_with(": no findings\n"), "{text}");
    }
}

/// In the extended profile, because some apps offer nothing but a key.
#[test]
fn shipped_manifests_have_no_findings() {
    let folders = std::fs::read_dir(Path::new(ROOT).join("manifests")).unwrap();
    let files: Vec<_> = folders.map(|entry| entry.unwrap().path().join("manifest.yaml")).collect();
    assert!(!files.is_empty());
    for path in files {
        let (text, checked) = text_of(&path, Profile::Extended);
        assert!(checked && text.ends_with(": no findings\n"), "{text}");
    }
}

#[test]
fn broken_manifests_are_explained() {
    let files = manifests("broken");
    assert!(files.len() >= 35, "{}", files.len());
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        for path in files {
            let (text, checked) = text_of(&path, Profile::Strict);
            let name = path.file_stem().unwrap().to_string_lossy();
            assert!(!text.ends_with(": no findings\n"), "{name}");
            assert!(!checked || !text.contains("error["), "{name}");
            insta::assert_snapshot!(name.as_ref(), text);
        }
    });
}

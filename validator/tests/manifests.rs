//! The manifests in `tests/` at the root of the repository: good ones have no findings, broken
//! ones exactly those of their snapshot.

use std::path::{Path, PathBuf};

use longshore_validator::{Options, render_text, validate};

fn manifests(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(root)
        .expect("the folder is in the repository")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

fn text_of(path: &Path) -> (String, bool) {
    let source = std::fs::read_to_string(path).expect("a manifest is text");
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let report = validate(&source, &Options::default());
    (render_text(&report, &name, &source, false), report.checked.is_some())
}

#[test]
fn good_manifests_have_no_findings() {
    let files = manifests("good");
    assert!(!files.is_empty());
    for path in files {
        let (text, checked) = text_of(&path);
        assert!(checked && text.ends_with(": no findings\n"), "{text}");
    }
}

#[test]
fn broken_manifests_are_explained() {
    let files = manifests("broken");
    assert!(files.len() >= 35, "{}", files.len());
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        for path in files {
            let (text, checked) = text_of(&path);
            let name = path.file_stem().unwrap().to_string_lossy();
            assert!(!text.ends_with(": no findings\n"), "{name}");
            assert!(!checked || !text.contains("error["), "{name}");
            insta::assert_snapshot!(name.as_ref(), text);
        }
    });
}

#[test]
fn every_code_is_given_to_some_broken_manifest() {
    let texts: Vec<_> = manifests("broken").iter().map(|path| text_of(path).0).collect();
    let ids: Vec<_> = longshore_validator::codes::ALL.iter().map(|code| code.id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "the table is in order and every code its own");
    let unused: Vec<_> = ids
        .into_iter()
        .filter(|id| !texts.iter().any(|text| text.contains(&format!("[{id}]"))))
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}

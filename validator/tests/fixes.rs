//! Fixes mend what they say, and nothing else changes.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::HashMap;

use longshore_schema::yaml;
use longshore_validator::{
    Options, Profile, Reach, Report, Safety, Severities, Severity, apply_fixes, codes, mend,
    validate,
};
use proptest::prelude::*;

const GOOD: &str = include_str!("../../tests/good/minimal.yaml");

fn check(source: &str) -> Report {
    validate(source, &Options::default())
}

fn found(report: &Report) -> Vec<&str> {
    report.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

#[test]
fn a_misspelt_key_is_renamed_and_nothing_else_changes() {
    for line_break in ["\n", "\r\n"] {
        let good = GOOD.replace('\n', line_break);
        let broken = good.replacen("records:", "recods:", 1);
        let mended = mend(&broken, Safety::Safe, check);
        assert_eq!(mended.source, good);
        assert_eq!(mended.made.len(), 1, "{:?}", mended.made);
        assert_eq!((mended.made[0].code, mended.made[0].column), ("LS0101", 5));
        assert!(mended.report.diagnostics.is_empty() && mended.report.checked.is_some());
    }
}

#[test]
fn several_rounds_bring_hidden_mistakes_to_light() {
    // The unquoted template makes the text unreadable: the misspelt key is seen only then.
    let broken = with("client_id: \"{{inputs.client_id}}\"", "client_id: {{inputs.client_id}}")
        .replacen("records:", "recods:", 1);
    assert_eq!(check(&broken).reach, Reach::Text);
    let once = apply_fixes(&broken, &check(&broken), Safety::Safe);
    assert!(once.source.contains("recods:"));
    assert_eq!(mend(&broken, Safety::Safe, check).source, GOOD);
}

#[test]
fn a_guess_is_made_on_request_only() {
    let broken = with("provides: sign_ins", "provides: sign_inn");
    let unsafe_only =
        check(&broken).diagnostics[0].fixes.iter().all(|f| f.safety == Safety::Unsafe);
    let safe = mend(&broken, Safety::Safe, check);
    assert_eq!(safe.source == broken, unsafe_only);
    assert_eq!(mend(&broken, Safety::Unsafe, check).source, GOOD);
}

#[test]
fn a_fix_that_does_harm_is_taken_back() {
    let broken = GOOD.replacen("records:", "recods:", 1);
    // A validator that takes any text without the misspelt key for worse.
    let mended = mend(&broken, Safety::Safe, |text| {
        let text = text.replacen(
            "id: acme",
            if text.contains("recods") { "id: acme" } else { "id: 1" },
            1,
        );
        let mut report = check(&text);
        report.reach = if text.contains("recods") { Reach::Whole } else { Reach::Parts };
        report
    });
    assert_eq!(mended.source, broken);
    assert!(mended.made.is_empty());
}

#[test]
fn an_unused_ignore_is_removed_with_its_line() {
    let broken =
        with("app:\n", "app: # longshore: ignore[LS0203] no\n  # longshore: ignore[LS0203] no\n");
    let mended = mend(&broken, Safety::Safe, check);
    assert_eq!(mended.source, GOOD);
    let partly = with("  name: Acme\n", "  name: Acme # longshore: ignore[LS0203, LS0704] no\n")
        .replacen("  links: { api: https://developer.acme.test/api }\n", "", 1);
    let mended = mend(&partly, Safety::Safe, check);
    assert!(mended.source.contains("  name: Acme # longshore: ignore[LS0704] no\n"));
    assert!(mended.report.diagnostics.is_empty());
}

#[test]
fn an_ignored_finding_is_hidden_and_shown_on_request() {
    let source = with("  users:\n", "  users:\n    recods: 1 # longshore: ignore[LS0101] ours\n");
    let report = check(&source);
    assert!(report.diagnostics.is_empty() && report.reach == Reach::Whole, "{report:?}");
    // What is ignored is left out: it is not taken for the key that it resembles.
    assert_eq!(report.checked.unwrap().into_inner(), check(GOOD).checked.unwrap().into_inner());
    let report = validate(&source, &Options { show_ignored: true, ..Options::default() });
    assert_eq!(found(&report), ["LS0101"]);
    assert!(report.checked.is_none());
}

#[test]
fn an_ignore_in_a_manifest_that_was_not_looked_at_as_a_whole_may_have_its_use() {
    let source =
        with("app:\n", "app: # longshore: ignore[LS0203] no\n").replacen("key:", "kye:", 1);
    assert_eq!(found(&check(&source)), ["LS0101"]);
}

#[test]
fn a_value_on_several_lines_is_ignored_from_its_key_or_its_end() {
    let value = |first: &str, last: &str| {
        let text = format!("  name: \"Acme{first}\n    Incorporated\"{last}\n");
        with("  name: Acme\n", &text).replacen(
            "  links: { api: https://developer.acme.test/api }\n",
            "",
            1,
        )
    };
    let ignore = " # longshore: ignore[LS0704] no";
    assert_eq!(found(&check(&value("", ""))), ["LS0704"]);
    assert_eq!(found(&check(&value("", ignore))), [""; 0]);
    // Within quotes it is text.
    assert_eq!(found(&check(&value(ignore, ""))), ["LS0704"]);
    let above = value("", "").replacen("  name:", "  # longshore: ignore[LS0704] no\n  name:", 1);
    assert_eq!(found(&check(&above)), [""; 0]);
}

#[test]
fn severities_are_changed_but_for_what_cannot_run() {
    let find = |id| codes::find(id).unwrap();
    let mut severities = Severities::default();
    severities.set(find("LS0704"), Some(Severity::Error)).unwrap();
    severities.set(find("unknown-key"), Some(Severity::Info)).unwrap();
    severities.set(find("LS0102"), Some(Severity::Error)).unwrap();
    for lower in [Some(Severity::Warning), Some(Severity::Info), None] {
        assert!(severities.set(find("LS0102"), lower).is_err());
    }
    let source = with("  links: { api: https://developer.acme.test/api }\n", "  wat: 1\n");
    let options = Options { severities, ..Options::new(Profile::Strict) };
    let report = validate(&source, &options);
    let found: Vec<_> = report.diagnostics.iter().map(|d| (d.code, d.severity)).collect();
    assert_eq!(found, [("LS0704", Severity::Error), ("LS0101", Severity::Info)]);
    assert!(report.checked.is_none());

    let mut severities = Severities::default();
    severities.set(find("LS0704"), None).unwrap();
    let report = validate(&source.replace("  wat: 1\n", ""), &Options { severities, ..options });
    assert!(report.diagnostics.is_empty() && report.checked.is_some());
}

fn counted(report: &Report) -> HashMap<(&str, &str), usize> {
    let mut counts = HashMap::new();
    for diagnostic in &report.diagnostics {
        *counts.entry((diagnostic.code, diagnostic.message.as_str())).or_default() += 1;
    }
    counts
}

fn comments(source: &str) -> Option<Vec<String>> {
    let document = yaml::parse(source).ok()?;
    Some(document.comments.into_iter().map(|comment| comment.text.trim().to_owned()).collect())
}

/// One slip in a line of a good manifest: a letter lost, doubled, swapped with the next, or another.
fn slip(line: &str, at: usize, kind: usize) -> String {
    let mut characters: Vec<char> = line.chars().collect();
    if characters.is_empty() {
        return String::new();
    }
    let at = at % characters.len();
    match kind {
        0 => drop(characters.remove(at)),
        1 => characters.insert(at, characters[at]),
        2 if at + 1 < characters.len() => characters.swap(at, at + 1),
        _ => characters[at] = 'x',
    }
    characters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_fix_leaves_a_manifest_worse(
        slips in prop::collection::vec((0..100_usize, 0..60_usize, 0..4_usize), 1..4),
        daring in any::<bool>(),
        windows in any::<bool>(),
    ) {
        let commented = GOOD.replace("records:", "# a comment: [of] \"ours\"\n    records:");
        let mut lines: Vec<String> = commented.lines().map(str::to_owned).collect();
        for (line, at, kind) in slips {
            let line = line % lines.len();
            lines[line] = slip(&lines[line], at, kind);
        }
        let source = lines.join(if windows { "\r\n" } else { "\n" });
        let before = check(&source);
        let safety = if daring { Safety::Unsafe } else { Safety::Safe };
        let mended = mend(&source, safety, check);
        prop_assert!(mended.report.reach >= before.reach);
        prop_assert_eq!(mended.made.is_empty(), mended.source == source);
        prop_assert_eq!(&check(&mended.source).diagnostics, &mended.report.diagnostics);
        if before.reach == Reach::Whole {
            let known = counted(&before);
            for (finding, count) in counted(&mended.report) {
                prop_assert!(count <= known.get(&finding).copied().unwrap_or(0), "{finding:?}");
            }
        }
        if before.reach > Reach::Text {
            prop_assert_eq!(comments(&source), comments(&mended.source));
        }
        prop_assert_eq!(source.contains("\r\n"), mended.source.contains("\r\n"));
        prop_assert_eq!(source.lines().count(), mended.source.lines().count());
    }
}

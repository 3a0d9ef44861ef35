//! Any bytes: validated in both profiles, reported in every format, mended.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longshore_validator::{
    Options, Profile, Reach, Safety, Severity, mend, render_text, to_json, validate,
};

fuzz_target!(|data: &[u8]| {
    let Ok(source) = std::str::from_utf8(data) else { return };
    for profile in [Profile::Strict, Profile::Extended] {
        let options = Options::new(profile);
        let report = validate(source, &options);
        assert_eq!(report.checked.is_some(), report.count(Severity::Error) == 0);
        for found in &report.diagnostics {
            assert!(!found.message.is_empty() && !found.labels.is_empty());
            let labels = found.labels.iter().map(|label| label.span);
            let edits = found.fixes.iter().flat_map(|fix| &fix.edits).map(|edit| edit.span);
            for span in labels.chain(edits) {
                assert!(source.get(span.range()).is_some(), "{found:?}");
            }
        }
        let _ = render_text(&report, "manifest.yaml", source, true);
        let _ = to_json(&report, "manifest.yaml", source);
    }
    let options = Options::default();
    let before = validate(source, &options);
    let mended = mend(source, Safety::Safe, |text| validate(text, &options));
    // What could not be looked at before may come to light when it can be read.
    if before.reach == Reach::Whole {
        assert!(mended.report.count(Severity::Error) <= before.count(Severity::Error));
    }
});

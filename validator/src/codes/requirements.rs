//! LS10: permissions, prerequisites and probes.

codes! {
    UNUSED_PERMISSION = "LS1001" "unused-permission" Warning "A permission is asked for that nothing needs.";
    UNTRACED = "LS1002" "untraced" Warning "A stream or check names no permission, although permissions are declared.";
    UNKNOWN_PART = "LS1003" "unknown-part" Error "A requirement is for a stream or capability that is not there.";
    UNKNOWN_PERMISSION = "LS1004" "unknown-permission" Error "A permission is named that is not declared.";
    NO_PROBE = "LS1005" "no-probe" Error "Nothing says how to find out about a requirement.";
    UNKNOWN_SETTINGS = "LS1006" "unknown-settings" Error "A probe looks into settings that are not declared.";
    UNUSED_SETTINGS = "LS1007" "unused-settings" Warning "Settings are read into which no probe looks.";
    IMPOSSIBLE_EXPECTATION = "LS1008" "impossible-expectation" Error "No answer, or every answer, is as expected.";
}

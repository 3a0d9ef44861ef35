//! LS11: posture checks.

codes! {
    CHECK_WEIGHT = "LS1101" "check-weight" Error "A check's weight does not fit what it is for.";
    UNKNOWN_UNSAID = "LS1102" "unknown-unsaid" Error "Nothing says what it means that a check has no answer.";
    TIERS = "LS1103" "tiers" Error "What passes, passes in part and fails does not fit together.";
    CONTRADICTING_CHECKS = "LS1104" "contradicting-checks" Error "Two checks expect different things of one setting.";
    UNDECLARED_CONFLICT = "LS1105" "undeclared-conflict" Error "A check's remedy breaks the connection, and it does not say so.";
    UNKNOWN_PREREQUISITE = "LS1106" "unknown-prerequisite" Error "A check conflicts with a prerequisite that is not declared.";
    ABSENCE_UNPROVED = "LS1107" "absence-unproved" Warning "A check passes when nothing is found, and names no permission to see it.";
}

//! LS12: actions.

codes! {
    NO_WAY_BACK = "LS1201" "no-way-back" Error "Nothing says how an action is taken back.";
    UNKNOWN_REVERT = "LS1202" "unknown-revert" Error "An action is taken back by one that is not declared.";
    ONE_WAY_REVERT = "LS1203" "one-way-revert" Error "What takes an action back is not taken back by it.";
    UNUSED_ACTION_INPUT = "LS1204" "unused-action-input" Warning "An action asks for something that it never uses.";
    OPEN_ACTION_INPUT = "LS1205" "open-action-input" Error "An action's input may be any text, and becomes a part of another.";
    ACTION_WITHOUT_PERMISSION = "LS1206" "action-without-permission" Warning "An action names no permission, although permissions are declared.";
    BLIND_VERIFICATION = "LS1207" "blind-verification" Error "A verification cannot tell whether the action was done.";
    VERIFICATION_ACTS = "LS1208" "verification-acts" Error "A verification does the action again.";
}

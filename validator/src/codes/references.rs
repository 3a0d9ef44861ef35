//! LS02: templates that refer to what is not there.

codes! {
    UNKNOWN_REFERENCE = "LS0201" "unknown-reference" Error "A template refers to what is not declared.";
    OUT_OF_SCOPE = "LS0202" "out-of-scope" Error "A template refers to what has no value at that place.";
    UNUSED_INPUT = "LS0203" "unused-input" Warning "The admin is asked for something that is never used.";
    UNUSED_FACT = "LS0204" "unused-fact" Warning "A question is asked whose answer is never used.";
    GRANT_MISMATCH = "LS0205" "grant-mismatch" Error "An input is used with a grant that does not ask for it.";
    INPUT_SETTINGS = "LS0206" "input-settings" Error "An input's settings do not fit its type.";
    HELPER_ARGUMENT = "LS0207" "helper-argument" Error "A template's helper cannot work with what it is given.";
    LIST_AS_TEXT = "LS0208" "list-as-text" Warning "A list is written where one value is wanted.";
    LOOKUP_GAP = "LS0209" "lookup-gap" Warning "A table has no entry for a choice that is looked up in it.";
}

//! LS01: keys and values that the language does not have.

codes! {
    UNKNOWN_KEY = "LS0101" "unknown-key" Error ignorable "A key that the language does not have here.";
    MISSING_KEY = "LS0102" "missing-key" Error "A required key is missing.";
    WRONG_TYPE = "LS0103" "wrong-type" Error "A value is of another type than expected.";
    UNKNOWN_CHOICE = "LS0104" "unknown-choice" Error "A value is none of the choices.";
    MALFORMED_VALUE = "LS0105" "malformed-value" Error "A duration, path, template or the like cannot be read.";
    CHOOSE_ONE = "LS0106" "choose-one" Error "A choice is left open, or made twice.";
    OUT_OF_RANGE = "LS0107" "out-of-range" Error "A number or list is too small or too large.";
    MALFORMED_NAME = "LS0108" "malformed-name" Error "A key is not a name, or not a path to an OCSF attribute.";
    CANNOT_LOAD = "LS0109" "cannot-load" Error "A value cannot be read.";
    CONFLICTING_KEYS = "LS0110" "conflicting-keys" Error "Keys stand together of which one excludes the other.";
}

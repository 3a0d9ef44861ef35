//! LS03: records, their types and OCSF.

codes! {
    RECORDS_NOT_PLURAL = "LS0301" "records-not-plural" Error "The records' path selects one value.";
    PATH_NOT_SINGULAR = "LS0302" "path-not-singular" Error "A path may select several values where one is wanted.";
    CSV_PATH = "LS0303" "csv-path" Error "A path finds nothing in a CSV row.";
    UNKNOWN_CLASS = "LS0304" "unknown-class" Error "OCSF has no such class.";
    UNKNOWN_ACTIVITY = "LS0305" "unknown-activity" Error "The class has no such activity.";
    UNKNOWN_ATTRIBUTE = "LS0306" "unknown-attribute" Error "A path leads to no attribute of the class.";
    ENGINE_ATTRIBUTE = "LS0307" "engine-attribute" Error "An attribute that the engine writes is mapped.";
    MISSING_ATTRIBUTE = "LS0308" "missing-attribute" Error "An attribute that OCSF requires is not mapped.";
    UNKNOWN_CAPTION = "LS0309" "unknown-caption" Error "A value is not in the attribute's enum.";
    ID_ATTRIBUTE = "LS0310" "id-attribute" Error "The number of a caption is mapped in place of the caption.";
    VALUE_TYPE = "LS0311" "value-type" Error "A value is not of the attribute's type.";
    CONVERSION = "LS0312" "conversion" Error "A conversion does not make what the attribute holds.";
    ATTRIBUTE_CONFLICT = "LS0313" "attribute-conflict" Error "An attribute is mapped twice, or as a whole and in parts.";
    DUPLICATE_CASE = "LS0314" "duplicate-case" Error "Two cases are for the same value.";
    CASE_VALUES = "LS0315" "case-values" Error "A case does not say clearly what it is for.";
    PATH_NOT_IN_SAMPLES = "LS0316" "path-not-in-samples" Error ignorable "A path finds nothing in any recorded response.";
    RECORDS_ELSEWHERE = "LS0317" "records-elsewhere" Error ignorable "The records stand elsewhere in the recorded responses.";
    SAMPLE_TIME = "LS0318" "sample-time" Error ignorable "A recorded time is not written as the format says.";
    SAMPLE_TYPE = "LS0319" "sample-type" Error ignorable "No recorded value is what the attribute holds.";
    MATCH_NEVER = "LS0320" "match-never" Warning "A pattern matches no recorded value.";
    WHEN_NEVER = "LS0321" "when-never" Warning "A table does not know the recorded values.";
    KEY_NOT_UNIQUE = "LS0322" "key-not-unique" Error ignorable "Two recorded records have the same key.";
    REQUIRED_MISSING = "LS0323" "required-missing" Error ignorable "A recorded record lacks what OCSF requires.";
    IGNORED_AND_USED = "LS0324" "ignored-and-used" Warning "A member is used and ignored.";
    PRIVATE_PATH = "LS0325" "private-path" Error "What is private is what records are known by, or cannot be found.";
    UNKNOWN_TABLE = "LS0326" "unknown-table" Error "A value is looked up in a table that there is not.";
    PRIVATE_VALUE = "LS0327" "private-value" Warning "What is made private is not what is read of it any more.";
}

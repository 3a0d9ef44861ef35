//! The table of all codes.

use crate::diagnostic::Severity;

/// What stands behind a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code: `LS`, two digits for the family, two for the rule. Never given to another rule.
    pub id: &'static str,
    /// A short name in words.
    pub name: &'static str,
    /// How bad it usually is; a profile may make it milder.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub summary: &'static str,
}

macro_rules! codes {
    ($($constant:ident = $id:literal $name:literal $severity:ident $summary:literal;)*) => {
        $(
            pub(crate) static $constant: Code = Code {
                id: $id,
                name: $name,
                severity: Severity::$severity,
                summary: $summary,
            };
        )*

        /// All codes in order: LS00 syntax, LS01 schema, LS02 references, LS03 types and OCSF,
        /// LS04 windows and paging, LS05 quotas and schedule, LS06 sign-in and security, LS07
        /// profiles and metadata, LS08 error rules.
        pub static ALL: &[&Code] = &[$(&$constant),*];
    };
}

codes! {
    YAML_SYNTAX = "LS0001" "yaml-syntax" Error "The text is not YAML.";
    UNQUOTED_TEMPLATE = "LS0002" "unquoted-template" Error "A value that starts with `{{` stands without quotes.";
    DUPLICATE_KEY = "LS0003" "duplicate-key" Error "A key is set twice in one mapping.";
    AMBIGUOUS_SCALAR = "LS0004" "ambiguous-scalar" Error "YAML readers disagree about what a value is.";
    UNSUPPORTED_YAML = "LS0005" "unsupported-yaml" Error "An anchor, alias, tag, directive or merge key.";
    TOO_LARGE = "LS0006" "too-large" Error "The manifest is larger or deeper than is read.";
    ONE_DOCUMENT = "LS0007" "one-document" Error "The file is empty or holds a second document.";

    UNKNOWN_KEY = "LS0101" "unknown-key" Error "A key that the language does not have here.";
    MISSING_KEY = "LS0102" "missing-key" Error "A required key is missing.";
    WRONG_TYPE = "LS0103" "wrong-type" Error "A value is of another type than expected.";
    UNKNOWN_CHOICE = "LS0104" "unknown-choice" Error "A value is none of the choices.";
    MALFORMED_VALUE = "LS0105" "malformed-value" Error "A duration, path, template or the like cannot be read.";
    CHOOSE_ONE = "LS0106" "choose-one" Error "A choice is left open, or made twice.";
    OUT_OF_RANGE = "LS0107" "out-of-range" Error "A number or list is too small or too large.";
    MALFORMED_NAME = "LS0108" "malformed-name" Error "A key is not a name, or not a path to an OCSF attribute.";
    CANNOT_LOAD = "LS0109" "cannot-load" Error "A value cannot be read.";
    CONFLICTING_KEYS = "LS0110" "conflicting-keys" Error "Keys stand together of which one excludes the other.";

    UNKNOWN_REFERENCE = "LS0201" "unknown-reference" Error "A template refers to what is not declared.";
    OUT_OF_SCOPE = "LS0202" "out-of-scope" Error "A template refers to what has no value at that place.";
    UNUSED_INPUT = "LS0203" "unused-input" Warning "The admin is asked for something that is never used.";
    UNUSED_FACT = "LS0204" "unused-fact" Warning "A question is asked whose answer is never used.";
    GRANT_MISMATCH = "LS0205" "grant-mismatch" Error "An input is used with a grant that does not ask for it.";
    INPUT_SETTINGS = "LS0206" "input-settings" Error "An input's settings do not fit its type.";
    HELPER_ARGUMENT = "LS0207" "helper-argument" Error "A template's helper cannot work with what it is given.";

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

    PAGE_NOT_SENT = "LS0401" "page-not-sent" Error "What asks for the next page is never sent.";
    PAGE_SIZE = "LS0402" "page-size" Error "A page has no records.";
    PAGE_SIZE_NOT_SENT = "LS0403" "page-size-not-sent" Warning "The app is not asked for pages of the declared size.";
    EMPTY_PROMISE = "LS0404" "empty-promise" Error "A promise promises nothing.";
    STEPS = "LS0405" "steps" Error "The steps of a stream do not fit together.";
    RECORDS = "LS0406" "records" Error "A response does not say where its records are, or says so where it cannot.";
    WINDOW_NOT_SENT = "LS0407" "window-not-sent" Error "The request does not ask for the window.";
    WINDOW_OPEN_END = "LS0408" "window-open-end" Warning "The request has the window's start and no end.";
    WINDOW_LENGTHS = "LS0409" "window-lengths" Error "The lengths of a window do not fit together.";
    BACKFILL = "LS0410" "backfill" Error "The backfill is not a duration.";
    RETENTION = "LS0411" "retention" Error "The backfill reaches further back than the app keeps records.";
    COARSE_TIME = "LS0412" "coarse-time" Error "A time format is too coarse for the window.";
    BOUNDS_RESOLUTION = "LS0413" "bounds-resolution" Error "Records on the start of a window may never be fetched.";
    BOUNDARY_REPEATS = "LS0414" "boundary-repeats" Info "Records on a boundary come twice.";
    LATE_RECORDS = "LS0415" "late-records" Warning "Records that the app shows late are never fetched.";
    FORGOTTEN_KEYS = "LS0416" "forgotten-keys" Error "Keys are forgotten while their records still come again.";

    QUOTA_COUNTS = "LS0501" "quota-counts" Error "A quota cannot be counted as it says.";
    NO_QUOTA = "LS0502" "no-quota" Warning "No quota is declared.";
    NO_RESERVE = "LS0503" "no-reserve" Warning "A quota leaves nothing for others.";
    SCHEDULE_OVER_QUOTA = "LS0504" "schedule-over-quota" Error "The schedule alone needs more than the quota leaves.";
    POLLED_OFTEN = "LS0505" "polled-often" Warning "A stream is polled more than once a minute.";
    NO_INTERVAL = "LS0506" "no-interval" Error "A stream is polled without a pause.";

    OAUTH_REQUIRED = "LS0601" "oauth-required" Error "The app is not signed in to by OAuth.";
    NO_GRANT = "LS0602" "no-grant" Error "No OAuth grant is offered.";
    PKCE_OFF = "LS0603" "pkce-off" Warning "PKCE is turned off.";
    SECRET_EXPOSED = "LS0604" "secret-exposed" Error "A secret is used where it would be logged.";
    LITERAL_CREDENTIAL = "LS0605" "literal-credential" Error "A credential is written in the manifest, or asked for as plain text.";
    NOT_HTTPS = "LS0606" "not-https" Error "A URL is not a full https URL.";
    HOST_NOT_COVERED = "LS0607" "host-not-covered" Error "A host is not in `http.hosts`.";
    HOST_FROM_DATA = "LS0608" "host-from-data" Error "A host is made of data.";
    UNUSED_HOST = "LS0609" "unused-host" Warning "A host is declared that no URL has.";
    RELATIVE_PATH = "LS0610" "relative-path" Error "A request's path does not start with `/`.";

    PROFILE_UNMET = "LS0701" "profile-unmet" Error "A profile is claimed whose prerequisites are missing.";
    POSTURE_UNSUPPORTED = "LS0702" "posture-unsupported" Error "The language has no posture checks yet.";
    PLACEHOLDER = "LS0703" "placeholder" Error "A placeholder was never filled in.";
    NO_API_LINK = "LS0704" "no-api-link" Info "The manifest does not say where the app's API is described.";

    EMPTY_CONDITION = "LS0801" "empty-condition" Error "An error rule has no condition.";
    ERROR_CODE_SHAPE = "LS0802" "error-code-shape" Error "An error code is not written in capitals.";
    UNREACHABLE_RULE = "LS0803" "unreachable-rule" Error "An earlier rule takes all answers of a rule.";
    EXPIRED_TOKEN = "LS0804" "expired-token" Warning "No rule says what a 401 means.";
    STOP_WITHOUT_WORDS = "LS0805" "stop-without-words" Warning "A rule stops a stream and does not say why.";
}

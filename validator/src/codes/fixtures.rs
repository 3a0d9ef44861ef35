//! LS09: recorded responses beside the manifest.

codes! {
    FIXTURE_JSON = "LS0901" "fixture-json" Error ignorable "A recorded response cannot be read.";
    FIXTURE_SHAPE = "LS0902" "fixture-shape" Error ignorable "A fixture does not have the shape of a response.";
    FIXTURE_PLACE = "LS0903" "fixture-place" Error ignorable "A fixture belongs to no stream.";
    NO_FIXTURES = "LS0904" "no-fixtures" Info "No response is recorded beside the manifest.";
    FIXTURE_COVERAGE = "LS0905" "fixture-coverage" Info "A stream lacks a kind of recorded response.";
    RECORDED_SECRET = "LS0906" "recorded-secret" Error "A secret was recorded.";
    RECORDED_PERSON = "LS0907" "recorded-person" Error ignorable "Personal data was recorded.";
    UNEXPLAINED_ERROR = "LS0908" "unexplained-error" Warning "No error rule explains a recorded error.";
    UNSEEN_CONDITION = "LS0909" "unseen-condition" Info "No recorded error has what an error rule looks for.";
    MIXED_TYPES = "LS0910" "mixed-types" Info "A member is sometimes of one type and sometimes of another.";
}

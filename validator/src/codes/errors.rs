//! LS08: error rules.

codes! {
    EMPTY_CONDITION = "LS0801" "empty-condition" Error "An error rule has no condition.";
    ERROR_CODE_SHAPE = "LS0802" "error-code-shape" Error "An error code is not written in capitals.";
    UNREACHABLE_RULE = "LS0803" "unreachable-rule" Error ignorable "An earlier rule takes all answers of a rule.";
    EXPIRED_TOKEN = "LS0804" "expired-token" Warning "No rule says what a 401 means.";
    STOP_WITHOUT_WORDS = "LS0805" "stop-without-words" Warning "A rule stops a stream and does not say why.";
    UNEXPLAINED_STATUS = "LS0806" "unexplained-status" Warning "Nothing says what a common answer means.";
    LOCALIZED_TEXT = "LS0807" "localized-text" Warning "A decision hangs on text that is written for people.";
    GENERIC_MESSAGE = "LS0808" "generic-message" Warning "A message says only that something failed.";
    LOGIN_RULE = "LS0809" "login-rule" Error "A rule about sign-ins cannot be followed.";
}

//! LS07: profiles and metadata.

codes! {
    PROFILE_UNMET = "LS0701" "profile-unmet" Error "A profile is claimed whose prerequisites are missing.";
    // LS0702 said that the language had no posture checks.
    PLACEHOLDER = "LS0703" "placeholder" Error "A placeholder was never filled in.";
    NO_API_LINK = "LS0704" "no-api-link" Info "The manifest does not say where the app's API is described.";
    TO_DO = "LS0705" "to-do" Error "A value is still to be filled in.";
    VERSION_NOT_RAISED = "LS0706" "version-not-raised" Error ignorable "The manifest was changed, and its version was not raised.";
    VERSION_TOO_SMALL = "LS0707" "version-too-small" Error ignorable "The version was raised by less than the changes need.";
    ID_CHANGED = "LS0708" "id-changed" Error ignorable "The connector has another id than before.";
}

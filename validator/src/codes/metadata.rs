//! LS07: profiles and metadata.

codes! {
    PROFILE_UNMET = "LS0701" "profile-unmet" Error "A profile is claimed whose prerequisites are missing.";
    // LS0702 said that the language had no posture checks.
    PLACEHOLDER = "LS0703" "placeholder" Error "A placeholder was never filled in.";
    NO_API_LINK = "LS0704" "no-api-link" Info "The manifest does not say where the app's API is described.";
    TO_DO = "LS0705" "to-do" Error "A value is still to be filled in.";
}

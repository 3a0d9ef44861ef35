//! The canonical verbs: one vendor-neutral name for what happened, whatever an app calls it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer};

/// What happened, in a word that is the same for all apps. It stands for one class and one activity
/// of OCSF 1.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verb {
    /// The name in manifests, such as `upload_file`.
    pub name: &'static str,
    /// The OCSF class, such as `file_hosting`.
    pub class: &'static str,
    /// The class's activity by its caption, such as `Upload`.
    pub activity: &'static str,
}

impl Verb {
    /// The verb of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|verb| verb.name == name)
    }

    /// All verbs, those of one class together.
    pub fn all() -> impl Iterator<Item = Self> {
        CLASSES.iter().flat_map(|(class, verbs)| {
            verbs.iter().map(|(name, activity)| Self { name, class, activity })
        })
    }
}

/// The classes, each with its verbs and their activities.
const CLASSES: &[(&str, &[(&str, &str)])] = &[
    (
        "authentication",
        &[
            ("sign_in", "Logon"),
            ("sign_out", "Logoff"),
            ("impersonate_user", "Account Switch"),
            ("verify_identity", "Preauth"),
        ],
    ),
    (
        "account_change",
        &[
            ("create_user", "Create"),
            ("enable_user", "Enable"),
            ("disable_user", "Disable"),
            ("delete_user", "Delete"),
            ("lock_user", "Lock"),
            ("unlock_user", "Unlock"),
            ("change_password", "Password Change"),
            ("reset_password", "Password Reset"),
            ("enable_mfa", "MFA Factor Enable"),
            ("disable_mfa", "MFA Factor Disable"),
            ("attach_policy", "Attach Policy"),
            ("detach_policy", "Detach Policy"),
        ],
    ),
    (
        "user_access",
        &[("grant_privilege", "Assign Privileges"), ("revoke_privilege", "Revoke Privileges")],
    ),
    (
        "group_management",
        &[
            ("create_group", "Create"),
            ("delete_group", "Delete"),
            ("add_member", "Add User"),
            ("remove_member", "Remove User"),
            ("add_subgroup", "Add Subgroup"),
            ("remove_subgroup", "Remove Subgroup"),
            ("grant_group_privilege", "Assign Privileges"),
            ("revoke_group_privilege", "Revoke Privileges"),
        ],
    ),
    (
        "entity_management",
        &[
            ("create_object", "Create"),
            ("view_object", "Read"),
            ("change_object", "Update"),
            ("change_setting", "Update"),
            ("delete_object", "Delete"),
            ("move_object", "Move"),
            ("enroll_device", "Enroll"),
            ("unenroll_device", "Unenroll"),
            ("enable_object", "Enable"),
            ("disable_object", "Disable"),
            ("activate_object", "Activate"),
            ("deactivate_object", "Deactivate"),
            ("suspend_object", "Suspend"),
            ("resume_object", "Resume"),
        ],
    ),
    (
        "application_lifecycle",
        &[
            ("install_app", "Install"),
            ("remove_app", "Remove"),
            ("enable_app", "Enable"),
            ("disable_app", "Disable"),
            ("update_app", "Update"),
            ("start_app", "Start"),
            ("stop_app", "Stop"),
            ("restart_app", "Restart"),
        ],
    ),
    (
        "file_hosting",
        &[
            ("upload_file", "Upload"),
            ("download_file", "Download"),
            ("open_file", "Open"),
            ("preview_file", "Preview"),
            ("change_file", "Update"),
            ("rename_file", "Rename"),
            ("copy_file", "Copy"),
            ("move_file", "Move"),
            ("delete_file", "Delete"),
            ("restore_file", "Restore"),
            ("share_file", "Share"),
            ("unshare_file", "Unshare"),
            ("lock_file", "Lock"),
            ("unlock_file", "Unlock"),
            ("sync_file", "Sync"),
            ("unsync_file", "Unsync"),
            ("check_file_access", "Access Check"),
        ],
    ),
    (
        "web_resources_activity",
        &[
            ("create_page", "Create"),
            ("view_page", "Read"),
            ("view_report", "Read"),
            ("change_page", "Update"),
            ("delete_page", "Delete"),
            ("share_page", "Share"),
            ("search_data", "Search"),
            ("import_data", "Import"),
            ("export_data", "Export"),
        ],
    ),
    (
        "datastore_activity",
        &[
            ("connect_database", "Connect"),
            ("query_data", "Query"),
            ("read_data", "Read"),
            ("list_data", "List"),
            ("write_data", "Write"),
            ("update_data", "Update"),
            ("create_database", "Create"),
            ("delete_data", "Delete"),
            ("encrypt_data", "Encrypt"),
            ("decrypt_data", "Decrypt"),
        ],
    ),
    (
        "api_activity",
        &[
            ("create_by_api", "Create"),
            ("read_by_api", "Read"),
            ("update_by_api", "Update"),
            ("delete_by_api", "Delete"),
        ],
    ),
];

impl<'de> Deserialize<'de> for Verb {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| de::Error::custom(format!("there is no verb `{name}`")))
    }
}

impl JsonSchema for Verb {
    fn schema_name() -> Cow<'static, str> {
        "Verb".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = Self::all().map(|verb| verb.name).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = Verb::all().map(|verb| verb.name).collect();
        assert_eq!(names.len(), Verb::all().count());
        assert_eq!(Verb::named("upload_file").unwrap().activity, "Upload");
        assert_eq!(Verb::named("Upload"), None);
    }
}

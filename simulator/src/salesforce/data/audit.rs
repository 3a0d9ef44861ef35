//! Fields of `SetupAuditTrail` records.

use super::directory::{Directory, user_id};
use super::history::Occurrence;
use crate::salesforce::ids::Id;
use crate::salesforce::random::rng;
use crate::salesforce::value::Value;

const USERS: &str = "Manage Users";
const APPS: &str = "Connected Apps";
const POLICY: &str = "Security Controls";
const CERTIFICATES: &str = "Certificate and Key Management";
const APEX: &str = "Apex Class";

/// An `Action` code, its `Section`, and its `Display`. In a display, `{name}` stands for the
/// target's name, and `{user}` for its name with the record id that only some actions carry.
const ACTIONS: &[(&str, Option<&str>, &str)] = &[
    ("createduser", Some(USERS), "Created new user {name}"),
    ("activateduser", Some(USERS), "Activated user {user}"),
    ("deactivateduser", Some(USERS), "Deactivated user {user}"),
    ("frozeuser", Some(USERS), "Froze user {name}"),
    ("unfrozeuser", Some(USERS), "Unfroze user {name}"),
    ("unlockeduser", Some(USERS), "Unlocked user {user}"),
    ("resetpassword", Some(USERS), "Reset password for user {name}"),
    ("changedpassword", Some(USERS), "Changed password for user {name}"),
    ("changedemail", Some(USERS), "Changed email for user {user}"),
    ("useremailchangesent", Some(USERS), "Email change request sent for user {user}"),
    ("changedusername", Some(USERS), "Changed username for user {user}"),
    ("changedfederationid", Some(USERS), "Changed federation identifier for user {user}"),
    ("changedprofileforuser", Some(USERS), "Changed profile for user {name} to Read Only"),
    ("changedprofileforusercusttostd", Some(USERS), "Changed profile for user {name}"),
    ("changedroleforuser", Some(USERS), "Changed role for user {name} to Support Lead"),
    ("changedroleforuserfromnone", Some(USERS), "Changed role for user {name} from None"),
    ("changedManager", Some(USERS), "Changed manager for user {name}"),
    ("insertTwoFactorInfo2", Some(USERS), "Added one-time password for user {name}"),
    ("deleteTwoFactorInfo2", Some(USERS), "Removed one-time password for user {name}"),
    ("lightningloginenroll", Some(USERS), "Enrolled user {name} in Lightning Login"),
    ("suOrgAdminLogin", None, "Logged in using Login-As access for {name}"),
    ("suOrgAdminLogout", None, "Logged out using Login-As access for {name}"),
    ("loginasgrantedtosfdc", None, "Granted account login access to Salesforce support"),
    ("PermSetCreate", Some(USERS), "Created permission set Demo Admin"),
    ("PermSetDelete", Some(USERS), "Deleted permission set Demo Admin"),
    ("PermSetAssign", Some(USERS), "Permission set Demo Admin: assigned to user {user}"),
    ("PermSetUnassign", Some(USERS), "Permission set Demo Admin: unassigned from user {user}"),
    ("PermSetGroupAssign", Some(USERS), "Permission set group Ops: assigned to user {user}"),
    ("PermSetLicenseAssign", Some(USERS), "Permission set license CRM: assigned to user {user}"),
    ("PermSetEnableUserPerm", Some(USERS), "Permission set Demo Admin: enabled Modify All Data"),
    ("PermSetDisableUserPerm", Some(USERS), "Permission set Demo Admin: disabled Manage Users"),
    ("PermSetEntityPermChanged", Some(USERS), "Permission set Demo Admin: object access changed"),
    ("PermissionSetGroupCreate", Some(USERS), "Created permission set group Ops"),
    ("profilePermChangedCustom", Some(USERS), "Changed profile Sales Operations: API Enabled"),
    ("profileClonedStandard", Some(USERS), "Cloned profile Standard User"),
    ("loginIpRange", Some(USERS), "Added login IP range 192.0.2.0 to 192.0.2.255"),
    ("insertConnectedApplication", Some(APPS), "Inserted connected app Simulated Connector"),
    ("deleteConnectedApplication", Some(APPS), "Deleted connected app Old Sync"),
    ("unblockConnectedApplication", Some(APPS), "Unblocked connected app Simulated Connector"),
    ("changeUserRuntimeAccessPolicy", Some(APPS), "Changed permitted users of Data Loader"),
    ("changeIpRelaxationPolicy", Some(APPS), "Changed IP relaxation of Data Loader"),
    ("addOauthClientCredentialUser", Some(APPS), "Set client credentials user {name}"),
    ("insertCertificate", Some(CERTIFICATES), "Created certificate simulated_2026"),
    ("namedCredentialInsert", Some("Named Credentials"), "Created named credential Warehouse"),
    ("installedpackagingapp", Some("Installed Packages"), "Installed package Simulated Forms"),
    ("passwordcomplexity", Some(POLICY), "Changed password complexity"),
    ("passwordexpiry", Some(POLICY), "Changed password expiration from 90 to 0 days"),
    ("passwordmaxinvalid", Some(POLICY), "Changed maximum invalid login attempts to 10"),
    ("passwordminlength", Some(POLICY), "Changed minimum password length to 12"),
    ("updateSessionSecurityLevel", Some(POLICY), "Changed session security level"),
    ("transactionSecurityPolicyOffOn", Some(POLICY), "Enabled transaction security policy Exports"),
    ("owdUpdateFinished", Some("Sharing Defaults"), "Sharing recalculation finished"),
    ("insertSharingRule", Some("Sharing Rules"), "Created sharing rule EMEA accounts"),
    ("deleteSharingRule", Some("Sharing Rules"), "Deleted sharing rule EMEA accounts"),
    ("remoteproxy", Some(POLICY), "Added remote site Warehouse"),
    ("export", Some("Data Export"), "Requested a data export"),
    ("emptiedUserRecycleBin", None, "Emptied the recycle bin"),
    ("createdApexClass", Some(APEX), "Created Apex class DemoController"),
    ("changedApexClass", Some(APEX), "Changed Apex class DemoController"),
    ("deletedApexClass", Some(APEX), "Deleted Apex class DemoController"),
    ("deployedchangeset", Some("Inbound Change Sets"), "Deployed change set Spring"),
    ("BlackTabFrameworkActionRun", None, "Salesforce support ran an action"),
    ("simulatedUnknownAction", None, "Something no catalogue lists"),
];

/// Actions Salesforce takes itself, without a user.
const AUTOMATED: &[&str] = &["owdUpdateFinished", "BlackTabFrameworkActionRun"];

/// A setup change, with everything but its fields' text worked out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) occurrence: Occurrence,
    action: &'static str,
    section: Option<&'static str>,
    display: &'static str,
    actor: Option<u64>,
    target: u64,
    delegate: Option<u64>,
    packaged: bool,
    assisted: bool,
}

impl Change {
    pub(crate) fn new(seed: u64, users: u64, occurrence: Occurrence) -> Self {
        let mut rng = rng(seed, &[30, occurrence.number]);
        // Going round the table shows every action in a short history.
        let turn = occurrence.number as usize + rng.usize(..3);
        let (action, section, display) = ACTIONS[turn % ACTIONS.len()];
        let automated = AUTOMATED.contains(&action) || rng.u32(..40) == 0;
        Self {
            occurrence,
            action,
            section,
            display,
            actor: (!automated).then(|| rng.u64(1..=users.min(8))),
            target: rng.u64(2..=users),
            delegate: (!automated && rng.u32(..25) == 0).then_some(2),
            packaged: action == "installedpackagingapp",
            assisted: rng.u32(..60) == 0,
        }
    }

    /// A change the service user made over the API. `action` is one of the table.
    pub(crate) fn made(occurrence: Occurrence, action: &'static str, target: u64) -> Self {
        let known = ACTIONS.iter().find(|(name, ..)| *name == action);
        let (action, section, display) = known.copied().unwrap_or((action, None, "{name}"));
        Self {
            occurrence,
            action,
            section,
            display,
            actor: Some(1),
            target,
            delegate: None,
            packaged: false,
            assisted: false,
        }
    }

    pub(crate) fn value(&self, directory: &Directory, language: &str, field: &str) -> Value {
        let english = language.starts_with("en");
        match field {
            "Id" => Value::Id(Id::new(*b"0Ym", self.occurrence.number)),
            "Action" => Value::text(self.action),
            "Section" => Value::or_null(self.section.map(|section| {
                if english {
                    Value::text(section)
                } else {
                    Value::text(format!("[{language}] {section}"))
                }
            })),
            "CreatedDate" => Value::seconds(self.occurrence.time),
            "CreatedById" => Value::or_null(self.actor.map(|actor| Value::Id(user_id(actor)))),
            "Display" => {
                let display = self.display(directory);
                Value::text(if english { display } else { format!("[{language}] {display}") })
            }
            "DelegateUser" => Value::or_null(
                self.delegate
                    .and_then(|delegate| directory.user(delegate))
                    .map(|user| Value::text(user.username.clone())),
            ),
            "ResponsibleNamespacePrefix" if self.packaged => Value::text("simforms"),
            "CreatedByContext" if self.assisted => Value::text("Einstein"),
            _ => Value::Null,
        }
    }

    fn display(&self, directory: &Directory) -> String {
        let name =
            directory.user(self.target).map(super::directory::User::name).unwrap_or_default();
        let with_id = format!("{name} (UserID: [{}])", user_id(self.target).short());
        self.display.replace("{user}", &with_id).replace("{name}", &name)
    }
}

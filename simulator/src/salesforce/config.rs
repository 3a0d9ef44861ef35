//! What kind of org to play.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

/// The permissions an org's service user may hold, by their API name in `PermissionSet`,
/// `Profile` and `UserPermissionAccess`.
pub const PERMISSIONS: &[&str] = &[
    "PermissionsApiEnabled",
    "PermissionsApiUserOnly",
    "PermissionsAssignPermissionSets",
    "PermissionsBulkApiHardDelete",
    "PermissionsCanApproveUninstalledApps",
    "PermissionsContentAdministrator",
    "PermissionsCustomizeApplication",
    "PermissionsForceTwoFactor",
    "PermissionsFreezeUsers",
    "PermissionsManageInternalUsers",
    "PermissionsManageTwoFactor",
    "PermissionsManageUsers",
    "PermissionsModifyAllData",
    "PermissionsModifyMetadata",
    "PermissionsMonitorLoginHistory",
    "PermissionsQueryAllFiles",
    "PermissionsResetPasswords",
    "PermissionsUseAnyApiAuth",
    "PermissionsViewAllData",
    "PermissionsViewAllUsers",
    "PermissionsViewEventLogFiles",
    "PermissionsViewHealthCheck",
    "PermissionsViewSetup",
];

/// What the service user of a default org may do.
const GRANTED: &[&str] = &[
    "PermissionsApiEnabled",
    "PermissionsCanApproveUninstalledApps",
    "PermissionsContentAdministrator",
    "PermissionsFreezeUsers",
    "PermissionsManageUsers",
    "PermissionsModifyMetadata",
    "PermissionsQueryAllFiles",
    "PermissionsViewAllData",
    "PermissionsViewEventLogFiles",
    "PermissionsViewHealthCheck",
    "PermissionsViewSetup",
];

/// How much happens in the org.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Days of history before the start. Log files go back 30 days at most.
    pub days: u32,
    /// Users, the service user included. At least 3 are made.
    pub users: u32,
    /// Sign-ins on a working day; a weekend day has a third of it.
    pub sign_ins_per_day: u32,
    /// Setup audit trail entries on a working day.
    pub audit_per_day: u32,
    /// Mean rows in an hourly log file of a busy event type. Rarer types have fewer.
    pub log_rows_per_file: u32,
}

impl Default for Volume {
    fn default() -> Self {
        Self { days: 60, users: 200, sign_ins_per_day: 80, audit_per_day: 10, log_rows_per_file: 8 }
    }
}

/// What event log files the org's licence gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventMonitoring {
    /// Hourly and daily files, kept 30 days.
    #[default]
    Hourly,
    /// Daily files, kept 30 days. `Interval` and `Sequence` do not exist.
    Daily,
    /// Daily files of the free types, kept 1 day. `Interval` and `Sequence` do not exist.
    Free,
}

/// Which of its three documented forms `Sforce-Limit-Info` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LimitHeader {
    /// `api-usage=18/5000`
    #[default]
    Plain,
    /// `api-usage=25/5000; per-app-api-usage=17/250(appName=…)`
    PerApp,
    /// `api-usage=110018/100000; api-bursts=1/750`. Requests past the limit are served.
    Bursts,
}

/// Everything that decides how the org looks and behaves.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Config {
    /// The same seed, volume and start give the same history.
    pub seed: u64,
    /// The virtual time at the start; `None` is the real time.
    pub now: Option<Timestamp>,
    /// Whether the clock stands still until it is set or moved.
    pub frozen: bool,
    /// How much happens.
    pub volume: Volume,
    /// Which event log files there are.
    pub event_monitoring: EventMonitoring,
    /// Adds fully identical rows to log files.
    pub identical_log_rows: bool,
    /// Lets the first row of each `Report` log file miss its last field.
    pub ragged_log_rows: bool,
    /// API requests the org may make in a rolling 24 hours.
    pub daily_api_requests: u64,
    /// API requests other apps have made in the last 24 hours.
    pub api_requests_used: u64,
    /// The form of the usage header.
    pub limit_header: LimitHeader,
    /// The connected app's consumer key.
    pub client_id: String,
    /// The connected app's consumer secret.
    pub client_secret: String,
    /// The service user's name.
    pub username: String,
    /// The service user's password, for the login page.
    pub password: String,
    /// The service user's language; anything but `en…` changes `Display`, `Section` and messages.
    pub language: String,
    /// What the service user may do: names out of [`PERMISSIONS`].
    pub permissions: BTreeSet<String>,
    /// Redirect addresses the app may use. When empty, any loopback address is accepted.
    pub redirect_uris: Vec<String>,
    /// Whether each refresh gives a new refresh token and kills the old one.
    pub refresh_token_rotation: bool,
    /// The key that verifies JWT bearer assertions (RS256), as PEM. `None` refuses them all.
    pub jwt_public_key: Option<String>,
    /// Seconds without use after which an access token stops working.
    pub session_seconds: u32,
    /// Whether Content Deliveries are on, so that `ContentDistribution` exists.
    pub content_deliveries: bool,
    /// Records per query page unless the client asks for fewer: 200 to 2000 as Salesforce
    /// does it, smaller in tests that want many pages.
    pub page_size: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 1,
            now: None,
            frozen: false,
            volume: Volume::default(),
            event_monitoring: EventMonitoring::default(),
            identical_log_rows: false,
            ragged_log_rows: false,
            daily_api_requests: 100_000,
            api_requests_used: 1_200,
            limit_header: LimitHeader::default(),
            client_id: "simulated-client-id".to_owned(),
            client_secret: "simulated-client-secret".to_owned(),
            username: "svc@example.test".to_owned(),
            password: "simulated-password".to_owned(),
            language: "en_US".to_owned(),
            permissions: GRANTED.iter().map(|name| (*name).to_owned()).collect(),
            redirect_uris: Vec::new(),
            refresh_token_rotation: false,
            jwt_public_key: None,
            session_seconds: 7200,
            content_deliveries: true,
            page_size: 2000,
        }
    }
}

impl Config {
    pub(crate) fn granted(&self, permission: &str) -> bool {
        self.permissions.contains(permission)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Config")
            .field("seed", &self.seed)
            .field("now", &self.now)
            .field("volume", &self.volume)
            .field("event_monitoring", &self.event_monitoring)
            .finish_non_exhaustive()
    }
}

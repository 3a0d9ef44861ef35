//! The Security Health Check (Tooling API, `SecurityHealthCheckRisks`) and OAuth tokens.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::directory::user_id;
use crate::salesforce::config::Config;
use crate::salesforce::random::rng;
use crate::salesforce::sync::lock;
use crate::salesforce::value::Value;

/// Id of records that have none.
const NO_ID: &str = "000000000000000AAA";

/// Durable id, label, category, value of the org, value of the baseline.
const SETTINGS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "SessionSettings.lockSessionsToDomain",
        "Lock sessions to the domain in which they were first used",
        HIGH,
        "true",
        "true",
    ),
    ("SessionSettings.requireHttpOnly", "Require HttpOnly attribute", HIGH, "false", "true"),
    (
        "SessionSettings.clickjackSetup",
        "Clickjack protection for Setup pages",
        HIGH,
        "true",
        "true",
    ),
    ("SessionSettings.csrfPost", "CSRF protection on POST requests", HIGH, "true", "true"),
    ("Identity.mfaEnabled", "Require multi-factor authentication", HIGH, "false", "true"),
    (
        "PasswordPolicies.maxLoginAttempts",
        "Maximum invalid login attempts",
        HIGH,
        "TenAttempts",
        "ThreeAttempts",
    ),
    ("CertificateAndKeyManagement.expiredCert", "Expired certificates", HIGH, "0", "0"),
    ("PasswordPolicies.minPasswordLength", "Minimum password length", MEDIUM, "12", "8"),
    (
        "PasswordPolicies.complexity",
        "Password complexity requirement",
        MEDIUM,
        "AlphaNumeric",
        "UpperLowerCaseNumeric",
    ),
    ("PasswordPolicies.expiration", "User passwords expire in", MEDIUM, "Never", "NinetyDays"),
    (
        "SessionSettings.enforceLoginIp",
        "Enforce login IP ranges on every request",
        MEDIUM,
        "false",
        "true",
    ),
    ("SessionSettings.forceRelogin", "Force relogin after Login-As-User", MEDIUM, "true", "true"),
    (
        "LoginAccessPolicies.adminLoginAsAnyUser",
        "Administrators can log in as any user",
        MEDIUM,
        "true",
        "false",
    ),
    (
        "SessionSettings.icOn2faRegistration",
        "Require identity verification during multi-factor registration",
        LOW,
        "false",
        "true",
    ),
    (
        "SessionSettings.forceLogoutOnTimeout",
        "Force logout on session timeout",
        LOW,
        "true",
        "true",
    ),
    (
        "PasswordPolicies.obscureSecretAnswer",
        "Obscure secret answer for password resets",
        LOW,
        "false",
        "true",
    ),
    (
        "SessionSettings.lockSessionsToIp",
        "Lock sessions to the IP address from which they originated",
        INFORMATIONAL,
        "false",
        "true",
    ),
    (
        "AdminUsers.activeSystemAdministratorCount",
        "Active system administrators",
        INFORMATIONAL,
        "2",
        "5",
    ),
];

const HIGH: &str = "HIGH_RISK";
const MEDIUM: &str = "MEDIUM_RISK";
const LOW: &str = "LOW_RISK";
const INFORMATIONAL: &str = "INFORMATIONAL";

/// Settings whose value is as good as the baseline's although it differs.
const BETTER: &[&str] =
    &["PasswordPolicies.minPasswordLength", "AdminUsers.activeSystemAdministratorCount"];

const APPS: &[&str] = &["Data Loader", "Simulated Connector", "Backup Agent", "Mail Sync"];

const DELETE_TOKEN: &str = "simulated-delete-";

/// What the org shows of its posture.
#[derive(Debug)]
pub(crate) struct Posture {
    seed: u64,
    users: u64,
    english: bool,
    language: String,
    start: i64,
    /// OAuth tokens that were revoked.
    revoked: Mutex<BTreeSet<u64>>,
}

impl Posture {
    /// `start` is the first second of the org's visible history.
    pub(crate) fn new(config: &Config, start: i64) -> Self {
        Self {
            seed: config.seed,
            users: u64::from(config.volume.users.max(3)),
            english: config.language.starts_with("en"),
            language: config.language.clone(),
            start,
            revoked: Mutex::default(),
        }
    }

    /// Whether the OAuth token with this number has not been revoked.
    pub(crate) fn token_lives(&self, number: u64) -> bool {
        !lock(&self.revoked).contains(&number)
    }

    /// Revokes an OAuth token by its `DeleteToken`. Whether there was one.
    pub(crate) fn revoke(&self, delete_token: &str) -> bool {
        delete_token.strip_prefix(DELETE_TOKEN).and_then(|number| number.parse().ok()).is_some_and(
            |number| (1..=self.tokens()).contains(&number) && lock(&self.revoked).insert(number),
        )
    }

    pub(crate) fn risks() -> u64 {
        SETTINGS.len() as u64
    }

    /// One token for every other user.
    pub(crate) fn tokens(&self) -> u64 {
        self.users.div_ceil(2)
    }

    fn meets(setting: &(&str, &str, &str, &str, &str)) -> bool {
        setting.3 == setting.4 || BETTER.contains(&setting.0)
    }

    /// A label or value in the language of the service user.
    fn shown(&self, text: &str) -> Value {
        let text = match text {
            "true" => "Enabled",
            "false" => "Disabled",
            other => other,
        };
        if self.english {
            Value::text(text.to_owned())
        } else {
            Value::text(format!("[{}] {text}", self.language))
        }
    }

    pub(crate) fn score(field: &str) -> Value {
        let met = SETTINGS.iter().filter(|setting| Self::meets(setting)).count();
        match field {
            "Id" => Value::text(NO_ID),
            "DurableId" => Value::text("SecurityHealthCheck"),
            // A string, as the Tooling API has it.
            "Score" => Value::text((met * 100 / SETTINGS.len()).to_string()),
            _ => Value::Null,
        }
    }

    pub(crate) fn risk(&self, number: u64, field: &str) -> Value {
        let setting = &SETTINGS[(number - 1) as usize];
        let (durable, label, category, org, standard) = *setting;
        match field {
            "Id" | "SecurityHealthCheckId" => Value::text(NO_ID),
            "DurableId" => Value::text(durable),
            "SettingGroup" => Value::text(durable.split('.').next().unwrap_or_default()),
            "Setting" => self.shown(label),
            "RiskType" if Self::meets(setting) => Value::text("MEETS_STANDARD"),
            "RiskType" | "SettingRiskCategory" => Value::text(category),
            "OrgValue" => self.shown(org),
            "OrgValueRaw" => Value::text(org),
            "StandardValue" => self.shown(standard),
            "StandardValueRaw" => Value::text(standard),
            _ => Value::Null,
        }
    }

    /// A field of an OAuth token. Its `Id` is always null, as in a real org.
    pub(crate) fn token(&self, number: u64, field: &str) -> Value {
        let mut rng = rng(self.seed, &[50, number]);
        let created = self.start - rng.i64(0..300 * 86_400);
        let uses = rng.i64(1..5000);
        match field {
            "AppName" => Value::text(APPS[number as usize % APPS.len()]),
            "UserId" => Value::Id(user_id(number * 2 - 1)),
            "AccessToken" => Value::text("simulated-masked"),
            "DeleteToken" => Value::text(format!("{DELETE_TOKEN}{number}")),
            "CreatedDate" => Value::seconds(created),
            "LastUsedDate" => Value::seconds(created + uses * 60),
            "UseCount" => Value::Integer(uses),
            _ => Value::Null,
        }
    }
}

//! The device code grant (RFC 8628): a person enters a code at the app, with a browser on any
//! machine.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::answer::{invalid, seconds, text};
use crate::error::{Error, Result, printable};
use crate::secret::Secret;

/// How often the app is asked whether the code was entered, if it does not say (section 3.2).
const INTERVAL: Duration = Duration::from_secs(5);
/// The longest pause between two of these questions that an app may ask for.
const MAX_INTERVAL: Duration = Duration::from_secs(60);
/// How long a code is waited for, whatever the app says.
const MAX_WAIT: Duration = Duration::from_secs(30 * 60);

/// A code that a person has to enter at the app. Use it once, then drop it.
#[derive(Debug, Clone)]
pub struct DeviceAuthorization {
    /// The page where the code is entered.
    pub page: String,
    /// The code, as it is typed.
    pub user_code: String,
    /// The same page with the code filled in, if the app has one.
    pub page_with_code: Option<String>,
    /// When the code is of no use any more.
    pub expires_at: Timestamp,
    /// How often the app is asked whether it was entered.
    pub(super) interval: Duration,
    pub(super) device_code: Secret,
}

impl DeviceAuthorization {
    /// What the app answers (section 3.2). Some write `url` for `uri`.
    pub(super) fn read(members: &Map<String, Value>, place: &str, now: Timestamp) -> Result<Self> {
        let member = |names: &[&str]| names.iter().find_map(|name| text(members.get(*name)?));
        let shown = |names: &[&str]| member(names).map(|text| printable(&text, 300));
        let missing = |name: &str| {
            no_code(invalid(&format!("the answer contains no {name}"))).in_request(place)
        };
        let lasts = members.get("expires_in").and_then(seconds).map(Duration::from_secs);
        let lasts = SignedDuration::try_from(lasts.unwrap_or(MAX_WAIT).min(MAX_WAIT));
        Ok(Self {
            page: shown(&["verification_uri", "verification_url"])
                .ok_or_else(|| missing("verification_uri"))?,
            user_code: shown(&["user_code"]).ok_or_else(|| missing("user_code"))?,
            page_with_code: shown(&["verification_uri_complete", "verification_url_complete"]),
            expires_at: now.checked_add(lasts.unwrap_or_default()).unwrap_or(Timestamp::MAX),
            interval: members
                .get("interval")
                .and_then(seconds)
                .map_or(INTERVAL, Duration::from_secs)
                .min(MAX_INTERVAL),
            device_code: member(&["device_code"])
                .map(Secret::new)
                .ok_or_else(|| missing("device_code"))?,
        })
    }
}

/// Something came that is no code to enter.
pub(super) fn no_code(mut error: Error) -> Error {
    "the app gave no code to enter".clone_into(&mut error.what);
    error.fix("check `device_url` in the manifest, and that no proxy or portal answers for the app")
}

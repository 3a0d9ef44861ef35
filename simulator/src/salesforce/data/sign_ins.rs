//! Fields of `LoginHistory` and `LoginGeo` records.

use super::directory::user_id;
use super::history::Occurrence;
use crate::salesforce::ids::Id;
use crate::salesforce::random::{mix, pick, rng};
use crate::salesforce::value::Value;

const PLACES: &[(&str, &str, &str, &str, f64, f64)] = &[
    ("Denmark", "DK", "Copenhagen", "Capital Region", 55.6759, 12.5655),
    ("Norway", "NO", "Oslo", "Oslo", 59.9127, 10.7461),
    ("Germany", "DE", "Hamburg", "Hamburg", 53.5507, 9.993),
    ("United States", "US", "San Francisco", "California", 37.7749, -122.4194),
    ("Japan", "JP", "Yokohama", "Kanagawa", 35.4437, 139.638),
    ("Brazil", "BR", "Santos", "São Paulo", -23.9608, -46.3336),
];
const FAILURES: &[&str] = &[
    "Invalid Password",
    "Invalid Password",
    "Invalid Password",
    "User Is Frozen",
    "User is Inactive",
    "Password Lockout",
    "Restricted IP",
    "Failed: Computer activation required",
    "Failed: API security token required",
];
const BROWSERS: &[(&str, &str)] = &[
    ("Chrome 129", "Windows 10"),
    ("Chrome 130", "Mac OSX"),
    ("Firefox 131", "Linux"),
    ("Safari 17", "Mac OSX"),
    ("Edge 129", "Windows 11"),
];
const APPS: &[&str] = &["Data Loader", "Simulated Connector", "Backup Agent", "Analytics Sync"];

/// Users that no longer are in `User`, numbered after the last one that is.
const DEPARTED: u64 = 3;

/// How somebody signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Browser,
    SingleSignOn,
    Api,
    /// Salesforce itself, acting for the user.
    Internal,
}

/// A sign-in, with everything but its fields' text worked out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignIn {
    pub(crate) occurrence: Occurrence,
    pub(crate) user: u64,
    channel: Channel,
    status: &'static str,
    place: (&'static str, &'static str, &'static str, &'static str, f64, f64),
    browser: (&'static str, &'static str),
    app: &'static str,
    address: u8,
    detail: u64,
}

impl SignIn {
    pub(crate) fn new(seed: u64, users: u64, occurrence: Occurrence) -> Self {
        let mut rng = rng(seed, &[20, occurrence.number]);
        let channel = match rng.u32(..100) {
            0..55 => Channel::Browser,
            55..70 => Channel::SingleSignOn,
            70..97 => Channel::Api,
            _ => Channel::Internal,
        };
        let user = match (channel, rng.u32(..100)) {
            (Channel::Api, 0..50) => 1,
            (_, 98..) => users + rng.u64(1..=DEPARTED),
            _ => rng.u64(2..=users),
        };
        Self {
            occurrence,
            user,
            channel,
            status: if rng.u32(..100) < 90 { "Success" } else { pick(&mut rng, FAILURES) },
            place: pick(&mut rng, PLACES),
            browser: pick(&mut rng, BROWSERS),
            app: pick(&mut rng, APPS),
            address: rng.u8(1..255),
            detail: mix(seed, &[21, occurrence.number]),
        }
    }

    /// The same attempt, refused because the user is frozen.
    pub(crate) fn frozen(mut self) -> Self {
        self.status = "User Is Frozen";
        self
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.status == "Success"
    }

    /// Whether there is a `LoginGeo` record; there is none for API sign-ins.
    pub(crate) fn located(&self) -> bool {
        matches!(self.channel, Channel::Browser | Channel::SingleSignOn)
    }

    fn geo_id(&self) -> Id {
        Id::new(*b"04F", self.occurrence.number)
    }

    pub(crate) fn value(&self, field: &str) -> Value {
        let api = self.channel == Channel::Api;
        let text = |text: &'static str| Value::text(text);
        match field {
            "Id" => Value::Id(Id::new(*b"0Ya", self.occurrence.number)),
            "UserId" => Value::Id(user_id(self.user)),
            "LoginTime" => Value::seconds(self.occurrence.time),
            "LoginType" => text(match self.channel {
                Channel::Browser if self.detail.is_multiple_of(12) => "Lightning Login",
                Channel::Browser => "Application",
                Channel::SingleSignOn => "SAML Sfdc Initiated SSO",
                Channel::Api => "Remote Access 2.0",
                Channel::Internal => "Other Apex API",
            }),
            "LoginSubType" if api => text(match self.detail % 3 {
                0 => "OAuth Refresh Token",
                1 => "OAuth Client Credential",
                _ => "OAuth Username-Password",
            }),
            "LoginUrl" if api && self.detail.is_multiple_of(2) => text("login.salesforce.com"),
            "LoginUrl" => text("demo.my.salesforce.com"),
            "SourceIp" if self.channel == Channel::Internal => text("Salesforce.com IP"),
            "SourceIp" if self.address.is_multiple_of(20) => {
                Value::text(format!("2001:db8::{:x}", self.address))
            }
            "SourceIp" => Value::text(format!("203.0.113.{}", self.address)),
            "ForwardedForIp" if self.detail.is_multiple_of(10) => {
                Value::text(format!("198.51.100.{}", self.address))
            }
            "Status" => text(self.status),
            "Browser" if self.located() => text(self.browser.0),
            "Platform" if self.located() => text(self.browser.1),
            "Browser" | "Platform" => text("Unknown"),
            "Application" if api => text(self.app),
            "Application" => text("Browser"),
            "ApiType" if api => text("REST API"),
            "ApiVersion" if api => text("67.0"),
            "ApiType" | "ApiVersion" | "ClientVersion" => text("N/A"),
            "CountryIso" if self.channel != Channel::Internal => text(self.place.1),
            "LoginGeoId" if self.located() => Value::Id(self.geo_id()),
            "NetworkId" => text("000000000000000AAA"),
            "TlsProtocol" => {
                text(if self.detail.is_multiple_of(9) { "TLS 1.2" } else { "TLS 1.3" })
            }
            "CipherSuite" => text("TLS_AES_256_GCM_SHA384"),
            "OptionsIsGet" => Value::Boolean(false),
            "OptionsIsPost" => Value::Boolean(true),
            _ => Value::Null,
        }
    }

    /// A field of the sign-in's `LoginGeo` record.
    pub(crate) fn geo_value(&self, field: &str) -> Value {
        let (country, iso, city, subdivision, latitude, longitude) = self.place;
        match field {
            "Id" => Value::Id(self.geo_id()),
            "LoginTime" => Value::seconds(self.occurrence.time),
            "Country" => Value::text(country),
            "CountryIso" => Value::text(iso),
            "City" => Value::text(city),
            "Subdivision" => Value::text(subdivision),
            "Latitude" => Value::Double(latitude),
            "Longitude" => Value::Double(longitude),
            _ => Value::Null,
        }
    }
}

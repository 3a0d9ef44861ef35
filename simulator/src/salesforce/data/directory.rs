//! Users, profiles, roles, permission sets: made once, small enough to keep.

use std::collections::BTreeMap;
use std::sync::Mutex;

use fastrand::Rng;

use super::catalogue::Object;
use crate::salesforce::config::Config;
use crate::salesforce::ids::Id;
use crate::salesforce::random::{pick, rng};
use crate::salesforce::sync::lock;
use crate::salesforce::value::Value;

const FIRST: &[&str] = &[
    "Ada", "Bela", "Chidi", "Dilan", "Elif", "Farid", "Greta", "Hana", "Ines", "Jonas", "Kaito",
    "Léa", "Mira", "Noor", "Omar", "Petra", "Quinn", "Rosa", "Sven", "Tove", "Uma", "Viktor",
    "Wanja", "Xenia", "Yusuf", "Zoë",
];
const LAST: &[&str] = &[
    "Andersen",
    "Brandt",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ivanova",
    "Jensen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Nakamura",
    "O'Brien",
    "Papadopoulos",
    "Rossi",
    "Søndergaard",
    "Tanaka",
    "Weber",
    "Yılmaz",
    "Zhang",
];
const TITLES: &[&str] = &["Account Executive", "Analyst", "Developer", "Engineer", "Manager"];
const DEPARTMENTS: &[&str] = &["Sales", "Support", "Finance", "Engineering", "Operations"];

/// Name and user type of each profile; the first is the service user's.
const PROFILES: &[(&str, &str)] = &[
    ("System Administrator", "Standard"),
    ("Standard User", "Standard"),
    ("Sales Operations", "Standard"),
    ("Read Only", "Standard"),
    ("Partner Community User", "PowerPartner"),
    ("Analytics Cloud Integration User", "CloudIntegrationUser"),
];
/// Label, and the permissions it gives.
const PERMISSION_SETS: &[(&str, &str, &[&str])] = &[
    ("Data_Export", "Data Export", &["PermissionsViewAllData"]),
    ("User_Admins", "User Admins", &["PermissionsManageUsers", "PermissionsResetPasswords"]),
    ("Modify_All", "Modify All", &["PermissionsModifyAllData", "PermissionsViewAllData"]),
    ("Log_Readers", "Log Readers", &["PermissionsViewEventLogFiles", "PermissionsViewSetup"]),
];
const ROLES: &[(&str, Option<u64>)] = &[
    ("CEO", None),
    ("VP Sales", Some(1)),
    ("Sales Manager", Some(2)),
    ("Support Lead", Some(1)),
    ("Support Agent", Some(4)),
];

#[derive(Debug)]
pub(crate) struct User {
    pub(crate) username: String,
    pub(crate) first: String,
    pub(crate) last: String,
    pub(crate) kind: &'static str,
    active: bool,
    frozen: bool,
    profile: u64,
    role: Option<u64>,
    manager: Option<u64>,
    title: &'static str,
    department: &'static str,
    created: i64,
    modified: i64,
    permission_set: Option<u64>,
}

impl User {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }
}

/// The org's people and rights. Record numbers count from 1; user 1 is the service user.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) users: Vec<User>,
    language: String,
    granted: Vec<String>,
    created: i64,
    /// User and permission set of each assignment.
    assignments: Vec<(u64, u64)>,
    /// Users that were changed over the API.
    changed: Mutex<BTreeMap<u64, State>>,
}

/// What can be changed of a user.
#[derive(Debug, Clone)]
struct State {
    active: bool,
    frozen: bool,
    /// From when to when (exclusive) the user was frozen over the API.
    freezes: Vec<(i64, i64)>,
    modified: i64,
}

pub(crate) const ORGANIZATION: Id = Id::new(*b"00D", 1);

pub(crate) const fn user_id(number: u64) -> Id {
    Id::new(*b"005", number)
}

impl Directory {
    /// `start` is the first second of the org's visible history.
    pub(crate) fn new(config: &Config, start: i64) -> Self {
        let mut rng = rng(config.seed, &[1]);
        let count = u64::from(config.volume.users.max(3));
        let users: Vec<User> = (1..=count)
            .map(|number| match number {
                1 => service_user(config, start),
                _ => user(&mut rng, number, count, start),
            })
            .collect();
        let profiles = PROFILES.len() as u64;
        let assignments = users
            .iter()
            .zip(1..)
            .flat_map(|(user, number)| {
                // Every profile has a permission set of its own, numbered like the profile.
                let own = Some((number, user.profile));
                own.into_iter().chain(user.permission_set.map(|set| (number, profiles + set)))
            })
            .collect();
        Self {
            users,
            language: config.language.clone(),
            granted: config.permissions.iter().cloned().collect(),
            created: start - 400 * 86_400,
            assignments,
            changed: Mutex::default(),
        }
    }

    fn state(&self, number: u64, user: &User) -> State {
        lock(&self.changed).get(&number).cloned().unwrap_or_else(|| State {
            active: user.active,
            frozen: user.frozen,
            freezes: Vec::new(),
            modified: user.modified,
        })
    }

    /// Activates or deactivates a user at `now`. Whether that changed anything.
    pub(crate) fn set_active(&self, number: u64, active: bool, now: i64) -> bool {
        self.change(number, now, |state| std::mem::replace(&mut state.active, active) != active)
    }

    /// Freezes or unfreezes a user at `now`. Whether that changed anything.
    pub(crate) fn set_frozen(&self, number: u64, frozen: bool, now: i64) -> bool {
        self.change(number, now, |state| {
            let changed = std::mem::replace(&mut state.frozen, frozen) != frozen;
            match state.freezes.last_mut() {
                Some((_, until)) if changed && !frozen => *until = (*until).min(now),
                _ if changed && frozen => state.freezes.push((now, i64::MAX)),
                _ => {}
            }
            changed
        })
    }

    fn change(&self, number: u64, now: i64, apply: impl FnOnce(&mut State) -> bool) -> bool {
        let Some(user) = self.user(number) else { return false };
        let mut state = self.state(number, user);
        let changed = apply(&mut state);
        if changed {
            state.modified = now;
            lock(&self.changed).insert(number, state);
        }
        changed
    }

    /// Whether the user was frozen over the API at `time`.
    pub(crate) fn frozen_at(&self, number: u64, time: i64) -> bool {
        lock(&self.changed).get(&number).is_some_and(|state| {
            state.freezes.iter().any(|(since, until)| (*since..*until).contains(&time))
        })
    }

    pub(crate) fn user(&self, number: u64) -> Option<&User> {
        self.users.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    /// How many records the object has.
    pub(crate) fn count(&self, object: Object) -> u64 {
        match object {
            Object::User | Object::UserLogin => self.users.len() as u64,
            Object::Profile => PROFILES.len() as u64,
            Object::UserRole => ROLES.len() as u64,
            Object::PermissionSet => (PROFILES.len() + PERMISSION_SETS.len()) as u64,
            Object::PermissionSetAssignment => self.assignments.len() as u64,
            Object::Organization | Object::UserPermissionAccess => 1,
            Object::ContentDistribution => 5,
            _ => 0,
        }
    }

    /// Whether permission set `number` gives `permission`.
    fn grants(&self, number: u64, permission: &str) -> bool {
        if number == 1 {
            return self.granted.iter().any(|name| name == permission);
        }
        let profiles = PROFILES.len() as u64;
        match number.checked_sub(profiles + 1) {
            Some(set) => PERMISSION_SETS
                .get(set as usize)
                .is_some_and(|(_, _, permissions)| permissions.contains(&permission)),
            None => permission == "PermissionsApiEnabled" && number < profiles,
        }
    }

    /// A field of record `number`, which exists.
    pub(crate) fn value(
        &self,
        object: Object,
        number: u64,
        field: &str,
        last_login: Option<i64>,
    ) -> Value {
        match object {
            Object::User => self
                .user(number)
                .map_or(Value::Null, |user| self.user_value(user, number, field, last_login)),
            Object::UserLogin => self.user(number).map_or(Value::Null, |user| match field {
                "Id" => Value::Id(Id::new(*b"0Yw", number)),
                "UserId" => Value::Id(user_id(number)),
                "IsFrozen" => Value::Boolean(self.state(number, user).frozen),
                "IsPasswordLocked" => Value::Boolean(false),
                "LastModifiedDate" => Value::seconds(self.state(number, user).modified),
                "LastModifiedById" => Value::Id(user_id(1)),
                _ => Value::Null,
            }),
            Object::Profile => self.profile_value(number, field),
            Object::UserRole => self.role_value(number, field),
            Object::Organization => self.organization_value(field),
            Object::UserPermissionAccess => match field {
                "Id" => Value::Id(Id::new(*b"0ui", number)),
                "LastCacheUpdate" => Value::seconds(self.created),
                _ => Value::Boolean(self.grants(1, field)),
            },
            Object::PermissionSet => self.permission_set_value(number, field),
            Object::PermissionSetAssignment => self.assignment_value(number, field),
            Object::ContentDistribution => self.distribution_value(number, field),
            _ => Value::Null,
        }
    }

    fn user_value(&self, user: &User, number: u64, field: &str, last_login: Option<i64>) -> Value {
        match field {
            "Id" => Value::Id(user_id(number)),
            "Username" | "Email" => Value::text(user.username.clone()),
            "Name" => Value::text(user.name()),
            "FirstName" => Value::text(user.first.clone()),
            "LastName" => Value::text(user.last.clone()),
            "Alias" => Value::text(format!("u{number}")),
            "CommunityNickname" => Value::text(format!("user{number}")),
            "IsActive" => Value::Boolean(self.state(number, user).active),
            "UserType" => Value::text(user.kind),
            "ProfileId" => Value::Id(Id::new(*b"00e", user.profile)),
            "UserRoleId" => Value::or_null(user.role.map(|role| Value::Id(Id::new(*b"00E", role)))),
            "ManagerId" => Value::or_null(user.manager.map(|manager| Value::Id(user_id(manager)))),
            "FederationIdentifier" if number.is_multiple_of(2) => {
                Value::text(format!("fed-{number}"))
            }
            "Title" => Value::text(user.title),
            "Department" => Value::text(user.department),
            "CompanyName" => Value::text("Simulated Shipping"),
            "EmployeeNumber" => Value::text(format!("E{number:05}")),
            "LastLoginDate" => Value::or_null(last_login.map(Value::seconds)),
            "LastPasswordChangeDate" | "CreatedDate" => Value::seconds(user.created),
            "LastModifiedDate" | "SystemModstamp" => {
                Value::seconds(self.state(number, user).modified)
            }
            "TimeZoneSidKey" => Value::text("Europe/Copenhagen"),
            "LanguageLocaleKey" if number == 1 => Value::text(self.language.clone()),
            "LanguageLocaleKey" | "LocaleSidKey" => Value::text("en_US"),
            "EmailEncodingKey" => Value::text("UTF-8"),
            "UserPermissionsSFContentUser" => Value::Boolean(number == 1),
            _ => Value::Null,
        }
    }

    fn profile_value(&self, number: u64, field: &str) -> Value {
        let (name, kind) = PROFILES[(number - 1) as usize];
        match field {
            "Id" => Value::Id(Id::new(*b"00e", number)),
            "Name" => Value::text(name),
            "UserType" => Value::text(kind),
            "CreatedDate" | "LastModifiedDate" | "SystemModstamp" => Value::seconds(self.created),
            _ if field.starts_with("Permissions") => Value::Boolean(self.grants(number, field)),
            _ => Value::Null,
        }
    }

    fn role_value(&self, number: u64, field: &str) -> Value {
        let (name, parent) = ROLES[(number - 1) as usize];
        match field {
            "Id" => Value::Id(Id::new(*b"00E", number)),
            "Name" => Value::text(name),
            "DeveloperName" => Value::text(name.replace(' ', "_")),
            "ParentRoleId" => {
                Value::or_null(parent.map(|parent| Value::Id(Id::new(*b"00E", parent))))
            }
            "LastModifiedDate" | "SystemModstamp" => Value::seconds(self.created),
            _ => Value::Null,
        }
    }

    fn organization_value(&self, field: &str) -> Value {
        match field {
            "Id" => Value::Id(ORGANIZATION),
            "Name" => Value::text("Simulated Shipping"),
            "OrganizationType" => Value::text("Enterprise Edition"),
            "IsSandbox" | "IsReadOnly" => Value::Boolean(false),
            "InstanceName" => Value::text("SIM1"),
            "LanguageLocaleKey" | "DefaultLocaleSidKey" => Value::text(self.language.clone()),
            "TimeZoneSidKey" => Value::text("Europe/Copenhagen"),
            "CreatedDate" | "SystemModstamp" => Value::seconds(self.created),
            _ => Value::Null,
        }
    }

    fn permission_set_value(&self, number: u64, field: &str) -> Value {
        let profiles = PROFILES.len() as u64;
        let owned = number <= profiles;
        match field {
            "Id" => Value::Id(Id::new(*b"0PS", number)),
            "Name" if owned => Value::text(format!("X00e_profile_{number}")),
            "Label" if owned => Value::text(PROFILES[(number - 1) as usize].0),
            "Name" => Value::text(PERMISSION_SETS[(number - profiles - 1) as usize].0),
            "Label" => Value::text(PERMISSION_SETS[(number - profiles - 1) as usize].1),
            "Type" => Value::text(if owned { "Profile" } else { "Regular" }),
            "IsOwnedByProfile" => Value::Boolean(owned),
            "ProfileId" if owned => Value::Id(Id::new(*b"00e", number)),
            "IsCustom" => Value::Boolean(!owned),
            "CreatedDate" | "SystemModstamp" => Value::seconds(self.created),
            _ if field.starts_with("Permissions") => Value::Boolean(self.grants(number, field)),
            _ => Value::Null,
        }
    }

    fn assignment_value(&self, number: u64, field: &str) -> Value {
        let (user, set) = self.assignments[(number - 1) as usize];
        match field {
            "Id" => Value::Id(Id::new(*b"0Pa", number)),
            "AssigneeId" => Value::Id(user_id(user)),
            "PermissionSetId" => Value::Id(Id::new(*b"0PS", set)),
            "IsActive" => Value::Boolean(true),
            "SystemModstamp" => Value::seconds(self.created),
            _ => Value::Null,
        }
    }

    fn distribution_value(&self, number: u64, field: &str) -> Value {
        match field {
            "Id" => Value::Id(Id::new(*b"05D", number)),
            "Name" => Value::text(format!("Price list {number}")),
            "OwnerId" => Value::Id(user_id(number % self.users.len() as u64 + 1)),
            "ContentDocumentId" => Value::Id(Id::new(*b"069", number)),
            "ContentVersionId" => Value::Id(Id::new(*b"068", number)),
            "DistributionPublicUrl" => {
                Value::text(format!("https://demo.my.salesforce.com/sfc/p/simulated/{number}"))
            }
            "ExpiryDate" if number.is_multiple_of(2) => Value::seconds(self.created + 800 * 86_400),
            "PreferencesPasswordRequired" => Value::Boolean(number.is_multiple_of(3)),
            "ViewCount" => Value::Integer((number * 7) as i64),
            "IsDeleted" => Value::Boolean(false),
            "CreatedDate" | "SystemModstamp" => {
                Value::seconds(self.created + number as i64 * 86_400)
            }
            _ => Value::Null,
        }
    }
}

fn service_user(config: &Config, start: i64) -> User {
    User {
        username: config.username.clone(),
        first: "Svc".to_owned(),
        last: "User".to_owned(),
        kind: "Standard",
        active: true,
        frozen: false,
        profile: 1,
        role: None,
        manager: None,
        title: "Integration",
        department: "Operations",
        created: start - 90 * 86_400,
        modified: start - 86_400,
        permission_set: None,
    }
}

fn user(rng: &mut Rng, number: u64, count: u64, start: i64) -> User {
    let (first, last) = (pick(rng, FIRST), pick(rng, LAST));
    let profile = match number {
        2 => 1,
        3 => PROFILES.len() as u64,
        _ => rng.u64(2..PROFILES.len() as u64),
    };
    let kind = match number {
        3 => "CloudIntegrationUser",
        _ => PROFILES[(profile - 1) as usize].1,
    };
    let created = start - rng.i64(10 * 86_400..380 * 86_400);
    let ascii: String = first.chars().filter(char::is_ascii).collect();
    let status = rng.u32(..100);
    User {
        username: format!("{}.{number}@example.test", ascii.to_lowercase()),
        first: first.to_owned(),
        last: last.to_owned(),
        kind,
        active: status >= 8 || number < 4,
        frozen: (8..10).contains(&status) && number >= 4,
        profile,
        role: (rng.u32(..10) > 0).then(|| rng.u64(1..=ROLES.len() as u64)),
        manager: (rng.u32(..10) > 1)
            .then(|| rng.u64(1..=count.min(20)))
            .filter(|manager| *manager != number),
        title: pick(rng, TITLES),
        department: pick(rng, DEPARTMENTS),
        created,
        modified: created + rng.i64(0..9 * 86_400),
        // One user with too much power is always there to be found.
        permission_set: match number {
            4 => Some(3),
            _ => (rng.u32(..20) == 0).then(|| rng.u64(1..=PERMISSION_SETS.len() as u64)),
        },
    }
}

//! What the org holds. Everything follows from the seed, so only what was asked for is kept.

pub(crate) mod audit;
pub(crate) mod catalogue;
pub(crate) mod directory;
pub(crate) mod history;
pub(crate) mod log_files;
pub(crate) mod log_rows;
pub(crate) mod log_types;
pub(crate) mod posture;
pub(crate) mod sign_ins;

use std::collections::BTreeMap;
use std::sync::Mutex;

use audit::Change;
use catalogue::Object;
use directory::{Directory, ORGANIZATION};
use history::{DAY, History, Occurrence};
use log_files::{LogFile, LogFiles};
use posture::Posture;
use sign_ins::SignIn;

use super::config::Config;
use super::ids::Id;
use super::sync::lock;
use super::value::Value;

/// A record of the org. Small enough to keep in a query's result.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Row {
    SignIn(SignIn),
    Geo(SignIn),
    Change(Change),
    File(LogFile),
    Entry(Object, u64),
}

/// Bounds on an object's time, in milliseconds, both inclusive: they spare looking at most
/// of a long history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl Span {
    pub(crate) const ALL: Self = Self { from: i64::MIN, to: i64::MAX };

    /// As whole seconds, the end exclusive.
    fn seconds(self) -> (i64, i64) {
        (self.from.div_euclid(1000), self.to.div_euclid(1000).saturating_add(1))
    }
}

/// The org's records.
#[derive(Debug)]
pub(crate) struct Data {
    seed: u64,
    language: String,
    /// Only the service user's own sign-ins show without one of two permissions.
    own_sign_ins_only: bool,
    pub(crate) directory: Directory,
    pub(crate) sign_ins: History,
    pub(crate) changes: History,
    pub(crate) files: LogFiles,
    pub(crate) posture: Posture,
    /// Action and target of the setup changes that were made over the API.
    made: Mutex<BTreeMap<u64, (&'static str, u64)>>,
}

impl Data {
    pub(crate) fn new(config: &Config, now: i64) -> Self {
        let volume = &config.volume;
        let start = now - i64::from(volume.days) * DAY;
        Self {
            seed: config.seed,
            language: config.language.clone(),
            own_sign_ins_only: !config.granted("PermissionsManageUsers")
                && !config.granted("PermissionsMonitorLoginHistory"),
            directory: Directory::new(config, start),
            sign_ins: History::new(config.seed, 2, start, volume.sign_ins_per_day),
            changes: History::new(config.seed, 3, start, volume.audit_per_day),
            files: LogFiles::new(config, start.max(now - 30 * DAY)),
            posture: Posture::new(config, start),
            made: Mutex::default(),
        }
    }

    fn users(&self) -> u64 {
        self.directory.users.len() as u64
    }

    fn sign_in(&self, one: Occurrence) -> SignIn {
        let sign_in = SignIn::new(self.seed, self.users(), one);
        if self.directory.frozen_at(sign_in.user, one.time) { sign_in.frozen() } else { sign_in }
    }

    fn change(&self, one: Occurrence) -> Change {
        match lock(&self.made).get(&one.number) {
            Some((action, target)) => Change::made(one, action, *target),
            None => Change::new(self.seed, self.users(), one),
        }
    }

    /// Notes in the audit trail that the service user did `action` to user `target`.
    pub(crate) fn note(&self, action: &'static str, target: u64, now: i64) {
        let one = self.changes.add(now, now);
        lock(&self.made).insert(one.number, (action, target));
    }

    /// Every record of `object` that shows at `now` (seconds). `span` narrows the objects that
    /// have a history.
    pub(crate) fn rows(&self, object: Object, span: Span, now: i64) -> Vec<Row> {
        let (from, to) = span.seconds();
        match object {
            Object::LoginHistory => self.visible_sign_ins(from, to, now).map(Row::SignIn).collect(),
            Object::LoginGeo => self
                .visible_sign_ins(i64::MIN, i64::MAX, now)
                .filter(SignIn::located)
                .map(Row::Geo)
                .collect(),
            Object::SetupAuditTrail => self
                .changes
                .visible(from, to, now)
                .into_iter()
                .map(|one| Row::Change(self.change(one)))
                .collect(),
            Object::EventLogFile => self.files.visible(now).into_iter().map(Row::File).collect(),
            Object::OauthToken => (1..=self.posture.tokens())
                .filter(|one| self.posture.token_lives(*one))
                .map(|one| Row::Entry(object, one))
                .collect(),
            _ => (1..=self.count(object)).map(|one| Row::Entry(object, one)).collect(),
        }
    }

    /// Records of an object that has no history.
    fn count(&self, object: Object) -> u64 {
        match object {
            Object::OauthToken => self.posture.tokens(),
            Object::SecurityHealthCheck => 1,
            Object::SecurityHealthCheckRisks => Posture::risks(),
            _ => self.directory.count(object),
        }
    }

    fn visible_sign_ins(&self, from: i64, to: i64, now: i64) -> impl Iterator<Item = SignIn> {
        self.sign_ins
            .visible(from, to, now)
            .into_iter()
            .map(|one| self.sign_in(one))
            .filter(|one| !self.own_sign_ins_only || one.user == 1)
    }

    /// The record with this id, if it is of `object` and shows at `now`.
    pub(crate) fn find(&self, object: Object, id: Id, now: i64) -> Option<Row> {
        let number = id.number();
        match (object, &id.prefix()) {
            (Object::LoginHistory, b"0Ya") => {
                let one = self.sign_in(self.sign_ins.find(number, now)?);
                (!self.own_sign_ins_only || one.user == 1).then_some(Row::SignIn(one))
            }
            (Object::LoginGeo, b"04F") => {
                let one = self.sign_in(self.sign_ins.find(number, now)?);
                one.located().then_some(Row::Geo(one))
            }
            (Object::SetupAuditTrail, b"0Ym") => {
                let one = self.changes.find(number, now)?;
                Some(Row::Change(self.change(one)))
            }
            (Object::EventLogFile, b"0AT") => self.files.find(number, now).map(Row::File),
            (Object::Organization, _) => {
                (id == ORGANIZATION).then_some(Row::Entry(Object::Organization, 1))
            }
            (
                Object::LoginHistory
                | Object::LoginGeo
                | Object::SetupAuditTrail
                | Object::EventLogFile,
                _,
            ) => None,
            _ => (1..=self.count(object)).contains(&number).then_some(Row::Entry(object, number)),
        }
    }

    /// A field of a record, by its name in the catalogue.
    pub(crate) fn value(&self, row: &Row, field: &str, now: i64) -> Value {
        match row {
            Row::SignIn(one) => one.value(field),
            Row::Geo(one) => one.geo_value(field),
            Row::Change(one) => one.value(&self.directory, &self.language, field),
            Row::File(one) => self.files.value(one, field),
            Row::Entry(Object::OauthToken, number) => self.posture.token(*number, field),
            Row::Entry(Object::SecurityHealthCheck, _) => Posture::score(field),
            Row::Entry(Object::SecurityHealthCheckRisks, number) => {
                self.posture.risk(*number, field)
            }
            Row::Entry(object, number) => {
                let last_login = (*object == Object::User && field == "LastLoginDate")
                    .then(|| self.last_login(*number, now))
                    .flatten();
                self.directory.value(*object, *number, field, last_login)
            }
        }
    }

    /// The last successful sign-in of the past week, the only stretch looked at.
    fn last_login(&self, user: u64, now: i64) -> Option<i64> {
        self.sign_ins
            .visible(now - 7 * DAY, now, now)
            .into_iter()
            .rev()
            .map(|one| self.sign_in(one))
            .find(|one| one.user == user && one.succeeded())
            .map(|one| one.occurrence.time)
    }
}

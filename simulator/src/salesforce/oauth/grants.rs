//! What has been granted: sessions, refresh tokens, authorization codes.

use std::collections::BTreeMap;

/// Seconds an authorization code lives.
const CODE_LIFETIME: i64 = 600;
/// Codes and started logins kept; older ones go first.
const KEPT: usize = 1000;

/// Sessions kept; the one unused for longest goes first.
const MOST_SESSIONS: usize = 10_000;

/// Every token of the org. All belong to the service user.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    access: BTreeMap<String, Session>,
    refresh: BTreeMap<String, Refresh>,
    codes: BTreeMap<String, Code>,
    logins: BTreeMap<u64, Authorization>,
    /// Numbers families of tokens (one approval each) and started logins.
    last: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) family: u64,
    pub(crate) scope: String,
    used: i64,
}

#[derive(Debug, Clone)]
struct Refresh {
    family: u64,
    scope: String,
    current: bool,
}

/// What an authorization request asked for.
#[derive(Debug, Clone)]
pub(crate) struct Authorization {
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) scope: String,
    /// The PKCE challenge; always taken as SHA-256, with or without a method.
    pub(crate) challenge: Option<String>,
    /// Whether the password was given.
    pub(crate) signed_in: bool,
}

#[derive(Debug, Clone)]
struct Code {
    authorization: Authorization,
    expires: i64,
    used: bool,
}

/// What came of an authorization code.
pub(crate) enum Redeemed {
    Grant(Authorization),
    /// Used before, or too old.
    Expired,
    Unknown,
}

/// Text that cannot be guessed and is plainly no secret of a real system.
fn opaque() -> String {
    format!("simulated{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}

impl Grants {
    /// Keeps an authorization request until its login is done; gives its number.
    pub(crate) fn start_login(&mut self, authorization: Authorization) -> u64 {
        self.last += 1;
        self.logins.insert(self.last, authorization);
        while self.logins.len() > KEPT {
            self.logins.pop_first();
        }
        self.last
    }

    pub(crate) fn login(&mut self, number: u64) -> Option<&mut Authorization> {
        self.logins.get_mut(&number)
    }

    pub(crate) fn end_login(&mut self, number: u64) -> Option<Authorization> {
        self.logins.remove(&number)
    }

    pub(crate) fn issue_code(&mut self, authorization: Authorization, now: i64) -> String {
        if self.codes.len() >= KEPT {
            self.codes.retain(|_, code| code.expires > now);
        }
        // Real codes end in two equals signs, which have to be percent-encoded in a URL.
        let code = format!("aPrx{}==", opaque());
        self.codes.insert(
            code.clone(),
            Code { authorization, expires: now + CODE_LIFETIME, used: false },
        );
        code
    }

    pub(crate) fn redeem(&mut self, code: &str, now: i64) -> Redeemed {
        match self.codes.get_mut(code) {
            Some(code) if code.used || code.expires <= now => Redeemed::Expired,
            Some(code) => {
                code.used = true;
                Redeemed::Grant(code.authorization.clone())
            }
            None => Redeemed::Unknown,
        }
    }

    /// A family of tokens for a new approval.
    pub(crate) fn family(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(crate) fn issue_access(
        &mut self,
        organization: &str,
        family: u64,
        scope: &str,
        now: i64,
    ) -> String {
        let token = format!("{organization}!{}", opaque());
        let session = Session { family, scope: scope.to_owned(), used: now };
        self.access.insert(token.clone(), session);
        if self.access.len() > MOST_SESSIONS {
            let oldest = self.access.iter().min_by_key(|(_, session)| session.used);
            if let Some(oldest) = oldest.map(|(token, _)| token.clone()) {
                self.access.remove(&oldest);
            }
        }
        token
    }

    pub(crate) fn issue_refresh(&mut self, family: u64, scope: &str) -> String {
        let token = format!("5Aep{}", opaque());
        let refresh = Refresh { family, scope: scope.to_owned(), current: true };
        self.refresh.insert(token.clone(), refresh);
        token
    }

    /// Takes a refresh token: its family and scope. With `rotate` the token dies; presenting a
    /// dead one ends its whole family (OAuth 2.0 Security Best Current Practice, RFC 9700,
    /// section 4.14.2).
    pub(crate) fn refresh(&mut self, token: &str, rotate: bool) -> Option<(u64, String)> {
        let refresh = self.refresh.get_mut(token)?;
        let (family, scope) = (refresh.family, refresh.scope.clone());
        if !refresh.current {
            self.end_family(family);
            return None;
        }
        refresh.current = !rotate;
        Some((family, scope))
    }

    fn end_family(&mut self, family: u64) {
        self.access.retain(|_, session| session.family != family);
        self.refresh.retain(|_, refresh| refresh.family != family);
    }

    /// The session of an access token, if it lives; using it prolongs it.
    pub(crate) fn session(&mut self, token: &str, lifetime: u32, now: i64) -> Option<Session> {
        let session = self.access.get_mut(token)?;
        if now - session.used >= i64::from(lifetime) {
            self.access.remove(token);
            return None;
        }
        session.used = session.used.max(now);
        Some(session.clone())
    }

    /// Ends an access token's session, or a refresh token with all its sessions. Whether the
    /// token was known.
    pub(crate) fn revoke(&mut self, token: &str) -> bool {
        if let Some(refresh) = self.refresh.get(token) {
            let family = refresh.family;
            self.end_family(family);
            return true;
        }
        self.access.remove(token).is_some()
    }

    /// Ends everything.
    pub(crate) fn clear(&mut self) {
        let last = self.last;
        *self = Self { last, ..Self::default() };
    }

    /// Ends all sessions and leaves refresh tokens alone.
    pub(crate) fn end_sessions(&mut self) {
        self.access.clear();
    }

    /// Living access and refresh tokens.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.access.len(), self.refresh.values().filter(|refresh| refresh.current).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reusing_a_rotated_token_ends_the_family() {
        let mut grants = Grants::default();
        let family = grants.family();
        let access = grants.issue_access("00D", family, "api", 0);
        let first = grants.issue_refresh(family, "api");
        assert!(grants.refresh(&first, true).is_some());
        let second = grants.issue_refresh(family, "api");
        assert!(grants.session(&access, 100, 1).is_some());
        assert!(grants.refresh(&first, true).is_none());
        assert!(grants.refresh(&second, true).is_none());
        assert!(grants.session(&access, 100, 1).is_none());
    }

    #[test]
    fn without_rotation_a_refresh_token_lasts() {
        let mut grants = Grants::default();
        let family = grants.family();
        let token = grants.issue_refresh(family, "api");
        assert!(grants.refresh(&token, false).is_some());
        assert!(grants.refresh(&token, false).is_some());
    }

    #[test]
    fn a_session_lives_as_long_as_it_is_used() {
        let mut grants = Grants::default();
        let family = grants.family();
        let token = grants.issue_access("00D", family, "api", 0);
        assert!(grants.session(&token, 100, 99).is_some());
        assert!(grants.session(&token, 100, 198).is_some());
        assert!(grants.session(&token, 100, 298).is_none());
        assert!(grants.session(&token, 100, 298).is_none());
    }

    #[test]
    fn a_code_works_once() {
        let mut grants = Grants::default();
        let authorization = Authorization {
            redirect_uri: "http://127.0.0.1/".to_owned(),
            state: None,
            scope: "api".to_owned(),
            challenge: None,
            signed_in: true,
        };
        let code = grants.issue_code(authorization.clone(), 0);
        assert!(matches!(grants.redeem(&code, 1), Redeemed::Grant(_)));
        assert!(matches!(grants.redeem(&code, 1), Redeemed::Expired));
        let code = grants.issue_code(authorization, 0);
        assert!(matches!(grants.redeem(&code, 600), Redeemed::Expired));
        assert!(matches!(grants.redeem("aPrx==", 1), Redeemed::Unknown));
    }
}

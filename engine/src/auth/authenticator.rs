//! One per connection: hands out tokens, and renews them once however many ask.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use url::Url;

use crate::auth::authorize::AuthorizationRequest;
use crate::auth::config::{Grant, OAuthConfig};
use crate::auth::device::DeviceAuthorization;
use crate::auth::endpoint::{Answer, Ask, Endpoint};
use crate::auth::session::{Login, not_before};
use crate::auth::tokens::Tokens;
use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::http::Client;
use crate::http::retry::Outcome;
use crate::pauses::Pauses;
use crate::plan::Plan;
use crate::secret::SecretStore;

/// A token this close to its end is renewed before it is used; or closer, for a short life.
const SKEW: SignedDuration = SignedDuration::from_secs(60);
/// How much longer the pause gets when an app asks for patience (RFC 8628, section 3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// The tokens of one connection. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    connection: String,
    means: Means,
    http: Client,
    store: SecretStore,
    clock: Clock,
    pauses: Arc<Pauses>,
    /// What everybody uses; on disk before it is here.
    current: RwLock<Option<Arc<Tokens>>>,
    /// Finished attempts to renew, so that those who waited for one share its failure.
    attempts: AtomicU64,
    /// Held by whoever renews.
    work: Mutex<Work>,
}

/// How tokens are obtained.
enum Means {
    OAuth(Box<OAuthConfig>),
    /// By the login call of this plan.
    Session(Arc<Plan>),
}

#[derive(Default)]
struct Work {
    /// Tokens that the app gave us and the disk did not take.
    unsaved: Option<Tokens>,
    failed: Option<Failed>,
}

/// What became of the tokens of a connection that were given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// There were none.
    Nothing,
    /// They are good for nothing any more, and forgotten.
    Revoked,
    /// They are forgotten; the app has no call that ends what they are good for.
    Forgotten,
}

/// The last attempt to renew, if it failed.
struct Failed {
    attempt: u64,
    stale_generation: u64,
    error: Error,
    /// How often in a row the app refused the connection's own credentials, and until when they are
    /// not tried again.
    refusals: u32,
    not_before: Option<Timestamp>,
}

impl Authenticator {
    /// The authenticator of `connection`. Its `http` client must be allowed to call the hosts of
    /// the OAuth endpoints. Nothing is read or sent yet.
    #[must_use]
    pub fn new(
        connection: impl Into<String>,
        config: OAuthConfig,
        http: Client,
        store: SecretStore,
        clock: Clock,
        pauses: Arc<Pauses>,
    ) -> Self {
        Self::with(connection.into(), Means::OAuth(Box::new(config)), http, store, clock, pauses)
    }

    /// The authenticator of a plan whose connection signs in by a login call. Its tokens have no
    /// access token, only fields.
    #[must_use]
    pub fn session(
        plan: Arc<Plan>,
        http: Client,
        store: SecretStore,
        clock: Clock,
        pauses: Arc<Pauses>,
    ) -> Self {
        Self::with(plan.connection.name.clone(), Means::Session(plan), http, store, clock, pauses)
    }

    fn with(
        connection: String,
        means: Means,
        http: Client,
        store: SecretStore,
        clock: Clock,
        pauses: Arc<Pauses>,
    ) -> Self {
        Self(Arc::new(Inner {
            connection,
            means,
            http,
            store,
            clock,
            pauses,
            current: RwLock::default(),
            attempts: AtomicU64::new(0),
            work: Mutex::default(),
        }))
    }

    /// Tokens to use now: the current ones, or new ones if there are none or they are about to
    /// expire.
    ///
    /// # Errors
    /// [`Code::AuthRequired`] if nobody connected yet, `AUTH_*` if the app refuses, `NET_*` and
    /// `APP_*` if it cannot be reached.
    pub async fn token(&self) -> Result<Arc<Tokens>> {
        match self.0.current() {
            Some(tokens) if self.0.is_fresh(&tokens) => Ok(tokens),
            Some(tokens) => self.renew(tokens.generation).await,
            None => self.renew(0).await,
        }
    }

    /// Tokens newer than those of `stale_generation`, which the app just refused. All callers with
    /// the same stale generation cause one request and share its result; a caller who comes late
    /// gets what is already there.
    ///
    /// # Errors
    /// As [`token`](Self::token). After [`Code::AuthRefreshLost`] every call fails the same way
    /// until somebody connects again.
    pub async fn refresh(&self, stale_generation: u64) -> Result<Arc<Tokens>> {
        match self.0.current() {
            Some(tokens) if tokens.generation > stale_generation => Ok(tokens),
            _ => self.renew(stale_generation).await,
        }
    }

    /// Begins a sign-in. Keep the request until the browser comes back, then
    /// [`exchange`](Self::exchange) it.
    ///
    /// # Errors
    /// [`Code::InputInvalid`] if this connection is not made by signing in.
    pub fn authorization_request(&self) -> Result<AuthorizationRequest> {
        let config = self.0.oauth();
        config
            .and_then(|config| AuthorizationRequest::new(config, self.0.clock.now()))
            .map_err(|error| error.in_connection(&self.0.connection))
    }

    /// Completes a sign-in with the URL the browser called back, and replaces whatever tokens the
    /// connection had.
    ///
    /// # Errors
    /// [`Code::AuthStateMismatch`] if the callback does not belong to the request, and what the app
    /// refused, e.g. [`Code::AuthDenied`].
    pub async fn exchange(
        &self,
        request: AuthorizationRequest,
        callback: &Url,
    ) -> Result<Arc<Tokens>> {
        let inner = Arc::clone(&self.0);
        let code =
            inner.oauth().and_then(|config| request.code(config, callback, inner.clock.now()));
        let code = code.map_err(|error| error.in_connection(&inner.connection))?;
        self.detached(async move {
            let mut work = inner.work.lock().await;
            let ask = Ask::Code { code: &code, verifier: request.verifier.as_ref() };
            let answer = inner.endpoint()?.obtain(ask).await?;
            inner.adopt(&mut work, answer).await
        })
        .await
    }

    /// Asks for a code that a person enters at the app. Show it, then
    /// [`wait_for_device`](Self::wait_for_device).
    ///
    /// # Errors
    /// [`Code::InputInvalid`] if this connection is not made with a code, and what the app refused.
    pub async fn device_authorization(&self) -> Result<DeviceAuthorization> {
        let inner = &self.0;
        let asked = async {
            let Grant::DeviceCode { device_url, scopes } = &inner.oauth()?.grant else {
                return Err(Error::new(
                    Code::InputInvalid,
                    "this app is not connected by entering a code",
                )
                .fix("connect it as its grant wants it"));
            };
            let now = inner.clock.now();
            let answer = inner.endpoint()?.device(device_url, scopes).await;
            let (members, place) = answer.map_err(|trouble| trouble.error)?;
            DeviceAuthorization::read(&members, &place, now)
        };
        asked.await.map_err(|error| error.in_connection(&inner.connection))
    }

    /// Waits until a person has entered the code, and replaces whatever tokens the connection had.
    ///
    /// # Errors
    /// [`Code::AuthTimeout`] if nobody entered it in time, and what the app refused, e.g.
    /// [`Code::AuthDenied`].
    pub async fn wait_for_device(&self, request: DeviceAuthorization) -> Result<Arc<Tokens>> {
        let inner = Arc::clone(&self.0);
        self.detached(async move {
            let answer = inner.entered(&request).await?;
            let mut work = inner.work.lock().await;
            inner.adopt(&mut work, answer).await
        })
        .await
    }

    /// Ends what the tokens are good for at the app, if it has a call for that (RFC 7009, or the
    /// logout of a session), and forgets them.
    ///
    /// # Errors
    /// If the app cannot be reached or refuses; then the tokens are kept.
    pub async fn revoke(&self) -> Result<Revocation> {
        let inner = Arc::clone(&self.0);
        self.detached(async move {
            let mut work = inner.work.lock().await;
            let tokens = match inner.current() {
                Some(tokens) => Some(tokens),
                None => inner.load().await?.map(Arc::new),
            };
            let revocation = match (&inner.means, &tokens) {
                (_, None) => Revocation::Nothing,
                (Means::Session(_), Some(tokens)) => inner.login()?.close(tokens).await?,
                (Means::OAuth(config), Some(tokens)) => match &config.revoke_url {
                    None => Revocation::Forgotten,
                    Some(url) => {
                        let (token, hint) = match &tokens.refresh {
                            Some(refresh) => (refresh, "refresh_token"),
                            None => (&tokens.access, "access_token"),
                        };
                        inner.endpoint()?.revoke(url, token, hint).await?;
                        Revocation::Revoked
                    }
                },
            };
            *work = Work::default();
            *inner.current.write().unwrap_or_else(PoisonError::into_inner) = None;
            let here = Arc::clone(&inner);
            blocking(move || here.store.remove(&here.connection)).await?;
            Ok(revocation)
        })
        .await
    }

    /// Waits until a renewal that has begun is over.
    pub(crate) async fn settled(&self) {
        drop(self.0.work.lock().await);
    }

    async fn renew(&self, stale_generation: u64) -> Result<Arc<Tokens>> {
        let seen = self.0.attempts.load(Ordering::Acquire);
        let inner = Arc::clone(&self.0);
        self.detached(async move { inner.renew(stale_generation, seen).await }).await
    }

    /// Runs in a task of its own: a caller who goes away in the middle of a refresh must not take
    /// the only copy of the new refresh token along.
    async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let result = match tokio::spawn(work).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(Code::Internal, "the renewal of the tokens was aborted")),
        };
        result.map_err(|error| error.in_connection(&self.0.connection))
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("connection", &self.0.connection)
            .field("generation", &self.0.current().map(|tokens| tokens.generation))
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn current(&self) -> Option<Arc<Tokens>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, tokens: Tokens) -> Arc<Tokens> {
        let tokens = Arc::new(tokens);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&tokens));
        tokens
    }

    fn oauth(&self) -> Result<&OAuthConfig> {
        match &self.means {
            Means::OAuth(config) => Ok(config),
            Means::Session(_) => {
                Err(Error::new(Code::InputInvalid, "this app is not connected by signing in")
                    .cause("the connection logs in by itself, with its inputs")
                    .fix("see what it can read with `longshore check`"))
            }
        }
    }

    fn endpoint(&self) -> Result<Endpoint<'_>> {
        let Self { http, clock, pauses, .. } = self;
        Ok(Endpoint { config: self.oauth()?, http, clock, pauses })
    }

    fn login(&self) -> Result<Login<'_>> {
        match &self.means {
            Means::Session(plan) => {
                let Self { http, clock, pauses, .. } = self;
                Ok(Login { plan, http, clock, pauses })
            }
            Means::OAuth(_) => Err(Error::new(Code::Internal, "a login without its declaration")),
        }
    }

    fn is_fresh(&self, tokens: &Tokens) -> bool {
        tokens.expires_at.is_none_or(|expires_at| {
            let tenth = expires_at.duration_since(tokens.obtained_at) / 10;
            self.clock.now().duration_since(expires_at) < -tenth.min(SKEW)
        })
    }

    async fn renew(self: &Arc<Self>, stale_generation: u64, seen: u64) -> Result<Arc<Tokens>> {
        let mut work = self.work.lock().await;
        if let Some(tokens) = self.current().filter(|tokens| tokens.generation > stale_generation) {
            return Ok(tokens);
        }
        if let Some(failed) = &work.failed
            && failed.stale_generation == stale_generation
            && (failed.attempt > seen
                || failed.error.code == Code::AuthRefreshLost
                || failed.not_before.is_some_and(|until| self.clock.now() < until))
        {
            return Err(failed.error.clone());
        }
        let result = self.renew_locked(&mut work, stale_generation).await;
        let attempt = self.attempts.fetch_add(1, Ordering::AcqRel) + 1;
        let before = work.failed.take().map_or(0, |failed| failed.refusals);
        if let Err(error) = &result {
            let own = match &self.means {
                Means::Session(_) => true,
                Means::OAuth(config) => !config.grant.is_interactive(),
            };
            let refused = own && is_refusal(error);
            let refusals = if refused { before.saturating_add(1) } else { 0 };
            let not_before = refused.then(|| not_before(self.clock.now(), refusals));
            let error = error.clone();
            work.failed = Some(Failed { attempt, stale_generation, error, refusals, not_before });
        }
        result
    }

    async fn renew_locked(
        self: &Arc<Self>,
        work: &mut Work,
        stale_generation: u64,
    ) -> Result<Arc<Tokens>> {
        if let Some(unsaved) = work.unsaved.take() {
            return self.keep(work, unsaved).await;
        }
        // The disk knows better than we do: another process may have renewed the tokens, and the
        // refresh token in our memory may be the one that must not be shown again.
        let known = match self.load().await? {
            Some(stored) => {
                let newer = stored.generation > stale_generation;
                let stored = self.publish(stored);
                if newer && self.is_fresh(&stored) {
                    return Ok(stored);
                }
                Some(stored)
            }
            None => self.current(),
        };
        let refresh = known.as_ref().and_then(|tokens| tokens.refresh.as_ref());
        let answer = match &self.means {
            Means::Session(_) => self.login()?.open().await?,
            Means::OAuth(config) => {
                let ask = match refresh {
                    Some(refresh) if config.grant.is_interactive() => Ask::Refresh(refresh),
                    None if config.grant.is_interactive() => {
                        return Err(not_connected(known.as_deref()));
                    }
                    _ => Ask::Own,
                };
                self.endpoint()?.obtain(ask).await?
            }
        };
        let generation = known.as_ref().map_or(0, |tokens| tokens.generation);
        let generation = generation.max(stale_generation) + 1;
        let tokens = self.tokens(answer, known.as_deref(), generation);
        self.keep(work, tokens).await
    }

    /// The answer to the question whether a person has entered the code (RFC 8628, section 3.5).
    async fn entered(&self, request: &DeviceAuthorization) -> Result<Answer> {
        let mut interval = request.interval;
        let mut wait = interval;
        loop {
            let left = request.expires_at.duration_since(self.clock.now());
            let left = Duration::try_from(left).unwrap_or_default();
            self.clock.sleep(wait.min(left)).await;
            if wait > left {
                return Err(Error::new(Code::AuthTimeout, "the code was not entered in time")
                    .cause(format!("it had to be entered by {:.0}", request.expires_at))
                    .fix("start again, and enter the new code"));
            }
            let trouble = match self.endpoint()?.once(&Ask::Device(&request.device_code)).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            match trouble.said.as_deref() {
                Some("authorization_pending") => {}
                Some("slow_down") => interval += SLOWER,
                _ if trouble.outcome == Outcome::Permanent => return Err(trouble.error),
                _ => interval += SLOWER,
            }
            wait = interval.max(trouble.retry_after.unwrap_or_default());
        }
    }

    /// Takes the tokens of a sign-in in place of those that the connection had.
    async fn adopt(self: &Arc<Self>, work: &mut Work, answer: Answer) -> Result<Arc<Tokens>> {
        // A store that cannot be read must not stop the sign-in that repairs it.
        let known = self.load().await.unwrap_or_default().map(Arc::new);
        let generation = [self.current(), known]
            .into_iter()
            .flatten()
            .map(|tokens| tokens.generation)
            .max()
            .unwrap_or_default();
        let tokens = self.tokens(answer, None, generation + 1);
        work.failed = None;
        self.keep(work, tokens).await
    }

    /// New tokens; what a refresh does not repeat is still valid (RFC 6749, section 6).
    fn tokens(&self, answer: Answer, previous: Option<&Tokens>, generation: u64) -> Tokens {
        let mut fields = previous.map(|tokens| tokens.fields.clone()).unwrap_or_default();
        fields.extend(answer.fields);
        let default = self.oauth().ok().and_then(|config| config.expires_default);
        let lifetime = answer.expires_in.or(default);
        Tokens {
            access: answer.access,
            refresh: answer.refresh.or_else(|| previous?.refresh.clone()),
            expires_at: lifetime.map(|lifetime| {
                answer.requested_at.checked_add(lifetime).unwrap_or(Timestamp::MAX)
            }),
            fields,
            obtained_at: answer.requested_at,
            generation,
        }
    }

    /// Saves tokens, and only then lets anybody have them.
    async fn keep(self: &Arc<Self>, work: &mut Work, tokens: Tokens) -> Result<Arc<Tokens>> {
        let inner = Arc::clone(self);
        let copy = tokens.clone();
        match blocking(move || inner.store.save(&inner.connection, &copy)).await {
            Ok(()) => Ok(self.publish(tokens)),
            Err(error) => {
                work.unsaved = Some(tokens);
                Err(error)
            }
        }
    }

    async fn load(self: &Arc<Self>) -> Result<Option<Tokens>> {
        let inner = Arc::clone(self);
        blocking(move || inner.store.load(&inner.connection)).await
    }
}

/// Whether the app refused what it was shown, and not only for a while.
fn is_refusal(error: &Error) -> bool {
    let answered = error.place.request.is_some() && !error.code.as_str().starts_with("NET_");
    error.is_permanent() && answered
}

/// Disk work off the threads that serve sockets.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Error::new(Code::Internal, "the secret store was interrupted")))
}

fn not_connected(known: Option<&Tokens>) -> Error {
    let cause = match known {
        Some(_) => "the access token has expired and the app issued no refresh token",
        None => "nobody has signed in for this connection",
    };
    Error::new(Code::AuthRequired, "the connection needs a sign-in")
        .cause(cause)
        .fix("run `longshore connect`, sign in at the app and allow the access")
}

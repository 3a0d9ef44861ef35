//! Runs a connection: opens what it needs, polls its streams, and keeps doing so.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, RwLock, watch};
use tokio::task::JoinSet;

use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::error::{Code, Error, Result, Retry};
use crate::http::{Client, Transport};
use crate::pauses::{LONGEST_PAUSE, Pauses};
use crate::plan::{AuthPlan, Plan, StreamPlan};
use crate::poll::session::Session;
use crate::poll::stream::Poll;
use crate::poll::{Limits, Observer, Replayed, StreamReport, replay};
use crate::quota::Quota;
use crate::secret::SecretStore;
use crate::sink::{Contact, Delivery, Forwarder, Polls, Sink, SinkReport, Spool};
use crate::state::Store;

/// The longest that a stream which failed waits for its next poll, whatever its schedule.
const LONGEST_RETRY: Duration = Duration::from_secs(15 * 60);

/// Where a connection keeps things.
#[derive(Clone, Debug)]
pub struct Folders {
    /// Cursors, delivered keys, history and tokens.
    pub state: PathBuf,
    /// Events.
    pub output: PathBuf,
}

/// A connection that is ready to be polled.
#[derive(Clone)]
pub struct Runner {
    plan: Arc<Plan>,
    session: Arc<Session>,
    delivery: Arc<Delivery>,
    sinks: Option<Arc<Sinks>>,
    clock: Clock,
    /// Read by each poll as long as it lives.
    polls: Arc<RwLock<()>>,
}

/// The sinks of a connection, and the spool in front of them.
struct Sinks {
    spool: Arc<Spool>,
    forwarders: Vec<Arc<Mutex<Forwarder>>>,
    reports: Vec<Arc<std::sync::Mutex<SinkReport>>>,
}

impl Runner {
    /// Opens state, output and credentials of a connection. Nothing is sent yet. Blocks.
    ///
    /// # Errors
    /// [`Code::StateLocked`] if another process works on the same state, and what the folders and
    /// the secret store have to say.
    pub fn open(
        mut plan: Plan,
        folders: &Folders,
        clock: Clock,
        observer: Observer,
    ) -> Result<Self> {
        let name = plan.connection.name.clone();
        let named = |error: Error| error.in_connection(&name);
        let store = Arc::new(Store::open(&folders.state).map_err(named)?);
        let delivery = Delivery::open(Arc::clone(&store), &folders.output).map_err(named)?;
        let transport = Transport::with_certificates(&plan.certificates).map_err(named)?;
        let transport = transport.with_clock(clock.clone());
        let client = Client::new(&transport, plan.hosts.clone(), plan.connection.connect_to)
            .map_err(named)?;
        if plan.streams.iter().any(|stream| stream.mapper.is_private()) {
            let salt = secrets(&folders.state).map_err(named)?.salt(&name);
            for stream in plan.streams.iter_mut().filter_map(Arc::get_mut) {
                stream.mapper.set_salt(&salt);
            }
        }
        let plan = Arc::new(plan);
        let pauses = Pauses::open(Arc::clone(&store), clock.clone(), &name).map_err(named)?;
        let pauses = Arc::new(pauses);
        let authenticator = match &plan.auth {
            AuthPlan::Fixed(_) | AuthPlan::Signed(_) => None,
            AuthPlan::Session(_) => Some(Authenticator::session(
                Arc::clone(&plan),
                client.clone(),
                secrets(&folders.state).map_err(named)?,
                clock.clone(),
                Arc::clone(&pauses),
            )),
            AuthPlan::OAuth(config) => Some(Authenticator::new(
                name.clone(),
                config.as_ref().clone(),
                client.clone(),
                secrets(&folders.state).map_err(named)?,
                clock.clone(),
                Arc::clone(&pauses),
            )),
        };
        let quotas = plan
            .quotas
            .iter()
            .map(|quota| Quota::open(Arc::clone(&store), clock.clone(), &name, quota.clone()))
            .collect::<Result<_>>()?;
        let session = Session::new(
            Arc::clone(&plan),
            client,
            authenticator,
            (quotas, pauses),
            clock.clone(),
            observer,
        );
        Ok(Self {
            plan,
            session: Arc::new(session),
            delivery: Arc::new(delivery),
            sinks: None,
            clock,
            polls: Arc::default(),
        })
    }

    /// Delivers to sinks in place of files, by way of a spool in `folder` that keeps at most `most`
    /// bytes. What cannot be delivered is still set aside in files. Blocks.
    ///
    /// # Errors
    /// Those of [`Spool::open`].
    pub fn with_sinks(
        mut self,
        sinks: Vec<(String, Box<dyn Sink>)>,
        folder: &Path,
        most: u64,
    ) -> Result<Self> {
        let connection = &self.plan.connection.name;
        let names: Vec<_> = sinks.iter().map(|(name, _)| name.clone()).collect();
        let store = Arc::clone(self.delivery.store());
        let spool = Spool::open(store, &folder.join(connection), connection, &names, most)
            .map_err(|error| error.in_connection(connection))?;
        let spool = Arc::new(spool);
        let forwarders: Vec<_> = sinks
            .into_iter()
            .map(|sink| {
                let (spool, aside) = (Arc::clone(&spool), Arc::clone(&self.delivery));
                let observer = self.session.observer();
                Forwarder::new(sink, (spool, aside), self.clock.clone(), observer)
            })
            .collect();
        let reports = forwarders.iter().map(Forwarder::report).collect();
        let forwarders = forwarders.into_iter().map(|one| Arc::new(Mutex::new(one))).collect();
        self.sinks = Some(Arc::new(Sinks { spool, forwarders, reports }));
        Ok(self)
    }

    /// How the sinks stand, in the order of the connection file.
    #[must_use]
    pub fn sinks(&self) -> Vec<SinkReport> {
        let reports = self.sinks.iter().flat_map(|sinks| &sinks.reports);
        reports.map(|one| one.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }

    /// Asks each sink where it stands, all at the same time, and delivers nothing. In the order of the
    /// connection file, by name.
    pub async fn ask_sinks(&self) -> Vec<(String, Result<Contact>)> {
        let mut asked = JoinSet::new();
        for (index, forwarder) in self.sinks.iter().flat_map(|it| &it.forwarders).enumerate() {
            let (plan, forwarder) = (Arc::clone(&self.plan), Arc::clone(forwarder));
            asked.spawn(async move {
                let streams: Vec<_> = plan.streams.iter().map(|stream| &*stream.name).collect();
                (index, forwarder.lock().await.ask(&streams).await)
            });
        }
        let mut asked = asked.join_all().await;
        asked.sort_by_key(|(index, _)| *index);
        let names = self.sinks().into_iter().map(|report| report.sink);
        names.zip(asked.into_iter().map(|(_, contact)| contact)).collect()
    }

    /// Starts to deliver to the sinks; ends when the polls are over and all is delivered.
    fn forward(&self) -> (watch::Sender<Polls>, JoinSet<()>) {
        let (polls, over) = watch::channel(Polls::GoOn);
        let mut tasks = JoinSet::new();
        for forwarder in self.sinks.iter().flat_map(|sinks| &sinks.forwarders) {
            let (forwarder, over) = (Arc::clone(forwarder), over.clone());
            tasks.spawn(async move { forwarder.lock().await.run(over).await });
        }
        (polls, tasks)
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where events and cursors go.
    #[must_use]
    pub fn delivery(&self) -> &Arc<Delivery> {
        &self.delivery
    }

    /// What the polls share.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The streams with these names, or all if there are none.
    ///
    /// # Errors
    /// [`Code::InputInvalid`] naming the streams there are.
    pub fn select(&self, names: &[String]) -> Result<Vec<Arc<StreamPlan>>> {
        if names.is_empty() {
            return Ok(self.plan.streams.clone());
        }
        let known = |name: &String| self.plan.streams.iter().find(|stream| stream.name == *name);
        names
            .iter()
            .map(|name| {
                known(name).cloned().ok_or_else(|| {
                    let all: Vec<_> = self.plan.streams.iter().map(|s| s.name.as_str()).collect();
                    Error::new(Code::InputInvalid, format!("there is no stream `{name}`"))
                        .cause(format!("the manifest of {} has others", self.plan.app))
                        .fix(format!("the streams are {}", all.join(", ")))
                        .in_connection(&self.plan.connection.name)
                })
            })
            .collect()
    }

    /// Polls each stream once, all at the same time, and delivers to the sinks, if there are any, what
    /// they take. The reports are in the order of the streams.
    pub async fn once(&self, streams: &[Arc<StreamPlan>], limits: Limits) -> Vec<StreamReport> {
        let (over, forwarders) = self.forward();
        let mut polls = JoinSet::new();
        for (index, stream) in streams.iter().enumerate() {
            let (runner, stream) = (self.clone(), Arc::clone(stream));
            polls.spawn(async move { (index, runner.poll(&stream, limits).await) });
        }
        let mut reports = Vec::with_capacity(streams.len());
        while let Some(done) = polls.join_next().await {
            match done {
                Ok(report) => reports.push(report),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => {}
            }
        }
        reports.sort_by_key(|(index, _)| *index);
        let _ = over.send(Polls::Over);
        ended(forwarders).await;
        reports.into_iter().map(|(_, report)| report).collect()
    }

    /// Maps what was set aside of these streams anew, and delivers what becomes events. Nothing is
    /// asked of the app.
    ///
    /// # Errors
    /// Those of the state and the output, of the first stream that has one.
    pub async fn replay(&self, streams: &[Arc<StreamPlan>]) -> Result<Vec<Replayed>> {
        let (over, forwarders) = self.forward();
        let connection = &self.plan.connection.name;
        let spool = self.sinks.as_ref().map(|sinks| &*sinks.spool);
        let replayed = tokio::task::block_in_place(|| {
            let replay = |stream: &Arc<StreamPlan>| {
                replay(stream, connection, (&self.delivery, spool), &self.clock)
                    .map_err(|error| error.in_stream(&stream.name).in_connection(connection))
            };
            streams.iter().map(replay).collect()
        });
        let _ = over.send(Polls::Over);
        ended(forwarders).await;
        replayed
    }

    /// Polls each stream on its schedule until the returned future is dropped. Dropping it loses
    /// nothing: what is committed stays, what is not is read again.
    pub async fn watch(&self, streams: &[Arc<StreamPlan>], limits: Limits) {
        let (_go_on, _forwarders) = self.forward();
        let mut polls = JoinSet::new();
        for stream in streams {
            let (runner, stream) = (self.clone(), Arc::clone(stream));
            polls.spawn(async move {
                loop {
                    let started = runner.clock.now();
                    let report = runner.poll(&stream, limits).await;
                    let every = jiff::SignedDuration::try_from(stream.every).unwrap_or_default();
                    let mut due = started.checked_add(every).unwrap_or(started);
                    if let Some(error) = report.error {
                        // Asked to come back at a certain time, or soon, but never in a hurry.
                        let soon = stream.every.min(LONGEST_RETRY);
                        let soon = jiff::SignedDuration::try_from(soon).unwrap_or_default();
                        let soon = runner.clock.now().checked_add(soon).unwrap_or(due);
                        let latest = runner.clock.now().checked_add(LONGEST_PAUSE).unwrap_or(due);
                        due = match error.retry {
                            Retry::Later(Some(at)) => at.min(latest).max(soon),
                            _ => soon,
                        };
                        runner.session.forget_facts().await;
                    }
                    // For a while, not until a time: a clock that is set back by a year meanwhile
                    // must not stop the stream for a year.
                    let pause = due.duration_since(runner.clock.now());
                    runner.clock.sleep(pause.try_into().unwrap_or_default()).await;
                }
            });
        }
        // No poll ends by itself. A stream that is not polled any more must not go unnoticed.
        ended(polls).await;
    }

    /// Waits until the polls have ended whose future was dropped, and tokens that were on their way
    /// are stored. A runtime must not be shut down before.
    pub async fn settled(&self) {
        drop(self.polls.write().await);
        if let Some(authenticator) = self.session.authenticator() {
            authenticator.settled().await;
        }
    }

    async fn poll(&self, stream: &Arc<StreamPlan>, limits: Limits) -> StreamReport {
        let _alive = self.polls.read().await;
        let spool = self.sinks.as_ref().map(|sinks| &*sinks.spool);
        Poll::run(&self.session, stream, (&self.delivery, spool), limits).await
    }
}

/// Waits for tasks, and passes a panic of one of them on.
async fn ended(mut tasks: JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// The store of a connection's tokens, in its state folder.
///
/// # Errors
/// [`Code::SecretStoreUnavailable`] if it cannot be opened.
pub fn secrets(state: &Path) -> Result<SecretStore> {
    SecretStore::open(&state.join("secrets"))
}

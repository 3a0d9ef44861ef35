//! One life of a connection: days of polls in all weathers, kills and restarts, and at the end what
//! came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use longshore_engine::clock::Clock;
use longshore_engine::connection::ConnectionFile;
use longshore_engine::error::{Code, Retry};
use longshore_engine::http::{Method, Request};
use longshore_engine::plan::{Plan, StreamPlan};
use longshore_engine::poll::StreamReport;
use longshore_engine::runner::{Folders, Runner};
use longshore_schema::manifest::GrantKind;
use longshore_simulator::generic::{App, Fault, Misdeed, Model, Running, Settings, Time, Weather};
use tokio::sync::Notify;

use crate::compare::compare;
use crate::lives::compare_lives;
use crate::subject::Subject;

/// The most requests of one poll: far more than any needs, so that a poll with more goes in
/// circles.
const MOST_REQUESTS: u64 = 20_000;
/// The most windows that a life is divided into, by the shortest span of its streams.
const MOST_WINDOWS: u32 = 40;
/// How often the last poll may fail in good weather: the app may have asked to wait, and a kill
/// may have left something to be put right.
const MOST_LAST_POLLS: u32 = 8;

/// What a life is limited to.
#[derive(Clone, Debug)]
pub struct Limits {
    /// What may go wrong.
    pub faults: BTreeSet<Fault>,
    /// The longest life, in virtual time.
    pub length: Duration,
    /// Records of each stream, about.
    pub records: usize,
    /// The longest life in real time; one that takes longer hangs.
    pub patience: Duration,
}

/// What came of one life.
#[derive(Clone, Debug, Default)]
pub struct SeedReport {
    /// The seed.
    pub seed: u64,
    /// Records that were due and not delivered.
    pub lost: u64,
    /// Records that were delivered more than once.
    pub duplicated: u64,
    /// Calls that spent what had to be left to others.
    pub reserve_broken: u64,
    /// Calls that came before the time which `Retry-After` named.
    pub impatient: u64,
    /// Requests that the manifest does not declare.
    pub unknown: u64,
    /// What was made at the app and never cleared away.
    pub left_behind: u64,
    /// 1 if it went on without end, or did not recover when the weather was good again.
    pub hung: u64,
    /// Events on disk.
    pub delivered: u64,
    /// Requests.
    pub requests: u64,
    /// Polls of the connection, killed ones included.
    pub polls: u64,
    /// Kills.
    pub kills: u64,
    /// How much virtual time went by.
    pub virtual_time: Duration,
    /// How often each fault befell a request.
    pub faults: BTreeMap<Fault, u64>,
    /// What is wrong, in words.
    pub findings: Vec<String>,
    /// What happened, for a reader who follows one seed.
    pub story: Vec<String>,
}

impl SeedReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lost
            + self.duplicated
            + self.reserve_broken
            + self.impatient
            + self.unknown
            + self.left_behind
            + self.hung
            == 0
    }
}

/// Plays one seed. Needs a runtime of several threads.
pub async fn play(subject: &Subject, seed: u64, limits: &Limits) -> SeedReport {
    let mut report = SeedReport { seed, ..SeedReport::default() };
    let folder = match folder() {
        Ok(folder) => folder,
        Err(error) => {
            return hung(report, format!("no folder could be made for the state: {error}"));
        }
    };
    let mut life = Life::new(subject, seed, limits, folder.path());
    let outcome = tokio::time::timeout(limits.patience, life.live(limits)).await;
    let end = life.clock.now();
    report.virtual_time = end.duration_since(life.start).try_into().unwrap_or_default();
    report.polls = life.polls;
    report.kills = life.kills;
    report.story = std::mem::take(&mut life.story);
    let witness = life.app.witness();
    report.requests = witness.requests;
    report.faults = witness.faults.clone();
    report.reserve_broken = witness.count(Misdeed::Reserve);
    report.impatient = witness.count(Misdeed::Impatience);
    report.unknown = witness.count(Misdeed::Unknown);
    report.left_behind = witness.count(Misdeed::LeftBehind);
    report.findings.extend(witness.misdeeds.iter().map(|(_, what)| what.clone()));
    match outcome {
        Err(_) => {
            let seconds = limits.patience.as_secs();
            return hung(report, format!("it was not over after {seconds} s"));
        }
        Ok(Err(what)) => report = hung(report, what),
        Ok(Ok(())) => {}
    }
    for (stream, at) in &life.complete {
        let truth = life.app.truth(*at).into_iter().find(|truth| truth.stream == *stream);
        let Some(truth) = truth else { continue };
        let mut streams = subject.manifest.streams.iter();
        let parts = streams
            .any(|(name, stream)| name.as_str() == truth.stream && stream.map.for_each.is_some());
        let events = folder.path().join("events");
        let compared = match &truth.lives {
            Some(lives) => {
                let read = life.read.get(&truth.stream).map_or(&[][..], Vec::as_slice);
                compare_lives(&events, &truth, lives, read)
            }
            None => compare(&events, &truth, parts),
        };
        report.delivered += compared.delivered;
        report.lost += compared.lost.len() as u64;
        report.duplicated += compared.duplicated.len() as u64;
        report.findings.extend(compared.lost.into_iter().chain(compared.duplicated).take(20));
    }
    report
}

fn hung(report: SeedReport, what: String) -> SeedReport {
    let mut findings = report.findings;
    findings.push(what);
    SeedReport { hung: 1, findings, ..report }
}

/// A folder in memory, if there is one: nothing here has to outlive the machine.
fn folder() -> std::io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix("longshore-conformance-");
    builder.tempdir_in(memory).or_else(|_| builder.tempdir())
}

/// A connection and its app while they live.
struct Life<'s> {
    subject: &'s Subject,
    model: Arc<Model>,
    app: Arc<App>,
    /// The app's server, once it runs.
    running: Option<Running>,
    clock: Clock,
    folder: &'s Path,
    rng: Rng,
    start: Timestamp,
    /// When the first record happened.
    from: Timestamp,
    until: Timestamp,
    /// What goes wrong in this life.
    faults: BTreeSet<Fault>,
    /// Whether the process goes on from poll to poll, and so remembers what to poll when; one that is
    /// started anew for each poll does not.
    lasts: bool,
    /// When streams may be polled again that were asked to wait.
    later: BTreeMap<String, Timestamp>,
    /// For each stream, when the poll began that left nothing to be done.
    complete: BTreeMap<String, Timestamp>,
    /// For each stream, when it was read whole: the beginning of that, and its end.
    read: BTreeMap<String, Vec<(Timestamp, Timestamp)>>,
    /// For each stream that is not read whole yet, when that began.
    began: BTreeMap<String, Timestamp>,
    polls: u64,
    kills: u64,
    story: Vec<String>,
}

/// How a poll ended.
enum Ended {
    Reports(Vec<StreamReport>),
    Killed,
    Circles,
}

impl<'s> Life<'s> {
    fn new(subject: &'s Subject, seed: u64, limits: &Limits, folder: &'s Path) -> Self {
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x10_46_50);
        let model = Arc::clone(&subject.models[seed as usize % subject.models.len()]);
        let mut length = limits.length;
        if let Some(span) = model.shortest_span() {
            length = length.min(span * MOST_WINDOWS);
        }
        if let Some(kept) = model.shortest_retention() {
            length = length.min(kept / 2);
        }
        let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(60_000);
        // Most lives are short.
        let length = length / [1, 2, 4, 8][rng.usize(..4)];
        let start = 1_790_812_800_000 + rng.i64(0..30 * 86_400_000);
        let start = clock_change(&model, seed, start)
            .map_or(start, |change| change - rng.i64(-length / 6..=length * 2 / 3));
        let at = |millis: i64| Timestamp::from_millisecond(millis).unwrap_or_default();
        let faults = draw(&limits.faults, &mut rng);
        let settings = Settings {
            seed,
            from: at(start - length / 3),
            until: at(start + length * 2 / 3),
            records: rng.usize(1..=limits.records.max(1) * 2),
            faults: faults.clone(),
        };
        let clock = Clock::manual(at(start));
        let (shown, stalled) = (clock.clone(), clock.clone());
        let time = Time {
            now: Arc::new(move || shown.now()),
            stall: Arc::new(move |duration| stalled.stall(duration)),
        };
        let app = App::new(Arc::clone(&model), &settings, time);
        let lasts = rng.bool();
        Self {
            subject,
            model,
            app,
            running: None,
            clock,
            folder,
            rng,
            start: at(start),
            from: settings.from,
            until: settings.until,
            faults,
            lasts,
            later: BTreeMap::new(),
            complete: BTreeMap::new(),
            read: BTreeMap::new(),
            began: BTreeMap::new(),
            polls: 0,
            kills: 0,
            story: Vec::new(),
        }
    }

    /// Lives; the error says why it did not recover.
    async fn live(&mut self, limits: &Limits) -> Result<(), String> {
        let address = ([127, 0, 0, 1], 0).into();
        let running = self.app.serve(address).await;
        let running = running.map_err(|error| format!("the app could not be started: {error}"))?;
        self.write_connection(running.address())
            .map_err(|error| format!("the connection could not be written: {error}"))?;
        self.running = Some(running);
        self.connect().await?;
        let polls = self.rng.u64(3..=9);
        let all = self.until.duration_since(self.start);
        for _ in 0..polls {
            let pause = all.as_millis() / i128::from(polls);
            let pause = self.rng.u64(..=u64::try_from(pause).unwrap_or_default() * 2 + 1);
            self.clock.sleep(Duration::from_millis(pause)).await;
            let chance = [0.0, 0.05, 0.15, 0.3, 0.5][self.rng.usize(..5)];
            let others = if self.faults.contains(&Fault::Quota) && self.rng.u8(..3) == 0 {
                self.rng.f64() * 0.9
            } else {
                0.0
            };
            // Silence is for one request at a time: all that are under way would share it.
            let together = self.rng.bool();
            let mut faults = self.faults.clone();
            let at_once = together || self.model.is_asked_at_once();
            faults.retain(|fault| !at_once || !fault.is_silence());
            let weather = Weather { chance, faults };
            let kill = self.faults.contains(&Fault::Kill) && self.rng.u8(..5) < 2;
            match self.poll(weather, others, kill, together).await? {
                Ended::Circles => return Err(circles()),
                Ended::Killed | Ended::Reports(_) => {}
            }
        }
        // What happened is shown by now, and the sky is clear.
        let missing = self.until.duration_since(self.clock.now());
        let missing = Duration::try_from(missing).unwrap_or_default();
        let delay = self.model.longest_delay() + Duration::from_secs(120);
        self.clock.sleep(missing + delay).await;
        let _ = limits;
        let mut failed = String::new();
        for _ in 0..MOST_LAST_POLLS {
            let ended = self.poll(Weather::default(), 0.0, false, true).await?;
            let Ended::Reports(reports) = ended else { return Err(circles()) };
            let errors: Vec<_> =
                reports.iter().filter_map(|report| report.error.as_ref()).collect();
            if errors.is_empty() && self.complete.len() == self.model.streams().count() {
                return Ok(());
            }
            failed = errors.iter().map(|error| format!("{error}")).collect::<Vec<_>>().join("; ");
            self.clock.sleep(Duration::from_secs(900)).await;
        }
        Err(format!("it did not recover in good weather: {failed}"))
    }

    /// Polls all streams that are not asked to wait, together or one after another.
    async fn poll(
        &mut self,
        weather: Weather,
        others: f64,
        kill: bool,
        together: bool,
    ) -> Result<Ended, String> {
        self.polls += 1;
        let now = self.clock.now();
        let killed = Arc::new(Notify::new());
        let circles = Arc::new(AtomicU64::new(0));
        // Either a request or a step of the poll is the last.
        let (at_request, at_step) = match (kill, self.rng.bool(), self.rng.u64(1..40)) {
            (false, ..) => (u64::MAX, u64::MAX),
            (true, true, number) => (number, u64::MAX),
            (true, false, number) => (u64::MAX, number),
        };
        self.app.begin(weather.clone(), others, {
            let (killed, circles) = (Arc::clone(&killed), Arc::clone(&circles));
            move |number| {
                if number > MOST_REQUESTS {
                    circles.store(1, Ordering::SeqCst);
                }
                if number == at_request || number > MOST_REQUESTS {
                    killed.notify_one();
                }
            }
        });
        let steps = AtomicU64::new(0);
        let runner = self
            .open({
                let killed = Arc::clone(&killed);
                move || {
                    if steps.fetch_add(1, Ordering::SeqCst) + 1 == at_step {
                        killed.notify_one();
                    }
                }
            })
            .await?;
        let later = &self.later;
        let is_due = |stream: &&Arc<StreamPlan>| {
            !self.lasts || later.get(&stream.name).is_none_or(|at| *at <= now)
        };
        let streams: Vec<_> = runner.plan().streams.iter().filter(is_due).cloned().collect();
        let since = longshore_engine::poll::Limits { since: Some(self.from), until: None };
        for stream in &streams {
            self.began.entry(stream.name.clone()).or_insert(now);
        }
        let polled = async {
            if together {
                return runner.once(&streams, since).await;
            }
            let mut reports = Vec::new();
            for stream in &streams {
                reports.extend(runner.once(std::slice::from_ref(stream), since).await);
            }
            reports
        };
        let ended = tokio::select! {
            reports = polled => Ended::Reports(reports),
            () = killed.notified() => Ended::Killed,
        };
        runner.settled().await;
        drop(runner);
        if let Some(running) = &self.running {
            running.left().await;
        }
        let ended = match ended {
            Ended::Reports(reports) => {
                for report in &reports {
                    self.note(report, now);
                }
                Ended::Reports(reports)
            }
            _ if circles.load(Ordering::SeqCst) > 0 => Ended::Circles,
            _ => {
                self.kills += 1;
                self.later.clear();
                self.complete.clear();
                self.app.killed();
                self.story.push(format!("{now:.0} killed"));
                Ended::Killed
            }
        };
        Ok(ended)
    }

    /// Remembers how the poll of a stream ended that began at `now`.
    fn note(&mut self, report: &StreamReport, now: Timestamp) {
        let name = report.stream.clone();
        self.later.remove(&name);
        let told = match &report.error {
            None => {
                self.complete.insert(name.clone(), now);
                // A snapshot of many parts goes on with those that a poll before did not read.
                let streams = &self.subject.manifest.streams.value;
                let goes_on = streams.iter().any(|(one, stream)| {
                    let has_parts = !stream.steps.is_empty() || !stream.partitions.is_empty();
                    one.as_str() == name && has_parts
                });
                let began = self.began.remove(&name).filter(|_| goes_on).unwrap_or(now);
                if report.gaps == 0 && report.rejected == 0 {
                    let end = self.clock.now();
                    self.read.entry(name.clone()).or_default().push((began, end));
                }
                "complete".to_owned()
            }
            Some(error) => {
                self.complete.remove(&name);
                // As the schedule of a watched connection has it.
                let now = self.clock.now();
                let after = |time| now.checked_add(time).unwrap_or(now);
                let soon = after(SignedDuration::from_mins(1));
                self.later.insert(
                    name.clone(),
                    match error.retry {
                        Retry::Later(Some(at)) => {
                            at.min(after(SignedDuration::from_hours(24))).max(soon)
                        }
                        _ => soon,
                    },
                );
                format!("{}: {}", error.code, error.what)
            }
        };
        self.story.push(format!(
            "{now:.0} {name}: {} requests, {} records, {} delivered, {} known: {told}",
            report.requests, report.records, report.delivered, report.duplicates
        ));
    }

    /// Opens the connection, as a process does at its start. `step` is called at each step of a
    /// poll.
    async fn open(&self, step: impl Fn() + Send + Sync + 'static) -> Result<Runner, String> {
        let path = self.folder.join("connection.yaml");
        let failed = |error: longshore_engine::error::Error| format!("it cannot start: {error}");
        let (file, source) = ConnectionFile::read(&path).map_err(failed)?;
        let folders =
            Folders { state: self.folder.join("state"), output: self.folder.join("events") };
        let step = Arc::new(step);
        for _ in 0..1000 {
            let connection = file.connection(&source, &self.subject.manifest).map_err(failed)?;
            let plan = Plan::compile(&self.subject.manifest, connection).map_err(failed)?;
            let step = Arc::clone(&step);
            let observer = Arc::new(move |_: &str, _: &_| step());
            match Runner::open(plan, &folders, self.clock.clone(), observer) {
                // What a dropped poll was doing is on its way to its end.
                Err(error) if error.code == Code::StateLocked => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                opened => return opened.map_err(failed),
            }
        }
        Err("the state stayed locked after a poll was dropped".to_owned())
    }

    fn write_connection(&self, address: SocketAddr) -> std::io::Result<()> {
        let text = self.model.connection("manifest.yaml", address);
        std::fs::write(self.folder.join("connection.yaml"), text)
    }

    /// Signs in as an admin would, where that is how the connection is made.
    async fn connect(&self) -> Result<(), String> {
        if self.model.way().grant != Some(GrantKind::AuthorizationCode) {
            return Ok(());
        }
        let runner = self.open(|| {}).await?;
        let failed = |error: longshore_engine::error::Error| format!("the sign-in failed: {error}");
        let session = runner.session();
        let authenticator = session.authenticator().ok_or("there is nothing to sign in to")?;
        let asked = authenticator.authorization_request().map_err(failed)?;
        let page = url::Url::parse(asked.url.expose()).map_err(|error| error.to_string())?;
        let mut request = Request::new(Method::GET, page);
        request.follow_redirects = false;
        let answer = session.client().send(request).await.map_err(|f| failed(f.error))?;
        let location = answer.headers.get("location").and_then(|value| value.to_str().ok());
        let callback = location.and_then(|location| url::Url::parse(location).ok());
        let callback = callback.ok_or("the app did not send the browser back")?;
        authenticator.exchange(asked, &callback).await.map_err(failed)?;
        runner.settled().await;
        Ok(())
    }
}

/// When a clock of the app is set next after `start`, in milliseconds, ahead or back: a life whose
/// times have no zone of their own is about that day.
fn clock_change(model: &Model, seed: u64, start: i64) -> Option<i64> {
    let start = Timestamp::from_millisecond(start).ok()?;
    let zone = model.zones().next()?;
    let change = zone.following(start).nth(usize::from(seed.is_multiple_of(2)))?;
    Some(change.timestamp().as_millisecond())
}

fn circles() -> String {
    format!("a poll sent more than {MOST_REQUESTS} requests")
}

/// What goes wrong in one life: everything, or one or two things only, so that nothing else hides
/// what they do.
fn draw(possible: &BTreeSet<Fault>, rng: &mut Rng) -> BTreeSet<Fault> {
    let all: Vec<Fault> = possible.iter().copied().collect();
    if all.is_empty() || rng.u8(..3) > 0 {
        return possible.clone();
    }
    let mut chosen: BTreeSet<Fault> =
        (0..rng.usize(1..4)).map(|_| all[rng.usize(..all.len())]).collect();
    // These do not hide anything.
    let quiet = [Fault::Ties, Fault::Late, Fault::Kill];
    chosen.extend(quiet.into_iter().filter(|fault| possible.contains(fault) && rng.bool()));
    chosen
}

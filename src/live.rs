//! Progress while a run goes on: a line per stream that redraws itself on a terminal, plain lines
//! for what matters elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use longshore_engine::poll::{Observer, Progress, StreamReport};

use crate::summary::{duration, minute, number};
use crate::terminal::{complain, live};

/// How often a stream says where it stands without a terminal.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// Shows the progress of a connection's streams on standard error.
#[derive(Clone)]
pub(crate) struct Live(Arc<Mutex<Inner>>);

struct Inner {
    /// `None` without a terminal, and when the lines are taken away.
    bars: Option<MultiProgress>,
    /// Whether polls are reported as they end, because nothing sums them up later.
    watching: bool,
    lines: BTreeMap<String, Line>,
}

struct Line {
    bar: Option<ProgressBar>,
    range: Option<(Timestamp, Timestamp)>,
    watermark: Option<Timestamp>,
    requests: u64,
    events: u64,
    note: String,
    said: Instant,
}

impl Live {
    /// For a run that is summed up at its end.
    pub(crate) fn new() -> Self {
        Self::with(false)
    }

    /// For a run without an end.
    pub(crate) fn watching() -> Self {
        Self::with(true)
    }

    fn with(watching: bool) -> Self {
        let bars = live().then(MultiProgress::new);
        Self(Arc::new(Mutex::new(Inner { bars, watching, lines: BTreeMap::new() })))
    }

    /// What a runner tells its progress to.
    pub(crate) fn observer(&self) -> Observer {
        let live = self.clone();
        Arc::new(move |stream, progress| live.lock().tell(stream, progress))
    }

    /// Says something without disturbing the lines.
    pub(crate) fn say(&self, text: &str) {
        self.lock().say(text);
    }

    /// Takes the lines away, for good.
    pub(crate) fn clear(&self) {
        let mut inner = self.lock();
        // A bar that is dropped later would draw over what is written after this.
        for bar in inner.lines.values_mut().filter_map(|line| line.bar.take()) {
            bar.finish_and_clear();
        }
        inner.bars = None;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn say(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| complain(text)),
            None => complain(text),
        }
    }

    fn tell(&mut self, stream: &str, progress: &Progress) {
        match progress {
            Progress::Warning(text) => self.say(&format!("warning: {stream}: {text}")),
            // The reason names the time.
            Progress::Paused { reason, .. } => self.say(&format!("{stream}: {reason}")),
            Progress::Retrying { error, wait } => {
                let wait = duration((*wait).max(Duration::from_secs(1)));
                self.say(&format!(
                    "{stream}: trying again in {wait}: {}: {}",
                    error.code, error.what
                ));
            }
            Progress::Finished(report) if self.watching => self.report(report),
            _ => {}
        }
        let line = self.lines.entry(stream.to_owned()).or_insert_with(|| Line {
            bar: None,
            range: None,
            watermark: None,
            requests: 0,
            events: 0,
            note: String::new(),
            said: Instant::now(),
        });
        line.follow(progress);
        if let Some(bars) = &self.bars {
            line.draw(stream, bars);
        } else if matches!(progress, Progress::Delivered { .. })
            && line.said.elapsed() >= SIGN_OF_LIFE
        {
            line.said = Instant::now();
            complain(&format!("{stream}: {}{}", line.counts(), up_to(line.watermark)));
        }
    }

    /// Says how a poll ended: a failure always, a success where no line shows it.
    fn report(&self, report: &StreamReport) {
        let StreamReport { stream, delivered, watermark, .. } = report;
        match &report.error {
            Some(error) => self.say(&format!("error: {error}")),
            None if self.bars.is_none() => {
                complain(&format!("{stream}: {} events{}", number(*delivered), up_to(*watermark)));
            }
            None => {}
        }
    }
}

fn up_to(watermark: Option<Timestamp>) -> String {
    watermark.map(|time| format!(", up to {} UTC", minute(time))).unwrap_or_default()
}

impl Line {
    fn follow(&mut self, progress: &Progress) {
        match progress {
            Progress::Started(range) => {
                self.range = range.map(|range| (range.start, range.end));
                self.watermark = range.map(|range| range.start);
                self.note = String::new();
                self.said = Instant::now();
            }
            Progress::Request => self.requests += 1,
            Progress::Delivered { events, watermark, .. } => {
                self.events += events;
                self.watermark = watermark.or(self.watermark);
            }
            Progress::Paused { until, .. } => {
                self.note = format!("paused until {}", minute(*until));
            }
            Progress::Finished(report) => {
                self.note = report.error.as_ref().map_or("done".to_owned(), |e| e.code.to_string());
                if report.error.is_none() {
                    self.watermark = self.range.map(|(_, end)| end);
                }
            }
            Progress::Retrying { .. } | Progress::Records(_) | Progress::Warning(_) => {}
        }
    }

    fn draw(&mut self, stream: &str, bars: &MultiProgress) {
        let share = self.share();
        let message = format!("{} {}", self.counts(), self.note);
        let bar = self.bar.get_or_insert_with(|| {
            let bar = bars.add(ProgressBar::new(1000));
            let style = ProgressStyle::with_template("{prefix:20} [{bar:30}] {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(stream.to_owned());
            bar
        });
        bar.set_position(share);
        bar.set_message(message);
    }

    fn counts(&self) -> String {
        format!("{} events, {} requests", number(self.events), number(self.requests))
    }

    /// How much of the range is delivered, in thousandths.
    fn share(&self) -> u64 {
        let Some(((start, end), at)) = self.range.zip(self.watermark) else {
            return if self.note == "done" { 1000 } else { 0 };
        };
        let whole = (end.as_second() - start.as_second()).max(1);
        let done = (at.as_second() - start.as_second()).clamp(0, whole);
        (done * 1000 / whole) as u64
    }
}

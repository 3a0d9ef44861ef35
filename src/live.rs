//! Progress while a run goes on: a line per stream that redraws itself on a terminal, plain lines
//! for what matters elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use longshore_engine::poll::{Observer, Progress};

use crate::summary::{duration, minute, number};
use crate::terminal::{complain, live};

/// Shows the progress of a connection's streams on standard error.
#[derive(Clone)]
pub(crate) struct Live(Arc<Inner>);

struct Inner {
    bars: Option<MultiProgress>,
    lines: Mutex<BTreeMap<String, Line>>,
}

#[derive(Default)]
struct Line {
    bar: Option<ProgressBar>,
    range: Option<(Timestamp, Timestamp)>,
    watermark: Option<Timestamp>,
    requests: u64,
    events: u64,
    note: String,
}

impl Live {
    pub(crate) fn new() -> Self {
        let bars = live().then(MultiProgress::new);
        Self(Arc::new(Inner { bars, lines: Mutex::default() }))
    }

    /// What a runner tells its progress to.
    pub(crate) fn observer(&self) -> Observer {
        let live = self.clone();
        Arc::new(move |stream, progress| live.tell(stream, progress))
    }

    /// Says something without disturbing the lines.
    pub(crate) fn say(&self, text: &str) {
        match &self.0.bars {
            Some(bars) => bars.suspend(|| complain(text)),
            None => complain(text),
        }
    }

    /// Takes the lines away.
    pub(crate) fn clear(&self) {
        if let Some(bars) = &self.0.bars {
            // A terminal that cannot be cleared keeps the last lines.
            let _ = bars.clear();
        }
    }

    fn tell(&self, stream: &str, progress: &Progress) {
        match progress {
            Progress::Warning(text) => self.say(&format!("warning: {stream}: {text}")),
            Progress::Paused { until, reason } => {
                self.say(&format!("{stream}: paused until {} UTC: {reason}", minute(*until)));
            }
            Progress::Retrying { error, wait } => {
                let wait = duration((*wait).max(Duration::from_secs(1)));
                self.say(&format!(
                    "{stream}: trying again in {wait}: {}: {}",
                    error.code, error.what
                ));
            }
            _ => {}
        }
        let mut lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.entry(stream.to_owned()).or_default();
        match progress {
            Progress::Started(range) => {
                line.range = range.map(|range| (range.start, range.end));
                line.watermark = range.map(|range| range.start);
                line.note = String::new();
            }
            Progress::Request => line.requests += 1,
            Progress::Delivered { events, watermark, .. } => {
                line.events += events;
                line.watermark = watermark.or(line.watermark);
            }
            Progress::Paused { until, .. } => {
                line.note = format!("paused until {}", minute(*until))
            }
            Progress::Finished(report) => {
                line.note = report.error.as_ref().map_or("done".to_owned(), |e| e.code.to_string());
                if report.error.is_none() {
                    line.watermark = line.range.map(|(_, end)| end);
                }
            }
            Progress::Retrying { .. } | Progress::Records(_) | Progress::Warning(_) => {}
        }
        if let Some(bars) = &self.0.bars {
            let share = line.share();
            let bar = line.bar.get_or_insert_with(|| {
                let bar = bars.add(ProgressBar::new(1000));
                let style = ProgressStyle::with_template("{prefix:20} [{bar:30}] {msg}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.set_prefix(stream.to_owned());
                bar
            });
            bar.set_position(share);
            bar.set_message(format!(
                "{} events, {} requests {}",
                number(line.events),
                number(line.requests),
                line.note
            ));
        }
    }
}

impl Line {
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

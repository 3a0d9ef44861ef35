//! The time ranges of a stream with a window, one after the other.

use std::time::Duration;

use jiff::Timestamp;
use longshore_schema::stream::Window;

use crate::error::{Code, Error, Result};
use crate::http::retry::{Decision, Outcome, random};
use crate::poll::progress::Progress;
use crate::poll::session::Refused;
use crate::poll::stream::{Limits, Poll, settings};
use crate::poll::window::{Range, Settings, earlier};

/// How far a clock may be set back between two polls, as it happens where one is corrected.
const CLOCK_STEP: Duration = Duration::from_secs(3600);

impl Poll<'_> {
    /// Reads what is due of a stream with a window.
    pub(super) async fn by_window(&mut self, window: &Window, limits: Limits) -> Result<()> {
        let settings = settings(window, &self.scope(None, &self.facts))?;
        self.settings = Some(settings.clone());
        self.since = limits.since;
        let now = self.session.clock.now();
        self.check_clock(now)?;
        if let (Some(_), Some(watermark)) = (limits.since, self.cursor.watermark) {
            self.warn(format!(
                "everything before {watermark:.0} is delivered already; `since` is for streams that were never read",
            ));
        }
        let due = settings.due(self.cursor.watermark, now, limits.since, limits.until);
        self.tell(&Progress::Started(due.map(|due| due.range)));
        let Some(due) = due else { return Ok(()) };
        self.report.from = Some(due.range.start);
        if let Some(gap) = due.gap {
            self.report.gaps += 1;
            self.warn(format!(
                "DATA_GAP: the app keeps records for {} only; those from {:.0} to {:.0} are gone",
                window.retention.as_ref().map(ToString::to_string).unwrap_or_default(),
                gap.start,
                gap.end,
            ));
        }
        self.windows(&settings, due.range).await?;
        self.cursor.completed_at = Some(self.session.clock.now());
        self.commit(None, true)
    }

    /// A watermark that is far ahead was made by a wrong clock, or is seen by one: nothing would be
    /// due until its time comes, and nobody would know.
    fn check_clock(&self, now: Timestamp) -> Result<()> {
        let Some(watermark) = self.cursor.watermark.filter(|at| earlier(*at, CLOCK_STEP) > now)
        else {
            return Ok(());
        };
        Err(Error::new(Code::StateCorrupt, "everything is delivered up to a time that is to come")
            .cause(format!("up to {watermark:.0}, and this machine's clock shows {now:.0}"))
            .fix("set the clock; if it is right now, it was wrong before: poll with a new state folder, with `--since` the time up to which events were complete"))
    }

    /// Reads a range piece by piece, in smaller pieces where the app cannot do more.
    async fn windows(&mut self, settings: &Settings, range: Range) -> Result<()> {
        // Where items stand each at a place of its own, each has its own pieces: what lists them is
        // read once.
        let whole = self.plan.has_units();
        let (mut at, mut span) = (range.start, settings.span().filter(|_| !whole));
        while at < range.end {
            let piece = settings.piece(range, at, span);
            self.cursor.window = Some((piece.start, piece.end));
            match self.settled(Some(piece)).await {
                Ok(()) => {
                    at = piece.end;
                    // Pieces behind this one may begin before the watermark: their keys are of use
                    // still.
                    self.cursor.window = (at < range.end).then_some((at, range.end));
                    // What was seen is of the piece that is over.
                    self.seen.start_reading();
                    // Whatever happens to the next piece, this one is delivered.
                    self.commit(Some(at), false)?;
                    span = settings.wider(span).filter(|_| !whole);
                }
                Err(Refused::SplitWindow(error)) => {
                    span = Some(self.narrower(settings, piece, error)?);
                }
                Err(other) => return Err(other.into_error()),
            }
        }
        Ok(())
    }

    /// How long the next piece may be after the app could not answer for this one.
    pub(super) fn narrower(
        &self,
        settings: &Settings,
        piece: Range,
        error: Error,
    ) -> Result<Duration> {
        let Some(half) = settings.half(piece) else {
            return Err(error
                .cause("the window is as short as the app's time resolution, and still too much")
                .fix("ask for fewer fields, or raise the app's limits"));
        };
        self.warn(format!(
            "the app cannot answer for {:.0} to {:.0} at once: reading it in halves",
            piece.start, piece.end
        ));
        Ok(half)
    }

    /// Reads one piece until it is complete, again from its start (or, for records in order, from
    /// the last one delivered) where a failure may pass.
    pub(super) async fn settled(&mut self, piece: Option<Range>) -> Result<(), Refused> {
        let mut attempt = 1;
        loop {
            let delivered = self.report.delivered;
            let from = piece.map(|piece| self.resume(piece));
            if from == Some(None) {
                return Ok(());
            }
            let from = from.flatten();
            let refused = match self.read(from).await {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            // What is in hand stays there. Some of it may be of windows that are complete, and what
            // is of this one is read again and known by its keys.
            let error = match refused {
                Refused::Failed(error) if !error.is_permanent() && worth_another(&error) => error,
                Refused::RestartWindow(error) if !self.has_expired() => error,
                other => return Err(other),
            };
            if self.report.delivered > delivered {
                attempt = 1;
            }
            match self.session.plan.retry.decide(attempt, Outcome::Transient, None, random()) {
                Decision::GiveUp => return Err(Refused::Failed(error)),
                Decision::RetryAfter(wait) => {
                    attempt += 1;
                    self.tell(&Progress::Retrying { error, wait });
                    let session = self.session;
                    self.meanwhile(session.clock.sleep(wait)).await?;
                }
            }
        }
    }

    /// The part of a piece that is still to be read; `None` if that is nothing.
    fn resume(&self, piece: Range) -> Option<Range> {
        let settings = self.settings.as_ref();
        let settings = settings.filter(|settings| settings.ascending && !self.promise_broken);
        match settings.zip(self.cursor.watermark) {
            Some((settings, watermark)) => settings.resume(piece, watermark),
            None => Some(piece),
        }
    }
}

/// Failures of a window that may pass when it is read again; those of a single request have been
/// tried again already.
fn worth_another(error: &Error) -> bool {
    matches!(
        error.code,
        Code::DataIncomplete
            | Code::DataParse
            | Code::DataCursorExpired
            | Code::PageLoop
            | Code::AppTimeout
            | Code::NetUnreachable
    )
}

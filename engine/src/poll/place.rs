//! Streams that go on from a place that the app keeps for us.

use std::cmp::Ordering;
use std::collections::HashSet;

use jiff::SignedDuration;
use longshore_schema::stream::{Cursor, Expired};

use crate::error::{Code, Error, Result};
use crate::map::Record;
use crate::poll::item::document;
use crate::poll::pages::hash;
use crate::poll::progress::Progress;
use crate::poll::session::Refused;
use crate::poll::steps::{text, text_at};
use crate::poll::stream::Poll;
use crate::render::render;

/// The longest place that an app can hand out, in bytes: it is a line of a request.
const MAX_PLACE: usize = 64 << 10;

impl Poll<'_> {
    /// Reads on from where the stream stopped, until the app has nothing more.
    pub(super) async fn by_cursor(&mut self, settings: &Cursor) -> Result<()> {
        self.tell(&Progress::Started(None));
        let first = match &settings.first {
            Some(first) => render(&first.value.0, &self.scope(None, &self.facts))?,
            None => None,
        };
        self.check_age(settings)?;
        let mut seen = HashSet::new();
        loop {
            self.place = self.cursor.position.clone().or_else(|| first.clone());
            self.greatest = None;
            match self.settled(None).await {
                Ok(()) => {}
                Err(Refused::RestartWindow(error)) if self.cursor.position.is_some() => {
                    self.expired(settings, error)?;
                    continue;
                }
                Err(other) => return Err(other.into_error()),
            }
            let moved = self.moved(settings)?;
            if let Some(next) = moved.clone() {
                if !seen.insert(hash(&next)) {
                    return Err(standing("it named a place that had been read from already"));
                }
                self.cursor.position = Some(next);
                self.cursor.position_at = Some(self.session.clock.now());
                self.commit(None, false)?;
            } else if self.cursor.position.is_some() {
                // The app has just read on from it, so it still knows it.
                self.cursor.position_at = Some(self.session.clock.now());
            }
            // An app that has pages has shown all of them.
            let has_pages = self.plan.steps.iter().any(|step| step.pages.is_some());
            if has_pages || moved.is_none() || self.seen.records == 0 {
                break;
            }
        }
        self.cursor.completed_at = Some(self.session.clock.now());
        self.commit(None, true)
    }

    /// The place after what was read, if it is another one.
    fn moved(&mut self, settings: &Cursor) -> Result<Option<String>> {
        let came = self.seen.records > 0;
        let next = match &settings.next {
            Some(path) => {
                let answer = self.envelope.take().unwrap_or_default();
                let next = text_at(path, &answer).filter(|next| !next.is_empty());
                if next.is_none() && came {
                    return Err(Error::new(
                        Code::DataIncomplete,
                        "the app does not say where to go on",
                    )
                    .cause(format!("`{}` finds nothing in its last answer", path.value))
                    .fix("compare `cursor.next` with a response of the app"));
                }
                if came && next == self.place {
                    return Err(standing("records came, and the place stayed the same"));
                }
                next
            }
            None => self.greatest.take(),
        };
        if let Some(next) = next.as_ref().filter(|next| next.len() > MAX_PLACE) {
            return Err(Error::new(Code::DataTooLarge, "the place to go on from is too long")
                .cause(format!("it has {} bytes", next.len()))
                .fix("check that `cursor` leads to the right member of the response"));
        }
        Ok(next.filter(|next| Some(next) != self.cursor.position.as_ref()))
    }

    /// Whether an app that wants a window to be read again means that it does not know our place.
    pub(super) fn has_expired(&self) -> bool {
        self.plan.cursor.is_some() && self.cursor.position.is_some() && self.seen.pages == 0
    }

    /// A place that is older than the app keeps places is not worth a request.
    fn check_age(&mut self, settings: &Cursor) -> Result<()> {
        let (Some(at), Some(expires), Some(_)) =
            (self.cursor.position_at, &settings.expires, &self.cursor.position)
        else {
            return Ok(());
        };
        let age = self.started.duration_since(at);
        if age <= SignedDuration::try_from(expires.0).unwrap_or(SignedDuration::MAX) {
            return Ok(());
        }
        let error = Error::new(Code::DataCursorExpired, "the place to go on from is too old")
            .cause(format!("the app handed it out at {at:.0}, and keeps it for {}", expires.value));
        self.expired(settings, error)
    }

    /// The app does not know our place any more.
    fn expired(&mut self, settings: &Cursor, error: Error) -> Result<()> {
        if settings.expired.value == Expired::Stop {
            return Err(error.fix(
                "what happened since may be lost: find out, then poll with a new state folder, or write `expired: restart` into the stream's `cursor`",
            ));
        }
        self.report.gaps += 1;
        self.warn(format!(
            "DATA_GAP: {}; the stream starts again from the first place, and what lies between may be lost",
            error.what
        ));
        self.cursor.position = None;
        self.cursor.position_at = None;
        Ok(())
    }

    /// Notes how far a record leads, where the app's place is the greatest of its records.
    pub(super) fn note_place(&mut self, record: &Record<'_>) {
        let Some(path) = self.plan.cursor.as_ref().and_then(|cursor| cursor.last.as_ref()) else {
            return;
        };
        let Ok(document) = document(record) else { return };
        let Some(found) = path.first(&document).filter(|value| !value.is_null()) else { return };
        let found = text(found);
        let reached = self.greatest.as_ref().or(self.place.as_ref());
        if reached.is_none_or(|reached| order(&found, reached) == Ordering::Greater) {
            self.greatest = Some(found);
        }
    }
}

/// Ids are compared as numbers if both are, otherwise letter by letter.
fn order(a: &str, b: &str) -> Ordering {
    match (a.parse::<u128>(), b.parse::<u128>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(b),
    }
}

fn standing(cause: &str) -> Error {
    Error::new(Code::PageLoop, "the app's place does not move")
        .cause(cause)
        .fix("nothing is lost; check that the request sends `cursor.value`, and where `cursor.next` looks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_greater_by_value_and_texts_by_letters() {
        assert_eq!(order("10", "9"), Ordering::Greater);
        assert_eq!(order("01HXA", "01HX9"), Ordering::Greater);
        assert_eq!(order("7", "7"), Ordering::Equal);
    }
}

//! Streams that are read whole: what was added, what changed, what is gone.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::{Code, Error, Result};
use crate::map::Record;
use crate::plan::ChangesPlan;
use crate::poll::item::document;
use crate::poll::progress::Progress;
use crate::poll::session::Refused;
use crate::poll::stream::Poll;
use crate::state::{Known, Shown};

/// Records that are gone are looked for this many at a time.
const GONE_AT_ONCE: u32 = 500;

impl Poll<'_> {
    /// Reads a stream without window or cursor.
    pub(super) async fn by_snapshot(&mut self) -> Result<()> {
        self.tell(&Progress::Started(None));
        let tells_changes = self.plan.changes.is_some();
        if tells_changes {
            self.start_snapshot();
        }
        self.settled(None).await.map_err(Refused::into_error)?;
        if tells_changes {
            self.gone()?;
            self.cursor.in_snapshot = false;
            self.cursor.snapshot_has_gaps = false;
        }
        self.cursor.completed_at = Some(self.session.clock.now());
        self.commit(None, true)
    }

    /// A snapshot that was cut short goes on if its items say which of them are read; otherwise a
    /// new one begins.
    fn start_snapshot(&mut self) {
        let last = self.cursor.snapshot;
        let goes_on = self.cursor.in_snapshot && self.plan.has_units();
        let number = if let Some(number) = last.filter(|_| goes_on) {
            number
        } else {
            self.cursor.snapshot_has_gaps = false;
            let now = self.started.as_millisecond();
            last.map_or(now, |last| now.max(last + 1))
        };
        self.snapshot = Some(number);
        self.cursor.snapshot = Some(number);
        self.cursor.in_snapshot = true;
    }

    /// Takes a record of a snapshot: delivered if it is new or changed, and noted in any case.
    ///
    /// # Errors
    /// Why it was set aside.
    pub(super) fn changed(
        &mut self,
        changes: &ChangesPlan,
        record: Record<'_>,
    ) -> Result<(), String> {
        let number = self.snapshot.unwrap_or_default();
        let noted = document(&record).and_then(|document| {
            let known = identity(changes, &document)
                .ok_or_else(|| Error::new(Code::DataMapping, "a part of its key is missing"))?;
            Ok((known, document))
        });
        let (known, mut document) = match noted {
            Ok(noted) => noted,
            Err(error) => {
                // What cannot be known again cannot be told to be gone either.
                self.cursor.snapshot_has_gaps = true;
                self.outbox.set_aside(&record, &error.what);
                return Err(error.what.clone());
            }
        };
        let kept = changes.gone.as_ref().map(|(_, paths)| {
            let redacted = self.plan.mapper.redacted(&record);
            let redacted = redacted.map(|bytes| serde_json::from_slice(&bytes).unwrap_or_default());
            keep(redacted.as_ref().unwrap_or(&document), paths).to_string()
        });
        let digest = digest(changes, &mut document);
        let before = self.outbox.shown(&known).map_err(|error| error.what.clone())?;
        let shown = Shown { record: known, digest, snapshot: number, kept };
        if before.as_ref().is_some_and(|before| before.digest == digest) {
            self.outbox.show(shown);
            return Ok(());
        }
        match self.outbox.take_version(record, version(&digest, number)) {
            Ok(()) => {
                self.outbox.show(shown);
                Ok(())
            }
            Err(reason) => {
                // It is there all the same, and tried again when the mapping is better.
                if let Some(before) = before {
                    self.outbox.show(Shown { digest: before.digest, ..shown });
                }
                Err(reason)
            }
        }
    }

    /// Delivers and forgets what a whole snapshot did not show.
    fn gone(&mut self) -> Result<()> {
        let (Some(number), Some(changes)) = (self.snapshot, &self.plan.changes) else {
            return Ok(());
        };
        self.commit(None, false)?;
        if self.cursor.snapshot_has_gaps {
            self.warn(
                "some of the app's answer was left out: what is gone is told by the next snapshot"
                    .to_owned(),
            );
            return Ok(());
        }
        let (all, missed) = self.outbox.missed(number)?;
        if missed > 0 && missed == all {
            self.warn(format!(
                "DATA_GAP: the app shows none of {all} records that it had; they are not taken for gone until it shows another one",
            ));
            return Ok(());
        }
        let mut after = Known::default();
        loop {
            let gone = self.outbox.not_shown(number, &after, GONE_AT_ONCE)?;
            let Some(last) = gone.last() else { return Ok(()) };
            after = last.record;
            for shown in gone {
                if let (Some((mapper, _)), Some(kept)) = (&changes.gone, &shown.kept) {
                    let version = version(&shown.record, number);
                    let taken = self.outbox.take_gone(mapper, kept.as_bytes(), version);
                    self.report.rejected += u64::from(taken.is_err());
                }
                self.outbox.forget_shown(shown.record);
                self.commit_if_due()?;
            }
            self.commit(None, false)?;
        }
    }
}

/// What a record is known by; `None` if a part of its key is missing.
fn identity(changes: &ChangesPlan, document: &Value) -> Option<Known> {
    let mut hash = Sha256::new();
    for path in &changes.key {
        write(path.first(document).filter(|value| !value.is_null())?, &mut hash);
    }
    Some(first_half(hash))
}

/// A hash of what counts of a record's content.
fn digest(changes: &ChangesPlan, document: &mut Value) -> Known {
    let mut hash = Sha256::new();
    if changes.compare.is_empty() {
        for path in &changes.ignore {
            if let Some(members) = path.members() {
                remove(document, &members);
            }
        }
        write(document, &mut hash);
    }
    for path in &changes.compare {
        for found in path.select(document) {
            write(found, &mut hash);
        }
        hash.update([0]);
    }
    first_half(hash)
}

/// What tells an event about a record from the others about it.
fn version(of: &Known, snapshot: i64) -> Known {
    let mut hash = Sha256::new();
    hash.update(of);
    hash.update(snapshot.to_le_bytes());
    first_half(hash)
}

fn first_half(hash: Sha256) -> Known {
    let mut half = Known::default();
    half.copy_from_slice(&hash.finalize()[..16]);
    half
}

/// Hashes a value so that the order of members does not count.
fn write(value: &Value, hash: &mut Sha256) {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            hash.update([b'{']);
            hash.update((sorted.len() as u64).to_le_bytes());
            for (name, value) in sorted {
                hash.update((name.len() as u64).to_le_bytes());
                hash.update(name.as_bytes());
                write(value, hash);
            }
        }
        Value::Array(items) => {
            hash.update([b'[']);
            hash.update((items.len() as u64).to_le_bytes());
            for item in items {
                write(item, hash);
            }
        }
        scalar => {
            let text = scalar.to_string();
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
    }
}

fn remove(value: &mut Value, members: &[&str]) {
    match members {
        [] => {}
        [last] => {
            if let Value::Object(object) = value {
                object.remove(*last);
            }
        }
        [first, rest @ ..] => {
            if let Some(inner) = value.get_mut(*first) {
                remove(inner, rest);
            }
        }
    }
}

/// A record with what these paths select, and nothing else.
fn keep(document: &Value, paths: &[longshore_schema::JsonPath]) -> Value {
    let mut kept = Value::Object(serde_json::Map::new());
    for path in paths {
        let members = path.members();
        match members.as_deref() {
            Some(members @ [_, ..]) => {
                if let Some(found) = path.first(document) {
                    put(&mut kept, members, found);
                }
            }
            // A path that looks around needs all of what it looks into.
            _ => return document.clone(),
        }
    }
    kept
}

fn put(into: &mut Value, members: &[&str], value: &Value) {
    let (Value::Object(object), [first, rest @ ..]) = (into, members) else { return };
    if rest.is_empty() {
        object.insert((*first).to_owned(), value.clone());
        return;
    }
    let inner =
        object.entry((*first).to_owned()).or_insert_with(|| Value::Object(serde_json::Map::new()));
    put(inner, rest, value);
}

#[cfg(test)]
mod tests {
    use longshore_schema::JsonPath;
    use longshore_schema::scalar::Scalar as _;
    use serde_json::json;

    use super::*;

    fn changes(compare: &[&str], ignore: &[&str]) -> ChangesPlan {
        let paths = |texts: &[&str]| texts.iter().map(|t| JsonPath::parse(t).unwrap()).collect();
        ChangesPlan {
            key: paths(&["$.id"]),
            compare: paths(compare),
            ignore: paths(ignore),
            gone: None,
        }
    }

    fn digest_of(changes: &ChangesPlan, mut document: Value) -> Known {
        digest(changes, &mut document)
    }

    #[test]
    fn what_does_not_count_changes_nothing() {
        let all = changes(&[], &["$.seen", "$.a.seen"]);
        let one = json!({ "id": 1, "name": "x", "seen": 1, "a": { "seen": 2, "b": 3 } });
        let same = json!({ "seen": 9, "a": { "b": 3 }, "name": "x", "id": 1 });
        let other = json!({ "id": 1, "name": "y", "a": { "b": 3 } });
        assert_eq!(digest_of(&all, one.clone()), digest_of(&all, same.clone()));
        assert_ne!(digest_of(&all, one.clone()), digest_of(&all, other.clone()));
        let some = changes(&["$.a.b", "$.id"], &[]);
        assert_eq!(digest_of(&some, one), digest_of(&some, other));
        // Values of one path are not those of the next.
        let two = changes(&["$.x[*]", "$.y[*]"], &[]);
        let left = json!({ "x": [1, 2], "y": [3] });
        let right = json!({ "x": [1], "y": [2, 3] });
        assert_ne!(digest_of(&two, left), digest_of(&two, right));
    }

    #[test]
    fn only_what_is_needed_is_kept() {
        let paths = |texts: &[&str]| -> Vec<_> {
            texts.iter().map(|text| JsonPath::parse(text).unwrap()).collect()
        };
        let record = json!({ "id": 1, "big": "x", "a": { "b": 2, "c": 3 } });
        assert_eq!(
            keep(&record, &paths(&["$.id", "$.a.b", "$.none"])),
            json!({ "id": 1, "a": { "b": 2 } })
        );
        assert_eq!(keep(&record, &paths(&["$.a", "$.a.b"])), json!({ "a": { "b": 2, "c": 3 } }));
        assert_eq!(keep(&record, &paths(&["$.a[*]"])), record);
    }
}

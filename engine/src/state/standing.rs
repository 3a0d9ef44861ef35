//! Where a stream stands, as a document that another state can go on from: for platforms that keep
//! the state of connectors themselves and give it back with the next start.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::quotas::{Spending, spend, spendings};
use super::{Advance, Begun, Cursor, Failure, KeyWriter, Known, Shown, Store, StreamId};
use crate::error::{Code, Error, Result};

/// The version of the document that this program writes and reads.
const VERSION: u64 = 1;

/// The most delivered keys that a document has. Beyond them the earliest are left out: if the app
/// shows those records again, within the overlap of a window, their events are delivered again, with
/// the same `metadata.uid`.
pub const MOST_KEYS: usize = 100_000;

/// Keys by time.
type Keys = Vec<(i64, Vec<Known>)>;

/// Where a stream stands: its cursor and all by which it knows what was delivered. Binary parts are
/// in base64 (RFC 4648, section 4), times in milliseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    version: u64,
    #[serde(default)]
    cursor: Option<Cursor>,
    /// Items that were delivered whole, and their times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    finished: Vec<(String, i64)>,
    /// Items that are read again and again, and up to when they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    read: Vec<(String, i64)>,
    /// Items whose reading was not finished: since when and up to when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    begun: Vec<(String, i64, i64)>,
    /// What the last snapshot showed: record, digest, number of the snapshot, what is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shown: Vec<(String, String, i64, Option<String>)>,
    /// Keys of what was delivered, those of one time together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keys: Vec<(i64, String)>,
    /// What the connection had spent of its quotas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    quotas: Vec<Spending>,
    /// How many keys there were beyond [`MOST_KEYS`].
    #[serde(skip)]
    left_out: u64,
}

impl Standing {
    /// Reads a document; `stream` is named in the error.
    ///
    /// # Errors
    /// [`Code::StateCorrupt`] if it is of a later version, damaged, or something else.
    pub fn read(stream: &str, document: &Value) -> Result<Self> {
        match document.get("version").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(other) => {
                return Err(refused(stream, "was written by a newer version")
                    .cause(format!("it has version {other}; this program reads {VERSION}"))
                    .fix("run the newer version of Longshore"));
            }
            None => return Err(damaged(stream, "it has no `version`")),
        }
        // What serde says may repeat a value, such as what is kept of a record.
        let standing = Self::deserialize(document).map_err(|_| {
            damaged(stream, "some of its members are missing, unknown or of another type")
        })?;
        standing.parts().ok_or_else(|| damaged(stream, "a part of it is not base64 of keys"))?;
        Ok(standing)
    }

    /// How many keys there were beyond [`MOST_KEYS`], which are not in the document.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The binary parts; `None` if one is not what it should be.
    fn parts(&self) -> Option<(Advance, Keys)> {
        let begun = self.begun.iter();
        let shown = self.shown.iter();
        let advance = Advance {
            reached: self
                .read
                .iter()
                .map(|(item, up_to)| Some((one(item)?, *up_to)))
                .collect::<Option<_>>()?,
            begun: begun
                .map(|(item, since, up_to)| {
                    Some((one(item)?, Begun { since: *since, up_to: *up_to }))
                })
                .collect::<Option<_>>()?,
            shown: shown
                .map(|(record, digest, snapshot, kept)| {
                    Some(Shown {
                        record: one(record)?,
                        digest: one(digest)?,
                        snapshot: *snapshot,
                        kept: kept.clone(),
                    })
                })
                .collect::<Option<_>>()?,
            ..Advance::default()
        };
        let keys = self.keys.iter().map(|(time, keys)| Some((*time, several(keys)?)));
        Some((advance, keys.collect::<Option<_>>()?))
    }
}

impl Store {
    /// Where a stream stands, and what its connection had spent of its quotas then. It can be large:
    /// up to [`MOST_KEYS`] keys of 22 bytes, a line for each item of the stream, and for one that
    /// tells changes, one for each record that the app has.
    ///
    /// # Errors
    /// Those of the state.
    pub fn standing(&self, stream: StreamId) -> Result<Standing> {
        self.read("reading where a stream stands", |database| read(database, stream))
    }

    /// Lets a stream that this state knows nothing of stand where another one stood.
    ///
    /// # Errors
    /// [`Code::StateCorrupt`] if the stream was polled already, and those of the state.
    pub fn restore(&self, stream: StreamId, standing: &Standing) -> Result<()> {
        let (advance, keys) =
            standing.parts().ok_or_else(|| damaged("a stream", "it was read unchecked"))?;
        self.write("restoring where a stream stands", |transaction| {
            let stood = transaction
                .prepare_cached("SELECT 1 FROM cursors WHERE stream = ?1")?
                .exists([stream.0])?;
            if stood {
                return Err(Error::new(
                    Code::StateCorrupt,
                    "a state was to be put over another one",
                )
                .cause("the stream was polled already")
                .fix("give an empty state folder")
                .into());
            }
            if let Some(cursor) = &standing.cursor {
                cursor.store(transaction, stream)?;
            }
            spend(transaction, &connection(transaction, stream)?, &standing.quotas)?;
            finish(transaction, stream, &standing.finished)?;
            advance.store(transaction, stream)?;
            let mut writer = KeyWriter::new(transaction, stream)?;
            for (time, keys) in &keys {
                for key in keys {
                    let _ = writer.insert(key, *time)?;
                }
            }
            writer.finish()
        })
    }
}

fn finish(
    transaction: &Transaction<'_>,
    stream: StreamId,
    finished: &[(String, i64)],
) -> Result<(), Failure> {
    let mut finish = transaction.prepare_cached(
        "INSERT OR REPLACE INTO finished_items (stream, item, time) VALUES (?1, ?2, ?3)",
    )?;
    for (item, time) in finished {
        finish.execute(params![stream.0, item, time])?;
    }
    Ok(())
}

/// Where a stream stands, within one transaction.
pub(crate) fn read(database: &rusqlite::Connection, stream: StreamId) -> Result<Standing, Failure> {
    let id = stream.0;
    let cursor: Option<String> = database
        .prepare_cached("SELECT document FROM cursors WHERE stream = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let cursor = cursor.map(|document| serde_json::from_str(&document)).transpose();
    let cursor = cursor.map_err(|error| {
        Error::new(Code::StateCorrupt, "a cursor in the state is damaged").cause(error.to_string())
    })?;
    let finished = database
        .prepare_cached("SELECT item, time FROM finished_items WHERE stream = ?1 ORDER BY item")?
        .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let reached = database
        .prepare_cached("SELECT item, up_to FROM read_items WHERE stream = ?1")?
        .query_map([id], |row| Ok((text(&row.get::<_, Known>(0)?), row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let begun = database
        .prepare_cached("SELECT item, since, up_to FROM begun_items WHERE stream = ?1")?
        .query_map([id], |row| Ok((text(&row.get::<_, Known>(0)?), row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let shown = database
        .prepare_cached(
            "SELECT record, digest, snapshot, kept FROM shown_records WHERE stream = ?1",
        )?
        .query_map([id], |row| {
            let (record, digest) = (row.get::<_, Known>(0)?, row.get::<_, Known>(1)?);
            Ok((text(&record), text(&digest), row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let (keys, left_out) = keys(database, stream, MOST_KEYS)?;
    Ok(Standing {
        version: VERSION,
        cursor,
        finished,
        read: reached,
        begun,
        shown,
        keys,
        quotas: spendings(database, &connection(database, stream)?)?,
        left_out,
    })
}

/// The connection of a stream.
fn connection(database: &rusqlite::Connection, stream: StreamId) -> Result<String, Failure> {
    Ok(database
        .prepare_cached("SELECT connection FROM streams WHERE id = ?1")?
        .query_row([stream.0], |row| row.get(0))?)
}

/// The latest `most` keys that are still of use, and how many more there are.
fn keys(
    database: &rusqlite::Connection,
    stream: StreamId,
    most: usize,
) -> Result<(Vec<(i64, String)>, u64), Failure> {
    let since: Option<i64> = database
        .prepare_cached("SELECT keys_needed_since FROM streams WHERE id = ?1")?
        .query_row([stream.0], |row| row.get(0))?;
    let since = since.unwrap_or(i64::MIN);
    let mut by_time: BTreeMap<i64, Vec<u8>> = BTreeMap::new();
    let (mut held, mut left_out) = (0_usize, 0_u64);
    // Never more in memory than what is wanted and one group of keys.
    let mut take = |time: i64, keys: &[u8]| {
        by_time.entry(time).or_default().extend_from_slice(keys);
        held += keys.len() / size_of::<Known>();
        while held > most {
            let Some(mut first) = by_time.first_entry() else { break };
            let known = first.get().len() / size_of::<Known>();
            let surplus = known.min(held - most);
            first.get_mut().truncate((known - surplus) * size_of::<Known>());
            if surplus == known {
                first.remove();
            }
            held -= surplus;
            left_out += surplus as u64;
        }
    };
    let mut rows = database
        .prepare_cached("SELECT time, key FROM seen_keys WHERE stream = ?1 AND time >= ?2")?;
    let mut rows = rows.query(params![stream.0, since])?;
    while let Some(row) = rows.next()? {
        take(row.get(0)?, &row.get::<_, Known>(1)?);
    }
    let mut blocks = database
        .prepare_cached("SELECT time, keys FROM seen_blocks WHERE stream = ?1 AND time >= ?2")?;
    let mut blocks = blocks.query(params![stream.0, since])?;
    while let Some(block) = blocks.next()? {
        take(block.get(0)?, &block.get::<_, Vec<u8>>(1)?);
    }
    let keys = by_time.into_iter().map(|(time, keys)| (time, BASE64_STANDARD.encode(keys)));
    Ok((keys.collect(), left_out))
}

fn text(known: &Known) -> String {
    BASE64_STANDARD.encode(known)
}

fn one(text: &str) -> Option<Known> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}

fn several(text: &str) -> Option<Vec<Known>> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    let (keys, rest) = bytes.as_chunks();
    rest.is_empty().then(|| keys.to_vec())
}

fn damaged(stream: &str, cause: &str) -> Error {
    refused(stream, "is damaged, or not one of Longshore").cause(cause).fix(
        "give back the state exactly as the last read gave it out; without it the stream starts \
         again with its history",
    )
}

fn refused(stream: &str, what: &str) -> Error {
    Error::new(Code::StateCorrupt, format!("the given state of `{stream}` {what}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::sink::{Batch, Commit, Dedupe, Delivery};

    fn key(number: u8) -> Known {
        [number; 16]
    }

    fn time(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    struct Bench(tempfile::TempDir);

    impl Bench {
        fn new() -> (Self, Delivery, StreamId) {
            let folder = tempfile::tempdir().unwrap();
            let store = Arc::new(Store::open(&folder.path().join("state")).unwrap());
            let stream = store.stream("acme", "sign_ins").unwrap();
            let delivery = Delivery::open(store, &folder.path().join("events")).unwrap();
            (Self(folder), delivery, stream)
        }

        fn lines(&self) -> usize {
            let file = self.0.path().join("events/sign_ins.jsonl");
            std::fs::read_to_string(file).map_or(0, |text| text.lines().count())
        }
    }

    fn commit(delivery: &Delivery, stream: StreamId, numbers: &[u8], forget: Option<i64>) -> u64 {
        let mut batch = Batch::new();
        for number in numbers {
            let time = i64::from(*number) * 1000;
            batch.push(key(*number), time, Dedupe::Check, b"{}");
        }
        let cursor = Cursor { watermark: Some(time(7)), ..Cursor::default() };
        let shown = Shown { record: key(1), digest: key(2), snapshot: 3, kept: Some("{}".into()) };
        let advance = Advance {
            reached: vec![(key(3), 4)],
            begun: vec![(key(4), Begun { since: 5, up_to: 6 })],
            shown: vec![shown],
            ..Advance::default()
        };
        let committed = delivery.commit(Commit {
            stream,
            file: "sign_ins.jsonl",
            batch: &batch,
            cursor: Some(&cursor),
            forget_keys_before: forget.map(time),
            finished: &[("file".to_owned(), time(8))],
            forget_finished_before: None,
            advance: Some(&advance),
        });
        committed.unwrap().delivered
    }

    /// Through text, as a platform keeps it.
    fn round(standing: &Standing) -> Standing {
        let text = serde_json::to_string(standing).unwrap();
        Standing::read("sign_ins", &serde_json::from_str(&text).unwrap()).unwrap()
    }

    #[test]
    fn another_state_goes_on_and_delivers_nothing_twice() {
        // So many that some of them are kept in a block.
        let all: Vec<u8> = (0..100).collect();
        let (_first, delivery, stream) = Bench::new();
        assert_eq!(commit(&delivery, stream, &all, None), 100);
        let standing = delivery.store().standing(stream).unwrap();

        let (second, delivery, _) = Bench::new();
        let stream = delivery.store().stream("acme", "other").unwrap();
        delivery.store().restore(stream, &round(&standing)).unwrap();
        let mut again = delivery.store().standing(stream).unwrap();
        again.left_out = standing.left_out;
        assert_eq!(again, standing);
        assert!(delivery.store().is_finished(stream, "file").unwrap());
        assert_eq!(delivery.store().begun_since(stream).unwrap(), Some(5));
        assert_eq!(commit(&delivery, stream, &all, None), 0);
        assert_eq!(commit(&delivery, stream, &[100, 50], None), 1);
        assert_eq!(second.lines(), 1);
    }

    #[test]
    fn what_was_spent_is_not_forgotten() {
        use super::super::{QuotaBucket, QuotaSnapshot};

        let (_first, delivery, stream) = Bench::new();
        let snapshot = |seen| QuotaSnapshot { unsettled: 3, seen, ..QuotaSnapshot::default() };
        let bucket = |ends, calls| {
            let earliest = if ends == 10 { i64::MAX } else { 4 };
            QuotaBucket { ends, earliest, calls, reported: 1 }
        };
        let spend = |seen, ends, calls| {
            let (snapshot, buckets) = (snapshot(seen), [bucket(ends, calls)]);
            delivery.store().store_quota("acme", "daily", &snapshot, &buckets, 0).unwrap();
            round(&delivery.store().standing(stream).unwrap())
        };
        let (before, after) = (spend(1, 10, 5), spend(2, 20, 7));
        let other = StreamId(stream.0 + 1);
        for both in [[&before, &after], [&after, &before]] {
            let (_second, delivery, stream) = Bench::new();
            assert_eq!(delivery.store().stream("acme", "users").unwrap(), other);
            delivery.store().restore(stream, both[0]).unwrap();
            delivery.store().restore(other, both[1]).unwrap();
            let known = delivery.store().quota("acme", "daily", 0).unwrap();
            assert_eq!(known, (snapshot(2), vec![bucket(10, 5), bucket(20, 7)]));
        }
    }

    #[test]
    fn keys_of_no_use_are_left_behind() {
        let (_bench, delivery, stream) = Bench::new();
        commit(&delivery, stream, &[1, 2, 3], Some(2));
        let standing = delivery.store().standing(stream).unwrap();
        let times: Vec<_> = standing.keys.iter().map(|(time, _)| *time).collect();
        assert_eq!((times, standing.left_out()), (vec![2000, 3000], 0));
    }

    #[test]
    fn of_too_many_keys_the_latest_are_kept() {
        let (_bench, delivery, stream) = Bench::new();
        commit(&delivery, stream, &(0..100).collect::<Vec<_>>(), None);
        commit(&delivery, stream, &[200, 150], None);
        let kept = delivery.store().read("testing", |database| keys(database, stream, 3)).unwrap();
        let (kept, left_out) = kept;
        assert_eq!(left_out, 99);
        let count: usize = kept.iter().map(|(_, keys)| several(keys).unwrap().len()).sum();
        assert_eq!(count, 3);
        assert_eq!(kept.last().unwrap(), &(200_000, text(&key(200))));
    }

    #[test]
    fn what_is_no_standing_is_refused_by_the_name_of_the_stream() {
        let whole = json!({ "version": 1, "cursor": null, "keys": [[1, text(&key(1))]] });
        assert!(Standing::read("sign_ins", &whole).is_ok());
        for (document, cause) in [
            (json!(null), "no `version`"),
            (json!({ "cursor": "2026-01-01" }), "no `version`"),
            (json!({ "version": 2 }), "reads 1"),
            (json!({ "version": 1, "cursor": 7 }), "another type"),
            (json!({ "version": 1, "cursor": { "watermark": "yesterday" } }), "another type"),
            (json!({ "version": 1, "more": 7 }), "unknown"),
            (json!({ "version": 1, "keys": [[1, "YWJj"]] }), "base64"),
            (json!({ "version": 1, "read": [["*", 1]] }), "base64"),
        ] {
            let error = Standing::read("sign_ins", &document).unwrap_err();
            assert_eq!(error.code, Code::StateCorrupt);
            let text = error.to_string();
            assert!(text.contains("`sign_ins`") && text.contains(cause), "{document}: {text}");
        }
    }

    #[test]
    fn a_stream_that_stands_somewhere_is_not_moved() {
        let (_bench, delivery, stream) = Bench::new();
        commit(&delivery, stream, &[1], None);
        let standing = delivery.store().standing(stream).unwrap();
        let error = delivery.store().restore(stream, &standing).unwrap_err();
        assert_eq!(error.code, Code::StateCorrupt);
    }
}

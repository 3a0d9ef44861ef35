//! Maps records anew that could not be mapped, after the manifest was mended.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;

use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::map::Record;
use crate::plan::StreamPlan;
use crate::poll::outbox::{Forget, Outbox};
use crate::sink::{Delivery, Spool};
use crate::state::file_failure;

/// What became of the records of a stream that were set aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// The stream.
    pub stream: String,
    /// Events that were delivered.
    pub delivered: u64,
    /// Events that had been delivered before.
    pub duplicates: u64,
    /// Records that are still set aside.
    pub left: u64,
    /// Why the first of those is.
    pub reason: Option<String>,
}

/// A line of the file of what was set aside.
#[derive(Deserialize)]
struct SetAside<'l> {
    /// `None` for an item, which has no records to map.
    #[serde(borrow)]
    record: Option<Cow<'l, str>>,
    #[serde(borrow)]
    reason: Cow<'l, str>,
}

/// Maps what was set aside of a stream. What becomes an event is delivered like any other; the rest
/// stays set aside. Stopped anywhere, it goes on where it was, and delivers nothing twice. Blocks.
///
/// # Errors
/// Those of the state and the output.
pub(crate) fn replay(
    plan: &StreamPlan,
    connection: &str,
    (delivery, spool): (&Delivery, Option<&Spool>),
    clock: &Clock,
) -> Result<Replayed> {
    let mut replayed = Replayed { stream: plan.name.clone(), ..Replayed::default() };
    let file = &plan.rejected_file;
    let length = delivery.length(file)?;
    if length == 0 {
        return Ok(replayed);
    }
    let path = delivery.path(file)?;
    let unread = |error: std::io::Error| file_failure(Code::SinkUnavailable, "read", &path, &error);
    let opened = match File::open(&path) {
        Ok(opened) => opened,
        // It was taken away.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(replayed),
        Err(error) => return Err(unread(error)),
    };
    let store = delivery.store();
    let stream = store.stream(connection, &plan.name)?;
    let cursor = store.cursor(stream)?.unwrap_or_default();
    let now = clock.now();
    let mut outbox = Outbox::new(plan, (delivery, spool), stream, now, clock.clone());
    outbox.start_response(now);
    let mut commit = |outbox: &mut Outbox<'_>| {
        let committed = outbox.commit(&cursor, Forget::default())?;
        replayed.delivered += committed.delivered;
        replayed.duplicates += committed.duplicates;
        Ok::<_, Error>(())
    };
    let folder = path.parent().unwrap_or(&path);
    let mut left = tempfile::tempfile_in(folder).map_err(unread)?;
    let mut lines = BufReader::new(opened.take(length));
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(unread)? == 0 {
            break;
        }
        if let Err(reason) = take(plan, &mut outbox, &line) {
            replayed.left += 1;
            replayed.reason.get_or_insert(reason);
            std::io::Write::write_all(&mut left, &line).map_err(unread)?;
        }
        if outbox.is_due() {
            commit(&mut outbox)?;
        }
    }
    commit(&mut outbox)?;
    delivery.replace(file, &mut left)?;
    Ok(replayed)
}

/// Maps a record that was set aside; the reason if that is still not possible.
fn take(plan: &StreamPlan, outbox: &mut Outbox<'_>, line: &[u8]) -> Result<(), String> {
    let set_aside: SetAside<'_> =
        serde_json::from_slice(line).map_err(|error| format!("the line is damaged: {error}"))?;
    let Some(record) = set_aside.record else {
        return Err(set_aside.reason.into_owned());
    };
    if plan.mapper.is_private() {
        return Err("what is private was not kept of it, so it is not whole".to_owned());
    }
    let opener = plan.steps.last().and_then(|step| step.unpack.as_ref());
    let json = match opener {
        None => Cow::Borrowed(record.as_bytes()),
        Some(opener) => Cow::Owned(opener.open(record.as_bytes())?),
    };
    if serde_json::from_slice::<serde::de::IgnoredAny>(&json).is_err() {
        return Err("it is no JSON".to_owned());
    }
    let source = record.as_bytes();
    outbox.take(Record::Opened { source, json: &json }).map(|_| ())
}

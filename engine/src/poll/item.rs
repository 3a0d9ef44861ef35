//! Items that one step lists and the next one reads.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use longshore_schema::stream::Window;
use longshore_schema::{JsonPath, time};
use serde_json::Value;

use crate::error::{Code, Error, Result, Retry};
use crate::map::Record;
use crate::poll::outbox::raw;

/// The most bytes of items that a page of a listing may have: they are held until each is read.
const MAX_BYTES: usize = 64 << 20;

/// The items of one page, as later templates refer to them.
#[derive(Default)]
pub(super) struct Items {
    pub(super) list: Vec<Value>,
    bytes: usize,
}

impl Items {
    /// Takes the next one.
    pub(super) fn push(&mut self, record: &Record<'_>) -> Result<()> {
        self.bytes += raw(record).len();
        if self.bytes > MAX_BYTES {
            return Err(Error::new(Code::DataTooLarge, "a page of the listing is too large")
                .cause(format!("its items have more than {MAX_BYTES} bytes together"))
                .fix("ask for fewer fields or for smaller pages in the manifest"));
        }
        self.list.push(document(record)?);
        Ok(())
    }
}

/// The last record of a page, kept where the next page starts behind it.
pub(crate) struct Last(Option<Vec<u8>>);

impl Last {
    /// Keeps the last record if it is wanted.
    pub(crate) fn new(wanted: bool) -> Self {
        Self(wanted.then(Vec::new))
    }

    /// Takes the next record.
    pub(crate) fn take(&mut self, record: &Record<'_>) -> Result<()> {
        let Some(kept) = &mut self.0 else { return Ok(()) };
        kept.clear();
        match record {
            Record::Json(bytes)
            | Record::Opened { json: bytes, .. }
            | Record::Unopened { source: bytes, .. } => kept.extend_from_slice(bytes),
            Record::Row(_) => kept.extend_from_slice(document(record)?.to_string().as_bytes()),
        }
        Ok(())
    }

    /// The record; `None` if there was none.
    pub(crate) fn document(&self) -> Result<Option<Value>> {
        let kept = self.0.as_ref().filter(|kept| !kept.is_empty());
        kept.map(|kept| document(&Record::Json(kept))).transpose()
    }
}

/// A record as JSON; a row of CSV as an object of its columns.
pub(super) fn document(record: &Record<'_>) -> Result<Value> {
    match record {
        Record::Json(bytes)
        | Record::Opened { json: bytes, .. }
        | Record::Unopened { source: bytes, .. } => serde_json::from_slice(bytes).map_err(|_| {
            Error::new(Code::DataParse, "a record is not JSON").retry(Retry::Later(None))
        }),
        Record::Row(row) => {
            let names = row.header().names().iter().cloned();
            Ok(names.zip(row.fields().map(Value::from)).collect())
        }
    }
}

/// What tells one version of an item from every other.
pub(super) fn item_key(key: &[JsonPath], item: &Value) -> Result<String> {
    let mut parts = Vec::with_capacity(key.len());
    for path in key {
        parts.push(match path.first(item) {
            Some(Value::String(text)) => text.clone(),
            None | Some(Value::Null) => {
                return Err(Error::new(Code::DataMapping, "a listed item has no key")
                    .cause(format!("`{path}` finds nothing"))
                    .fix("compare the step's `key` with a response of the app"));
            }
            Some(other) => other.to_string(),
        });
    }
    // A unit separator, which no key contains.
    Ok(parts.join("\u{1f}"))
}

/// The time of an item, by which the windows of its stream work.
pub(super) fn item_time(
    window: &Window,
    zone: Option<&TimeZone>,
    item: &Value,
) -> Result<Option<Timestamp>> {
    time_of(window, zone, item).map(Some).ok_or_else(|| {
        Error::new(Code::DataMapping, "the time of a listed item cannot be read")
            .cause(format!(
                "`{}` is missing or not in the format that the manifest says",
                window.on
            ))
            .fix("compare `window.on` and `window.format` with a response of the app")
    })
}

/// The time of an item; `None` if it cannot be read.
pub(super) fn time_of(window: &Window, zone: Option<&TimeZone>, item: &Value) -> Option<Timestamp> {
    let text = match window.on.first(item)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let millis = match zone {
        Some(zone) => time::parse_in(&text, &window.format, zone),
        None => time::parse(&text, &window.format),
    };
    Timestamp::from_millisecond(millis?).ok()
}

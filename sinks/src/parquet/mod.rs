//! Parquet files, one for each class of events in each portion, in a folder or an object store.
//!
//! A file is named by where its portion starts. When a portion is given again, because the process
//! ended before it was acknowledged, its files take the place of those that were there; and what was
//! there from the same start on and has no new file is removed. So each event is there exactly once,
//! also if the portion is now a shorter or a longer one.

mod bucket;
mod encode;
mod folder;
mod name;
mod open;
mod schema;
mod shred;

pub(crate) use open::open;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use longshore_engine::error::{Code, Error, Result};
use longshore_engine::map::{Datum, Scanner};
use longshore_engine::sink::{Doing, Portion, Portioned, Sink, Taken};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::task::spawn_blocking;

use self::bucket::Bucket;
use self::encode::{Encoded, Refused, encode};
use self::folder::Folder;
use self::name::Files;
use self::schema::Schema;

/// No event is as large; a column counts its bytes in 32 bits.
const LARGEST: usize = 1 << 30;

/// Where the files are.
#[derive(Clone, Debug)]
enum Place {
    Folder(Folder),
    Bucket(Box<Bucket>),
}

/// The sink.
#[derive(Debug)]
struct Parquet {
    place: Place,
    portion: Portion,
    /// By the folder of a log: where its next portion starts, behind which there is no file.
    ends: HashMap<String, u64>,
    schemas: HashMap<Option<i64>, Arc<Schema>>,
}

impl Sink for Parquet {
    fn portion(&self) -> Portion {
        self.portion
    }

    fn deliver<'a>(&'a mut self, events: Portioned<'a>) -> Doing<'a, Taken> {
        Box::pin(self.write(events))
    }
}

/// Which event of a portion, and its bytes.
type InPortion = (usize, Range<usize>);

/// The events of a portion by their class.
struct Sorted {
    classes: BTreeMap<u32, (Arc<Schema>, Vec<InPortion>)>,
    taken: Taken,
}

impl Parquet {
    fn new(place: Place, portion: Portion) -> Self {
        Self { place, portion, ends: HashMap::new(), schemas: HashMap::new() }
    }

    async fn write(&mut self, events: Portioned<'_>) -> Result<Taken> {
        let files = Files::of(events.log);
        let log = format!("{}/{}", files.folder(""), files.name(0));
        // Whatever happens now, what is there is not known until all of it is done.
        let is_continued = self.ends.remove(&log) == Some(events.start);
        let lines = Bytes::copy_from_slice(events.lines);
        let Sorted { classes, mut taken } = self.sort(&lines).await?;
        let mut written = Vec::new();
        for (class, (schema, places)) in classes {
            let path = files.path(class, events.start);
            let lines = lines.clone();
            let made = blocking(move || {
                made(&schema, &lines, places).map_err(|error| internal(&error.to_string()))
            });
            let (bytes, refused) = made.await?;
            taken.refused.extend(refused);
            let Some(bytes) = bytes else { continue };
            match self.place.clone() {
                Place::Folder(folder) => {
                    let path = path.clone();
                    blocking(move || folder.put(&path, &bytes)).await?;
                }
                Place::Bucket(bucket) => bucket.put(&path, bytes).await?,
            }
            written.push(path);
        }
        if !is_continued {
            let start = events.start;
            match self.place.clone() {
                Place::Folder(folder) => {
                    blocking(move || folder.remove_from(&files, start, &written)).await?;
                }
                Place::Bucket(bucket) => bucket.remove_from(&files, start, &written).await?,
            }
        }
        self.ends.insert(log, events.end());
        taken.refused.sort_unstable();
        Ok(taken)
    }

    async fn sort(&mut self, lines: &Bytes) -> Result<Sorted> {
        let lines = lines.clone();
        let mut schemas = std::mem::take(&mut self.schemas);
        let (sorted, schemas) = blocking(move || {
            let sorted = sort(&lines, &mut schemas)?;
            Ok((sorted, schemas))
        })
        .await?;
        self.schemas = schemas;
        Ok(sorted)
    }
}

/// Sorts events by class.
fn sort(lines: &[u8], schemas: &mut HashMap<Option<i64>, Arc<Schema>>) -> Result<Sorted> {
    let mut sorted = Sorted { classes: BTreeMap::new(), taken: Taken::default() };
    let mut start = 0;
    for (index, end) in memchr::memchr_iter(b'\n', lines).enumerate() {
        let place = std::mem::replace(&mut start, end + 1)..end;
        let class = match class(&lines[place.clone()]) {
            Ok(class) => class,
            Err(reason) => {
                sorted.taken.refused.push((index, reason));
                continue;
            }
        };
        // All classes that are not known have one schema.
        let class = class.filter(|uid| schemas.contains_key(&Some(*uid)) || schema::is_known(*uid));
        let schema = if let Some(schema) = schemas.get(&class) {
            Arc::clone(schema)
        } else {
            let made = Schema::of(class).map_err(|error| internal(&error.to_string()))?;
            Arc::clone(schemas.entry(class).or_insert_with(|| Arc::new(made)))
        };
        let class = sorted.classes.entry(schema.class);
        class.or_insert_with(|| (schema, Vec::new())).1.push((index, place));
    }
    Ok(sorted)
}

/// The class of an event, or why it can be in no file. What is behind the class is not looked at.
fn class(event: &[u8]) -> Result<Option<i64>, String> {
    if event.len() > LARGEST {
        return Err(format!("it is larger than {LARGEST} bytes"));
    }
    let text = std::str::from_utf8(event).map_err(|error| format!("it is not UTF-8: {error}"))?;
    if let Ok(Some(Datum::Number(uid))) = Scanner::new(text).find(b"\"class_uid\"") {
        return Ok(uid.parse().ok());
    }
    let class: Class<'_> = serde_json::from_slice(event).map_err(|error| error.to_string())?;
    // What is no number is no class that is known.
    Ok(class.class_uid.and_then(|uid| uid.get().parse().ok()))
}

/// The class of an event, whatever stands there.
#[derive(Deserialize)]
struct Class<'e> {
    #[serde(borrow)]
    class_uid: Option<&'e RawValue>,
}

/// A file of events, and which are refused because they are not JSON; none if all of them are.
fn made(
    schema: &Schema,
    lines: &[u8],
    mut places: Vec<InPortion>,
) -> parquet::errors::Result<(Option<Vec<u8>>, Refused)> {
    let mut refused = Refused::new();
    while !places.is_empty() {
        // Each was read as UTF-8 before.
        let texts = places
            .iter()
            .map(|(_, place)| std::str::from_utf8(&lines[place.clone()]).unwrap_or_default());
        match encode(schema, texts)? {
            Encoded::File(bytes) => return Ok((Some(bytes), refused)),
            Encoded::Refused(found) => {
                // From behind, so that those before stay where they are.
                for (at, reason) in found.into_iter().rev() {
                    refused.push((places.remove(at).0, reason));
                }
            }
        }
    }
    Ok((None, refused))
}

/// Runs what takes long on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(internal(&error.to_string())))
}

fn internal(cause: &str) -> Error {
    Error::new(Code::Internal, "a Parquet file could not be made")
        .cause(cause)
        .fix("report this as a bug, with the manifest")
}

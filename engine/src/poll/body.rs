//! Reads a response body: inflates it, decodes it and hands over records as they are found.

use longshore_schema::JsonPath;
use longshore_schema::Step;
use longshore_schema::decode::{Decode, Format};
use serde_json::Value;

use crate::decode::{
    Buffered, CsvLimits, CsvRows, Encoding, Found, Inflate, JsonLimits, JsonRecords,
};
use crate::error::{Code, Error, Result};
use crate::http::Response;
use crate::http::header::CONTENT_ENCODING;
use crate::map::Record;

/// The most bytes that one response may unpack to (64 GiB): a bound against runaway compression,
/// far above any log file.
const MAX_UNPACKED: u64 = 64 << 30;
/// The longest response that is read whole because its record path cannot be streamed.
const MAX_BUFFERED: usize = 64 << 20;

/// A body that was read.
pub struct Read {
    /// The response without its records; null for CSV.
    pub envelope: Value,
    /// How many records there were.
    pub records: u64,
    /// Why there were none where they should be.
    pub misses: Option<Error>,
}

/// A body on its way through decoding.
pub struct Body {
    inflate: Inflate,
    decoder: Decoder,
    records: u64,
}

enum Decoder {
    Json(Box<JsonRecords>),
    Whole(Buffered, JsonPath),
    Csv(Box<CsvRows>),
}

impl Body {
    /// A reader for this response.
    ///
    /// # Errors
    /// [`Code::DataParse`] if the response is compressed in an unknown way.
    pub fn new(response: &Response, decode: &Decode, records: Option<&JsonPath>) -> Result<Self> {
        let header = response.headers.get(CONTENT_ENCODING);
        let encoding = Encoding::from_header(header.and_then(|value| value.to_str().ok()))?;
        // A log file may itself be a gzip file, whatever its headers say.
        let encoding = match (encoding, decode.format()) {
            (Encoding::Identity, Format::Csv) => Encoding::Detect,
            (encoding, _) => encoding,
        };
        let decoder = match (decode.format(), records) {
            (Format::Csv, _) => Decoder::Csv(Box::new(CsvRows::new(CsvLimits::default()))),
            (Format::Json, Some(path)) => match array_at(path) {
                Some(members) => {
                    Decoder::Json(Box::new(JsonRecords::new(members, JsonLimits::default())))
                }
                None => Decoder::Whole(Buffered::new(MAX_BUFFERED), path.clone()),
            },
            (Format::Json, None) => {
                return Err(Error::new(Code::Internal, "a JSON response without a record path"));
            }
            (format, _) => {
                return Err(Error::new(
                    Code::Internal,
                    format!("{} cannot be read yet", format.title()),
                ));
            }
        };
        Ok(Self { inflate: Inflate::new(encoding, MAX_UNPACKED), decoder, records: 0 })
    }

    /// Takes the next chunk of the body and hands over the records that it completes.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        mut on_record: impl FnMut(Record<'_>) -> Result<()>,
    ) -> Result<()> {
        let (decoder, count) = (&mut self.decoder, &mut self.records);
        self.inflate.feed(chunk, |bytes| match decoder {
            Decoder::Json(json) => json.feed(bytes, |record| {
                *count += 1;
                on_record(Record::Json(record))
            }),
            Decoder::Whole(buffered, _) => Ok(buffered.feed(bytes)?),
            Decoder::Csv(csv) => csv.feed(bytes, |row| {
                *count += 1;
                on_record(Record::Row(row))
            }),
        })
    }

    /// Ends the body.
    pub fn finish(self, mut on_record: impl FnMut(Record<'_>) -> Result<()>) -> Result<Read> {
        let read = |envelope, records| Ok(Read { envelope, records, misses: None });
        self.inflate.finish()?;
        match self.decoder {
            Decoder::Json(json) => {
                let envelope = json.finish()?;
                match envelope.found {
                    Found::Array | Found::Null => read(envelope.value, envelope.records),
                    // What stands there may say why.
                    found @ (Found::NotAnArray | Found::Missing) => {
                        let misses = Some(no_records(found));
                        Ok(Read { envelope: envelope.value, records: envelope.records, misses })
                    }
                }
            }
            Decoder::Whole(buffered, path) => {
                let document = buffered.finish()?;
                let found = path.select(&document);
                let count = found.len() as u64;
                for record in found {
                    on_record(Record::Json(record.to_string().as_bytes()))?;
                }
                read(document, count)
            }
            Decoder::Csv(csv) => {
                let mut count = self.records;
                csv.finish(|row| {
                    count += 1;
                    on_record(Record::Row(row))
                })?;
                read(Value::Null, count)
            }
        }
    }
}

/// The members that lead to an array whose elements are the records, for a path like
/// `$.data.items[*]`.
fn array_at(path: &JsonPath) -> Option<Vec<String>> {
    let (last, members) = path.steps()?.split_last()?;
    if *last != Step::Every {
        return None;
    }
    members
        .iter()
        .map(|step| match step {
            Step::Member(name) => Some(name.clone()),
            _ => None,
        })
        .collect()
}

fn no_records(found: Found) -> Error {
    let cause = match found {
        Found::NotAnArray => "what stands there is not an array",
        _ => "there is nothing at that place",
    };
    Error::new(Code::DataParse, "the response has no records where the manifest says")
        .cause(cause)
        .fix("compare `records` in the manifest with a response of the app")
}

/// The whole body of a response that is known to be small, inflated.
///
/// # Errors
/// [`Code::DataTooLarge`] if it unpacks to more than `limit` bytes, and what reading and inflating
/// have to say.
pub async fn whole(response: &mut Response, limit: u64) -> Result<Vec<u8>> {
    let header = response.headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    let mut inflate = Inflate::new(Encoding::from_header(header)?, limit);
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        inflate.feed(&chunk, |piece| {
            bytes.extend_from_slice(piece);
            Ok::<_, Error>(())
        })?;
        if bytes.len() as u64 > limit {
            return Err(Error::new(Code::DataTooLarge, "the response is larger than expected")
                .cause(format!("more than {limit} bytes"))
                .fix("check that the address in the manifest is the right one"));
        }
    }
    inflate.finish()?;
    Ok(bytes)
}

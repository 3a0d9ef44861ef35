//! Reads a response body: unpacks it, decodes it and hands over records as they are found.

use longshore_schema::decode::{Decode, Format};
use longshore_schema::{JsonPath, Step};
use serde_json::Value;

use crate::decode::{
    Buffered, CsvLimits, CsvRows, CsvStyle, Encoding, Envelope, Found, JsonLimits, JsonLines,
    JsonRecords, Opener, Transcode, Unpack, XmlRecords, row_object, ways,
};
use crate::error::{Code, Error, Result};
use crate::http::Response;
use crate::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use crate::map::Record;

/// The most bytes that one response may unpack to (64 GiB): a bound against runaway compression,
/// far above any log file.
const MAX_UNPACKED: u64 = 64 << 30;
/// The longest response that is read whole because its record path cannot be streamed.
const MAX_BUFFERED: usize = 64 << 20;

/// A body that was read.
pub struct Read {
    /// The response without its records; null for what is no document.
    pub envelope: Value,
    /// How many records there were.
    pub records: u64,
    /// Why there were none where they should be.
    pub misses: Option<Error>,
}

/// A body on its way through decoding.
pub struct Body<'p> {
    http: Unpack,
    content: Unpack,
    charset: Transcode,
    decoder: Decoder,
    opener: Option<&'p Opener>,
    records: u64,
    /// Whether a web page would pass for an answer, as a table without a row. Nothing of the body
    /// was seen yet.
    wary: bool,
}

enum Decoder {
    Json(Box<JsonRecords>),
    Whole(Buffered, JsonPath),
    Lines(Box<JsonLines>),
    Table(Box<CsvRows>),
    Xml(Box<XmlRecords>),
}

impl<'p> Body<'p> {
    /// A reader for this response. `opener` knows the members of a record that hold a document.
    ///
    /// # Errors
    /// [`Code::DataParse`] if the response is compressed in an unknown way.
    pub fn new(
        response: &Response,
        decode: &Decode,
        records: Option<&JsonPath>,
        opener: Option<&'p Opener>,
    ) -> Result<Self> {
        let header = |name| response.headers.get(name).and_then(|value| value.to_str().ok());
        let encoding = Encoding::from_header(header(CONTENT_ENCODING))?;
        Self::reader(encoding, header(CONTENT_TYPE), decode, records, opener)
    }

    fn reader(
        encoding: Encoding,
        content_type: Option<&str>,
        decode: &Decode,
        records: Option<&JsonPath>,
        opener: Option<&'p Opener>,
    ) -> Result<Self> {
        let content = match Encoding::from(decode.compression()) {
            // Some servers say of a compressed file what HTTP says of its transfer.
            content if content == encoding => Encoding::Detect,
            content => content,
        };
        let inside = decode.inside.as_ref().map(|inside| inside.value.clone());
        let declared = decode.charset.as_ref().map(|charset| charset.value);
        let charset = match (declared, decode.format()) {
            // RFC 8259 section 11: JSON has no such parameter.
            (None, format) if format != Format::Json => Transcode::by_content_type(content_type),
            (declared, _) => Transcode::new(declared),
        };
        let limits = JsonLimits::default();
        let nowhere = || Error::new(Code::Internal, "a document without a path to its records");
        let decoder = match decode.format() {
            Format::Json => {
                let path = records.ok_or_else(nowhere)?;
                match ways(path) {
                    Some(ways) => Decoder::Json(Box::new(JsonRecords::along(ways, limits))),
                    None => Decoder::Whole(Buffered::new(MAX_BUFFERED), path.clone()),
                }
            }
            Format::Ndjson => Decoder::Lines(Box::new(JsonLines::new(limits))),
            format @ (Format::Csv | Format::Tsv) => {
                let style = CsvStyle::new(format, &decode.dialect());
                Decoder::Table(Box::new(CsvRows::with(style, CsvLimits::default())))
            }
            Format::Xml => {
                let names = records.and_then(element_names).ok_or_else(nowhere)?;
                Decoder::Xml(Box::new(XmlRecords::new(names, charset.is_active(), limits)))
            }
        };
        Ok(Self {
            http: Unpack::new(encoding, None, MAX_UNPACKED),
            content: Unpack::new(content, inside, MAX_UNPACKED),
            charset,
            decoder,
            opener,
            records: 0,
            wary: decode.format().is_table(),
        })
    }

    /// Takes the next chunk of the body and hands over the records that it completes.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        mut on_record: impl FnMut(Record<'_>) -> Result<()>,
    ) -> Result<()> {
        let Self { http, content, charset, decoder, opener, records, wary } = self;
        http.feed(chunk, |bytes| {
            content.feed(bytes, |bytes| {
                charset.feed(bytes, |text| {
                    if let (true, Some(first)) = (*wary, text.trim_ascii_start().first()) {
                        *wary = false;
                        if *first == b'<' {
                            return Err(a_page());
                        }
                    }
                    decoder.feed(text, *opener, records, &mut on_record)
                })
            })
        })
    }

    /// Ends the body.
    pub fn finish(self, mut on_record: impl FnMut(Record<'_>) -> Result<()>) -> Result<Read> {
        let read = |envelope, records| Ok(Read { envelope, records, misses: None });
        let Self { http, content, charset, mut decoder, opener, mut records, .. } = self;
        http.finish()?;
        content.finish()?;
        charset.finish(|text| decoder.feed(text, opener, &mut records, &mut on_record))?;
        match decoder {
            Decoder::Json(json) => Ok(document(json.finish()?)),
            Decoder::Xml(xml) => Ok(document(xml.finish()?)),
            Decoder::Whole(buffered, path) => {
                let document = buffered.finish()?;
                let found = path.select(&document);
                for record in &found {
                    hand_over(record.raw().as_bytes(), opener, &mut on_record)?;
                }
                // What is one value may be the whole answer, and say more than the record.
                let left_out = if path.is_singular() { &[] } else { found.as_slice() };
                read(document.without(left_out), found.len() as u64)
            }
            Decoder::Lines(lines) => {
                let count = lines.finish(|record| hand_over(record, opener, &mut on_record))?;
                read(Value::Null, count)
            }
            Decoder::Table(table) => {
                table.finish(|row| {
                    records += 1;
                    hand_over_row(Record::Row(row), opener, &mut on_record)
                })?;
                read(Value::Null, records)
            }
        }
    }
}

fn a_page() -> Error {
    Error::new(Code::DataParse, "a web page came in place of the response")
        .cause("it begins with `<`, as no table does")
        .fix("nothing to do if the app is in maintenance: it is asked again; otherwise check the request and `decode` in the manifest")
}

impl Decoder {
    #[inline]
    fn feed(
        &mut self,
        text: &[u8],
        opener: Option<&Opener>,
        records: &mut u64,
        on_record: &mut impl FnMut(Record<'_>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Json(json) => json.feed(text, |record| hand_over(record, opener, on_record)),
            Self::Lines(lines) => lines.feed(text, |record| hand_over(record, opener, on_record)),
            Self::Xml(xml) => xml.feed(text, |record| hand_over(record, opener, on_record)),
            Self::Whole(buffered, _) => Ok(buffered.feed(text)?),
            Self::Table(table) => table.feed(text, |row| {
                *records += 1;
                hand_over_row(Record::Row(row), opener, on_record)
            }),
        }
    }
}

/// Hands over a record with its documents opened.
#[inline]
fn hand_over(
    record: &[u8],
    opener: Option<&Opener>,
    on_record: &mut impl FnMut(Record<'_>) -> Result<()>,
) -> Result<()> {
    match opener {
        None => on_record(Record::Json(record)),
        Some(opener) => hand_over_opened(record, record, opener, on_record),
    }
}

fn hand_over_row(
    record: Record<'_>,
    opener: Option<&Opener>,
    on_record: &mut impl FnMut(Record<'_>) -> Result<()>,
) -> Result<()> {
    match (opener, &record) {
        (Some(opener), Record::Row(row)) => {
            hand_over_opened(row.raw(), &row_object(row), opener, on_record)
        }
        _ => on_record(record),
    }
}

fn hand_over_opened(
    source: &[u8],
    json: &[u8],
    opener: &Opener,
    on_record: &mut impl FnMut(Record<'_>) -> Result<()>,
) -> Result<()> {
    match opener.open(json) {
        Ok(json) => on_record(Record::Opened { source, json: &json }),
        Err(cause) => on_record(Record::Unopened { source, cause: &cause }),
    }
}

/// The names of elements that lead to records, for a path like `$.feed.entry[*]`.
fn element_names(path: &JsonPath) -> Option<Vec<String>> {
    let steps = path.steps()?.iter().filter(|step| **step != Step::Every);
    steps
        .map(|step| match step {
            Step::Member(name) => Some(name.clone()),
            _ => None,
        })
        .collect()
}

fn document(envelope: Envelope) -> Read {
    // What stands in the place of the records may say why.
    let misses = match envelope.found {
        Found::Array | Found::Null => None,
        found @ (Found::NotAnArray | Found::Missing) => Some(no_records(found)),
    };
    Read { envelope: envelope.value, records: envelope.records, misses }
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
    let mut unpack = Unpack::new(Encoding::from_header(header)?, None, limit);
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        unpack.feed(&chunk, |piece| {
            bytes.extend_from_slice(piece);
            Ok::<_, Error>(())
        })?;
        if bytes.len() as u64 > limit {
            return Err(Error::new(Code::DataTooLarge, "the response is larger than expected")
                .cause(format!("more than {limit} bytes"))
                .fix("check that the address in the manifest is the right one"));
        }
    }
    unpack.finish()?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;

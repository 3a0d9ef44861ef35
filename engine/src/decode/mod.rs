//! Turns the bytes of a response into records while they arrive.
//!
//! Every decoder here is pushed: the caller hands over chunks of any size, in order, and a closure
//! receives what each chunk completed. [`Unpack`] undoes compression, [`Transcode`] makes UTF-8 of
//! other charsets, [`JsonRecords`] and [`XmlRecords`] cut a document into records and an
//! [`Envelope`], [`JsonLines`] cuts NDJSON and [`CsvRows`] a table into its rows, and
//! [`Buffered`] collects a response whole for record paths that need a [`Document`]. They
//! compose by calling one another in the closure. Memory is bounded by their limits, not by the
//! length of the response, and once their buffers have grown to the records at hand they allocate
//! nothing.
//!
//! What a response decodes to never depends on how it was cut into chunks, and for JSON and CSV that
//! includes the error, if there is one. The closure's error type `E` only has to be able to carry a
//! decoding [`Error`]; an error from the closure stops the decoder and comes back unchanged. After
//! any error a decoder answers [`Error::Stopped`]: what was handed over before was there, but the
//! response is not complete.

mod brotli;
mod buffered;
mod charset;
mod content;
mod csv;
mod document;
mod envelope;
mod error;
mod gzip;
mod json;
mod lines;
mod packed;
mod span;
mod way;
mod xml;
mod zip;
mod zstd;

pub use buffered::Buffered;
pub use charset::Transcode;
pub use content::{Encoding, Inflated, Unpack};
pub use csv::{CsvLimits, CsvRows, CsvStyle, CsvSummary, Header, Ragged, Row};
pub use document::Document;
pub use envelope::{Envelope, Found};
pub use error::Error;
pub use json::{JsonLimits, JsonRecords};
pub use lines::JsonLines;
pub use packed::{Opener, row_object};
pub use way::{Way, ways};
pub use xml::XmlRecords;

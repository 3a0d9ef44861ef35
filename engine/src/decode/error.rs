//! Why a response could not be decoded.

use crate::error::{Code, Retry};

/// Why a response could not be decoded. Offsets count bytes from the start of the decoder's input,
/// from 0. Nothing of the response is quoted but single bytes, so that no secret in it can end up
/// in a log. [`Error::fix`] says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The decoder was used again after it had returned an error.
    #[error("the response was not decoded further, because decoding it had failed before")]
    Stopped,

    /// The body has no content although JSON was declared.
    #[error("the response body is empty where JSON was expected")]
    Empty,

    /// The body starts with something that is not JSON.
    #[error("the response is not JSON: it starts with {opening}")]
    NotJson {
        /// What it starts with: a well-known opening tag, or one byte.
        opening: String,
    },

    /// The document ended before it was complete.
    #[error("the JSON response ends after {offset} bytes, inside {inside}")]
    Truncated {
        /// Length of the document in bytes.
        offset: u64,
        /// The part of the document that was open.
        inside: &'static str,
    },

    /// A bracket closes another kind of bracket.
    #[error(
        "the JSON response is malformed at byte {offset}: `{found}` closes a bracket that needs \
         `{expected}`"
    )]
    Unbalanced {
        /// Where the wrong bracket is.
        offset: u64,
        /// The bracket that is there.
        found: char,
        /// The bracket that would have closed it.
        expected: char,
    },

    /// A byte that cannot be at its place.
    #[error("the JSON response is malformed at byte {offset}: expected {expected}, found {found}")]
    Unexpected {
        /// Where the byte is.
        offset: u64,
        /// What the grammar (RFC 8259) allows there.
        expected: &'static str,
        /// The byte.
        found: String,
    },

    /// The part of the document around the records is not JSON.
    #[error("the JSON response is malformed at byte {offset}: {cause}")]
    Malformed {
        /// Where parsing stopped.
        offset: u64,
        /// What the parser says, without any text of the document.
        cause: String,
    },

    /// More brackets are open than the limit allows.
    #[error("the JSON response nests deeper than {limit} levels at byte {offset}")]
    TooDeep {
        /// Where the first bracket too many is.
        offset: u64,
        /// How many brackets may be open at once.
        limit: usize,
    },

    /// A member on the way to the records occurs twice, so that it is not clear which one counts.
    #[error(
        "the JSON response has the member `{name}` twice in one object (again at byte {offset}); \
         which of them holds the records is undefined"
    )]
    DuplicateMember {
        /// The member, as the record path names it.
        name: String,
        /// Where it occurs again.
        offset: u64,
    },

    /// One record is larger than the limit.
    #[error("the record at byte {offset} is larger than the limit of {limit} bytes per record")]
    RecordTooLarge {
        /// Where the record starts.
        offset: u64,
        /// The limit in bytes.
        limit: usize,
    },

    /// The document without its records is larger than the limit.
    #[error("the response is larger than {limit} bytes without its records")]
    EnvelopeTooLarge {
        /// The limit in bytes.
        limit: usize,
    },

    /// A response that has to be read whole is larger than the limit.
    #[error(
        "the response is larger than the limit of {limit} bytes for a response that is read whole"
    )]
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },

    /// One CSV row is larger than the limit.
    #[error("row {row} of the CSV file is larger than the limit of {limit} bytes per row")]
    RowTooLarge {
        /// The row; 0 is the header.
        row: u64,
        /// The limit in bytes of field text.
        limit: usize,
    },

    /// One CSV field is larger than the limit.
    #[error(
        "field {column} in row {row} of the CSV file is larger than the limit of {limit} bytes per \
         field"
    )]
    FieldTooLarge {
        /// The row; 0 is the header.
        row: u64,
        /// The column, from 1.
        column: usize,
        /// The limit in bytes.
        limit: usize,
    },

    /// One CSV row has more fields than the limit.
    #[error("row {row} of the CSV file has more fields than the limit of {limit}")]
    TooManyColumns {
        /// The row; 0 is the header.
        row: u64,
        /// The limit.
        limit: usize,
    },

    /// The CSV file ended inside a quoted field.
    #[error("the CSV file ends after {offset} bytes, inside a quoted field of row {row}")]
    CsvTruncated {
        /// The row; 0 is the header.
        row: u64,
        /// Length of the file in bytes.
        offset: u64,
    },

    /// The text ended inside a character.
    #[error("the response ends after {offset} bytes, inside a character")]
    CharacterTruncated {
        /// Length of the response in bytes.
        offset: u64,
    },

    /// The body starts with something that is not XML.
    #[error("the response is not XML: it starts with {opening}")]
    NotXml {
        /// What it starts with: a well-known opening tag, or one byte.
        opening: String,
    },

    /// The XML document is not well-formed, or has what is not read.
    #[error("the XML response is malformed at byte {offset}: {cause}")]
    XmlMalformed {
        /// Where it is.
        offset: u64,
        /// What is wrong, without any text of the document.
        cause: String,
    },

    /// The XML document ended before it was complete.
    #[error("the XML response ends after {offset} bytes, inside {inside}")]
    XmlTruncated {
        /// Length of the document in bytes.
        offset: u64,
        /// What was open.
        inside: &'static str,
    },

    /// The zip archive has not the one file that is wanted, or not in a way that can be read.
    #[error("the zip archive cannot be read: {cause}")]
    ZipEntry {
        /// What is wrong.
        cause: String,
    },

    /// The response is coded in a way nobody asked for.
    #[error("the response has the content coding `{name}`, which is not supported")]
    UnknownEncoding {
        /// The coding, at most 32 characters of it, unusual characters replaced.
        name: String,
    },

    /// A stream that was declared compressed is not.
    #[error("the response is declared {coding}-compressed and is not: at byte {offset}, {cause}")]
    NotCompressed {
        /// The coding, such as `gzip`.
        coding: &'static str,
        /// Where in the compressed stream.
        offset: u64,
        /// What is wrong there.
        cause: &'static str,
    },

    /// The compressed stream is damaged.
    #[error("the {coding} stream is damaged near byte {offset}: {cause}")]
    Damaged {
        /// `gzip` or `deflate`.
        coding: &'static str,
        /// Where in the compressed stream.
        offset: u64,
        /// What is wrong there.
        cause: &'static str,
    },

    /// The compressed stream stopped before its end mark.
    #[error("the {coding} stream ended early after {read} bytes")]
    EndedEarly {
        /// `gzip` or `deflate`.
        coding: &'static str,
        /// How many compressed bytes there were.
        read: u64,
    },

    /// The unpacked content is larger than the limit.
    #[error(
        "the response is larger than the limit of {limit} bytes (after {read} bytes as transferred)"
    )]
    ContentTooLarge {
        /// The limit in unpacked bytes.
        limit: u64,
        /// How many bytes of the transferred form had been read.
        read: u64,
    },
}

impl Error {
    /// What the reader can do about it.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Stopped => "see the first failure",
            Self::Empty => "check the request, and the status that came back: 204 has no body",
            Self::NotJson { .. } | Self::NotXml { .. } => {
                "check the URL and the `Accept` header; the app may have answered with a login or \
                 maintenance page"
            }
            Self::Truncated { .. }
            | Self::CsvTruncated { .. }
            | Self::XmlTruncated { .. }
            | Self::CharacterTruncated { .. }
            | Self::EndedEarly { .. } => {
                "the response was cut off on the way and has to be requested again; if that \
                 repeats, ask for smaller pages or windows"
            }
            Self::Unbalanced { .. } | Self::Unexpected { .. } | Self::Malformed { .. } => {
                "the app sent invalid JSON: repeat the request by hand, and report it to the app's \
                 vendor if it is the same"
            }
            Self::XmlMalformed { .. } => {
                "the app sent XML that cannot be read: repeat the request by hand, and report it to \
                 the app's vendor if it is the same; another charset is named by `decode.charset`"
            }
            Self::ZipEntry { .. } => "name the file in `decode.inside`, such as `*.csv`",
            Self::DuplicateMember { .. } => {
                "the app sent ambiguous JSON: report it to the app's vendor"
            }
            Self::TooDeep { .. } => "check that `records` points at the array that holds them",
            Self::RecordTooLarge { .. } => {
                "check that `records` points at the array of records, or ask for fewer fields"
            }
            Self::EnvelopeTooLarge { .. } => {
                "check that `records` points at the array that holds them; everything else in the \
                 response is kept in memory"
            }
            Self::BodyTooLarge { .. } => {
                "ask for smaller pages, or let `records` be a path of plain member names such as \
                 `$.records[*]`, which is read piece by piece"
            }
            Self::RowTooLarge { .. } | Self::FieldTooLarge { .. } | Self::TooManyColumns { .. } => {
                "check that the file is CSV with commas and that its quotes are closed, or ask for \
                 fewer columns"
            }
            Self::UnknownEncoding { .. } => "send `Accept-Encoding: gzip`",
            Self::NotCompressed { .. } => {
                "a proxy may have unpacked the response and kept its `Content-Encoding` header"
            }
            Self::Damaged { .. } => {
                "the response was damaged on the way and has to be requested again"
            }
            Self::ContentTooLarge { .. } => "ask for smaller pages or windows",
        }
    }
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        let (code, retry) = match &error {
            Error::Stopped => (Code::Internal, None),
            Error::Truncated { .. }
            | Error::CsvTruncated { .. }
            | Error::XmlTruncated { .. }
            | Error::CharacterTruncated { .. }
            | Error::EndedEarly { .. } => (Code::DataIncomplete, None),
            Error::TooDeep { .. }
            | Error::RecordTooLarge { .. }
            | Error::EnvelopeTooLarge { .. }
            | Error::BodyTooLarge { .. }
            | Error::RowTooLarge { .. }
            | Error::FieldTooLarge { .. }
            | Error::TooManyColumns { .. }
            | Error::ContentTooLarge { .. } => (Code::DataTooLarge, None),
            // A maintenance page or a damaged transfer: the next answer may be sound.
            Error::Empty
            | Error::NotJson { .. }
            | Error::NotXml { .. }
            | Error::NotCompressed { .. }
            | Error::Damaged { .. } => (Code::DataParse, Some(Retry::Later(None))),
            Error::Unbalanced { .. }
            | Error::Unexpected { .. }
            | Error::Malformed { .. }
            | Error::DuplicateMember { .. }
            | Error::XmlMalformed { .. }
            | Error::ZipEntry { .. }
            | Error::UnknownEncoding { .. } => (Code::DataParse, None),
        };
        let what = match code {
            Code::DataIncomplete => "the response is not complete",
            Code::DataTooLarge => "the response is too large",
            _ => "the response cannot be read",
        };
        let shown = Self::new(code, what).cause(error.to_string()).fix(error.fix());
        match retry {
            Some(retry) => shown.retry(retry),
            None => shown,
        }
    }
}

/// One byte for an error message.
pub(super) fn show_byte(byte: u8) -> String {
    if byte.is_ascii_graphic() {
        format!("`{}`", char::from(byte))
    } else {
        format!("byte 0x{byte:02X}")
    }
}

/// What a body that is no JSON starts with. Only well-known openings are spelled out: the text of
/// an error page may hold anything.
pub(super) fn show_opening(head: &[u8]) -> String {
    const KNOWN: [&str; 3] = ["<!DOCTYPE html", "<html", "<?xml"];
    for known in KNOWN {
        if head.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known.as_bytes()))
        {
            return format!("`{known}`");
        }
    }
    match head {
        [0x1F, ..] => "byte 0x1F, as gzip data does".to_owned(),
        [first, ..] => show_byte(*first),
        [] => "nothing".to_owned(),
    }
}

/// How many bytes [`show_opening`] needs to recognize every opening.
pub(super) const OPENING_BYTES: usize = 14;

/// Turns a parse error over `text` into an [`Error`]; `offset_of` maps positions in `text` to
/// positions in the document.
pub(super) fn malformed(
    error: &serde_json::Error,
    text: &[u8],
    offset_of: impl Fn(usize) -> u64,
) -> Error {
    let line_start = match error.line().checked_sub(2) {
        Some(newlines_before) => {
            memchr::memchr_iter(b'\n', text).nth(newlines_before).map_or(0, |newline| newline + 1)
        }
        None => 0,
    };
    // The parser's columns count bytes from 1, and 0 stands for the line break itself.
    let at = (line_start + error.column().saturating_sub(1)).min(text.len());
    let message = error.to_string();
    let cause = message.split(" at line ").next().unwrap_or_default().to_owned();
    Error::Malformed { offset: offset_of(at), cause }
}

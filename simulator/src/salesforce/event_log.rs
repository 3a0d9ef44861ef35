//! Sends a log file while it is being written, so that its size does not matter.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::Stream;
use futures_util::stream;

use super::data::log_files::{LogFile, LogFiles, Part};
use super::data::log_rows::{self, Shape};

/// Bytes of text made at a time.
const CHUNK: usize = 64 * 1024;

/// Writes a log file's text piece by piece.
pub(crate) struct LogText {
    shape: Shape,
    parts: VecDeque<Part>,
    row: u32,
    header: Option<String>,
}

impl LogText {
    pub(crate) fn new(files: &LogFiles, file: &LogFile) -> Self {
        Self {
            shape: files.shape,
            parts: files.contents(file).into(),
            row: 0,
            header: Some(log_rows::header(file.kind)),
        }
    }
}

impl Iterator for LogText {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut text = self.header.take().unwrap_or_default();
        while text.len() < CHUNK {
            let Some(part) = self.parts.front() else { break };
            if self.row == part.rows {
                self.parts.pop_front();
                self.row = 0;
                continue;
            }
            log_rows::write_row(&mut text, &self.shape, part, self.row);
            self.row += 1;
        }
        (!text.is_empty()).then_some(text)
    }
}

/// The text as a body.
pub(crate) fn plain(text: LogText) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::iter(text.map(|text| Ok(Bytes::from(text))))
}

/// The text as a body in gzip coding.
pub(crate) fn compressed(text: LogText) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let encoder = GzEncoder::new(Vec::new(), Compression::fast());
    stream::unfold((text, Some(encoder)), |(mut text, encoder)| async move {
        let mut encoder = encoder?;
        // Writing to memory cannot fail.
        if let Some(chunk) = text.next() {
            let _ = encoder.write_all(chunk.as_bytes());
            let bytes = Bytes::from(std::mem::take(encoder.get_mut()));
            Some((Ok(bytes), (text, Some(encoder))))
        } else {
            let bytes = Bytes::from(encoder.finish().unwrap_or_default());
            Some((Ok(bytes), (text, None)))
        }
    })
}

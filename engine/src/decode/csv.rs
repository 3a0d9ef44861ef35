//! Cuts a table of separated values into rows while it arrives.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use longshore_schema::decode::{Dialect, Format};

use super::Error;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What [`CsvRows`] accepts at most, for the header as for every other row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvLimits {
    /// The longest field, in bytes after unquoting.
    pub field_bytes: usize,
    /// The longest row, in bytes of all its fields after unquoting. Some four times as much memory
    /// is needed at worst.
    pub row_bytes: usize,
    /// The most fields in a row.
    pub columns: usize,
}

impl Default for CsvLimits {
    /// 4 MiB per field, 16 MiB per row, 4,096 columns.
    fn default() -> Self {
        Self { field_bytes: 4 << 20, row_bytes: 16 << 20, columns: 4096 }
    }
}

/// The characters of a table, and what its first lines are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvStyle {
    /// What stands between two fields.
    pub delimiter: u8,
    /// What stands around fields, if anything does.
    pub quote: Option<u8>,
    /// What a line starts with that is no row.
    pub comment: Option<u8>,
    /// Lines before the header or the first row.
    pub skip: u32,
    /// Whether the first row has the names of the columns.
    pub header: bool,
    /// The names of the columns, in place of those of the first row; empty if that counts.
    pub columns: Vec<String>,
}

impl Default for CsvStyle {
    /// That of RFC 4180, with a header.
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: Some(b'"'),
            comment: None,
            skip: 0,
            header: true,
            columns: Vec::new(),
        }
    }
}

impl CsvStyle {
    /// What a manifest says of a table.
    #[must_use]
    pub fn new(format: Format, dialect: &Dialect) -> Self {
        let (delimiter, quote) =
            if format == Format::Tsv { (b'\t', None) } else { (b',', Some(b'"')) };
        Self {
            delimiter: dialect.delimiter.as_ref().map_or(delimiter, |delimiter| delimiter.0),
            quote: dialect.quote.as_ref().map_or(quote, |quote| quote.0),
            comment: dialect.comment.as_ref().map(|comment| comment.0),
            skip: dialect.skip,
            header: dialect.header.value,
            columns: dialect.columns.iter().map(|name| name.value.clone()).collect(),
        }
    }

    fn reader(&self) -> Reader {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(self.delimiter).comment(self.comment);
        match self.quote {
            Some(quote) => builder.quote(quote),
            None => builder.quoting(false),
        };
        builder.build()
    }

    /// What comes before a row: line ends of empty lines, the second half of a CRLF, comments.
    fn without_empty_lines<'a>(&self, mut piece: &'a [u8]) -> &'a [u8] {
        loop {
            let start = piece.iter().position(|byte| !matches!(byte, b'\n' | b'\r'));
            piece = &piece[start.unwrap_or(piece.len())..];
            if self.comment.is_none() || piece.first().copied() != self.comment {
                return piece;
            }
            // The reader ends a comment at a line feed alone.
            piece = &piece[memchr::memchr(b'\n', piece).unwrap_or(piece.len())..];
        }
    }
}

/// The column names of a CSV file, from its first row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    names: Vec<String>,
    lossy: bool,
}

impl Header {
    /// The names in the order of the columns.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The first column of that name, from 0. Ask [`Header::is_repeated`] too where the wrong one
    /// would do harm.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|candidate| candidate == name)
    }

    /// Whether more than one column has that name.
    #[must_use]
    pub fn is_repeated(&self, name: &str) -> bool {
        self.names.iter().filter(|candidate| *candidate == name).count() > 1
    }

    /// Whether bytes of the header that are not UTF-8 were replaced by U+FFFD.
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        self.lossy
    }
}

/// How a row differs from the header. RFC 4180 section 2 wants the same number of fields in each
/// row; a row that has not is delivered as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ragged {
    /// Fields in the header.
    pub expected: usize,
    /// Fields in the row.
    pub found: usize,
}

/// One row below the header.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    text: &'a str,
    ends: &'a [usize],
    header: &'a Header,
    raw: &'a [u8],
    /// Set if the row has fewer or more fields than the header.
    pub ragged: Option<Ragged>,
    /// Whether bytes that are not UTF-8 were replaced by U+FFFD in the fields.
    pub lossy: bool,
    /// The number of the row, from 1; the header and empty lines are not counted.
    pub number: u64,
}

impl<'a> Row<'a> {
    /// The field of a column, from 0, without its quotes; `None` if the row is shorter.
    #[must_use]
    pub fn get(&self, column: usize) -> Option<&'a str> {
        let end = *self.ends.get(column)?;
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.text[start..end])
    }

    /// The fields in the order of the row.
    pub fn fields(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let text = self.text;
        let mut start = 0;
        self.ends.iter().map(move |&end| &text[std::mem::replace(&mut start, end)..end])
    }

    /// How many fields the row has, at least 1.
    #[must_use]
    pub fn width(&self) -> usize {
        self.ends.len()
    }

    /// The columns of the file.
    #[must_use]
    pub fn header(&self) -> &'a Header {
        self.header
    }

    /// The bytes of the row as the source wrote them, quotes included, line end excluded.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }
}

/// What a CSV file held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvSummary {
    /// The columns, `None` if the file is empty or has only empty lines.
    pub header: Option<Header>,
    /// How many rows below the header were handed over.
    pub rows: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
}

/// Reads CSV (RFC 4180: commas, double quotes, a quote in a quoted field doubled) or a table of
/// another [`CsvStyle`], with LF, CRLF or CR as line end, and hands over each row as soon as it is
/// complete.
///
/// Line breaks inside quotes belong to the field, empty lines are skipped, and so is a UTF-8 byte
/// order mark. No row is dropped: ragged rows and rows that are not UTF-8 are marked. An empty file
/// has no header and no rows, and is not an error.
pub struct CsvRows {
    reader: Reader,
    style: CsvStyle,
    /// Lines that are still to be skipped.
    skip: u32,
    limits: CsvLimits,
    /// The first bytes, until it is clear whether they are a byte order mark.
    head: Vec<u8>,
    head_done: bool,
    /// The fields of the row being read, without quotes, and where each of them ends.
    output: Vec<u8>,
    written: usize,
    ends: Vec<usize>,
    ended: usize,
    /// The start of a row that began in an earlier chunk, as it came.
    carry: Vec<u8>,
    /// The fields of a row that is not UTF-8, after replacement.
    repaired: String,
    /// The names of the columns, in place of those of the first row.
    columns: Vec<String>,
    header: Option<Header>,
    rows: u64,
    bytes: u64,
    stopped: bool,
}

impl CsvRows {
    /// A reader at the start of a file as RFC 4180 has it.
    #[must_use]
    pub fn new(limits: CsvLimits) -> Self {
        Self::with(CsvStyle::default(), limits)
    }

    /// A reader at the start of a file of this style.
    #[must_use]
    pub fn with(mut style: CsvStyle, limits: CsvLimits) -> Self {
        let columns = std::mem::take(&mut style.columns);
        let named = !style.header && !columns.is_empty();
        let header = named.then(|| Header { names: columns.clone(), lossy: false });
        Self {
            reader: style.reader(),
            skip: style.skip,
            style,
            limits,
            head: Vec::with_capacity(BYTE_ORDER_MARK.len()),
            head_done: false,
            output: vec![0; limits.row_bytes.saturating_add(1).min(4096)],
            written: 0,
            ends: vec![0; limits.columns.saturating_add(1).min(64)],
            ended: 0,
            carry: Vec::new(),
            repaired: String::new(),
            columns,
            header,
            rows: 0,
            bytes: 0,
            stopped: false,
        }
    }

    /// Reads the next chunk and calls `on_row` with each row that it completes, in order.
    pub fn feed<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        mut on_row: impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.stopped {
            return Err(Error::Stopped.into());
        }
        self.bytes += chunk.len() as u64;
        let result = self.feed_head(chunk, &mut on_row);
        self.stopped = result.is_err();
        result
    }

    /// Ends the file: hands over the last row if no line end follows it. Fails with
    /// [`Error::CsvTruncated`] if the file ends inside a quoted field.
    pub fn finish<E: From<Error>>(
        mut self,
        mut on_row: impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<CsvSummary, E> {
        if self.stopped {
            return Err(Error::Stopped.into());
        }
        self.feed_start(&mut on_row)?;
        if ends_in_quotes(self.style.without_empty_lines(&self.carry), &self.style) {
            return Err(Error::CsvTruncated { row: self.row(), offset: self.bytes }.into());
        }
        loop {
            let (result, _, _, ended) = self.reader.read_record(
                &[],
                &mut self.output[self.written..],
                &mut self.ends[self.ended..],
            );
            self.ended += ended;
            match result {
                ReadRecordResult::End | ReadRecordResult::InputEmpty => break,
                ReadRecordResult::Record => {
                    let raw = std::mem::take(&mut self.carry);
                    let row = self.style.without_empty_lines(&raw);
                    self.row_complete(row, &mut on_row)?;
                }
                ReadRecordResult::OutputEndsFull => self.grow_ends()?,
                ReadRecordResult::OutputFull => self.grow_output()?,
            }
        }
        Ok(CsvSummary { header: self.header, rows: self.rows, bytes: self.bytes })
    }

    /// The row being read; 0 is the header.
    fn row(&self) -> u64 {
        if self.header.is_some() { self.rows + 1 } else { 0 }
    }

    fn feed_head<E: From<Error>>(
        &mut self,
        mut chunk: &[u8],
        on_row: &mut impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.head_done {
            let taken = chunk.len().min(BYTE_ORDER_MARK.len() - self.head.len());
            self.head.extend_from_slice(&chunk[..taken]);
            chunk = &chunk[taken..];
            if self.head.len() < BYTE_ORDER_MARK.len() {
                return Ok(());
            }
            self.feed_start(on_row)?;
        }
        self.read(chunk, on_row)
    }

    fn feed_start<E: From<Error>>(
        &mut self,
        on_row: &mut impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if std::mem::replace(&mut self.head_done, true) {
            return Ok(());
        }
        let head = std::mem::take(&mut self.head);
        if head == BYTE_ORDER_MARK {
            // The reader would skip another mark, which is text by then, if one came first.
            let _ = self.reader.read_record(b"\n", &mut self.output, &mut self.ends);
            return Ok(());
        }
        for byte in head {
            self.read(&[byte], on_row)?;
        }
        Ok(())
    }

    fn read<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        on_row: &mut impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut chunk = chunk;
        while self.skip > 0 {
            let Some(end) = memchr::memchr(b'\n', chunk) else { return Ok(()) };
            self.skip -= 1;
            chunk = &chunk[end + 1..];
        }
        let mut rest = chunk;
        let mut row_start = 0;
        while !rest.is_empty() {
            let (result, used, written, ended) = self.reader.read_record(
                rest,
                &mut self.output[self.written..],
                &mut self.ends[self.ended..],
            );
            rest = &rest[used..];
            self.written += written;
            self.ended += ended;
            match result {
                ReadRecordResult::Record => {
                    let row_end = chunk.len() - rest.len();
                    let piece = &chunk[row_start..row_end - 1];
                    row_start = row_end;
                    if self.carry.is_empty() {
                        let row = self.style.without_empty_lines(piece);
                        self.row_complete(row, on_row)?;
                    } else {
                        let mut raw = std::mem::take(&mut self.carry);
                        raw.extend_from_slice(piece);
                        let row = self.style.without_empty_lines(&raw);
                        self.row_complete(row, on_row)?;
                        raw.clear();
                        self.carry = raw;
                    }
                }
                ReadRecordResult::OutputFull => self.grow_output()?,
                ReadRecordResult::OutputEndsFull => self.grow_ends()?,
                ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            }
        }
        let piece = &chunk[row_start..];
        // A comment is not whole yet, perhaps.
        self.carry.extend_from_slice(if self.carry.is_empty() && self.style.comment.is_none() {
            self.style.without_empty_lines(piece)
        } else {
            piece
        });
        Ok(())
    }

    fn row_complete<E: From<Error>>(
        &mut self,
        raw: &[u8],
        on_row: &mut impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let row = self.row();
        let ends = &mut self.ends[..std::mem::take(&mut self.ended)];
        let output = &self.output[..std::mem::take(&mut self.written)];
        if output.len() > self.limits.row_bytes {
            return Err(Error::RowTooLarge { row, limit: self.limits.row_bytes }.into());
        }
        if ends.len() > self.limits.columns {
            return Err(Error::TooManyColumns { row, limit: self.limits.columns }.into());
        }
        if output.len() > self.limits.field_bytes {
            let mut start = 0;
            for (index, &end) in ends.iter().enumerate() {
                if end - start > self.limits.field_bytes {
                    let (column, limit) = (index + 1, self.limits.field_bytes);
                    return Err(Error::FieldTooLarge { row, column, limit }.into());
                }
                start = end;
            }
        }
        let (text, lossy) = match simdutf8::basic::from_utf8(output) {
            // Two fields that are not UTF-8 may be it together.
            Ok(text) if text.is_ascii() || ends.iter().all(|&end| text.is_char_boundary(end)) => {
                (text, false)
            }
            _ => {
                repair(output, ends, &mut self.repaired);
                (self.repaired.as_str(), true)
            }
        };
        let Some(header) = &self.header else {
            let mut start = 0;
            let names = ends.iter().map(|&end| {
                let name = &text[start..end];
                start = end;
                name.to_owned()
            });
            let mut names: Vec<_> = names.collect();
            if !self.columns.is_empty() {
                names.clone_from(&self.columns);
            }
            self.header = Some(Header { names, lossy });
            return Ok(());
        };
        self.rows += 1;
        let (expected, found) = (header.names.len(), ends.len());
        let ragged = (expected != found).then_some(Ragged { expected, found });
        on_row(Row { text, ends, header, raw, ragged, lossy, number: row })
    }

    fn grow_output(&mut self) -> Result<(), Error> {
        // One byte more than allowed, so that a row of just the allowed size is seen to end.
        let most = self.limits.row_bytes.saturating_add(1);
        if self.output.len() >= most {
            return Err(Error::RowTooLarge { row: self.row(), limit: self.limits.row_bytes });
        }
        self.output.resize(self.output.len().saturating_mul(2).min(most), 0);
        Ok(())
    }

    fn grow_ends(&mut self) -> Result<(), Error> {
        let most = self.limits.columns.saturating_add(1);
        if self.ends.len() >= most {
            return Err(Error::TooManyColumns { row: self.row(), limit: self.limits.columns });
        }
        self.ends.resize(self.ends.len().saturating_mul(2).min(most), 0);
        Ok(())
    }
}

/// Replaces what is not UTF-8, field by field.
fn repair(output: &[u8], ends: &mut [usize], repaired: &mut String) {
    repaired.clear();
    let mut start = 0;
    for end in ends {
        for valid in output[start..*end].utf8_chunks() {
            repaired.push_str(valid.valid());
            if !valid.invalid().is_empty() {
                repaired.push(char::REPLACEMENT_CHARACTER);
            }
        }
        start = std::mem::replace(end, repaired.len());
    }
}

/// Whether the last, unfinished row of a file breaks off inside a quoted field. The reader takes
/// the end of the file for the end of the field and does not tell.
fn ends_in_quotes(row: &[u8], style: &CsvStyle) -> bool {
    let Some(quote) = style.quote else { return false };
    let mut quoted = false;
    let mut field_start = true;
    let mut bytes = row.iter().peekable();
    while let Some(&byte) = bytes.next() {
        if byte == quote && quoted {
            quoted = bytes.next_if_eq(&&quote).is_some();
        } else if byte == quote && field_start {
            quoted = true;
        }
        field_start = byte == style.delimiter && !quoted;
    }
    quoted
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;

//! Undoes gzip and deflate.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::Error;
use super::content::{Inflated, OUTPUT_BYTES};

pub(super) const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];
/// Header flags of RFC 1952 section 2.3.1.
const HAS_HEADER_CRC: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
const RESERVED_FLAGS: u8 = 0b1110_0000;

/// The part of a gzip header (RFC 1952 section 2.3) that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// The ten fixed bytes; how many of them were read.
    Fixed(u8),
    /// The length of the extra field; its first byte once read.
    ExtraLength(Option<u8>),
    /// How many bytes of the extra field are left.
    Extra(u16),
    Name,
    Comment,
    HeaderCrc(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header(Field),
    /// Before the two bytes that tell zlib from bare deflate data, or after the first of them.
    Zlib(Option<u8>),
    Data,
    /// The checksum and length after gzip data; how many of the eight bytes were read.
    Trailer(u8),
    /// After a gzip member: another one, zeros (padding, as gzip(1) accepts it), or nothing.
    Between,
    Padding,
    /// After a deflate stream.
    End,
    Stopped,
}

/// gzip (RFC 1952) of one member or several, or what HTTP calls deflate: the zlib format (RFC 1950)
/// or, from servers that misread the standard, bare deflate data (RFC 1951); the first two bytes
/// tell. The buffer it unpacks into is allocated once.
#[derive(Debug)]
pub(super) struct Inflate {
    coding: &'static str,
    state: State,
    decoder: Decompress,
    output: Vec<u8>,
    flags: u8,
    trailer: [u8; 8],
    checksum: Crc,
    limit: u64,
    read: u64,
    written: u64,
}

impl Inflate {
    /// gzip that unpacks to at most `limit` bytes.
    pub(super) fn gzip(limit: u64) -> Self {
        Self::new("gzip", State::Header(Field::Fixed(0)), limit)
    }

    /// zlib or bare deflate data that unpack to at most `limit` bytes.
    pub(super) fn deflate(limit: u64) -> Self {
        Self::new("deflate", State::Zlib(None), limit)
    }

    fn new(coding: &'static str, state: State, limit: u64) -> Self {
        Self {
            coding,
            state,
            decoder: Decompress::new(false),
            output: vec![0; OUTPUT_BYTES],
            flags: 0,
            trailer: [0; 8],
            checksum: Crc::new(),
            limit,
            read: 0,
            written: 0,
        }
    }

    /// Reads the next chunk and calls `on_bytes` with what it unpacks to, in pieces of at most
    /// 64 KiB if it was compressed.
    pub(super) fn feed<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        mut on_bytes: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let result = self.unpack(chunk, &mut on_bytes);
        if result.is_err() {
            self.state = State::Stopped;
        }
        result
    }

    /// Ends the content. Fails with [`Error::EndedEarly`] if a compressed stream is not complete.
    pub(super) fn finish(self) -> Result<Inflated, Error> {
        match self.state {
            State::Between | State::Padding | State::End => {
                Ok(Inflated { read: self.read, written: self.written })
            }
            State::Stopped => Err(Error::Stopped),
            _ => Err(Error::EndedEarly { coding: self.coding, read: self.read }),
        }
    }

    fn unpack<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        on_bytes: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = chunk;
        while let Some((&byte, others)) = rest.split_first() {
            match self.state {
                State::Data => {
                    rest = self.data(rest, on_bytes)?;
                    continue;
                }
                State::Header(field) => self.header(field, byte)?,
                State::Zlib(None) => self.state = State::Zlib(Some(byte)),
                State::Zlib(Some(first)) => {
                    // RFC 1950 section 2.2: method 8, and a multiple of 31 as big-endian number.
                    let is_zlib = first & 0x0F == 8 && u16::from_be_bytes([first, byte]) % 31 == 0;
                    self.decoder.reset(is_zlib);
                    self.state = State::Data;
                    // Neither format ends within its first two bytes.
                    self.read -= 1;
                    self.data(&[first, byte], on_bytes)?;
                    rest = others;
                    continue;
                }
                State::Trailer(seen) => self.trailer(seen, byte)?,
                State::Between if byte == GZIP_MAGIC[0] => {
                    self.state = State::Header(Field::Fixed(1));
                }
                State::Between | State::Padding if byte == 0 => self.state = State::Padding,
                State::Between | State::Padding | State::End => {
                    return Err(self.damaged("other data follows the end of the stream").into());
                }
                State::Stopped => return Err(Error::Stopped.into()),
            }
            self.read += 1;
            rest = others;
        }
        Ok(())
    }

    /// Unpacks until the input is used up or the deflate data end, and returns what is left of it.
    fn data<'a, E: From<Error>>(
        &mut self,
        mut rest: &'a [u8],
        on_bytes: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<&'a [u8], E> {
        loop {
            let (read_before, written_before) = (self.decoder.total_in(), self.decoder.total_out());
            let status = self
                .decoder
                .decompress(rest, &mut self.output, FlushDecompress::None)
                .map_err(|_| self.damaged("the data do not follow the deflate format"))?;
            let used = (self.decoder.total_in() - read_before) as usize;
            let made = (self.decoder.total_out() - written_before) as usize;
            self.read += used as u64;
            rest = &rest[used..];
            if made > 0 {
                self.count(made)?;
                self.checksum.update(&self.output[..made]);
                on_bytes(&self.output[..made])?;
            }
            if status == Status::StreamEnd {
                self.state = if self.coding == "gzip" { State::Trailer(0) } else { State::End };
                return Ok(rest);
            }
            // Output may be waiting inside the decoder even when the input is used up and the buffer
            // is not full.
            if rest.is_empty() && made == 0 {
                return Ok(rest);
            }
            if used == 0 && made == 0 {
                return Err(self.damaged("the data do not follow the deflate format").into());
            }
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), Error> {
        self.written += bytes as u64;
        if self.written > self.limit {
            return Err(Error::ContentTooLarge { limit: self.limit, read: self.read });
        }
        Ok(())
    }

    fn header(&mut self, field: Field, byte: u8) -> Result<(), Error> {
        let next = match field {
            Field::Fixed(seen @ (0 | 1)) => {
                if byte != GZIP_MAGIC[usize::from(seen)] {
                    return Err(self.not_compressed("the magic bytes 1F 8B are missing"));
                }
                Some(Field::Fixed(seen + 1))
            }
            Field::Fixed(2) if byte != 8 => {
                return Err(self.not_compressed("the compression method is not deflate"));
            }
            Field::Fixed(3) if byte & RESERVED_FLAGS != 0 => {
                return Err(self.not_compressed("reserved flags are set"));
            }
            Field::Fixed(3) => {
                self.flags = byte;
                Some(Field::Fixed(4))
            }
            Field::Fixed(9) => self.after_fixed(),
            Field::Fixed(seen) => Some(Field::Fixed(seen + 1)),
            Field::ExtraLength(None) => Some(Field::ExtraLength(Some(byte))),
            Field::ExtraLength(Some(low)) => match u16::from_le_bytes([low, byte]) {
                0 => self.after_extra(),
                length => Some(Field::Extra(length)),
            },
            Field::Extra(0 | 1) => self.after_extra(),
            Field::Extra(left) => Some(Field::Extra(left - 1)),
            Field::Name if byte == 0 => self.after_name(),
            Field::Name => Some(Field::Name),
            Field::Comment if byte == 0 => self.after_comment(),
            Field::Comment => Some(Field::Comment),
            Field::HeaderCrc(0) => Some(Field::HeaderCrc(1)),
            Field::HeaderCrc(_) => None,
        };
        self.state = next.map_or(State::Data, State::Header);
        if self.state == State::Data {
            self.decoder.reset(false);
            self.checksum.reset();
        }
        Ok(())
    }

    fn after_fixed(&self) -> Option<Field> {
        if self.flags & HAS_EXTRA != 0 {
            return Some(Field::ExtraLength(None));
        }
        self.after_extra()
    }

    fn after_extra(&self) -> Option<Field> {
        if self.flags & HAS_NAME != 0 { Some(Field::Name) } else { self.after_name() }
    }

    fn after_name(&self) -> Option<Field> {
        if self.flags & HAS_COMMENT != 0 { Some(Field::Comment) } else { self.after_comment() }
    }

    fn after_comment(&self) -> Option<Field> {
        (self.flags & HAS_HEADER_CRC != 0).then_some(Field::HeaderCrc(0))
    }

    fn trailer(&mut self, seen: u8, byte: u8) -> Result<(), Error> {
        self.trailer[usize::from(seen)] = byte;
        if seen < 7 {
            self.state = State::Trailer(seen + 1);
            return Ok(());
        }
        let trailer = u64::from_le_bytes(self.trailer);
        if trailer as u32 != self.checksum.sum() || (trailer >> 32) as u32 != self.checksum.amount()
        {
            return Err(self.damaged("the checksum does not match the data"));
        }
        self.state = State::Between;
        Ok(())
    }

    fn not_compressed(&self, cause: &'static str) -> Error {
        Error::NotCompressed { coding: self.coding, offset: self.read, cause }
    }

    fn damaged(&self, cause: &'static str) -> Error {
        Error::Damaged { coding: self.coding, offset: self.read, cause }
    }
}

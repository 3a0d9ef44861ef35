//! Reads one file of a zip archive while the archive arrives.
//!
//! The format is that of PKWARE's APPNOTE.TXT. An archive is read from its front, where each file
//! has a header of its own; the directory at its end is only followed to see that it is complete.

use flate2::{Crc, Decompress, FlushDecompress, Status};
use longshore_schema::decode::EntryPattern;

use super::Error;
use super::content::{Inflated, Meter, OUTPUT_BYTES};

/// The local header of a file (section 4.3.7).
pub(super) const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";
/// The end of the central directory (section 4.3.16).
pub(super) const END: [u8; 4] = *b"PK\x05\x06";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END_64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";
const ENCRYPTED: u16 = 1;
/// Checksum and sizes stand behind the data.
const HAS_DESCRIPTOR: u16 = 1 << 3;
const ZIP64_FIELD: u16 = 1;

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The four bytes that say what follows.
    Signature,
    /// The fixed part of a local header behind its signature, 26 bytes.
    Header,
    /// Name and extra field of a local header.
    Names {
        name: usize,
        extra: usize,
    },
    /// Data as they are; how many are left.
    Stored(u64),
    /// Deflated data.
    Deflated,
    /// Checksum and sizes behind the data; the first four bytes may be a signature.
    Descriptor,
    /// The fixed part of something that is skipped: its length behind the signature, and which.
    Fixed(usize, [u8; 4]),
    /// Bytes to skip; whether the archive ends behind them.
    Skip {
        left: u64,
        ends: bool,
    },
    End,
}

/// The file that is being read.
#[derive(Debug, Default)]
struct Entry {
    is_wanted: bool,
    method: u16,
    flags: u16,
    is_64: bool,
    checksum: u32,
    packed: u64,
    size: u64,
}

/// A zip archive of which one file is read.
pub(super) struct Zip {
    state: State,
    inside: Option<EntryPattern>,
    found: Option<String>,
    /// Whether there was a file at all.
    files: u64,
    entry: Entry,
    held: Vec<u8>,
    decoder: Decompress,
    checksum: Crc,
    output: Vec<u8>,
    meter: Meter,
}

impl Zip {
    pub(super) fn new(inside: Option<EntryPattern>, limit: u64) -> Self {
        Self {
            state: State::Signature,
            inside,
            found: None,
            files: 0,
            entry: Entry::default(),
            held: Vec::new(),
            decoder: Decompress::new(false),
            checksum: Crc::new(),
            output: vec![0; OUTPUT_BYTES],
            meter: Meter::new("zip", limit),
        }
    }

    pub(super) fn feed<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        on_bytes: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = chunk;
        while !rest.is_empty() {
            rest = match self.state {
                State::Stored(left) => self.stored(rest, left, on_bytes)?,
                State::Deflated => self.deflated(rest, on_bytes)?,
                State::Skip { left, ends } => {
                    let used = (rest.len() as u64).min(left);
                    self.meter.read += used;
                    self.skip(left - used, ends);
                    &rest[used as usize..]
                }
                State::End => {
                    return Err(self
                        .meter
                        .damaged("other data follows the end of the archive")
                        .into());
                }
                _ => self.collect(rest)?,
            };
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Inflated, Error> {
        if self.state != State::End {
            return Err(self.meter.ended_early());
        }
        match (&self.found, &self.inside) {
            (Some(_), _) => Ok(self.meter.total()),
            (None, Some(pattern)) => Err(Error::ZipEntry {
                cause: format!("none of its {} files is `{pattern}`", self.files),
            }),
            (None, None) => Err(Error::ZipEntry { cause: "it has no files".to_owned() }),
        }
    }

    fn skip(&mut self, left: u64, ends: bool) {
        self.state = match (left, ends) {
            (0, true) => State::End,
            (0, false) => State::Signature,
            (left, ends) => State::Skip { left, ends },
        };
    }

    /// Collects a header until it is complete.
    fn collect<'c>(&mut self, rest: &'c [u8]) -> Result<&'c [u8], Error> {
        let wanted = match self.state {
            State::Signature => 4,
            State::Header => 26,
            State::Names { name, extra } => name + extra,
            State::Descriptor => {
                let sizes = if self.entry.is_64 { 20 } else { 12 };
                // Without a signature the checksum comes first, which may look like one: then so
                // does what follows.
                if self.held.starts_with(&DESCRIPTOR) { 4 + sizes } else { sizes.max(4) }
            }
            State::Fixed(length, _) => length,
            _ => 0,
        };
        let taken = (wanted - self.held.len()).min(rest.len());
        // One signature of a descriptor more may be wanted once its first bytes are there.
        let taken = if self.state == State::Descriptor && self.held.len() < 4 {
            taken.min(4 - self.held.len())
        } else {
            taken
        };
        self.held.extend_from_slice(&rest[..taken]);
        self.meter.read += taken as u64;
        let complete = match self.state {
            State::Descriptor => {
                let sizes = if self.entry.is_64 { 20 } else { 12 };
                let signature = if self.held.starts_with(&DESCRIPTOR) { 4 } else { 0 };
                self.held.len() == signature + sizes
            }
            _ => self.held.len() == wanted,
        };
        if complete {
            let held = std::mem::take(&mut self.held);
            self.header(&held)?;
            self.held = held;
            self.held.clear();
        }
        Ok(&rest[taken..])
    }

    fn header(&mut self, held: &[u8]) -> Result<(), Error> {
        let short = |at: usize| u16::from_le_bytes([held[at], held[at + 1]]);
        let long =
            |at: usize| u32::from_le_bytes([held[at], held[at + 1], held[at + 2], held[at + 3]]);
        match self.state {
            State::Signature => {
                let signature = [held[0], held[1], held[2], held[3]];
                self.state = match signature {
                    LOCAL_HEADER => State::Header,
                    CENTRAL => State::Fixed(42, signature),
                    END_64 => State::Fixed(8, signature),
                    LOCATOR_64 => State::Skip { left: 16, ends: false },
                    END => State::Fixed(18, signature),
                    _ if self.files == 0 => {
                        return Err(self.meter.not_compressed("the bytes `PK` are missing"));
                    }
                    _ => return Err(self.meter.damaged("no header stands where one is due")),
                };
            }
            State::Header => {
                self.entry = Entry {
                    is_wanted: false,
                    flags: short(2),
                    method: short(4),
                    is_64: false,
                    checksum: long(10),
                    packed: u64::from(long(14)),
                    size: u64::from(long(18)),
                };
                let (name, extra) = (usize::from(short(22)), usize::from(short(24)));
                self.state = State::Names { name, extra };
                if name + extra == 0 {
                    return Err(self.meter.damaged("a file has no name"));
                }
            }
            State::Names { name, .. } => self.start_file(&held[..name], &held[name..])?,
            State::Descriptor => {
                let at = if held.starts_with(&DESCRIPTOR) { 4 } else { 0 };
                self.entry.checksum = long(at);
                self.end_file()?;
            }
            State::Fixed(_, CENTRAL) => {
                let left = [24, 26, 28].iter().map(|at| u64::from(short(*at))).sum();
                self.skip(left, false);
            }
            State::Fixed(_, END_64) => {
                let left = u64::from(long(0)) | u64::from(long(4)) << 32;
                self.skip(left, false);
            }
            State::Fixed(..) => self.skip(u64::from(short(16)), true),
            _ => {}
        }
        Ok(())
    }

    fn start_file(&mut self, name: &[u8], extra: &[u8]) -> Result<(), Error> {
        let name = String::from_utf8_lossy(name).into_owned();
        self.read_sizes(extra);
        let is_folder = name.ends_with('/');
        self.files += u64::from(!is_folder);
        let meant = self.inside.as_ref().is_none_or(|pattern| pattern.matches(&name));
        self.entry.is_wanted = meant && !is_folder;
        if self.entry.is_wanted {
            if self.found.is_some() {
                return Err(Error::ZipEntry {
                    cause: "more than one of its files is meant".to_owned(),
                });
            }
            self.found = Some(name);
        }
        let Entry { flags, method, packed, .. } = self.entry;
        let streamed = flags & HAS_DESCRIPTOR != 0;
        if flags & ENCRYPTED != 0 && self.entry.is_wanted {
            return Err(Error::ZipEntry { cause: "its file is encrypted".to_owned() });
        }
        self.checksum.reset();
        self.state = match method {
            8 if self.entry.is_wanted || streamed => {
                self.decoder.reset(false);
                State::Deflated
            }
            0 if self.entry.is_wanted && !streamed => State::Stored(packed),
            _ if streamed || self.entry.is_wanted => {
                let cause = format!("its file is compressed by method {method}, or has no length");
                return Err(Error::ZipEntry { cause });
            }
            _ => State::Skip { left: packed, ends: false },
        };
        match self.state {
            State::Stored(0) => self.end_file(),
            State::Skip { left, .. } => {
                self.skip(left, false);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Sizes of 64 bits stand in an extra field of their own (section 4.5.3).
    fn read_sizes(&mut self, mut extra: &[u8]) {
        while let [id, id_high, size, size_high, rest @ ..] = extra {
            let size = usize::from(u16::from_le_bytes([*size, *size_high])).min(rest.len());
            let (field, others) = rest.split_at(size);
            if u16::from_le_bytes([*id, *id_high]) == ZIP64_FIELD {
                self.entry.is_64 = true;
                let mut values = field.as_chunks::<8>().0.iter().map(|v| u64::from_le_bytes(*v));
                for size in [&mut self.entry.size, &mut self.entry.packed] {
                    if *size == u64::from(u32::MAX)
                        && let Some(value) = values.next()
                    {
                        *size = value;
                    }
                }
            }
            extra = others;
        }
    }

    fn stored<'c, E: From<Error>>(
        &mut self,
        rest: &'c [u8],
        left: u64,
        on_bytes: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<&'c [u8], E> {
        let (data, others) = rest.split_at((rest.len() as u64).min(left) as usize);
        self.meter.read += data.len() as u64;
        self.meter.write(data.len())?;
        self.checksum.update(data);
        on_bytes(data)?;
        self.state = State::Stored(left - data.len() as u64);
        if self.state == State::Stored(0) {
            self.end_file()?;
        }
        Ok(others)
    }

    fn deflated<'c, E: From<Error>>(
        &mut self,
        mut rest: &'c [u8],
        on_bytes: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<&'c [u8], E> {
        loop {
            let (read, written) = (self.decoder.total_in(), self.decoder.total_out());
            let status = self
                .decoder
                .decompress(rest, &mut self.output, FlushDecompress::None)
                .map_err(|_| self.meter.damaged("the data do not follow the deflate format"))?;
            let used = (self.decoder.total_in() - read) as usize;
            let made = (self.decoder.total_out() - written) as usize;
            self.meter.read += used as u64;
            rest = &rest[used..];
            if made > 0 {
                // What is only passed over counts too: it takes as long.
                self.meter.write(made)?;
                if self.entry.is_wanted {
                    self.checksum.update(&self.output[..made]);
                    on_bytes(&self.output[..made])?;
                }
            }
            if status == Status::StreamEnd {
                if self.entry.flags & HAS_DESCRIPTOR != 0 {
                    self.state = State::Descriptor;
                } else {
                    self.end_file()?;
                }
                return Ok(rest);
            }
            if rest.is_empty() && made == 0 {
                return Ok(rest);
            }
            if used == 0 && made == 0 {
                return Err(self.meter.damaged("the data do not follow the deflate format").into());
            }
        }
    }

    fn end_file(&mut self) -> Result<(), Error> {
        if self.entry.is_wanted && self.entry.checksum != self.checksum.sum() {
            return Err(self.meter.damaged("the checksum does not match the data"));
        }
        self.state = State::Signature;
        Ok(())
    }
}

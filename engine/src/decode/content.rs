//! Undoes the compression of a response while it arrives.

use longshore_schema::decode::{Compression, EntryPattern};

use super::Error;
use super::brotli::Brotli;
use super::gzip::{GZIP_MAGIC, Inflate};
use super::zip::{self, Zip};
use super::zstd::{self, Zstd};

/// Unpacked bytes that are handed over at once, at most.
pub(super) const OUTPUT_BYTES: usize = 64 << 10;

/// How a response is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// gzip, RFC 1952, of one member or several.
    Gzip,
    /// What HTTP calls deflate: the zlib format (RFC 1950), or, from servers that misread the
    /// standard, bare deflate data (RFC 1951). The first two bytes tell.
    Deflate,
    /// Brotli, RFC 7932.
    Brotli,
    /// Zstandard, RFC 8878, with a window of at most 8 MiB as RFC 9659 has it.
    Zstd,
    /// A zip archive, of which one file is read.
    Zip,
    /// A file that may be gzip, zip or zstd: it is if its first bytes say so.
    Detect,
}

impl Encoding {
    /// Reads a `Content-Encoding` header (RFC 9110 section 8.4); `None` and an empty value mean
    /// [`Encoding::Identity`]. A chain of codings is unknown, like any that is not listed above.
    pub fn from_header(value: Option<&str>) -> Result<Self, Error> {
        let value = value.unwrap_or_default().trim();
        let is = |name| value.eq_ignore_ascii_case(name);
        if value.is_empty() || is("identity") {
            Ok(Self::Identity)
        } else if is("gzip") || is("x-gzip") {
            Ok(Self::Gzip)
        } else if is("deflate") {
            Ok(Self::Deflate)
        } else if is("br") {
            Ok(Self::Brotli)
        } else if is("zstd") {
            Ok(Self::Zstd)
        } else {
            let known = |c: char| c.is_ascii_alphanumeric() || ", -_".contains(c);
            let name = value.chars().take(32).map(|c| if known(c) { c } else { '?' }).collect();
            Err(Error::UnknownEncoding { name })
        }
    }
}

impl From<Compression> for Encoding {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::Detect => Self::Detect,
            Compression::None => Self::Identity,
            Compression::Gzip => Self::Gzip,
            Compression::Deflate => Self::Deflate,
            Compression::Zip => Self::Zip,
            Compression::Brotli => Self::Brotli,
            Compression::Zstd => Self::Zstd,
        }
    }
}

/// How much went through an [`Unpack`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inflated {
    /// Bytes as transferred.
    pub read: u64,
    /// Bytes unpacked.
    pub written: u64,
}

/// Unpacks a response chunk by chunk. Content that is not compressed passes through without a copy.
pub struct Unpack {
    stage: Stage,
    inside: Option<EntryPattern>,
    limit: u64,
    passed: u64,
}

enum Stage {
    Plain,
    /// The first bytes, until it is clear what they start.
    Detect(Vec<u8>),
    Inflate(Box<Inflate>),
    Brotli(Box<Brotli>),
    Zstd(Box<Zstd>),
    Zip(Box<Zip>),
    Stopped,
}

/// What files start with that are compressed. An archive without files starts with its end.
const MAGICS: [(&[u8], Encoding); 4] = [
    (&GZIP_MAGIC, Encoding::Gzip),
    (&zip::LOCAL_HEADER, Encoding::Zip),
    (&zip::END, Encoding::Zip),
    (&zstd::MAGIC, Encoding::Zstd),
];

impl Unpack {
    /// Unpacks at most `limit` bytes: a small response can unpack to a thousand times its size.
    /// `inside` tells which file of a zip archive is wanted.
    #[must_use]
    pub fn new(encoding: Encoding, inside: Option<EntryPattern>, limit: u64) -> Self {
        let mut unpack = Self { stage: Stage::Plain, inside, limit, passed: 0 };
        unpack.stage = unpack.stage_of(encoding);
        unpack
    }

    fn stage_of(&mut self, encoding: Encoding) -> Stage {
        let limit = self.limit;
        match encoding {
            Encoding::Identity => Stage::Plain,
            Encoding::Detect => Stage::Detect(Vec::new()),
            Encoding::Gzip => Stage::Inflate(Box::new(Inflate::gzip(limit))),
            Encoding::Deflate => Stage::Inflate(Box::new(Inflate::deflate(limit))),
            Encoding::Brotli => Stage::Brotli(Box::new(Brotli::new(limit))),
            Encoding::Zstd => Stage::Zstd(Box::new(Zstd::new(limit))),
            Encoding::Zip => Stage::Zip(Box::new(Zip::new(self.inside.take(), limit))),
        }
    }

    /// Reads the next chunk and calls `on_bytes` with what it unpacks to, in pieces of at most
    /// 64 KiB if it was compressed.
    pub fn feed<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        mut on_bytes: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let result = self.unpack(chunk, &mut on_bytes);
        if result.is_err() {
            self.stage = Stage::Stopped;
        }
        result
    }

    /// Ends the content. Fails with [`Error::EndedEarly`] if a compressed stream is not complete.
    pub fn finish(self) -> Result<Inflated, Error> {
        match self.stage {
            Stage::Plain => Ok(Inflated { read: self.passed, written: self.passed }),
            Stage::Detect(held) if held.is_empty() => Ok(Inflated { read: 0, written: 0 }),
            Stage::Detect(held) => {
                let (_, encoding) =
                    MAGICS.iter().find(|(magic, _)| magic.starts_with(&held)).unwrap_or(&MAGICS[0]);
                let coding = match encoding {
                    Encoding::Zip => "zip",
                    Encoding::Zstd => "zstd",
                    _ => "gzip",
                };
                Err(Error::EndedEarly { coding, read: held.len() as u64 })
            }
            Stage::Inflate(inflate) => inflate.finish(),
            Stage::Brotli(brotli) => brotli.finish(),
            Stage::Zstd(zstd) => zstd.finish(),
            Stage::Zip(zip) => zip.finish(),
            Stage::Stopped => Err(Error::Stopped),
        }
    }

    fn unpack<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        on_bytes: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match &mut self.stage {
            Stage::Plain => {
                self.passed += chunk.len() as u64;
                if self.passed > self.limit {
                    let error = Error::ContentTooLarge { limit: self.limit, read: self.passed };
                    return Err(error.into());
                }
                if chunk.is_empty() { Ok(()) } else { on_bytes(chunk) }
            }
            Stage::Detect(held) => {
                let mut held = std::mem::take(held);
                for (at, &byte) in chunk.iter().enumerate() {
                    held.push(byte);
                    let known = MAGICS.iter().find(|(magic, _)| magic.starts_with(&held));
                    match known {
                        Some((magic, _)) if magic.len() > held.len() => continue,
                        Some((_, encoding)) => self.stage = self.stage_of(*encoding),
                        None => self.stage = Stage::Plain,
                    }
                    if at + 1 == held.len() {
                        // All of it is in this chunk.
                        return self.unpack(chunk, on_bytes);
                    }
                    self.unpack(&held, on_bytes)?;
                    return self.unpack(&chunk[at + 1..], on_bytes);
                }
                self.stage = Stage::Detect(held);
                Ok(())
            }
            Stage::Inflate(inflate) => inflate.feed(chunk, on_bytes),
            Stage::Brotli(brotli) => brotli.feed(chunk, on_bytes),
            Stage::Zstd(zstd) => zstd.feed(chunk, on_bytes),
            Stage::Zip(zip) => zip.feed(chunk, on_bytes),
            Stage::Stopped => Err(Error::Stopped.into()),
        }
    }
}

/// What a decoder has read and written, and may write.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) coding: &'static str,
    limit: u64,
    pub(super) read: u64,
    written: u64,
}

impl Meter {
    pub(super) fn new(coding: &'static str, limit: u64) -> Self {
        Self { coding, limit, read: 0, written: 0 }
    }

    /// Counts unpacked bytes before they are handed over.
    pub(super) fn write(&mut self, bytes: usize) -> Result<(), Error> {
        self.written += bytes as u64;
        if self.written > self.limit {
            return Err(Error::ContentTooLarge { limit: self.limit, read: self.read });
        }
        Ok(())
    }

    pub(super) fn damaged(&self, cause: &'static str) -> Error {
        Error::Damaged { coding: self.coding, offset: self.read, cause }
    }

    pub(super) fn not_compressed(&self, cause: &'static str) -> Error {
        Error::NotCompressed { coding: self.coding, offset: self.read, cause }
    }

    pub(super) fn ended_early(&self) -> Error {
        Error::EndedEarly { coding: self.coding, read: self.read }
    }

    pub(super) fn total(&self) -> Inflated {
        Inflated { read: self.read, written: self.written }
    }
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;

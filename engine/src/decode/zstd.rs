//! Undoes Zstandard (RFC 8878).

use std::io::Read;

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::Error;
use super::content::{Inflated, Meter, OUTPUT_BYTES};

/// What a frame starts with.
pub(super) const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// The largest window: what every decoder must offer (RFC 9659 section 3).
const MAX_WINDOW: u64 = 8 << 20;
/// The largest block (RFC 8878 section 3.1.1.2.4).
const MAX_BLOCK: usize = 128 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a frame; the first one has to come.
    Frame { first: bool },
    /// Before a block.
    Block,
    /// In a frame of which this many bytes are to be skipped.
    Skip(u64),
}

/// One frame or several. What is needed at once, a block at most, is collected first.
pub(super) struct Zstd {
    decoder: FrameDecoder,
    state: State,
    has_checksum: bool,
    /// What of the next header or block has arrived.
    held: Vec<u8>,
    output: Vec<u8>,
    meter: Meter,
}

impl Zstd {
    pub(super) fn new(limit: u64) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        Self {
            decoder,
            state: State::Frame { first: true },
            has_checksum: false,
            held: Vec::new(),
            output: vec![0; OUTPUT_BYTES],
            meter: Meter::new("zstd", limit),
        }
    }

    pub(super) fn feed<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        on_bytes: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = chunk;
        loop {
            if let State::Skip(left) = self.state {
                let skipped = (rest.len() as u64).min(left);
                rest = &rest[skipped as usize..];
                self.meter.read += skipped;
                self.state = match left - skipped {
                    0 => State::Frame { first: false },
                    left => State::Skip(left),
                };
            }
            if rest.is_empty() {
                return Ok(());
            }
            let wanted = self.wanted()?;
            let taken = (wanted - self.held.len()).min(rest.len());
            self.held.extend_from_slice(&rest[..taken]);
            rest = &rest[taken..];
            self.meter.read += taken as u64;
            if self.held.len() == wanted && self.wanted()? == wanted {
                self.step(on_bytes)?;
            }
        }
    }

    pub(super) fn finish(self) -> Result<Inflated, Error> {
        match self.state {
            State::Frame { first: false } if self.held.is_empty() => Ok(self.meter.total()),
            _ => Err(self.meter.ended_early()),
        }
    }

    /// How many bytes the next header or block has, as far as it is known.
    fn wanted(&self) -> Result<usize, Error> {
        match self.state {
            State::Frame { .. } => {
                let Some(magic) = self.held.get(..4) else { return Ok(4) };
                if is_skippable(magic) {
                    return Ok(8);
                }
                if *magic != MAGIC {
                    return Err(match self.state {
                        State::Frame { first: true } => {
                            self.meter.not_compressed("the magic bytes 28 B5 2F FD are missing")
                        }
                        _ => self.meter.damaged("other data follows the end of the stream"),
                    });
                }
                Ok(self.held.get(4).map_or(5, |descriptor| 4 + header_bytes(*descriptor)))
            }
            State::Block => {
                let Some(header) = self.held.get(..3) else { return Ok(3) };
                let header = u32::from_le_bytes([header[0], header[1], header[2], 0]);
                // Bit 0: the last block. Bits 1 and 2: raw, one byte repeated, compressed.
                let size = (header >> 3) as usize;
                if size > MAX_BLOCK {
                    return Err(self.meter.damaged("a block is larger than the format allows"));
                }
                let content = if header >> 1 & 3 == 1 { 1 } else { size };
                let checksum = if header & 1 == 1 && self.has_checksum { 4 } else { 0 };
                Ok(3 + content + checksum)
            }
            State::Skip(_) => Ok(0),
        }
    }

    /// Reads the header or block that is complete.
    fn step<E: From<Error>>(
        &mut self,
        on_bytes: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let held = std::mem::take(&mut self.held);
        match self.state {
            State::Frame { .. } if is_skippable(&held[..4]) => {
                let length = u32::from_le_bytes([held[4], held[5], held[6], held[7]]);
                self.state = match length {
                    0 => State::Frame { first: false },
                    length => State::Skip(u64::from(length)),
                };
            }
            State::Frame { .. } => {
                self.has_checksum = held[4] & 4 != 0;
                self.decoder.reset(held.as_slice()).map_err(|_| {
                    self.meter.damaged("its frame needs a dictionary, or more than 8 MiB of memory")
                })?;
                self.state = State::Block;
            }
            _ => {
                let last = self
                    .decoder
                    .decode_blocks(held.as_slice(), BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|_| self.meter.damaged("the data do not follow the format"))?;
                self.drain(on_bytes)?;
                if last {
                    let (told, is) = (
                        self.decoder.get_checksum_from_data(),
                        self.decoder.get_calculated_checksum(),
                    );
                    if self.has_checksum && told != is {
                        return Err(self
                            .meter
                            .damaged("the checksum does not match the data")
                            .into());
                    }
                    self.state = State::Frame { first: false };
                }
            }
        }
        self.held = held;
        self.held.clear();
        Ok(())
    }

    fn drain<E: From<Error>>(
        &mut self,
        on_bytes: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while self.decoder.can_collect() > 0 {
            let made = self
                .decoder
                .read(&mut self.output)
                .map_err(|_| self.meter.damaged("the data do not follow the format"))?;
            if made == 0 {
                break;
            }
            self.meter.write(made)?;
            on_bytes(&self.output[..made])?;
        }
        Ok(())
    }
}

/// Whether a frame is one to skip (RFC 8878 section 3.1.2).
fn is_skippable(magic: &[u8]) -> bool {
    magic[0] & 0xF0 == 0x50 && magic[1..4] == [0x2A, 0x4D, 0x18]
}

/// The length of a frame header behind the magic, by its descriptor (RFC 8878 section 3.1.1.1).
fn header_bytes(descriptor: u8) -> usize {
    let single_segment = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = match descriptor >> 6 {
        0 => usize::from(single_segment),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    1 + usize::from(!single_segment) + dictionary + size
}

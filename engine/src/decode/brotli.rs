//! Undoes Brotli (RFC 7932).

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::Error;
use super::content::{Inflated, Meter, OUTPUT_BYTES};

/// A Brotli stream. Its window has at most 16 MiB; the large windows that some encoders offer are no
/// part of the standard.
pub(super) struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    output: Vec<u8>,
    done: bool,
    meter: Meter,
}

impl Brotli {
    pub(super) fn new(limit: u64) -> Self {
        let alloc = StandardAlloc::default;
        Self {
            state: BrotliState::new_strict(alloc(), alloc(), alloc()),
            output: vec![0; OUTPUT_BYTES],
            done: false,
            meter: Meter::new("br", limit),
        }
    }

    pub(super) fn feed<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        on_bytes: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut left, mut at) = (chunk.len(), 0);
        loop {
            if self.done {
                return match left {
                    0 => Ok(()),
                    _ => Err(self.meter.damaged("other data follows the end of the stream").into()),
                };
            }
            let (mut room, mut made, mut total) = (self.output.len(), 0, 0);
            let before = at;
            let result = BrotliDecompressStream(
                &mut left,
                &mut at,
                chunk,
                &mut room,
                &mut made,
                &mut self.output,
                &mut total,
                &mut self.state,
            );
            self.meter.read += (at - before) as u64;
            if made > 0 {
                self.meter.write(made)?;
                on_bytes(&self.output[..made])?;
            }
            match result {
                BrotliResult::ResultSuccess => self.done = true,
                BrotliResult::NeedsMoreInput => return Ok(()),
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::ResultFailure => {
                    return Err(self.meter.damaged("the data do not follow the format").into());
                }
            }
        }
    }

    pub(super) fn finish(self) -> Result<Inflated, Error> {
        if self.done { Ok(self.meter.total()) } else { Err(self.meter.ended_early()) }
    }
}

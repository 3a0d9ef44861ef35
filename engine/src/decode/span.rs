//! Where one JSON value ends.
//!
//! Containers are walked in blocks of 64 bytes. For each block a bit mask of the quotes gives, by a
//! running exclusive or, the bytes inside strings; only brackets outside strings are looked at one
//! by one.

use memchr::memchr2;
use wide::u8x16;

/// The deepest nesting a [`Span`] can follow: the brackets that are open live in one `u128`, and
/// `serde_json` refuses to parse values nested deeper than 127.
pub(super) const MAX_DEPTH: usize = 120;

const BLOCK: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Container,
    String,
    Scalar,
}

/// What is structurally wrong with a value; positions count from the start of the bytes given to
/// [`Span::advance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    TooDeep { at: usize },
    Unbalanced { at: usize, found: u8, expected: u8 },
}

/// Follows one value over any number of chunks. Inside containers a backslash hides the byte after
/// it, as the grammar has it in strings; elsewhere the grammar has no backslash, and whoever parses
/// the value later says so.
#[derive(Debug, Clone, Default)]
pub(super) struct Span {
    kind: Kind,
    in_string: bool,
    escaped: bool,
    /// One bit per open bracket, the innermost lowest: set for an object, clear for an array.
    open: u128,
    depth: usize,
    max_depth: usize,
}

impl Span {
    /// Starts at a value whose first byte is `first` (not consumed yet); `None` if no JSON value
    /// starts with that byte. `max_depth` is how many brackets may be open at once.
    pub(super) fn begin(first: u8, max_depth: usize) -> Option<Self> {
        let kind = match first {
            b'{' | b'[' => Kind::Container,
            b'"' => Kind::String,
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => Kind::Scalar,
            _ => return None,
        };
        let max_depth = max_depth.min(MAX_DEPTH);
        Some(Self { kind, max_depth, ..Self::default() })
    }

    /// A number or literal: nothing but the byte after it, or the end of the document, ends it.
    pub(super) fn is_scalar(&self) -> bool {
        self.kind == Kind::Scalar
    }

    /// Reads on; `Some(n)` when the value ends after the first `n` of these bytes.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        match self.kind {
            Kind::Container => self.container(bytes),
            Kind::String => Ok(self.string(bytes)),
            Kind::Scalar => Ok(bytes.iter().position(|&byte| ends_scalar(byte))),
        }
    }

    fn string(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        if !self.in_string && !bytes.is_empty() {
            self.in_string = true;
            at = 1;
        }
        while at < bytes.len() {
            if self.escaped {
                self.escaped = false;
                at += 1;
                continue;
            }
            at += memchr2(b'"', b'\\', &bytes[at..])? + 1;
            if bytes[at - 1] == b'"' {
                return Some(at);
            }
            self.escaped = true;
        }
        None
    }

    fn container(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let (blocks, tail) = bytes.as_chunks::<BLOCK>();
        let mut start = 0;
        for block in blocks {
            if let Some(end) = self.block(block, BLOCK, start)? {
                return Ok(Some(end));
            }
            start += BLOCK;
        }
        if tail.is_empty() {
            return Ok(None);
        }
        let mut padded = [b' '; BLOCK];
        padded[..tail.len()].copy_from_slice(tail);
        self.block(&padded, tail.len(), start)
    }

    /// One block of which the first `length` bytes count; the others are spaces.
    #[inline]
    fn block(
        &mut self,
        block: &[u8; BLOCK],
        length: usize,
        start: usize,
    ) -> Result<Option<usize>, Fault> {
        let lanes = Lanes::of(block);
        let escaped = self.escaped_bytes(&lanes, length);
        let quotes = lanes.equal(b'"') & !escaped;
        let carried = if self.in_string { u64::MAX } else { 0 };
        let inside = running_xor(quotes) ^ carried;
        self.in_string = inside >> (BLOCK - 1) == 1;
        let outside = !(inside | escaped);
        // `{` and `[`, like `}` and `]`, differ in this one bit.
        let folded = lanes.with_bits(0x20);
        let opens = folded.equal(b'{') & outside;
        let mut brackets = opens | folded.equal(b'}') & outside;
        while brackets != 0 {
            let at = brackets.trailing_zeros() as usize;
            let is_opening = opens >> at & 1 == 1;
            brackets &= brackets - 1;
            let byte = block[at];
            let object = u128::from(byte & 0x20 != 0);
            if is_opening {
                if self.depth == self.max_depth {
                    return Err(Fault::TooDeep { at: start + at });
                }
                self.open = self.open << 1 | object;
                self.depth += 1;
                continue;
            }
            // The first byte opened a bracket and the walk ends when it closes, so one is open.
            if self.open & 1 != object {
                let expected = if object == 1 { b']' } else { b'}' };
                return Err(Fault::Unbalanced { at: start + at, found: byte, expected });
            }
            self.open >>= 1;
            self.depth -= 1;
            if self.depth == 0 {
                return Ok(Some(start + at + 1));
            }
        }
        Ok(None)
    }

    /// The bytes that a backslash before them takes the meaning from.
    #[inline]
    fn escaped_bytes(&mut self, lanes: &Lanes, length: usize) -> u64 {
        let mut escaped = u64::from(std::mem::take(&mut self.escaped));
        let mut rest = lanes.equal(b'\\') & !escaped;
        while rest != 0 {
            let next = rest.trailing_zeros() as usize + 1;
            if next == length {
                self.escaped = true;
                break;
            }
            // A backslash that is itself escaped escapes nothing.
            escaped |= 1 << next;
            rest &= rest - 1;
            rest &= !(1 << next);
        }
        escaped
    }
}

fn ends_scalar(byte: u8) -> bool {
    matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t' | b'"' | b'{' | b'[' | b':')
}

/// The bytes of a block, side by side.
struct Lanes([u8x16; BLOCK / 16]);

impl Lanes {
    #[inline]
    fn of(block: &[u8; BLOCK]) -> Self {
        let [a, b, c, d] = block.as_chunks::<16>().0 else {
            unreachable!("four times sixteen bytes")
        };
        Self([*a, *b, *c, *d].map(u8x16::new))
    }

    /// Each byte with these bits set.
    #[inline]
    fn with_bits(&self, bits: u8) -> Self {
        Self(self.0.map(|lane| lane | u8x16::splat(bits)))
    }

    /// Bit `i` is set where byte `i` is this one.
    #[inline]
    fn equal(&self, byte: u8) -> u64 {
        let masks = self.0.map(|lane| u64::from(lane.simd_eq(u8x16::splat(byte)).to_bitmask()));
        masks[0] | masks[1] << 16 | masks[2] << 32 | masks[3] << 48
    }
}

/// Bit `i` of the result is the exclusive or of the bits `0..=i`.
#[inline]
fn running_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of(text: &str, step: usize) -> Result<Option<usize>, Fault> {
        let mut span = Span::begin(text.as_bytes()[0], 5).unwrap();
        for (index, chunk) in text.as_bytes().chunks(step).enumerate() {
            if let Some(end) = span.advance(chunk)? {
                return Ok(Some(index * step + end));
            }
        }
        Ok(None)
    }

    #[test]
    fn brackets_and_quotes_in_strings_do_not_count() {
        let long = "x".repeat(200);
        for value in [
            "{}".to_owned(),
            r#"{"a":"}","b":["]{",{"c":"\\"}]}"#.to_owned(),
            r#"["\"]","\\\"]","\\\\"]"#.to_owned(),
            format!(r#"{{"{long}":"\\{long}\"}}"}}"#),
            format!(r#""{long}\\\"{long}""#),
            r#""\\""#.to_owned(),
            "-12.5e3".to_owned(),
            "null".to_owned(),
        ] {
            let text = format!("{value},{{");
            for step in 1..=text.len() {
                assert_eq!(end_of(&text, step), Ok(Some(value.len())), "{value} by {step}");
            }
        }
    }

    #[test]
    fn runs_of_backslashes_over_a_block_edge() {
        for before in 55..70 {
            for slashes in 1..10 {
                let fill = "y".repeat(before);
                let escapes = "\\".repeat(slashes);
                let text = format!("[\"{fill}{escapes}\"]\"]]");
                let closed = if slashes % 2 == 0 { before + slashes + 4 } else { text.len() - 1 };
                for step in [1, 63, 64, 65, 500] {
                    assert_eq!(end_of(&text, step), Ok(Some(closed)), "{text} by {step}");
                }
            }
        }
    }

    #[test]
    fn faults_say_where() {
        assert_eq!(
            end_of("[{\"a\":1]", 100),
            Err(Fault::Unbalanced { at: 7, found: b']', expected: b'}' })
        );
        assert_eq!(end_of("[[[[[[]]]]]]", 100), Err(Fault::TooDeep { at: 5 }));
        assert_eq!(end_of("[[[[[]]]]]", 100), Ok(Some(10)));
        assert_eq!(end_of("[\"", 100), Ok(None));
    }
}

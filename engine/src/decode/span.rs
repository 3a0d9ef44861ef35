//! Where one JSON value ends.
//!
//! Containers are walked in blocks of 64 bytes. For each block a bit mask of the quotes gives, by a
//! running exclusive or, the bytes inside strings; only brackets outside strings are looked at one
//! by one. The masks are made by plain loops over arrays that the compiler turns into vector
//! instructions, and the rarer ones (backslashes, brackets) only for blocks that need them.

use memchr::memchr2;

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
        let escaped = self.escaped_bytes(block, length);
        let quotes = mask(block, |byte| byte == b'"') & !escaped;
        let carried = if self.in_string { u64::MAX } else { 0 };
        let inside = running_xor(quotes) ^ carried;
        self.in_string = inside >> (BLOCK - 1) == 1;
        if !any(block, |byte| is_open(byte) | is_close(byte)) {
            return Ok(None);
        }
        let outside = !(inside | escaped);
        let opens = mask(block, is_open) & outside;
        let mut brackets = opens | mask(block, is_close) & outside;
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
    fn escaped_bytes(&mut self, block: &[u8; BLOCK], length: usize) -> u64 {
        let mut escaped = u64::from(std::mem::take(&mut self.escaped));
        if !any(block, |byte| byte == b'\\') {
            return escaped;
        }
        let mut rest = mask(block, |byte| byte == b'\\') & !escaped;
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

// `{` and `[`, like `}` and `]`, differ in this one bit.
fn is_open(byte: u8) -> bool {
    byte | 0x20 == b'{'
}

fn is_close(byte: u8) -> bool {
    byte | 0x20 == b'}'
}

#[inline]
fn any(block: &[u8; BLOCK], test: impl Fn(u8) -> bool) -> bool {
    let mut found = 0;
    for &byte in block {
        found |= u8::from(test(byte));
    }
    found != 0
}

/// Bit `i` is set where the test holds for byte `i`.
#[inline]
fn mask(block: &[u8; BLOCK], test: impl Fn(u8) -> bool) -> u64 {
    let mut hits = [0; BLOCK];
    for (hit, &byte) in hits.iter_mut().zip(block) {
        *hit = u8::from(test(byte));
    }
    let mut bits = 0;
    for (index, &lane) in hits.as_chunks::<8>().0.iter().enumerate() {
        // Eight bytes of 0 or 1: the product moves byte `i`'s lowest bit to bit `i` of the top byte.
        let gathered = u64::from_le_bytes(lane).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        bits |= gathered << (8 * index);
    }
    bits
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

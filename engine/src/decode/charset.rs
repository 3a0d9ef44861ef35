//! Turns text of any charset into UTF-8 while it arrives.

use encoding_rs::{CoderResult, Decoder, UTF_16BE, UTF_16LE};
use longshore_schema::decode::Charset;

use super::Error;

const OUTPUT_BYTES: usize = 64 << 10;

/// Text in UTF-8 passes through as it is, with its byte order mark; a mark of UTF-16 counts for more
/// than what is said. What has no meaning in the charset becomes U+FFFD.
pub struct Transcode {
    stage: Stage,
    bytes: u64,
    output: String,
}

enum Stage {
    /// The first byte, until two are there that tell whether it is UTF-16.
    Start(Option<u8>),
    Plain,
    Decode(Box<Decoder>),
}

impl Transcode {
    /// From the declared charset; `None` means UTF-8.
    #[must_use]
    pub fn new(charset: Option<Charset>) -> Self {
        let encoding = charset.and_then(encoding);
        let stage = match encoding {
            Some(encoding) => Stage::Decode(Box::new(encoding.new_decoder())),
            None => Stage::Start(None),
        };
        Self { stage, bytes: 0, output: String::new() }
    }

    /// From the `charset` parameter of a `Content-Type` header, if it names a known one.
    #[must_use]
    pub fn by_content_type(value: Option<&str>) -> Self {
        let parameter = value.unwrap_or_default().split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
        });
        let encoding = parameter
            .and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes()))
            .filter(|encoding| *encoding != encoding_rs::UTF_8);
        let stage = match encoding {
            Some(encoding) => Stage::Decode(Box::new(encoding.new_decoder())),
            None => Stage::Start(None),
        };
        Self { stage, bytes: 0, output: String::new() }
    }

    /// Whether text is decoded from another charset than UTF-8, as far as it is known yet.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.stage, Stage::Decode(_))
    }

    /// Reads the next chunk and calls `on_bytes` with its text.
    pub fn feed<E: From<Error>>(
        &mut self,
        chunk: &[u8],
        mut on_bytes: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = chunk;
        if let Stage::Start(before) = self.stage {
            let (first, second) = match (before, rest) {
                (None, [first, second, ..]) => (*first, *second),
                (Some(first), [second, ..]) => (first, *second),
                (None, [first]) if matches!(first, 0xFE | 0xFF) => {
                    self.stage = Stage::Start(Some(*first));
                    return Ok(());
                }
                (_, []) => return Ok(()),
                (None, [first]) => (*first, 0),
            };
            self.stage = match [first, second] {
                [0xFF, 0xFE] => Stage::Decode(Box::new(UTF_16LE.new_decoder())),
                [0xFE, 0xFF] => Stage::Decode(Box::new(UTF_16BE.new_decoder())),
                _ => Stage::Plain,
            };
            if let Some(first) = before {
                self.text(&[first], false, &mut on_bytes)?;
            }
        }
        self.bytes += rest.len() as u64;
        if matches!(self.stage, Stage::Plain) {
            return if rest.is_empty() { Ok(()) } else { on_bytes(rest) };
        }
        self.text(std::mem::take(&mut rest), false, &mut on_bytes)
    }

    /// Ends the text. Fails with [`Error::CharacterTruncated`] if it ends inside a character.
    pub fn finish<E: From<Error>>(
        mut self,
        mut on_bytes: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.stage {
            Stage::Start(Some(first)) => on_bytes(&[first]),
            Stage::Start(None) | Stage::Plain => Ok(()),
            Stage::Decode(_) => self.text(&[], true, &mut on_bytes),
        }
    }

    fn text<E: From<Error>>(
        &mut self,
        mut rest: &[u8],
        last: bool,
        on_bytes: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Stage::Decode(decoder) = &mut self.stage else {
            return if rest.is_empty() { Ok(()) } else { on_bytes(rest) };
        };
        self.output.reserve(OUTPUT_BYTES);
        loop {
            self.output.clear();
            let (result, read, replaced) = decoder.decode_to_string(rest, &mut self.output, last);
            rest = &rest[read..];
            if last && replaced {
                return Err(Error::CharacterTruncated { offset: self.bytes }.into());
            }
            if !self.output.is_empty() {
                on_bytes(self.output.as_bytes())?;
            }
            if result == CoderResult::InputEmpty {
                return Ok(());
            }
        }
    }
}

/// `None` for UTF-8.
fn encoding(charset: Charset) -> Option<&'static encoding_rs::Encoding> {
    Some(match charset {
        Charset::Utf8 => return None,
        // Its mark counts for more.
        Charset::Utf16 | Charset::Utf16Le => UTF_16LE,
        Charset::Utf16Be => UTF_16BE,
        Charset::Latin1 | Charset::Windows1252 => encoding_rs::WINDOWS_1252,
        Charset::Latin2 => encoding_rs::ISO_8859_2,
        Charset::Latin9 => encoding_rs::ISO_8859_15,
        Charset::Windows1250 => encoding_rs::WINDOWS_1250,
        Charset::Windows1251 => encoding_rs::WINDOWS_1251,
        Charset::Koi8R => encoding_rs::KOI8_R,
        Charset::ShiftJis => encoding_rs::SHIFT_JIS,
        Charset::EucJp => encoding_rs::EUC_JP,
        Charset::EucKr => encoding_rs::EUC_KR,
        Charset::Gb18030 => encoding_rs::GB18030,
        Charset::Big5 => encoding_rs::BIG5,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut transcode: Transcode, bytes: &[u8], step: usize) -> Result<String, Error> {
        let mut text = Vec::new();
        for chunk in bytes.chunks(step) {
            transcode.feed::<Error>(chunk, |bytes| {
                text.extend_from_slice(bytes);
                Ok(())
            })?;
        }
        transcode.finish::<Error>(|bytes| {
            text.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(String::from_utf8(text).unwrap())
    }

    #[test]
    fn text_is_the_same_however_it_is_cut() {
        let utf16: Vec<u8> = "\u{FEFF}é,😀\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "é,😀\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for step in 1..=5 {
            let with = |charset| Transcode::new(charset);
            assert_eq!(read(with(None), "é,😀".as_bytes(), step).unwrap(), "é,😀");
            assert_eq!(read(with(None), &utf16, step).unwrap(), "é,😀\n");
            assert_eq!(read(with(Some(Charset::Latin1)), b"\xE9\x80", step).unwrap(), "é€");
            assert_eq!(read(with(Some(Charset::Utf16)), &utf16, step).unwrap(), "é,😀\n");
            assert_eq!(read(with(Some(Charset::Utf16Be)), &big, step).unwrap(), "é,😀\n");
            assert_eq!(read(with(Some(Charset::ShiftJis)), b"\x93\xFA", step).unwrap(), "日");
            let header = Transcode::by_content_type(Some("text/csv; charset=\"ISO-8859-1\""));
            assert_eq!(read(header, b"\xE9", step).unwrap(), "é");
            let cut = read(with(None), &utf16[..utf16.len() - 1], step);
            assert!(matches!(cut, Err(Error::CharacterTruncated { .. })), "{cut:?}");
        }
        assert_eq!(read(Transcode::new(None), b"", 1).unwrap(), "");
    }
}

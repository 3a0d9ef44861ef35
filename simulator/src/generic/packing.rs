//! Bodies as bytes: charsets and compressions. Of the compressions that no library here writes, the
//! form for data that is not compressed is written.

use std::fmt::Write as _;
use std::io::Write as _;

use encoding_rs::Encoding;
use fastrand::Rng;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::{Compression as Level, Crc};
use longshore_schema::decode::{Charset, Compression, Decode, Format};

/// A file that nobody wants.
const OTHER: &str = "simulated-readme.note";

/// What becomes of a body's text before it is sent.
#[derive(Clone, Debug)]
pub(super) struct Packing {
    charset: Option<Charset>,
    /// Whether the charset is told by a mark alone.
    marked: bool,
    is_json: bool,
    compression: Compression,
    /// The name of the file in an archive that is wanted, if it is not the only one.
    wanted: Option<String>,
    /// Draws among the forms that mean the same.
    seed: u64,
}

impl Packing {
    /// Draws one of the forms that a connector has to understand.
    pub(super) fn new(decode: &Decode, ways: &mut Rng) -> Self {
        let compression = match decode.compression() {
            // Documents are answers of an API, everything else may be a file.
            Compression::Detect if decode.format().is_document() => Compression::None,
            Compression::Detect => match ways.u8(..8) {
                0 => Compression::Gzip,
                1 => Compression::Zip,
                2 => Compression::Zstd,
                _ => Compression::None,
            },
            declared => declared,
        };
        // Other files are beside it where its name tells it from them.
        let inside = decode.inside.as_ref().filter(|inside| !inside.matches(OTHER));
        let inside = inside.map(ToString::to_string);
        let declared = decode.charset.as_ref().map(|charset| charset.value);
        // A file may begin with a mark that tells its charset.
        let marked = declared.is_none() && decode.format() != Format::Json && ways.u8(..8) == 0;
        Self {
            charset: if marked { Some(Charset::Utf16) } else { declared },
            marked,
            is_json: matches!(decode.format(), Format::Json | Format::Ndjson),
            compression,
            wanted: inside.map(|pattern| pattern.replace('*', "simulated")),
            seed: ways.u64(..),
        }
    }

    /// The bytes of a text.
    pub(super) fn pack(&self, text: &[u8]) -> Vec<u8> {
        let mut ways = Rng::with_seed(self.seed);
        let bytes = match self.charset {
            None => text.to_vec(),
            Some(charset) => {
                let marked = self.marked || ways.bool();
                encoded(&String::from_utf8_lossy(text), charset, self.is_json, marked)
            }
        };
        match self.compression {
            Compression::Detect | Compression::None => bytes,
            Compression::Gzip if ways.bool() => {
                // Several members in a row are one file (RFC 1952, section 2.2).
                let (first, second) = bytes.split_at(bytes.len() / 2);
                [gzip(first), gzip(second)].concat()
            }
            Compression::Gzip => gzip(&bytes),
            Compression::Deflate => deflate(&bytes, ways.bool()),
            Compression::Zip => zip(&bytes, self.wanted.as_deref(), &mut ways),
            Compression::Brotli => brotli(&bytes),
            Compression::Zstd => zstd(&bytes),
        }
    }
}

/// A text in a charset. What the charset lacks is written as JSON or XML would.
fn encoded(text: &str, charset: Charset, is_json: bool, marked: bool) -> Vec<u8> {
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    let encoding: &'static Encoding = match charset {
        Charset::Utf8 => {
            let mark = if marked && !is_json { "\u{FEFF}" } else { "" };
            return format!("{mark}{text}").into_bytes();
        }
        Charset::Utf16 if marked => return big(&format!("\u{FEFF}{text}")),
        Charset::Utf16 | Charset::Utf16Le => return little(text),
        Charset::Utf16Be => return big(text),
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
    };
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        let mut buffer = [0; 4];
        let one: &str = character.encode_utf8(&mut buffer);
        if is_json && encoding.encode(one).2 {
            for unit in one.encode_utf16() {
                let _ = write!(plain, "\\u{unit:04x}");
            }
        } else {
            plain.push(character);
        }
    }
    encoding.encode(&plain).0.into_owned()
}

/// gzip (RFC 1952).
pub(super) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}

/// zlib (RFC 1950), or the bare data of it (RFC 1951).
pub(super) fn deflate(body: &[u8], bare: bool) -> Vec<u8> {
    if bare {
        let mut encoder = DeflateEncoder::new(Vec::new(), Level::fast());
        let _ = encoder.write_all(body);
        return encoder.finish().unwrap_or_default();
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Level::fast());
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}

/// A Zstandard frame of raw blocks (RFC 8878, sections 3.1.1.1 and 3.1.1.2).
pub(super) fn zstd(body: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 128 << 10;
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD];
    // A single segment whose size has four bytes.
    frame.push(0xA0);
    frame.extend((body.len() as u32).to_le_bytes());
    let mut blocks: Vec<&[u8]> = body.chunks(BLOCK).collect();
    if blocks.is_empty() {
        blocks.push(&[]);
    }
    let last = blocks.len() - 1;
    for (index, block) in blocks.into_iter().enumerate() {
        let header = u32::from(index == last) | ((block.len() as u32) << 3);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(block);
    }
    frame
}

/// A Brotli stream of meta-blocks that are not compressed (RFC 7932, section 9).
fn brotli(body: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 1 << 16;
    let mut stream = Vec::new();
    let (mut bits, mut count) = (0_u64, 0);
    // The window has 16 bits: one bit, 0.
    let mut write = |stream: &mut Vec<u8>, value: u64, width: u32, align: bool| {
        bits |= value << count;
        count += width;
        while count >= 8 || (align && count > 0) {
            stream.push((bits & 0xFF) as u8);
            bits >>= 8;
            count = count.saturating_sub(8);
        }
    };
    write(&mut stream, 0, 1, false);
    for block in body.chunks(BLOCK) {
        // Not the last one, four nibbles of length less one, not compressed.
        write(&mut stream, 0, 1, false);
        write(&mut stream, 0, 2, false);
        write(&mut stream, block.len() as u64 - 1, 16, false);
        write(&mut stream, 1, 1, true);
        stream.extend(block);
    }
    // The last one, and empty.
    write(&mut stream, 0b11, 2, true);
    stream
}

/// A zip archive (APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16): the file that is wanted, and
/// others beside it if its name tells it from them.
fn zip(body: &[u8], wanted: Option<&str>, ways: &mut Rng) -> Vec<u8> {
    let note = b"Simulated: nothing that anybody asked for.";
    let mut files = vec![(wanted.unwrap_or("simulated"), body)];
    if wanted.is_some() {
        let at = ways.usize(..=1);
        files.insert(at, (OTHER, note));
    }
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in &files {
        let stored = ways.bool();
        let data = if stored { content.to_vec() } else { deflate(content, true) };
        let mut crc = Crc::new();
        crc.update(content);
        let mut entry = Vec::new();
        entry.extend(20_u16.to_le_bytes());
        entry.extend(0_u16.to_le_bytes());
        entry.extend((if stored { 0_u16 } else { 8 }).to_le_bytes());
        // The first day that it can tell.
        entry.extend([0, 0, 0x21, 0]);
        entry.extend(crc.sum().to_le_bytes());
        entry.extend((data.len() as u32).to_le_bytes());
        entry.extend((content.len() as u32).to_le_bytes());
        entry.extend((name.len() as u16).to_le_bytes());
        entry.extend(0_u16.to_le_bytes());
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&entry);
        // No comment, the first disk, no attributes.
        directory.extend([0; 10]);
        directory.extend((archive.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        archive.extend(b"PK\x03\x04");
        archive.extend(entry);
        archive.extend(name.as_bytes());
        archive.extend(data);
    }
    let start = archive.len() as u32;
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend((files.len() as u16).to_le_bytes());
    archive.extend((files.len() as u16).to_le_bytes());
    archive.extend((directory.len() as u32).to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([0, 0]);
    archive
}

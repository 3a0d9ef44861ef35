use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::super::{CsvLimits, CsvRows, JsonLimits, JsonRecords};
use super::*;

type Outcome = (Vec<u8>, Result<Inflated, Error>);

fn unpack_with(encoding: Encoding, limit: u64, packed: &[u8], size: usize) -> Outcome {
    let mut inflate = Unpack::new(encoding, None, limit);
    let mut content = Vec::new();
    for chunk in packed.chunks(size) {
        let result = inflate.feed::<Error>(chunk, |bytes| {
            assert!(!bytes.is_empty());
            content.extend_from_slice(bytes);
            Ok(())
        });
        if let Err(error) = result {
            assert_eq!(inflate.finish(), Err(Error::Stopped));
            return (content, Err(error));
        }
    }
    (content, inflate.finish())
}

fn unpack(encoding: Encoding, packed: &[u8]) -> Outcome {
    let whole = unpack_with(encoding, u64::MAX, packed, usize::MAX);
    for size in [1, 2, 3, 7] {
        assert_eq!(unpack_with(encoding, u64::MAX, packed, size), whole, "by {size}");
    }
    whole
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn bare_deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn reads_the_header() {
    let read = |value| Encoding::from_header(value);
    assert_eq!(read(None), Ok(Encoding::Identity));
    assert_eq!(read(Some("")), Ok(Encoding::Identity));
    assert_eq!(read(Some(" X-GZIP ")), Ok(Encoding::Gzip));
    assert_eq!(read(Some("Deflate")), Ok(Encoding::Deflate));
    assert_eq!(read(Some("br")), Ok(Encoding::Brotli));
    assert_eq!(read(Some("zstd")), Ok(Encoding::Zstd));
    for (value, name) in [("lzma", "lzma"), ("gzip, br", "gzip, br"), ("<\u{1B}[2J>", "???2J?")] {
        assert_eq!(read(Some(value)), Err(Error::UnknownEncoding { name: name.to_owned() }));
    }
}

#[test]
fn a_gzip_header_may_carry_every_field() {
    let mut packed = flate2::GzBuilder::new()
        .extra(&b"some extra"[..])
        .filename("name")
        .comment("a comment")
        .write(Vec::new(), Compression::fast());
    packed.write_all(b"content").unwrap();
    let mut packed = packed.finish().unwrap();
    assert_eq!(unpack(Encoding::Gzip, &packed).0, b"content");
    // A header checksum, and an extra field of length 0, which the library does not write.
    packed[3] |= 2;
    let header = 10 + 2 + 10 + 5 + 10;
    packed.splice(header..header, [1, 2]);
    packed.splice(10..22, [0, 0]);
    assert_eq!(unpack(Encoding::Gzip, &packed).0, b"content");
}

#[test]
fn members_follow_one_another() {
    let packed = [gzip(b"one,"), gzip(b""), gzip(b"two")].concat();
    let (content, end) = unpack(Encoding::Gzip, &packed);
    assert_eq!(content, b"one,two");
    assert_eq!(end, Ok(Inflated { read: packed.len() as u64, written: 7 }));
    let padded = [&packed[..], &[0; 10]].concat();
    assert_eq!(unpack(Encoding::Gzip, &padded).0, b"one,two");
    let other = [&packed[..], b"x"].concat();
    assert!(matches!(unpack(Encoding::Gzip, &other).1, Err(Error::Damaged { .. })));
}

#[test]
fn a_file_is_unpacked_if_it_is_a_gzip_file() {
    assert_eq!(unpack(Encoding::Detect, &gzip(b"a,b\n")).0, b"a,b\n");
    for file in [&b""[..], b"a", b"a,b\n", b"\x1F\x1F\x8B"] {
        assert_eq!(unpack(Encoding::Detect, file).0, file);
    }
    assert_eq!(
        unpack(Encoding::Detect, &[0x1F]).1,
        Err(Error::EndedEarly { coding: "gzip", read: 1 })
    );
}

#[test]
fn a_checksum_that_does_not_match_is_an_error() {
    let packed = gzip(b"some content");
    for back in 1..=8 {
        let mut packed = packed.clone();
        let at = packed.len() - back;
        packed[at] ^= 1;
        let cause = "the checksum does not match the data";
        let offset = packed.len() as u64 - 1;
        let error = Error::Damaged { coding: "gzip", offset, cause };
        assert_eq!(unpack(Encoding::Gzip, &packed).1, Err(error));
    }
}

#[test]
fn nothing_stays_inside_the_decoder() {
    for length in (0..5).flat_map(|windows| (windows << 15) - windows..(windows << 15) + 300) {
        let content = vec![b'x'; length];
        for packed in [gzip(&content), [gzip(b""), gzip(&content)].concat()] {
            let (unpacked, end) = unpack_with(Encoding::Gzip, u64::MAX, &packed, 1);
            assert_eq!((unpacked.len(), end.is_ok()), (length, true));
        }
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let content = vec![b' '; 10 << 20];
    let packed = gzip(&content);
    assert!(packed.len() < content.len() / 900);
    for size in [1, 100, usize::MAX] {
        let (content, end) = unpack_with(Encoding::Gzip, 1 << 20, &packed, size);
        assert!(content.len() <= 1 << 20);
        assert!(matches!(end, Err(Error::ContentTooLarge { limit: 0x10_0000, .. })));
    }
    let exact = unpack_with(Encoding::Gzip, 10 << 20, &packed, 100);
    assert_eq!(exact.1.unwrap().written, 10 << 20);
    let plain = unpack_with(Encoding::Identity, 3, b"abcd", 2);
    assert_eq!(plain, (b"ab".to_vec(), Err(Error::ContentTooLarge { limit: 3, read: 4 })));
}

#[test]
fn errors_say_what_to_do() {
    let shown = |error| format!("{}\n", crate::error::Error::from(error));
    let mut text = String::new();
    let packed = gzip(b"some content that is long enough");
    for (encoding, packed) in [
        (Encoding::Gzip, &packed[..20]),
        (Encoding::Gzip, &[]),
        (Encoding::Gzip, b"{\"a\":1}"),
        (Encoding::Gzip, b"\x1F\x8B\x08\0\0\0\0\0\0\0\xFF"),
        (Encoding::Deflate, b"{\"a\":1}"),
        (Encoding::Deflate, &[0x78]),
    ] {
        text += &shown(unpack(encoding, packed).1.unwrap_err());
    }
    text += &shown(Encoding::from_header(Some("compress")).unwrap_err());
    text += &shown(unpack_with(Encoding::Gzip, 3, &packed, 99).1.unwrap_err());
    insta::assert_snapshot!(text);
}

proptest! {
    #[test]
    fn unpacks_what_was_packed_however_it_is_cut(
        parts in prop::collection::vec((any::<u8>(), 0..5000_usize), 0..20),
        size in 1..3000_usize,
        cut in any::<prop::sample::Index>(),
    ) {
        let content: Vec<u8> =
            parts.iter().flat_map(|&(byte, times)| std::iter::repeat_n(byte, times)).collect();
        for (encoding, packed) in [
            (Encoding::Identity, content.clone()),
            (Encoding::Gzip, gzip(&content)),
            (Encoding::Detect, gzip(&content)),
            (Encoding::Deflate, zlib(&content)),
            (Encoding::Deflate, bare_deflate(&content)),
        ] {
            let (unpacked, end) = unpack_with(encoding, u64::MAX, &packed, size);
            prop_assert!(unpacked == content, "{encoding:?} {end:?}");
            let (read, written) = (packed.len() as u64, content.len() as u64);
            prop_assert_eq!(end, Ok(Inflated { read, written }));
            if encoding == Encoding::Gzip || encoding == Encoding::Deflate {
                let packed = &packed[..cut.index(packed.len())];
                let (_, end) = unpack_with(encoding, u64::MAX, packed, size);
                let early = matches!(end, Err(Error::EndedEarly { .. }));
                prop_assert!(early, "{:?}", end);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        start in prop::sample::select(vec![&b""[..], b"\x1F\x8B\x08\x1E", b"\x1F\x8B\x08\0", b"\x78\x9C"]),
    ) {
        let packed = [start, &bytes[..]].concat();
        for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Detect] {
            let whole = unpack_with(encoding, 1 << 20, &packed, usize::MAX).1;
            let bytewise = unpack_with(encoding, 1 << 20, &packed, 1).1;
            prop_assert_eq!(whole.is_ok(), bytewise.is_ok());
        }
    }
}

/// A page of records, each with its number.
fn page(records: usize) -> String {
    let records: Vec<String> = (0..records)
        .map(|number| format!("{{\"Id\":\"{number:018}\",\"Note\":\"[\\\"{}\\\"]\"}}", number % 7))
        .collect();
    format!("{{\"done\":true,\"records\":[{}]}}", records.join(","))
}

#[test]
fn inflate_and_json_compose_without_allocating() {
    let text = page(20_000);
    for (packed, encoding) in
        [(gzip(text.as_bytes()), Encoding::Gzip), (text.clone().into_bytes(), Encoding::Identity)]
    {
        for size in [1, 64 << 10] {
            let limits = JsonLimits::default();
            let mut inflate = Unpack::new(encoding, None, 64 << 20);
            let mut scanner = JsonRecords::new(vec!["records".to_owned()], limits);
            let mut bytes = 0;
            let mut feed = |chunk: &[u8]| {
                inflate.feed(chunk, |text| {
                    scanner.feed(text, |record| {
                        bytes += record.len();
                        Ok::<(), Error>(())
                    })
                })
            };
            // The buffers have seen a record cut in two, and so their full size, after the start.
            let (start, rest) = packed.split_at(packed.len() / 4);
            start.chunks(size).try_for_each(&mut feed).unwrap();
            let (rest, last) = rest.split_at(rest.len() - 100);
            let mut result = Ok(());
            let allocations = allocation_counter::measure(|| {
                result = rest.chunks(size).try_for_each(&mut feed);
            });
            assert_eq!((result, allocations.count_total), (Ok(()), 0), "{encoding:?} by {size}");
            last.chunks(size).try_for_each(&mut feed).unwrap();
            assert_eq!(inflate.finish().unwrap().written, text.len() as u64);
            assert_eq!(scanner.finish().unwrap().records, 20_000);
            assert_eq!(bytes, text.len() - "{\"done\":true,\"records\":[]}".len() - 19_999);
        }
    }
}

#[test]
fn inflate_and_csv_compose_without_allocating() {
    let row = |number| format!("{number:018},\"a \"\"quoted\"\" note\",\n");
    let text = format!("ID,NOTE,URL\n{}", (0..20_000).map(row).collect::<String>());
    let packed = gzip(text.as_bytes());
    for size in [1, 64 << 10] {
        let mut inflate = Unpack::new(Encoding::Detect, None, 64 << 20);
        let mut reader = CsvRows::new(CsvLimits::default());
        let mut bytes = 0;
        let mut feed = |chunk: &[u8]| {
            inflate.feed(chunk, |text| {
                reader.feed(text, |row| {
                    bytes += row.raw().len() + 1;
                    Ok::<(), Error>(())
                })
            })
        };
        let (start, rest) = packed.split_at(packed.len() / 4);
        start.chunks(size).try_for_each(&mut feed).unwrap();
        let mut result = Ok(());
        let allocations = allocation_counter::measure(|| {
            result = rest.chunks(size).try_for_each(&mut feed);
        });
        assert_eq!((result, allocations.count_total), (Ok(()), 0), "by {size}");
        inflate.finish().unwrap();
        assert_eq!(reader.finish(|_| Ok::<(), Error>(())).unwrap().rows, 20_000);
        assert_eq!(bytes, text.len() - "ID,NOTE,URL\n".len());
    }
}

/// `one,two` five hundred times, as the reference encoders pack it.
const BROTLI: &str = "1b9f0ff88d94aec652f95646d70a2c6e77e2b77080d40180f201";
const ZSTD: &str = "28b52ffd04587d0000406f6e652c74776f0a0100959f5fb828b03f75";

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pairs = hexadecimal.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Sizes {
    InHeader,
    Behind { signature: bool },
    Behind64,
}

/// A zip archive of these files, each stored or deflated.
fn zip(files: &[(&str, &[u8])], deflated: bool, sizes: Sizes) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in files {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let packed = if deflated { bare_deflate(content) } else { content.to_vec() };
        let start = archive.len() as u32;
        let extra: &[u8] = if sizes == Sizes::Behind64 {
            &[1, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        } else {
            &[]
        };
        let behind = sizes != Sizes::InHeader;
        let told = |value: u32| if behind { 0 } else { value }.to_le_bytes();
        let size = |length: usize| match sizes {
            Sizes::Behind64 => u32::MAX.to_le_bytes(),
            _ => told(length as u32),
        };
        let mut fixed = vec![20, 0, if behind { 8 } else { 0 }, 0, if deflated { 8 } else { 0 }, 0];
        fixed.extend([0; 4]);
        fixed.extend(told(crc.sum()));
        fixed.extend(size(packed.len()));
        fixed.extend(size(content.len()));
        fixed.extend((name.len() as u16).to_le_bytes());
        fixed.extend((extra.len() as u16).to_le_bytes());
        archive.extend(b"PK\x03\x04");
        archive.extend(&fixed);
        archive.extend(name.as_bytes());
        archive.extend(extra);
        archive.extend(&packed);
        if behind {
            if sizes != (Sizes::Behind { signature: false }) {
                archive.extend(b"PK\x07\x08");
            }
            archive.extend(crc.sum().to_le_bytes());
            for length in [packed.len(), content.len()] {
                match sizes {
                    Sizes::Behind64 => archive.extend((length as u64).to_le_bytes()),
                    _ => archive.extend((length as u32).to_le_bytes()),
                }
            }
        }
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&fixed);
        directory.extend([0; 10]);
        directory.extend(start.to_le_bytes());
        directory.extend(name.as_bytes());
        directory.extend(extra);
    }
    let start = archive.len() as u32;
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend((files.len() as u16).to_le_bytes());
    archive.extend((files.len() as u16).to_le_bytes());
    archive.extend((directory.len() as u32).to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([3, 0, b'e', b'n', b'd']);
    archive
}

fn unzip(inside: Option<&str>, limit: u64, packed: &[u8], size: usize) -> Outcome {
    use longshore_schema::scalar::Scalar as _;
    let inside = inside.map(|inside| EntryPattern::parse(inside).unwrap());
    let mut unpack = Unpack::new(Encoding::Detect, inside, limit);
    let mut content = Vec::new();
    for chunk in packed.chunks(size) {
        let fed = unpack.feed::<Error>(chunk, |bytes| {
            content.extend_from_slice(bytes);
            Ok(())
        });
        if let Err(error) = fed {
            return (content, Err(error));
        }
    }
    (content, unpack.finish())
}

#[test]
fn brotli_and_zstd_are_read_and_never_cut_short() {
    let content = b"one,two\n".repeat(500);
    for (encoding, packed) in [(Encoding::Brotli, bytes(BROTLI)), (Encoding::Zstd, bytes(ZSTD))] {
        let (unpacked, end) = unpack(encoding, &packed);
        assert!(unpacked == content, "{encoding:?}: {end:?}");
        assert_eq!(end, Ok(Inflated { read: packed.len() as u64, written: 4_000 }));
        for cut in 0..packed.len() {
            let (_, end) = unpack_with(encoding, u64::MAX, &packed[..cut], 3);
            assert!(matches!(end, Err(Error::EndedEarly { .. })), "{encoding:?} at {cut}: {end:?}");
        }
        let (_, end) = unpack_with(encoding, 3_999, &packed, 5);
        assert!(matches!(end, Err(Error::ContentTooLarge { limit: 3_999, .. })), "{end:?}");
        let (_, end) = unpack_with(encoding, u64::MAX, &[&packed[..], b"x..."].concat(), 5);
        assert!(matches!(end, Err(Error::Damaged { .. })), "{encoding:?}: {end:?}");
    }
    assert_eq!(unpack(Encoding::Detect, &bytes(ZSTD)).0, content);
    // Two frames, and one to skip between them.
    let skipped = [0x5A, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let frames = [bytes(ZSTD), skipped.to_vec(), bytes(ZSTD)].concat();
    assert_eq!(unpack(Encoding::Zstd, &frames).0.len(), 8_000);
    let mut damaged = bytes(ZSTD);
    *damaged.last_mut().unwrap() ^= 1;
    let (_, end) = unpack(Encoding::Zstd, &damaged);
    assert!(matches!(end, Err(Error::Damaged { cause, .. }) if cause.contains("checksum")));
}

#[test]
fn one_file_of_an_archive_is_read() {
    let content = b"one,two\n".repeat(500);
    let files: [(&str, &[u8]); 4] = [
        ("folder/", b""),
        ("folder/read.me", b"text"),
        ("folder/log.csv", &content),
        ("z.txt", b""),
    ];
    for deflated in [true, false] {
        for sizes in [
            Sizes::InHeader,
            Sizes::Behind { signature: true },
            Sizes::Behind { signature: false },
            Sizes::Behind64,
        ] {
            let archive = zip(&files, deflated, sizes);
            if !deflated && sizes != Sizes::InHeader {
                // Where stored data end is known from the directory alone.
                let end = unzip(Some("*.csv"), u64::MAX, &archive, 9).1;
                assert!(matches!(end, Err(Error::ZipEntry { .. })), "{end:?}");
                continue;
            }
            for size in [1, 2, 30, usize::MAX] {
                let (unpacked, end) = unzip(Some("*.csv"), u64::MAX, &archive, size);
                assert!(unpacked == content, "by {size}: {end:?}");
                assert!(end.is_ok(), "by {size}: {end:?}");
            }
            for cut in 1..archive.len() {
                let end = unzip(Some("*.csv"), u64::MAX, &archive[..cut], 50).1;
                assert!(matches!(end, Err(Error::EndedEarly { .. })), "at {cut}: {end:?}");
            }
            let several = unzip(None, u64::MAX, &archive, 9).1;
            assert!(matches!(several, Err(Error::ZipEntry { .. })), "{several:?}");
            let none = unzip(Some("*.json"), u64::MAX, &archive, 9).1.unwrap_err();
            assert!(none.to_string().contains("none of its 3 files is `*.json`"), "{none}");
            let bomb = unzip(Some("*.csv"), 100, &archive, 9).1;
            assert!(matches!(bomb, Err(Error::ContentTooLarge { .. })), "{bomb:?}");
        }
    }
    let archive = zip(&[("log.csv", &content)], true, Sizes::InHeader);
    assert_eq!(unzip(None, u64::MAX, &archive, 9).0, content);
    let mut damaged = archive.clone();
    damaged[14] ^= 1;
    let end = unzip(None, u64::MAX, &damaged, 9).1;
    assert!(matches!(end, Err(Error::Damaged { cause, .. }) if cause.contains("checksum")));
    let mut locked = archive;
    locked[6] |= 1;
    let end = unzip(None, u64::MAX, &locked, 9).1;
    assert!(matches!(end, Err(Error::ZipEntry { cause }) if cause.contains("encrypted")));
    let empty = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let end = unzip(None, u64::MAX, empty, 9).1;
    assert!(matches!(end, Err(Error::ZipEntry { .. })), "{end:?}");
}

proptest! {
    #[test]
    fn damaged_streams_never_panic_or_pass_for_whole(
        kind in 0_usize..3,
        at in any::<prop::sample::Index>(),
        bits in 1_u8..=255,
        size in 1_usize..40,
    ) {
        let content = b"one,two\n".repeat(50);
        let (encoding, mut packed) = match kind {
            0 => (Encoding::Brotli, bytes(BROTLI)),
            1 => (Encoding::Zstd, bytes(ZSTD)),
            _ => (Encoding::Zip, zip(&[("a.csv", &content)], true, Sizes::Behind { signature: true })),
        };
        let at = at.index(packed.len());
        packed[at] ^= bits;
        let (_, whole) = unpack_with(encoding, 1 << 20, &packed, usize::MAX);
        let (_, cut) = unpack_with(encoding, 1 << 20, &packed, size);
        prop_assert_eq!(whole.is_ok(), cut.is_ok());
    }
}

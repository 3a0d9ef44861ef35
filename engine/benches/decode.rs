//! How many bytes per second the decoders take in, each on one core. The pages have the shape of a
//! Salesforce query: 2,000 records of 15 short fields each.
//!
//! `cargo bench -p longshore-engine --bench decode`

use std::fmt::Write as _;
use std::io::Write as _;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use longshore_engine::decode::{
    CsvLimits, CsvRows, Encoding, Error, JsonLimits, JsonRecords, Unpack,
};

const TOTAL_BYTES: usize = 64 << 20;
const CHUNK_BYTES: usize = 64 << 10;
const RECORDS_PER_PAGE: usize = 2_000;

fn main() {
    divan::main();
}

fn fields(number: usize) -> [(&'static str, String); 15] {
    [
        ("Id", format!("0Ya{number:015}")),
        ("UserId", format!("005{:015}", number % 500)),
        ("LoginTime", format!("2026-01-{:02}T03:04:05.000+0000", number % 28 + 1)),
        ("SourceIp", format!("192.0.2.{}", number % 255)),
        ("Status", "Success".to_owned()),
        ("Application", "Browser".to_owned()),
        ("Browser", format!("Chrome {}", number % 140)),
        ("Platform", "Windows 11".to_owned()),
        ("LoginType", "Application".to_owned()),
        ("CountryIso", "DE".to_owned()),
        ("LoginUrl", "login.example.com".to_owned()),
        ("TlsProtocol", "TLS 1.3".to_owned()),
        ("CipherSuite", "TLS_AES_256_GCM_SHA384".to_owned()),
        ("ClientVersion", "N/A".to_owned()),
        ("ApiType", "REST".to_owned()),
    ]
}

/// A page of JSON; indented by two spaces per level or compact.
fn page(first: usize, indented: bool) -> String {
    let (line, space) = if indented { ("\n", " ") } else { ("", "") };
    let indent = |levels: usize| if indented { "  ".repeat(levels) } else { String::new() };
    let (one, two, three) = (indent(1), indent(2), indent(3));
    let mut text =
        format!("{{{line}{one}\"totalSize\":{space}2000,{line}{one}\"done\":{space}false,");
    let _ = write!(text, "{line}{one}\"records\":{space}[");
    for number in first..first + RECORDS_PER_PAGE {
        let comma = if number == first { "" } else { "," };
        let _ = write!(text, "{comma}{line}{two}{{");
        for (index, (name, value)) in fields(number).iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(text, "{comma}{line}{three}\"{name}\":{space}\"{value}\"");
        }
        let _ = write!(text, "{line}{two}}}");
    }
    let _ = write!(text, "{line}{one}]{line}}}");
    text
}

fn pages(indented: bool) -> Vec<String> {
    let mut pages = Vec::new();
    let mut bytes = 0;
    while bytes < TOTAL_BYTES {
        let page = page(pages.len() * RECORDS_PER_PAGE, indented);
        bytes += page.len();
        pages.push(page);
    }
    pages
}

fn csv_file(quoted: bool) -> String {
    let quote = if quoted { "\"" } else { "" };
    let row = |fields: [String; 15]| {
        let fields = fields.map(|field| format!("{quote}{field}{quote}"));
        fields.join(",") + "\n"
    };
    let mut text = row(fields(0).map(|(name, _)| name.to_owned()));
    let mut number = 0;
    while text.len() < TOTAL_BYTES {
        text += &row(fields(number).map(|(_, value)| value));
        number += 1;
    }
    text
}

fn scan(page: &[u8]) -> Result<u64, Error> {
    let mut scanner = JsonRecords::new(vec!["records".to_owned()], JsonLimits::default());
    for chunk in page.chunks(CHUNK_BYTES) {
        scanner.feed(chunk, |record| {
            black_box(record);
            Ok::<(), Error>(())
        })?;
    }
    Ok(scanner.finish()?.records)
}

#[divan::bench(args = [false, true], sample_count = 20)]
fn json_indented(bencher: Bencher<'_, '_>, indented: bool) {
    let pages = pages(indented);
    let bytes: usize = pages.iter().map(String::len).sum();
    bencher.counter(BytesCount::new(bytes)).bench(|| {
        for page in &pages {
            assert_eq!(scan(black_box(page.as_bytes())), Ok(RECORDS_PER_PAGE as u64));
        }
    });
}

#[divan::bench(args = [false, true], sample_count = 10)]
fn csv_quoted(bencher: Bencher<'_, '_>, quoted: bool) {
    let file = csv_file(quoted);
    bencher.counter(BytesCount::new(file.len())).bench(|| {
        let mut reader = CsvRows::new(CsvLimits::default());
        for chunk in black_box(file.as_bytes()).chunks(CHUNK_BYTES) {
            let fed = reader.feed(chunk, |row| {
                black_box(row.raw());
                Ok::<(), Error>(())
            });
            assert_eq!(fed, Ok(()));
        }
        reader.finish(|_| Ok::<(), Error>(())).is_ok()
    });
}

/// Counted in unpacked bytes.
#[divan::bench(sample_count = 10)]
fn gzip_and_json(bencher: Bencher<'_, '_>) {
    let pages = pages(false);
    let bytes: usize = pages.iter().map(String::len).sum();
    let packed: Vec<Vec<u8>> = pages
        .iter()
        .map(|page| {
            let level = flate2::Compression::default();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            // Writing to a vector cannot fail.
            let _ = encoder.write_all(page.as_bytes());
            encoder.finish().unwrap_or_default()
        })
        .collect();
    bencher.counter(BytesCount::new(bytes)).bench(|| {
        for page in &packed {
            let mut inflate = Unpack::new(Encoding::Gzip, None, u64::MAX);
            let mut scanner = JsonRecords::new(vec!["records".to_owned()], JsonLimits::default());
            for chunk in black_box(page).chunks(CHUNK_BYTES) {
                let fed = inflate.feed(chunk, |text| {
                    scanner.feed(text, |record| {
                        black_box(record);
                        Ok::<(), Error>(())
                    })
                });
                assert_eq!(fed, Ok(()));
            }
            assert!(inflate.finish().is_ok());
            assert_eq!(scanner.finish().map(|end| end.records), Ok(RECORDS_PER_PAGE as u64));
        }
    });
}

//! Any bytes, cut anywhere: every decoder gives the same whole or in pieces, ends, and fails by name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longshore_engine::decode::{
    CsvLimits, CsvRows, CsvStyle, Encoding, Error, JsonLimits, JsonLines, JsonRecords, Opener,
    Transcode, Unpack, Way, XmlRecords,
};
use longshore_schema::JsonPath;
use longshore_schema::decode::{Charset, Unpacking};
use longshore_schema::scalar::Scalar;

/// The most bytes that a stream may unpack to here.
const LIMIT: u64 = 1 << 20;

/// What a decoder handed over, all together, and whether the end was reached.
type Outcome = (Vec<u8>, bool);

fn unpack(encoding: Encoding, data: &[u8], step: usize) -> Outcome {
    let mut unpack = Unpack::new(encoding, None, LIMIT);
    let mut out = Vec::new();
    let mut take = |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        Ok::<(), Error>(())
    };
    let fed = data.chunks(step).try_for_each(|chunk| unpack.feed(chunk, &mut take));
    let whole = fed.is_ok() && unpack.finish().is_ok();
    (out, whole)
}

fn transcode(charset: Option<Charset>, data: &[u8], step: usize) -> Outcome {
    let mut transcode = Transcode::new(charset);
    let mut out = Vec::new();
    let mut take = |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        Ok::<(), Error>(())
    };
    let fed = data.chunks(step).try_for_each(|chunk| transcode.feed(chunk, &mut take));
    let whole = fed.is_ok() && transcode.finish(&mut take).is_ok();
    (out, whole)
}

fn json(path: &[Way], data: &[u8], step: usize) -> Outcome {
    let mut records = JsonRecords::along(path.to_vec(), JsonLimits::default());
    let mut out = Vec::new();
    let mut take = |record: &[u8]| {
        out.extend_from_slice(record);
        Ok::<(), Error>(())
    };
    let fed = data.chunks(step).try_for_each(|chunk| records.feed(chunk, &mut take));
    let whole = fed.is_ok() && records.finish().is_ok();
    (out, whole)
}

fn lines(data: &[u8], step: usize) -> Outcome {
    let mut lines = JsonLines::new(JsonLimits::default());
    let mut out = Vec::new();
    let mut take = |record: &[u8]| {
        out.extend_from_slice(record);
        Ok::<(), Error>(())
    };
    let fed = data.chunks(step).try_for_each(|chunk| lines.feed(chunk, &mut take));
    let whole = fed.is_ok() && lines.finish(&mut take).is_ok();
    (out, whole)
}

fn xml(data: &[u8], step: usize) -> Outcome {
    let path = vec!["a".to_owned(), "b".to_owned()];
    let mut records = XmlRecords::new(path, false, JsonLimits::default());
    let mut out = Vec::new();
    let mut take = |record: &[u8]| {
        out.extend_from_slice(record);
        Ok::<(), Error>(())
    };
    let fed = data.chunks(step).try_for_each(|chunk| records.feed(chunk, &mut take));
    let whole = fed.is_ok() && records.finish().is_ok();
    (out, whole)
}

fn csv(style: &CsvStyle, data: &[u8], step: usize) -> Outcome {
    let mut rows = CsvRows::with(style.clone(), CsvLimits::default());
    let mut out = Vec::new();
    let mut take = |row: longshore_engine::decode::Row<'_>| {
        for field in row.fields() {
            out.extend_from_slice(field.as_bytes());
            out.push(0);
        }
        Ok::<(), Error>(())
    };
    let fed = data.chunks(step).try_for_each(|chunk| rows.feed(chunk, &mut take));
    let whole = fed.is_ok() && rows.finish(&mut take).is_ok();
    (out, whole)
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, data)) = data.split_first() else { return };
    let step = usize::from(first % 16) + 1;
    let encodings = [
        Encoding::Gzip,
        Encoding::Deflate,
        Encoding::Brotli,
        Encoding::Zstd,
        Encoding::Zip,
        Encoding::Detect,
    ];
    for encoding in encodings {
        let whole = unpack(encoding, data, usize::MAX);
        let cut = unpack(encoding, data, step);
        assert_eq!(whole.1, cut.1, "{encoding:?}");
        if whole.1 {
            assert_eq!(whole.0, cut.0, "{encoding:?}");
        }
    }
    for charset in [None, Some(Charset::Utf16), Some(Charset::ShiftJis), Some(Charset::Latin1)] {
        assert_eq!(transcode(charset, data, usize::MAX), transcode(charset, data, step));
    }
    let member = || Way::Member("a".to_owned());
    for path in [
        vec![Way::Elements],
        vec![member(), Way::Elements, Way::Member("b".to_owned()), Way::Elements],
        vec![member(), Way::All],
        vec![Way::Index(1), Way::Elements, member()],
    ] {
        assert_eq!(json(&path, data, usize::MAX), json(&path, data, step), "{path:?}");
    }
    assert_eq!(lines(data, usize::MAX), lines(data, step));
    assert_eq!(xml(data, usize::MAX), xml(data, step));
    let plain = CsvStyle::default();
    let other = CsvStyle {
        delimiter: b';',
        quote: Some(b'\''),
        comment: Some(b'#'),
        skip: 1,
        header: false,
        columns: vec!["a".to_owned(), "b".to_owned()],
    };
    for style in [plain, other] {
        assert_eq!(csv(&style, data, usize::MAX), csv(&style, data, step));
    }
    if let Ok(path) = JsonPath::parse("$.a.b") {
        let steps = vec![Unpacking::Base64, Unpacking::Gzip, Unpacking::Json];
        let opener = Opener::new([(&path, steps)]);
        let _ = opener.map(|opener| opener.open(data));
    }
});

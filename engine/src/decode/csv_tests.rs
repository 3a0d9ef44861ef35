use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// What a test keeps of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    fields: Vec<String>,
    raw: Vec<u8>,
    ragged: Option<Ragged>,
    lossy: bool,
    number: u64,
}

type Outcome = (Vec<Kept>, Result<CsvSummary, Error>);

fn read_with(limits: CsvLimits, file: &[u8], size: usize) -> Outcome {
    let mut rows = Vec::new();
    let mut keep = |row: Row<'_>| {
        let fields: Vec<String> = row.fields().map(str::to_owned).collect();
        let by_column: Vec<&str> = (0..row.width()).filter_map(|column| row.get(column)).collect();
        assert_eq!(by_column, fields);
        assert_eq!(row.get(row.width()), None);
        let Row { ragged, lossy, number, .. } = row;
        rows.push(Kept { fields, raw: row.raw().to_vec(), ragged, lossy, number });
        Ok(())
    };
    let mut reader = CsvRows::new(limits);
    let mut result = Ok(());
    for chunk in file.chunks(size) {
        result = reader.feed::<Error>(chunk, &mut keep);
        if result.is_err() {
            assert_eq!(reader.feed::<Error>(chunk, &mut keep), Err(Error::Stopped));
            break;
        }
    }
    let summary = result.and_then(|()| reader.finish(&mut keep));
    (rows, summary)
}

/// The same for every size of chunks, or the test fails.
fn read(limits: CsvLimits, file: &[u8]) -> Outcome {
    let whole = read_with(limits, file, usize::MAX);
    for size in 1..file.len() {
        assert_eq!(read_with(limits, file, size), whole, "by {size}");
    }
    whole
}

fn fields(rows: &[Kept]) -> Vec<Vec<&str>> {
    rows.iter().map(|row| row.fields.iter().map(String::as_str).collect()).collect()
}

#[test]
fn rows_keep_their_fields_and_their_bytes() {
    let file = b"\xEF\xBB\xBF\"ID\",NAME\r\n\r\n1,\"a \"\"b\"\"\r\nc, d\"\r\n\n\"2\",\xC3\xA9";
    let (rows, summary) = read(CsvLimits::default(), file);
    assert_eq!(fields(&rows), [["1", "a \"b\"\r\nc, d"], ["2", "é"]]);
    assert_eq!(rows[0].raw, b"1,\"a \"\"b\"\"\r\nc, d\"");
    assert_eq!(rows[1].raw, b"\"2\",\xC3\xA9");
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2]);
    let summary = summary.unwrap();
    assert_eq!((summary.rows, summary.bytes), (2, file.len() as u64));
    let header = summary.header.unwrap();
    assert_eq!((header.position("NAME"), header.position("name")), (Some(1), None));
}

#[test]
fn ragged_rows_are_marked() {
    let (rows, summary) = read(CsvLimits::default(), b"a,b\n1\n1,2\n1,2,3\n,\n");
    assert_eq!(fields(&rows), [&["1"][..], &["1", "2"], &["1", "2", "3"], &["", ""]]);
    let ragged: Vec<_> = rows.iter().map(|row| row.ragged.map(|ragged| ragged.found)).collect();
    assert_eq!(ragged, [Some(1), None, Some(3), None]);
    assert_eq!(summary.unwrap().rows, 4);
}

#[test]
fn a_file_without_text_has_no_header() {
    for file in [&b""[..], b"\n", b"\r\n\r\n", b"\xEF\xBB\xBF", b"\xEF\xBB\xBF\n"] {
        let bytes = file.len() as u64;
        let summary = CsvSummary { header: None, rows: 0, bytes };
        assert_eq!(read(CsvLimits::default(), file), (Vec::new(), Ok(summary)));
    }
    let (rows, summary) = read(CsvLimits::default(), b"a,a");
    assert!(rows.is_empty());
    assert!(summary.unwrap().header.unwrap().is_repeated("a"));
}

#[test]
fn only_one_byte_order_mark_is_skipped() {
    let twice = "\u{FEFF}\u{FEFF}a\n1\n".as_bytes();
    let header = read(CsvLimits::default(), twice).1.unwrap().header.unwrap();
    assert_eq!(header.names(), ["\u{FEFF}a"]);
    let header = read(CsvLimits::default(), b"\xEF\xBBa").1.unwrap().header.unwrap();
    assert!(header.is_lossy());
}

#[test]
fn bytes_that_are_not_utf8_are_replaced_and_marked() {
    // Together the two bytes are an `é`, but they are two fields.
    let (rows, _) = read(CsvLimits::default(), b"a,b\n\xC3,\xA9\nx\xFF,\xC3\xA9y\nok,\xC3\xA9\n");
    assert_eq!(fields(&rows), [["\u{FFFD}", "\u{FFFD}"], ["x\u{FFFD}", "éy"], ["ok", "é"]]);
    assert_eq!(rows.iter().map(|row| row.lossy).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(rows[1].raw, b"x\xFF,\xC3\xA9y");
}

#[test]
fn a_file_cut_off_inside_quotes_is_an_error() {
    for (file, row) in [
        ("a,b\n1,\"x", 1),
        ("a,b\n1,\"x\"\"", 1),
        ("a,b\n1,2\n\"", 2),
        ("a,\"b", 0),
        ("a,\"b,\"\"\n", 0),
    ] {
        let error = read(CsvLimits::default(), file.as_bytes()).1.unwrap_err();
        assert_eq!(error, Error::CsvTruncated { row, offset: file.len() as u64 });
    }
    for file in ["a,b\n1,\"x\"", "a,b\n1,\"\"", "a,b\n1,x\"", "a\n\"x\"y\"", "a,b\n1,"] {
        assert_eq!(read(CsvLimits::default(), file.as_bytes()).1.unwrap().rows, 1, "{file}");
    }
}

#[test]
fn limits_hold_at_the_byte() {
    let limits = CsvLimits { field_bytes: 4, row_bytes: 6, columns: 3 };
    let failure = |file: &str| read(limits, file.as_bytes()).1.unwrap_err();
    assert_eq!(read(limits, b"a,b\n1234,\"56\"\n,,\n12,34,56").1.unwrap().rows, 3);
    assert_eq!(
        failure("a\n1\n1,\"23456\"\n"),
        Error::FieldTooLarge { row: 2, column: 2, limit: 4 }
    );
    assert_eq!(failure("a\n123,4567\n"), Error::RowTooLarge { row: 1, limit: 6 });
    assert_eq!(failure("a\n123,4567"), Error::RowTooLarge { row: 1, limit: 6 });
    assert_eq!(failure("a\n,,,\n"), Error::TooManyColumns { row: 1, limit: 3 });
    assert_eq!(failure("a,b,c,d"), Error::TooManyColumns { row: 0, limit: 3 });
    let endless = format!("a\n\"{}", "x".repeat(100_000));
    let error = read_with(limits, endless.as_bytes(), 1000).1.unwrap_err();
    assert_eq!(error, Error::RowTooLarge { row: 1, limit: 6 });
}

#[test]
fn errors_say_what_to_do() {
    let mut text = String::new();
    for error in [
        Error::CsvTruncated { row: 7, offset: 1234 },
        Error::RowTooLarge { row: 7, limit: 16 },
        Error::FieldTooLarge { row: 7, column: 2, limit: 16 },
        Error::TooManyColumns { row: 0, limit: 16 },
    ] {
        let _ = writeln!(text, "{}", crate::error::Error::from(error));
    }
    insta::assert_snapshot!(text);
}

proptest! {
    #[test]
    fn reads_what_the_csv_crate_reads(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                &b"a"[..], b"bc", b",", b",", b"\"", b"\"", b"\"\"", b"\n", b"\r\n", b"\r", b" ",
                "é".as_bytes(), b"\xC3", b"\xA9", b"\xFF", b"\0", b"\xEF\xBB\xBF",
                b"a longer piece of text without anything special in it",
            ]),
            0..40,
        ),
        sizes in prop::collection::vec(1_usize..90, 1..4),
    ) {
        let file = parts.concat();
        let (rows, summary) = read_with(CsvLimits::default(), &file, usize::MAX);
        for size in sizes {
            prop_assert_eq!(
                read_with(CsvLimits::default(), &file, size),
                (rows.clone(), summary.clone())
            );
        }

        let records = |file: &[u8]| -> Vec<csv::ByteRecord> {
            let mut builder = csv::ReaderBuilder::new();
            builder.flexible(true).has_headers(false);
            builder.from_reader(file).into_byte_records().collect::<Result<_, _>>().unwrap()
        };
        let lossy = |record: &csv::ByteRecord| -> Vec<String> {
            record.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect()
        };
        let mut expected = records(&file);
        // One more row appears after a line end, unless quotes are open.
        let mut continued = file.clone();
        continued.extend_from_slice(b"\nx");
        let open = records(&continued).len() == expected.len();
        prop_assert_eq!(matches!(summary, Err(Error::CsvTruncated { .. })), open);
        if open {
            expected.pop();
        }
        if let Ok(summary) = summary {
            let header = summary.header.map(|header| header.names().to_vec());
            prop_assert_eq!(header, expected.first().map(lossy));
        }
        let width = expected.first().map_or(0, csv::ByteRecord::len);
        let below = expected.get(1..).unwrap_or_default();
        prop_assert_eq!(rows.len(), below.len());
        for (row, record) in rows.iter().zip(below) {
            prop_assert_eq!(&row.fields, &lossy(record));
            let clean = record.iter().all(|field| std::str::from_utf8(field).is_ok());
            prop_assert_eq!(row.lossy, !clean);
            prop_assert_eq!(row.ragged.is_some(), record.len() != width);
            // The bytes of the row alone are the row.
            prop_assert_eq!(&records(&[b"x\n", &row.raw[..]].concat())[1..], std::slice::from_ref(record));
        }
    }
}

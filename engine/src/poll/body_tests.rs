use std::io::Write as _;

use longshore_schema::scalar::Scalar as _;
use longshore_schema::yaml;

use super::*;

/// The records as JSON, as the mapping sees them; an unreadable one as the reason.
fn read(
    encoding: Encoding,
    decode: &str,
    records: Option<&str>,
    opener: Option<&Opener>,
    body: &[u8],
) -> Result<Vec<String>> {
    let node = yaml::parse(decode).unwrap().root;
    let decode: Decode = longshore_schema::deserialize::from_node(&node).unwrap();
    let path = records.map(|path| JsonPath::parse(path).unwrap());
    let read_by = |step: usize| -> Result<Vec<String>> {
        let mut body_reader = Body::reader(encoding, None, &decode, path.as_ref(), opener)?;
        let mut found = Vec::new();
        let mut take = |record: Record<'_>| {
            found.push(match record {
                Record::Json(json) | Record::Opened { json, .. } => {
                    String::from_utf8_lossy(json).into_owned()
                }
                Record::Row(row) => String::from_utf8(row_object(&row)).unwrap(),
                Record::Unopened { cause, .. } => cause.to_owned(),
            });
            Ok(())
        };
        for chunk in body.chunks(step) {
            body_reader.feed(chunk, &mut take)?;
        }
        let read = body_reader.finish(&mut take)?;
        if let Some(misses) = read.misses {
            return Err(misses);
        }
        assert_eq!(read.records, found.len() as u64);
        Ok(found)
    };
    let whole = read_by(usize::MAX);
    for step in [1, 7] {
        let cut = read_by(step);
        assert_eq!(cut.is_ok(), whole.is_ok(), "by {step}");
        if let (Ok(cut), Ok(whole)) = (cut, &whole) {
            assert_eq!(cut, *whole, "by {step}");
        }
    }
    whole
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_format_and_packing_gives_the_same_records() {
    let rows = [r#"{"a":"1","b":"é"}"#, r#"{"a":"2","b":"x;y"}"#];
    let latin: &[u8] = b"# made today\na;b\n1;\xE9\n2;'x;y'\n";
    let dialect = "{ csv: { delimiter: ';', quote: \"'\", comment: '#' }, charset: iso-8859-1 }";
    for (encoding, decode, records, body) in [
        (Encoding::Identity, "csv", None, "\u{FEFF}a,b\r\n1,é\r\n2,x;y\r\n".as_bytes().to_vec()),
        (Encoding::Identity, "tsv", None, "a\tb\n1\té\n2\tx;y".as_bytes().to_vec()),
        (
            Encoding::Identity,
            "{ csv: { header: false, columns: [a, b], skip: 1 } }",
            None,
            "title\n1,é\n2,x;y\n".into(),
        ),
        (Encoding::Identity, "{ csv: { columns: [a, b] } }", None, "A,B\n1,é\n2,x;y\n".into()),
        (Encoding::Identity, dialect, None, latin.to_vec()),
        (Encoding::Gzip, dialect, None, gzip(&gzip(latin))),
        (Encoding::Identity, "ndjson", None, format!("{}\n{}", rows[0], rows[1]).into()),
        (
            Encoding::Gzip,
            "{ format: ndjson, compression: gzip }",
            None,
            gzip(rows.concat().replace("}{", "}\n{").as_bytes()),
        ),
        (
            Encoding::Identity,
            "json",
            Some("$.x[*].y[*]"),
            format!("{{\"x\":[{{\"y\":[{}]}},{{}},{{\"y\":[{}]}}]}}", rows[0], rows[1]).into(),
        ),
        (
            Encoding::Identity,
            "json",
            Some("$.items.*"),
            format!("{{\"items\":{{\"k\":{},\"l\":{}}}}}", rows[0], rows[1]).into(),
        ),
        (
            Encoding::Identity,
            "json",
            Some("$[1][*]"),
            format!("[{{\"n\":1}},[{},{}]]", rows[0], rows[1]).into(),
        ),
        (
            Encoding::Identity,
            "json",
            Some("$.x[*].y"),
            format!("{{\"x\":[{{\"y\":{}}},{{\"y\":{}}}]}}", rows[0], rows[1]).into(),
        ),
        (
            Encoding::Identity,
            "json",
            Some("$..y"),
            format!("{{\"x\":[{{\"y\":{}}},{{\"y\":{}}}]}}", rows[0], rows[1]).into(),
        ),
        (
            Encoding::Identity,
            "xml",
            Some("$.r.e[*]"),
            "<r><e><a>1</a><b>&#xE9;</b></e><e><a>2</a><b>x;y</b></e></r>".into(),
        ),
    ] {
        let found = read(encoding, decode, records, None, &body).unwrap();
        assert_eq!(found, rows, "{decode} {records:?}");
    }
}

#[test]
fn what_is_cut_off_is_never_a_short_success() {
    let csv = b"a,b\n1,\"two\"\n";
    for (encoding, decode, records, body) in [
        (Encoding::Gzip, "csv", None, gzip(csv)),
        (Encoding::Identity, "{ format: csv, compression: gzip }", None, gzip(csv)),
        (Encoding::Identity, "csv", None, gzip(csv)),
        (Encoding::Identity, "ndjson", None, b"{\"a\":{\"b\":1}}".to_vec()),
        (Encoding::Identity, "json", Some("$.x[*].y[*]"), b"{\"x\":[{\"y\":[1,2]}]}".to_vec()),
        (Encoding::Identity, "xml", Some("$.r.e[*]"), b"<r><e>1</e></r>".to_vec()),
        (
            Encoding::Identity,
            "{ format: csv, charset: utf-16le }",
            None,
            "a\n".encode_utf16().flat_map(u16::to_le_bytes).take(3).collect(),
        ),
    ] {
        for cut in 1..body.len() {
            let error = read(encoding, decode, records, None, &body[..cut]).err();
            let characters = decode.contains("utf-16");
            assert!(error.is_some() || (characters && cut == 2), "{decode} cut at {cut}");
        }
    }
}

#[test]
fn members_are_opened_before_the_mapping() {
    use longshore_schema::decode::Unpacking::{Base64, Json};
    let path = JsonPath::parse("$.p").unwrap();
    let opener = Opener::new([(&path, vec![Base64, Json])]).unwrap();
    let lines = b"{\"p\":\"eyJ1IjoxfQ\"}\n{\"p\":\"?\"}\n{\"q\":1}\n";
    let found = read(Encoding::Identity, "ndjson", None, Some(&opener), lines).unwrap();
    let broken = "`$.p` cannot be opened: it is not Base64";
    assert_eq!(found, ["{\"p\":{\"u\":1}}", broken, "{\"q\":1}"]);
    let found =
        read(Encoding::Identity, "csv", None, Some(&opener), b"p,q\neyJ1IjoxfQ,x\n").unwrap();
    assert_eq!(found, ["{\"p\":{\"u\":1},\"q\":\"x\"}"]);
}

#[test]
fn a_wildcard_means_what_it_says() {
    let cause = |records, body: &str| {
        let error = read(Encoding::Identity, "json", Some(records), None, body.as_bytes());
        error.err().map(|error| error.cause.clone().unwrap_or_default())
    };
    let no_array = Some("what stands there is not an array".to_owned());
    let nothing = Some("there is nothing at that place".to_owned());
    assert_eq!(cause("$.x[*]", r#"{"x":{"error":"no"}}"#), no_array);
    assert_eq!(cause("$.x.*", r#"{"x":{"error":"no"}}"#), None);
    assert_eq!(cause("$.x[*].y[*]", r#"{"x":[{"y":[]},{"y":"no"}]}"#), no_array);
    assert_eq!(cause("$.x[*].y[*]", r#"{"x":[{"y":null},{}]}"#), None);
    assert_eq!(cause("$.x[*].y[*]", r#"{"z":[]}"#), nothing);
    assert_eq!(cause("$.x[*]", r#"{"x":null}"#), None);
}

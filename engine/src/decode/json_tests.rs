use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The records as text, and how the document ended.
type Outcome = (Vec<String>, Result<Envelope, Error>);

fn read_with(path: &[&str], limits: JsonLimits, chunks: &[&[u8]]) -> Outcome {
    let mut scanner = JsonRecords::new(path.iter().map(|&name| name.to_owned()).collect(), limits);
    let mut records = Vec::new();
    for chunk in chunks {
        let fed = scanner.feed::<Error>(chunk, |record| {
            records.push(String::from_utf8_lossy(record).into_owned());
            Ok(())
        });
        if let Err(error) = fed {
            assert_eq!(scanner.finish(), Err(Error::Stopped));
            return (records, Err(error));
        }
    }
    (records, scanner.finish())
}

fn read(path: &[&str], text: &str) -> Outcome {
    read_with(path, JsonLimits::default(), &[text.as_bytes()])
}

fn failure(path: &[&str], text: &str) -> Error {
    read(path, text).1.unwrap_err()
}

#[test]
fn cuts_out_the_records_and_keeps_the_rest() {
    let text = "\u{FEFF} {\"done\":false,\"records\" : [ {\"a\":\"]}\"} ,\n [1,[2]], \"x\\\"\", -1.5e3,null ],\
                \"next\":\"/q?c=1\"}\n";
    let (records, envelope) = read(&["records"], text);
    assert_eq!(records, ["{\"a\":\"]}\"}", "[1,[2]]", "\"x\\\"\"", "-1.5e3", "null"]);
    let value = json!({"done": false, "records": [], "next": "/q?c=1"});
    let bytes = text.len() as u64;
    assert_eq!(envelope, Ok(Envelope { value, found: Found::Array, records: 5, bytes }));
}

#[test]
fn a_path_may_be_empty_or_deep_and_its_names_escaped() {
    assert_eq!(read(&[], "[1, {} ]").0, ["1", "{}"]);
    let deep = r#"{"records":[9],"d\u0061ta":{"x":{"records":[8]},"recor\u0064s":[1]}}"#;
    assert_eq!(read(&["data", "records"], deep).0, ["1"]);
    assert_eq!(read(&["\u{1F600}"], r#"{"\ud83d\ude00":[true]}"#).0, ["true"]);
    assert_eq!(read(&["a\"b"], r#"{"a\"b":[1]}"#).0, ["1"]);
}

#[test]
fn says_what_is_there_instead_of_an_array() {
    for (text, found) in [
        (r#"{"data":{"records":[]}}"#, Found::Array),
        (r#"{"data":{"records":null}}"#, Found::Null),
        (r#"{"data":{"records":{"records":[1]}}}"#, Found::NotAnArray),
        (r#"{"data":{"records":"none"}}"#, Found::NotAnArray),
        (r#"{"data":{"record":[1]}}"#, Found::Missing),
        (r#"{"data":[{"records":[1]}]}"#, Found::Missing),
        (r#"{"data":null}"#, Found::Missing),
        ("{}", Found::Missing),
        ("null", Found::Missing),
        ("17", Found::Missing),
    ] {
        let (records, envelope) = read(&["data", "records"], text);
        let envelope = envelope.unwrap();
        assert_eq!((records.len(), envelope.found), (0, found), "{text}");
        assert_eq!(envelope.value, serde_json::from_str::<Value>(text).unwrap());
    }
    assert_eq!(read(&[], "null").1.unwrap().found, Found::Null);
    assert_eq!(read(&[], "{}").1.unwrap().found, Found::NotAnArray);
}

#[test]
fn a_second_array_of_records_is_an_error() {
    for text in
        [r#"{"a":1,"records":[1],"records":[2]}"#, r#"{"records":null,"a":2,"recor\u0064s":[]}"#]
    {
        let error = failure(&["records"], text);
        assert!(
            matches!(&error, Error::DuplicateMember { name, .. } if name == "records"),
            "{error}"
        );
    }
    let outer = r#"{"data":{"records":[1]},"data":{}}"#;
    let name = "data".to_owned();
    assert_eq!(failure(&["data", "records"], outer), Error::DuplicateMember { name, offset: 24 });
    // The same name elsewhere is somebody else's.
    assert_eq!(read(&["r"], r#"{"x":{"r":[1]},"r":[2],"y":[{"r":[3]}]}"#).0, ["2"]);
}

#[test]
fn errors_name_the_place() {
    let mut text = String::new();
    for (path, document) in [
        (&["r"][..], ""),
        (&["r"], "\n<!doctype HTML><title>secret</title>"),
        (&["r"], "<p>secret"),
        (&["r"], "not found: secret"),
        (&["r"], "\u{1F}\u{8B}"),
        (&["r"], r#"{"r":[{"a":1},{"a":"#),
        (&["r"], r#"{"r":[{"a":1}"#),
        (&["r"], r#"{"r":[],"secret"#),
        (&["r"], r#"{"r":[{"a":[1}]}"#),
        (&["r"], r#"{"r":[1 2]}"#),
        (&["r"], r#"{"r":[1,]}"#),
        (&["r"], r#"{"r":[1],}"#),
        (&["r"], r#"{"r" [1]}"#),
        (&["r"], r#"{"r":[1]} {"#),
        (&["r"], "{\"r\":[1,2,3],\n\"secret\": [secret]}"),
        (&["r"], r#"{"r":[],"secret":"\ud800"}"#),
        (&["r"], r#"{"secret":1,"r":[],"r":[]}"#),
    ] {
        let error = failure(path, document);
        let _ = writeln!(text, "{}", crate::error::Error::from(error));
    }
    assert!(!text.contains("secret"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn limits_hold_at_the_byte() {
    let limits = JsonLimits { record_bytes: 5, envelope_bytes: 14, depth: 3 };
    let read = |text: &str| {
        let whole = read_with(&["r"], limits, &[text.as_bytes()]);
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(whole, read_with(&["r"], limits, &bytes), "{text}");
        whole.1
    };
    assert!(read(r#"{"r":[12345,"abc",[1,2]]}"#).is_ok());
    for record in ["123456", "\"abcd\"", "[1,23]", "{\"a\":1}"] {
        let offset = 8;
        let error = read(&format!("{{\"r\":[1,{record}]}}")).unwrap_err();
        assert_eq!(error, Error::RecordTooLarge { offset, limit: 5 }, "{record}");
    }
    assert!(read(r#"{"r":[1],"x":2}"#).is_ok());
    let error = read(r#"{"r":[1],"x":23}"#).unwrap_err();
    assert_eq!(error, Error::EnvelopeTooLarge { limit: 14 });
    assert!(read(r#"{"r":[[]]}"#).is_ok());
    assert_eq!(read(r#"{"r":[[[]]]}"#), Err(Error::TooDeep { offset: 7, limit: 3 }));
    assert_eq!(read(r#"{"x":[[[1]]]}"#), Err(Error::TooDeep { offset: 7, limit: 3 }));
}

#[test]
fn the_deepest_allowed_document_can_be_parsed() {
    let limits = JsonLimits { depth: usize::MAX, ..JsonLimits::default() };
    let nested = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(read_with(&["r"], limits, &[nested(119).as_bytes()]).1.is_ok());
    let error = read_with(&["r"], limits, &[nested(120).as_bytes()]).1.unwrap_err();
    assert_eq!(error, Error::TooDeep { offset: 124, limit: 120 });
}

#[test]
fn an_error_of_the_receiver_comes_back() {
    #[derive(Debug, PartialEq)]
    struct Full;
    impl From<Error> for Full {
        fn from(error: Error) -> Self {
            panic!("{error}");
        }
    }
    let mut scanner = JsonRecords::new(Vec::new(), JsonLimits::default());
    let mut seen = 0;
    let result = scanner.feed(b"[1,2,3]", |_| {
        seen += 1;
        if seen == 2 { Err(Full) } else { Ok(()) }
    });
    assert_eq!((seen, result), (2, Err(Full)));
    assert_eq!(scanner.finish(), Err(Error::Stopped));
}

/// JSON text with free white space, escapes and structural characters in strings.
fn json_text() -> impl Strategy<Value = String> {
    let string = prop::collection::vec(
        prop::sample::select(vec![
            "a",
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            " ",
            "\\\"",
            "\\\\",
            "\\n",
            "\\u0022",
            "\\ud83d\\ude00",
            "é",
            "😀",
            "some longer piece of text, as in a description",
        ]),
        0..6,
    )
    .prop_map(|parts| format!("\"{}\"", parts.concat()));
    let scalar = prop_oneof![
        prop::sample::select(vec!["null", "true", "false", "0", "-1.5E+3", "1234567890123"])
            .prop_map(str::to_owned),
        string.clone(),
    ];
    scalar.prop_recursive(4, 40, 5, move |inner| {
        let member = (string.clone(), space(), inner.clone())
            .prop_map(|(name, space, value)| format!("{name}{space}:{space}{value}"));
        prop_oneof![
            (prop::collection::vec(inner, 0..5), space()).prop_map(|(items, space)| {
                format!("[{space}{}{space}]", items.join(&format!("{space},{space}")))
            }),
            (prop::collection::vec(member, 0..5), space()).prop_map(|(members, space)| {
                format!("{{{space}{}{space}}}", members.join(&format!("{space},{space}")))
            }),
        ]
    })
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", " ", "\n    ", "\r\n", "\t"])
}

/// A document, its records, and the document without them.
fn document() -> impl Strategy<Value = (String, Vec<String>, String)> {
    let values = |most| prop::collection::vec(json_text(), 0..most);
    (values(6), values(3), values(3), space()).prop_map(|(records, before, after, space)| {
        let member = |(index, value)| format!("{space}\"m{index}\"{space}:{value},");
        let before: String = before.into_iter().enumerate().map(member).collect();
        let member = |(index, value)| format!(",{space}\"n{index}\":{space}{value}");
        let after: String = after.into_iter().enumerate().map(member).collect();
        let around = |array: &str| {
            format!("{space}{{\"d\":{{{before}{space}\"r\":[{array}]{after}}}{space}}}{space}")
        };
        let array = records.join(&format!("{space},{space}"));
        (around(&format!("{space}{array}{space}")), records, around(""))
    })
}

fn cut<'a>(text: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = text;
    let mut sizes = sizes.iter().cycle();
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |&size| size.clamp(1, rest.len()));
        let (chunk, others) = rest.split_at(size);
        chunks.push(chunk);
        rest = others;
    }
    chunks
}

proptest! {
    #[test]
    fn every_chunking_gives_the_records_of_the_whole(
        (text, records, around) in document(),
        sizes in prop::collection::vec(1_usize..200, 1..8),
    ) {
        let value: Value = serde_json::from_str(&around).unwrap();
        let envelope = Envelope {
            value,
            found: Found::Array,
            records: records.len() as u64,
            bytes: text.len() as u64,
        };
        let path = ["d", "r"];
        let expected = (records, Ok(envelope));
        for sizes in [&sizes[..], &[1], &[64], &[usize::MAX]] {
            let chunks = cut(text.as_bytes(), sizes);
            prop_assert_eq!(&read_with(&path, JsonLimits::default(), &chunks), &expected);
        }
    }

    #[test]
    fn broken_documents_are_refused_as_by_a_full_parser(
        (text, _, _) in document(),
        sizes in prop::collection::vec(1_usize..100, 1..8),
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(&b"{}[]\",:\\ 1n\xFF\0"[..]), 0..3_u8),
            0..4,
        ),
        cut_at in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut text = text.into_bytes();
        for (at, byte, edit) in edits {
            let at = at.index(text.len());
            match edit {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => { if text.len() > 1 { text.remove(at); } }
            }
        }
        if let Some(at) = cut_at {
            text.truncate(at.index(text.len()));
        }
        let path = ["d", "r"];
        for limits in [
            JsonLimits::default(),
            JsonLimits { record_bytes: 30, envelope_bytes: 60, depth: 4 },
        ] {
            let whole = read_with(&path, limits, &[&text]);
            for sizes in [&sizes[..], &[1], &[64]] {
                let chunks = cut(&text, sizes);
                prop_assert_eq!(&read_with(&path, limits, &chunks), &whole);
            }
            let parsed = serde_json::from_slice::<Value>(&text);
            match &whole {
                (records, Ok(envelope)) => {
                    let records: Result<Vec<Value>, _> =
                        records.iter().map(|record| serde_json::from_str(record)).collect();
                    match (records, parsed) {
                        (Ok(records), Ok(mut parsed)) => {
                            if let Some(array) = parsed.pointer_mut("/d/r")
                                && envelope.found == Found::Array
                            {
                                prop_assert_eq!(array.take(), Value::Array(records));
                                *array = json!([]);
                            }
                            prop_assert_eq!(&envelope.value, &parsed);
                        }
                        (Err(_), parsed) => prop_assert!(parsed.is_err()),
                        // Text that is not UTF-8 was replaced above.
                        (Ok(_), Err(_)) => prop_assert!(std::str::from_utf8(&text).is_err()),
                    }
                }
                (_, Err(error)) => prop_assert!(
                    parsed.is_err()
                        || limits.depth == 4
                        || matches!(error, Error::DuplicateMember { .. }),
                    "{}", error
                ),
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        start in prop::sample::select(vec!["", "{", "[", "{\"r\":[", "\u{FEFF}", "\""]),
    ) {
        let text = [start.as_bytes(), &bytes].concat();
        let whole = read_with(&["r"], JsonLimits::default(), &[&text]);
        prop_assert_eq!(read_with(&["r"], JsonLimits::default(), &cut(&text, &[1])), whole);
    }
}

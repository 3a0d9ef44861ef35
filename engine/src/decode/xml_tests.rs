use proptest::prelude::*;
use serde_json::json;

use super::*;

type Outcome = (Vec<Value>, Result<Envelope, Error>);

fn read_by(path: &[&str], text: &[u8], step: usize) -> Outcome {
    let path = path.iter().map(|&name| name.to_owned()).collect();
    let mut reader = XmlRecords::new(path, false, JsonLimits { depth: 6, ..JsonLimits::default() });
    let mut records = Vec::new();
    for chunk in text.chunks(step) {
        let fed = reader.feed::<Error>(chunk, |record| {
            records.push(serde_json::from_slice(record).unwrap());
            Ok(())
        });
        if let Err(error) = fed {
            assert_eq!(reader.finish(), Err(Error::Stopped));
            return (records, Err(error));
        }
    }
    (records, reader.finish())
}

fn read(text: &str) -> Outcome {
    let whole = read_by(&["feed", "entry"], text.as_bytes(), usize::MAX);
    for step in [1, 2, 7] {
        let cut = read_by(&["feed", "entry"], text.as_bytes(), step);
        assert_eq!(cut.0, whole.0, "by {step}");
        assert_eq!(cut.1.is_ok(), whole.1.is_ok(), "by {step}: {:?} {:?}", cut.1, whole.1);
    }
    whole
}

#[test]
fn elements_become_members() {
    let text = "\u{FEFF}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- <feed> -->\n<feed xmlns='urn:a'>\n\
        <link rel=\"next\" href=\"/q?a=1&amp;b=2\"/>\n<entry id='1'><title>a &lt; b &#xe9;</title>\
        <tag>x</tag><tag/><tag k=\"v>\">y</tag><![CDATA[<raw> & text]]></entry>\n\
        <entry/><entry>text</entry><total>3</total></feed>\n";
    let (records, envelope) = read(text);
    assert_eq!(
        records,
        [
            json!({
                "@id": "1",
                "title": "a < b é",
                "tag": ["x", null, {"@k": "v>", "#text": "y"}],
                "#text": "<raw> & text",
            }),
            json!({}),
            json!({"#text": "text"}),
        ]
    );
    let value = json!({"feed": {
        "@xmlns": "urn:a",
        "link": {"@rel": "next", "@href": "/q?a=1&b=2"},
        "total": "3",
    }});
    let bytes = text.len() as u64;
    assert_eq!(envelope, Ok(Envelope { value, found: Found::Array, records: 3, bytes }));
    assert_eq!(read("<feed/>").1.unwrap().found, Found::Null);
    assert_eq!(read("<other><entry/></other>").1.unwrap().found, Found::Missing);
    // A record is not searched for others.
    assert_eq!(read("<feed><entry><feed><entry/></feed></entry></feed>").0.len(), 1);
}

#[test]
fn what_is_no_xml_or_not_whole_is_named() {
    let end = |text: &str| read(text).1.unwrap_err();
    assert_eq!(end(" \n"), Error::Empty);
    assert_eq!(end("{\"a\":1}"), Error::NotXml { opening: "`{`".to_owned() });
    assert!(end("<!doctype html><p>").to_string().contains("malformed"));
    assert_eq!(end("<!DOCTYPE html><p>"), Error::NotXml { opening: "`<!DOCTYPE html`".to_owned() });
    assert!(matches!(end("<feed><entry>"), Error::XmlTruncated { inside: "an element", .. }));
    assert!(matches!(end("<feed><entry"), Error::XmlTruncated { inside: "markup", .. }));
    for text in [
        "<feed></entry></feed>",
        "</feed>",
        "<feed/><feed/>",
        "<feed/>text",
        "<feed a=1/>",
        "<feed a='1' a='2'/>",
        "<feed a/>",
        "<feed>&secret;</feed>",
        "<feed>a & b</feed>",
        "<feed>&#xD800;</feed>",
        "< feed/>",
        "<?xml version='1.0' encoding='iso-8859-1'?><feed/>",
        "<!DOCTYPE feed [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><feed>&a;</feed>",
    ] {
        let error = end(text);
        assert!(matches!(error, Error::XmlMalformed { .. }), "{text}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    assert!(matches!(end("<a><a><a><a><a><a><a>"), Error::TooDeep { limit: 6, .. }));
}

proptest! {
    #[test]
    fn any_text_is_read_alike_however_it_is_cut(
        parts in prop::collection::vec(prop::sample::select(vec![
            "<feed>", "</feed>", "<entry a='>'>", "</entry>", "<entry/>", "<!--", "-->", "<![CDATA[",
            "]]>", "&lt;", "&", " ", "x", "<", ">", "'", "<?", "?>", "<!DOCTYPE a>", "é",
        ]), 0..24),
        step in 1_usize..9,
    ) {
        let text = parts.concat();
        let whole = read_by(&["feed", "entry"], text.as_bytes(), usize::MAX);
        let cut = read_by(&["feed", "entry"], text.as_bytes(), step);
        prop_assert_eq!(cut.0, whole.0);
        prop_assert_eq!(cut.1.is_ok(), whole.1.is_ok());
    }
}

//! Opens documents that stand in members of a record as text.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use longshore_schema::JsonPath;
use longshore_schema::decode::Unpacking;

use super::content::{Encoding, Unpack};
use super::span::{MAX_DEPTH, Span};
use super::{Error, Row};

/// The longest document that is opened, in bytes.
const MAX_BYTES: u64 = 16 << 20;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The members of a stream's records that hold documents.
#[derive(Debug, Clone)]
pub struct Opener {
    members: Vec<Packed>,
}

#[derive(Debug, Clone)]
struct Packed {
    text: String,
    names: Vec<String>,
    steps: Vec<Unpacking>,
}

impl Opener {
    /// From the paths of members, which consist of names alone, with the steps that open each;
    /// `None` if there are none.
    pub fn new<'p>(
        packed: impl IntoIterator<Item = (&'p JsonPath, Vec<Unpacking>)>,
    ) -> Option<Self> {
        let members: Vec<_> = packed
            .into_iter()
            .map(|(path, steps)| Packed {
                text: path.as_str().to_owned(),
                names: path.members().unwrap_or_default().into_iter().map(str::to_owned).collect(),
                steps,
            })
            .collect();
        (!members.is_empty()).then_some(Self { members })
    }

    /// The record with its documents opened. Members that are missing, empty or no text stay as
    /// they are, and a record that is not JSON is left to whoever reads it.
    ///
    /// # Errors
    /// Which member cannot be opened and why, without any of its text.
    pub fn open(&self, record: &[u8]) -> Result<Vec<u8>, String> {
        let mut opened = record.to_vec();
        for member in &self.members {
            let mut out = Vec::with_capacity(opened.len());
            let open = |value: &[u8], out: &mut Vec<u8>| {
                member
                    .open(value, out)
                    .map_err(|cause| format!("`{}` cannot be opened: {cause}", member.text))
            };
            if rewrite(&opened, &member.names, &open, &mut out)?.is_some() {
                opened = out;
            }
        }
        Ok(opened)
    }
}

impl Packed {
    fn open(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let text = match serde_json::from_slice::<String>(value) {
            Ok(text) if !text.trim().is_empty() => text,
            _ => {
                out.extend_from_slice(value);
                return Ok(());
            }
        };
        let mut bytes = text.into_bytes();
        for step in &self.steps {
            bytes = match step {
                Unpacking::Base64 => base64(&bytes)?,
                Unpacking::Gzip => unpack(Encoding::Gzip, &bytes)?,
                Unpacking::Deflate => unpack(Encoding::Deflate, &bytes)?,
                Unpacking::Zstd => unpack(Encoding::Zstd, &bytes)?,
                Unpacking::Json => {
                    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
                    serde_json::from_slice::<serde::de::IgnoredAny>(text)
                        .map_err(|_| "what is inside is not JSON".to_owned())?;
                    out.extend_from_slice(text);
                    return Ok(());
                }
            };
        }
        let text = String::from_utf8(bytes).map_err(|_| "what is inside is not text".to_owned())?;
        serde_json::to_writer(out, &text).map_err(|error| error.to_string())
    }
}

fn base64(text: &[u8]) -> Result<Vec<u8>, String> {
    // Long texts are broken into lines (RFC 2045 section 6.8).
    let text: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let engine =
        if text.iter().any(|byte| matches!(byte, b'-' | b'_')) { URL_SAFE } else { STANDARD };
    engine.decode(text).map_err(|_| "it is not Base64".to_owned())
}

fn unpack(encoding: Encoding, packed: &[u8]) -> Result<Vec<u8>, String> {
    let mut unpack = Unpack::new(encoding, None, MAX_BYTES);
    let mut content = Vec::new();
    unpack
        .feed::<Error>(packed, |bytes| {
            content.extend_from_slice(bytes);
            Ok(())
        })
        .and_then(|()| unpack.finish())
        .map_err(|error| error.to_string())?;
    Ok(content)
}

/// Copies a JSON value with what `open` makes of the member that the names lead to. `None` if the
/// value is not JSON.
fn rewrite(
    value: &[u8],
    names: &[String],
    open: &impl Fn(&[u8], &mut Vec<u8>) -> Result<(), String>,
    out: &mut Vec<u8>,
) -> Result<Option<()>, String> {
    let Some((wanted, deeper)) = names.split_first() else {
        open(value, out)?;
        return Ok(Some(()));
    };
    let mut at = skip_space(value, 0);
    if value.get(at) != Some(&b'{') {
        out.extend_from_slice(value);
        return Ok(Some(()));
    }
    at = skip_space(value, at + 1);
    let mut copied = 0;
    while value.get(at) == Some(&b'"') {
        let Some(name_end) = end(value, at) else { return Ok(None) };
        let name = &value[at..name_end];
        at = skip_space(value, name_end);
        if value.get(at) != Some(&b':') {
            return Ok(None);
        }
        at = skip_space(value, at + 1);
        let Some(value_end) = end(value, at) else { return Ok(None) };
        if serde_json::from_slice::<String>(name).is_ok_and(|name| name == *wanted) {
            out.extend_from_slice(&value[copied..at]);
            if rewrite(&value[at..value_end], deeper, open, out)?.is_none() {
                return Ok(None);
            }
            copied = value_end;
        }
        at = skip_space(value, value_end);
        if value.get(at) == Some(&b',') {
            at = skip_space(value, at + 1);
        }
    }
    out.extend_from_slice(&value[copied..]);
    Ok(Some(()))
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// Where the value that starts at a position ends.
fn end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut span = Span::begin(*bytes.get(at)?, MAX_DEPTH)?;
    Some(at + span.advance(&bytes[at..]).ok()??)
}

/// A row as a JSON object of texts; empty fields are left out, and fields beyond the last column are
/// named `_extra_1` and so on.
#[must_use]
pub fn row_object(row: &Row<'_>) -> Vec<u8> {
    let names = row.header().names();
    let mut members = serde_json::Map::new();
    for (column, text) in row.fields().enumerate().filter(|(_, text)| !text.is_empty()) {
        let name = names.get(column).cloned();
        let name = name.unwrap_or_else(|| format!("_extra_{}", column + 1 - names.len()));
        members.entry(name).or_insert_with(|| text.into());
    }
    serde_json::Value::Object(members).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use longshore_schema::scalar::Scalar as _;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn open(path: &str, steps: &[Unpacking], record: &Value) -> Result<Value, String> {
        let path = JsonPath::parse(path).unwrap();
        let opener = Opener::new([(&path, steps.to_vec())]).unwrap();
        let opened = opener.open(record.to_string().as_bytes())?;
        Ok(serde_json::from_slice(&opened).unwrap())
    }

    #[test]
    fn what_is_inside_takes_the_place_of_the_text() {
        use Unpacking::{Base64, Gzip, Json};
        let record = json!({"id": 1, "payload": "{\"user\":\"ada\",\"n\":12345678901234567890}"});
        let opened = open("$.payload", &[Json], &record).unwrap();
        assert_eq!(
            opened,
            json!({"id": 1, "payload": {"user": "ada", "n": 12_345_678_901_234_567_890_u64}})
        );
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"[1,2]").unwrap();
        let text = URL_SAFE.encode(gzip.finish().unwrap());
        let record = json!({"a": {"b": text}, "c": "x"});
        let opened = open("$.a.b", &[Base64, Gzip, Json], &record).unwrap();
        assert_eq!(opened, json!({"a": {"b": [1, 2]}, "c": "x"}));
        assert_eq!(open("$.p", &[Base64], &json!({"p": "w6k"})).unwrap(), json!({"p": "é"}));
        for untouched in
            [json!({}), json!({"p": null}), json!({"p": ""}), json!({"p": 3}), json!([1])]
        {
            assert_eq!(open("$.p", &[Base64, Json], &untouched).unwrap(), untouched);
        }
    }

    #[test]
    fn what_cannot_be_opened_is_named_without_its_text() {
        use Unpacking::{Base64, Gzip, Json};
        for (steps, text, cause) in [
            (&[Json][..], "{secret", "not JSON"),
            (&[Base64, Json], "sec ret!", "not Base64"),
            (&[Base64, Gzip, Json], "c2VjcmV0", "gzip"),
            (&[Base64], "/w==", "not text"),
        ] {
            let error = open("$.p", steps, &json!({"p": text})).unwrap_err();
            assert!(error.starts_with("`$.p` cannot be opened: "), "{error}");
            assert!(error.contains(cause) && !error.contains("sec"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_record_is_kept_but_for_the_member(
            inner in prop_oneof![Just(json!(null)), any::<i64>().prop_map(Value::from), "[a-z\"\\\\{}]{0,9}".prop_map(Value::from)],
            name in "[a-z\"\\\\{}]{1,4}",
            other in any::<String>(),
        ) {
            let record = json!({name.clone(): other, "p": json!({"q": inner}).to_string(), "z": [1, {"p": "{}"}]});
            prop_assume!(name != "p" && name != "z");
            let opened = open("$.p", &[Unpacking::Json], &record).unwrap();
            prop_assert_eq!(opened, json!({name: other, "p": {"q": inner}, "z": [1, {"p": "{}"}]}));
        }
    }
}

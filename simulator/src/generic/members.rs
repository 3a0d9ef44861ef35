//! Members of records that hold documents in a text: opened in fixtures, and closed again in what
//! the app sends.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fastrand::Rng;
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use longshore_schema::JsonPath;
use longshore_schema::decode::Unpacking;
use serde_json::Value;

use super::{Unsupported, packing, place};

/// A member that holds a document, and how it is opened.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    path: JsonPath,
    steps: Vec<Unpacking>,
}

impl Packed {
    pub(super) fn new(path: &JsonPath, steps: Vec<Unpacking>) -> Result<Self, Unsupported> {
        place::one(path)?;
        Ok(Self { path: path.clone(), steps })
    }

    /// Opens the member of a recorded record, if it holds something.
    pub(super) fn open(&self, record: &mut Value) -> Result<(), Unsupported> {
        let text = match self.path.first(record).and_then(Value::as_str) {
            Some(text) if !text.trim().is_empty() => text.to_owned(),
            _ => return Ok(()),
        };
        let odd = |step: &Unpacking| {
            let path = &self.path;
            Unsupported(format!("what a fixture has at `{path}` cannot be opened as {step:?}"))
        };
        let mut bytes = text.into_bytes();
        let mut opened = None;
        for step in &self.steps {
            match step {
                Unpacking::Json => opened = serde_json::from_slice(&bytes).ok(),
                step => bytes = opened_by(*step, &bytes).ok_or_else(|| odd(step))?,
            }
            if *step == Unpacking::Json && opened.is_none() {
                return Err(odd(step));
            }
        }
        let opened = opened.or_else(|| Some(String::from_utf8(bytes).ok()?.into()));
        let opened = opened.ok_or_else(|| odd(&Unpacking::Base64))?;
        place::set(record, place::one(&self.path)?, opened);
        Ok(())
    }

    /// Closes it again, in one of the forms that mean the same.
    pub(super) fn close(&self, record: &mut Value, ways: &mut Rng) {
        let Some(found) = self.path.first(record).filter(|found| !found.is_null()) else { return };
        let mut bytes = match found {
            Value::String(text) if !self.steps.contains(&Unpacking::Json) => text.clone(),
            other => other.to_string(),
        }
        .into_bytes();
        for step in self.steps.iter().rev() {
            bytes = match step {
                Unpacking::Json => bytes,
                Unpacking::Gzip => packing::gzip(&bytes),
                Unpacking::Deflate => packing::deflate(&bytes, ways.bool()),
                Unpacking::Zstd => packing::zstd(&bytes),
                Unpacking::Base64 if ways.bool() => URL_SAFE_NO_PAD.encode(&bytes).into_bytes(),
                Unpacking::Base64 => STANDARD.encode(&bytes).into_bytes(),
            };
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Ok(steps) = place::one(&self.path) {
            place::set(record, steps, text.into());
        }
    }
}

fn opened_by(step: Unpacking, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match step {
        Unpacking::Json => None,
        Unpacking::Base64 => {
            let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('=');
            let text = text.replace('+', "-").replace('/', "_");
            URL_SAFE_NO_PAD.decode(text).ok()
        }
        Unpacking::Gzip => GzDecoder::new(bytes).read_to_end(&mut out).ok().map(|_| out),
        Unpacking::Deflate => {
            if ZlibDecoder::new(bytes).read_to_end(&mut out).is_ok() {
                return Some(out);
            }
            out.clear();
            DeflateDecoder::new(bytes).read_to_end(&mut out).ok().map(|_| out)
        }
        Unpacking::Zstd => raw_frame(bytes),
    }
}

/// What is in a Zstandard frame as [`packing::zstd`] writes it.
fn raw_frame(frame: &[u8]) -> Option<Vec<u8>> {
    let mut rest = frame.strip_prefix(&[0x28, 0xB5, 0x2F, 0xFD, 0xA0])?.get(4..)?;
    let mut out = Vec::new();
    loop {
        let (header, after) = rest.split_first_chunk::<3>()?;
        let header = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        if header & 0b110 != 0 {
            return None;
        }
        let (block, after) = after.split_at_checked((header >> 3) as usize)?;
        out.extend(block);
        rest = after;
        if header & 1 == 1 {
            return Some(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use longshore_schema::scalar::Scalar;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_closed_is_opened_again() {
        use Unpacking::{Base64, Deflate, Gzip, Json, Zstd};
        let path = JsonPath::parse("$.a.b").unwrap();
        for (steps, inside) in [
            (vec![Base64, Gzip, Json], json!({ "x": [1, null] })),
            (vec![Base64, Deflate], json!("a text")),
            (vec![Base64, Zstd, Json], json!("a text in JSON")),
            (vec![Json], json!(7)),
        ] {
            let packed = Packed::new(&path, steps).unwrap();
            let record = json!({ "a": { "b": inside } });
            for seed in 0..4 {
                let mut sent = record.clone();
                packed.close(&mut sent, &mut Rng::with_seed(seed));
                assert!(sent["a"]["b"].is_string(), "{sent}");
                packed.open(&mut sent).unwrap();
                assert_eq!(sent, record);
            }
        }
        let mut wrong = json!({ "a": { "b": "{" } });
        assert!(Packed::new(&path, vec![Json]).unwrap().open(&mut wrong).is_err());
    }
}

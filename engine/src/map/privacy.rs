//! What is private in records: taken out, masked or hashed before anything else sees them.

use std::net::IpAddr;

use aws_lc_rs::{hmac, rand};
use longshore_schema::convert::hexadecimal;
use longshore_schema::map::Privacy;
use longshore_schema::stream::Stream;
use longshore_schema::{JsonPath, Step};
use serde_json::Value;

use super::Record;
use super::paths::row_document;
use crate::error::{Code, Error};

/// How many hexadecimal digits of a hash stand for a value: 128 bits.
const DIGITS: usize = 32;

/// What becomes of the private members of records.
pub(super) struct Redaction {
    rules: Vec<(JsonPath, Privacy)>,
    key: hmac::Key,
}

impl Redaction {
    /// `None` if nothing is private. Until there is a salt, hashes are salted at random; fails if
    /// the system has no random numbers.
    pub(super) fn new(stream: &Stream) -> Result<Option<Self>, Error> {
        let rules: Vec<_> = stream
            .privacy
            .iter()
            .map(|(path, privacy)| (path.value.clone(), privacy.value))
            .collect();
        if rules.is_empty() {
            return Ok(None);
        }
        let mut salt = [0; 32];
        rand::fill(&mut salt)
            .map_err(|_| Error::new(Code::Internal, "the system gives no random numbers"))?;
        Ok(Some(Self { rules, key: hmac::Key::new(hmac::HMAC_SHA256, &salt) }))
    }

    pub(super) fn set_salt(&mut self, salt: &[u8; 32]) {
        self.key = hmac::Key::new(hmac::HMAC_SHA256, salt);
    }

    /// The record without what is private, as JSON. One that is no JSON, or was not
    /// unpacked, becomes nothing: what is private in it cannot be told.
    pub(super) fn of(&self, record: &Record<'_>) -> Vec<u8> {
        let document = match record {
            Record::Json(json) | Record::Opened { json, .. } => {
                serde_json::from_str(&String::from_utf8_lossy(json))
            }
            Record::Unopened { .. } => return Vec::new(),
            Record::Row(row) => Ok(row_document(row)),
        };
        let Ok(mut document) = document else { return Vec::new() };
        for (path, privacy) in &self.rules {
            if let Some(steps) = path.steps() {
                self.apply(steps, &mut document, *privacy);
            }
        }
        document.to_string().into_bytes()
    }

    fn apply(&self, steps: &[Step], value: &mut Value, privacy: Privacy) {
        let Some((step, rest)) = steps.split_first() else {
            self.redact(value, privacy);
            return;
        };
        if let (Step::Member(name), [], Privacy::Drop, Value::Object(members)) =
            (step, rest, privacy, &mut *value)
        {
            members.remove(name);
            return;
        }
        let on = |value: &mut Value| self.apply(rest, value, privacy);
        match (step, value) {
            (Step::Member(name), Value::Object(members)) => {
                members.get_mut(name).into_iter().for_each(on);
            }
            (Step::Index(index), Value::Array(items)) => {
                let at = if *index < 0 { items.len() as i64 + index } else { *index };
                usize::try_from(at).ok().and_then(|at| items.get_mut(at)).into_iter().for_each(on);
            }
            (Step::Every, Value::Array(items)) => items.iter_mut().for_each(on),
            (Step::Every, Value::Object(members)) => members.values_mut().for_each(on),
            (Step::Where { member, is }, Value::Array(items)) => {
                for item in items {
                    let text = member.iter().try_fold(&*item, |value, name| value.get(name));
                    if text.and_then(Value::as_str) == Some(is) {
                        on(item);
                    }
                }
            }
            _ => {}
        }
    }

    fn redact(&self, value: &mut Value, privacy: Privacy) {
        match value {
            Value::Null => {}
            _ if privacy == Privacy::Drop => *value = Value::Null,
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact(item, privacy)),
            Value::Object(members) => {
                members.values_mut().for_each(|member| self.redact(member, privacy));
            }
            Value::String(text) if privacy == Privacy::Mask => *text = masked(text),
            Value::String(text) => *text = self.hashed(text),
            Value::Bool(_) | Value::Number(_) if privacy == Privacy::Mask => *value = "***".into(),
            Value::Bool(_) | Value::Number(_) => *value = self.hashed(&value.to_string()).into(),
        }
    }

    /// A hash of a text. That of an e-mail address has the form of one, in a domain that cannot be
    /// (RFC 2606, section 2).
    fn hashed(&self, text: &str) -> String {
        let tag = hmac::sign(&self.key, text.as_bytes());
        let mut hash = hexadecimal(tag.as_ref());
        hash.truncate(DIGITS);
        let is_address = text.rsplit_once('@').is_some_and(|(_, domain)| domain.contains('.'));
        if is_address && !text.contains(char::is_whitespace) {
            hash.push_str("@hashed.invalid");
        }
        hash
    }
}

/// The first character alone; of an e-mail address also the domain, of an IP address the network.
fn masked(text: &str) -> String {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            return format!("{a}.{b}.{c}.0");
        }
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, ..] = address.segments();
            return std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).to_string();
        }
        Err(_) => {}
    }
    let first = text.chars().next().map(String::from).unwrap_or_default();
    match text.rsplit_once('@') {
        Some((_, domain)) if domain.contains('.') => format!("{first}***@{domain}"),
        _ => format!("{first}***"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::map::tests::mapper;
    use crate::map::{Mapper, Scratch};

    const PRIVATE: &str = "
key: $.id
raw: true
privacy:
  $.user.mail: hash
  $.user.name: mask
  $.note: drop
  $.seen[*].ip: mask
  \"$.facts[?@.name=='phone'].value\": drop
  $.card: hash
map:
  to: account_change
  activity: Create
  time: $.at
  user.email_addr: $.user.mail
  user.name: $.user.name
";

    fn event(mapper: &Mapper, record: &Value) -> (String, Value) {
        let mut out = Vec::new();
        let text = record.to_string();
        mapper.map(Record::Json(text.as_bytes()), &mut Scratch::new(), &mut out).unwrap();
        let line = String::from_utf8(out).unwrap();
        let event = serde_json::from_str(&line).unwrap();
        (line, event)
    }

    #[test]
    fn nothing_private_is_in_any_part_of_an_event() {
        let mut first = mapper(PRIVATE);
        first.set_salt(&[1; 32]);
        let record = json!({
            "id": 1, "at": "2026-10-01T10:00:00Z", "note": "private-note",
            "user": {"mail": "eve@example.com", "name": "Evelyn"},
            "seen": [{"ip": "203.0.113.77"}, {"ip": "2001:db8:a:b::77"}, {"ip": 7}],
            "facts": [{"name": "phone", "value": "private-phone"}, {"name": "size", "value": "L"}],
            "card": {"number": 4242, "codes": ["private-code", null]},
        });
        let (line, shown) = event(&first, &record);
        for word in ["private-", "eve@", "Evelyn", "4242", "0.113.77", "b::77"] {
            assert!(!line.contains(word), "{word}: {line}");
        }
        assert_eq!(shown["user"]["name"], "E***");
        assert_eq!(shown["unmapped"]["seen"][0]["ip"], "203.0.113.0");
        assert_eq!(shown["unmapped"]["seen"][1]["ip"], "2001:db8:a::");
        assert_eq!(
            shown["unmapped"]["facts"],
            json!([{"name": "phone"}, {"name": "size", "value": "L"}])
        );
        assert!(shown["raw_data"].as_str().unwrap().contains("\"E***\""));
        let address = shown["user"]["email_addr"].as_str().unwrap();
        assert!(address.ends_with("@hashed.invalid") && address.len() > DIGITS);

        // The same in one connection, another one elsewhere.
        let mut again = mapper(PRIVATE);
        again.set_salt(&[1; 32]);
        assert_eq!(event(&again, &record).1["user"], shown["user"]);
        again.set_salt(&[2; 32]);
        assert_ne!(event(&again, &record).1["user"], shown["user"]);
    }

    #[test]
    fn what_is_no_json_is_not_kept() {
        let mapper = mapper(PRIVATE);
        let broken = Record::Json(b"{\"user\": {\"mail\": \"eve@example.com\"");
        assert_eq!(mapper.redacted(&broken), Some(Vec::new()));
        let result = mapper.map(broken, &mut Scratch::new(), &mut Vec::new());
        assert!(result.is_err());
    }

    #[test]
    fn masks_keep_the_first_character() {
        for (text, mask) in
            [("", "***"), ("x", "x***"), ("\u{e9}ve@example.com", "\u{e9}***@example.com")]
        {
            assert_eq!(masked(text), mask);
        }
    }
}

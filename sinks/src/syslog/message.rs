//! An event as a message of RFC 5424.

use longshore_engine::error::Result;
use longshore_engine::sink::Log;

use crate::event::Head;

/// The facility that is used unless another is given.
pub(super) const LOCAL0: u8 = 16;

/// Names of facilities in the order of their numbers (RFC 5424, table 1, as syslog.h names them).
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

/// The number of a facility, by its number or name.
pub(super) fn facility(text: &str) -> Option<u8> {
    let number = match text.parse() {
        Ok(number) => number,
        Err(_) => FACILITIES.iter().position(|name| *name == text)?,
    };
    u8::try_from(number).ok().filter(|number| usize::from(*number) < FACILITIES.len())
}

/// A severity of RFC 5424, table 2, for an OCSF `severity_id`.
fn severity(severity_id: Option<i64>) -> u8 {
    match severity_id {
        Some(2) => 5,
        Some(3) => 4,
        Some(4) => 3,
        Some(5) => 2,
        Some(6) => 1,
        // Informational, or unknown.
        _ => 6,
    }
}

/// A message, without any framing: `MSGID` is the stream, the structured data has the event's
/// `metadata.uid`, and `MSG` is the event.
///
/// Everything that is not ASCII is escaped in the event. Otherwise `MSG` would have to begin with a
/// byte order mark (section 6.4), and would not be JSON to those who read it.
///
/// # Errors
/// The event has no `metadata.uid`.
pub(super) fn message(facility: u8, log: Log<'_>, event: &[u8]) -> Result<Vec<u8>> {
    let head = Head::read(event)?;
    let time = head.timestamp().map_or_else(|| "-".to_owned(), |time| format!("{time:.3}"));
    // Lengths as in section 6; names have no other characters than printable ASCII. The name of an
    // element that IANA has not registered ends with a private enterprise number: 32473 is the one
    // for everybody (RFC 5612).
    let header = format!(
        "<{}>1 {time} - longshore - {:.32} [longshore@32473 uid=\"{}\" connection=\"{}\"] ",
        u32::from(facility) * 8 + u32::from(severity(head.severity_id)),
        log.stream,
        parameter(head.uid()),
        parameter(log.connection),
    );
    let mut message = Vec::with_capacity(header.len() + event.len());
    message.extend_from_slice(header.as_bytes());
    ascii(&mut message, &String::from_utf8_lossy(event));
    Ok(message)
}

/// The value of a parameter, escaped as section 6.3.3 has it. Control characters would be legal, but
/// receivers change them.
fn parameter(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '\\' | ']') {
            value.push('\\');
        }
        value.push(if c.is_control() { '?' } else { c });
    }
    value
}

/// Appends JSON with what is not printable ASCII as `\u` escapes (RFC 8259, section 7): it can only
/// stand in strings.
fn ascii(message: &mut Vec<u8>, json: &str) {
    for c in json.chars() {
        if c.is_ascii() && c != '\x7f' {
            message.push(c as u8);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                message.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Log<'static> = Log { spool: "s", connection: "acme", stream: "sign_ins" };

    fn text(event: &str) -> String {
        String::from_utf8(message(LOCAL0, LOG, event.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn a_message_has_time_severity_and_uid() {
        let event =
            r#"{"time":1772366400123,"severity_id":4,"metadata":{"uid":"a\"]\\"},"x":"é😀"}"#;
        assert_eq!(
            text(event),
            "<131>1 2026-03-01T12:00:00.123Z - longshore - sign_ins [longshore@32473 \
             uid=\"a\\\"\\]\\\\\" connection=\"acme\"] {\"time\":1772366400123,\"severity_id\":4,\
             \"metadata\":{\"uid\":\"a\\\"]\\\\\"},\"x\":\"\\u00e9\\ud83d\\ude00\"}"
        );
        assert!(text(r#"{"metadata":{"uid":"a"}}"#).starts_with("<134>1 - - longshore"));
    }

    #[test]
    fn what_is_escaped_is_the_same_json() {
        let event = "{\"metadata\":{\"uid\":\"ü\"},\"\u{7f}é\":\"\u{10ffff}\\u0001\\\\\"}";
        let message = text(event);
        let (_, json) = message.split_once("] ").unwrap();
        assert!(json.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{json}");
        let [sent, given] =
            [json, event].map(|json| serde_json::from_str::<serde_json::Value>(json).unwrap());
        assert_eq!(sent, given);
    }

    #[test]
    fn facilities_have_numbers_and_names() {
        assert_eq!(facility("local0"), Some(LOCAL0));
        assert_eq!(facility("authpriv"), Some(10));
        assert_eq!(facility("23"), Some(23));
        for wrong in ["24", "-1", "", "LOCAL0", "256"] {
            assert_eq!(facility(wrong), None, "{wrong}");
        }
    }
}

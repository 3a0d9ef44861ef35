//! Record ids: 15 case-sensitive characters, and the 18-character form that survives
//! case-insensitive tools ("Salesforce ID Formats and Conversion", Salesforce help).

use std::fmt;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SUFFIX: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
const INSTANCE: &str = "Dn";

/// A record id: the object's three-letter key prefix and a number.
///
/// `Display` gives the 18-character form; [`Id::short`] the 15-character form.
/// Ids of one object sort like their numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Id {
    prefix: [u8; 3],
    number: u64,
}

impl Id {
    /// The id of record `number` (below 62¹⁰) of the object with key prefix `prefix`.
    #[must_use]
    pub const fn new(prefix: [u8; 3], number: u64) -> Self {
        Self { prefix, number }
    }

    /// The object's key prefix.
    #[must_use]
    pub const fn prefix(&self) -> [u8; 3] {
        self.prefix
    }

    /// The record's number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The 15-character form.
    #[must_use]
    pub fn short(&self) -> String {
        let mut tail = [b'0'; 10];
        let mut rest = self.number;
        for slot in tail.iter_mut().rev() {
            *slot = DIGITS[(rest % 62) as usize];
            rest /= 62;
        }
        let mut text = String::with_capacity(18);
        text.extend(self.prefix.iter().map(|byte| char::from(*byte)));
        text.push_str(INSTANCE);
        text.extend(tail.iter().map(|byte| char::from(*byte)));
        text
    }

    /// Reads either form. `None` for anything this org never issued, a wrong case or a
    /// wrong suffix included.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let short = shorten(text)?;
        let bytes = short.as_bytes();
        if &short[3..5] != INSTANCE {
            return None;
        }
        let mut number = 0_u64;
        for byte in &bytes[5..] {
            let digit = DIGITS.binary_search(byte).ok()? as u64;
            number = number * 62 + digit;
        }
        Some(Self { prefix: [bytes[0], bytes[1], bytes[2]], number })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = self.short();
        write!(formatter, "{short}{}", suffix(&short))
    }
}

/// The first 15 characters of a well-formed id in either form.
pub(crate) fn shorten(text: &str) -> Option<&str> {
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    match text.len() {
        15 => Some(text),
        18 if suffix(&text[..15]) == text[15..] => Some(&text[..15]),
        _ => None,
    }
}

/// The three characters that make a 15-character id case-safe: in each group of five, bit
/// `j` says whether character `j` is an upper-case letter.
#[must_use]
pub fn suffix(short: &str) -> String {
    short
        .as_bytes()
        .chunks(5)
        .map(|group| {
            let bits = group
                .iter()
                .enumerate()
                .filter(|(_, byte)| byte.is_ascii_uppercase())
                .fold(0_usize, |bits, (position, _)| bits | (1 << position));
            char::from(SUFFIX[bits & 31])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn suffixes_of_real_ids() {
        for (short, expected) in [
            ("0050O000003RJyc", "QAG"),
            ("0053X00000BoLQR", "QA3"),
            ("0693X00000HKWgj", "QAH"),
            ("00O3X00000B4bTE", "UAZ"),
            ("005200000045Srm", "AAE"),
        ] {
            assert_eq!(suffix(short), expected, "{short}");
        }
    }

    #[test]
    fn a_wrong_case_is_another_record() {
        let id = Id::new(*b"005", 62 * 11 + 40).to_string();
        assert_eq!(Id::parse(&id).map(|id| id.to_string()), Some(id.clone()));
        assert_eq!(Id::parse(&id.to_lowercase()), None);
        assert_eq!(Id::parse(&id[..16]), None);
        assert_eq!(Id::parse("005é0000000000"), None);
    }

    proptest! {
        #[test]
        fn both_forms_come_back(number in 0..62_u64.pow(10)) {
            let id = Id::new(*b"0Ya", number);
            prop_assert_eq!(Id::parse(&id.short()), Some(id));
            prop_assert_eq!(Id::parse(&id.to_string()), Some(id));
        }

        #[test]
        fn text_order_is_number_order(left in 0..62_u64.pow(10), right in 0..62_u64.pow(10)) {
            let (a, b) = (Id::new(*b"0Ya", left), Id::new(*b"0Ya", right));
            prop_assert_eq!(a.short().cmp(&b.short()), left.cmp(&right));
        }

        #[test]
        fn any_text_is_safe(text in ".{0,24}") {
            let _ = Id::parse(&text);
        }
    }
}

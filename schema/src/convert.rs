//! Reads numbers, truth values and addresses out of texts, for the engine that converts them and for the validator
//! that tells beforehand whether it will.

use std::net::IpAddr;

/// The longest text of an `ip_t` that OCSF allows.
const LONGEST_IP: usize = 40;

/// A whole number, also one that is written with a fraction of zero or an exponent; white space at
/// the ends is passed over.
#[must_use]
pub fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let value = text.parse::<f64>().ok()?;
        // Up to 2^53 every whole double is exact.
        (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i64)
    })
}

/// A truth value: `true` or `false` in letters of any case, `1` or `0`; white space at the ends is
/// passed over.
#[inline]
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    match text.trim() {
        "1" => Some(true),
        "0" => Some(false),
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Whether a text is an IP address, with the zone that IPv6 allows (RFC 4007 section 11).
#[must_use]
pub fn is_ip(text: &str) -> bool {
    text.len() <= LONGEST_IP
        && match text.split_once('%') {
            Some((address, zone)) => {
                !zone.is_empty() && matches!(address.parse(), Ok(IpAddr::V6(_)))
            }
            None => text.parse::<IpAddr>().is_ok(),
        }
}

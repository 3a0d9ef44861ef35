//! Texts of a known form: addresses, URLs, host names, countries.

use std::net::IpAddr;

/// ISO 3166-1 alpha-2, the codes that are officially assigned.
const COUNTRIES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE \
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM \
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC \
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA \
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW \
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO \
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// A country's code in upper case.
pub(super) fn country(text: &str) -> Option<String> {
    let code = text.trim().to_ascii_uppercase();
    (code.len() == 2 && COUNTRIES.split(' ').any(|known| known == code)).then_some(code)
}

/// An e-mail address, also out of `Name <address>` (RFC 5322, section 3.4).
pub(super) fn email(text: &str) -> Option<&str> {
    let text = text.trim();
    let address = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>')?.trim(),
        None => text,
    };
    let (local, domain) = address.rsplit_once('@')?;
    // RFC 5321, section 4.5.3.1.1, bounds the part before the `@`.
    let plain = (1..=64).contains(&local.len())
        && !local.contains(|c: char| c.is_whitespace() || c.is_control() || "@<>,;:".contains(c));
    (plain && is_host(domain)).then_some(address)
}

/// An absolute URL with a host (RFC 3986, section 3).
pub(super) fn url(text: &str) -> Option<&str> {
    let text = text.trim();
    let host = authority(text)?;
    let is_clean = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    (is_clean && !host.is_empty()).then_some(text)
}

/// What stands between `scheme://` and the path.
fn authority(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    is_scheme.then(|| &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())])
}

/// The host name in a URL or an e-mail address, or a host name with a dot in it.
pub(super) fn domain(text: &str) -> Option<String> {
    let text = text.trim();
    let host = if text.contains("://") {
        let authority = authority(text)?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        host.split_once(':').map_or(host, |(host, _)| host)
    } else if text.contains('@') {
        email(text)?.rsplit_once('@')?.1
    } else {
        text
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let named = is_host(host) && host.contains('.') && host.parse::<IpAddr>().is_err();
    named.then(|| host.to_lowercase())
}

/// Whether a text is a host name (RFC 1123, section 2.1), also one with letters beyond ASCII.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_two_letters_that_are_assigned() {
        assert_eq!(COUNTRIES.split(' ').count(), 249);
        assert_eq!(country(" de").as_deref(), Some("DE"));
        for wrong in ["", "XX", "DEU", "Germany", "D", "A "] {
            assert_eq!(country(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn addresses_are_found_in_their_forms() {
        assert_eq!(email("Eve <eve+x@example.com>"), Some("eve+x@example.com"));
        assert_eq!(email(" eve@example.com "), Some("eve@example.com"));
        for wrong in ["eve", "@example.com", "eve@", "e ve@example.com", "eve@a..b", "<eve@a.b"] {
            assert_eq!(email(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn urls_have_a_scheme_and_a_host() {
        assert_eq!(url("https://example.com/a?b=c#d"), Some("https://example.com/a?b=c#d"));
        for wrong in ["example.com", "/a", "https:///a", "1://a", "https://a b", "mailto:eve@a.b"] {
            assert_eq!(url(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn domains_are_host_names_of_several_sources() {
        for text in [
            "https://eve:pw@Example.COM:8443/a",
            "eve@example.com",
            "Eve <eve@EXAMPLE.com>",
            "example.com.",
        ] {
            assert_eq!(domain(text).as_deref(), Some("example.com"), "{text}");
        }
        for wrong in ["eve", "203.0.113.7", "https://[2001:db8::1]/", "https://203.0.113.7", ""] {
            assert_eq!(domain(wrong), None, "{wrong}");
        }
    }
}

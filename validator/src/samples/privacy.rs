//! Secrets and personal data in texts that are published: found by their form, never repeated.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use longshore_schema::Span;
use longshore_schema::yaml::{Content, Node};

use super::text::Decoded;
use crate::codes::{self, Code};
use crate::diagnostic::Diagnostic;

/// What a text holds that it must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leak {
    code: &'static Code,
    what: &'static str,
    help: &'static str,
}

impl Leak {
    const fn secret(what: &'static str) -> Self {
        let help = "write an invented value that says so, such as `simulated-token`, and revoke this one: what was published is known";
        Self { code: &codes::RECORDED_SECRET, what, help }
    }

    /// The finding at a place.
    pub(crate) fn at(self, span: Span) -> Diagnostic {
        Diagnostic::new(self.code, span, format!("{} stands here", self.what)).help(self.help)
    }
}

const EMAIL: Leak = Leak {
    code: &codes::RECORDED_PERSON,
    what: "an e-mail address",
    help: "write an invented one below example.com, .test or .invalid (RFC 2606)",
};
const ADDRESS: Leak = Leak {
    code: &codes::RECORDED_PERSON,
    what: "a public IP address",
    help: "write one of 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24 (RFC 5737) or 2001:db8::/32 (RFC 3849)",
};
const PHONE: Leak = Leak {
    code: &codes::RECORDED_PERSON,
    what: "a phone number",
    help: "write an invented one, such as +1 202 555 0100",
};

/// Tokens by how they start, and their least length.
const TOKENS: &[(&str, usize, &str)] = &[
    ("github_pat_", 30, "a GitHub token"),
    ("ghp_", 24, "a GitHub token"),
    ("gho_", 24, "a GitHub token"),
    ("ghu_", 24, "a GitHub token"),
    ("ghs_", 24, "a GitHub token"),
    ("ghr_", 24, "a GitHub token"),
    ("glpat-", 20, "a GitLab token"),
    ("xoxa-", 20, "a Slack token"),
    ("xoxb-", 20, "a Slack token"),
    ("xoxp-", 20, "a Slack token"),
    ("xoxs-", 20, "a Slack token"),
    ("xapp-", 20, "a Slack token"),
    ("sk_live_", 20, "a Stripe key"),
    ("rk_live_", 20, "a Stripe key"),
    ("AIza", 35, "a Google API key"),
    ("ya29.", 20, "a Google access token"),
    ("5Aep861", 40, "a Salesforce refresh token"),
    ("SG.", 40, "a SendGrid key"),
];

/// Headers whose values are credentials whatever they look like.
const HEADERS: [&str; 7] = [
    "authorization",
    "proxyauthorization",
    "cookie",
    "setcookie",
    "xapikey",
    "apikey",
    "xauthtoken",
];

/// Words that say that a value is invented.
const INVENTED: [&str; 9] = [
    "simulated",
    "example",
    "redacted",
    "invented",
    "fake",
    "dummy",
    "placeholder",
    "xxxx",
    "****",
];

/// The bytes of a key that are looked at: it is compared for every value below it.
const MAX_KEY: usize = 128;

/// All leaks in a fixture, each at its exact place.
pub(crate) fn in_fixture(source: &str, root: &Node) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    walk(source, root, "", false, &mut found);
    found
}

fn walk(source: &str, node: &Node, key: &str, header: bool, found: &mut Vec<Diagnostic>) {
    match &node.content {
        Content::String(text) => {
            let mut decoded = Decoded::default();
            decoded.push(source, node.span, text);
            leaks(key, header, text, &mut |leak, range| {
                let place = range.map_or(node.span, |range| decoded.span(range.start, range.end));
                found.push(leak.at(place));
            });
        }
        Content::Sequence(items) => {
            for item in items {
                walk(source, item, key, header, found);
            }
        }
        Content::Mapping(entries) => {
            for entry in entries {
                walk(source, &entry.value, &entry.key, header || entry.key == "headers", found);
            }
        }
        _ => {}
    }
}

/// Whether a member's text is a secret or personal data, or holds such: it must not be shown. The
/// members are the names that lead to it from the response's body or a record.
#[must_use]
pub fn is_private(members: &[&str], text: &str) -> bool {
    let mut private = false;
    let key = members.last().copied().unwrap_or_default();
    leaks(key, members.contains(&"headers"), text, &mut |_, _| private = true);
    private
}

/// Calls `hit` for every leak in a member's text, with its bytes if it is not all of it.
fn leaks(key: &str, header: bool, text: &str, hit: &mut dyn FnMut(Leak, Option<Range<usize>>)) {
    let plain = plain(key);
    if header && HEADERS.contains(&plain.as_str()) && !invented(text) && !text.is_empty() {
        hit(Leak::secret("a credential"), None);
    } else if let Some(leak) = by_key(&plain, text) {
        hit(leak, None);
    } else {
        scan(text, &plain, &mut |leak, range| hit(leak, Some(range)));
    }
}

/// A key in small letters without what stands between words; of a very long one, its end.
fn plain(key: &str) -> String {
    let start = key.len().saturating_sub(MAX_KEY);
    let end = (start..=key.len()).find_map(|at| key.get(at..)).unwrap_or_default();
    end.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn invented(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    INVENTED.iter().any(|word| lower.contains(word))
}

/// What a value is under a key that names a secret or a phone.
pub(crate) fn by_key(key: &str, text: &str) -> Option<Leak> {
    if text.is_empty() || invented(text) {
        return None;
    }
    let ends = |names: &[&str]| names.iter().any(|name| key.ends_with(name));
    let has = |names: &[&str]| names.iter().any(|name| key.contains(name));
    if ends(&["password", "passwd", "passphrase"]) {
        return Some(Leak::secret("a password"));
    }
    // A token of a page is no credential.
    let token = ends(&["token"]) && !has(&["next", "page", "cursor", "continuation", "sync"]);
    let named = token || ends(&["secret", "apikey", "privatekey", "sessionid", "credential"]);
    if named && text.len() >= 16 && !text.contains(char::is_whitespace) && entropy(text) > 3.0 {
        return Some(Leak::secret("a secret"));
    }
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let phone = ends(&["phone", "mobilephone", "phonenumber", "mobile", "fax", "msisdn"]);
    let only = text.chars().all(|c| c.is_ascii_digit() || " +-.()/".contains(c));
    (phone && only && digits >= 7 && !fictional(text)).then_some(PHONE)
}

/// Shannon's entropy in bits for each character.
fn entropy(text: &str) -> f64 {
    let mut counts = std::collections::BTreeMap::new();
    for c in text.chars() {
        *counts.entry(c).or_insert(0_u32) += 1;
    }
    let length = f64::from(counts.values().sum::<u32>());
    counts.values().map(|count| f64::from(*count) / length).map(|share| -share * share.log2()).sum()
}

/// Calls `hit` for every part of a text that is a secret or personal data by its form.
pub(crate) fn scan(text: &str, key: &str, hit: &mut dyn FnMut(Leak, Range<usize>)) {
    if let Some(start) = text.find("-----BEGIN ").filter(|_| text.contains("PRIVATE KEY-----")) {
        hit(Leak::secret("a private key"), start..text.len());
        return;
    }
    secrets(text, &mut |leak, range| hit(leak, range));
    let separates = |c: char| c.is_whitespace() || "\"'<>()[]{},;|=&?/".contains(c);
    let bytes = text.as_bytes();
    let mut at = 0;
    for word in text.split(separates) {
        let start = at;
        at += word.len() + text[at + word.len()..].chars().next().map_or(0, char::len_utf8);
        let trimmed = word.trim_end_matches(['.', ':', '!']);
        let range = start..start + trimmed.len();
        if trimmed.contains('@') {
            if is_email(trimmed) {
                hit(EMAIL, range);
            }
            continue;
        }
        // `Chrome/129.0.0.0` is a version, `https://192.0.2.1/` an address.
        let before = start.checked_sub(1).and_then(|at| bytes.get(at));
        let further = start.checked_sub(2).and_then(|at| bytes.get(at));
        let version = before == Some(&b'/') && further != Some(&b'/') || key.contains("version");
        if !version && is_public(trimmed) {
            hit(ADDRESS, range);
        }
    }
    phones(text, hit);
}

/// Whether a byte stands between words.
const SEPARATES: [bool; 256] = {
    let mut separates = [false; 256];
    let all = b" \t\r\n\x0b\x0c\"'<>()[]{},;|=&?`";
    let mut at = 0;
    while at < all.len() {
        separates[all[at] as usize] = true;
        at += 1;
    }
    separates
};

/// Calls `hit` for every token of a known form. Whole manifests are looked at: most words are told
/// by their length.
pub(crate) fn secrets(text: &str, hit: &mut dyn FnMut(Leak, Range<usize>)) {
    let (mut start, mut bearer) = (0, false);
    for word in text.as_bytes().split(|byte| SEPARATES[usize::from(*byte)]) {
        let range = start..start + word.len();
        start = range.end + 1;
        if word.len() < 16 {
            // An empty word stands between two separators.
            bearer = word.eq_ignore_ascii_case(b"bearer") || bearer && word.is_empty();
            continue;
        }
        let after_bearer = std::mem::take(&mut bearer);
        let word = &text[range.clone()];
        let what = token(word).or_else(|| {
            let digit = word.bytes().any(|byte| byte.is_ascii_digit());
            (after_bearer && digit).then_some("a bearer token")
        });
        if let Some(what) = what.filter(|_| !invented(word)) {
            hit(Leak::secret(what), range);
        }
    }
}

/// What kind of token a word is.
fn token(word: &str) -> Option<&'static str> {
    // What any of them starts with.
    if !b"eA0gxsry5S".contains(word.as_bytes().first()?) {
        return None;
    }
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if word.starts_with("eyJ") && word.len() >= 40 && word.matches('.').count() == 2 && plain(word)
    {
        return Some("a JSON Web Token");
    }
    let aws = ["AKIA", "ASIA"].iter().any(|start| word.starts_with(start));
    if aws && word.len() == 20 && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    {
        return Some("an AWS access key");
    }
    // A session id is the organization's id, an exclamation mark and the secret.
    let mark = word.find('!').filter(|at| matches!(at, 15 | 18));
    if word.starts_with("00D") && mark.is_some() && word.len() > 40 {
        return Some("a Salesforce session id");
    }
    let known =
        TOKENS.iter().find(|(start, least, _)| word.len() >= *least && word.starts_with(start));
    known.map(|(_, _, what)| *what)
}

/// Whether a word is an e-mail address that may be somebody's.
fn is_email(word: &str) -> bool {
    let word = word.strip_prefix("mailto:").unwrap_or(word);
    let Some((local, domain)) = word.split_once('@') else { return false };
    let domain = domain.to_ascii_lowercase();
    let letters = |text: &str, more: &[u8]| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    let Some((_, last)) = domain.rsplit_once('.') else { return false };
    let real = letters(local, b"._%+-")
        && letters(&domain, b".-")
        && last.len() >= 2
        && last.bytes().all(|b| b.is_ascii_alphabetic());
    let reserved = ["test", "example", "invalid", "localhost"].contains(&last)
        || ["example.com", "example.org", "example.net"].iter().any(|name| {
            domain == *name || domain.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
        });
    real && !reserved
}

/// Whether a word is an IP address that is somebody's.
fn is_public(word: &str) -> bool {
    // Most words are told by one look at them.
    if !word.contains(['.', ':'])
        || !word.bytes().all(|b| b.is_ascii_hexdigit() || b".:".contains(&b))
    {
        return false;
    }
    let host = match word.split_once(':') {
        Some((host, port)) if host.contains('.') && port.bytes().all(|b| b.is_ascii_digit()) => {
            host
        }
        _ => word,
    };
    match host.parse() {
        Ok(IpAddr::V4(address)) => is_public_v4(address),
        Ok(IpAddr::V6(address)) => is_public_v6(address),
        Err(_) => false,
    }
}

/// Addresses outside the special ranges (<https://www.iana.org/assignments/iana-ipv4-special-registry>).
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    let special = a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b));
    !(special
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation())
}

/// Global unicast addresses (RFC 4291) that are not for documentation (RFC 3849, RFC 9637).
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(address) = address.to_ipv4_mapped() {
        return is_public_v4(address);
    }
    let [first, second, ..] = address.segments();
    let documentation =
        (first == 0x2001 && second == 0x0db8) || (first == 0x3fff && second < 0x1000);
    first & 0xe000 == 0x2000 && !documentation
}

/// Numbers that nobody has: 555-0100 to 555-0199 in North America, and Ofcom's for drama.
fn fictional(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    ["55501", "7700900", "2079460"].iter().any(|range| digits.contains(range))
        || digits.chars().all(|c| c == '0')
}

/// Phone numbers in their international form (ITU-T E.164): a plus and 8 to 15 digits.
fn phones(text: &str, hit: &mut dyn FnMut(Leak, Range<usize>)) {
    for (at, _) in text.match_indices('+') {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| !(c.is_whitespace() || "\"':(,;".contains(c))) {
            continue;
        }
        let rest = &text[at + 1..];
        let length = rest.find(|c: char| !(c.is_ascii_digit() || " -.()".contains(c)));
        let number = rest[..length.unwrap_or(rest.len())].trim_end_matches([' ', '-', '.', '(']);
        let digits = number.bytes().filter(u8::is_ascii_digit).count();
        let starts = number.starts_with(|c: char| ('1'..='9').contains(&c));
        if starts && (8..=15).contains(&digits) && !fictional(number) {
            hit(PHONE, at..at + 1 + number.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&str, &'static str)> {
        let mut all = Vec::new();
        scan(text, "", &mut |leak, range| all.push((&text[range], leak.what)));
        all
    }

    #[test]
    fn every_token_starts_as_the_first_look_expects() {
        for (start, _, _) in TOKENS {
            assert!(b"eA0gxsry5S".contains(&start.as_bytes()[0]), "{start}");
        }
    }

    #[test]
    fn what_is_somebodys_is_found() {
        // Put together here, so that no secret's form stands in this file.
        let jwt =
            format!("{}.{}.c2lnbmF0dXJl", "eyJhbGciOiJSUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0");
        let session = format!("00D{}!{}", "D0n".repeat(4), "AQ4A".repeat(12));
        let github = format!("ghp_{}", "a1B2".repeat(9));
        for (text, what) in [
            (format!("is {jwt} here"), "a JSON Web Token"),
            (format!("sid={session}"), "a Salesforce session id"),
            (github, "a GitHub token"),
            (format!("AKIA{}", "ABCD".repeat(4)), "an AWS access key"),
            (format!("Bearer {}", "0a1b2c3d".repeat(3)), "a bearer token"),
            ("-----BEGIN RSA PRIVATE KEY-----\nAAAA".to_owned(), "a private key"),
            (format!("ask ada@{}.com.", "harbor-office"), "an e-mail address"),
            ("from 8.8.8.8, then".to_owned(), "a public IP address"),
            ("https://8.8.4.4:8443/x".to_owned(), "a public IP address"),
            ("2a00:1450:4001::1".to_owned(), "a public IP address"),
            ("call +49 30 901820 now".to_owned(), "a phone number"),
        ] {
            let all = found(&text);
            assert_eq!(all.len(), 1, "{text}: {all:?}");
            assert_eq!(all[0].1, what, "{text}");
        }
        assert_eq!(by_key("clientsecret", "k9Qz27LmXw04TbVr8e").map(|l| l.what), Some("a secret"));
        assert_eq!(by_key("userpassword", "tide").map(|l| l.what), Some("a password"));
        assert_eq!(by_key("mobilephone", "030 901820").map(|l| l.what), Some("a phone number"));
    }

    #[test]
    fn what_must_not_be_shown_is_told_by_member_and_text() {
        let email = format!("ada@{}.com", "harbor-office");
        for (members, text) in [
            (&["user", "email"][..], email.as_str()),
            (&["client_secret"], "k9Qz27LmXw04TbVr8e"),
            (&["headers", "Authorization"], "anything"),
            (&["mobilePhone"], "030 901820"),
        ] {
            assert!(is_private(members, text), "{members:?}");
        }
        for (members, text) in [
            (&["user", "email"][..], "ada@example.com"),
            (&["Authorization"], "anything"),
            (&[], ""),
        ] {
            assert!(!is_private(members, text), "{members:?}");
        }
    }

    #[test]
    fn what_is_nobodys_is_not() {
        for text in [
            "2026-10-01T10:00:00.000+0000",
            "Mozilla/5.0 (X11) AppleWebKit/537.36 Chrome/129.0.0.0 Safari/537.36",
            "ada@example.com and ops@ships.example and x@y.test",
            "192.0.2.1, 198.51.100.7, 203.0.113.9, 10.1.2.3, 127.0.0.1, 2001:db8::1, ::1, fe80::1",
            "+1 202 555 0100",
            "Bearer simulated-token-0123456789",
            "ghp_simulated00000000000000000000",
            "10:00:00",
            "/services/data/v67.0/query/01gxx0000000001-2000",
            "0055e000001AbCdAAK",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
        for (key, text) in [
            ("nextpagetoken", "k9Qz27LmXw04TbVr8e"),
            ("clientsecret", "simulated-secret-0123456789"),
            ("lastpasswordchangedate", "2026-10-01"),
            ("password", "REDACTED"),
            ("phone", "+1 202 555 0100"),
        ] {
            assert_eq!(by_key(key, text), None, "{key}");
        }
    }
}

//! Events as a connector makes them.

use std::ops::Range;

/// A sign-in as the Salesforce connector maps it, about a kilobyte.
pub(crate) fn event(number: usize) -> String {
    let uid = uid(number);
    let time = 1_760_000_000_000 + number * 977;
    let more = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        .repeat(number % 6);
    format!(
        r#"{{"metadata":{{"version":"1.8.0","uid":"{uid}","product":{{"name":"Salesforce","vendor_name":"Salesforce"}},"original_time":"2026-01-02T03:04:05.000Z","profiles":["host"],"tenant_uid":"00D5g000000simulated"}},"activity_id":1,"category_uid":3,"class_uid":3002,"type_uid":300201,"severity_id":1,"time":{time},"status_id":1,"status":"Success","user":{{"uid":"0055g00000A{number:07}","name":"user{number}@acme.example","type_id":1}},"src_endpoint":{{"ip":"203.0.113.{}","location":{{"country":"DE","city":"K\u00f6ln"}}}},"http_request":{{"user_agent":"{more}"}},"auth_protocol_id":5,"unmapped":{{"LoginType":"Application","Note":"é \" \\ 中"}}}}"#,
        number % 256
    )
}

/// The `metadata.uid` of an event: digits without any order, as a digest has them.
pub(crate) fn uid(number: usize) -> String {
    let scrambled = (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    format!("{:032x}", scrambled ^ (scrambled >> 67))
}

/// Events as lines.
pub(crate) fn lines(numbers: Range<usize>) -> Vec<u8> {
    numbers.flat_map(|number| (event(number) + "\n").into_bytes()).collect()
}

/// The uids of events, sorted.
pub(crate) fn uids(numbers: Range<usize>) -> Vec<String> {
    let mut uids: Vec<_> = numbers.map(uid).collect();
    uids.sort();
    uids
}

/// Where each event of `lines` starts, and where the last one ends.
pub(crate) fn starts(lines: &[u8]) -> Vec<usize> {
    let ends = lines.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(ends).collect()
}

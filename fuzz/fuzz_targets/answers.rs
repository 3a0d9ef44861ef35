//! Any header values: `Link`, `Retry-After` and waits of every unit are read without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longshore_engine::http::header::{HeaderMap, HeaderValue, LINK};
use longshore_engine::http::{link, retry};
use longshore_schema::http::TimeUnit;

fuzz_target!(|data: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(8) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(LINK, value);
        }
    }
    let _ = link::target(&headers, "next");
    let Ok(text) = std::str::from_utf8(data) else { return };
    let now = jiff::Timestamp::UNIX_EPOCH;
    let _ = retry::retry_after(text, now);
    for unit in [
        TimeUnit::Seconds,
        TimeUnit::Milliseconds,
        TimeUnit::EpochSeconds,
        TimeUnit::EpochMilliseconds,
        TimeUnit::HttpDate,
        TimeUnit::Iso8601,
    ] {
        let _ = retry::until(text, unit, now);
    }
});

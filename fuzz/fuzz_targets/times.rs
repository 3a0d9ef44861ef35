//! Any format over any text: reading a time ends, and what is read is within the range of years.
#![no_main]

use libfuzzer_sys::fuzz_target;
use longshore_schema::scalar::{Scalar, TimeFormat};
use longshore_schema::time;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (format, text) = text.split_once('\n').unwrap_or(("iso8601", text));
    for format in [format, "iso8601", "epoch_s", "epoch_ms", "%Y-%m-%d %H:%M:%S"] {
        let Ok(format) = TimeFormat::parse(format) else { continue };
        if let Some(millis) = time::parse(text, &format) {
            // From the year -9999 to 9999.
            assert!((-377_705_116_800_000..=253_402_300_799_999).contains(&millis), "{millis}");
        }
    }
});

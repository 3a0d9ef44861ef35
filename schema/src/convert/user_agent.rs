//! What a User-Agent header says (RFC 9110, section 10.1.5), as far as a few marks tell it: programs
//! claim to be each other, and browsers have stopped to tell versions and devices apart.

/// Marks of browsers. Those that claim to be another one stand before it.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edge/", "Edge"),
    ("OPR/", "Opera"),
    ("OPiOS/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Electron/", "Electron"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("MSIE ", "Internet Explorer"),
    ("Trident/", "Internet Explorer"),
    ("Safari/", "Safari"),
];

/// Marks of operating systems with OCSF's captions for them, in the order in which they are told
/// apart.
const SYSTEMS: &[(&str, &str)] = &[
    ("Windows Phone", "Windows Mobile"),
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPad", "iPadOS"),
    ("iPhone", "iOS"),
    ("iPod", "iOS"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("macOS", "macOS"),
    ("Darwin", "macOS"),
    ("Linux", "Linux"),
    ("X11", "Linux"),
];

fn marked<'t>(text: &str, marks: &[(&str, &'t str)]) -> Option<&'t str> {
    marks.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| *name)
}

/// The header, if it starts with the name of a product.
pub(super) fn header(text: &str) -> Option<&str> {
    let text = text.trim();
    product(text).map(|_| text)
}

/// The first product's name (RFC 9110, section 5.6.2: a token); one without a letter stands for
/// nothing.
fn product(text: &str) -> Option<&str> {
    let name = &text[..text.find(['/', ' ']).unwrap_or(text.len())];
    let is_token =
        name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    (is_token && name.contains(|c: char| c.is_ascii_alphabetic())).then_some(name)
}

/// The browser, or the program that names itself.
pub(super) fn browser(text: &str) -> Option<&str> {
    let text = text.trim();
    marked(text, BROWSERS).or_else(|| product(text).filter(|name| *name != "Mozilla"))
}

/// The operating system by its caption in OCSF.
pub(super) fn system(text: &str) -> Option<&'static str> {
    marked(text, SYSTEMS)
}

/// The kind of device by its caption in OCSF.
pub(super) fn device(text: &str) -> Option<&'static str> {
    let system = system(text)?;
    let is_mobile = text.contains("Mobile");
    Some(match system {
        "iPadOS" => "Tablet",
        "Android" if !is_mobile => "Tablet",
        "Android" | "iOS" | "Windows Mobile" => "Mobile",
        _ => "Desktop",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_headers_are_told_apart() {
        const MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)";
        const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
        for (text, name, os, kind) in [
            (format!("{MAC} Version/17.4 Safari/605.1.15"), "Safari", "macOS", "Desktop"),
            (WINDOWS.to_owned(), "Chrome", "Windows", "Desktop"),
            (format!("{WINDOWS} Edg/126.0.0.0"), "Edge", "Windows", "Desktop"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) CriOS/126 Mobile/15E148"
                    .to_owned(),
                "Chrome",
                "iOS",
                "Mobile",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/126 Mobile Safari/537".to_owned(),
                "Chrome",
                "Android",
                "Mobile",
            ),
        ] {
            assert_eq!(browser(&text), Some(name), "{text}");
            assert_eq!(system(&text), Some(os), "{text}");
            assert_eq!(device(&text), Some(kind), "{text}");
            assert_eq!(header(&text), Some(&*text));
        }
        assert_eq!(browser("python-requests/2.32.3"), Some("python-requests"));
        assert_eq!(device("python-requests/2.32.3"), None);
        for wrong in ["", "-", "(none)", "\u{e4}/1"] {
            assert_eq!(header(wrong), None, "{wrong}");
            assert_eq!(browser(wrong), None, "{wrong}");
        }
    }
}

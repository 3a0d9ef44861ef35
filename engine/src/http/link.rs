//! `Link` headers (RFC 8288).

use reqwest::header::{HeaderMap, LINK};

/// The target of the first link with this relation, as it is written: it may be relative to the
/// URL of the response. A link whose context is another than the response (`anchor`) is passed
/// over, as RFC 8288, section 3.2, lets those do who do not expect one.
#[must_use]
pub fn target(headers: &HeaderMap, relation: &str) -> Option<String> {
    let values = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(links).find(|link| link.has(relation)).map(|link| link.target.to_owned())
}

/// One link of a header's value.
#[derive(Debug, PartialEq, Eq)]
struct Link<'h> {
    target: &'h str,
    /// The relations, separated by blanks; those of the first `rel` alone count (section 3.3).
    relations: Option<String>,
    anchored: bool,
}

impl Link<'_> {
    fn has(&self, relation: &str) -> bool {
        let mut relations = self.relations.as_deref().unwrap_or_default().split_ascii_whitespace();
        !self.anchored && relations.any(|known| known.eq_ignore_ascii_case(relation))
    }
}

/// The links of a header's value, as RFC 8288, appendix B.2, reads them. It ends at the first one
/// that is not written as a link.
fn links(value: &str) -> impl Iterator<Item = Link<'_>> {
    let mut rest = value;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (target, after) = rest.strip_prefix('<')?.split_once('>')?;
        let mut link = Link { target: target.trim(), relations: None, anchored: false };
        rest = after;
        while let Some(parameter) = rest.trim_start().strip_prefix(';') {
            let parameter = parameter.trim_start();
            let end = parameter.find(['=', ';', ',', ' ', '\t']).unwrap_or(parameter.len());
            let (name, after) = parameter.split_at(end);
            rest = after;
            let content = match rest.trim_start().strip_prefix('=') {
                Some(after) => {
                    let (content, after) = content(after.trim_start());
                    rest = after;
                    content
                }
                None => String::new(),
            };
            if name.eq_ignore_ascii_case("rel") && link.relations.is_none() {
                link.relations = Some(content);
            } else if name.eq_ignore_ascii_case("anchor") {
                link.anchored = true;
            }
        }
        // Whatever stands before the comma is not part of a link.
        rest = rest.find(',').map_or("", |comma| &rest[comma..]);
        Some(link)
    })
}

/// The value of a parameter, quoted or not, and what stands behind it.
fn content(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut content = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (content, &quoted[at + 1..]),
            '\\' => content.extend(characters.next().map(|(_, escaped)| escaped)),
            other => content.push(other),
        }
    }
    (content, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(value: &str, relation: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(LINK, value.parse().unwrap());
        target(&headers, relation)
    }

    #[test]
    fn links_are_found_by_relation() {
        for (value, expected) in [
            (r#"<https://a/2>; rel="next""#, Some("https://a/2")),
            (r"<https://a/2>; rel=next", Some("https://a/2")),
            (r#"<https://a/2>;rel=NEXT ; title="x""#, Some("https://a/2")),
            (r#"<https://a/1>; rel="prev", <https://a/3>; rel="next""#, Some("https://a/3")),
            (r#"<https://a/1>; title="a, <b>; rel=next", </3>; rel=next"#, Some("/3")),
            (r#"<https://a/1>; title="a \" , b"; rel=prev, </3>; rel=next"#, Some("/3")),
            (r#"<https://a/3>; rel="last next""#, Some("https://a/3")),
            (r"<?page=2>; rel=next", Some("?page=2")),
            (r"<https://a/?a=1,2;b>; rel=next", Some("https://a/?a=1,2;b")),
            (r", ,<https://a/2>; foo; rel=next", Some("https://a/2")),
            (r#"<https://a/2>; rel="prev"; rel="next""#, None),
            (r##"<https://a/2>; anchor="#x"; rel="next""##, None),
            (r#"<https://a/2>; rel="nextpage""#, None),
            (r#"<https://a/2; rel="next""#, None),
            (r#"https://a/2; rel="next""#, None),
            ("", None),
        ] {
            assert_eq!(found(value, "next").as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(LINK, "</1>; rel=prev".parse().unwrap());
        headers.append(LINK, "</3>; rel=next".parse().unwrap());
        assert_eq!(target(&headers, "next").as_deref(), Some("/3"));
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic_or_go_on_forever(value in r#"[<>;,="\\ a-z\t]{0,60}"#) {
            prop_assert!(links(&value).count() <= value.len());
        }

        #[test]
        fn what_is_written_is_read(
            target in "[a-z0-9:/?&=,;.%-]{1,30}",
            before in r"(</x>; rel=prev, ?)?",
            title in r"[ -!#-\[\]-~]{0,10}",
        ) {
            let value = format!("{before}<{target}>; title=\"{title}\"; rel=\"next\"");
            prop_assert_eq!(found(&value, "next"), Some(target));
        }
    }
}

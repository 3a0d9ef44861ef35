//! References in templates as they stand in the source, finished or not.

use std::ops::Range;

/// A dotted name between `{{` and `}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference<'t> {
    pub(crate) text: &'t str,
    /// Its bytes in the text that was searched.
    pub(crate) bytes: Range<usize>,
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// All references of a text, which may be quoted as YAML.
pub(crate) fn references(text: &str) -> Vec<Reference<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text[from..].find("{{") {
        let start = from + open + 2;
        let end = text[start..].find("}}").map_or(text.len(), |length| start + length);
        within(text, start, end, &mut found);
        from = end;
    }
    found
}

fn within<'t>(text: &'t str, start: usize, end: usize, found: &mut Vec<Reference<'t>>) {
    let bytes = text.as_bytes();
    let mut at = start;
    while at < end {
        match bytes[at] {
            quote @ (b'"' | b'\'') => {
                let close = bytes[at + 1..end].iter().position(|byte| *byte == quote);
                at = close.map_or(end, |length| at + length + 2);
            }
            byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                let rest = &text[at..end];
                let length = rest.find(|c: char| !is_name(c) && c != '.').unwrap_or(rest.len());
                let name = rest[..length].trim_end_matches('.');
                let keyword = at > start && matches!(bytes[at - 1], b'#' | b'/');
                if !keyword {
                    found.push(Reference { text: name, bytes: at..at + name.len() });
                }
                at += length.max(1);
            }
            b'.' | b'0'..=b'9' => {
                // What does not start like a name is none.
                let rest = &text[at..end];
                at += rest.find(|c: char| !is_name(c) && c != '.').unwrap_or(rest.len());
            }
            _ => at += 1,
        }
    }
}

/// What is typed of a reference or helper at a byte; `None` outside of `{{` and `}}`.
pub(crate) fn typed(text: &str, offset: usize) -> Option<Range<usize>> {
    let before = text.get(..offset)?;
    let open = before.rfind("{{")? + 2;
    if before[open..].contains("}}") || before[open..].contains('\n') && !text.contains("}}") {
        return None;
    }
    // Within the text of an argument nothing is known.
    if before[open..].matches(['"', '\'']).count() % 2 == 1 {
        return None;
    }
    let part = |c: char| is_name(c) || c == '.';
    let length = before.chars().rev().take_while(|c| part(*c)).count();
    // The parts of names are one byte long.
    let start = (offset - length).max(open);
    let rest = &text[offset..];
    Some(start..offset + rest.find(|c| !part(c)).unwrap_or(rest.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_are_found_where_they_stand() {
        let text =
            r#""a {{inputs.x}}{{#if (eq facts.y "facts.z")}}{{date window.start \"%Y\"}}{{/if}}""#;
        let names: Vec<_> = references(text).into_iter().map(|found| found.text).collect();
        assert_eq!(names, ["inputs.x", "eq", "facts.y", "date", "window.start"]);
        let found = &references("{{ inputs.x }}")[0];
        assert_eq!(found.bytes, 3..11);
    }

    #[test]
    fn half_a_reference_is_seen() {
        assert_eq!(typed("a {{inputs.", 11), Some(4..11));
        assert_eq!(typed("{{inputs.host}}/{{ }}", 19), Some(19..19));
        assert_eq!(typed("{{inputs.host}}/", 16), None);
        assert_eq!(typed("{{date window.start \"%", 22), None);
        assert_eq!(typed("{{inputs.host}}", 4), Some(2..13));
    }

    proptest! {
        #[test]
        fn any_text_is_searched(text in "[{}a.#/\"'é1 ]{0,30}", at in 0_usize..31) {
            for found in references(&text) {
                prop_assert_eq!(&text[found.bytes], found.text);
            }
            if let Some(range) = typed(&text, at) {
                prop_assert!(text.get(range).is_some());
            }
        }
    }
}

//! The way through a document to its records.

use longshore_schema::{JsonPath, Step};

/// One step on the way to the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// The member of this name.
    Member(String),
    /// The element at this index.
    Index(u64),
    /// Every element of an array: `[*]`.
    Elements,
    /// Every element of an array, or every member's value of an object: `.*`.
    All,
}

/// The way that a path leads to records, if it can be followed while a document arrives: members,
/// indexes from the start, and at least one wildcard. RFC 9535 section 2.3.2.2 makes no difference
/// between `[*]` and `.*`; here the first one is taken at its word, because an object where a list is
/// expected is an error report more often than a list.
#[must_use]
pub fn ways(path: &JsonPath) -> Option<Vec<Way>> {
    let steps = path.steps()?;
    let mut dotted = dotted(path.as_str()).into_iter();
    let ways: Option<Vec<Way>> = steps
        .iter()
        .map(|step| match step {
            Step::Member(name) => Some(Way::Member(name.clone())),
            Step::Index(index) => u64::try_from(*index).ok().map(Way::Index),
            Step::Every if dotted.next()? => Some(Way::All),
            Step::Every => Some(Way::Elements),
            Step::Where { .. } => None,
        })
        .collect();
    ways.filter(|ways| ways.iter().any(|way| matches!(way, Way::Elements | Way::All)))
}

/// For each wildcard of a path whether it is written with a dot.
fn dotted(path: &str) -> Vec<bool> {
    let (mut found, mut quote, mut escaped, mut before) = (Vec::new(), None, false, b'$');
    for byte in path.bytes() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if byte == b'\\' => escaped = true,
            Some(open) if byte == open => quote = None,
            None if matches!(byte, b'"' | b'\'') => quote = Some(byte),
            None if byte == b'*' => found.push(before == b'.'),
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            before = byte;
        }
    }
    found
}

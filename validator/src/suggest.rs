//! Did you mean: the known name closest to one that is not known.

/// The longest text that is compared; names in manifests have at most 64 characters.
const MAX_COMPARED: usize = 64;

/// The most candidates that are compared: each comparison costs the product of two lengths.
const MAX_CANDIDATES: usize = 200;

/// The candidate that was probably meant: at most one edit, or a third of the letters, away;
/// otherwise one that contains the name or is contained in it.
#[must_use]
pub fn closest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let candidates: Vec<_> = candidates.into_iter().take(MAX_CANDIDATES).collect();
    near(name, candidates.iter().copied()).or_else(|| related(name, candidates))
}

/// The candidate at most one edit, or a third of the letters, away from the name.
pub(crate) fn near<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let length = name.chars().count();
    if length > MAX_COMPARED {
        return None;
    }
    let lower = name.to_lowercase();
    let most = (length / 3).max(1);
    // No fewer edits than the lengths differ by; other letters change their length in lower case.
    let may_be_near =
        |known: &str| !known.is_ascii() || !name.is_ascii() || known.len().abs_diff(length) <= most;
    candidates
        .into_iter()
        .take(MAX_CANDIDATES)
        .filter(|known| *known != name && may_be_near(known))
        .map(|known| (strsim::damerau_levenshtein(&lower, &known.to_lowercase()), known))
        .filter(|(distance, known)| *distance <= most && *distance < known.chars().count())
        // Of two that are as near, the one of the same length: letters are swapped more easily than
        // left out.
        .min_by_key(|(distance, known)| (*distance, known.chars().count().abs_diff(length)))
        .map(|(_, known)| known)
}

/// The candidate nearest in length that starts or ends with the name, or that the name starts or
/// ends with; all but the last letter of the name may do (`category`, `categories`).
fn related<'c>(name: &str, candidates: Vec<&'c str>) -> Option<&'c str> {
    let within = |long: &str, short: &str| {
        short.len() >= 3 && (long.starts_with(short) || long.ends_with(short))
    };
    let stem = name.strip_suffix('y').filter(|stem| stem.len() >= 4).unwrap_or(name);
    candidates
        .into_iter()
        .filter(|known| *known != name && (within(known, stem) || within(name, known)))
        .min_by_key(|known| known.len().abs_diff(name.len()))
}

/// `a`, `a or b`, `a, b or c`, each in backquotes.
pub(crate) fn one_of<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    joined(&quoted(names), "or").unwrap_or_else(|| "nothing".to_owned())
}

/// `a`, `a and b`, `a, b and c`, each in backquotes.
pub(crate) fn all_of<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    joined(&quoted(names), "and").unwrap_or_else(|| "nothing".to_owned())
}

fn quoted<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    names.into_iter().map(|name| format!("`{name}`")).collect()
}

/// Words with commas between them, and a conjunction before the last; `None` without words.
pub(crate) fn joined(words: &[impl AsRef<str>], conjunction: &str) -> Option<String> {
    let (last, rest) = words.split_last()?;
    let last = last.as_ref();
    if rest.is_empty() {
        return Some(last.to_owned());
    }
    let rest: Vec<_> = rest.iter().map(AsRef::as_ref).collect();
    Some(format!("{} {conjunction} {last}", rest.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_and_parts_of_names_are_recognized() {
        let keys = ["token_url", "base_url", "pages", "records", "window"];
        assert_eq!(closest("pags", keys), Some("pages"));
        assert_eq!(closest("recrods", keys), Some("records"));
        assert_eq!(closest("headesr", ["header", "headers"]), Some("headers"));
        assert_eq!(closest("base", keys), Some("base_url"));
        assert_eq!(closest("Window", keys), Some("window"));
        assert_eq!(closest("category", ["categories", "links"]), Some("categories"));
        assert_eq!(closest("frequency", keys), None);
        assert_eq!(closest(&"x".repeat(10_000), keys), None);
    }

    #[test]
    fn alternatives_read_as_a_sentence() {
        assert_eq!(one_of(["a"]), "`a`");
        assert_eq!(one_of(["a", "b", "c"]), "`a`, `b` or `c`");
        assert_eq!(all_of(["a or b", "c"]), "`a or b` and `c`");
        assert_eq!(joined(&[] as &[&str], "or"), None);
    }
}

//! Lists and literals as they are written into requests.

/// The values of a list that is written with separators, each a literal between `'` if `style`
/// says how (true: `'` is doubled; false: it stands behind a backslash). `None` if the text is not
/// written like this.
pub(super) fn values(text: &str, separator: &str, style: Option<bool>) -> Option<Vec<String>> {
    let Some(doubled) = style else {
        return match separator {
            "" => None,
            _ if text.is_empty() => Some(Vec::new()),
            _ => Some(text.split(separator).map(str::to_owned).collect()),
        };
    };
    let mut values = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if !values.is_empty() {
            rest = rest.strip_prefix(separator)?;
        }
        let (value, after) = quoted(rest, doubled)?;
        values.push(value);
        rest = after;
    }
    Some(values)
}

/// The literal at the start of a text, and what follows it. `None` if there is none.
pub(super) fn quoted(text: &str, doubled: bool) -> Option<(String, &str)> {
    let inside = text.strip_prefix('\'')?;
    let mut value = String::new();
    let mut characters = inside.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' if doubled && characters.peek().is_some_and(|(_, next)| *next == '\'') => {
                characters.next();
                value.push('\'');
            }
            '\'' => return Some((value, &inside[at + 1..])),
            '\\' if !doubled => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

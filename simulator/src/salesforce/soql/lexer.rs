//! Words of a SOQL statement.

use jiff::Timestamp;
use jiff::civil::Date;

/// A word and the byte where it starts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Word(String),
    Text(String),
    Integer(i64),
    Double(f64),
    /// Milliseconds since the Unix epoch.
    DateTime(i64),
    Date(Date),
    Symbol(&'static str),
    /// Nothing that SOQL knows; kept so that the parser names it in its error.
    Unknown(String),
    End,
}

impl Kind {
    /// As an error message quotes it.
    pub(super) fn shown(&self, source: &str, at: usize) -> String {
        match self {
            Self::End => "<EOF>".to_owned(),
            Self::Word(word) | Self::Unknown(word) => word.clone(),
            Self::Symbol(symbol) => (*symbol).to_owned(),
            Self::Text(text) => text.clone(),
            _ => source[at..].split([' ', ')', ',']).next().unwrap_or_default().to_owned(),
        }
    }
}

const SYMBOLS: &[&str] = &["<=", ">=", "!=", "<>", "=", "<", ">", "(", ")", ",", ".", ":"];

/// Splits a statement. Never fails: what it does not know becomes [`Kind::Unknown`].
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    loop {
        rest = rest.trim_start();
        let at = source.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            tokens.push(Token { kind: Kind::End, at: source.len() });
            return tokens;
        };
        let (kind, length) = match first {
            '\'' => text(rest),
            '0'..='9' => literal(rest),
            '-' | '+' if rest[1..].starts_with(|next: char| next.is_ascii_digit()) => literal(rest),
            _ if first.is_alphabetic() || first == '_' => {
                let length = span(rest, |next| next.is_alphanumeric() || next == '_');
                (Kind::Word(rest[..length].to_owned()), length)
            }
            _ => SYMBOLS
                .iter()
                .find(|symbol| rest.starts_with(**symbol))
                .map_or((Kind::Unknown(first.to_string()), first.len_utf8()), |symbol| {
                    (Kind::Symbol(symbol), symbol.len())
                }),
        };
        tokens.push(Token { kind, at });
        rest = &rest[length..];
    }
}

fn span(text: &str, keep: impl Fn(char) -> bool) -> usize {
    text.find(|next| !keep(next)).unwrap_or(text.len())
}

/// A quoted string with the escapes of "Quoted String Escape Sequences" (SOQL reference).
fn text(rest: &str) -> (Kind, usize) {
    let mut value = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' => return (Kind::Text(value), at + 1),
            '\\' => match characters.next() {
                Some((_, 'n' | 'N')) => value.push('\n'),
                Some((_, 'r' | 'R')) => value.push('\r'),
                Some((_, 't' | 'T')) => value.push('\t'),
                // `LIKE` must still tell an escaped wildcard from a real one.
                Some((_, wildcard @ ('%' | '_'))) => {
                    value.push('\\');
                    value.push(wildcard);
                }
                Some((_, other)) => value.push(other),
                None => break,
            },
            _ => value.push(character),
        }
    }
    (Kind::Unknown(rest.to_owned()), rest.len())
}

fn literal(rest: &str) -> (Kind, usize) {
    let sign = usize::from(rest.starts_with(['-', '+']));
    let length = sign
        + span(&rest[sign..], |next| {
            next.is_ascii_alphanumeric() || matches!(next, ':' | '-' | '+' | '.')
        });
    let word = &rest[..length];
    let kind = if let Ok(number) = word.parse::<i64>() {
        Kind::Integer(number)
    } else if word.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'))
        && let Ok(number) = word.parse::<f64>()
    {
        Kind::Double(number)
    } else if word.len() == 10
        && let Ok(date) = word.parse::<Date>()
    {
        Kind::Date(date)
    } else if word.get(10..11) == Some("T")
        && let Ok(moment) = word.parse::<Timestamp>()
    {
        Kind::DateTime(moment.as_millisecond())
    } else {
        Kind::Unknown(word.to_owned())
    };
    (kind, length)
}

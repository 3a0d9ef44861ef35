//! GraphQL queries, looked at as far as is needed to know that one only reads.

use std::fmt;

use super::{Scalar, ScalarError, scalar};

/// Longest accepted query, in bytes.
const MAX_BYTES: usize = 64 << 10;
/// Deepest accepted nesting of brackets.
const MAX_NESTING: usize = 64;

/// The text of a GraphQL document with queries and fragments alone (GraphQL, October 2021, section
/// 2). Whether its fields exist is for the app to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphQlQuery {
    text: String,
    variables: Vec<String>,
}
scalar!(GraphQlQuery);

impl GraphQlQuery {
    /// The query as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The variables that it names, without `$`, each once, in order of appearance.
    #[must_use]
    pub fn variables(&self) -> &[String] {
        &self.variables
    }
}

impl fmt::Display for GraphQlQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Scalar for GraphQlQuery {
    const FORMAT: &'static str = "longshore-graphql";
    const EXAMPLE: &'static str =
        "query ($after: String) { users(after: $after) { nodes { id } } }";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        if text.len() > MAX_BYTES {
            return Err(ScalarError::new(
                format!("the query is {} bytes long; at most {MAX_BYTES} are sent", text.len()),
                "ask for fewer fields at once",
            ));
        }
        if let Some(at) = text.find("{{") {
            return Err(ScalarError::new(
                "a query has no templates",
                "declare a variable, such as `query ($after: String)`, and give it a value under `variables`",
            )
            .at(at));
        }
        let mut variables: Vec<String> = Vec::new();
        let mut open: Vec<(u8, usize)> = Vec::new();
        let mut has_operation = false;
        // Whether a definition may start here: at the very start, and behind the last brace of one.
        let mut starts = true;
        for token in (Tokens { text, at: 0 }) {
            let (at, token) = token?;
            match token.as_bytes() {
                [bracket @ (b'{' | b'(' | b'[')] => {
                    has_operation |= open.is_empty() && *bracket == b'{';
                    open.push((*bracket, at));
                    if open.len() > MAX_NESTING {
                        return Err(unreadable("the query nests too deeply", at));
                    }
                }
                [bracket @ (b'}' | b')' | b']')] => {
                    let fits = matches!(
                        (open.pop(), bracket),
                        (Some((b'{', _)), b'}') | (Some((b'(', _)), b')') | (Some((b'[', _)), b']')
                    );
                    if !fits {
                        return Err(unreadable("a bracket closes nothing", at));
                    }
                    starts = open.is_empty() && *bracket == b'}';
                    continue;
                }
                [b'$', name @ ..] => {
                    if name.is_empty() {
                        return Err(unreadable("a `$` stands without a name", at));
                    }
                    if !variables.iter().any(|known| known == &token[1..]) {
                        variables.push(token[1..].to_owned());
                    }
                }
                _ if starts && open.is_empty() => match token {
                    "query" | "fragment" => {}
                    "mutation" | "subscription" => {
                        return Err(ScalarError::new(
                            format!("a {token} does more than read"),
                            "write a `query`",
                        )
                        .at(at));
                    }
                    _ => return Err(unreadable("this is not the start of a query", at)),
                },
                _ => {}
            }
            starts = false;
        }
        if let Some((_, at)) = open.pop() {
            return Err(unreadable("a bracket is not closed", at));
        }
        if !has_operation {
            return Err(unreadable("there is no query", 0));
        }
        Ok(Self { text: text.to_owned(), variables })
    }
}

fn unreadable(message: &str, at: usize) -> ScalarError {
    ScalarError::new(message, "write a GraphQL query, such as `{ users { nodes { id } } }`").at(at)
}

/// The tokens of a document with their places; comments and what stands in quotes are left out.
struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Result<(usize, &'t str), ScalarError>;

    fn next(&mut self) -> Option<Self::Item> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        loop {
            let rest = &self.text[self.at..];
            let first = *rest.as_bytes().first()?;
            let start = self.at;
            match first {
                b'#' => self.at += rest.find(['\n', '\r']).unwrap_or(rest.len()),
                b'"' => {
                    let (quote, body) = match rest.strip_prefix("\"\"\"") {
                        Some(body) => ("\"\"\"", body),
                        None => ("\"", &rest[1..]),
                    };
                    let Some(end) = closing(body, quote) else {
                        return Some(Err(unreadable("a text is not closed", start)));
                    };
                    self.at += 2 * quote.len() + end;
                }
                b'$' => {
                    let name = rest.bytes().skip(1).take_while(|byte| is_name(*byte)).count();
                    self.at += 1 + name;
                    return Some(Ok((start, &self.text[start..self.at])));
                }
                byte if is_name(byte) => {
                    self.at += rest.bytes().take_while(|byte| is_name(*byte)).count();
                    return Some(Ok((start, &self.text[start..self.at])));
                }
                b' ' | b'\t' | b'\n' | b'\r' | b',' => self.at += 1,
                byte if byte.is_ascii_graphic() => {
                    self.at += 1;
                    return Some(Ok((start, &self.text[start..self.at])));
                }
                _ => return Some(Err(unreadable("this character has no place in a query", start))),
            }
        }
    }
}

/// Where the closing quote stands that no backslash escapes.
fn closing(body: &str, quote: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let end = from + body[from..].find(quote)?;
        let escapes = body[..end].bytes().rev().take_while(|byte| *byte == b'\\').count();
        // A block text knows one escape, of the quote itself; both count backslashes alike here.
        if escapes % 2 == 0 {
            return Some(end);
        }
        from = end + 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn queries_are_told_from_the_rest() {
        for good in [
            "{ users { id } }",
            "query { users(first: 10) { id } }",
            "query Users($first: Int!, $after: String) { users(first: $first, after: $after) { id } }",
            "# all\nquery A { a }\nfragment F on User { id, name }",
            "fragment F on User { id } query { users { ...F } }",
            r#"{ users(filter: "a } b \" c", text: """block " quote""") { id } }"#,
            "{ users @include(if: $all) { id } }",
        ] {
            assert!(GraphQlQuery::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "users",
            "# a comment alone",
            "{ users { id }",
            "{ users { id } } }",
            "{ users( } ) }",
            "mutation { deleteUser(id: 1) { id } }",
            "query { a } mutation { b }",
            "subscription { a }",
            "query Users",
            "{ users(after: \"{{page.cursor}}\") { id } }",
            "{ users(name: \"a) { id } }",
            "{ users(after: $) { id } }",
            "SELECT Id FROM User",
        ] {
            assert!(GraphQlQuery::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn variables_are_found_once_each() {
        let query = "query ($a: Int, $b: [ID!]) { x(a: $a, b: $b) { y(a: $a) } }";
        assert_eq!(GraphQlQuery::parse(query).unwrap().variables(), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"[ -~\n"\\{}()$é]{0,60}"#) {
            let _ = GraphQlQuery::parse(&text);
        }
    }
}

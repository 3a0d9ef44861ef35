//! From words to a statement ("SOQL SELECT Syntax", SOQL and SOSL Reference).

use super::ast::{Condition, Function, Item, Literal, Name, Operator, Query, Sort};
use super::lexer::{Kind, Token, tokens};
use crate::salesforce::errors::Error;

/// Longest statement Salesforce takes, in characters.
const LONGEST: usize = 100_000;
/// Parentheses and sub-queries inside each other; bounds the recursion.
const DEEPEST: usize = 40;

type Result<T> = std::result::Result<T, Error>;

/// Parses a statement. Errors are `MALFORMED_QUERY` answers.
pub(crate) fn parse(source: &str) -> Result<Query> {
    if source.chars().count() > LONGEST {
        return Err(Error::malformed("SOQL statements cannot be longer than 100000 characters."));
    }
    let mut parser = Parser { source, tokens: tokens(source), at: 0, depth: 0 };
    if parser.peek() == &Kind::End {
        return Err(Error::malformed("SOQL statement cannot be empty"));
    }
    let query = parser.query()?;
    if parser.peek() != &Kind::End {
        return Err(parser.unexpected());
    }
    Ok(query)
}

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn token(&self) -> &Token {
        // The last word is always `End`, and `at` never passes it.
        &self.tokens[self.at]
    }

    fn peek(&self) -> &Kind {
        &self.token().kind
    }

    fn next(&mut self) -> Kind {
        let kind = self.peek().clone();
        if kind != Kind::End {
            self.at += 1;
        }
        kind
    }

    fn unexpected(&self) -> Error {
        let token = self.token();
        Error::malformed(format!("unexpected token: '{}'", token.kind.shown(self.source, token.at)))
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Kind::Word(found) if found.eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Kind::Symbol(found) if *found == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<()> {
        if self.take(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn word(&mut self) -> Result<String> {
        match self.peek() {
            Kind::Word(word) => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn name(&mut self) -> Result<Name> {
        let at = self.token().at;
        let mut path = vec![self.word()?];
        while self.take(".") {
            path.push(self.word()?);
        }
        Ok(Name { path, at })
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEEPEST {
            return Err(Error::malformed("maximum nesting of conditions exceeded"));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn query(&mut self) -> Result<Query> {
        self.expect_word("SELECT")?;
        let mut items = vec![self.item()?];
        while self.take(",") {
            items.push(self.item()?);
        }
        self.expect_word("FROM")?;
        let from = self.name()?;
        let condition = if self.take_word("WHERE") { Some(self.condition()?) } else { None };
        let group_by = if self.take_word("GROUP") {
            self.expect_word("BY")?;
            Some(self.name()?)
        } else {
            None
        };
        let mut order_by = Vec::new();
        if self.take_word("ORDER") {
            self.expect_word("BY")?;
            order_by.push(self.sort()?);
            while self.take(",") {
                order_by.push(self.sort()?);
            }
        }
        let limit = if self.take_word("LIMIT") { Some(self.count()?) } else { None };
        let offset = if self.take_word("OFFSET") { self.count()? } else { 0 };
        if offset > 2000 {
            return Err(Error::new(
                400,
                "NUMBER_OUTSIDE_VALID_RANGE",
                "Maximum SOQL offset allowed is 2000",
            ));
        }
        Ok(Query { items, from, condition, group_by, order_by, limit, offset })
    }

    fn count(&mut self) -> Result<usize> {
        match self.peek() {
            Kind::Integer(number) if *number >= 0 => {
                let number = usize::try_from(*number).unwrap_or(usize::MAX);
                self.at += 1;
                Ok(number)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn item(&mut self) -> Result<Item> {
        let name = self.name()?;
        if name.path.len() > 1 || !self.take("(") {
            return Ok(Item::Field(name));
        }
        let function = match name.last().to_ascii_uppercase().as_str() {
            "FIELDS" => {
                let which = self.word()?.to_ascii_uppercase();
                self.expect(")")?;
                return Ok(Item::Fields(which));
            }
            "COUNT" if self.take(")") => return Ok(Item::CountAll),
            "COUNT" => Function::Count,
            "COUNT_DISTINCT" => Function::CountDistinct,
            "MIN" => Function::Min,
            "MAX" => Function::Max,
            _ => {
                return Err(Error::malformed(format!("unexpected token: '{}'", name.last())));
            }
        };
        let of = self.name()?;
        self.expect(")")?;
        let alias = match self.peek() {
            Kind::Word(_) if !self.is_word("FROM") => Some(self.word()?),
            _ => None,
        };
        Ok(Item::Aggregate { function, of, alias })
    }

    fn sort(&mut self) -> Result<Sort> {
        let field = self.name()?;
        let descending = self.take_word("DESC");
        if !descending {
            self.take_word("ASC");
        }
        // Nulls sort as the smallest value unless the statement says otherwise.
        let mut nulls_last = descending;
        if self.take_word("NULLS") {
            nulls_last = self.take_word("LAST");
            if !nulls_last {
                self.expect_word("FIRST")?;
            }
        }
        Ok(Sort { field, descending, nulls_last })
    }

    fn condition(&mut self) -> Result<Condition> {
        let first = self.deeper(Self::term)?;
        let (word, other) = if self.is_word("AND") {
            ("AND", "OR")
        } else if self.is_word("OR") {
            ("OR", "AND")
        } else {
            return Ok(first);
        };
        let mut terms = vec![first];
        while self.take_word(word) {
            terms.push(self.deeper(Self::term)?);
        }
        if self.is_word(other) {
            return Err(self.unexpected());
        }
        Ok(if word == "AND" { Condition::All(terms) } else { Condition::Any(terms) })
    }

    fn term(&mut self) -> Result<Condition> {
        if self.take_word("NOT") {
            return Ok(Condition::Not(Box::new(self.deeper(Self::term)?)));
        }
        if self.take("(") {
            let condition = self.condition()?;
            self.expect(")")?;
            return Ok(condition);
        }
        let field = self.name()?;
        let negated = self.take_word("NOT");
        if negated || self.is_word("IN") {
            self.expect_word("IN")?;
            self.expect("(")?;
            return self.list(field, negated);
        }
        let operator = self.operator()?;
        let value = self.literal()?;
        Ok(Condition::Compare { field, operator, value })
    }

    fn list(&mut self, field: Name, negated: bool) -> Result<Condition> {
        if self.is_word("SELECT") {
            let query = Box::new(self.deeper(Self::query)?);
            self.expect(")")?;
            return Ok(Condition::InQuery { field, negated, query });
        }
        let mut values = vec![self.literal()?];
        while self.take(",") {
            values.push(self.literal()?);
        }
        self.expect(")")?;
        Ok(Condition::In { field, negated, values })
    }

    fn operator(&mut self) -> Result<Operator> {
        let operator = match self.peek() {
            Kind::Symbol("=") => Operator::Equal,
            Kind::Symbol("!=" | "<>") => Operator::NotEqual,
            Kind::Symbol("<") => Operator::Less,
            Kind::Symbol("<=") => Operator::LessOrEqual,
            Kind::Symbol(">") => Operator::Greater,
            Kind::Symbol(">=") => Operator::GreaterOrEqual,
            Kind::Word(word) if word.eq_ignore_ascii_case("LIKE") => Operator::Like,
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(operator)
    }

    fn literal(&mut self) -> Result<Literal> {
        let literal = match self.peek() {
            Kind::Text(text) => Literal::Text(text.clone()),
            Kind::Integer(number) => Literal::Integer(*number),
            Kind::Double(number) => Literal::Double(*number),
            Kind::DateTime(moment) => Literal::DateTime(*moment),
            Kind::Date(date) => Literal::Date(*date),
            Kind::Word(word) => {
                let word = word.to_ascii_uppercase();
                return self.named(&word);
            }
            _ => return Err(self.unexpected()),
        };
        self.next();
        Ok(literal)
    }

    fn named(&mut self, word: &str) -> Result<Literal> {
        let literal = match word {
            "NULL" => Literal::Null,
            "TRUE" => Literal::Boolean(true),
            "FALSE" => Literal::Boolean(false),
            "TODAY" => Literal::Days { from: 0, to: 1 },
            "YESTERDAY" => Literal::Days { from: -1, to: 0 },
            "TOMORROW" => Literal::Days { from: 1, to: 2 },
            "LAST_N_DAYS" | "N_DAYS_AGO" => {
                self.next();
                self.expect(":")?;
                // A century bounds the date arithmetic.
                let days = self.count()?.min(36_500) as i64;
                return Ok(match word {
                    "LAST_N_DAYS" => Literal::Days { from: -days, to: 1 },
                    _ => Literal::Days { from: -days, to: 1 - days },
                });
            }
            _ => return Err(self.unexpected()),
        };
        self.next();
        Ok(literal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(source: &str) -> String {
        parse(source).map_or_else(|error| error.to_string(), |query| format!("parsed: {query:?}"))
    }

    #[test]
    fn malformed_statements_name_the_token() {
        let report: Vec<String> = [
            "",
            "SELECT Id FRM User",
            "SELECT Id FROM User WHERE",
            "SELECT Id FROM User WHERE IsActive = true AND Name = 'a' OR Name = 'b'",
            "SELECT Id FROM User WHERE Name = 'never closed",
            "SELECT Id FROM User WHERE CreatedDate > 2026-13-01T00:00:00Z",
            "SELECT Id FROM User WHERE CreatedDate > 2026-10-01T00:00:00 00:00",
            "SELECT Id FROM User LIMIT -1",
            "SELECT Id, FROM User",
            "SELECT SUM(Id) FROM User",
            "SELECT Id FROM User OFFSET 2001",
            "SELECT Id FROM User; DROP",
        ]
        .iter()
        .map(|source| format!("{source}\n  {}", message(source)))
        .collect();
        insta::assert_snapshot!(report.join("\n"));
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("SELECT Id FROM User WHERE {}Id = null", "NOT ".repeat(5000));
        assert!(message(&deep).contains("nesting"));
        let deep = format!("SELECT Id FROM User WHERE {}Id = null", "(".repeat(5000));
        assert!(message(&deep).contains("nesting"));
    }

    proptest! {
        #[test]
        fn any_text_is_safe(source in ".{0,80}") {
            let _ = parse(&source);
        }

        #[test]
        fn any_words_are_safe(words in prop::collection::vec(prop::sample::select(vec![
            "SELECT", "Id", "FROM", "User", "WHERE", "(", ")", "AND", "OR", "NOT", "IN", "=", "!=",
            "'a", "'b'", "\\", ",", ".", "COUNT", "()", "GROUP BY", "ORDER BY", "LIMIT", "5", "-",
            "2026-10-01T00:00:00Z", "2026-10-01", "null", "LAST_N_DAYS", ":", "9999999999999999999", "é",
        ]), 0..40)) {
            let _ = parse(&words.join(" "));
        }
    }
}

//! Runs a checked statement over the org's records.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::ast::{Function, Operator};
use super::plan::{Aggregate, Output, Path, Plan, Select};
use crate::salesforce::data::catalogue::Object;
use crate::salesforce::data::log_files::Interval;
use crate::salesforce::data::{Data, Row, Span};
use crate::salesforce::value::Value;

/// A filter whose names and values are resolved.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Compare { path: Path, operator: Operator, value: Value },
    In { path: Path, negated: bool, values: Vec<Value> },
}

/// A record of an aggregate query: names and values.
pub(crate) type Group = Vec<(String, Value)>;

/// What a statement gives.
#[derive(Debug)]
pub(crate) enum Outcome {
    Records(Vec<Row>),
    Count(usize),
    Groups(Vec<Group>),
}

/// Runs a statement at `now` (seconds).
pub(crate) fn run(plan: &Plan, data: &Data, now: i64) -> Outcome {
    let mut rows = data.rows(plan.object, plan.span, now);
    rows.retain(|row| {
        let hidden =
            plan.daily_only && matches!(row, Row::File(file) if file.interval == Interval::Hourly);
        !hidden && plan.test.as_ref().is_none_or(|test| test.holds(data, row, now))
    });
    match &plan.select {
        Select::Count => Outcome::Count(limited(rows.len(), plan)),
        Select::Records(_) => {
            let mut rows = sorted(rows, plan, data, now);
            rows.drain(..plan.offset.min(rows.len()));
            rows.truncate(plan.limit.unwrap_or(usize::MAX));
            Outcome::Records(rows)
        }
        Select::Aggregates { group, columns } => {
            let mut groups = aggregate(&rows, group.as_ref(), columns, data, now);
            groups.truncate(plan.limit.unwrap_or(usize::MAX));
            Outcome::Groups(groups)
        }
    }
}

/// The values of a statement that selects one field of its own object; `None` for any other.
pub(super) fn column(plan: &Plan, data: &Data, now: i64) -> Option<Vec<Value>> {
    let Select::Records(outputs) = &plan.select else { return None };
    let [Output::Field(field)] = outputs[..] else { return None };
    let Outcome::Records(rows) = run(plan, data, now) else { return None };
    Some(rows.iter().map(|row| data.value(row, field, now)).collect())
}

fn limited(count: usize, plan: &Plan) -> usize {
    count.saturating_sub(plan.offset).min(plan.limit.unwrap_or(usize::MAX))
}

fn sorted(rows: Vec<Row>, plan: &Plan, data: &Data, now: i64) -> Vec<Row> {
    if plan.sort.is_empty() {
        return rows;
    }
    let mut keyed: Vec<(Vec<Value>, Row)> = rows
        .into_iter()
        .map(|row| {
            let keys = plan.sort.iter().map(|(path, ..)| path.value(data, &row, now)).collect();
            (keys, row)
        })
        .collect();
    keyed.sort_by(|(left, _), (right, _)| {
        left.iter()
            .zip(right)
            .zip(&plan.sort)
            .map(|((left, right), (_, descending, nulls_last))| {
                let order = match (left, right) {
                    (Value::Null, Value::Null) => Ordering::Equal,
                    (Value::Null, _) | (_, Value::Null) => {
                        let nulls_first = left.order(right);
                        return if *nulls_last { nulls_first.reverse() } else { nulls_first };
                    }
                    _ => left.order(right),
                };
                if *descending { order.reverse() } else { order }
            })
            .find(|order| *order != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    });
    keyed.into_iter().map(|(_, row)| row).collect()
}

fn aggregate(
    rows: &[Row],
    group: Option<&(String, Path)>,
    columns: &[Aggregate],
    data: &Data,
    now: i64,
) -> Vec<Group> {
    let mut groups: BTreeMap<String, (Value, Vec<&Row>)> = BTreeMap::new();
    if group.is_none() {
        groups.insert(String::new(), (Value::Null, Vec::new()));
    }
    for row in rows {
        let value = group.map_or(Value::Null, |(_, path)| path.value(data, row, now));
        let key = if group.is_some() { format!("{value:?}") } else { String::new() };
        groups.entry(key).or_insert_with(|| (value, Vec::new())).1.push(row);
    }
    groups
        .into_values()
        .map(|(value, rows)| {
            columns
                .iter()
                .map(|column| match column {
                    Aggregate::Group => {
                        (group.map(|(name, _)| name.clone()).unwrap_or_default(), value.clone())
                    }
                    Aggregate::Function { function, of, alias } => {
                        let values: Vec<Value> = rows
                            .iter()
                            .map(|row| of.value(data, row, now))
                            .filter(|value| *value != Value::Null)
                            .collect();
                        (alias.clone(), fold(*function, values))
                    }
                })
                .collect()
        })
        .collect()
}

fn fold(function: Function, mut values: Vec<Value>) -> Value {
    match function {
        Function::Count => Value::Integer(values.len() as i64),
        Function::CountDistinct => {
            values.sort_by(Value::order);
            values.dedup_by(|left, right| left.order(right) == Ordering::Equal);
            Value::Integer(values.len() as i64)
        }
        Function::Min => Value::or_null(values.into_iter().min_by(Value::order)),
        Function::Max => Value::or_null(values.into_iter().max_by(Value::order)),
    }
}

impl Path {
    /// The value at the end of the path; null where a reference leads nowhere.
    pub(crate) fn value(&self, data: &Data, row: &Row, now: i64) -> Value {
        let mut at = *row;
        for (reference, object) in &self.steps {
            let Value::Id(id) = data.value(&at, reference, now) else { return Value::Null };
            let Some(next) = data.find(*object, id, now) else { return Value::Null };
            at = next;
        }
        data.value(&at, self.field, now)
    }
}

impl Test {
    fn holds(&self, data: &Data, row: &Row, now: i64) -> bool {
        match self {
            Self::All(tests) => tests.iter().all(|test| test.holds(data, row, now)),
            Self::Any(tests) => tests.iter().any(|test| test.holds(data, row, now)),
            Self::Not(test) => !test.holds(data, row, now),
            Self::Compare { path, operator, value } => {
                compare(&path.value(data, row, now), *operator, value)
            }
            Self::In { path, negated, values } => {
                let found = path.value(data, row, now);
                values.iter().any(|value| compare(&found, Operator::Equal, value)) != *negated
            }
        }
    }
}

/// Two values under an operator. Nothing is less or greater than null, and null differs from
/// every value.
fn compare(found: &Value, operator: Operator, wanted: &Value) -> bool {
    match operator {
        Operator::Equal => same(found, wanted),
        Operator::NotEqual => !same(found, wanted),
        Operator::Like => match (found, wanted) {
            (Value::Text(text), Value::Text(pattern)) => like(text, pattern),
            _ => false,
        },
        _ if *found == Value::Null || *wanted == Value::Null => false,
        Operator::Less => found.order(wanted) == Ordering::Less,
        Operator::LessOrEqual => found.order(wanted) != Ordering::Greater,
        Operator::Greater => found.order(wanted) == Ordering::Greater,
        Operator::GreaterOrEqual => found.order(wanted) != Ordering::Less,
    }
}

fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Null, _) | (_, Value::Null) => false,
        _ => left.order(right) == Ordering::Equal,
    }
}

/// `LIKE`: `%` is any text, `_` one character, a backslash takes a wildcard literally, case
/// does not matter. Runs in the product of the lengths at worst.
fn like(text: &str, pattern: &str) -> bool {
    #[derive(PartialEq)]
    enum Piece {
        Any,
        One,
        Exactly(char),
    }
    let mut pieces = Vec::new();
    let mut letters = pattern.chars().flat_map(char::to_lowercase);
    while let Some(letter) = letters.next() {
        pieces.push(match letter {
            '%' => Piece::Any,
            '_' => Piece::One,
            '\\' => Piece::Exactly(letters.next().unwrap_or('\\')),
            _ => Piece::Exactly(letter),
        });
    }
    let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    let (mut at, mut piece) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match pieces.get(piece) {
            Some(Piece::Any) => {
                retry = Some((piece, at));
                piece += 1;
            }
            Some(Piece::One) => (at, piece) = (at + 1, piece + 1),
            Some(Piece::Exactly(letter)) if *letter == text[at] => {
                (at, piece) = (at + 1, piece + 1);
            }
            _ => match retry {
                Some((any, from)) => {
                    retry = Some((any, from + 1));
                    (at, piece) = (from + 1, any + 1);
                }
                None => return false,
            },
        }
    }
    pieces[piece..].iter().all(|piece| *piece == Piece::Any)
}

/// The stretch of time that a filter leaves of an object's history.
pub(super) fn span(test: &Test, object: Object) -> Span {
    let field = match object {
        Object::LoginHistory => "LoginTime",
        Object::SetupAuditTrail => "CreatedDate",
        _ => return Span::ALL,
    };
    match test {
        Test::All(tests) => {
            tests.iter().map(|test| span(test, object)).fold(Span::ALL, |whole, part| Span {
                from: whole.from.max(part.from),
                to: whole.to.min(part.to),
            })
        }
        Test::Compare { path, operator, value: Value::DateTime(moment) }
            if path.steps.is_empty() && path.field == field =>
        {
            match operator {
                Operator::Equal => Span { from: *moment, to: *moment },
                Operator::Less | Operator::LessOrEqual => Span { from: i64::MIN, to: *moment },
                Operator::Greater | Operator::GreaterOrEqual => {
                    Span { from: *moment, to: i64::MAX }
                }
                Operator::NotEqual | Operator::Like => Span::ALL,
            }
        }
        _ => Span::ALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_knows_wildcards_and_escapes() {
        for (text, pattern, expected) in [
            ("Ada Example", "ada%", true),
            ("Ada Example", "%example", true),
            ("Ada Example", "%d%x_mple", true),
            ("Ada", "Ad", false),
            ("Ada", "____", false),
            ("50%", "50\\%", true),
            ("50x", "50\\%", false),
            ("", "%", true),
        ] {
            assert_eq!(like(text, pattern), expected, "{text} LIKE {pattern}");
        }
    }
}

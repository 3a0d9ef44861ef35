//! Checks a statement against the catalogue and makes it ready to run.

use super::ast::{Condition, Function, Item, Literal, Name, Operator, Query};
use super::eval::{self, Test};
use crate::salesforce::data::catalogue::{Catalogue, Entity, Field, Object, Type};
use crate::salesforce::data::{Data, Span};
use crate::salesforce::errors::Error;
use crate::salesforce::ids::{Id, shorten};
use crate::salesforce::value::Value;

type Result<T> = std::result::Result<T, Error>;

/// The way from a record to a field, through the records it refers to.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    /// Each reference field on the way and the object it leads to.
    pub(crate) steps: Vec<(&'static str, Object)>,
    pub(crate) field: &'static str,
    pub(crate) kind: Type,
}

/// What a record of the answer shows, in the order of the statement.
#[derive(Debug, Clone)]
pub(crate) enum Output {
    Field(&'static str),
    Parent {
        relationship: &'static str,
        reference: &'static str,
        object: Object,
        name: &'static str,
        outputs: Vec<Output>,
    },
}

/// What the answer consists of.
#[derive(Debug, Clone)]
pub(crate) enum Select {
    Records(Vec<Output>),
    Count,
    Aggregates { group: Option<(String, Path)>, columns: Vec<Aggregate> },
}

#[derive(Debug, Clone)]
pub(crate) enum Aggregate {
    /// The field the statement groups by.
    Group,
    Function {
        function: Function,
        of: Path,
        alias: String,
    },
}

/// A statement ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) object: Object,
    pub(crate) name: &'static str,
    pub(crate) prefix: [u8; 3],
    pub(crate) select: Select,
    pub(crate) test: Option<Test>,
    /// Without a filter that names them, hourly log files do not show.
    pub(crate) daily_only: bool,
    pub(crate) span: Span,
    /// Path, whether descending, whether nulls come last.
    pub(crate) sort: Vec<(Path, bool, bool)>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
}

/// What a statement is checked against.
pub(super) struct Scope<'a> {
    pub(super) source: &'a str,
    pub(super) catalogue: &'a Catalogue,
    pub(super) data: &'a Data,
    pub(super) now: i64,
    /// Whether the Tooling API was asked.
    pub(super) tooling: bool,
}

/// Checks `query`, which was parsed from `source`. `now` in seconds gives date literals their
/// meaning; `tooling` admits the objects of the Tooling API. Errors are the 400 answers of the query resource.
pub(crate) fn plan(
    source: &str,
    query: &Query,
    catalogue: &Catalogue,
    data: &Data,
    now: i64,
    tooling: bool,
) -> Result<Plan> {
    Scope { source, catalogue, data, now, tooling }.plan(query)
}

impl Scope<'_> {
    fn error(&self, at: usize, code: &'static str, message: &str) -> Error {
        Error::new(400, code, format!("{}\n{message}", pointer(self.source, at)))
    }

    fn plan(&self, query: &Query) -> Result<Plan> {
        let entity = self
            .catalogue
            .entity(&query.from.dotted())
            .filter(|entity| !entity.object.tooling() || self.tooling)
            .ok_or_else(|| {
            self.error(
                query.from.at,
                "INVALID_TYPE",
                &format!(
                    "sObject type '{}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.",
                    query.from.dotted()
                ),
            )
        })?;
        let select = self.select(entity, query)?;
        let test = match &query.condition {
            Some(condition) => Some(self.test(entity, condition)?),
            None => None,
        };
        let mut sort = Vec::new();
        for key in &query.order_by {
            let (path, field) = self.resolve(entity, &key.field)?;
            if !field.sortable {
                return Err(self.error(
                    key.field.at,
                    "INVALID_FIELD",
                    &format!("field '{}' can not be sorted in a query call", key.field.last()),
                ));
            }
            sort.push((path, key.descending, key.nulls_last));
        }
        let names_files = query.condition.as_ref().is_some_and(names_files);
        Ok(Plan {
            object: entity.object,
            name: entity.name,
            prefix: entity.prefix,
            daily_only: entity.object == Object::EventLogFile && !names_files,
            span: test.as_ref().map_or(Span::ALL, |test| eval::span(test, entity.object)),
            select,
            test,
            sort,
            limit: query.limit,
            offset: query.offset,
        })
    }

    fn select(&self, entity: &Entity, query: &Query) -> Result<Select> {
        if let [Item::CountAll] = query.items[..] {
            return Ok(Select::Count);
        }
        let aggregates = query.items.iter().any(|item| matches!(item, Item::Aggregate { .. }));
        if aggregates || query.group_by.is_some() {
            return self.aggregates(entity, query);
        }
        let mut outputs = Vec::new();
        for item in &query.items {
            match item {
                Item::Field(name) => {
                    self.resolve(entity, name)?;
                    self.output(entity, &name.path, &mut outputs);
                }
                Item::Fields(which) => {
                    if !matches!(which.as_str(), "ALL" | "STANDARD" | "CUSTOM") {
                        return Err(Error::malformed(format!("unexpected token: '{which}'")));
                    }
                    if which != "STANDARD" && query.limit.is_none_or(|limit| limit > 200) {
                        return Err(Error::malformed(
                            "The SOQL FIELDS function must have a LIMIT of at most 200",
                        ));
                    }
                    if which != "CUSTOM" {
                        outputs.extend(entity.fields.iter().map(|field| Output::Field(field.name)));
                    }
                }
                Item::CountAll | Item::Aggregate { .. } => {
                    return Err(Error::malformed("unexpected token: 'COUNT'"));
                }
            }
        }
        Ok(Select::Records(outputs))
    }

    fn aggregates(&self, entity: &Entity, query: &Query) -> Result<Select> {
        if entity.object == Object::SetupAuditTrail {
            return Err(Error::malformed(
                "entity type SetupAuditTrail does not support aggregate functions other than COUNT()",
            ));
        }
        let group = match &query.group_by {
            Some(name) => {
                let (path, field) = self.resolve(entity, name)?;
                if !field.groupable {
                    let message =
                        format!("field '{}' can not be grouped in a query call", name.dotted());
                    return Err(self.error(name.at, "MALFORMED_QUERY", &message));
                }
                Some((field.name.to_owned(), path))
            }
            None => None,
        };
        let mut columns = Vec::new();
        let mut unnamed = 0;
        for item in &query.items {
            match item {
                Item::Aggregate { function, of, alias } => {
                    let (of, _) = self.resolve(entity, of)?;
                    let alias = alias.clone().unwrap_or_else(|| {
                        unnamed += 1;
                        format!("expr{}", unnamed - 1)
                    });
                    columns.push(Aggregate::Function { function: *function, of, alias });
                }
                Item::Field(name) => {
                    self.resolve(entity, name)?;
                    let grouped = query
                        .group_by
                        .as_ref()
                        .is_some_and(|group| group.dotted().eq_ignore_ascii_case(&name.dotted()));
                    if !grouped {
                        return Err(self.error(
                            name.at,
                            "MALFORMED_QUERY",
                            &format!("Field must be grouped or aggregated: {}", name.dotted()),
                        ));
                    }
                    columns.push(Aggregate::Group);
                }
                Item::CountAll | Item::Fields(_) => {
                    return Err(Error::malformed("Grouped query cannot use COUNT() or FIELDS()"));
                }
            }
        }
        Ok(Select::Aggregates { group, columns })
    }

    /// Adds a field to what a record shows; fields of one parent stay together.
    fn output(&self, entity: &Entity, path: &[String], outputs: &mut Vec<Output>) {
        let [first, rest @ ..] = path else { return };
        if rest.is_empty() {
            if let Some(field) = entity.field(first) {
                outputs.push(Output::Field(field.name));
            }
            return;
        }
        let Some((reference, object, relationship)) = entity.relationship(first) else { return };
        let Some(parent) = self.catalogue.of(object) else { return };
        let known = outputs.iter().position(
            |output| matches!(output, Output::Parent { relationship: known, .. } if *known == relationship),
        );
        let place = known.unwrap_or_else(|| {
            outputs.push(Output::Parent {
                relationship,
                reference: reference.name,
                object,
                name: parent.name,
                outputs: Vec::new(),
            });
            outputs.len() - 1
        });
        if let Output::Parent { outputs, .. } = &mut outputs[place] {
            self.output(parent, rest, outputs);
        }
    }

    /// Follows a name from `entity`.
    fn resolve<'b>(&'b self, entity: &'b Entity, name: &Name) -> Result<(Path, &'b Field)> {
        let mut at = entity;
        let mut steps = Vec::new();
        // A statement may put the object's own name before a field.
        let path = match &name.path[..] {
            [first, rest @ ..] if !rest.is_empty() && first.eq_ignore_ascii_case(entity.name) => {
                rest
            }
            path => path,
        };
        let (last, parents) = path.split_last().unwrap_or((&name.path[0], &[]));
        for parent in parents {
            let found = at.relationship(parent);
            let followed = found.and_then(|(field, object, _)| {
                Some((field.name, object, self.catalogue.of(object)?))
            });
            let Some((reference, object, next)) = followed else {
                let message = format!(
                    "Didn't understand relationship '{parent}' in field path. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names."
                );
                return Err(self.error(name.at, "INVALID_FIELD", &message));
            };
            steps.push((reference, object));
            at = next;
        }
        let field = at.field(last).ok_or_else(|| {
            let message = format!(
                "No such column '{last}' on entity '{}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.",
                at.name
            );
            self.error(name.at, "INVALID_FIELD", &message)
        })?;
        Ok((Path { steps, field: field.name, kind: field.kind }, field))
    }

    fn filterable(&self, entity: &Entity, name: &Name) -> Result<Path> {
        let (path, field) = self.resolve(entity, name)?;
        if !field.filterable {
            let message = format!("field '{}' can not be filtered in a query call", field.name);
            return Err(self.error(name.at, "INVALID_FIELD", &message));
        }
        Ok(path)
    }

    fn test(&self, entity: &Entity, condition: &Condition) -> Result<Test> {
        let all = |conditions: &[Condition]| -> Result<Vec<Test>> {
            conditions.iter().map(|condition| self.test(entity, condition)).collect()
        };
        match condition {
            Condition::All(conditions) => Ok(Test::All(all(conditions)?)),
            Condition::Any(conditions) => Ok(Test::Any(all(conditions)?)),
            Condition::Not(condition) => Ok(Test::Not(Box::new(self.test(entity, condition)?))),
            Condition::Compare { field, operator, value } => {
                let path = self.filterable(entity, field)?;
                self.comparison(field, path, *operator, value)
            }
            Condition::In { field, negated, values } => {
                let path = self.filterable(entity, field)?;
                let mut wanted = Vec::new();
                for value in values {
                    wanted.push(self.value(field, &path, value)?);
                }
                Ok(Test::In { path, negated: *negated, values: wanted })
            }
            Condition::InQuery { field, negated, query } => {
                let path = self.filterable(entity, field)?;
                let inner = self.plan(query)?;
                let values = eval::column(&inner, self.data, self.now).ok_or_else(|| {
                    let message = "The inner select must have exactly one field";
                    self.error(query.from.at, "MALFORMED_QUERY", message)
                })?;
                Ok(Test::In { path, negated: *negated, values })
            }
        }
    }

    fn comparison(
        &self,
        name: &Name,
        path: Path,
        operator: Operator,
        literal: &Literal,
    ) -> Result<Test> {
        let ordered = !matches!(operator, Operator::Equal | Operator::NotEqual);
        let refused = match path.kind {
            Type::Boolean => ordered,
            Type::Id | Type::Reference | Type::DateTime | Type::Int | Type::Double => {
                operator == Operator::Like
            }
            _ => false,
        };
        if refused {
            let message = format!("invalid operator on {} field", path.kind.name());
            return Err(self.error(name.at, "INVALID_QUERY_FILTER_OPERATOR", &message));
        }
        if let (Type::DateTime, Literal::Days { from, to }) = (path.kind, literal) {
            let today = self.now.div_euclid(86_400);
            let edge = |days: i64| Value::seconds((today + days) * 86_400);
            let is = |operator, value| Test::Compare { path: path.clone(), operator, value };
            return Ok(match operator {
                Operator::Less => is(Operator::Less, edge(*from)),
                Operator::LessOrEqual => is(Operator::Less, edge(*to)),
                Operator::Greater => is(Operator::GreaterOrEqual, edge(*to)),
                Operator::GreaterOrEqual => is(Operator::GreaterOrEqual, edge(*from)),
                Operator::NotEqual => Test::Any(vec![
                    is(Operator::Less, edge(*from)),
                    is(Operator::GreaterOrEqual, edge(*to)),
                ]),
                Operator::Equal | Operator::Like => Test::All(vec![
                    is(Operator::GreaterOrEqual, edge(*from)),
                    is(Operator::Less, edge(*to)),
                ]),
            });
        }
        let value = self.value(name, &path, literal)?;
        Ok(Test::Compare { path, operator, value })
    }

    fn value(&self, name: &Name, path: &Path, literal: &Literal) -> Result<Value> {
        let value = match (path.kind, literal) {
            (_, Literal::Null) => Value::Null,
            (Type::Boolean, Literal::Boolean(value)) => Value::Boolean(*value),
            (Type::DateTime, Literal::DateTime(moment)) => Value::DateTime(*moment),
            (Type::Int | Type::Double, Literal::Integer(number)) => Value::Integer(*number),
            (Type::Int | Type::Double, Literal::Double(number)) => Value::Double(*number),
            (Type::Id | Type::Reference, Literal::Text(text)) => {
                if shorten(text).is_none() {
                    let message = format!("invalid ID field: {text}");
                    return Err(self.error(name.at, "INVALID_QUERY_FILTER_OPERATOR", &message));
                }
                Id::parse(text).map_or_else(|| Value::text(text.clone()), Value::Id)
            }
            (
                Type::String | Type::Picklist | Type::TextArea | Type::Email | Type::Base64,
                Literal::Text(text),
            ) => Value::text(text.clone()),
            (kind, _) => {
                let (kind, quotes) = match kind {
                    Type::DateTime => ("dateTime", "should not"),
                    Type::Boolean | Type::Int | Type::Double => (kind.name(), "should not"),
                    _ => (kind.name(), "should"),
                };
                let message = format!(
                    "value of filter criterion for field '{}' must be of type {kind} and {quotes} be enclosed in quotes",
                    path.field
                );
                return Err(self.error(name.at, "INVALID_FIELD", &message));
            }
        };
        Ok(value)
    }
}

/// Whether a filter on log files says which of them it means: by interval, or by id.
fn names_files(condition: &Condition) -> bool {
    match condition {
        Condition::All(conditions) | Condition::Any(conditions) => {
            conditions.iter().any(names_files)
        }
        Condition::Not(condition) => names_files(condition),
        Condition::Compare { field, .. }
        | Condition::In { field, .. }
        | Condition::InQuery { field, .. } => ["Id", "Interval", "Sequence"]
            .iter()
            .any(|name| field.last().eq_ignore_ascii_case(name)),
    }
}

/// The lines Salesforce puts before a message: an excerpt, a caret under the culprit, and its
/// place.
fn pointer(source: &str, at: usize) -> String {
    const BEFORE: usize = 30;
    const AFTER: usize = 40;
    let line: String =
        source.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let column = source[..at].chars().count();
    let letters: Vec<char> = line.chars().collect();
    let first = if column <= BEFORE {
        0
    } else {
        // From the next whole word on.
        let from = column - BEFORE;
        (from..column).find(|place| letters[*place] == ' ').map_or(column, |place| place + 1)
    };
    let mut last = (column + AFTER).min(letters.len());
    if last < letters.len() {
        last = (column..last).rev().find(|place| letters[*place] == ' ').unwrap_or(last);
    }
    let excerpt: String = letters[first..last].iter().collect();
    let caret = " ".repeat(column - first);
    format!("\n{excerpt}\n{caret}^\nERROR at Row:1:Column:{}", column + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::salesforce::config::{Config, Volume};
    use crate::salesforce::soql::{parse, run};

    const NOW: i64 = 1_790_848_800;

    fn run_it(source: &str, org: &(Catalogue, Data)) -> Option<String> {
        let query = parse(source).ok()?;
        let plan = plan(source, &query, &org.0, &org.1, NOW, true).ok()?;
        Some(format!("{:?}", run(&plan, &org.1, NOW)))
    }

    fn org() -> (Catalogue, Data) {
        let volume = Volume {
            days: 3,
            users: 5,
            sign_ins_per_day: 5,
            audit_per_day: 2,
            log_rows_per_file: 1,
        };
        let config = Config { volume, ..Config::default() };
        (Catalogue::new(&config), Data::new(&config, NOW))
    }

    #[test]
    fn carets_stand_under_the_culprit() {
        let source = "SELECT Id,\n Ünïcode, LoginTime FROM LoginHistory WHERE LoginTime > TODAY AND Status = 'x' ORDER BY Id";
        let at = source.find("Status").expect("it is there");
        let shown = pointer(source, at);
        let lines: Vec<&str> = shown.lines().collect();
        let caret = lines[2].find('^').expect("a caret");
        assert!(lines[1][caret..].starts_with("Status"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_statement_gets_an_answer(
            field in prop::sample::select(vec![
                "Id", "LoginTime", "User.Manager.Name", "LoginGeo.City", "Status", "IsActive",
                "CreatedBy.Username", "Interval", "é", "COUNT()", "COUNT(Id)", "FIELDS(STANDARD)",
            ]),
            object in prop::sample::select(vec![
                "LoginHistory", "User", "EventLogFile", "SetupAuditTrail", "PermissionSet",
                "PermissionSetAssignment", "SecurityHealthCheckRisks", "OauthToken", "Nothing",
            ]),
            tail in prop::collection::vec(prop::sample::select(vec![
                "WHERE", "ORDER BY", "LIMIT 3", "Id", "LoginTime", "Name", "=", "!=", ">", "LIKE",
                "'a%'", "null", "TODAY", "LAST_N_DAYS:3", "2026-10-01T00:00:00Z", "AND", "NOT",
                "IN ('x')", "OFFSET 2", "GROUP BY", "true", "DESC", "'é\\n'",
            ]), 0..8),
        ) {
            let org = org();
            let source = format!("SELECT {field} FROM {object} {}", tail.join(" "));
            prop_assert_eq!(run_it(&source, &org), run_it(&source, &org));
        }
    }
}

//! A parsed SOQL statement.

use jiff::civil::Date;

/// A name and the byte where it starts, for error messages.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Name {
    /// `["LoginGeo", "City"]` for `LoginGeo.City`.
    pub(crate) path: Vec<String>,
    pub(crate) at: usize,
}

impl Name {
    pub(crate) fn last(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    pub(crate) fn dotted(&self) -> String {
        self.path.join(".")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Count,
    CountDistinct,
    Min,
    Max,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    Field(Name),
    /// `COUNT()`
    CountAll,
    /// `COUNT(Id) total`
    Aggregate {
        function: Function,
        of: Name,
        alias: Option<String>,
    },
    /// `FIELDS(ALL)` and its like.
    Fields(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(String),
    DateTime(i64),
    Date(Date),
    /// `TODAY` and its like: days from today where the range begins and ends (exclusive).
    Days {
        from: i64,
        to: i64,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare { field: Name, operator: Operator, value: Literal },
    In { field: Name, negated: bool, values: Vec<Literal> },
    InQuery { field: Name, negated: bool, query: Box<Query> },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sort {
    pub(crate) field: Name,
    pub(crate) descending: bool,
    pub(crate) nulls_last: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    pub(crate) items: Vec<Item>,
    pub(crate) from: Name,
    pub(crate) condition: Option<Condition>,
    pub(crate) group_by: Option<Name>,
    pub(crate) order_by: Vec<Sort>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
}

//! How a record becomes an OCSF event.

use schemars::JsonSchema;

use crate::scalar::{Capture, Name, OcsfPath, Pattern, Scalar, ScalarError, TimeFormat, scalar};
use crate::{JsonPath, Literal, OneOrMany, Spanned, Table, Template};

mod published;
mod read;

/// How a record becomes events.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Where the parts of a record are that become an event each. In the map, paths that start with
    /// this one are about the part at hand.
    pub for_each: Option<Spanned<JsonPath>>,
    /// The classes of the events.
    pub classes: Classes,
}

/// One class, or one of several by what the record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Classes {
    /// Every record becomes an event of one class.
    One(Box<Case>),
    /// The class depends on the record.
    Choice(Box<Choice>),
}

impl Map {
    /// The cases, `else` as the last; a map of one class has one.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        let (one, choice) = match &self.classes {
            Classes::One(case) => (Some(&**case), None),
            Classes::Choice(choice) => (None, Some(&**choice)),
        };
        let several = choice.into_iter().flat_map(|choice| {
            choice.cases.iter().map(|case| &case.value).chain([&choice.otherwise.value])
        });
        one.into_iter().chain(several)
    }

    /// The map with the entries of tables in the place of their names: `when` for `lookup`. Names of
    /// no table stay.
    #[must_use]
    pub fn with_tables(mut self, tables: &Tables) -> Self {
        match &mut self.classes {
            Classes::One(case) => look_up(&mut case.attributes, tables),
            Classes::Choice(choice) => {
                look_up(&mut choice.shared, tables);
                look_up(&mut choice.otherwise.value.attributes, tables);
                for case in &mut choice.cases {
                    look_up(&mut case.value.attributes, tables);
                }
            }
        }
        self
    }

    /// A path into a part of the record, as seen from the part; `None` for paths into the record.
    #[must_use]
    pub fn in_part(&self, path: &JsonPath) -> Option<JsonPath> {
        let rest = path.as_str().strip_prefix(self.for_each.as_ref()?.as_str())?;
        let goes_on = rest.is_empty() || rest.starts_with(['.', '[']);
        goes_on.then(|| JsonPath::parse(&format!("${rest}")).ok()).flatten()
    }

    /// The choice among several cases, if there is one.
    #[must_use]
    pub fn choice(&self) -> Option<&Choice> {
        match &self.classes {
            Classes::One(_) => None,
            Classes::Choice(choice) => Some(choice),
        }
    }
}

/// The tables of a manifest by name.
pub type Tables = Table<Name, Spanned<Table<String, Spanned<Literal>>>>;

fn look_up(attributes: &mut Attributes, tables: &Tables) {
    for (_, value) in attributes {
        let Value::Source(source) = &mut value.value else { continue };
        look_up(&mut source.map.0, tables);
        let table = source.lookup.as_ref().and_then(|name| tables.get(name.as_str()));
        if let Some(table) = table {
            source.when = Some(table.value.clone());
            source.lookup = None;
        }
    }
}

/// A choice of classes by a member of the record, by conditions, or by both.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The member that decides, where one does.
    pub by: Option<Spanned<JsonPath>>,
    /// Attributes that all cases have; a case may set them differently.
    pub shared: Attributes,
    /// The cases. The first that the record is of counts.
    pub cases: Vec<Spanned<Case>>,
    /// The case for every other record.
    pub otherwise: Spanned<Case>,
}

/// What must hold of a record, member by member: all of it.
pub type Conditions = Table<JsonPath, Spanned<Condition>>;

/// What must hold of one member of a record. Values are compared as text.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// It is one of these.
    Is(Vec<Spanned<Literal>>),
    /// It is none of these; a member without a value is none of them.
    Not(Vec<Spanned<Literal>>),
    /// Its whole text matches.
    Match(Spanned<Pattern>),
    /// It has a value, or none.
    Exists(bool),
}

/// The events of one class.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The values of the deciding member that this case is for. Empty if the table of activities
    /// says so, if conditions alone do, or if there is no choice.
    pub is: Vec<Spanned<Literal>>,
    /// What else must hold of a record of this case.
    pub condition: Conditions,
    /// The OCSF class, such as `authentication`.
    pub to: Spanned<String>,
    /// The class's activity, such as `Logon`.
    pub activity: Activity,
    /// The other attributes.
    pub attributes: Attributes,
}

/// Where an event's activity comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Activity {
    /// Always the same.
    Fixed(Spanned<String>),
    /// By the value of the deciding member.
    Table(Table<String, Spanned<String>>),
    /// By the value of any member.
    From(Box<ActivityFrom>),
}

/// An activity by the value of a member of the record.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivityFrom {
    /// The member that decides. Of several paths the first with a value counts.
    pub from: OneOrMany<Spanned<JsonPath>>,
    /// Its values with their activities.
    pub when: Table<String, Spanned<String>>,
    /// The activity for every other value.
    pub otherwise: Spanned<String>,
}

/// Attributes with where their values come from, in source order.
pub type Attributes = Vec<(Spanned<OcsfPath>, Spanned<Value>)>;

/// Where an attribute's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Selected from the record.
    Path(JsonPath),
    /// Written by a template over `record.NAME`.
    Template(Template),
    /// Always the same.
    Literal(Literal),
    /// Selected, and then changed.
    Source(Box<Source>),
}

/// A value that is made from the record; exactly one of `from`, `template` and `each`. What is found
/// is changed in this order: `match`, `lookup` or `when`, `as`, `else`.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Where the value is in the record. Of several paths the first with a value counts.
    #[serde(default)]
    pub from: Spanned<OneOrMany<Spanned<JsonPath>>>,
    /// The value as a text over `record.NAME`. Without a value for one of its references there is
    /// none.
    pub template: Option<Spanned<Template>>,
    /// Elements of the record that become one object each, in an array.
    pub each: Option<Spanned<JsonPath>>,
    /// The members of the objects made by `each`: attributes with where their values come from.
    /// Here `$` is the element.
    #[serde(default)]
    pub map: Table<OcsfPath, Spanned<Value>>,
    /// What must hold of the record; otherwise there is no value, and `else` counts.
    #[serde(default, rename = "if")]
    pub condition: Conditions,
    /// What part of the text is wanted. Without a match there is no value.
    #[serde(rename = "match")]
    pub capture: Option<Spanned<Capture>>,
    /// A table under `tables` with replacements for particular values.
    pub lookup: Option<Spanned<Name>>,
    /// Replacements for particular values.
    pub when: Option<Table<String, Spanned<Literal>>>,
    /// What kind of value it is, or what is made of it.
    #[serde(rename = "as")]
    pub conversion: Option<Spanned<Conversion>>,
    /// How a time is written, with `as: timestamp`.
    pub format: Option<Spanned<TimeFormat>>,
    /// The value if there is none, or none that `lookup` or `when` knows or `as` can read.
    #[serde(rename = "else")]
    pub otherwise: Option<Spanned<Literal>>,
}

/// What a value is turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conversion {
    /// Text.
    String,
    /// A whole number; also from text.
    Integer,
    /// A number; also from text.
    Float,
    /// A truth value; also from `true`, `false`, `1` and `0` as text.
    Boolean,
    /// A point in time, in milliseconds since 1970.
    Timestamp,
    /// An IP address; anything else is no value.
    Ip,
    /// An e-mail address, with or without a name before it; anything else is no value.
    Email,
    /// An absolute URL; anything else is no value.
    Url,
    /// The host of a URL, what follows the `@` of an e-mail address, or a host name; in lower case.
    Domain,
    /// A User-Agent header (RFC 9110, section 10.1.5); anything else is no value.
    UserAgent,
    /// The name of the browser or program in a User-Agent header, such as `Chrome`.
    Browser,
    /// The operating system in a User-Agent header by its OCSF caption, such as `macOS`.
    Os,
    /// The kind of device in a User-Agent header by its OCSF caption: `Desktop`, `Mobile`, `Tablet`.
    DeviceType,
    /// A country by its two letters (ISO 3166-1 alpha-2), in upper case; anything else is no value.
    Country,
    /// The text in lower case.
    Lower,
    /// The text in upper case.
    Upper,
    /// The SHA-256 of the text, in hexadecimal digits.
    Sha256,
    /// The value as JSON in a text.
    Json,
}

/// What becomes of a private member of a record. Below an object or array it is every value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Privacy {
    /// It is taken out.
    Drop,
    /// Only its first character stays, of an e-mail address also the domain, of an IP address the
    /// network.
    Mask,
    /// A hash takes its place: the same for the same value in one connection, another one elsewhere.
    Hash,
}

/// The text form of an attribute's value: a JSONPath if it starts with `$`, a template if it has
/// `{{`, otherwise itself.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueText(Value);
scalar!(ValueText);

impl Scalar for ValueText {
    const FORMAT: &'static str = "longshore-value";
    const EXAMPLE: &'static str = "$.UserId";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let value = if text.starts_with('$') {
            Value::Path(JsonPath::parse(text)?)
        } else if text.contains("{{") {
            Value::Template(Template::parse(text)?)
        } else {
            Value::Literal(Literal::Text(text.to_owned()))
        };
        Ok(Self(value))
    }
}

//! Reads maps: mappings whose keys are partly the language's and partly paths to attributes.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{
    Activity, ActivityFrom, Attributes, Case, Choice, Classes, Condition, Conditions, Map, Source,
    Value, ValueText,
};
use crate::scalar::{OcsfPath, Scalar};
use crate::verb::Verb;
use crate::{JsonPath, Literal, OneOrMany, Spanned, Table};

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;

        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a path, a template, a value, or a mapping with `from`, `template` or `each`",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
                ValueText::parse(text).map(|text| text.0).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
                Ok(Value::Literal(Literal::Integer(number)))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
                Ok(Value::Literal(Literal::Float(number)))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Literal(Literal::Bool(value)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
                let source = Source::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Value::Source(Box::new(source)))
            }
        }

        deserializer.deserialize_any(ValueVisitor)
    }
}

/// The keys of a mapping that are not attributes.
#[derive(Default)]
struct Parts {
    for_each: Option<Spanned<JsonPath>>,
    by: Option<Spanned<JsonPath>>,
    shared: Attributes,
    cases: Option<Vec<Spanned<Case>>>,
    otherwise: Option<Spanned<Case>>,
    is: Option<OneOrMany<Spanned<Literal>>>,
    condition: Conditions,
    verb: Option<Spanned<Verb>>,
    to: Option<Spanned<String>>,
    activity: Option<Activity>,
    attributes: Attributes,
}

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PartsVisitor;

        impl<'de> Visitor<'de> for PartsVisitor {
            type Value = Parts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
                let mut parts = Parts::default();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    match key.as_str() {
                        "for_each" => parts.for_each = Some(map.next_value()?),
                        "by" => parts.by = Some(map.next_value()?),
                        "shared" => {
                            let shared: Parts = map.next_value()?;
                            parts.shared = shared.attributes;
                        }
                        "cases" => parts.cases = Some(map.next_value()?),
                        "else" => parts.otherwise = Some(map.next_value()?),
                        "is" => parts.is = Some(map.next_value()?),
                        "if" => parts.condition = map.next_value()?,
                        "verb" => parts.verb = Some(map.next_value()?),
                        "to" => parts.to = Some(map.next_value()?),
                        "activity" => parts.activity = Some(map.next_value()?),
                        _ => {
                            let path = OcsfPath::parse(&key.value).map_err(de::Error::custom)?;
                            let value = map.next_value()?;
                            parts.attributes.push((Spanned::new(path, key.span), value));
                        }
                    }
                }
                Ok(parts)
            }
        }

        deserializer.deserialize_map(PartsVisitor)
    }
}

impl Parts {
    /// The case that these keys make. A verb says class and activity.
    fn case<E: de::Error>(self) -> Result<Case, E> {
        let said = |text: &str, verb: &Spanned<Verb>| Spanned::new(text.to_owned(), verb.span);
        let verb = self.verb.as_ref();
        let to = self.to.or_else(|| verb.map(|verb| said(verb.class, verb)));
        let to = to.ok_or_else(|| E::missing_field("to"))?;
        let fixed = verb.map(|verb| Activity::Fixed(said(verb.activity, verb)));
        let activity = self.activity.or(fixed).ok_or_else(|| E::missing_field("activity"))?;
        Ok(Case {
            is: self.is.map(|is| is.0).unwrap_or_default(),
            condition: self.condition,
            activity: activity.of_class(&to),
            to,
            attributes: self.attributes,
        })
    }
}

impl Activity {
    /// The activity with the captions of OCSF in the place of verbs, as far as they are of the class.
    fn of_class(mut self, class: &str) -> Self {
        let caption = |activity: &mut Spanned<String>| {
            if let Some(verb) = Verb::named(activity).filter(|verb| verb.class == class) {
                verb.activity.clone_into(&mut activity.value);
            }
        };
        match &mut self {
            Self::Fixed(activity) => caption(activity),
            Self::Table(table) => table.0.iter_mut().for_each(|(_, activity)| caption(activity)),
            Self::From(from) => {
                from.when.0.iter_mut().for_each(|(_, activity)| caption(activity));
                caption(&mut from.otherwise);
            }
        }
        self
    }
}

impl<'de> Deserialize<'de> for Case {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Parts::deserialize(deserializer)?.case()
    }
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut parts = Parts::deserialize(deserializer)?;
        let missing = |field| <D::Error as de::Error>::missing_field(field);
        let for_each = parts.for_each.take();
        let classes = if parts.by.is_none() && parts.cases.is_none() {
            Classes::One(Box::new(parts.case()?))
        } else {
            Classes::Choice(Box::new(Choice {
                by: parts.by,
                shared: parts.shared,
                cases: parts.cases.ok_or_else(|| missing("cases"))?,
                otherwise: parts.otherwise.ok_or_else(|| missing("else"))?,
            }))
        };
        Ok(Self { for_each, classes })
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        enum Form {
            One(Literal),
            Other(Condition),
        }

        struct FormVisitor;

        impl<'de> Visitor<'de> for FormVisitor {
            type Value = Form;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a value, a list of values, or a mapping with `not`, `match` or `exists`",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Form, E> {
                Ok(Form::One(Literal::Text(text.to_owned())))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Form, E> {
                Ok(Form::One(Literal::Integer(number)))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Form, E> {
                Ok(Form::One(Literal::Float(number)))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Form, E> {
                Ok(Form::One(Literal::Bool(value)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Form, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = items.next_element()? {
                    values.push(value);
                }
                Ok(Form::Other(Condition::Is(values)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Form, A::Error> {
                let mut condition = None;
                while let Some(key) = map.next_key::<String>()? {
                    condition = Some(match key.as_str() {
                        "not" => Condition::Not(map.next_value::<OneOrMany<_>>()?.0),
                        "match" => Condition::Match(map.next_value()?),
                        "exists" => Condition::Exists(map.next_value()?),
                        other => {
                            let known = &["not", "match", "exists"];
                            return Err(de::Error::unknown_field(other, known));
                        }
                    });
                }
                condition.map(Form::Other).ok_or_else(|| de::Error::missing_field("not"))
            }
        }

        impl<'de> Deserialize<'de> for Form {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(FormVisitor)
            }
        }

        let form = Spanned::<Form>::deserialize(deserializer)?;
        Ok(match form.value {
            Form::One(value) => Self::Is(vec![Spanned::new(value, form.span)]),
            Form::Other(condition) => condition,
        })
    }
}

impl<'de> Deserialize<'de> for Activity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        enum Form {
            Text(String),
            Table(Table<String, Spanned<String>>),
            From(Box<ActivityFrom>),
        }

        struct FormVisitor;

        impl<'de> Visitor<'de> for FormVisitor {
            type Value = Form;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an activity, or a table of activities")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Form, E> {
                Ok(Form::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Form, A::Error> {
                let (mut from, mut when, mut otherwise) = (None, None, None);
                let mut table = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    match key.as_str() {
                        "from" => from = Some(map.next_value()?),
                        "when" => when = Some(map.next_value()?),
                        "else" => otherwise = Some(map.next_value()?),
                        _ => table.push((key, map.next_value()?)),
                    }
                }
                let Some(from) = from else {
                    return match (&when, &otherwise) {
                        (None, None) => Ok(Form::Table(Table(table))),
                        _ => Err(de::Error::missing_field("from")),
                    };
                };
                Ok(Form::From(Box::new(ActivityFrom {
                    from,
                    when: when.ok_or_else(|| de::Error::missing_field("when"))?,
                    otherwise: otherwise.ok_or_else(|| de::Error::missing_field("else"))?,
                })))
            }
        }

        impl<'de> Deserialize<'de> for Form {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(FormVisitor)
            }
        }

        let form = Spanned::<Form>::deserialize(deserializer)?;
        Ok(match form.value {
            Form::Text(text) => Self::Fixed(Spanned::new(text, form.span)),
            Form::Table(table) => Self::Table(table),
            Form::From(from) => Self::From(from),
        })
    }
}

//! What must hold of a record.

use longshore_schema::map;
use longshore_schema::scalar::Pattern;

use super::paths::{Paths, Slot, Slots};

/// Conditions of which all must hold.
#[derive(Debug, Default)]
pub(super) struct Conditions(Box<[(Slot, Test)]>);

#[derive(Debug)]
enum Test {
    Is(Box<[Box<str>]>),
    Not(Box<[Box<str>]>),
    Match(Pattern),
    Exists(bool),
}

impl Conditions {
    pub(super) fn compile(conditions: &map::Conditions, paths: &mut Paths) -> Self {
        let texts = |values: &[longshore_schema::Spanned<longshore_schema::Literal>]| {
            values.iter().map(|value| value.to_string().into()).collect()
        };
        let test = |condition: &map::Condition| match condition {
            map::Condition::Is(values) => Test::Is(texts(values)),
            map::Condition::Not(values) => Test::Not(texts(values)),
            map::Condition::Match(pattern) => Test::Match(pattern.value.clone()),
            map::Condition::Exists(wanted) => Test::Exists(*wanted),
        };
        Self(conditions.iter().map(|(path, is)| (paths.add(path), test(is))).collect())
    }

    /// Whether all of them hold; so without any.
    #[inline]
    pub(super) fn hold(&self, slots: &Slots<'_>, buffer: &mut String) -> bool {
        self.0.iter().all(|(slot, test)| {
            let value = slots.values[*slot];
            match test {
                Test::Exists(wanted) => value.is_missing() != *wanted,
                Test::Is(known) => {
                    value.text(buffer).is_some_and(|text| known.iter().any(|one| **one == *text))
                }
                Test::Not(known) => {
                    value.text(buffer).is_none_or(|text| known.iter().all(|one| **one != *text))
                }
                Test::Match(pattern) => {
                    value.text(buffer).is_some_and(|text| pattern.is_match(text))
                }
            }
        })
    }
}

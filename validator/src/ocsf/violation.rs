//! What can be wrong with an event.

use std::fmt;

/// One thing wrong with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where: a dotted path such as `resources[0].name`; empty for the event itself.
    pub path: String,
    /// Which rule is broken.
    pub rule: Rule,
    /// What is wrong and what would be right, in one line, without the event's own text.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "event" } else { &self.path };
        write!(f, "{path}: {} [{}]", self.message, self.rule)
    }
}

/// The rules of [`check_event`](super::check_event).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The event is not a JSON object.
    NotAnObject,
    /// `class_uid` is missing, or no class of the table has it.
    UnknownClass,
    /// `metadata.profiles` names a profile that the table does not hold.
    UnknownProfile,
    /// A required attribute is missing.
    MissingAttribute,
    /// The class or object has no such attribute.
    UnknownAttribute,
    /// A value is of another JSON type than the attribute's type.
    WrongType,
    /// A number lies outside the attribute's range.
    OutOfRange,
    /// A text has more characters than its type allows.
    TooLong,
    /// A text does not have the form of its type.
    WrongFormat,
    /// A value is not in the attribute's enum.
    UnknownEnumId,
    /// A caption differs from the caption of the id beside it.
    CaptionMismatch,
    /// `category_uid` or `type_uid` does not follow from `class_uid` and `activity_id`.
    InconsistentUid,
    /// None of several attributes is present, at least one of which must be.
    AtLeastOne,
    /// None or more than one of several attributes is present, just one of which must be.
    JustOne,
    /// The event is nested deeper than the check follows.
    TooDeep,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnObject => "not-an-object",
            Self::UnknownClass => "unknown-class",
            Self::UnknownProfile => "unknown-profile",
            Self::MissingAttribute => "missing-attribute",
            Self::UnknownAttribute => "unknown-attribute",
            Self::WrongType => "wrong-type",
            Self::OutOfRange => "out-of-range",
            Self::TooLong => "too-long",
            Self::WrongFormat => "wrong-format",
            Self::UnknownEnumId => "unknown-enum-id",
            Self::CaptionMismatch => "caption-mismatch",
            Self::InconsistentUid => "inconsistent-uid",
            Self::AtLeastOne => "at-least-one",
            Self::JustOne => "just-one",
            Self::TooDeep => "too-deep",
        })
    }
}

//! Paths into an event of a class: `user.email_addr`, `resources[0].name`, `unmapped.anything`.

use std::fmt;

use super::table::{Attribute, Attributes, Class, Object, Primitive, Type, table};

/// The greatest index a path may have. To write element n is to make n + 1 elements, so this bounds
/// what one path can make.
pub const MAX_INDEX: usize = 99;

impl Class {
    /// Follows a dotted path from the class to an attribute.
    ///
    /// One element of an array is `resources[0]`, or `resources[]` for the first; only as the last
    /// segment may an array stand without, and then it means the whole array. Below a free-form
    /// object (`unmapped`) or a `json_t` attribute any keys may follow.
    pub fn resolve(&self, path: &str) -> Result<Resolved<'_>, PathError> {
        let mut walk = Walk { path, owner: Owner::Class(self), segments: Vec::new() };
        let mut offset = 0;
        for text in path.split('.') {
            if matches!(walk.owner, Owner::FreeForm) {
                return walk.finish_free_form(offset);
            }
            walk.step(text, offset)?;
            offset += text.len() + 1;
        }
        Ok(Resolved { segments: walk.segments, free_form: Vec::new() })
    }
}

/// Where a path leads.
#[derive(Clone, Debug)]
pub struct Resolved<'a> {
    segments: Vec<Segment<'a>>,
    free_form: Vec<String>,
}

impl<'a> Resolved<'a> {
    /// The attributes on the way, at least one.
    #[must_use]
    pub fn segments(&self) -> &[Segment<'a>] {
        &self.segments
    }

    /// The keys below a free-form attribute; empty where the path ends at an attribute of its own.
    #[must_use]
    pub fn free_form(&self) -> &[String] {
        &self.free_form
    }

    /// The last attribute of the path that the table knows.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "a path without a segment is an error")]
    pub fn last(&self) -> &Segment<'a> {
        self.segments.last().expect("every path has a segment")
    }

    /// The attribute a value is written to; `None` below a free-form attribute, where anything goes.
    #[must_use]
    pub fn attribute(&self) -> Option<&'a Attribute> {
        self.free_form.is_empty().then(|| self.last().attribute)
    }

    /// Whether the path means an array as a whole.
    #[must_use]
    pub fn is_whole_array(&self) -> bool {
        let last = self.last();
        self.free_form.is_empty() && last.attribute.is_array && last.index.is_none()
    }

    /// The id attribute beside a caption attribute: `status_id` for the path `status`. See
    /// [`Attributes::id_of`].
    #[must_use]
    pub fn id(&self) -> Option<(&'static str, &'a Attribute)> {
        let last = self.last();
        self.free_form.is_empty().then(|| last.owner.id_of(last.name)).flatten()
    }
}

/// One attribute on the way of a path.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The attribute's name.
    pub name: &'static str,
    /// What the table says of it.
    pub attribute: &'a Attribute,
    /// The attributes of the class or object it belongs to.
    pub owner: &'a Attributes,
    /// The element of an array; `None` for the whole array and for what is no array.
    pub index: Option<usize>,
    /// Where the segment starts in the path, in bytes.
    pub offset: usize,
}

/// Why a path leads nowhere. Its text says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PathError {
    /// The segment that fails; for [`PathProblem::NotAnArray`] and [`PathProblem::BadIndex`] the
    /// brackets alone.
    pub segment: String,
    /// Where it starts in the path, in bytes.
    pub offset: usize,
    /// The class, object or attribute it fails in, for example ``object `user` ``.
    pub owner: String,
    /// What is wrong with it.
    pub problem: PathProblem,
    /// For [`PathProblem::UnknownAttribute`]: attributes of the same class or object that may have
    /// been meant, best first, at most three.
    pub suggestions: Vec<String>,
}

/// What is wrong with a segment of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathProblem {
    /// The path, or what stands between two dots, is empty.
    Empty,
    /// The class or object has no such attribute.
    UnknownAttribute,
    /// The path goes on below an attribute that holds a single value of this type.
    IntoScalar(Primitive),
    /// The path goes on below an array without saying which element.
    MissingIndex,
    /// The path names an element of what is no array.
    NotAnArray,
    /// The brackets hold something other than a number up to [`MAX_INDEX`].
    BadIndex,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segment, owner, .. } = self;
        match self.problem {
            PathProblem::Empty => f.write_str(
                "the path has an empty segment; write attribute names with one dot between two",
            ),
            PathProblem::UnknownAttribute => {
                write!(f, "{owner} has no attribute `{segment}`")?;
                for (n, suggestion) in self.suggestions.iter().enumerate() {
                    let lead = if n == 0 { "; did you mean" } else { " or" };
                    write!(f, "{lead} `{suggestion}`")?;
                }
                f.write_str(if self.suggestions.is_empty() { "" } else { "?" })
            }
            PathProblem::IntoScalar(primitive) => write!(
                f,
                "{owner} holds a single value ({}) and has nothing below it; end the path there",
                primitive.name()
            ),
            PathProblem::MissingIndex => {
                write!(f, "`{segment}` is an array; say which element, `{segment}[0]`")
            }
            PathProblem::NotAnArray => {
                write!(f, "{owner} is not an array; leave out `{segment}`")
            }
            PathProblem::BadIndex => write!(
                f,
                "`{segment}` is not an index; write `[]` or a number from `[0]` to `[{MAX_INDEX}]`"
            ),
        }
    }
}

/// What the next segment is looked up in.
enum Owner<'a> {
    Class(&'a Class),
    Object(&'a Object),
    FreeForm,
    Scalar(&'static str, Primitive),
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => write!(f, "class `{}`", class.name),
            Self::Object(object) => write!(f, "object `{}`", object.name),
            Self::FreeForm => f.write_str("free-form object"),
            Self::Scalar(name, _) => write!(f, "attribute `{name}`"),
        }
    }
}

impl<'a> Owner<'a> {
    fn below(name: &'static str, attribute: &'a Attribute) -> Self {
        match attribute.type_ {
            Type::Primitive(Primitive::Json) => Self::FreeForm,
            Type::Primitive(primitive) => Self::Scalar(name, primitive),
            Type::Object(object) => match table().object(object) {
                Some(object) if !object.is_free_form() => Self::Object(object),
                _ => Self::FreeForm,
            },
        }
    }
}

struct Walk<'a, 'p> {
    path: &'p str,
    owner: Owner<'a>,
    segments: Vec<Segment<'a>>,
}

impl<'a> Walk<'a, '_> {
    fn error(&self, segment: &str, offset: usize, problem: PathProblem) -> PathError {
        PathError {
            segment: segment.to_owned(),
            offset,
            owner: self.owner.to_string(),
            problem,
            suggestions: Vec::new(),
        }
    }

    fn step(&mut self, text: &str, offset: usize) -> Result<(), PathError> {
        let (name, brackets) = text.split_at(text.find('[').unwrap_or(text.len()));
        if name.is_empty() {
            return Err(self.error(text, offset, PathProblem::Empty));
        }
        let owner = match &self.owner {
            Owner::Class(class) => &class.attributes,
            Owner::Object(object) => &object.attributes,
            Owner::Scalar(_, primitive) => {
                return Err(self.error(text, offset, PathProblem::IntoScalar(*primitive)));
            }
            Owner::FreeForm => return Ok(()),
        };
        let Some((name, attribute)) = owner.get_key_value(name) else {
            let suggestions = similar(name, owner);
            let error = self.error(name, offset, PathProblem::UnknownAttribute);
            return Err(PathError { suggestions, ..error });
        };

        let is_last = offset + text.len() == self.path.len();
        let bracket_error = |problem| PathError {
            owner: format!("attribute `{name}`"),
            ..self.error(brackets, offset + name.len(), problem)
        };
        let index = match (attribute.is_array, brackets) {
            (true, "") if !is_last => {
                return Err(self.error(name, offset, PathProblem::MissingIndex));
            }
            (_, "") => None,
            (false, _) => return Err(bracket_error(PathProblem::NotAnArray)),
            (true, _) => Some(index(brackets).ok_or_else(|| bracket_error(PathProblem::BadIndex))?),
        };
        self.segments.push(Segment { name, attribute, owner, index, offset });
        self.owner = Owner::below(name, attribute);
        Ok(())
    }

    fn finish_free_form(self, offset: usize) -> Result<Resolved<'a>, PathError> {
        let mut at = offset;
        let mut free_form = Vec::new();
        for key in self.path[offset..].split('.') {
            if key.is_empty() {
                return Err(self.error(key, at, PathProblem::Empty));
            }
            at += key.len() + 1;
            free_form.push(key.to_owned());
        }
        Ok(Resolved { segments: self.segments, free_form })
    }
}

/// The number in `[7]`; 0 for `[]`.
fn index(brackets: &str) -> Option<usize> {
    let digits = brackets.strip_prefix('[')?.strip_suffix(']')?;
    if digits.is_empty() {
        return Some(0);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|index| *index <= MAX_INDEX)
}

/// The names in `attributes` that `name` may have been meant to be, best first, at most three.
pub(super) fn similar(name: &str, attributes: &Attributes) -> Vec<String> {
    let name: String = name.chars().take(64).flat_map(char::to_lowercase).collect();
    let mut ranked: Vec<_> = attributes
        .iter()
        .filter_map(|(known, _)| {
            let distance = strsim::osa_distance(&name, known);
            let begins = |long: &str, short: &str| {
                long.strip_prefix(short).is_some_and(|rest| rest.starts_with('_'))
            };
            let related = begins(known, &name) || begins(&name, known);
            // A third of the letters wrong is a slip; more is another word.
            let close = distance * 3 <= name.chars().count().max(3);
            (close || related).then_some((!close, distance, known))
        })
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().take(3).map(|(_, _, known)| known.to_owned()).collect()
}

#[cfg(test)]
mod tests;

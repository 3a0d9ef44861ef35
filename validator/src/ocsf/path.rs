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
            walk.check_index_before(offset)?;
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
    /// The attributes on the way, at least one.
    pub segments: Vec<Segment<'a>>,
    /// The keys below a free-form attribute; empty where the path ends at an attribute of its own.
    pub free_form: Vec<String>,
}

impl<'a> Resolved<'a> {
    /// The last attribute of the path that the table knows.
    #[must_use]
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

/// Why a path leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}{}", Suggestions(.suggestions))]
pub struct PathError {
    /// The segment that fails, or the brackets of it that do.
    pub segment: String,
    /// Where it starts in the path, in bytes.
    pub offset: usize,
    /// The class, object or attribute it fails in, for example ``object `user` ``.
    pub owner: String,
    /// What is wrong with it.
    pub problem: PathProblem,
    /// Attributes of the same class or object that may have been meant, best first, at most three.
    pub suggestions: Vec<String>,
}

/// What is wrong with a segment of a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// The path, or what stands between two dots, is empty.
    #[error("the path has an empty segment; write attribute names with one dot between two")]
    Empty,
    /// The class or object has no such attribute.
    #[error("{owner} has no attribute `{name}`")]
    UnknownAttribute {
        /// The class or object.
        owner: String,
        /// The name that it does not have.
        name: String,
    },
    /// The path goes on below an attribute that holds a single value.
    #[error("`{name}` holds a single value ({primitive}) and has nothing below it; end the path there", primitive = .primitive.name())]
    IntoScalar {
        /// The attribute that holds the value.
        name: String,
        /// Its type.
        primitive: Primitive,
    },
    /// The path goes on below an array without saying which element.
    #[error("`{name}` is an array; say which element, `{name}[0]`")]
    MissingIndex {
        /// The array.
        name: String,
    },
    /// The path names an element of what is no array.
    #[error("`{name}` is not an array; leave out `{brackets}`")]
    NotAnArray {
        /// The attribute.
        name: String,
        /// The brackets as written.
        brackets: String,
    },
    /// The brackets hold something other than a number up to [`MAX_INDEX`].
    #[error("`{brackets}` is not an index; write `[]` or a number from `[0]` to `[{MAX_INDEX}]`")]
    BadIndex {
        /// The brackets as written.
        brackets: String,
    },
}

struct Suggestions<'a>(&'a [String]);

impl fmt::Display for Suggestions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, suggestion) in self.0.iter().enumerate() {
            write!(f, "{}`{suggestion}`", if n == 0 { "; did you mean " } else { " or " })?;
        }
        f.write_str(if self.0.is_empty() { "" } else { "?" })
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

    /// Fails if the segment that ends before `offset` is an array and the path goes on.
    fn check_index_before(&self, offset: usize) -> Result<(), PathError> {
        match self.segments.last() {
            Some(last) if last.attribute.is_array && last.index.is_none() => {
                let text = &self.path[last.offset..offset - 1];
                let problem = PathProblem::MissingIndex { name: text.to_owned() };
                Err(self.error(text, last.offset, problem))
            }
            _ => Ok(()),
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
            Owner::Scalar(name, primitive) => {
                let name = (*name).to_owned();
                let problem = PathProblem::IntoScalar { name, primitive: *primitive };
                return Err(self.error(text, offset, problem));
            }
            Owner::FreeForm => return Ok(()),
        };
        let Some((known, attribute)) = owner.get_key_value(name) else {
            let problem = PathProblem::UnknownAttribute {
                owner: self.owner.to_string(),
                name: name.to_owned(),
            };
            let suggestions = similar(name, owner);
            return Err(PathError { suggestions, ..self.error(name, offset, problem) });
        };
        let index = match brackets {
            "" => None,
            _ if !attribute.is_array => {
                let problem = PathProblem::NotAnArray {
                    name: name.to_owned(),
                    brackets: brackets.to_owned(),
                };
                return Err(self.error(brackets, offset + name.len(), problem));
            }
            _ => Some(index(brackets).ok_or_else(|| {
                let problem = PathProblem::BadIndex { brackets: brackets.to_owned() };
                self.error(brackets, offset + name.len(), problem)
            })?),
        };
        self.segments.push(Segment { name: known, attribute, owner, index, offset });
        self.owner = Owner::below(known, attribute);
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

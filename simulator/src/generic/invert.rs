//! Reads templates backwards: from what a request carries to the values that were written into it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use longshore_schema::Template;
use longshore_schema::template::{Expression, Helper, Part};
use regex::Regex;

use super::{Unsupported, lists, times};

/// Values of references that are the same in every request, such as `inputs.host`.
pub(super) type Known = BTreeMap<String, String>;

/// What a request carried, by reference.
pub(super) type Captured = BTreeMap<String, Value>;

/// A value that was written into a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    /// The time that the text stands for, if it was written as one.
    pub(super) time: Option<i64>,
    /// Whether that is what a clock on a wall shows, for it was written without a zone.
    pub(super) local: bool,
}

/// A template, read backwards.
#[derive(Clone, Debug)]
pub(super) struct Inverse {
    regex: Regex,
    carried: Vec<Carried>,
    /// Whether the whole may be left out, for want of a value.
    pub(super) optional: bool,
}

#[derive(Clone, Debug)]
struct Carried {
    reference: String,
    forms: Vec<Form>,
    /// Whether it stands in a path, percent-encoded.
    encoded: bool,
}

/// How a value is written, the outermost form first.
#[derive(Clone, Debug)]
enum Form {
    Date(String),
    /// The length of a unit, in milliseconds.
    Epoch(i64),
    Urlencode,
    Json,
    Base64,
    /// The values of a list between separators.
    Join(String),
    /// A literal between `'`; true if a `'` inside is written twice, false if behind a backslash.
    Quote(bool),
}

/// Where a template stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Elsewhere,
}

impl Inverse {
    pub(super) fn new(
        template: &Template,
        known: &Known,
        place: Place,
    ) -> Result<Self, Unsupported> {
        Self::of(template.parts(), known, place)
    }

    pub(super) fn of(parts: &[Part], known: &Known, place: Place) -> Result<Self, Unsupported> {
        let mut inverse = Builder { known, place, carried: Vec::new(), optional: false };
        let pattern = format!("(?s)^{}$", inverse.parts(parts)?);
        let regex = Regex::new(&pattern)
            .map_err(|_| Unsupported("a template is too long to be read backwards".to_owned()))?;
        Ok(Self { regex, carried: inverse.carried, optional: inverse.optional })
    }

    /// Whether the template writes the same text always.
    pub(super) fn is_constant(&self) -> bool {
        self.carried.is_empty()
    }

    /// What was written; `None` if the template did not write this text.
    pub(super) fn read(&self, text: &str, found: &mut Captured) -> Option<()> {
        let captures = self.regex.captures(text)?;
        for (index, carried) in self.carried.iter().enumerate() {
            let Some(group) = captures.get(index + 1) else { continue };
            let value = carried.value(group.as_str())?;
            match found.get(&carried.reference) {
                None => found.insert(carried.reference.clone(), value),
                // Written twice, it is the same both times. Times may be written more coarsely.
                Some(known) if known.text != value.text && known.time.is_none() => return None,
                Some(_) => None,
            };
        }
        Some(())
    }
}

impl Carried {
    fn value(&self, text: &str) -> Option<Value> {
        let mut text = if self.encoded { percent_decode(text) } else { text.to_owned() };
        for (index, form) in self.forms.iter().enumerate() {
            let time = match form {
                Form::Join(separator) => {
                    let style = match self.forms.get(index + 1) {
                        Some(Form::Quote(doubled)) => Some(*doubled),
                        _ => None,
                    };
                    let values = lists::values(&text, separator, style)?;
                    let text = serde_json::Value::from(values).to_string();
                    return Some(Value { text, time: None, local: false });
                }
                Form::Quote(doubled) => {
                    text = match lists::quoted(&text, *doubled)? {
                        (value, "") => value,
                        _ => return None,
                    };
                    continue;
                }
                Form::Date(pattern) => times::by_pattern(&text, pattern)?,
                Form::Epoch(unit) => text.parse::<i64>().ok()?.checked_mul(*unit)?,
                Form::Urlencode => {
                    text = percent_decode(&text);
                    continue;
                }
                Form::Json => {
                    text = match serde_json::from_str(&text).ok()? {
                        serde_json::Value::String(text) => text,
                        other => other.to_string(),
                    };
                    continue;
                }
                Form::Base64 => {
                    let bytes = base64::engine::general_purpose::STANDARD.decode(&text).ok()?;
                    text = String::from_utf8(bytes).ok()?;
                    continue;
                }
            };
            let local = matches!(form, Form::Date(pattern) if times::is_local(pattern));
            return Some(Value { text, time: Some(time), local });
        }
        let time = times::rfc3339(&text);
        Some(Value { text, time, local: false })
    }
}

/// What a template writes, if that is always the same.
pub(super) fn constant(template: &Template, known: &Known) -> Option<String> {
    let builder = Builder { known, place: Place::Elsewhere, carried: Vec::new(), optional: false };
    let mut text = String::new();
    builder.constants(template.parts(), &mut text).then_some(text)
}

fn percent_decode(text: &str) -> String {
    // A plus sign stands for itself here, unlike in a form.
    let text = text.replace('+', "%2B");
    let mut pairs = url::form_urlencoded::parse(text.as_bytes());
    pairs.next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

struct Builder<'k> {
    known: &'k Known,
    place: Place,
    carried: Vec<Carried>,
    optional: bool,
}

impl Builder<'_> {
    fn parts(&mut self, parts: &[Part]) -> Result<String, Unsupported> {
        let mut pattern = String::new();
        for part in parts {
            match part {
                Part::Text(text) => pattern.push_str(&regex::escape(text)),
                Part::Expression(expression) => pattern.push_str(&self.expression(expression)?),
                Part::If { condition, then, otherwise } => match self.holds(condition) {
                    Some(true) => pattern.push_str(&self.parts(then)?),
                    Some(false) => pattern.push_str(&self.parts(otherwise)?),
                    None => {
                        let (then, otherwise) = (self.parts(then)?, self.parts(otherwise)?);
                        let _ = write!(pattern, "(?:{then}|{otherwise})");
                    }
                },
            }
        }
        Ok(pattern)
    }

    fn constants(&self, parts: &[Part], text: &mut String) -> bool {
        parts.iter().all(|part| match part {
            Part::Text(piece) => {
                text.push_str(piece);
                true
            }
            Part::Expression(expression) => {
                let value = self.constant(expression);
                text.push_str(value.as_deref().unwrap_or_default());
                value.is_some()
            }
            Part::If { condition, then, otherwise } => match self.holds(condition) {
                Some(true) => self.constants(then, text),
                Some(false) => self.constants(otherwise, text),
                None => false,
            },
        })
    }

    /// Whether a condition holds, if that is known.
    fn holds(&self, condition: &Expression) -> Option<bool> {
        let text = self.constant(condition)?;
        Some(!matches!(text.as_str(), "" | "false" | "0"))
    }

    fn expression(&mut self, expression: &Expression) -> Result<String, Unsupported> {
        if let Some(text) = self.constant(expression) {
            let in_path = self.place == Place::Path;
            return Ok(regex::escape(&if in_path { percent_encode(&text) } else { text }));
        }
        let mut forms = Vec::new();
        let reference = self.written(expression, &mut forms)?;
        let encoded = self.place == Place::Path && !matches!(forms.first(), Some(Form::Urlencode));
        self.carried.push(Carried { reference, forms, encoded });
        Ok(if self.place == Place::Path { "([^/?#]*?)" } else { "(.*?)" }.to_owned())
    }

    /// The reference that an expression writes, and in which forms.
    fn written(
        &mut self,
        expression: &Expression,
        forms: &mut Vec<Form>,
    ) -> Result<String, Unsupported> {
        let odd = || Unsupported("the simulator cannot read a template backwards".to_owned());
        let Expression::Call { helper, arguments } = expression else {
            let Expression::Reference(reference) = expression else { return Err(odd()) };
            self.optional = true;
            return Ok(reference.to_string());
        };
        let (first, second) = (arguments.first().ok_or_else(odd)?, arguments.get(1));
        let text = |argument: Option<&Expression>| argument.and_then(|one| self.constant(one));
        forms.push(match helper {
            Helper::Date => Form::Date(text(second).ok_or_else(odd)?),
            Helper::Epoch => Form::Epoch(match text(second).as_deref() {
                Some("s") => 1000,
                Some("ms") => 1,
                _ => return Err(odd()),
            }),
            Helper::Urlencode => Form::Urlencode,
            Helper::Json => Form::Json,
            Helper::Base64 => Form::Base64,
            Helper::Join => Form::Join(text(second).ok_or_else(odd)?),
            Helper::Quote => Form::Quote(text(second).ok_or_else(odd)? == "doubled"),
            Helper::Default => {
                let before = self.optional;
                let reference = self.written(first, forms)?;
                self.optional = before;
                return Ok(reference);
            }
            // A time that depends on nothing but the clock.
            Helper::Ago => return Ok("ago".to_owned()),
            _ => return Err(odd()),
        });
        self.written(first, forms)
    }

    /// What an expression writes, if that is always the same.
    fn constant(&self, expression: &Expression) -> Option<String> {
        let Expression::Call { helper, arguments } = expression else {
            return match expression {
                Expression::Literal(literal) => Some(literal.to_string()),
                Expression::Reference(reference) => self.known.get(&reference.to_string()).cloned(),
                Expression::Call { .. } => None,
            };
        };
        let argument = |index: usize| arguments.get(index).and_then(|one| self.constant(one));
        let first = argument(0)?;
        Some(match helper {
            Helper::Urlencode => percent_encode(&first),
            Helper::Json => serde_json::Value::String(first).to_string(),
            Helper::Base64 => base64::engine::general_purpose::STANDARD.encode(first),
            Helper::Default => first,
            Helper::Eq => (first == argument(1)?).to_string(),
            Helper::Lookup => {
                self.known.get(&format!("tables.{first}.{}", argument(1)?)).cloned()?
            }
            _ => return None,
        })
    }
}

/// Percent-encodes all but unreserved characters (RFC 3986, section 2.3).
pub(super) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use longshore_schema::scalar::Scalar;

    use super::*;

    fn read(template: &str, place: Place, text: &str) -> Option<Vec<(String, Value)>> {
        let known = Known::from([("inputs.org".to_owned(), "a b".to_owned())]);
        let template = Template::parse(template).unwrap();
        let mut found = Captured::new();
        Inverse::new(&template, &known, place).unwrap().read(text, &mut found)?;
        Some(found.into_iter().collect())
    }

    fn value(text: &str, time: Option<i64>) -> Value {
        Value { text: text.to_owned(), time, local: false }
    }

    #[test]
    fn windows_are_read_in_every_written_form() {
        let at = 1_790_848_800_000;
        for (template, text) in [
            ("from:{{window.start}}", "from:2026-10-01T10:00:00Z"),
            ("{{date window.start \"%Y%m%d %H\"}}", "20261001 10"),
            ("{{epoch window.start \"s\"}}", "1790848800"),
            ("({{epoch window.start \"ms\"}})", "(1790848800000)"),
        ] {
            let found = read(template, Place::Elsewhere, text).unwrap();
            assert_eq!((found[0].0.as_str(), found[0].1.time), ("window.start", Some(at)));
        }
        let both = "{{window.start}}..{{window.end}}";
        let found = read(both, Place::Elsewhere, "2026-10-01T10:00:00Z..2026-10-01T11:00:00Z");
        assert_eq!(found.unwrap()[0].1.time, Some(at + 3_600_000));
    }

    #[test]
    fn lists_are_read_as_json() {
        for (template, text, list) in [
            ("{{join batch ','}}", "1,2", r#"["1","2"]"#),
            ("({{join (quote batch 'doubled') ', '}})", "('a', 'b''c, ''')", r#"["a","b'c, '"]"#),
            ("{{json batch}}", "[1,2]", "[1,2]"),
            ("{{quote files.id 'escaped'}}", r"'a\\\'b'", r"a\'b"),
        ] {
            let found = read(template, Place::Elsewhere, text).unwrap();
            assert_eq!(found[0].1.text, list, "{template}");
        }
        assert_eq!(read("{{join (quote batch 'doubled') ','}}", Place::Elsewhere, "'a','b"), None);
    }

    #[test]
    fn what_is_known_must_stand_there() {
        let template = "/orgs/{{inputs.org}}/{{files.Id}}/x";
        let found = read(template, Place::Path, "/orgs/a%20b/1%2F2/x").unwrap();
        assert_eq!(found, [("files.Id".to_owned(), value("1/2", None))]);
        assert_eq!(read(template, Place::Path, "/orgs/other/1/x"), None);
        assert_eq!(read(template, Place::Path, "/orgs/a%20b/1/2/x"), None);
    }

    #[test]
    fn both_sides_of_an_open_condition_match() {
        let template = "a{{#if (eq facts.kind \"x\")}} AND {{files.b}}{{/if}}";
        assert_eq!(read(template, Place::Elsewhere, "a").unwrap(), []);
        let found = read(template, Place::Elsewhere, "a AND 5").unwrap();
        assert_eq!(found, [("files.b".to_owned(), value("5", None))]);
        let template = "{{#if inputs.org}}a{{else}}b{{/if}}";
        assert!(read(template, Place::Elsewhere, "b").is_none());
    }

    #[test]
    fn a_fallback_is_read_as_the_value() {
        let found = read("{{default page.cursor 1}}", Place::Elsewhere, "1").unwrap();
        assert_eq!(found, [("page.cursor".to_owned(), value("1", None))]);
    }
}

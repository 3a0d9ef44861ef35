//! Templates: Handlebars, parsed at load by the `handlebars` crate, narrowed to references,
//! helpers and `if`.

use std::fmt;

mod plain;

use handlebars::template::{HelperTemplate, Parameter, Subexpression, TemplateElement};

use crate::Literal;
use crate::scalar::{Scalar, ScalarError, scalar};

/// Longest accepted template, in bytes.
const MAX_BYTES: usize = 4096;
/// Deepest accepted nesting of blocks and subexpressions. The parser recurses, so this is checked
/// before it runs.
const MAX_NESTING: usize = 8;

/// Text with expressions in `{{` and `}}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}
scalar!(Template);

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text that stands for itself.
    Text(String),
    /// An expression whose value is written.
    Expression(Expression),
    /// `{{#if condition}}...{{else}}...{{/if}}`.
    If {
        /// True unless missing, null, false, empty or zero.
        condition: Expression,
        /// Written if the condition holds.
        then: Vec<Part>,
        /// Written if not.
        otherwise: Vec<Part>,
    },
}

/// What stands between the braces.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A value in scope.
    Reference(Reference),
    /// A value written out.
    Literal(Literal),
    /// A helper applied to values.
    Call {
        /// The helper.
        helper: Helper,
        /// Its arguments, as many as [`Helper::arity`] allows.
        arguments: Vec<Expression>,
    },
}

/// A dotted name such as `inputs.login_host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The name's parts; never empty.
    pub path: Vec<String>,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path.join("."))
    }
}

/// The functions that templates may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Helper {
    /// `date TIME FORMAT`: a time written with `strftime` conversions, in UTC.
    Date,
    /// `epoch TIME UNIT`: a time as a number of `s` or `ms` since 1970.
    Epoch,
    /// `ago DURATION`: the time that long before the start of the poll.
    Ago,
    /// `urlencode TEXT`: percent-encoding of all but unreserved characters (RFC 3986, 2.3).
    Urlencode,
    /// `json VALUE`: the value as JSON text.
    Json,
    /// `base64 TEXT`: RFC 4648, section 4, with padding.
    Base64,
    /// `default VALUE FALLBACK`: the fallback if the value is missing, null or empty.
    Default,
    /// `eq A B`: whether two values are written the same.
    Eq,
    /// `lookup TABLE KEY`: what the manifest's table of this name has under the key.
    Lookup,
    /// `join LIST SEPARATOR`: the values of a list in one text.
    Join,
    /// `quote VALUE STYLE`: the value, or each value of a list, as a literal of a query language
    /// between `'`. Inside, `'` is written twice (`doubled`, as in SQL), or behind a
    /// backslash (`escaped`, as in SOQL).
    Quote,
}

impl Helper {
    /// All helpers with the names that templates use.
    pub const ALL: &[(&'static str, Self)] = &[
        ("date", Self::Date),
        ("epoch", Self::Epoch),
        ("ago", Self::Ago),
        ("urlencode", Self::Urlencode),
        ("json", Self::Json),
        ("base64", Self::Base64),
        ("default", Self::Default),
        ("eq", Self::Eq),
        ("lookup", Self::Lookup),
        ("join", Self::Join),
        ("quote", Self::Quote),
    ];

    /// How many arguments the helper takes.
    #[must_use]
    pub fn arity(self) -> usize {
        match self {
            Self::Date
            | Self::Epoch
            | Self::Default
            | Self::Eq
            | Self::Lookup
            | Self::Join
            | Self::Quote => 2,
            Self::Ago | Self::Urlencode | Self::Json | Self::Base64 => 1,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, helper)| *helper)
    }
}

impl Template {
    /// The template as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its pieces in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The text, if the template has no expressions.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// A template of this text and nothing else.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        let parts = if text.is_empty() { Vec::new() } else { vec![Part::Text(text.to_owned())] };
        Self { source: text.to_owned(), parts }
    }

    /// The expression, if the template is one expression and nothing else.
    #[must_use]
    pub fn as_expression(&self) -> Option<&Expression> {
        match self.parts.as_slice() {
            [Part::Expression(expression)] => Some(expression),
            _ => None,
        }
    }

    /// All references, in order of appearance.
    #[must_use]
    pub fn references(&self) -> Vec<&Reference> {
        fn expression<'t>(expression_: &'t Expression, found: &mut Vec<&'t Reference>) {
            match expression_ {
                Expression::Reference(reference) => found.push(reference),
                Expression::Literal(_) => {}
                Expression::Call { arguments, .. } => {
                    for argument in arguments {
                        expression(argument, found);
                    }
                }
            }
        }
        fn parts<'t>(parts_: &'t [Part], found: &mut Vec<&'t Reference>) {
            for part in parts_ {
                match part {
                    Part::Text(_) => {}
                    Part::Expression(inner) => expression(inner, found),
                    Part::If { condition, then, otherwise } => {
                        expression(condition, found);
                        parts(then, found);
                        parts(otherwise, found);
                    }
                }
            }
        }
        let mut found = Vec::new();
        parts(&self.parts, &mut found);
        found
    }
}

impl Scalar for Template {
    const FORMAT: &'static str = "longshore-template";
    const EXAMPLE: &'static str = "https://{{inputs.host}}/api";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        if text.len() > MAX_BYTES {
            return Err(ScalarError::new(
                format!("the template is {} bytes long; at most {MAX_BYTES} are read", text.len()),
                "split it into several parameters",
            ));
        }
        if !text.contains("{{") {
            return Ok(Self::literal(text));
        }
        if let Some(at) = text.find("{{{") {
            let help = "write two braces: values are never HTML-escaped here";
            return Err(ScalarError::new("three braces are not needed", help).at(at));
        }
        let parts = match plain::parts(text) {
            Some(parts) => parts,
            None => by_grammar(text)?,
        };
        Ok(Self { source: text.to_owned(), parts })
    }
}

/// The parts of a template, read by the `handlebars` crate.
fn by_grammar(text: &str) -> Result<Vec<Part>, ScalarError> {
    balanced(text)?;
    let compiled = handlebars::Template::compile(text).map_err(|error| {
        let offset = error.pos().map(|(line, column)| offset_of(text, line, column));
        ScalarError {
            message: "not a Handlebars expression".to_owned(),
            help: Some(
                "between the braces stands a reference such as inputs.host, or a helper such as date window.start \"%Y-%m-%d\""
                    .to_owned(),
            ),
            offset,
        }
    })?;
    convert(&compiled.elements)
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (start + column.saturating_sub(1)).min(text.len())
}

/// Checks braces and nesting before the recursive parser sees the text.
fn balanced(text: &str) -> Result<(), ScalarError> {
    let (mut rest, mut at, mut blocks) = (text, 0, 0_usize);
    while let Some(open) = rest.find("{{") {
        let start = at + open;
        let Some(length) = rest[open..].find("}}") else {
            let help = "close the expression with `}}`";
            return Err(ScalarError::new("an expression is not closed", help).at(start));
        };
        let inner = rest[open + 2..open + length].trim();
        if inner.is_empty() {
            let help = "write a reference, such as {{inputs.host}}";
            return Err(ScalarError::new("an expression is empty", help).at(start));
        }
        match inner.as_bytes()[0] {
            b'#' => blocks += 1,
            b'/' => blocks = blocks.saturating_sub(1),
            _ => {}
        }
        let (mut depth, mut deepest) = (0_usize, 0);
        for byte in inner.bytes() {
            match byte {
                b'(' => depth += 1,
                b')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        if deepest > MAX_NESTING || blocks > MAX_NESTING {
            let help = "prepare the value in an input, or split the template";
            return Err(ScalarError::new(
                format!("the template nests deeper than {MAX_NESTING} levels"),
                help,
            )
            .at(start));
        }
        at = start + length + 2;
        rest = &text[at..];
    }
    if let Some(stray) = rest.find("}}") {
        let help = "open the expression with `{{`";
        return Err(ScalarError::new("`}}` closes nothing", help).at(at + stray));
    }
    Ok(())
}

fn convert(elements: &[TemplateElement]) -> Result<Vec<Part>, ScalarError> {
    elements
        .iter()
        .map(|element| match element {
            TemplateElement::RawString(text) => Ok(Part::Text(text.clone())),
            TemplateElement::Expression(inner) | TemplateElement::HtmlExpression(inner) => {
                Ok(Part::Expression(expression(inner)?))
            }
            TemplateElement::HelperBlock(block) => block_if(block),
            TemplateElement::Comment(_) => Ok(Part::Text(String::new())),
            _ => Err(ScalarError::new(
                "partials and decorators are not part of the manifest language",
                "write the text out",
            )),
        })
        .collect()
}

fn block_if(block: &HelperTemplate) -> Result<Part, ScalarError> {
    let name = block.name.as_name().unwrap_or_default();
    let (condition, None, "if") = (block.params.first(), block.params.get(1), name) else {
        return Err(ScalarError::new(
            format!("`{{{{#{name}}}}}` is not part of the manifest language"),
            "the only block is {{#if value}}...{{else}}...{{/if}}",
        ));
    };
    let condition = condition
        .ok_or_else(|| ScalarError::new("`#if` has no condition", "write {{#if inputs.name}}"))?;
    let parts = |inner: &Option<handlebars::Template>| {
        inner.as_ref().map_or(Ok(Vec::new()), |template| convert(&template.elements))
    };
    Ok(Part::If {
        condition: parameter(condition)?,
        then: parts(&block.template)?,
        otherwise: parts(&block.inverse)?,
    })
}

fn expression(inner: &HelperTemplate) -> Result<Expression, ScalarError> {
    let no_options = ScalarError::new(
        "helpers take no named options",
        "write the arguments in order, such as {{date window.start \"%Y-%m-%d\"}}",
    );
    if !inner.hash.is_empty() {
        return Err(no_options);
    }
    if inner.params.is_empty() {
        return parameter(&inner.name);
    }
    call(inner.name.as_name().unwrap_or_default(), &inner.params)
}

fn call(name: &str, params: &[Parameter]) -> Result<Expression, ScalarError> {
    let Some(helper) = Helper::named(name) else {
        let names: Vec<_> = Helper::ALL.iter().map(|(name, _)| *name).collect();
        return Err(ScalarError::new(
            format!("there is no helper `{name}`"),
            format!("the helpers are {}", names.join(", ")),
        ));
    };
    if params.len() != helper.arity() {
        return Err(ScalarError::new(
            format!("`{name}` takes {} arguments, not {}", helper.arity(), params.len()),
            "see the table of helpers in the manifest reference",
        ));
    }
    let arguments = params.iter().map(parameter).collect::<Result<_, _>>()?;
    Ok(Expression::Call { helper, arguments })
}

fn parameter(parameter: &Parameter) -> Result<Expression, ScalarError> {
    match parameter {
        Parameter::Name(_) | Parameter::Path(_) => {
            reference(parameter.as_name().unwrap_or_default())
        }
        Parameter::Literal(value) => {
            Literal::from_json(value).map(Expression::Literal).ok_or_else(|| {
                ScalarError::new(
                    "this literal has no place in a template",
                    "write text or a number",
                )
            })
        }
        Parameter::Subexpression(inner) => subexpression(inner),
        _ => Err(ScalarError::new("not an expression", "write a reference or a helper")),
    }
}

fn subexpression(inner: &Subexpression) -> Result<Expression, ScalarError> {
    match inner.params() {
        Some(params) if !params.is_empty() => call(inner.name(), params),
        _ => reference(inner.name()),
    }
}

fn reference(raw: &str) -> Result<Expression, ScalarError> {
    let path: Vec<String> = raw.split('.').map(str::to_owned).collect();
    let part_ok = |part: &String| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if path.iter().all(part_ok) {
        return Ok(Expression::Reference(Reference { path }));
    }
    Err(ScalarError::new(
        format!("`{raw}` is not a reference"),
        "write names of letters, digits and `_` joined by dots, such as inputs.login_host",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_and_helpers_are_found() {
        let template = Template::parse(
            "https://{{inputs.host}}/x?d={{date window.start \"%F\"}}&{{page.cursor}}",
        )
        .unwrap();
        let names: Vec<_> = template.references().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["inputs.host", "window.start", "page.cursor"]);
    }

    #[test]
    fn conditions_have_two_sides() {
        let template = Template::parse("a{{#if inputs.x}}b{{else}}c{{/if}}d").unwrap();
        assert!(matches!(
            &template.parts()[1],
            Part::If { then, otherwise, .. }
                if then == &[Part::Text("b".into())] && otherwise == &[Part::Text("c".into())]
        ));
    }

    #[test]
    fn what_is_not_in_the_language_is_refused() {
        for text in [
            "{{{x}}}",
            "{{x",
            "{{}}",
            "{{#each a}}{{/each}}",
            "{{> part}}",
            "{{upper inputs.a}}",
            "{{date window.start}}",
            "{{../a}}",
            "{{@root.a}}",
            "{{a-b}}",
            "{{date window.start format=\"%F\"}}",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_before_the_parser_recurses() {
        let deep = format!("{{{{{}a{}}}}}", "(a ".repeat(1000), ")".repeat(1000));
        assert!(Template::parse(&deep).unwrap_err().message.contains("nests deeper"));
        let blocks = "{{#if a}}".repeat(200);
        assert!(Template::parse(&blocks).unwrap_err().message.contains("nests deeper"));
    }
}

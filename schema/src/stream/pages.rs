//! How an answer that comes in pages is read to its end.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use crate::scalar::{Name, Scalar};
use crate::stream::Request;
use crate::{JsonPath, Literal, Span, Spanned, Table};

/// How the next page is found: one of these.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pages {
    /// The response holds the URL of the next page, absolute or relative; none on the last page.
    NextUrl(NextUrlPages),
    /// The response holds a cursor that the next request sends as `page.cursor`; none on the
    /// last page.
    Cursor(CursorPages),
    /// A `Link` header names the next page by this relation, usually `next` (RFC 8288).
    LinkHeader(Spanned<String>),
    /// Pages are numbered; the request sends `page.number`.
    Number(NumberedPages),
    /// Records are skipped; the request sends `page.offset`.
    Offset(OffsetPages),
    /// The next page starts behind the last record of the one before; the request sends
    /// `page.last.NAME`, which has no value on the first page.
    Keyset(KeysetPages),
    /// The first answer opens a scroll, and another request reads on from there by `page.cursor`.
    Scroll(Box<ScrollPages>),
}

/// Pages that name the URL of the next one; a path alone is short for `at`.
#[derive(Clone, Debug, PartialEq)]
pub struct NextUrlPages {
    /// Where the URL is in the response.
    pub at: Option<Spanned<JsonPath>>,
    /// The response header that holds the URL.
    pub header: Option<Spanned<String>>,
    /// What says that there is another page.
    pub more: Option<Spanned<More>>,
}

/// Pages that hand out a cursor for the next one; a path alone is short for `at`.
#[derive(Clone, Debug, PartialEq)]
pub struct CursorPages {
    /// Where the cursor is in the response.
    pub at: Option<Spanned<JsonPath>>,
    /// The response header that holds the cursor.
    pub header: Option<Spanned<String>>,
    /// What says that there is another page.
    pub more: Option<Spanned<More>>,
    /// The cursor that says that there is none, such as `-1`.
    pub stop: Option<Spanned<Literal>>,
    /// The most records on a page; in scope as `page.size`.
    pub size: Option<Spanned<u64>>,
    /// Which page is the last, where the app names a cursor on every page: the place to go on from
    /// another time.
    pub end: Option<Spanned<End>>,
}

/// What says whether there is another page.
#[derive(Clone, Debug, PartialEq)]
pub enum More {
    /// A member that is `true` while there is.
    Flag(JsonPath),
    /// Members that have these values while there is.
    Members(Table<JsonPath, Literal>),
}

/// Which page of those that are counted is the last, where the response does not say so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The first one with fewer records than `size`.
    Short,
    /// The first one without a record.
    Empty,
}

/// Numbered pages.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberedPages {
    /// The first page's number.
    #[serde(default = "one")]
    pub first: u64,
    /// The most records on a page; also in scope as `page.size`.
    pub size: Option<Spanned<u64>>,
    /// Which page is the last; `short` unless `more`, `pages` or `total` tell.
    pub end: Option<Spanned<End>>,
    /// What says that there is another page.
    pub more: Option<Spanned<More>>,
    /// The member that holds the number of all pages.
    pub pages: Option<Spanned<JsonPath>>,
    /// The member that holds the number of records on all pages together.
    pub total: Option<Spanned<JsonPath>>,
}

fn one() -> u64 {
    1
}

/// Pages by offset.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OffsetPages {
    /// The offset of the first record, 0 unless the app counts from 1.
    #[serde(default)]
    pub first: u64,
    /// The most records on a page; also in scope as `page.size`.
    pub size: Option<Spanned<u64>>,
    /// Which page is the last; `short` unless `more` or `total` tell.
    pub end: Option<Spanned<End>>,
    /// What says that there is another page.
    pub more: Option<Spanned<More>>,
    /// The member that holds the number of records on all pages together.
    pub total: Option<Spanned<JsonPath>>,
}

/// Pages that start behind the last record of the one before.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeysetPages {
    /// What of the last record the next request sends, as `page.last.NAME`. Together they must
    /// tell the record from every other, or records that share them are lost between two pages.
    pub last: Spanned<Table<Name, Spanned<JsonPath>>>,
    /// The most records on a page; also in scope as `page.size`.
    pub size: Option<Spanned<u64>>,
    /// Which page is the last; `short` unless `more` tells.
    pub end: Option<Spanned<End>>,
    /// What says that there is another page.
    pub more: Option<Spanned<More>>,
}

/// Pages of a scroll that the app keeps open.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScrollPages {
    /// Where the response holds the scroll's cursor; in scope as `page.cursor`.
    pub at: Spanned<JsonPath>,
    /// The request for every page but the first.
    pub next: Spanned<Request>,
    /// The request that frees the scroll when it is read to its end, or given up.
    pub release: Option<Spanned<Request>>,
    /// What says that there is another page. Without it the first page without a record is the
    /// last.
    pub more: Option<Spanned<More>>,
}

impl Pages {
    /// What says that there is another page, where that is said.
    #[must_use]
    pub fn more(&self) -> Option<&Spanned<More>> {
        match self {
            Self::NextUrl(pages) => pages.more.as_ref(),
            Self::Cursor(pages) => pages.more.as_ref(),
            Self::LinkHeader(_) => None,
            Self::Number(pages) => pages.more.as_ref(),
            Self::Offset(pages) => pages.more.as_ref(),
            Self::Keyset(pages) => pages.more.as_ref(),
            Self::Scroll(pages) => pages.more.as_ref(),
        }
    }

    /// The most records on a page, where that is said.
    #[must_use]
    pub fn size(&self) -> Option<&Spanned<u64>> {
        match self {
            Self::NextUrl(_) | Self::LinkHeader(_) | Self::Scroll(_) => None,
            Self::Cursor(pages) => pages.size.as_ref(),
            Self::Number(pages) => pages.size.as_ref(),
            Self::Offset(pages) => pages.size.as_ref(),
            Self::Keyset(pages) => pages.size.as_ref(),
        }
    }

    /// The paths into the response by which pages are told from each other and the last one is
    /// known, each with what it finds, for messages. Those of [`Pages::more`] are not among them.
    #[must_use]
    pub fn paths(&self) -> Vec<(&Spanned<JsonPath>, &'static str)> {
        const TOTAL: &str = "the number of records";
        let found = match self {
            Self::NextUrl(pages) => vec![(pages.at.as_ref(), "the next page's URL")],
            Self::Cursor(pages) => vec![(pages.at.as_ref(), "the next page's cursor")],
            Self::Number(pages) => {
                vec![(pages.pages.as_ref(), "the number of pages"), (pages.total.as_ref(), TOTAL)]
            }
            Self::Offset(pages) => vec![(pages.total.as_ref(), TOTAL)],
            Self::Scroll(pages) => vec![(Some(&pages.at), "the scroll's cursor")],
            Self::LinkHeader(_) | Self::Keyset(_) => Vec::new(),
        };
        found.into_iter().filter_map(|(path, what)| Some((path?, what))).collect()
    }
}

impl More {
    /// The paths that it looks at. A flag has no place of its own: it stands where the whole does.
    #[must_use]
    pub fn paths(this: &Spanned<Self>) -> Vec<(&JsonPath, Span)> {
        match &this.value {
            Self::Flag(path) => vec![(path, this.span)],
            Self::Members(members) => {
                members.iter().map(|(path, _)| (&path.value, path.span)).collect()
            }
        }
    }
}

/// A path alone, or a mapping.
enum Short<T> {
    Path(JsonPath),
    Long(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Short<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShortVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ShortVisitor<T> {
            type Value = Short<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, or a mapping")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Short<T>, E> {
                JsonPath::parse(text).map(Short::Path).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Short<T>, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Short::Long)
            }
        }

        deserializer.deserialize_any(ShortVisitor(PhantomData))
    }
}

/// The schema of a mapping that may be a path instead: keywords for one type ignore values of the
/// others, so both forms share one object.
fn path_or(mut long: Schema, description: &str) -> Schema {
    long.insert("type".to_owned(), serde_json::json!(["string", "object"]));
    long.insert("format".to_owned(), JsonPath::FORMAT.into());
    long.insert("examples".to_owned(), serde_json::json!([JsonPath::EXAMPLE]));
    long.insert("description".to_owned(), description.into());
    long
}

/// [`NextUrlPages`] written out.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NextUrlLong {
    /// Where the URL is in the response.
    at: Option<Spanned<JsonPath>>,
    /// The response header that holds the URL.
    header: Option<Spanned<String>>,
    /// What says that there is another page: a member that is `true` while there is, or members
    /// with the values that they have while there is.
    more: Option<Spanned<More>>,
}

impl<'de> Deserialize<'de> for NextUrlPages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = Spanned::<Short<NextUrlLong>>::deserialize(deserializer)?;
        Ok(match form.value {
            Short::Path(path) => {
                Self { at: Some(Spanned::new(path, form.span)), header: None, more: None }
            }
            Short::Long(NextUrlLong { at, header, more }) => Self { at, header, more },
        })
    }
}

impl JsonSchema for NextUrlPages {
    fn schema_name() -> Cow<'static, str> {
        "NextUrlPages".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        path_or(
            NextUrlLong::json_schema(generator),
            "Where the URL of the next page is: a path into the response, or a mapping with `at` or `header`.",
        )
    }
}

/// [`CursorPages`] written out.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CursorLong {
    /// Where the cursor is in the response.
    at: Option<Spanned<JsonPath>>,
    /// The response header that holds the cursor.
    header: Option<Spanned<String>>,
    /// What says that there is another page: a member that is `true` while there is, or members
    /// with the values that they have while there is.
    more: Option<Spanned<More>>,
    /// The cursor that says that there is none, such as `-1`.
    stop: Option<Spanned<Literal>>,
    /// The most records on a page; in scope as `page.size`.
    size: Option<Spanned<u64>>,
    /// Which page is the last, where the app names a cursor on every page: the place to go on from
    /// another time.
    end: Option<Spanned<End>>,
}

impl<'de> Deserialize<'de> for CursorPages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = Spanned::<Short<CursorLong>>::deserialize(deserializer)?;
        Ok(match form.value {
            Short::Path(path) => Self {
                at: Some(Spanned::new(path, form.span)),
                header: None,
                more: None,
                stop: None,
                size: None,
                end: None,
            },
            Short::Long(CursorLong { at, header, more, stop, size, end }) => {
                Self { at, header, more, stop, size, end }
            }
        })
    }
}

impl JsonSchema for CursorPages {
    fn schema_name() -> Cow<'static, str> {
        "CursorPages".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        path_or(
            CursorLong::json_schema(generator),
            "Where the cursor of the next page is: a path into the response, or a mapping with `at` or `header`.",
        )
    }
}

impl<'de> Deserialize<'de> for More {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Short::<Table<JsonPath, Literal>>::deserialize(deserializer)? {
            Short::Path(path) => Self::Flag(path),
            Short::Long(members) => Self::Members(members),
        })
    }
}

impl JsonSchema for More {
    fn schema_name() -> Cow<'static, str> {
        "More".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = path_or(
            <Table<JsonPath, Literal>>::json_schema(generator),
            "What says that there is another page: a member that is `true` while there is, or members with the values that they have while there is.",
        );
        schema.insert("minProperties".to_owned(), 1.into());
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn read(text: &str) -> Pages {
        crate::deserialize::from_node(&yaml::parse(text).unwrap().root).unwrap()
    }

    #[test]
    fn a_path_alone_is_short_for_where_it_is() {
        assert_eq!(read("next_url: $.next"), read("next_url: { at: $.next }"));
        assert_eq!(read("cursor: $.next"), read("cursor: { at: $.next }"));
        let Pages::Cursor(cursor) = read("cursor: $.next") else { panic!("it is a cursor") };
        assert_eq!(cursor.at.unwrap().span.range(), 8..14);
    }

    #[test]
    fn more_is_a_flag_or_members() {
        let flag = read("cursor: { at: $.next, more: $.has_more }");
        assert!(
            matches!(&flag.more().unwrap().value, More::Flag(path) if path.as_str() == "$.has_more")
        );
        let members = read("number: { size: 10, more: { $.last: false } }");
        let More::Members(table) = &members.more().unwrap().value else { panic!("it is a table") };
        assert_eq!(table.get("$.last"), Some(&Literal::Bool(false)));
    }
}

//! How a response body is written, and what is packed into its records.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::StrDeserializer};

use crate::scalar::{Scalar, ScalarError, scalar};
use crate::{Spanned, json_schema::declare_order};

/// How a response body is written: the name of a format, or a mapping that says more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decode {
    /// The format, where nothing more is to be said of it.
    pub format: Option<Spanned<Format>>,
    /// Comma-separated values of a particular dialect.
    pub csv: Option<Spanned<Dialect>>,
    /// Tab-separated values of a particular dialect.
    pub tsv: Option<Spanned<Dialect>>,
    /// The character encoding.
    pub charset: Option<Spanned<Charset>>,
    /// What the body itself is compressed with, beside what HTTP says.
    pub compression: Option<Spanned<Compression>>,
    /// The file in a zip archive that is read.
    pub inside: Option<Spanned<EntryPattern>>,
}

impl Decode {
    /// JSON, of which nothing more is said.
    pub const JSON: Self =
        Self { format: None, csv: None, tsv: None, charset: None, compression: None, inside: None };

    /// The format; JSON unless said.
    #[must_use]
    pub fn format(&self) -> Format {
        match self {
            Self { csv: Some(_), .. } => Format::Csv,
            Self { tsv: Some(_), .. } => Format::Tsv,
            Self { format, .. } => format.as_ref().map_or(Format::Json, |format| format.value),
        }
    }

    /// The dialect of CSV or TSV; the usual one for every other format.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        let written = self.csv.as_ref().or(self.tsv.as_ref());
        written.map(|dialect| dialect.value.clone()).unwrap_or_default()
    }

    /// The compression; detected unless said.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.compression.as_ref().map_or(Compression::Detect, |compression| compression.value)
    }
}

/// The format of a response body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON document (RFC 8259).
    #[default]
    Json,
    /// One JSON value on each line; each is a record.
    Ndjson,
    /// Comma-separated values (RFC 4180). Each row is a record whose members are named by the
    /// header row.
    Csv,
    /// Tab-separated values (IANA `text/tab-separated-values`), without quotes.
    Tsv,
    /// One XML document. An element becomes an object of its attributes (`@name`), its child
    /// elements by name (a list if there are several) and its text (`#text`); an element that has
    /// text alone becomes that text.
    Xml,
}

impl Format {
    /// Whether a body is one document, in which paths select: records, links and promises.
    #[must_use]
    pub fn is_document(self) -> bool {
        matches!(self, Self::Json | Self::Xml)
    }

    /// Whether each record is a row of a table, with columns and nothing below them.
    #[must_use]
    pub fn is_table(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv)
    }

    /// What one record is called.
    #[must_use]
    pub fn record(self) -> &'static str {
        match self {
            Self::Csv | Self::Tsv => "row",
            Self::Ndjson => "line",
            Self::Json | Self::Xml => "element",
        }
    }

    /// The article before [`Format::title`].
    #[must_use]
    pub fn article(self) -> &'static str {
        match self {
            Self::Xml | Self::Ndjson => "an",
            Self::Json | Self::Csv | Self::Tsv => "a",
        }
    }

    /// The name as people write it: `JSON`.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Ndjson => "NDJSON",
            Self::Csv => "CSV",
            Self::Tsv => "TSV",
            Self::Xml => "XML",
        }
    }
}

/// How a table of separated values is written.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dialect {
    /// What stands between two fields; a comma in CSV and a tab in TSV unless given.
    pub delimiter: Option<Spanned<Character>>,
    /// What stands around a field that holds a delimiter, a line end or a quote, which is doubled
    /// in it; `none` if there are no quotes. A double quote in CSV and `none` in TSV unless given.
    pub quote: Option<Spanned<Quote>>,
    /// Whether the first row names the columns.
    #[serde(default = "yes")]
    pub header: Spanned<bool>,
    /// The names of the columns, where no header row names them or in place of those that it
    /// gives.
    #[serde(default)]
    pub columns: Spanned<Vec<Spanned<String>>>,
    /// How many lines there are before the header row, or before the first row without one.
    #[serde(default)]
    pub skip: u32,
    /// What a line starts with that is no row.
    pub comment: Option<Spanned<Character>>,
}

fn yes() -> Spanned<bool> {
    Spanned::new(true, crate::Span::default())
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            delimiter: None,
            quote: None,
            header: yes(),
            columns: Spanned::default(),
            skip: 0,
            comment: None,
        }
    }
}

/// One ASCII character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Character(pub u8);
scalar!(Character);

impl Scalar for Character {
    const FORMAT: &'static str = "longshore-character";
    const EXAMPLE: &'static str = ";";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        match text.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(Self(*byte)),
            _ => Err(ScalarError::new(
                "it is not one ASCII character",
                r#"write the character in quotes, such as ";", or "\t" for a tab"#,
            )),
        }
    }
}

/// What stands around fields: one ASCII character, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote(pub Option<u8>);
scalar!(Quote);

impl Scalar for Quote {
    const FORMAT: &'static str = "longshore-quote";
    const EXAMPLE: &'static str = "'";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        if text == "none" {
            return Ok(Self(None));
        }
        Character::parse(text).map(|quote| Self(Some(quote.0))).map_err(|_| {
            ScalarError::new(
                "a quote is one ASCII character, or `none`",
                "write the character in quotes, such as \"'\", or `none`",
            )
        })
    }
}

/// A character encoding, by its name in the WHATWG Encoding Standard
/// (<https://encoding.spec.whatwg.org/#names-and-labels>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Charset {
    /// UTF-8.
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16; its byte order mark says which byte comes first, otherwise the lower one.
    #[serde(rename = "utf-16")]
    Utf16,
    /// UTF-16 with the lower byte first.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16 with the higher byte first.
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// Western European; read as windows-1252, which has more characters, as browsers do.
    #[serde(rename = "iso-8859-1")]
    Latin1,
    /// Central European.
    #[serde(rename = "iso-8859-2")]
    Latin2,
    /// Western European with the euro sign.
    #[serde(rename = "iso-8859-15")]
    Latin9,
    /// Central European, of Windows.
    #[serde(rename = "windows-1250")]
    Windows1250,
    /// Cyrillic, of Windows.
    #[serde(rename = "windows-1251")]
    Windows1251,
    /// Western European, of Windows.
    #[serde(rename = "windows-1252")]
    Windows1252,
    /// Cyrillic.
    #[serde(rename = "koi8-r")]
    Koi8R,
    /// Japanese, of Windows.
    #[serde(rename = "shift_jis")]
    ShiftJis,
    /// Japanese, of Unix.
    #[serde(rename = "euc-jp")]
    EucJp,
    /// Korean.
    #[serde(rename = "euc-kr")]
    EucKr,
    /// Simplified Chinese.
    #[serde(rename = "gb18030")]
    Gb18030,
    /// Traditional Chinese.
    #[serde(rename = "big5")]
    Big5,
}

/// What a body is compressed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// gzip, zip or zstd if it starts like that, otherwise nothing.
    #[default]
    Detect,
    /// Nothing.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// zlib (RFC 1950) or bare deflate data (RFC 1951).
    Deflate,
    /// A zip archive, of which one file is read.
    Zip,
    /// Brotli (RFC 7932).
    Brotli,
    /// Zstandard (RFC 8878).
    Zstd,
}

/// The name of a file in an archive; `*` stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPattern(String);
scalar!(EntryPattern);

impl EntryPattern {
    /// Whether a file's name, with its folders, is meant. A pattern without `/` is about the last
    /// part of the name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name =
            if self.0.contains('/') { name } else { name.rsplit('/').next().unwrap_or(name) };
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut parts: Vec<_> = parts.collect();
        let Some(last) = parts.pop() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for EntryPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Scalar for EntryPattern {
    const FORMAT: &'static str = "longshore-entry-pattern";
    const EXAMPLE: &'static str = "*.csv";

    fn parse(text: &str) -> Result<Self, ScalarError> {
        if text.is_empty() || text.len() > 256 {
            return Err(ScalarError::new(
                "a file's name has 1 to 256 bytes",
                "write the name, or a part of it with `*`, such as `*.csv`",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// How a member that holds a document in a text is opened, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unpacking {
    /// Base64 (RFC 4648), of either alphabet, with or without padding.
    Base64,
    /// gzip (RFC 1952).
    Gzip,
    /// zlib (RFC 1950) or bare deflate data (RFC 1951).
    Deflate,
    /// Zstandard (RFC 8878).
    Zstd,
    /// JSON (RFC 8259): the member becomes what the text says.
    Json,
}

/// The parts of a mapping.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parts {
    /// The format, where nothing more is to be said of it; `json` unless given.
    format: Option<Spanned<Format>>,
    /// Comma-separated values (RFC 4180) of a particular dialect.
    csv: Option<Spanned<Dialect>>,
    /// Tab-separated values of a particular dialect.
    tsv: Option<Spanned<Dialect>>,
    /// The character encoding. A byte order mark counts for more; without either, what the
    /// response's `Content-Type` says, otherwise UTF-8.
    charset: Option<Spanned<Charset>>,
    /// What the body itself is compressed with, beside what HTTP's `Content-Encoding` says;
    /// `detect` unless given.
    compression: Option<Spanned<Compression>>,
    /// The one file that is read in a zip archive of several.
    inside: Option<Spanned<EntryPattern>>,
}

impl<'de> Deserialize<'de> for Decode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DecodeVisitor;

        impl<'de> Visitor<'de> for DecodeVisitor {
            type Value = Decode;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a format, or a mapping that says more of it")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Decode, E> {
                let format = Format::deserialize(StrDeserializer::<E>::new(text))?;
                let format = Some(Spanned::new(format, crate::Span::default()));
                Ok(Decode { format, ..Decode::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Decode, A::Error> {
                let parts = Parts::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let Parts { format, csv, tsv, charset, compression, inside } = parts;
                Ok(Decode { format, csv, tsv, charset, compression, inside })
            }
        }

        deserializer.deserialize_any(DecodeVisitor)
    }
}

impl JsonSchema for Decode {
    fn schema_name() -> Cow<'static, str> {
        "Decode".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Parts::json_schema(generator);
        schema.insert("type".into(), serde_json::json!(["string", "object"]));
        schema.insert("examples".into(), serde_json::json!(["csv"]));
        schema.insert("if".into(), json_schema!({ "type": "string" }).to_value());
        schema.insert("then".into(), Format::json_schema(generator).to_value());
        schema.insert(
            "description".into(),
            "How a response is written: the name of a format, or a mapping that says more of it."
                .into(),
        );
        let order = ["format", "csv", "tsv", "charset", "compression", "inside"];
        declare_order(generator, schema.ensure_object(), &order);
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn read(text: &str) -> Decode {
        crate::deserialize::from_node(&yaml::parse(text).unwrap().root).unwrap()
    }

    #[test]
    fn a_name_or_a_mapping() {
        assert_eq!(read("xml").format(), Format::Xml);
        assert_eq!(Decode::default().format(), Format::Json);
        let decode = read(
            "{ csv: { delimiter: ';', header: false, columns: [A, B] }, charset: utf-16, compression: zip, inside: '*.csv' }",
        );
        assert_eq!(decode.format(), Format::Csv);
        let dialect = decode.dialect();
        assert_eq!(dialect.delimiter.unwrap().value, Character(b';'));
        assert!(!dialect.header.value);
        assert_eq!(dialect.columns.len(), 2);
        assert_eq!(decode.charset.as_ref().unwrap().value, Charset::Utf16);
        assert_eq!(decode.compression(), Compression::Zip);
        assert_eq!(read("{ format: ndjson }").compression(), Compression::Detect);
        assert!(read("{ tsv: {} }").dialect().header.value);
    }

    #[test]
    fn entries_by_pattern() {
        let is = |pattern: &str, name| EntryPattern::parse(pattern).unwrap().matches(name);
        assert!(is("*.csv", "a/b/report.csv"));
        assert!(!is("*.csv", "report.csv.txt"));
        assert!(is("report-*-*.csv", "report-1-2.csv"));
        assert!(!is("report-*-*.csv", "report-1.csv"));
        assert!(is("a/*.csv", "a/x.csv"));
        assert!(!is("a/*.csv", "b/x.csv"));
        assert!(!is("a*a", "a"));
        assert!(is("report.csv", "report.csv"));
    }
}

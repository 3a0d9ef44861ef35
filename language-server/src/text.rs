//! A document's text, and places in it as the client counts them.

use std::ops::Range as Bytes;

use gen_lsp_types::{Position, Range};
use longshore_schema::Span;

/// What the client counts in a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Bytes.
    Utf8,
    /// UTF-16 code units, which every client knows.
    #[default]
    Utf16,
}

/// Text with the places where its lines start.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    source: String,
    lines: Vec<usize>,
    encoding: Encoding,
}

impl Text {
    pub(crate) fn new(source: String, encoding: Encoding) -> Self {
        let bytes = source.as_bytes();
        let ends = bytes.iter().enumerate().filter(|(at, byte)| match byte {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        let lines = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { source, lines, encoding }
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The number of the line of a byte, from 0.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// The bytes of a line without its end.
    pub(crate) fn line(&self, line: usize) -> Bytes<usize> {
        let start = self.lines.get(line).copied().unwrap_or(self.source.len());
        let end = self.lines.get(line + 1).copied().unwrap_or(self.source.len());
        start..start + self.source[start..end].trim_end_matches(['\r', '\n']).len()
    }

    /// The byte at a position. One past the end of its line or of the text is taken for the end.
    pub(crate) fn offset(&self, position: Position) -> usize {
        let line = self.line(position.line as usize);
        let text = &self.source[line.clone()];
        let wanted = position.character as usize;
        let within = match self.encoding {
            Encoding::Utf8 => {
                let mut at = wanted.min(text.len());
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                at
            }
            Encoding::Utf16 => {
                let mut units = 0;
                let mut characters = text.char_indices();
                let at = characters.find(|(_, character)| {
                    units += character.len_utf16();
                    units > wanted
                });
                at.map_or(text.len(), |(at, _)| at)
            }
        };
        line.start + within
    }

    /// The bytes of a range, its start and its end.
    pub(crate) fn bytes(&self, range: Range) -> (usize, usize) {
        let start = self.offset(range.start);
        (start, self.offset(range.end).max(start))
    }

    /// The position of a byte. One within a character is taken for its start.
    pub(crate) fn position(&self, offset: usize) -> Position {
        let mut offset = offset.min(self.source.len());
        while !self.source.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line_of(offset);
        let before = &self.source[self.lines[line]..offset];
        let character = match self.encoding {
            Encoding::Utf8 => before.len(),
            Encoding::Utf16 => before.encode_utf16().count(),
        };
        Position { line: line as u32, character: character as u32 }
    }

    pub(crate) fn range(&self, bytes: Bytes<usize>) -> Range {
        Range { start: self.position(bytes.start), end: self.position(bytes.end) }
    }

    pub(crate) fn span(&self, span: Span) -> Range {
        self.range(span.range())
    }

    /// Puts other text in place of a range, or of everything.
    pub(crate) fn replace(&mut self, range: Option<Range>, text: &str) {
        let source = match range {
            None => text.to_owned(),
            Some(range) => {
                let start = self.offset(range.start);
                let end = self.offset(range.end).max(start);
                let mut source = std::mem::take(&mut self.source);
                source.replace_range(start..end, text);
                source
            }
        };
        *self = Self::new(source, self.encoding);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn columns_are_counted_as_the_client_counts() {
        let source = "a: \u{1F680}é\r\nb: x\rc\n";
        let wide = Text::new(source.to_owned(), Encoding::Utf16);
        assert_eq!(wide.offset(at(0, 5)), 7);
        assert_eq!(wide.offset(at(0, 4)), 3, "within the surrogate pair");
        assert_eq!(wide.position(7), at(0, 5));
        assert_eq!(wide.offset(at(0, 99)), 9, "before the end of the line");
        assert_eq!(wide.position(11), at(1, 0));
        assert_eq!(wide.position(16), at(2, 0));
        assert_eq!(wide.offset(at(99, 0)), source.len());
        let bytes = Text::new(source.to_owned(), Encoding::Utf8);
        assert_eq!(bytes.offset(at(0, 7)), 7);
        assert_eq!(bytes.offset(at(0, 5)), 3, "within a character");
        assert_eq!(bytes.position(9), at(0, 9));
    }

    #[test]
    fn changes_apply_in_order() {
        let mut text = Text::new("one\ntwo\n".to_owned(), Encoding::Utf16);
        text.replace(Some(Range { start: at(0, 3), end: at(1, 1) }), "-");
        assert_eq!(text.source(), "one-wo\n");
        text.replace(Some(Range { start: at(1, 0), end: at(1, 0) }), "é");
        assert_eq!(text.source(), "one-wo\né");
        text.replace(Some(Range { start: at(1, 1), end: at(0, 0) }), "!");
        assert_eq!(text.source(), "one-wo\né!", "a range that ends before it starts is empty");
        text.replace(None, "x");
        assert_eq!(text.source(), "x");
    }

    proptest! {
        #[test]
        fn offsets_and_positions_agree(source in "[aé\u{1F680}\r\n]{0,30}", wide: bool) {
            let encoding = if wide { Encoding::Utf16 } else { Encoding::Utf8 };
            let text = Text::new(source.clone(), encoding);
            for (offset, _) in source.char_indices() {
                let inside_line_end = source.as_bytes()[offset] == b'\n'
                    && offset > 0
                    && source.as_bytes()[offset - 1] == b'\r';
                if !inside_line_end {
                    prop_assert_eq!(text.offset(text.position(offset)), offset);
                }
            }
        }

        #[test]
        fn any_position_is_a_place(source in "\\PC{0,20}", line in 0_u32..9, character: u32) {
            let text = Text::new(source.clone(), Encoding::Utf16);
            let position = Position { line, character };
            prop_assert!(source.is_char_boundary(text.offset(position)));
        }
    }
}

//! The tree of a manifest with what the front end's tree leaves out: which comments belong to what,
//! where blank lines stand, and what was written in flow style.

use super::order::Schema;
use crate::yaml::{Content, Document, Entry, Node};

/// A comment on a line of its own.
pub(super) struct Above<'d> {
    /// The comment with its `#`, without blanks behind it.
    pub(super) text: &'d str,
    /// Whether a blank line stands before it.
    pub(super) gap: bool,
}

/// An entry of a mapping or an item of a sequence.
pub(super) struct Item<'d> {
    /// The key, in a mapping.
    pub(super) key: Option<&'d Entry>,
    /// The place among its siblings in the source.
    place: usize,
    /// The comments above it.
    pub(super) above: Vec<Above<'d>>,
    /// Whether a blank line stands before it, below the comments.
    pub(super) gap: bool,
    /// The comment at the end of its line.
    pub(super) beside: Option<&'d str>,
    /// The value.
    pub(super) value: Value<'d>,
}

/// What an item holds.
pub(super) enum Value<'d> {
    /// A scalar, or a collection without content.
    Leaf(&'d Node),
    /// A collection.
    Group(Group<'d>),
}

/// A collection with content.
pub(super) struct Group<'d> {
    /// Whether it was written in flow style.
    pub(super) flow: bool,
    /// Whether it is a mapping, or a sequence.
    pub(super) mapping: bool,
    /// What it holds, in canonical order.
    pub(super) items: Vec<Item<'d>>,
    /// The comments behind the last item.
    pub(super) below: Vec<Above<'d>>,
}

impl Group<'_> {
    /// Whether there is a comment anywhere in it.
    pub(super) fn has_comments(&self) -> bool {
        let item_has = |item: &Item<'_>| {
            !item.above.is_empty()
                || item.beside.is_some()
                || matches!(&item.value, Value::Group(group) if group.has_comments())
        };
        !self.below.is_empty() || self.items.iter().any(item_has)
    }
}

/// The whole text.
pub(super) struct Tree<'d> {
    /// The comments at the top of the file, which stay there.
    pub(super) header: Vec<Above<'d>>,
    /// Whether a blank line follows the header.
    pub(super) header_gap: bool,
    /// What the text says.
    pub(super) root: Value<'d>,
    /// The comments behind everything else.
    pub(super) footer: Vec<Above<'d>>,
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place {
    /// Where the line's own part ends: behind the key, or behind the dash.
    from: usize,
    /// Where the next sibling of the value, or of what it stands in, starts.
    limit: usize,
    /// The first column that is further in than what the value stands in.
    column: usize,
    /// Whether the value stands in a flow collection.
    in_flow: bool,
    schema: Option<&'static Schema>,
}

/// Reads the tree of `document`, which `source` was parsed to.
pub(super) fn read<'d>(
    source: &'d str,
    document: &'d Document,
    schema: &'static Schema,
) -> Tree<'d> {
    let mut reader = Reader { source, document, lines: lines(source), next: 0 };
    let (header, header_gap) = reader.header();
    let place = Place {
        from: document.root.span.start as usize,
        limit: source.len(),
        column: 0,
        in_flow: false,
        schema: Some(schema),
    };
    let mut root = reader.value(&document.root, place);
    if let Value::Group(group) = &mut root
        && !group.flow
    {
        part(&mut group.items);
    }
    let footer = reader.take_until(source.len());
    Tree { header, header_gap, root, footer }
}

/// Sets a blank line between sections that have become neighbours; others have what they had.
fn part(items: &mut [Item<'_>]) {
    let is_section = |item: &Item<'_>| matches!(&item.value, Value::Group(group) if !group.flow);
    for index in 1..items.len() {
        if items[index - 1].place + 1 != items[index].place {
            let gap = is_section(&items[index - 1]) || is_section(&items[index]);
            let item = &mut items[index];
            *item.above.first_mut().map_or(&mut item.gap, |first| &mut first.gap) = gap;
        }
    }
}

struct Reader<'d> {
    source: &'d str,
    document: &'d Document,
    lines: Vec<Line>,
    /// The first comment that has no place yet.
    next: usize,
}

/// A line of the source, in byte offsets.
struct Line {
    start: usize,
    /// Where something stands that is not blank, or where the line ends.
    first: usize,
    blank: bool,
}

fn lines(source: &str) -> Vec<Line> {
    let mut start = 0;
    let line = |text: &str| {
        let first = start + text.len() - text.trim_start().len();
        let line = Line { start, first, blank: text.trim_start().is_empty() };
        start += text.len() + 1;
        line
    };
    source.split('\n').map(line).collect()
}

impl<'d> Reader<'d> {
    /// The comments at the top: those that a blank line parts from the first key, and the line that
    /// names the schema to editors.
    fn header(&mut self) -> (Vec<Above<'d>>, bool) {
        let start = self.document.root.span.start as usize;
        let comments = &self.document.comments;
        let above = comments.partition_point(|comment| (comment.span.start as usize) < start);
        let following = |index: usize| {
            if index < above { comments[index].span.start as usize } else { start }
        };
        let parted = (1..=above).rev().find(|index| self.blank_above(following(*index)));
        let first = self.document.comments.first().filter(|_| above > 0);
        let modeline =
            first.is_some_and(|first| first.text.trim_start().starts_with("yaml-language-server:"));
        let count = match &self.document.root.content {
            Content::Mapping(entries)
                if !entries.is_empty() && !self.is_flow(&self.document.root) =>
            {
                parted.unwrap_or(usize::from(modeline))
            }
            _ => above,
        };
        let gap = self.blank_above(following(count));
        (self.take_until(if count == 0 { 0 } else { following(count) }), gap)
    }

    fn value(&mut self, node: &'d Node, place: Place) -> Value<'d> {
        match &node.content {
            Content::Mapping(entries) if !entries.is_empty() => {
                Value::Group(self.mapping(node, entries, place))
            }
            Content::Sequence(items) if !items.is_empty() => {
                Value::Group(self.sequence(node, items, place))
            }
            _ => Value::Leaf(node),
        }
    }

    fn mapping(&mut self, node: &'d Node, entries: &'d [Entry], place: Place) -> Group<'d> {
        let flow = place.in_flow || self.is_flow(node);
        let limit = if flow { node.span.end as usize } else { place.limit };
        let column = self.column(entries[0].key_span.start as usize);
        let mut items = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let start = entry.key_span.start as usize;
            let next = entries.get(index + 1).map_or(limit, |next| next.key_span.start as usize);
            let inner = Place {
                from: entry.key_span.end as usize,
                limit: next,
                column: column + 1,
                in_flow: flow,
                schema: place.schema.and_then(|schema| schema.under(&entry.key)),
            };
            items.push(self.item(index, Some(entry), start, &entry.value, inner));
        }
        let below = self.below(flow, limit, place.column);
        if let Some(schema) = place.schema {
            let ranks = schema.ranks(entries.iter().map(|entry| entry.key.as_str()));
            items.sort_by_key(|item| ranks[item.place]);
        }
        Group { flow, mapping: true, items, below }
    }

    fn sequence(&mut self, node: &'d Node, nodes: &'d [Node], place: Place) -> Group<'d> {
        let flow = place.in_flow || self.is_flow(node);
        let limit = if flow { node.span.end as usize } else { place.limit };
        let schema = place.schema.and_then(Schema::items);
        let start = |node: &Node, behind: usize| {
            if flow { node.span.start as usize } else { self.dash(behind, node) }
        };
        // Where each item starts: at its dash, if it has one.
        let mut starts = Vec::with_capacity(nodes.len() + 1);
        // The span of a list that is not indented starts behind its first dash.
        let mut behind = place.from;
        for node in nodes {
            starts.push(start(node, behind));
            behind = end(node).max(behind);
        }
        starts.push(limit);
        let column = self.column(starts[0]) + 1;
        let mut items = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            let from = starts[index] + usize::from(!flow);
            let inner = Place { from, limit: starts[index + 1], column, in_flow: flow, schema };
            items.push(self.item(index, None, starts[index], node, inner));
        }
        Group { flow, mapping: false, items, below: self.below(flow, limit, place.column) }
    }

    /// The item of `node` that starts at `start`, with the comments around it.
    fn item(
        &mut self,
        index: usize,
        key: Option<&'d Entry>,
        start: usize,
        node: &'d Node,
        place: Place,
    ) -> Item<'d> {
        let above = self.take_until(start);
        let gap = self.blank_above(start);
        let is_block = match &node.content {
            Content::Mapping(entries) => !entries.is_empty(),
            Content::Sequence(items) => !items.is_empty(),
            _ => false,
        } && !place.in_flow
            && !self.is_flow(node);
        let mut item =
            Item { key, place: index, above, gap, beside: None, value: Value::Leaf(node) };
        // A missing value has no place of its own.
        let missing = node.content == Content::Null && node.span.start == node.span.end;
        let (first, last) = if missing {
            (place.from, place.from)
        } else {
            (node.span.start as usize, node.span.end as usize)
        };
        if is_block && key.is_some() {
            // What stands further down is above the first entry.
            item.beside = self.take_beside(place.from, first);
            item.value = self.value(node, place);
            return item;
        }
        let beside = if is_block { None } else { self.take_beside(place.from, first) };
        let mut inside = self.take_until(first);
        let mut gap = false;
        item.value = self.value(node, place);
        match &mut item.value {
            // The first line of the group is the line of the dash.
            Value::Group(group) if key.is_none() => {
                let inner = &mut group.items[0];
                gap = inner.gap && !inner.above.is_empty();
                inside.append(&mut inner.above);
            }
            Value::Group(_) => {}
            Value::Leaf(_) => inside.extend(self.take_until(last)),
        }
        let behind = if is_block { None } else { self.take_beside(last, place.limit) };
        if let (Some(text), Some(_)) = (beside, behind) {
            inside.insert(0, Above { text, gap: false });
        }
        item.beside = behind.or(beside);
        if let Some(first) = inside.first_mut() {
            // A blank line before the item is then before the comments above it.
            first.gap = item.gap;
            item.gap = gap;
            item.above.append(&mut inside);
        }
        item
    }

    /// The comments behind the last item that belong to a collection: in flow style all that are
    /// inside, in block style those that start at `column` or further in.
    fn below(&mut self, flow: bool, limit: usize, column: usize) -> Vec<Above<'d>> {
        if flow {
            return self.take_until(limit);
        }
        let mut below = Vec::new();
        while let Some(start) = self.peek(limit)
            && self.is_first(start)
            && self.column(start) >= column
        {
            below.push(self.take());
        }
        below
    }

    /// The start of the next comment, if it is before `limit`.
    fn peek(&self, limit: usize) -> Option<usize> {
        let comment = self.document.comments.get(self.next)?;
        Some(comment.span.start as usize).filter(|start| *start < limit)
    }

    /// The next comment, which there is.
    fn take(&mut self) -> Above<'d> {
        let span = self.document.comments[self.next].span;
        self.next += 1;
        let text = self.source.get(span.range()).unwrap_or_default().trim_end();
        Above { text, gap: self.blank_above(span.start as usize) }
    }

    fn take_until(&mut self, limit: usize) -> Vec<Above<'d>> {
        let mut taken = Vec::new();
        while self.peek(limit).is_some() {
            taken.push(self.take());
        }
        taken
    }

    /// The next comment, if it is before `limit` and on the line of `from`.
    fn take_beside(&mut self, from: usize, limit: usize) -> Option<&'d str> {
        let start = self.peek(limit)?;
        (self.line(from) == self.line(start)).then(|| self.take().text)
    }

    fn is_flow(&self, node: &Node) -> bool {
        let first = match &node.content {
            Content::Mapping(entries) => entries.first().map(|entry| entry.key_span),
            Content::Sequence(items) => items.first().map(|item| item.span),
            _ => None,
        };
        let start = node.span.start as usize;
        let bracket = matches!(self.source.as_bytes().get(start), Some(b'{' | b'['));
        bracket && first.is_some_and(|first| first.start > node.span.start)
    }

    /// The number of an offset's line.
    fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|line| line.start <= offset).saturating_sub(1)
    }

    fn column(&self, offset: usize) -> usize {
        offset - self.lines[self.line(offset)].start
    }

    /// Whether what starts at an offset is the first on its line.
    fn is_first(&self, offset: usize) -> bool {
        offset <= self.lines[self.line(offset)].first
    }

    /// Whether what starts at an offset is the first on its line, with a blank line before it.
    fn blank_above(&self, offset: usize) -> bool {
        let line = self.line(offset);
        offset <= self.lines[line].first && line > 0 && self.lines[line - 1].blank
    }

    /// Where the dash of an item is that stands behind an offset. Only blanks and comments are
    /// between the two.
    fn dash(&self, mut behind: usize, node: &Node) -> usize {
        let comments = &self.document.comments;
        let mut comment =
            comments.partition_point(|comment| (comment.span.start as usize) < behind);
        while let Some(byte) = self.source.as_bytes().get(behind) {
            if let Some(known) = comments.get(comment)
                && known.span.start as usize == behind
            {
                behind = known.span.end as usize;
                comment += 1;
                continue;
            }
            if *byte == b'-' {
                let line = &self.source[behind - self.column(behind)..behind];
                if line.trim_start_matches([' ', '\t', '-', '?', ':']).is_empty() {
                    return behind;
                }
            }
            behind += 1;
        }
        node.span.start as usize
    }
}

/// Where a node ends. The span of a block collection may have comments at its end.
fn end(node: &Node) -> usize {
    let last = match &node.content {
        Content::Mapping(entries) => entries.last().map(|entry| &entry.value),
        Content::Sequence(items) => items.last(),
        _ => None,
    };
    match last {
        Some(last) => end(last),
        None => node.span.end as usize,
    }
}

//! The outline of a manifest: its sections and what has a name in them; and what can be folded.

use gen_lsp_types::{DocumentSymbol, FoldingRange, FoldingRangeKind, SymbolKind};
use longshore_schema::Span;
use longshore_schema::yaml::{Content, Entry, Node};

use crate::document::Document;

/// Sections whose entries have names, and what these are.
const NAMED: &[(&str, SymbolKind)] = &[
    ("inputs", SymbolKind::Variable),
    ("quotas", SymbolKind::Constant),
    ("facts", SymbolKind::Variable),
    ("streams", SymbolKind::Class),
    ("permissions", SymbolKind::Key),
    ("actions", SymbolKind::Function),
];

/// The outline.
pub(crate) fn symbols(document: &Document) -> Vec<DocumentSymbol> {
    let entries = document.tree().map(Node::entries).unwrap_or_default();
    entries.iter().map(|entry| section(document, entry)).collect()
}

fn section(document: &Document, entry: &Entry) -> DocumentSymbol {
    let named = NAMED.iter().find(|(name, _)| *name == entry.key);
    let children = match (&entry.value.content, named) {
        (Content::Mapping(entries), Some((_, kind))) => entries
            .iter()
            .map(|entry| {
                let inner = if entry.value.entry("steps").is_some() {
                    steps(document, entry)
                } else {
                    Vec::new()
                };
                symbol(document, entry, *kind, inner)
            })
            .collect(),
        (Content::Mapping(entries), None) => entries
            .iter()
            .map(|entry| symbol(document, entry, SymbolKind::Property, Vec::new()))
            .collect(),
        (Content::Sequence(items), _) => items
            .iter()
            .map(|item| {
                let name = item_name(item).unwrap_or(&entry.key);
                let span = item.span;
                new(document, name.to_owned(), None, SymbolKind::Event, (span, span), Vec::new())
            })
            .collect(),
        _ => Vec::new(),
    };
    symbol(document, entry, SymbolKind::Module, children)
}

/// What an entry of a list is called: by a member that says so, or by its own text.
fn item_name(item: &Node) -> Option<&str> {
    let named = ["name", "id", "code", "then"].iter().find_map(|key| item.entry(key));
    match &named.map_or(item, |entry| &entry.value).content {
        Content::String(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn steps(document: &Document, stream: &Entry) -> Vec<DocumentSymbol> {
    let steps = stream.value.entry("steps").map(|steps| steps.value.entries()).unwrap_or_default();
    steps.iter().map(|step| symbol(document, step, SymbolKind::Method, Vec::new())).collect()
}

fn symbol(
    document: &Document,
    entry: &Entry,
    kind: SymbolKind,
    children: Vec<DocumentSymbol>,
) -> DocumentSymbol {
    let detail = ["provides", "type", "title", "description"]
        .iter()
        .find_map(|key| entry.value.entry(key))
        .map_or(&entry.value.content, |entry| &entry.value.content);
    let detail = match detail {
        Content::String(text) => text.lines().next().map(str::to_owned),
        _ => None,
    };
    let whole =
        Span { start: entry.key_span.start, end: entry.value.span.end.max(entry.key_span.end) };
    new(document, entry.key.clone(), detail, kind, (whole, entry.key_span), children)
}

fn new(
    document: &Document,
    name: String,
    detail: Option<String>,
    kind: SymbolKind,
    (whole, own): (Span, Span),
    children: Vec<DocumentSymbol>,
) -> DocumentSymbol {
    // Clients refuse a symbol without a name.
    let name = if name.trim().is_empty() { "\"\"".to_owned() } else { name };
    let (whole, own) = (document.text.span(whole), document.text.span(own));
    DocumentSymbol::new(name, detail, kind, None, None, whole, own, Some(children))
}

/// What can be folded: every mapping and list of more than one line.
pub(crate) fn folds(document: &Document) -> Vec<FoldingRange> {
    fn walk(document: &Document, node: &Node, found: &mut Vec<FoldingRange>) {
        let children: Vec<(usize, &Node)> = match &node.content {
            Content::Mapping(entries) => {
                entries.iter().map(|e| (e.key_span.start as usize, &e.value)).collect()
            }
            Content::Sequence(items) => {
                items.iter().map(|item| (item.span.start as usize, item)).collect()
            }
            _ => return,
        };
        for (start, child) in children {
            let start = document.text.line_of(start) as u32;
            let end = document.text.line_of((child.span.end as usize).saturating_sub(1)) as u32;
            if end > start {
                let kind = Some(FoldingRangeKind::Region);
                found.push(FoldingRange {
                    start_line: start,
                    end_line: end,
                    kind,
                    ..FoldingRange::default()
                });
            }
            walk(document, child, found);
        }
    }
    let mut found = Vec::new();
    if let Some(tree) = document.tree() {
        walk(document, tree, &mut found);
    }
    found
}

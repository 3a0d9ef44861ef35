//! From a name to its definition and its uses, and another name for all of them.

use std::collections::HashMap;

use gen_lsp_types::{Location, Range, TextEdit, WorkspaceEdit};
use longshore_schema::scalar::{Name, Scalar};

use crate::document::Document;
use crate::names::{self, Kind, Occurrence};
use crate::wire::Failure;

fn location(document: &Document, found: &Occurrence<'_>) -> Location {
    Location { uri: document.uri.clone(), range: document.text.range(found.bytes.clone()) }
}

fn same<'t>(document: &'t Document, wanted: &Occurrence<'_>) -> Vec<Occurrence<'t>> {
    let mut all = names::occurrences(document);
    all.retain(|found| found.kind == wanted.kind && found.name == wanted.name);
    all
}

/// Where the name at a byte is defined.
pub(crate) fn definition(document: &Document, offset: usize) -> Option<Location> {
    let wanted = names::at(document, offset)?;
    let all = same(document, &wanted);
    all.iter().find(|found| found.definition.is_some()).map(|found| location(document, found))
}

/// Where the name at a byte is used, and defined if `definition` says so.
pub(crate) fn references(document: &Document, offset: usize, definition: bool) -> Vec<Location> {
    let Some(wanted) = names::at(document, offset) else { return Vec::new() };
    let all = same(document, &wanted);
    let wanted = all.iter().filter(|found| definition || found.definition.is_none());
    wanted.map(|found| location(document, found)).collect()
}

/// The name at a byte that can be renamed.
pub(crate) fn renamed(document: &Document, offset: usize) -> Result<Range, Failure> {
    let refuse = |why: String| Err(Failure::new(Failure::REFUSED, why));
    let Some(found) = names::at(document, offset) else {
        return refuse("nothing here has a name that the manifest gives".to_owned());
    };
    if !same(document, &found).iter().any(|found| found.definition.is_some()) {
        return refuse(format!("no {} is called `{}`", found.kind.word(), found.name));
    }
    Ok(document.text.range(found.bytes))
}

/// The edits that give the name at a byte another one.
pub(crate) fn rename(
    document: &Document,
    offset: usize,
    name: &str,
) -> Result<WorkspaceEdit, Failure> {
    renamed(document, offset)?;
    let refuse = |why: String| Err(Failure::new(Failure::REFUSED, why));
    if let Err(error) = Name::parse(name) {
        let help = error.help.map(|help| format!(": {help}")).unwrap_or_default();
        return refuse(format!("`{name}` cannot be a name: {}{help}", error.message));
    }
    let Some(wanted) = names::at(document, offset) else { return Ok(WorkspaceEdit::default()) };
    let taken = |found: &Occurrence<'_>| {
        found.definition.is_some() && found.kind == wanted.kind && found.name == name
    };
    if wanted.name != name && names::occurrences(document).iter().any(taken) {
        return refuse(format!("there is already a {} called `{name}`", wanted.kind.word()));
    }
    let roots = ["inputs", "auth", "facts", "window", "page", "record"];
    if matches!(wanted.kind, Kind::Step(_)) && roots.contains(&name) {
        return refuse(format!("`{name}` means something else in templates"));
    }
    let edits = same(document, &wanted).into_iter().map(|found| TextEdit {
        range: document.text.range(found.bytes),
        new_text: name.to_owned(),
    });
    let changes = HashMap::from([(document.uri.clone(), edits.collect())]);
    Ok(WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() })
}

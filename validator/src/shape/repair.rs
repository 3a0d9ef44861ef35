//! Changes to a tree that let the rest of it be looked at.

use std::collections::{BTreeMap, BTreeSet};

use longshore_schema::Span;
use longshore_schema::yaml::{Content, Entry, Node};

use super::schema;

/// The place of what no one wrote; what is found there is not shown.
pub(crate) const NOWHERE: Span = Span { start: u32::MAX, end: u32::MAX };

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Repair {
    /// Gives a misspelt key the name that was surely meant.
    Rename { owner: Vec<String>, from: String, to: &'static str },
    /// Puts a value that reads well in place of a required one that is missing or does not.
    Fill { path: Vec<String> },
    /// Takes out the entry or item at this path.
    Remove { path: Vec<String> },
}

/// Makes all changes, whichever can still be made.
pub(crate) fn repair(root: &mut Node, repairs: &[Repair]) {
    for change in repairs {
        if let Repair::Rename { owner, from, to } = change
            && let Some(Content::Mapping(entries)) = find(root, owner)
            && let Some(entry) = entries.iter_mut().find(|entry| entry.key == *from)
        {
            (*to).clone_into(&mut entry.key);
        }
    }
    for change in repairs {
        if let Repair::Fill { path } = change {
            fill(root, path);
        }
    }
    let mut removals: BTreeMap<&[String], BTreeSet<&str>> = BTreeMap::new();
    for change in repairs {
        if let Repair::Remove { path } = change
            && let Some((last, owner)) = path.split_last()
        {
            removals.entry(owner).or_default().insert(last);
        }
    }
    // The inner ones first: what holds them may be removed as well, and moves later items up.
    let mut removals: Vec<_> = removals.into_iter().collect();
    removals.sort_by_key(|(owner, _)| std::cmp::Reverse(owner.len()));
    for (owner, names) in removals {
        match find(root, owner) {
            Some(Content::Mapping(entries)) => {
                entries.retain(|entry| !names.contains(entry.key.as_str()));
            }
            Some(Content::Sequence(items)) => {
                let mut index = 0;
                items.retain(|_| {
                    index += 1;
                    !names.contains((index - 1).to_string().as_str())
                });
            }
            _ => {}
        }
    }
}

fn fill(root: &mut Node, path: &[String]) {
    let Some(value) = schema::filling(path.iter().map(String::as_str)) else { return };
    let Some((last, owner)) = path.split_last() else { return };
    match find(root, owner) {
        Some(Content::Mapping(entries)) => {
            entries.retain(|entry| entry.key != *last);
            entries.push(Entry { key: last.clone(), key_span: NOWHERE, value });
        }
        Some(Content::Sequence(items)) => {
            if let Some(item) = last.parse().ok().and_then(|index: usize| items.get_mut(index)) {
                *item = value;
            }
        }
        _ => {}
    }
}

fn find<'n>(root: &'n mut Node, path: &[String]) -> Option<&'n mut Content> {
    let mut content = &mut root.content;
    for key in path {
        content = match content {
            Content::Mapping(entries) => {
                &mut entries.iter_mut().find(|entry| entry.key == *key)?.value.content
            }
            Content::Sequence(items) => &mut items.get_mut(key.parse::<usize>().ok()?)?.content,
            _ => return None,
        };
    }
    Some(content)
}

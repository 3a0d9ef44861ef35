//! Pagers against servers of every kind, honest ones and others: each record once, or an error.

use longshore_schema::{deserialize, yaml};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// It gives the same page whatever is asked.
    Stuck,
    /// It starts over after its last page.
    Round,
    /// It ends before its last record, and says that there is more.
    Short,
    /// It says that there is more, and does not say where.
    Nowhere,
}

const KINDS: [&str; 11] = [
    "cursor: { at: $.next, more: $.more }",
    "cursor: $.next",
    "next_url: { at: $.link, more: { $.last: false } }",
    "number: { first: 0, size: 5 }",
    "number: { first: 1, pages: $.pages, total: $.total }",
    "number: { first: 1, end: empty }",
    "offset: { total: $.total }",
    "offset: { more: $.more, size: 5 }",
    "keyset: { last: { id: $.id }, size: 5 }",
    "keyset: { last: { id: $.id }, more: $.more }",
    "scroll: { at: $.next, next: { get: /scroll }, more: $.more }",
];

/// Reads a server of `count` records to its end, or to an error.
fn read(kind: &str, count: u64, size: u64, fault: Fault) -> Result<Vec<u64>> {
    let pages: Pages = deserialize::from_node(&yaml::parse(kind).unwrap().root).unwrap();
    let promise: Promise =
        deserialize::from_node(&yaml::parse("total: $.total").unwrap().root).unwrap();
    let mut pager = Pager::new(Some(&pages), Some(&promise));
    let mut url = Url::parse("https://app.example.com/first").unwrap();
    let (mut read, mut position) = (Vec::new(), 0);
    // More than the empty pages that are read in a row.
    for _ in 0..1_100 {
        // What the server makes of the request.
        let asked = match &pages {
            Pages::Number(numbered) => {
                (pager.scope.number.unwrap() - numbered.first) * pager.scope.size.unwrap_or(size)
            }
            Pages::Offset(_) => pager.scope.offset.unwrap(),
            Pages::Keyset(_) => pager.scope.last.get("id").map_or(0, |id| id.as_u64().unwrap() + 1),
            Pages::Scroll(_) => position,
            _ => match (&pager.scope.cursor, url.query()) {
                (Some(cursor), _) => cursor.parse().unwrap(),
                (None, Some(query)) => query.parse().unwrap(),
                (None, None) => 0,
            },
        };
        let from = match fault {
            Fault::Stuck => 0,
            Fault::Round if count > 0 => asked % count.next_multiple_of(size),
            _ => asked,
        };
        let held = if fault == Fault::Short { count / 2 } else { count };
        let records: Vec<u64> = (from..held.min(from + size)).collect();
        let next = from + size;
        position = next;
        let more = match fault {
            Fault::None => next < count,
            _ => true,
        };
        let named = more && fault != Fault::Nowhere;
        let envelope = json!({
            "next": named.then(|| next.to_string()),
            "link": named.then(|| format!("/next?{next}")),
            "more": more,
            "last": !more,
            "pages": count.div_ceil(size),
            "total": count,
        });
        read.extend(&records);
        let mut hasher = DefaultHasher::new();
        records.hash(&mut hasher);
        let last = records.last().map(|id| json!({ "id": id }));
        let page = PageRead {
            url: &url,
            headers: &HeaderMap::new(),
            envelope: &envelope,
            records: records.len() as u64,
            fingerprint: hasher.finish(),
            last: last.as_ref(),
        };
        if !pager.advance(&page)? {
            return Ok(read);
        }
        if let Some(next) = pager.next_url.take() {
            url = next;
        }
    }
    panic!("{kind} does not end");
}

proptest! {
    #[test]
    fn an_honest_server_is_read_to_its_end(kind in 0..KINDS.len(), count in 0..40_u64) {
        let read = read(KINDS[kind], count, 5, Fault::None);
        prop_assert_eq!(read.map_err(|error| error.to_string()), Ok((0..count).collect()));
    }

    /// A server that lies about its pages gives every record once all the same, or the window fails
    /// with a name: its records may then have come more than once, which their keys tell.
    #[test]
    fn a_server_that_lies_is_named(
        kind in 0..KINDS.len(),
        count in 0..40_u64,
        fault in prop::sample::select(vec![Fault::Stuck, Fault::Round, Fault::Short, Fault::Nowhere]),
    ) {
        match read(KINDS[kind], count, 5, fault) {
            Ok(read) => prop_assert_eq!(read, (0..count).collect::<Vec<_>>()),
            Err(error) => prop_assert!(
                matches!(error.code, Code::PageLoop | Code::DataIncomplete | Code::DataParse),
                "{}", error
            ),
        }
    }

    /// Whatever is skipped, shrunk and grown, pages by number start where the one before ended.
    #[test]
    fn pages_that_change_their_size_leave_nothing_out(
        size in prop::sample::select(vec![4_u64, 6, 12, 16]),
        shrinks in prop::collection::vec(any::<bool>(), 1..40),
    ) {
        let kind = format!("number: {{ size: {size}, end: empty }}");
        let pages: Pages = deserialize::from_node(&yaml::parse(&kind).unwrap().root).unwrap();
        let mut pager = Pager::new(Some(&pages), None);
        let url = Url::parse("https://app.example.com/").unwrap();
        let mut expected = 0;
        for shrink in shrinks {
            if shrink {
                pager.shrink();
            }
            let size = pager.scope.size.unwrap();
            let start = (pager.scope.number.unwrap() - 1) * size;
            prop_assert_eq!(start, expected);
            expected = start + size;
            let page = PageRead {
                url: &url,
                headers: &HeaderMap::new(),
                envelope: &Value::Null,
                records: size,
                fingerprint: start,
                last: None,
            };
            prop_assert!(pager.advance(&page).unwrap());
        }
    }
}

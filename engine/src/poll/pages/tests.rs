//! Judging pages.

use super::*;
use longshore_schema::yaml;
use serde_json::json;

fn pages(text: &str) -> Pages {
    let document = yaml::parse(text).unwrap();
    longshore_schema::deserialize::from_node(&document.root).unwrap()
}

fn promise(text: &str) -> Promise {
    let document = yaml::parse(text).unwrap();
    longshore_schema::deserialize::from_node(&document.root).unwrap()
}

fn read(pager: &mut Pager<'_>, envelope: &Value, records: u64) -> Result<bool> {
    let url = Url::parse("https://a.example.com/q/1?x=1").unwrap();
    let headers = HeaderMap::new();
    let fingerprint = envelope.to_string().len() as u64;
    pager.advance(&PageRead {
        url: &url,
        headers: &headers,
        envelope,
        records,
        fingerprint,
        last: None,
    })
}

#[test]
fn a_relative_link_is_followed_once() {
    let pages = pages("next_url: $.next");
    let mut pager = Pager::new(Some(&pages), None);
    assert!(read(&mut pager, &json!({"next": "/q/2"}), 1).unwrap());
    assert_eq!(pager.next_url.as_ref().unwrap().as_str(), "https://a.example.com/q/2");
    let again = read(&mut pager, &json!({"next": "/q/2"}), 1).unwrap_err();
    assert_eq!(again.code, Code::PageLoop);
}

#[test]
fn a_link_to_its_own_page_is_not_followed() {
    let pages = pages("next_url: $.next");
    let mut pager = Pager::new(Some(&pages), None);
    let itself = json!({"next": "/q/1?x=1"});
    assert_eq!(read(&mut pager, &itself, 1).unwrap_err().code, Code::PageLoop);
}

#[test]
fn more_promised_and_no_next_page_is_an_error() {
    let pages = pages("next_url: $.next");
    let promise = promise("last_page: { $.done: true }\ntotal: $.totalSize");
    let mut pager = Pager::new(Some(&pages), Some(&promise));
    let error = read(&mut pager, &json!({"done": false, "totalSize": 9}), 3).unwrap_err();
    assert_eq!(error.code, Code::DataIncomplete);
    let mut pager = Pager::new(Some(&pages), Some(&promise));
    let error = read(&mut pager, &json!({"done": true, "totalSize": 9}), 3).unwrap_err();
    assert!(error.cause.clone().unwrap().contains("promised 9 records"));
    let mut pager = Pager::new(Some(&pages), Some(&promise));
    assert!(!read(&mut pager, &json!({"done": true, "totalSize": 3}), 3).unwrap());
}

#[test]
fn a_short_page_is_the_last_and_a_repeated_one_an_error() {
    let pages = pages("number: { size: 2 }");
    let mut pager = Pager::new(Some(&pages), None);
    assert!(read(&mut pager, &json!({"a": 1}), 2).unwrap());
    assert_eq!(pager.scope.number, Some(2));
    assert!(!read(&mut pager, &json!({"a": 1, "b": 2}), 1).unwrap());
    let mut pager = Pager::new(Some(&pages), None);
    assert!(read(&mut pager, &json!({"a": 1}), 2).unwrap());
    assert_eq!(read(&mut pager, &json!({"a": 2}), 2).unwrap_err().code, Code::PageLoop);
}

#[test]
fn a_cursor_on_the_last_page_too_is_kept_for_another_time() {
    let pages = pages("cursor: { at: $.position, end: empty }");
    let mut pager = Pager::new(Some(&pages), None);
    assert!(read(&mut pager, &json!({"position": "p1"}), 2).unwrap());
    assert!(!read(&mut pager, &json!({"position": "p1"}), 0).unwrap());
    assert_eq!(pager.cursor(), Some("p1"));
    let mut pager = Pager::new(Some(&pages), None);
    assert!(read(&mut pager, &json!({"position": "p1"}), 2).unwrap());
    let again = read(&mut pager, &json!({"position": "p1"}), 2).unwrap_err();
    assert_eq!(again.code, Code::PageLoop);
}

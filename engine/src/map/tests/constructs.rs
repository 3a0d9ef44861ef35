//! What maps are made of beyond paths: conditions, templates, elements, parts, conversions.

use serde_json::{Value, json};

use super::{map, map_line, mapper};
use crate::map::{Events, Mapped, Mapper, Record, Scratch};

/// All events of a record with what became of each, every one of them right by OCSF.
fn map_all(mapper: &Mapper, record: &Value) -> Vec<(Mapped, Value)> {
    let mut out = (Vec::new(), Vec::new());
    let mut scratch = Scratch::new();
    scratch.start_response(1_790_848_800_000);
    let text = record.to_string();
    let end = |out: &mut (Vec<u8>, Vec<Mapped>), mapped| out.1.push(mapped);
    let mut events = Events { out: &mut out, buffer: |out| &mut out.0, end };
    mapper.map_each(Record::Json(text.as_bytes()), &mut scratch, &mut events).unwrap();
    let text = String::from_utf8(out.0).unwrap();
    let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
    out.1.into_iter().zip(events).collect()
}

#[test]
fn conditions_choose_the_case_with_and_without_a_member_that_decides() {
    let mapper = mapper(
        "
key: $.id
map:
  by: $.type
  shared: { time: $.at, user.uid: $.user, service.name: Harbor }
  cases:
    - { is: login, if: { $.ok: true }, to: authentication, activity: Logon, status: Success }
    - { is: login, to: authentication, activity: Logon, status: Failure }
    - { if: { $.type: { not: [logout] }, $.by: { exists: true } }, to: authentication, activity: Preauth }
  else: { to: authentication, activity: Logoff }
",
    );
    let event = |type_: &str, rest: Value| {
        let mut record = json!({"id": 1, "at": "2026-10-01T10:00:00Z", "user": "u", "type": type_});
        record.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        map(&mapper, &record.to_string())
    };
    let told = |event: &Value| (event["activity_id"].clone(), event["status"].clone());
    assert_eq!(told(&event("login", json!({"ok": true}))), (json!(1), json!("Success")));
    assert_eq!(told(&event("login", json!({"ok": false}))), (json!(1), json!("Failure")));
    assert_eq!(told(&event("check", json!({"by": "x"}))).0, json!(6));
    assert_eq!(told(&event("check", json!({"by": null}))).0, json!(2));
    assert_eq!(told(&event("logout", json!({"by": "x"}))).0, json!(2));
}

#[test]
fn sources_have_conditions_and_templates() {
    let mapper = mapper(
        "
key: $.id
map:
  to: authentication
  activity: Logon
  time: $.at
  user.uid: $.user
  user.name: { template: '{{record.first}} {{record.last}}', as: lower, else: unknown }
  user.type: { template: Admin, if: { $.role: [owner, admin] }, else: User }
  status_detail: { from: $.reason, if: { $.reason: { match: '[A-Z_]+' } } }
  service.name: Harbor
",
    );
    let record = r#"{"id":1,"at":"2026-10-01T10:00:00Z","user":"u","first":"Eve","last":"Ash","role":"owner","reason":"BAD_KEY"}"#;
    let event = map(&mapper, record);
    assert_eq!(event["user"]["name"], "eve ash");
    assert_eq!(event["user"]["type_id"], 2);
    assert_eq!(event["status_detail"], "BAD_KEY");
    let other = r#"{"id":1,"at":"2026-10-01T10:00:00Z","user":"u","first":"Eve","role":"member","reason":"Bad key"}"#;
    let event = map(&mapper, other);
    assert_eq!(event["user"]["name"], "unknown");
    assert_eq!(event["user"]["type_id"], 1);
    assert_eq!(event["status_detail"], Value::Null);
    assert_eq!(event["unmapped"]["reason"], "Bad key");
}

const EACH: &str = "
key: $.id
map:
  to: user_access
  activity: Assign Privileges
  time: $.at
  user.uid: $.target[?@.type=='User'].id
  privileges: $.roles[*]
  resources:
    each: $.target[*]
    map:
      uid: $.id
      name: { from: $.name, else: unknown }
      type: $.type
      owner.name: $.owner.mail
";

#[test]
fn elements_become_objects_and_are_picked_by_their_text() {
    let mapper = mapper(EACH);
    let record = json!({
        "id": 1, "at": "2026-10-01T10:00:00Z", "roles": ["a", "b"],
        "target": [
            {"type": "AppUser", "id": "a1", "name": "Mail"},
            {"type": "User", "id": "u\u{e9}1", "owner": {"mail": "eve@example.com"}},
            null,
        ],
    });
    let event = map(&mapper, &record.to_string());
    assert_eq!(event["user"]["uid"], "u\u{e9}1");
    assert_eq!(event["privileges"], json!(["a", "b"]));
    assert_eq!(
        event["resources"],
        json!([
            {"uid": "a1", "name": "Mail", "type": "AppUser"},
            {"uid": "u\u{e9}1", "name": "unknown", "type": "User", "owner": {"name": "eve@example.com"}},
        ])
    );
    assert_eq!(event["unmapped"], json!({"id": 1}));
}

#[test]
fn what_is_left_of_elements_stays() {
    let mapper = mapper(EACH);
    let target = json!([{"type": "User", "id": "u1", "name": "Eve", "colour": "red"}]);
    let record = json!({"id": 1, "at": "2026-10-01T10:00:00Z", "roles": ["a"], "target": target});
    let event = map(&mapper, &record.to_string());
    assert_eq!(event["unmapped"]["target"], target);
    for target in [json!([]), json!(null), json!([null, 7])] {
        let record =
            json!({"id": 1, "at": "2026-10-01T10:00:00Z", "roles": ["a"], "target": target});
        // Without a user there is no event that is right, but there is one.
        let (_, line) = map_line(&mapper, &record.to_string()).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["resources"][0]["uid"], Value::Null, "{line}");
    }
}

const FOR_EACH: &str = "
key: $.id
map:
  for_each: $.events[*]
  by: $.events[*].name
  shared:
    time: $.at
    actor.user.email_addr: $.actor
    user.uid: { from: \"$.events[*].parameters[?@.name=='user'].value\", else: unknown }
    message: '{{item.name}} by {{record.actor}}'
    unmapped.count: \"$.events[*].parameters[?@.n>1].n\"
  cases:
    - { verb: create_user, is: create }
    - { verb: delete_user, is: delete }
  else: { to: account_change, activity: Other }
";

#[test]
fn parts_of_a_record_become_events_of_their_own() {
    let mapper = mapper(FOR_EACH);
    let record = json!({
        "id": 7, "at": "2026-10-01T10:00:00Z", "actor": "eve@example.com", "kind": "activity",
        "events": [
            {"name": "create", "parameters": [{"name": "org", "value": "x"}, {"name": "user", "value": "u1"}]},
            {"name": "delete", "left": true, "parameters": [{"name": "user", "value": "u2", "n": 2}]},
            {"name": "paint"},
        ],
    });
    let events = map_all(&mapper, &record);
    let told: Vec<_> = events
        .iter()
        .map(|(_, event)| {
            (event["activity_name"].as_str().unwrap(), event["user"]["uid"].as_str().unwrap())
        })
        .collect();
    assert_eq!(told, [("Create", "u1"), ("Delete", "u2"), ("paint", "unknown")]);
    assert_eq!(events[1].1["message"], "delete by eve@example.com");
    assert_eq!(events[1].1["unmapped"]["count"], 2);
    assert_eq!(events[2].1["unmapped"], json!({"id": 7, "kind": "activity"}));
    assert_eq!(events[1].1["unmapped"]["events"]["left"], true);
    assert_eq!(events[0].1["metadata"]["event_code"], "create");
    // Each event has a key of its own, and the same one when the record is read again.
    let keys: Vec<_> = events.iter().map(|(mapped, _)| mapped.key).collect();
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    let again: Vec<_> = map_all(&mapper, &record).iter().map(|(mapped, _)| mapped.key).collect();
    assert_eq!(keys, again);
}

#[test]
fn a_record_without_parts_is_one_event() {
    let mapper = mapper(FOR_EACH);
    for events in [json!([]), json!(null)] {
        let record = json!({"id": 7, "at": "2026-10-01T10:00:00Z", "actor": "eve@example.com", "events": events});
        let events = map_all(&mapper, &record);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].1["activity_id"], 99);
    }
}

#[test]
fn a_part_that_fails_does_not_take_the_others_with_it() {
    let mapper = mapper(
        "
key: $.id
map:
  for_each: $.events[*]
  to: account_change
  activity: Create
  time: $.events[*].at
  user.uid: $.id
",
    );
    let record = r#"{"id":"7","events":[{"at":"soon"},{"at":"2026-10-01T10:00:00Z"}]}"#;
    let mut out = Vec::new();
    let failed = mapper.map(Record::Json(record.as_bytes()), &mut Scratch::new(), &mut out);
    assert!(failed.is_err());
    assert_eq!(String::from_utf8(out).unwrap().lines().count(), 1);
}

#[test]
fn values_are_converted() {
    let mapper = mapper(
        "
key: $.id
map:
  to: authentication
  activity: Logon
  time: $.at
  user.uid: { from: $.mail, as: sha256 }
  user.email_addr: { from: $.mail, as: email }
  user.domain: { from: $.mail, as: domain }
  service.name: Harbor
  src_endpoint.name: { from: $.host, else: unknown }
  src_endpoint.os.name: { from: $.agent, as: os }
  src_endpoint.os.type: { from: $.agent, as: os }
  src_endpoint.type: { from: $.agent, as: device_type }
  src_endpoint.location.country: { from: $.country, as: country }
  actor.app_name: { from: $.agent, as: browser }
  status_detail: { from: $.detail, as: json }
",
    );
    let record = json!({
        "id": 1, "at": "2026-10-01T10:00:00Z", "mail": "Eve Ash <Eve@Example.com>",
        "agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/126.0.0.0 Safari/537.36",
        "country": "no", "detail": {"a": [1, "b"]},
    });
    let event = map(&mapper, &record.to_string());
    assert_eq!(event["user"]["email_addr"], "Eve@Example.com");
    assert_eq!(event["user"]["domain"], "example.com");
    assert_eq!(event["user"]["uid"].as_str().unwrap().len(), 64);
    assert_eq!(event["src_endpoint"]["os"]["type_id"], 300);
    assert_eq!(event["src_endpoint"]["os"]["name"], "macOS");
    assert_eq!(event["src_endpoint"]["type_id"], 2);
    assert_eq!(event["src_endpoint"]["location"]["country"], "NO");
    assert_eq!(event["actor"]["app_name"], "Chrome");
    assert_eq!(event["status_detail"], r#"{"a":[1,"b"]}"#);
    let odd = json!({"id": 1, "at": "2026-10-01T10:00:00Z", "mail": "eve", "agent": "-", "country": "Norway"});
    let event = map(&mapper, &odd.to_string());
    assert_eq!(event["src_endpoint"], json!({"name": "unknown"}));
    assert_eq!(event["unmapped"]["country"], "Norway");
}

#[test]
fn observables_are_the_addresses_and_names_of_the_event() {
    let mapper = mapper(
        "
key: $.id
observables: true
map:
  to: authentication
  activity: Logon
  time: $.at
  user.uid: $.id
  user.email_addr: $.mail
  service.name: Harbor
  src_endpoint.ip: { from: $.ip, as: ip }
  src_endpoint.port: $.port
  src_endpoint.intermediate_ips: $.hops
",
    );
    let record = r#"{"id":"1","at":"2026-10-01T10:00:00Z","mail":"eve@example.com","ip":"203.0.113.9","port":443,"hops":["203.0.113.1","203.0.113.2"]}"#;
    let event = map(&mapper, record);
    let listed: Vec<_> = event["observables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["name"].as_str().unwrap(),
                one["type_id"].as_i64().unwrap(),
                one["value"].as_str().unwrap(),
            )
        })
        .collect();
    assert!(listed.contains(&("src_endpoint.ip", 2, "203.0.113.9")), "{listed:?}");
    assert!(listed.contains(&("src_endpoint.port", 11, "443")), "{listed:?}");
    assert!(listed.contains(&("user.email_addr", 5, "eve@example.com")), "{listed:?}");
    assert!(listed.contains(&("src_endpoint.intermediate_ips", 2, "203.0.113.2")), "{listed:?}");
    let event = map(&mapper, r#"{"id":"1","at":"2026-10-01T10:00:00Z","ip":"nowhere"}"#);
    let names: Vec<_> =
        event["observables"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["user.uid"]);
}

/// The window's time, other times, texts and what has a zone of its own.
#[test]
fn times_without_a_zone_are_in_that_of_the_window() {
    let mapper = mapper(
        "
window: { on: $.at, format: '%d.%m.%Y %H:%M', zone: +02:00, backfill: 1d }
key: $.id
map:
  to: authentication
  activity: Logon
  time: $.at
  start_time: { from: $.began, as: timestamp }
  end_time: { from: $.ended, as: timestamp }
  message: 'began {{epoch record.began \"s\"}}, {{date record.began \"%H:%M\"}}'
  user.name: $.name
  service.name: Here
",
    );
    let record = json!({
        "id": "1", "name": "ann", "at": "01.10.2026 12:00",
        "began": "2026-10-01T11:00:00", "ended": "2026-10-01T11:00:00Z",
    });
    let (mapped, event) = map_all(&mapper, &record).remove(0);
    let ten = 1_790_848_800_000_i64;
    assert_eq!((mapped.time, &event["time"]), (Some(ten), &json!(ten)));
    assert_eq!(event["start_time"], ten - 3_600_000);
    assert_eq!(event["end_time"], ten + 3_600_000);
    assert_eq!(event["message"], "began 1790845200, 09:00");
}

//! Whole records through whole mappings.

use longshore_validator::ocsf::{Rule, check_event};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::decode::{self, CsvLimits, CsvRows};

mod constructs;

fn context() -> EventContext {
    EventContext {
        connection: "acme".to_owned(),
        stream: "sign_ins".to_owned(),
        product: "Salesforce".to_owned(),
        vendor: "Salesforce, Inc.".to_owned(),
        tenant: Some("00D0".to_owned()),
    }
}

/// A mapper of a stream written in YAML, without the members that all streams have.
pub(super) fn mapper(rest: &str) -> Mapper {
    let source = format!("provides: sign_ins\nevery: 15m\n{rest}");
    let document = longshore_schema::yaml::parse(&source).unwrap();
    let stream = longshore_schema::deserialize::from_node(&document.root).unwrap();
    Mapper::compile(&stream, &context()).unwrap()
}

fn map_line(mapper: &Mapper, record: &str) -> Result<(Mapped, String), Error> {
    let mut out = b"before".to_vec();
    let mut scratch = Scratch::new();
    scratch.start_response(1_790_848_800_000);
    let mapped = mapper.map(Record::Json(record.as_bytes()), &mut scratch, &mut out);
    let line = String::from_utf8(out.split_off(6)).unwrap();
    assert_eq!(mapped.is_ok(), line.ends_with('\n'));
    assert_eq!(line.matches('\n').count(), usize::from(mapped.is_ok()));
    mapped.map(|mapped| (mapped, line))
}

fn map(mapper: &Mapper, record: &str) -> Value {
    let (_, line) = map_line(mapper, record).unwrap();
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(check_event(&event), [], "{line}");
    event
}

const SIGN_INS: &str = "
window: { on: $.LoginTime, backfill: 60d }
key: $.Id
ignore: [attributes]
map:
  to: authentication
  activity: Logon
  time: $.LoginTime
  user.uid: $.UserId
  src_endpoint.ip: $.SourceIp
  src_endpoint.location.city: $.LoginGeo.City
  status: { from: $.Status, when: { Success: Success }, else: Failure }
  status_detail: $.Status
  service.name: { from: $.Application, else: Salesforce }
  auth_protocol: $.Protocol
";

const RECORD: &str = r#"{"attributes":{"type":"LoginHistory"},"Id":"0Ya1","UserId":"005\u00e9",
  "LoginTime":"2026-10-01T10:00:00.000+0000","SourceIp":"203.0.113.9","Status":"Success",
  "LoginGeo":{"City":"Oslo","Latitude":59.9},"Application":null,"Browser":"Chrome 129",
  "Protocol":"saml","ApiVersion":67.0}"#;

#[test]
fn an_event_has_everything() {
    let mapper = mapper(SIGN_INS);
    map(&mapper, RECORD);
    let (mapped, line) = map_line(&mapper, RECORD).unwrap();
    assert_eq!(mapped.time, Some(1_790_848_800_000));
    insta::assert_snapshot!(line, @r#"{"activity_id":1,"activity_name":"Logon","category_uid":3,"category_name":"Identity & Access Management","class_uid":3002,"class_name":"Authentication","type_uid":300201,"type_name":"Authentication: Logon","severity_id":1,"severity":"Informational","time":1790848800000,"metadata":{"version":"1.8.0","uid":"b3fcbaaaaad8a2c5b62b58cd2d59ee55","log_name":"sign_ins","tenant_uid":"00D0","product":{"name":"Salesforce","vendor_name":"Salesforce, Inc."}},"user":{"uid":"005\u00e9"},"src_endpoint":{"ip":"203.0.113.9","location":{"city":"Oslo"}},"status_id":1,"status":"Success","status_detail":"Success","service":{"name":"Salesforce"},"auth_protocol_id":5,"auth_protocol":"SAML","unmapped":{"Id":"0Ya1","LoginGeo":{"Latitude":59.9},"Browser":"Chrome 129","ApiVersion":67.0}}"#);
}

#[test]
fn what_is_not_mapped_is_left_out_on_request() {
    let mapper = mapper(&format!("unmapped: false\n{SIGN_INS}"));
    let event = map(&mapper, RECORD);
    assert_eq!(event["unmapped"], Value::Null);
    assert_eq!(event["src_endpoint"]["location"]["city"], "Oslo");
    let line = map_line(&mapper, &RECORD.replace("203.0.113.9", "none")).unwrap().1;
    assert!(!line.contains("unmapped") && !line.contains("none"), "{line}");
}

/// The event of `record`, with `attributes` mapped besides what an event must have.
fn map_with(attributes: &str, record: &Value) -> Value {
    let source = format!(
        "window: {{ on: $.at, format: epoch_s, backfill: 1d }}\nkey: $.id\nmap:\n  to: authentication\n  activity: Logon\n  user.name: $.name\n  service.name: Here\n  src_endpoint.uid: $.name\n{attributes}"
    );
    let mut record = record.clone();
    record["at"] = 1_790_848_800.into();
    record["id"] = "1".into();
    record["name"] = "ann".into();
    let mut event = map(&mapper(&source), &record.to_string());
    assert_eq!(event["time"], 1_790_848_800_000_i64);
    let unmapped = event["unmapped"].as_object_mut().unwrap();
    assert_eq!(unmapped.remove("id"), Some(json!("1")));
    event
}

/// What the members of an event are, and what is left unmapped, for one mapped attribute.
#[track_caller]
fn check(attribute: &str, record: &Value, members: &Value, unmapped: &Value) {
    let event = map_with(&format!("  {attribute}\n"), record);
    for (pointer, expected) in members.as_object().unwrap() {
        assert_eq!(event.pointer(pointer).unwrap_or(&Value::Null), expected, "{pointer}: {event}");
    }
    assert_eq!(&event["unmapped"], unmapped, "{event}");
}

#[test]
fn paths_lead_to_types() {
    let user = |path: &str| format!("user.{path}: $.v");
    for (attribute, value, pointer, expected) in [
        (user("uid"), json!("a\"b\u{1F600}\n"), "/user/uid", json!("a\"b\u{1F600}\n")),
        (user("uid"), json!(12.50), "/user/uid", json!("12.5")),
        (user("uid"), json!(true), "/user/uid", json!("true")),
        (user("uid"), json!({"a": 1}), "/user/uid", json!(null)),
        (user("has_mfa"), json!("TRUE"), "/user/has_mfa", json!(true)),
        (user("has_mfa"), json!(0), "/user/has_mfa", json!(false)),
        (user("has_mfa"), json!("yes"), "/user/has_mfa", json!(null)),
        (user("email_addr"), json!("a@example.com"), "/user/email_addr", json!("a@example.com")),
        (user("email_addr"), json!("nobody"), "/user/email_addr", json!(null)),
        ("src_endpoint.ip: $.v".into(), json!(" ::1 "), "/src_endpoint/ip", json!("::1")),
        (
            "src_endpoint.ip: $.v".into(),
            json!("fe80::1%eth0"),
            "/src_endpoint/ip",
            json!("fe80::1%eth0"),
        ),
        (
            "src_endpoint.ip: $.v".into(),
            json!("Salesforce.com IP"),
            "/src_endpoint/ip",
            json!(null),
        ),
        ("src_endpoint.port: $.v".into(), json!("443"), "/src_endpoint/port", json!(443)),
        ("src_endpoint.port: $.v".into(), json!(1e2), "/src_endpoint/port", json!(100)),
        ("src_endpoint.port: $.v".into(), json!(65536), "/src_endpoint/port", json!(null)),
        (
            "src_endpoint.location.city: $.name\n  src_endpoint.location.lat: $.v".into(),
            json!("59.9"),
            "/src_endpoint/location/lat",
            json!(59.9),
        ),
        ("metadata.labels: $.v".into(), json!(["a", 1]), "/metadata/labels", json!(["a", "1"])),
        ("metadata.labels: $.v".into(), json!("a"), "/metadata/labels", json!(["a"])),
        ("metadata.labels[]: $.v".into(), json!("a"), "/metadata/labels", json!(["a"])),
        ("metadata.labels: $.v".into(), json!([]), "/metadata/labels", json!(null)),
        (
            "start_time: $.v".into(),
            json!("2026-10-01"),
            "/start_time",
            json!(1_790_812_800_000_i64),
        ),
        ("start_time: $.v".into(), json!("soon"), "/start_time", json!(null)),
        ("unmapped.kept.v: $.v".into(), json!({"a": [1]}), "/unmapped/kept/v/a", json!([1])),
    ] {
        let used = !expected.is_null();
        let record = json!({ "v": value });
        let left = match attribute.as_str() {
            "unmapped.kept.v: $.v" => json!({ "kept": record }),
            _ if used => Value::Null,
            _ => record.clone(),
        };
        let event = map_with(&format!("  {attribute}\n"), &record);
        assert_eq!(event.pointer(pointer).unwrap_or(&Value::Null), &expected, "{event}");
        let unmapped = event["unmapped"].as_object().filter(|left| !left.is_empty());
        assert_eq!(unmapped.cloned().map_or(Value::Null, Value::Object), left, "{event}");
    }
}

#[test]
fn sources_match_replace_convert_and_fall_back() {
    let none = json!({});
    // The first path with a value counts; what the other has stays.
    let first = "user.uid: { from: [$.a, $.b, $.c] }";
    let record = json!({"a": null, "b": 1, "c": 2});
    check(first, &record, &json!({"/user/uid": "1"}), &json!({"c": 2}));
    // A part of a text does not replace the text.
    let matched = r"user.uid: { from: $.a, match: 'user (\w+)' }";
    check(
        matched,
        &json!({"a": "of user x1."}),
        &json!({"/user/uid": "x1"}),
        &json!({"a": "of user x1."}),
    );
    check(matched, &json!({"a": "nobody"}), &json!({"/user/uid": null}), &json!({"a": "nobody"}));
    let whole = r"user.uid: { from: $.a, match: '(\w+)' }";
    check(whole, &json!({"a": "x1"}), &json!({"/user/uid": "x1"}), &none);
    // Replacements compare texts; what they do not know passes, unless there is an `else`.
    let when = "user.uid: { from: $.a, when: { '1': one, 'true': sure } }";
    check(when, &json!({"a": 1}), &json!({"/user/uid": "one"}), &none);
    check(when, &json!({"a": true}), &json!({"/user/uid": "sure"}), &none);
    check(when, &json!({"a": "\u{e9}2"}), &json!({"/user/uid": "\u{e9}2"}), &none);
    let with_else = "user.uid: { from: $.a, when: { x: known }, else: z }";
    check(with_else, &json!({"a": "q"}), &json!({"/user/uid": "z"}), &json!({"a": "q"}));
    check(with_else, &json!({}), &json!({"/user/uid": "z"}), &none);
    // Conversions, also where the attribute takes any text.
    let ip = "user.uid: { from: $.a, as: ip, else: elsewhere }";
    check(ip, &json!({"a": "10.0.0.1"}), &json!({"/user/uid": "10.0.0.1"}), &none);
    check(ip, &json!({"a": "10.0.0"}), &json!({"/user/uid": "elsewhere"}), &json!({"a": "10.0.0"}));
    let integer = "user.uid: { from: $.a, as: integer }";
    check(integer, &json!({"a": " 7.0"}), &json!({"/user/uid": "7"}), &none);
    let timed = "start_time: { from: $.a, as: timestamp, format: '%Y%m%d%H%M%S%.f' }";
    let expected = json!({"/start_time": 1_790_848_802_529_i64});
    check(timed, &json!({"a": "20261001100002.529"}), &expected, &none);
    // In this order: match, when, as, else.
    let all = r"src_endpoint.port: { from: $.a, match: 'p=(\w+)', when: { web: '443' }, as: integer, else: 1 }";
    let left = |text: &str| json!({ "a": text });
    check(all, &left("p=web;"), &json!({"/src_endpoint/port": 443}), &left("p=web;"));
    check(all, &left("443"), &json!({"/src_endpoint/port": 1}), &left("443"));
}

#[test]
fn enums_have_ids_and_captions() {
    let none = json!({});
    let status = "status: $.a";
    check(status, &json!({"a": "failure"}), &json!({"/status_id": 2, "/status": "Failure"}), &none);
    check(
        status,
        &json!({"a": "Frozen \""}),
        &json!({"/status_id": 99, "/status": "Frozen \""}),
        &none,
    );
    check(status, &json!({"a": "2"}), &json!({"/status_id": 99, "/status": "2"}), &none);
    check(status, &json!({}), &json!({"/status_id": null, "/status": null}), &none);
    check(status, &json!({"a": []}), &json!({"/status_id": null}), &json!({"a": []}));
    let by_id = "status_id: $.a";
    check(by_id, &json!({"a": 2}), &json!({"/status_id": 2, "/status": "Failure"}), &none);
    check(by_id, &json!({"a": "7"}), &json!({"/status_id": 99, "/status": "7"}), &none);
    let literal = "auth_protocol: OAUTH 2.0";
    check(
        literal,
        &json!({}),
        &json!({"/auth_protocol_id": 6, "/auth_protocol": "OAUTH 2.0"}),
        &none,
    );
    let severity = "severity: { from: $.a, when: { hi: High } }";
    check(severity, &json!({"a": "hi"}), &json!({"/severity_id": 4, "/severity": "High"}), &none);
    let unknown = json!({"/severity_id": 1, "/severity": "Informational"});
    check(severity, &json!({}), &unknown, &none);
    let nested = "src_endpoint.type: $.a";
    let expected = json!({"/src_endpoint/type_id": 3, "/src_endpoint/type": "Laptop"});
    check(nested, &json!({"a": "laptop"}), &expected, &none);
    // An enum of texts without a place for others.
    let method = "http_request.http_method: $.a";
    check(method, &json!({"a": "get"}), &json!({"/http_request/http_method": "GET"}), &none);
    check(method, &json!({"a": "FETCH"}), &json!({"/http_request": null}), &json!({"a": "FETCH"}));
}

#[test]
fn templates_and_literals() {
    let none = json!({});
    let text = "message: 'Hi {{record.a}} from {{default record.geo.city \"nowhere\"}}'";
    let record = json!({"a": "\"you\"", "geo": {"city": "Oslo", "zip": 1}});
    let expected = json!({"/message": "Hi \"you\" from Oslo"});
    check(text, &record, &expected, &json!({"geo": {"zip": 1}}));
    check(text, &json!({"a": 5}), &json!({"/message": "Hi 5 from nowhere"}), &none);
    check(text, &json!({"geo": "x"}), &json!({"/message": null}), &json!({"geo": "x"}));
    let condition =
        "message: '{{#if (eq record.a \"1\")}}one{{else}}{{urlencode record.b}}{{/if}}'";
    check(condition, &json!({"a": 1}), &json!({"/message": "one"}), &json!({"a": 1}));
    let record = json!({"b": "a b/é"});
    check(condition, &record, &json!({"/message": "a%20b%2F%C3%A9"}), &none);
    // Literals alone make an object only where all of it is literal.
    check("dst_endpoint.hostname: h", &json!({}), &json!({"/dst_endpoint/hostname": "h"}), &none);
    let mixed = "dst_endpoint.hostname: h\n  dst_endpoint.ip: $.a";
    check(mixed, &json!({}), &json!({"/dst_endpoint": null}), &none);
    let record = json!({"a": "::1"});
    check(mixed, &record, &json!({"/dst_endpoint": {"hostname": "h", "ip": "::1"}}), &none);
}

#[test]
fn nested_members_and_arrays() {
    let none = json!({});
    let deep = "user.uid: $.a.b.c";
    let record = json!({"a": {"b": {"c": 1, "d": 2}, "e": []}});
    check(deep, &record, &json!({"/user/uid": "1"}), &json!({"a": {"b": {"d": 2}, "e": []}}));
    check(deep, &json!({"a": {"b": {"c": 1}}}), &json!({"/user/uid": "1"}), &none);
    check(deep, &json!({"a": [1]}), &json!({"/user/uid": null}), &json!({"a": [1]}));
    // An array of which one element is read stays as it is.
    let record = json!({"a": [{"b": 1}, {"b": 2}]});
    for path in ["$.a[1].b", "$.a[-1].b", "$.a[?@.b > 1].b", "$.a[1:].b"] {
        let attribute = format!("user.uid: \"{path}\"");
        check(&attribute, &record, &json!({"/user/uid": "2"}), &record);
    }
}

const CHOICE: &str = "
key: $.id
map:
  by: $.action
  shared: { time: $.at, actor.user.name: $.who, message: shared }
  cases:
    - to: account_change
      activity: { created: Create, locked: Lock, odd: Other }
      user.name: $.whom
    - to: user_access
      is: [granted, 7]
      activity: Assign Privileges
      message: own
      user.name: $.whom
      privileges: $.what
  else: { to: entity_management, activity: Other, entity.name: $.what, entity.type: Other }
";

#[test]
fn another_member_tells_the_activity() {
    let mapper = mapper(
        "key: $.id\nmap:\n  to: file_hosting\n  activity: { from: [$.verb, $.method], when: { get: Download, put: Upload }, else: Other }\n  time: $.at\n  file.name: $.name\n  file.type: Regular File\n  actor.app_name: Here\n  src_endpoint.name: there",
    );
    let told = |members: &str| {
        let record = format!(r#"{{"id":"1","at":"2026-10-01T10:00:00Z","name":"f"{members}}}"#);
        let event = map(&mapper, &record);
        (event["activity_id"].clone(), event["activity_name"].clone())
    };
    assert_eq!(told(r#","verb":"get","method":"put""#), (json!(2), json!("Download")));
    assert_eq!(told(r#","verb":null,"method":"put""#), (json!(1), json!("Upload")));
    assert_eq!(told(r#","verb":"burn""#), (json!(99), json!("burn")));
    assert_eq!(told(""), (json!(99), json!("Other")));
}

#[test]
fn a_member_decides_on_class_and_activity() {
    let mapper = mapper(CHOICE);
    let event = |action: &str| {
        let record = format!(
            r#"{{"id":1,"at":"2026-10-01T10:00:00Z","who":"a","whom":"b","what":"c"{action}}}"#
        );
        map(&mapper, &record)
    };
    let brief = |event: &Value| {
        ["type_uid", "type_name", "activity_name", "message"].map(|name| event[name].clone())
    };
    let locked = event(r#","action":"locked""#);
    assert_eq!(
        brief(&locked),
        [json!(300_109), json!("Account Change: Lock"), json!("Lock"), json!("shared")]
    );
    assert_eq!(locked["metadata"]["event_code"], "locked");
    assert_eq!(locked["unmapped"], json!({"id": 1, "what": "c"}));
    let odd = event(r#","action":"odd""#);
    assert_eq!(
        brief(&odd),
        [json!(300_199), json!("Account Change: Other"), json!("odd"), json!("shared")]
    );
    let granted = event(r#","action":7"#);
    assert_eq!(granted["class_name"], "User Access Management");
    assert_eq!((&granted["message"], &granted["privileges"]), (&json!("own"), &json!(["c"])));
    let other = event(r#","action":"\u0041ny""#);
    assert_eq!((&other["class_uid"], &other["activity_name"]), (&json!(3004), &json!("Any")));
    assert_eq!(event("")["activity_name"], "Other");
}

fn map_csv(mapper: &Mapper, file: &str) -> Vec<Value> {
    let (mut scratch, mut out) = (Scratch::new(), Vec::new());
    let mut rows = CsvRows::new(CsvLimits::default());
    let mut each = |row: Row<'_>| {
        mapper.map(Record::Row(row), &mut scratch, &mut out).unwrap();
        Ok::<_, decode::Error>(())
    };
    rows.feed(file.as_bytes(), &mut each).unwrap();
    rows.finish(&mut each).unwrap();
    let events: Vec<Value> = out
        .split_inclusive(|byte| *byte == b'\n')
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect();
    for event in events.iter().filter(|event| event.get("user").is_some()) {
        assert_eq!(check_event(event), [], "{event}");
    }
    events
}

#[test]
fn rows_of_a_file() {
    let mapper = mapper(
        "
key: $
raw: true
ignore: [EMPTY]
map:
  to: authentication
  activity: Logon
  time: { from: $.AT, format: '%Y%m%d%H%M%S%.f' }
  user.uid: $.USER_ID
  user.name: $['USER_ID','OTHER']
  src_endpoint.ip: $.IP
  service.name: Here
",
    );
    let file = "AT,IP,USER_ID,\"NA\"\"ME\",EMPTY\n20261001100002.529,,u1,\"a\nb\",\n20261001100002.529,,u1,\"a\nb\",\n20261001100003,client,u2,c,x,more,,last\n20261001100004,::1\n";
    let events = map_csv(&mapper, file);
    assert_eq!(events.len(), 4);
    assert_eq!(events[0]["time"], 1_790_848_802_529_i64);
    assert_eq!(events[0]["user"], json!({"uid": "u1", "name": "u1"}));
    assert_eq!(events[0]["unmapped"], json!({"NA\"ME": "a\nb"}));
    assert_eq!(events[0]["raw_data"], "20261001100002.529,,u1,\"a\nb\",");
    // The same row twice is two events.
    assert_ne!(events[0]["metadata"]["uid"], events[1]["metadata"]["uid"]);
    let ragged = json!({"IP": "client", "NA\"ME": "c", "_extra_1": "more", "_extra_3": "last"});
    assert_eq!(events[2]["unmapped"], ragged);
    assert_eq!((&events[3]["user"], &events[3]["unmapped"]), (&Value::Null, &Value::Null));
    // And the same file gives the same keys again.
    assert_eq!(map_csv(&mapper, file), events);
}

#[test]
fn keys_depend_on_all_parts_and_nothing_else() {
    let two = mapper(&SIGN_INS.replace("key: $.Id", "key: [$.Id, $.Browser]"));
    let key = |mapper: &Mapper, record: &str| map_line(mapper, record).unwrap().0.key;
    let first = key(&two, RECORD);
    assert_eq!(first, key(&two, &RECORD.replace("Oslo", "Bergen")));
    assert_ne!(first, key(&two, &RECORD.replace("Chrome 129", "Chrome 130")));
    let shifted = RECORD.replace("\"0Ya1\"", "\"0Ya1C\"").replace("Chrome 129", "hrome 129");
    assert_ne!(first, key(&two, &shifted));
    let without = map_line(&two, &RECORD.replace("\"Chrome 129\"", "null"));
    let path = "$.Browser".to_owned();
    assert_eq!(without.unwrap_err(), Error::Key { stream: "sign_ins".to_owned(), path });
    let mut other = context();
    other.connection = "other".to_owned();
    let source = format!("provides: sign_ins\nevery: 15m\n{SIGN_INS}");
    let document = longshore_schema::yaml::parse(&source).unwrap();
    let stream = longshore_schema::deserialize::from_node(&document.root).unwrap();
    let other = Mapper::compile(&stream, &other).unwrap();
    assert_ne!(key(&mapper(SIGN_INS), RECORD), key(&other, RECORD));
}

#[test]
fn errors_name_places_and_shapes_but_no_content() {
    let mapper = mapper(SIGN_INS);
    let fails = |record: &str| {
        let error: error::Error = map_line(&mapper, record).unwrap_err().into();
        error.to_string()
    };
    insta::assert_snapshot!(fails(&RECORD.replace("2026-10-01T10", "1 October")), @r"
    DATA_MAPPING: a record of stream sign_ins has no readable time: $.LoginTime is text of the shape `9 aaaaaaa:99:99.999+9999`
      where: stream sign_ins
      fix:   correct the path or the `format` of the time in the manifest
    ");
    insta::assert_snapshot!(fails(&RECORD.replace("Oslo\"", "Oslo\" secret")), @r"
    DATA_PARSE: a record of stream sign_ins is not JSON: expected a comma or the object's end at byte 190
      where: stream sign_ins
      fix:   ask the app's vendor why it sends broken JSON
    ");
    insta::assert_snapshot!(fails("{}"), @r"
    DATA_MAPPING: a record of stream sign_ins has no value at $.Id, which is part of its key
      where: stream sign_ins
      fix:   name a key in the manifest that every record has, or `$` for the whole record
    ");
    assert!(fails(&format!("{RECORD},")).contains("the end of the record"));
}

#[test]
fn any_bytes_give_one_line_of_json() {
    let mapper = mapper(&format!("{SIGN_INS}raw: true\n"));
    let mut record =
        RECORD.replace("Oslo", r"\ud800Os\\lo").replace("59.9", "[1,\r\n{}]").into_bytes();
    let at = record.windows(6).position(|six| six == b"Chrome").unwrap();
    record[at] = 0xFF;
    let mut out = Vec::new();
    mapper.map(Record::Json(&record), &mut Scratch::new(), &mut out).unwrap();
    let event: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(out.iter().position(|byte| *byte == b'\n'), Some(out.len() - 1));
    assert_eq!(event["src_endpoint"]["location"]["city"], "\u{FFFD}Os\\lo");
    assert_eq!(event["unmapped"]["Browser"], "\u{FFFD}hrome 129");
    assert_eq!(event["unmapped"]["LoginGeo"], json!({"Latitude": [1, {}]}));
    assert_eq!(event["raw_data"], String::from_utf8_lossy(&record).as_ref());
}

#[test]
fn records_without_a_time_have_that_of_the_response() {
    let mapper = mapper(
        "key: $\nmap: { to: user_inventory, activity: Collect, user.uid: $.Id, user.name: $ }\n",
    );
    let event = map(&mapper, r#"{"Id":"1"}"#);
    assert_eq!(event["time"], 1_790_848_800_000_i64);
    assert_eq!(event["unmapped"], Value::Null);
    let (mapped, _) = map_line(&mapper, r#"{"Id":"1"}"#).unwrap();
    assert_eq!(mapped.time, None);
    // A record need not be an object.
    let event = map(&mapper, r#""bare""#);
    assert_eq!((&event["user"]["name"], &event["unmapped"]), (&json!("bare"), &Value::Null));
}

#[test]
fn profiles_are_named_where_they_are_complete() {
    let cloud = "map: { to: account_change, activity: Create, user.uid: $.Id, cloud.provider: x, api.operation: $.op }";
    let mapper = mapper(&format!("key: $\n{cloud}\n"));
    let event = map(&mapper, r#"{"Id":"1","op":"create"}"#);
    assert_eq!(event["metadata"]["profiles"], json!(["cloud"]));
}

#[test]
fn what_cannot_be_compiled_is_named() {
    let fails = |rest: &str| {
        let source = format!("provides: sign_ins\nevery: 15m\n{rest}");
        let document = longshore_schema::yaml::parse(&source).unwrap();
        let stream = longshore_schema::deserialize::from_node(&document.root).unwrap();
        Mapper::compile(&stream, &context()).unwrap_err().to_string()
    };
    let compile = |attribute: &str| {
        fails(&format!("key: $\nmap: {{ to: authentication, activity: Logon, {attribute} }}\n"))
    };
    assert!(compile("user.nmae: x").contains("user.nmae"));
    assert!(compile("user: $.a").contains("is an object"));
    assert!(compile("src_endpoint.port: http").contains("src_endpoint.port"));
    assert!(compile("message: '{{inputs.x}}'").contains("inputs.x"));
    let unreached =
        CHOICE.replace("activity: Other, entity.name", "activity: { a: Other }, entity.name");
    assert!(fails(&unreached).contains("no activity for the values of `else`"));
}

#[test]
fn the_usual_record_needs_no_new_memory() {
    let mapper = mapper(SIGN_INS);
    let record = RECORD.replace(r"\u00e9", "");
    let (mut scratch, mut out) = (Scratch::new(), Vec::with_capacity(4096));
    let mut map = || {
        out.clear();
        mapper.map(Record::Json(record.as_bytes()), &mut scratch, &mut out).unwrap();
    };
    map();
    assert_eq!(allocation_counter::measure(map).count_total, 0);
}

/// Members of records, many of them those that [`SIGN_INS`] maps.
fn any_record() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>(),
        Just("2026-10-01T10:00:00.000+0000".to_owned()),
        Just("203.0.113.9".to_owned()),
        Just("Success".to_owned()),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let names = prop_oneof![
        Just("LoginGeo".to_owned()),
        Just("City".to_owned()),
        Just("Status".to_owned()),
        Just("SourceIp".to_owned()),
        Just("Application".to_owned()),
        Just("Protocol".to_owned()),
        Just("UserId".to_owned()),
        any::<String>(),
    ];
    let inner = leaf.prop_recursive(3, 24, 5, {
        let names = names.clone();
        move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((names.clone(), inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        }
    });
    prop::collection::vec((names, inner), 0..10).prop_map(|members| {
        let mut record: serde_json::Map<_, _> = members.into_iter().collect();
        record.insert("Id".to_owned(), "1".into());
        record.insert("LoginTime".to_owned(), "2026-10-01T10:00:00.000+0000".into());
        Value::Object(record)
    })
}

/// Whether every leaf of `source` is in `left` or accepted by `is_mapped`, which gets its path.
fn is_kept(
    source: &Value,
    left: Option<&Value>,
    path: &str,
    is_mapped: &impl Fn(&str, &Value) -> bool,
) -> bool {
    if left == Some(source) || source.is_null() || is_mapped(path, source) {
        return true;
    }
    source.as_object().is_some_and(|members| {
        members.iter().all(|(name, value)| {
            let left = left.and_then(|left| left.get(name));
            is_kept(value, left, &format!("{path}/{name}"), is_mapped)
        })
    })
}

proptest! {
    #[test]
    fn nothing_is_lost(record in any_record(), is_pretty: bool) {
        let mapper = mapper(SIGN_INS);
        let text = if is_pretty {
            serde_json::to_string_pretty(&record).unwrap()
        } else {
            record.to_string()
        };
        let (_, line) = map_line(&mapper, &text).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        // A random record may well lack what the class requires; nothing else may be wrong.
        let missing = |rule| matches!(rule, Rule::MissingAttribute | Rule::AtLeastOne);
        let wrong: Vec<_> =
            check_event(&event).into_iter().filter(|v| !missing(v.rule)).collect();
        prop_assert!(wrong.is_empty(), "{:?} {}", wrong, line);
        let text_of = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
        let holds = |pointer: &str, value: &Value| {
            event.pointer(pointer).is_some_and(|held| text_of(held) == text_of(value))
        };
        let is_mapped = |path: &str, value: &Value| match path {
            "/UserId" => holds("/user/uid", value),
            "/LoginTime" => event["time"] == 1_790_848_800_000_i64,
            "/SourceIp" => event.pointer("/src_endpoint/ip").is_some(),
            "/LoginGeo/City" => holds("/src_endpoint/location/city", value),
            "/Status" => holds("/status_detail", value),
            "/Application" => holds("/service/name", value),
            "/Protocol" => event.get("auth_protocol_id").is_some(),
            "/attributes" => true,
            _ => false,
        };
        let unmapped = event.get("unmapped").cloned().unwrap_or(json!({}));
        prop_assert!(is_kept(&record, Some(&unmapped), "", &is_mapped), "{} of {}", line, text);
    }

    #[test]
    fn scratch_makes_no_difference(records in prop::collection::vec(any_record(), 1..6)) {
        let (first, second) = (mapper(SIGN_INS), mapper(CHOICE));
        let mut shared = Scratch::new();
        for record in &records {
            let text = record.to_string();
            for mapper in [&first, &second] {
                let (mut one, mut other) = (Vec::new(), Vec::new());
                shared.start_response(5);
                let mut fresh = Scratch::new();
                fresh.start_response(5);
                let mapped = mapper.map(Record::Json(text.as_bytes()), &mut shared, &mut one);
                let again = mapper.map(Record::Json(text.as_bytes()), &mut fresh, &mut other);
                prop_assert_eq!(mapped, again);
                prop_assert_eq!(one, other);
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        at in 0_usize..400,
        cut in 0_usize..400,
    ) {
        let mapper = mapper(SIGN_INS);
        let mut damaged = RECORD.as_bytes().to_vec();
        damaged.truncate(cut.max(1));
        let at = at % damaged.len();
        damaged.splice(at..(at + bytes.len() / 2).min(damaged.len()), bytes.iter().copied());
        for record in [&bytes, &damaged] {
            let mut out = Vec::new();
            let mapped = mapper.map(Record::Json(record), &mut Scratch::new(), &mut out);
            prop_assert_eq!(mapped.is_ok(), serde_json::from_slice::<Value>(&out).is_ok());
            prop_assert_eq!(mapped.is_ok(), !out.is_empty());
        }
    }
}

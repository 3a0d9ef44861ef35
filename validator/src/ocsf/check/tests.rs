use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn metadata() -> Value {
    json!({ "version": "1.8.0", "product": { "name": "Example CRM", "vendor_name": "Example" } })
}

fn authentication() -> Value {
    json!({
        "class_uid": 3002, "class_name": "Authentication",
        "category_uid": 3, "category_name": "Identity & Access Management",
        "activity_id": 1, "activity_name": "Logon",
        "type_uid": 300_201, "type_name": "Authentication: Logon",
        "severity_id": 1, "severity": "Informational",
        "status_id": 2, "status": "Failure", "status_detail": "Invalid password",
        "time": 1_767_225_600_000_i64, "timezone_offset": 0,
        "metadata": metadata(),
        "user": { "uid": "005-simulated", "name": "ada", "email_addr": "ada@example.com",
                  "type_id": 1, "type": "User" },
        "src_endpoint": { "ip": "192.0.2.7", "port": 443, "location": { "city": "Lisbon" } },
        "service": { "name": "Browser" },
        "auth_protocol_id": 99, "auth_protocol": "Own protocol",
        "is_mfa": true,
        "unmapped": { "LoginGeoId": "04F", "nested": { "anything": [1, null] } },
    })
}

fn account_change() -> Value {
    json!({
        "class_uid": 3001, "category_uid": 3, "activity_id": 12, "type_uid": 300_112,
        "severity_id": 2, "time": 1_767_225_600_000_i64, "metadata": metadata(),
        "user": { "name": "grace" }, "user_result": { "name": "grace", "has_mfa": false },
        "actor": { "user": { "uid": "005-simulated" } },
    })
}

fn authorize_session() -> Value {
    json!({
        "class_uid": 3003, "category_uid": 3, "activity_id": 1, "type_uid": 300_301,
        "severity_id": 1, "time": 1_767_225_600_000_i64, "metadata": metadata(),
        "user": { "name": "grace" }, "privileges": ["ModifyAllData"],
    })
}

fn entity_management() -> Value {
    json!({
        "class_uid": 3004, "category_uid": 3, "activity_id": 3, "type_uid": 300_403,
        "severity_id": 1, "time": 1_767_225_600_000_i64, "metadata": metadata(),
        "entity": { "name": "Session settings", "type_id": 5, "type": "Policy" },
        "comment": "Timeout changed",
    })
}

fn user_access() -> Value {
    json!({
        "class_uid": 3005, "category_uid": 3, "activity_id": 1, "type_uid": 300_501,
        "severity_id": 1, "time": 1_767_225_600_000_i64, "metadata": metadata(),
        "user": { "uid": "005-simulated" }, "privileges": ["ModifyAllData", "ViewSetup"],
        "resources": [{ "name": "Permission set", "uid": "0PS-simulated" }],
    })
}

fn group_management() -> Value {
    json!({
        "class_uid": 3006, "category_uid": 3, "activity_id": 3, "type_uid": 300_603,
        "severity_id": 1, "time": 1_767_225_600_000_i64, "metadata": metadata(),
        "group": { "uid": "00G-simulated", "name": "Sales" }, "user": { "name": "ada" },
    })
}

fn api_activity() -> Value {
    json!({
        "class_uid": 6003, "category_uid": 6, "activity_id": 2, "type_uid": 600_302,
        "severity_id": 1, "time": 1_767_225_600_000_i64, "metadata": metadata(),
        "actor": { "user": { "uid": "005-simulated" } },
        "api": { "operation": "query", "version": "v67.0",
                 "request": { "uid": "r1", "data": { "rows": 3 } } },
        "src_endpoint": { "ip": "2001:db8::1" },
        "http_request": { "http_method": "GET", "url": { "url_string": "https://example.com/q" } },
        "resources": [{ "name": "Account", "type": "object" }],
    })
}

fn web_resources_activity() -> Value {
    json!({
        "class_uid": 6001, "category_uid": 6, "activity_id": 7, "type_uid": 600_107,
        "severity_id": 1, "time": 1_767_225_600_000_i64, "metadata": metadata(),
        "web_resources": [{ "name": "Pipeline report", "type": "report" }],
    })
}

fn file_hosting() -> Value {
    json!({
        "class_uid": 6006, "category_uid": 6, "activity_id": 2, "type_uid": 600_602,
        "severity_id": 1, "time": 1_767_225_600_000_i64, "metadata": metadata(),
        "actor": { "user": { "uid": "005-simulated" } }, "src_endpoint": { "ip": "192.0.2.7" },
        "file": { "name": "plan.pdf", "type_id": 1, "size": 5_000_000_000_i64,
                  "hashes": [{ "algorithm_id": 3, "algorithm": "SHA-256", "value": "ab" }] },
    })
}

fn user_inventory() -> Value {
    json!({
        "class_uid": 5003, "category_uid": 5, "activity_id": 2, "type_uid": 500_302,
        "severity_id": 1, "time": 1_767_225_600_000_i64, "metadata": metadata(),
        "user": { "uid": "005-simulated", "groups": [{ "name": "Sales" }], "has_mfa": true },
    })
}

fn compliance_finding() -> Value {
    json!({
        "class_uid": 2003, "category_uid": 2, "activity_id": 1, "type_uid": 200_301,
        "severity_id": 3, "time": 1_767_225_600_000_i64, "metadata": metadata(),
        "status_id": 1, "status": "New",
        "finding_info": { "uid": "session-timeout", "title": "Session timeout is long" },
        "compliance": { "control": "session-timeout", "standards": ["CIS"],
                        "status_id": 3, "status": "Fail" },
        "remediation": { "desc": "Shorten it." },
        "confidence_id": 3, "confidence": "High",
    })
}

fn application_error() -> Value {
    json!({
        "class_uid": 6008, "category_uid": 6, "activity_id": 1, "type_uid": 600_801,
        "severity_id": 4, "time": 1_767_225_600_000_i64, "metadata": metadata(),
        "message": "The daily request limit is reached",
    })
}

fn all() -> Vec<Value> {
    vec![
        authentication(),
        account_change(),
        authorize_session(),
        entity_management(),
        user_access(),
        group_management(),
        api_activity(),
        web_resources_activity(),
        file_hosting(),
        user_inventory(),
        compliance_finding(),
        application_error(),
    ]
}

/// The event with `pointer` (RFC 6901) set, or removed where `value` is `None`.
fn with(mut event: Value, pointer: &str, value: Option<Value>) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match (event.pointer_mut(parent).unwrap(), value) {
        (Value::Object(map), Some(value)) => drop(map.insert(key.to_owned(), value)),
        (Value::Object(map), None) => {
            assert!(map.remove(key).is_some(), "{pointer} was not there");
        }
        (Value::Array(list), Some(value)) => list[key.parse::<usize>().unwrap()] = value,
        _ => panic!("nothing to change at {pointer}"),
    }
    event
}

fn set(event: Value, pointer: &str, value: impl Into<Value>) -> Value {
    with(event, pointer, Some(value.into()))
}

fn without(event: Value, pointer: &str) -> Value {
    with(event, pointer, None)
}

fn found(event: &Value) -> Vec<(String, Rule)> {
    check_event(event).into_iter().map(|v| (v.path, v.rule)).collect()
}

/// Checks that exactly one thing is wrong.
#[track_caller]
fn only(event: &Value, path: &str, rule: Rule) {
    assert_eq!(found(event), [(path.to_owned(), rule)]);
}

#[test]
fn valid_events_have_no_violations() {
    for event in all() {
        assert_eq!(check_event(&event), [], "{}", event["class_uid"]);
    }
}

#[test]
fn every_required_attribute_of_every_class_is_missed() {
    for event in all() {
        let class = table().class_by_uid(event["class_uid"].as_u64().unwrap() as u32).unwrap();
        let mut required = 0;
        for (name, attribute) in class.attributes.iter() {
            if attribute.requirement != Requirement::Required || attribute.profile.is_some() {
                continue;
            }
            required += 1;
            let rule =
                if name == "class_uid" { Rule::UnknownClass } else { Rule::MissingAttribute };
            let violations = found(&without(event.clone(), &format!("/{name}")));
            assert!(
                violations.contains(&(name.to_owned(), rule)),
                "{}.{name}: {violations:?}",
                class.name
            );
        }
        assert!(required >= 7, "{}", class.name);
    }
}

#[test]
fn misses_what_each_class_requires() {
    let missing = Rule::MissingAttribute;
    only(&without(authentication(), "/user"), "user", missing);
    only(&without(account_change(), "/user"), "user", missing);
    only(&without(entity_management(), "/entity"), "entity", missing);
    only(&without(user_access(), "/privileges"), "privileges", missing);
    only(&without(group_management(), "/group"), "group", missing);
    only(&without(api_activity(), "/api"), "api", missing);
    only(&without(api_activity(), "/actor"), "actor", missing);
    only(&without(web_resources_activity(), "/web_resources"), "web_resources", missing);
    only(&without(file_hosting(), "/actor"), "actor", missing);
    only(&without(file_hosting(), "/file"), "file", missing);
    only(&without(user_inventory(), "/user"), "user", missing);
    only(&without(compliance_finding(), "/compliance"), "compliance", missing);
}

#[test]
fn misses_what_a_nested_object_requires() {
    let missing = Rule::MissingAttribute;
    only(&without(authentication(), "/metadata/product"), "metadata.product", missing);
    only(&without(api_activity(), "/api/operation"), "api.operation", missing);
    only(&without(file_hosting(), "/file/type_id"), "file.type_id", missing);
    only(&without(file_hosting(), "/file/hashes/0/value"), "file.hashes[0].value", missing);
    only(&without(compliance_finding(), "/finding_info/uid"), "finding_info.uid", missing);
}

#[test]
fn a_value_of_another_type_is_wrong() {
    let wrong = Rule::WrongType;
    let event = authentication;
    only(&set(event(), "/time", "2026-01-01T00:00:00Z"), "time", wrong);
    only(&set(event(), "/time", 1.5), "time", wrong);
    only(&set(event(), "/is_mfa", "true"), "is_mfa", wrong);
    only(&set(event(), "/user", "ada"), "user", wrong);
    only(&set(event(), "/user/name", 7), "user.name", wrong);
    only(&set(event(), "/user/name", Value::Null), "user.name", wrong);
    only(&set(event(), "/src_endpoint/ip", 7), "src_endpoint.ip", wrong);
    only(&set(event(), "/src_endpoint/location/lat", "1.0"), "src_endpoint.location.lat", wrong);
    only(&set(event(), "/unmapped", json!([])), "unmapped", wrong);
    only(&set(event(), "/severity_id", "1"), "severity_id", wrong);
    only(&set(event(), "/severity", 1), "severity", wrong);
    only(&set(event(), "/user/groups", json!({})), "user.groups", wrong);
    only(&set(event(), "/user/groups", json!(["Sales"])), "user.groups[0]", wrong);
    only(&set(user_access(), "/privileges", "ViewSetup"), "privileges", wrong);
    only(&set(user_access(), "/privileges/1", 1), "privileges[1]", wrong);
    only(&set(event(), "/metadata/profiles", "host"), "metadata.profiles", wrong);
}

#[test]
fn a_number_stays_in_its_range() {
    let range = Rule::OutOfRange;
    let event = authentication;
    only(&set(event(), "/src_endpoint/port", 65_536), "src_endpoint.port", range);
    only(&set(event(), "/src_endpoint/port", -1), "src_endpoint.port", range);
    only(&set(event(), "/count", 2_147_483_648_i64), "count", range);
    only(&set(event(), "/count", u64::MAX), "count", range);
    only(&set(event(), "/raw_data_size", u64::MAX), "raw_data_size", range);
    assert_eq!(found(&set(event(), "/raw_data_size", i64::MAX)), []);
    only(&set(event(), "/time", 1_767_225_600), "time", range);
    only(&set(event(), "/time", 1_767_225_600_000_000_i64), "time", range);
    only(&set(event(), "/end_time", -1), "end_time", range);
    assert_eq!(found(&set(event(), "/end_time", 0)), []);
}

#[test]
fn a_text_has_the_form_of_its_type() {
    let form = Rule::WrongFormat;
    let event = authentication;
    for bad in ["", "192.0.2", "192.0.2.256", "1a2b3c4", "::g", "192.0.2.7%eth0", "fe80::1%"] {
        only(&set(event(), "/src_endpoint/ip", bad), "src_endpoint.ip", form);
    }
    for good in ["::", "::ffff:192.0.2.7", "fe80::1%eth0"] {
        assert_eq!(found(&set(event(), "/src_endpoint/ip", good)), [], "{good}");
    }
    for bad in ["ada", "ada@example", "@example.com"] {
        only(&set(event(), "/user/email_addr", bad), "user.email_addr", form);
    }
    only(&set(event(), "/src_endpoint/mac", "18:36"), "src_endpoint.mac", form);
    assert_eq!(found(&set(event(), "/src_endpoint/mac", "18:36:F3:98:4F:9A")), []);
    let session = set(event(), "/session", json!({ "uid": "s", "uuid": "none" }));
    only(&session, "session.uuid", form);
    let uuid = "123e4567-e89b-12d3-a456-426614174000";
    assert_eq!(found(&set(session, "/session/uuid", uuid)), []);
    let long = format!("{:041}", 0);
    only(&set(event(), "/src_endpoint/ip", long), "src_endpoint.ip", Rule::TooLong);
}

#[test]
fn an_enum_knows_its_ids() {
    let unknown = Rule::UnknownEnumId;
    let event = authentication;
    only(&set(event(), "/severity_id", 7), "severity_id", unknown);
    only(&set(event(), "/user/type_id", -1), "user.type_id", unknown);
    only(&set(event(), "/logon_type_id", 6), "logon_type_id", unknown);
    only(
        &set(api_activity(), "/http_request/http_method", "get"),
        "http_request.http_method",
        unknown,
    );
    let activity = set(event(), "/activity_id", 8);
    let rules =
        [("activity_id".to_owned(), unknown), ("type_uid".to_owned(), Rule::InconsistentUid)];
    assert_eq!(found(&activity), rules);
}

#[test]
fn a_caption_is_that_of_its_id() {
    let mismatch = Rule::CaptionMismatch;
    let event = authentication;
    only(&set(event(), "/status", "Success"), "status", mismatch);
    only(&set(event(), "/status", "failure"), "status", mismatch);
    only(&set(event(), "/severity", "High"), "severity", mismatch);
    only(&set(event(), "/user/type", "Admin"), "user.type", mismatch);
    only(&set(event(), "/activity_name", "Logoff"), "activity_name", mismatch);
    only(&set(event(), "/class_name", "authentication"), "class_name", mismatch);
    only(&set(event(), "/category_name", "IAM"), "category_name", mismatch);
    only(&set(event(), "/type_name", "Authentication: Logoff"), "type_name", mismatch);
    only(&set(compliance_finding(), "/compliance/status", "Pass"), "compliance.status", mismatch);
    only(&set(compliance_finding(), "/status", "Success"), "status", mismatch);
}

#[test]
fn other_takes_the_words_of_the_source() {
    let mut event = authentication();
    for (pointer, value) in [
        ("/activity_id", json!(99)),
        ("/type_uid", json!(300_299)),
        ("/activity_name", json!("Badge read")),
        ("/type_name", json!("Authentication: Badge read")),
    ] {
        event = set(event, pointer, value);
    }
    assert_eq!(found(&event), []);
    only(&set(event, "/type_name", "Badge read"), "type_name", Rule::CaptionMismatch);
}

#[test]
fn captions_of_several_ids_stand_in_their_order() {
    let url = |categories: Value| {
        let url = json!({ "url_string": "https://example.com", "category_ids": [22, 99],
                          "categories": categories });
        set(api_activity(), "/http_request/url", url)
    };
    assert_eq!(found(&url(json!(["Alternative Spirituality/Belief", "Own word"]))), []);
    let path = "http_request.url.categories";
    only(&url(json!(["Own word", "x"])), &format!("{path}[0]"), Rule::CaptionMismatch);
    only(&url(json!(["Own word"])), path, Rule::CaptionMismatch);
}

#[test]
fn uids_follow_from_class_and_activity() {
    let event = authentication;
    only(&set(event(), "/type_uid", 300_202), "type_uid", Rule::InconsistentUid);
    only(&set(event(), "/category_uid", 6), "category_uid", Rule::InconsistentUid);
    only(&set(event(), "/class_uid", 1), "class_uid", Rule::UnknownClass);
    only(&set(event(), "/class_uid", "3002"), "class_uid", Rule::UnknownClass);
    only(&set(event(), "/class_uid", (1_u64 << 32) + 3002), "class_uid", Rule::UnknownClass);
    only(&json!([]), "", Rule::NotAnObject);
}

#[test]
fn constraints_hold_on_classes_and_objects() {
    let none = Rule::AtLeastOne;
    only(&without(authentication(), "/service"), "", none);
    only(&set(authentication(), "/user", json!({ "type_id": 1 })), "user", none);
    only(&set(authentication(), "/src_endpoint", json!({ "port": 1 })), "src_endpoint", none);
    only(&set(account_change(), "/actor", json!({})), "actor", none);
    only(&set(user_access(), "/resources/0", json!({ "type": "x" })), "resources[0]", none);

    only(&without(authorize_session(), "/privileges"), "", Rule::JustOne);
    only(&set(authorize_session(), "/group", json!({ "name": "Sales" })), "", Rule::JustOne);
}

#[test]
fn an_unknown_attribute_is_wrong() {
    let unknown = Rule::UnknownAttribute;
    let event = authentication;
    only(&set(event(), "/login_geo", 1), "login_geo", unknown);
    only(&set(event(), "/user/title", "Dr."), "user.title", unknown);
    only(&set(event(), "/disposition_id", 1), "disposition_id", unknown);
    only(
        &set(compliance_finding(), "/compliance/checks", json!([{ "n": 1 }])),
        "compliance.checks[0].n",
        unknown,
    );
}

#[test]
fn a_profile_brings_its_requirements() {
    let named = |event, profiles: Value| set(event, "/metadata/profiles", profiles);
    let cloud = named(authentication(), json!(["cloud", "host"]));
    only(&cloud, "cloud", Rule::MissingAttribute);
    assert_eq!(found(&set(cloud, "/cloud", json!({ "provider": "Example" }))), []);
    assert_eq!(found(&set(authentication(), "/api", json!({ "operation": "login" }))), []);

    let dated = set(authentication(), "/time_dt", "2026-01-01T00:00:00.000Z");
    only(&dated, "time_dt", Rule::UnknownAttribute);
    let dated = named(dated, json!(["datetime"]));
    assert_eq!(found(&dated), []);
    only(&set(dated.clone(), "/time_dt", "1 January"), "time_dt", Rule::WrongFormat);
    only(&set(dated, "/message_dt", "x"), "message_dt", Rule::UnknownAttribute);

    let other = named(authentication(), json!(["osint"]));
    only(&other, "metadata.profiles[0]", Rule::UnknownProfile);
}

#[test]
fn a_nest_of_objects_is_followed_so_far() {
    let mut process = json!({ "pid": 0 });
    for pid in 1..100 {
        process = json!({ "pid": pid, "parent_process": process });
    }
    let event = set(account_change(), "/actor/process", process);
    let rules: Vec<_> = check_event(&event).into_iter().map(|v| v.rule).collect();
    assert_eq!(rules, [Rule::TooDeep]);
}

#[test]
fn says_what_is_wrong_and_what_would_be_right() {
    let event = json!({
        "class_uid": 3002, "category_uid": 6, "activity_id": 1, "type_uid": 300_202,
        "severity_id": 9, "status_id": 2, "status": "Success", "time": 1_767_225_600,
        "metadata": { "version": "1.8.0", "product": {}, "profiles": ["osint"] },
        "user": { "nmae": "ada", "email_addr": "ada" },
        "src_endpoint": { "ip": "here", "port": 70_000 },
        "is_mfa": null, "time_dt": "2026-01-01T00:00:00Z", "LoginGeo": 1,
        "logon_type_id": 6, "enrichments": {},
    });
    let lines: Vec<_> = check_event(&event).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_message_keeps_the_texts_of_the_event_to_itself() {
    let secret = "simulated-secret";
    let mut event = authentication();
    for pointer in ["/time", "/status", "/user/email_addr", "/src_endpoint/ip", "/is_mfa"] {
        event = set(event, pointer, secret);
    }
    let violations = check_event(&event);
    assert_eq!(violations.len(), 5);
    assert!(violations.iter().all(|violation| !violation.to_string().contains(secret)));
}

proptest! {
    #[test]
    fn every_ip_address_is_one_by_ocsfs_pattern_too(v4: [u8; 4], v6: [u16; 8], zeros: [bool; 8]) {
        let pattern = table().primitive(Primitive::Ip).unwrap().regex.as_ref().unwrap();
        let pattern = Regex::new(pattern).unwrap();
        let mut groups = v6;
        for (group, _) in groups.iter_mut().zip(zeros).filter(|(_, zero)| *zero) {
            *group = 0;
        }
        for text in [Ipv4Addr::from(v4).to_string(), Ipv6Addr::from(groups).to_string()] {
            prop_assert!(is_ip(&text));
            prop_assert!(pattern.is_match(&text), "{}", text);
        }
    }

    #[test]
    fn any_value_anywhere_is_checked_without_panic(
        pick in 0..100_usize,
        number: i64,
        text in ".{0,20}",
        shape in 0..6_u8,
    ) {
        let value = match shape {
            0 => json!(number),
            1 => json!(text),
            2 => Value::Null,
            3 => json!([text, number]),
            4 => json!({ text: number }),
            _ => json!([{ "name": { "uid": [number] } }]),
        };
        for mut event in all() {
            let count = event.as_object().unwrap().len();
            let slot = event.as_object_mut().unwrap().values_mut().nth(pick % count).unwrap();
            *slot = value.clone();
            for violation in check_event(&event) {
                prop_assert!(!violation.message.is_empty());
            }
        }
    }
}

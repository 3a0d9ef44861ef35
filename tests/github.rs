//! The GitHub manifest against records in the form of GitHub's documentation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

use longshore_engine::map::{EventContext, Mapper, Record, Scratch};
use longshore_validator::ocsf::check_event;
use longshore_validator::{Options, validate};
use serde_json::{Value, json};

/// When the records were read: 2026-03-01T12:00:00Z.
const RECEIVED: i64 = 1_772_366_400_000;

fn event(stream: &str, record: &Value) -> Value {
    let source = include_str!("../manifests/github/manifest.yaml");
    let manifest = validate(source, &Options::default()).checked.expect("the manifest is valid");
    let (_, found) = manifest.streams.iter().find(|(name, _)| name.as_str() == stream).unwrap();
    let context = EventContext {
        connection: "octo".to_owned(),
        stream: stream.to_owned(),
        product: manifest.app.name.value.clone(),
        vendor: manifest.app.vendor.value.clone(),
        tenant: None,
    };
    let mapper = Mapper::compile(found, &context).unwrap();
    let mut scratch = Scratch::new();
    scratch.start_response(RECEIVED);
    let mut out = Vec::new();
    mapper.map(Record::Json(record.to_string().as_bytes()), &mut scratch, &mut out).unwrap();
    let event: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(check_event(&event), [], "{event:#}");
    event
}

/// An entry of the audit log with these members beside those that all have.
fn entry(action: &str, more: Value) -> Value {
    let mut entry = json!({
        "@timestamp": 1_772_366_399_512_i64,
        "_document_id": "simulated-document-id",
        "action": action,
        "actor": "octocat",
        "actor_id": 583_231,
        "actor_ip": "203.0.113.7",
        "actor_location": { "country_code": "DE" },
        "org": "octo-org",
        "org_id": 7,
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut entry, more) {
        all.extend(more);
    }
    entry
}

#[test]
fn actions_become_what_they_do() {
    let cases = [
        ("org.add_member", json!({ "user": "mona", "user_id": 9 }), "Account Change", "Create"),
        (
            "org.update_member",
            json!({ "user": "mona", "permission": "admin" }),
            "User Access Management",
            "Assign Privileges",
        ),
        (
            "team.add_member",
            json!({ "team": "octo-org/core", "user": "mona" }),
            "Group Management",
            "Add User",
        ),
        ("team.create", json!({ "team": "octo-org/core" }), "Group Management", "Create"),
        (
            "repo.access",
            json!({ "repo": "octo-org/site", "visibility": "public" }),
            "Entity Management",
            "Update",
        ),
        ("repo.download_zip", json!({ "repo": "octo-org/site" }), "API Activity", "Read"),
        ("org.disable_two_factor_requirement", json!({}), "Entity Management", "Disable"),
        ("hook.create", json!({ "name": "web", "hook_id": 3 }), "Entity Management", "Create"),
        (
            "org.sso_response",
            json!({ "issuer": "https://idp.example.com" }),
            "Authentication",
            "Logon",
        ),
        ("org.recovery_code_failed", json!({ "reason": "used" }), "Authentication", "Logon"),
    ];
    for (action, more, class, activity) in cases {
        let event = event("audit_log", &entry(action, more));
        assert_eq!(
            (&event["class_name"], &event["activity_name"]),
            (&json!(class), &json!(activity)),
            "{action}"
        );
        assert_eq!(event["metadata"]["event_code"], action);
        assert_eq!(event["time"], 1_772_366_399_512_i64);
        assert_eq!(event["actor"]["user"]["name"], "octocat");
        assert_eq!(event["src_endpoint"]["ip"], "203.0.113.7");
    }
}

#[test]
fn an_action_that_is_not_known_stays_visible() {
    let unknown =
        entry("quantum_branch.entangle", json!({ "repo": "octo-org/site", "spin": "up" }));
    let event = event("audit_log", &unknown);
    assert_eq!(event["activity_name"], "quantum_branch.entangle");
    assert_eq!(event["entity"]["type"], "quantum_branch");
    assert_eq!(event["entity"]["name"], "octo-org/site");
    assert_eq!(event["unmapped"]["spin"], "up");
}

#[test]
fn an_entry_without_an_actor_or_an_address_is_mapped() {
    let bare = json!({ "@timestamp": 1_772_366_399_512_i64, "_document_id": "x", "action": "org.invite_member", "invitee_email": "new@example.com" });
    let event = event("audit_log", &bare);
    assert_eq!(event["actor"]["user"]["name"], "unknown");
    assert_eq!(event["src_endpoint"]["name"], "unknown");
    assert_eq!(event["user"]["name"], "new@example.com");
}

#[test]
fn git_events_need_no_id_and_no_actor() {
    let clone = json!({
        "@timestamp": 1_772_366_399_512_i64, "action": "git.clone", "actor": "", "user": "",
        "org": "octo-org", "repository": "octo-org/site", "repository_public": true,
        "transport_protocol": 1, "transport_protocol_name": "http",
    });
    let event = event("git_events", &clone);
    assert_eq!(event["activity_name"], "Read");
    assert_eq!(event["actor"]["user"]["name"], "unknown");
    assert_eq!(event["resources"][0]["name"], "octo-org/site");
}

#[test]
fn members_are_as_of_when_they_were_read() {
    let member = json!({ "login": "mona", "id": 9, "node_id": "n", "type": "User", "site_admin": false, "url": "https://api.github.com/users/mona" });
    let owner = event("owners", &member);
    assert_eq!((&owner["time"], &owner["user"]["type"]), (&json!(RECEIVED), &json!("Admin")));
    assert_eq!(owner["unmapped"].get("url"), None);
    let outside = event("outside_collaborators", &member);
    assert_eq!(outside["user"]["groups"][0]["name"], "Outside collaborators");
}

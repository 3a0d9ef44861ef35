//! The simulated org over real sockets, seen through an ordinary HTTP client.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write;

use longshore_simulator::salesforce::{Config, EventMonitoring, Events, LogRows, Moment, Volume};
use support::{Client, config, start};

fn ids(records: &[serde_json::Value]) -> Vec<String> {
    records.iter().map(|record| record["Id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_sign_in_arrives_over_pages() {
    let org = start(Config { page_size: 250, ..config() }).await;
    let client = Client::signed_in(&org).await;
    let records =
        client.query_all("SELECT Id, LoginTime FROM LoginHistory ORDER BY LoginTime, Id").await;
    let mut found = ids(&records);
    let times: Vec<&str> = records.iter().map(|one| one["LoginTime"].as_str().unwrap()).collect();
    assert!(times.is_sorted());
    found.sort();
    let truth = org.truth();
    assert!(truth.sign_ins.count > 500);
    assert_eq!(found, truth.sign_ins.ids);
    let pages = truth.sign_ins.count.div_ceil(250) as u64;
    assert_eq!(truth.requests["query"] + truth.requests["query_more"], pages);
    assert_eq!(truth.usage.counted, pages);
}

#[tokio::test]
async fn windows_partition_the_audit_trail() {
    let org = start(config()).await;
    let client = Client::signed_in(&org).await;
    let whole = client.query_all("SELECT Id FROM SetupAuditTrail").await;
    let early = client
        .query_all("SELECT Id FROM SetupAuditTrail WHERE CreatedDate < 2026-09-20T10:00:00Z")
        .await;
    let late = client
        .query_all("SELECT Id, CreatedBy.Username FROM SetupAuditTrail WHERE CreatedDate >= 2026-09-20T12:00:00+02:00")
        .await;
    assert!(!early.is_empty() && !late.is_empty());
    assert_eq!(early.len() + late.len(), whole.len());
    assert_eq!(whole.len(), org.truth().setup_audit.count);
    assert!(late.iter().any(|one| one["CreatedBy"].is_null()));
    assert!(late.iter().any(|one| one["CreatedBy"]["Username"].is_string()));
}

#[tokio::test]
async fn log_files_hold_what_the_truth_says() {
    let org = start(config()).await;
    let client = Client::signed_in(&org).await;
    let files = client
        .query_all("SELECT Id, LogFile, LogFileLength, EventType, Sequence FROM EventLogFile WHERE Interval = 'Hourly' ORDER BY CreatedDate, Id")
        .await;
    let truth = org.truth();
    let hourly: Vec<_> = truth.log.files.iter().filter(|file| file.interval == "Hourly").collect();
    assert_eq!(files.len(), hourly.len());
    assert!(files.iter().any(|file| file["Sequence"] == 2), "late files exist");
    for file in files.iter().step_by(40) {
        let text = client.text(file["LogFile"].as_str().unwrap()).await;
        assert_eq!(file["LogFileLength"], text.len() as f64);
        assert_eq!(Some(text), org.log_file(file["Id"].as_str().unwrap()));
    }
    // Without an interval only daily files show; with an id both kinds do.
    let daily = client.query_all("SELECT Id FROM EventLogFile").await;
    assert_eq!(daily.len(), truth.log.files.len() - hourly.len());
    let one = format!("SELECT Id FROM EventLogFile WHERE Id = '{}'", hourly[0].id);
    assert_eq!(client.query_all(&one).await.len(), 1);
}

#[tokio::test]
async fn hourly_and_daily_files_tell_the_same_events() {
    let org = start(config()).await;
    let truth = org.truth();
    let day = |file: &longshore_simulator::salesforce::LogFileTruth| file.log_date[..10].to_owned();
    let daily = truth
        .log
        .files
        .iter()
        .find(|file| file.interval == "Daily" && file.event_type == "RestApi")
        .unwrap();
    let rows = |id: &str| -> Vec<String> {
        org.log_file(id).unwrap().lines().skip(1).map(str::to_owned).collect()
    };
    let mut hourly: Vec<String> = truth
        .log
        .files
        .iter()
        .filter(|file| file.interval == "Hourly" && file.event_type == "RestApi")
        .filter(|file| day(file) == day(daily))
        .flat_map(|file| rows(&file.id))
        .collect();
    let mut whole = rows(&daily.id);
    assert!(whole.len() > 20);
    whole.sort();
    hourly.sort();
    assert_eq!(whole, hourly);
}

#[tokio::test]
async fn late_data_shows_up() {
    let org = start(config()).await;
    let client = Client::signed_in(&org).await;
    let before = org.truth();
    let time = "2026-09-28T09:20:00Z".parse().unwrap();
    let added = org
        .add_events(&Events {
            sign_ins: vec![Moment { time, count: 2 }],
            setup_audit: vec![Moment { time, count: 1 }],
            log_rows: vec![LogRows { event_type: "Login".to_owned(), time, rows: 3 }],
        })
        .unwrap();
    let after = org.truth();
    assert_eq!(after.sign_ins.count, before.sign_ins.count + 2);
    assert_eq!(after.log.distinct_rows, before.log.distinct_rows + 3);
    let query = "SELECT Id FROM LoginHistory WHERE LoginTime = 2026-09-28T09:20:00Z";
    let found: BTreeSet<String> = ids(&client.query_all(query).await).into_iter().collect();
    assert!(added.sign_ins.iter().all(|id| found.contains(id)));
    let query = "SELECT Id, Sequence, CreatedDate FROM EventLogFile WHERE Interval = 'Hourly' AND EventType = 'Login' AND LogDate = 2026-09-28T09:00:00Z ORDER BY Sequence DESC";
    let files = client.query_all(query).await;
    assert!(files[0]["Sequence"].as_u64().unwrap() >= 2);
    assert_eq!(files[0]["CreatedDate"], "2026-10-01T10:00:00.000+0000");
    let daily = |truth: &longshore_simulator::salesforce::Truth| {
        let found = truth.log.files.iter().find(|file| {
            file.interval == "Daily"
                && file.event_type == "Login"
                && file.log_date == "2026-09-28T00:00:00Z"
        });
        found.unwrap().clone()
    };
    let (old, new) = (daily(&before), daily(&after));
    assert_eq!((new.rows, &new.id), (old.rows + 3, &old.id));
    assert_eq!(new.created_date, "2026-10-01T10:00:00Z");
}

#[tokio::test]
async fn the_clock_reveals_and_expires() {
    let org = start(config()).await;
    let client = Client::signed_in(&org).await;
    let before = org.truth();
    let oldest = before.log.files.iter().min_by_key(|file| file.created_date.clone()).unwrap();
    let path = format!("/services/data/v67.0/sobjects/EventLogFile/{}/LogFile", oldest.id);
    assert_eq!(client.get(&path).await.status(), 200);
    client.admin("clock", r#"{"advance_seconds": 2592000}"#).await;
    let client = Client::signed_in(&org).await;
    assert_eq!(client.get(&path).await.status(), 404);
    let after = org.truth();
    assert!(after.sign_ins.count > before.sign_ins.count);
    assert!(before.sign_ins.ids.iter().all(|id| after.sign_ins.ids.binary_search(id).is_ok()));
}

#[tokio::test]
async fn an_org_without_hourly_files_has_no_interval() {
    let org = start(Config { event_monitoring: EventMonitoring::Free, ..config() }).await;
    let client = Client::signed_in(&org).await;
    let error = client.error("SELECT Id, EventType, Interval, LogDate FROM EventLogFile").await;
    assert_eq!(error.0, 400);
    assert_eq!(error.1[0]["errorCode"], "INVALID_FIELD");
    let files = client.query_all("SELECT EventType FROM EventLogFile").await;
    let types: BTreeSet<&str> =
        files.iter().filter_map(|file| file["EventType"].as_str()).collect();
    assert!(types.contains("Login") && !types.contains("URI"), "{types:?}");
    let describe = client.json("/services/data/v67.0/sobjects/EventLogFile/describe").await;
    let fields = describe["fields"].as_array().unwrap();
    assert!(fields.iter().all(|field| field["name"] != "Sequence"));
}

#[tokio::test]
async fn refusals_read_like_the_real_ones() {
    let org = start(Config { content_deliveries: false, ..config() }).await;
    let client = Client::signed_in(&org).await;
    let mut report = String::new();
    for statement in [
        "SELECT Id FROM LoginHistory WHERE Status = 'Success'",
        "SELECT Id FROM ContentDistribution",
        "SELECT Id, Nonsense FROM LoginHistory WHERE LoginTime >= 2026-10-01T00:00:00Z",
        "SELECT Id, LoginTime, Owner.Name FROM LoginHistory",
        "SELECT Id FROM LoginHistory WHERE LoginTime >= '2026-10-01T00:00:00Z'",
        "SELECT Id FROM LoginHistory WHERE UserId = 'nobody'",
        "SELECT Id FROM LoginHistory WHERE UserId LIKE '005%'",
        "SELECT Id FROM LoginHistory ORDER BY OptionsIsGet",
        "SELECT Id FROM User WHERE IsActive = 'true'",
        "SELECT Id, COUNT(Id) FROM User GROUP BY ProfileId",
        "SELECT COUNT(Id) FROM SetupAuditTrail",
        "SELECT FIELDS(ALL) FROM User",
        "SELECT Id FRM User",
    ] {
        let (status, body) = client.error(statement).await;
        let code = body[0]["errorCode"].as_str().unwrap();
        let message = body[0]["message"].as_str().unwrap();
        write!(report, "{statement}\n{status} {code} {message}\n\n").unwrap();
    }
    insta::assert_snapshot!(report);
}

#[tokio::test]
async fn answers_have_the_documented_shapes() {
    let org = start(config()).await;
    let client = Client::signed_in(&org).await;
    let mut report = String::new();
    for statement in [
        "SELECT Id, UserId, LoginTime, Status, LoginGeo.City, LoginGeo.Latitude, SourceIp FROM LoginHistory ORDER BY LoginTime, Id LIMIT 3",
        "SELECT Id, Action, Section, Display, CreatedDate, CreatedBy.Name, CreatedBy.Username, DelegateUser FROM SetupAuditTrail ORDER BY CreatedDate, Id LIMIT 3",
        "SELECT Id, EventType, LogDate, Interval, Sequence, LogFileLength, CreatedDate, LogFile FROM EventLogFile WHERE Interval = 'Hourly' ORDER BY CreatedDate, Id LIMIT 2",
        "SELECT COUNT() FROM User",
        "SELECT COUNT(Id) FROM User WHERE IsActive = true",
        "SELECT UserType, COUNT(Id) total FROM User GROUP BY UserType",
        "SELECT Id, Username, Profile.Name, UserRole.Name, Manager.Username FROM User WHERE Profile.Name IN ('System Administrator') ORDER BY Username DESC LIMIT 2",
        "SELECT PermissionsApiEnabled, PermissionsModifyAllData FROM UserPermissionAccess LIMIT 1",
        "SELECT Id, OrganizationType, IsSandbox FROM Organization",
        "SELECT Assignee.Username FROM PermissionSetAssignment WHERE PermissionSet.IsOwnedByProfile = false AND (PermissionSet.PermissionsModifyAllData = true OR PermissionSet.PermissionsManageUsers = true) ORDER BY Assignee.Username LIMIT 2",
    ] {
        let (status, body) = client.raw(statement).await;
        write!(report, "{statement}\n{status} {body}\n\n").unwrap();
    }
    insta::assert_snapshot!(report);
}

#[tokio::test]
async fn without_manage_users_only_own_sign_ins_show() {
    let mut limited = config();
    limited.permissions.remove("PermissionsManageUsers");
    let org = start(limited).await;
    let client = Client::signed_in(&org).await;
    let own = client.query_all("SELECT UserId FROM LoginHistory").await;
    let users: BTreeSet<&str> = own.iter().filter_map(|one| one["UserId"].as_str()).collect();
    assert_eq!(users.len(), 1);
    assert!(own.len() < org.truth().sign_ins.count);
}

#[tokio::test]
async fn unknown_users_and_relationships_are_null() {
    let org = start(Config { volume: Volume { users: 5, ..config().volume }, ..config() }).await;
    let client = Client::signed_in(&org).await;
    let known =
        client.query_all("SELECT Id FROM LoginHistory WHERE UserId IN (SELECT Id FROM User)").await;
    let all = client.query_all("SELECT Id FROM LoginHistory").await;
    assert!(known.len() < all.len(), "sign-ins of departed users exist");
}

#[tokio::test]
async fn freezing_a_user_leaves_traces() {
    let org = start(config()).await;
    let client = Client::signed_in(&org).await;
    let user = "005Dn0000000009IAA";
    let user =
        client.query_all(&format!("SELECT Id, Name FROM User WHERE Id = '{}'", &user[..15])).await;
    let (id, name) = (user[0]["Id"].as_str().unwrap(), user[0]["Name"].as_str().unwrap());
    let query = format!("SELECT Id, IsFrozen FROM UserLogin WHERE UserId = '{id}'");
    let login = client.query_all(&query).await;
    assert_eq!(login[0]["IsFrozen"], false);
    let patch = async |path: String, body: &'static str| {
        let response = client
            .http
            .patch(format!("{}/services/data/v67.0/sobjects/{path}", client.base))
            .header("authorization", format!("Bearer {}", client.token))
            .body(body)
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let login = format!("UserLogin/{}", login[0]["Id"].as_str().unwrap());
    assert_eq!(patch(login.clone(), r#"{"IsFrozen": true}"#).await, (204, String::new()));
    assert_eq!(patch(login, r#"{"IsFrozen": true}"#).await.0, 204);
    assert_eq!(client.query_all(&query).await[0]["IsFrozen"], true);
    let trail = client
        .query_all("SELECT Action, Display, CreatedBy.Username FROM SetupAuditTrail WHERE CreatedDate >= 2026-10-01T10:00:00Z")
        .await;
    assert_eq!(trail.len(), 1, "the second call changed nothing");
    assert_eq!(trail[0]["Action"], "frozeuser");
    assert!(trail[0]["Display"].as_str().unwrap().contains(name));
    client.admin("clock", r#"{"advance_seconds": 864000}"#).await;
    let client = Client::signed_in(&org).await;
    let query = format!(
        "SELECT Status FROM LoginHistory WHERE UserId = '{id}' AND LoginTime >= 2026-10-01T10:00:00Z"
    );
    let later = client.query_all(&query).await;
    assert!(!later.is_empty());
    assert!(later.iter().all(|one| one["Status"] == "User Is Frozen"));
    let (status, body) = patch(format!("User/{id}"), r#"{"Title": "CEO"}"#).await;
    assert_eq!(status, 401, "{body}");
}

#[tokio::test]
async fn the_health_check_is_a_tooling_matter() {
    let org = start(Config { language: "de".to_owned(), ..config() }).await;
    let client = Client::signed_in(&org).await;
    let statement = "SELECT DurableId, Setting, RiskType, OrgValueRaw FROM SecurityHealthCheckRisks WHERE DurableId = 'SessionSettings.lockSessionsToIp'";
    let (status, body) = client.error(statement).await;
    assert_eq!((status, body[0]["errorCode"].as_str()), (400, Some("INVALID_TYPE")));
    assert!(body[0]["message"].as_str().unwrap().starts_with("[de] "));
    let path = Client::path(statement).replace("/query/", "/tooling/query/");
    let answer = client.json(&path).await;
    let risk = &answer["records"][0];
    assert_eq!(
        (risk["OrgValueRaw"].as_str(), risk["RiskType"].as_str()),
        (Some("false"), Some("INFORMATIONAL"))
    );
    assert!(risk["Setting"].as_str().unwrap().starts_with("[de] "));
}

#[tokio::test]
async fn oauth_tokens_have_no_id() {
    let org = start(config()).await;
    let client = Client::signed_in(&org).await;
    let tokens = client.query_all("SELECT Id, AppName, User.Username FROM OauthToken").await;
    assert_eq!(tokens.len(), 20);
    assert!(tokens.iter().all(|token| token["Id"].is_null() && token["AppName"].is_string()));
    let query = "SELECT DeleteToken FROM OauthToken";
    let token = client.query_all(query).await[0]["DeleteToken"].as_str().unwrap().to_owned();
    let revoke = format!("{}/services/oauth2/revoke", org.url());
    assert_eq!(support::post(&revoke, &[("token", &token)]).await.0, 200);
    assert_eq!(support::post(&revoke, &[("token", &token)]).await.0, 400);
    assert_eq!(client.query_all(query).await.len(), 19);
}

#[tokio::test]
async fn a_default_org_is_ready_at_once() {
    let begin = std::time::Instant::now();
    let org = start(Config::default()).await;
    let client = Client::signed_in(&org).await;
    let sign_ins = client.query_all("SELECT Id FROM LoginHistory").await.len();
    let changes = client.query_all("SELECT Id FROM SetupAuditTrail").await.len();
    let query = "SELECT Id FROM EventLogFile WHERE Interval IN ('Hourly', 'Daily')";
    let files = client.query_all(query).await.len();
    println!(
        "{sign_ins} {changes} {files} {} in {:?}",
        org.truth().log.distinct_rows,
        begin.elapsed()
    );
    assert!((2000..8000).contains(&sign_ins) && (200..1000).contains(&changes));
    assert!((2000..20_000).contains(&files));
    assert!(begin.elapsed().as_secs() < 10, "an unoptimized build has time to spare too");
}

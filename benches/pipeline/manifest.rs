//! The manifests of the shapes.

use crate::shapes::Shape;

/// How much a stream maps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Complete events: what is not mapped is kept.
    Complete,
    /// What is mapped, 12 fields, and nothing else.
    Projected,
    /// As projected, with records found by a filter in the parsed page.
    General,
    /// The records are items with a request each, which shows one record.
    Items,
}

pub(crate) fn manifest(shape: Shape, depth: Depth) -> String {
    let stream = match shape {
        Shape::Salesforce | Shape::Body => SALESFORCE,
        Shape::Nested => NESTED,
        Shape::Small => SMALL,
        Shape::Csv => CSV,
    };
    let stream = match depth {
        Depth::Complete => stream.to_owned(),
        Depth::Projected => stream.replace("    key:", "    unmapped: false\n    key:"),
        Depth::Items => {
            let (list, records) = (stream.find("    request:"), stream.find("    key:"));
            let (list, records) = (list.unwrap_or_default(), records.unwrap_or_default());
            format!("{}{STEPS}{}", &stream[..list], &stream[records..])
        }
        Depth::General => stream
            .replace("    key:", "    unmapped: false\n    key:")
            .replace("records: $[*]", "records: $[?@.uuid]"),
    };
    format!("{HEAD}{stream}")
}

const STEPS: &str = r#"    steps:
      items:
        request: { get: /query/000000 }
        pages: { next_url: $.next }
        records: $.items[*]
        key: $.id
      events:
        request: { get: "/item/{{items.id}}", query: { from: "{{window.start}}", to: "{{window.end}}" } }
        records: $.items[*]
"#;

const HEAD: &str = r#"
manifest: longshore/v1
id: bench
version: 1.0.0
app: { name: Bench, vendor: Longshore, links: { api: https://api.bench.test/docs } }
profiles: [threat_protection]
inputs: { key: { type: secret, title: Key } }
auth: { api_key: { header: Authorization, value: "Token {{inputs.key}}" } }
http: { base_url: https://api.bench.test, hosts: [api.bench.test] }
quotas:
  calls: { limit: 1000000, period: { rolling: 24h }, reserve: 10%, counts: [own] }
streams:
  users:
    provides: users
    every: 24h
    request: { get: /users }
    records: $.users[*]
    key: $.id
    map: { to: user_inventory, activity: Collect, time: $.changed, user.uid: $.id }
"#;

const SALESFORCE: &str = r#"  sign_ins:
    provides: sign_ins
    every: 15m
    window: { on: $.LoginTime, backfill: 60d, span: 60d, lag: 1m, overlap: 10m, order: ascending }
    request: { get: /query/000000, query: { from: "{{window.start}}", to: "{{window.end}}" } }
    pages: { next_url: $.nextRecordsUrl }
    promise: { last_page: { $.done: true }, total: $.totalSize }
    records: $.records[*]
    key: $.Id
    ignore: [attributes, LoginSubType, Platform, ClientVersion, TlsProtocol, CipherSuite]
    map:
      to: authentication
      activity: Logon
      time: $.LoginTime
      metadata.original_event_uid: $.Id
      user.uid: $.UserId
      src_endpoint.ip: $.SourceIp
      src_endpoint.location.country: $.CountryIso
      status: { from: $.Status, when: { Success: Success }, else: Failure }
      status_detail: $.Status
      service.name: { from: $.Application, else: Salesforce }
      http_request.user_agent: $.Browser
      dst_endpoint.hostname: $.LoginUrl
      metadata.event_code: $.LoginType
"#;

const NESTED: &str = r#"  sign_ins:
    provides: sign_ins
    every: 15m
    window: { on: $.published, backfill: 60d, span: 60d, lag: 1m, overlap: 10m, order: ascending }
    request: { get: /query/000000, query: { since: "{{window.start}}", until: "{{window.end}}" } }
    pages: { link_header: next }
    records: $[*]
    key: $.uuid
    map:
      to: authentication
      activity: Logon
      time: $.published
      metadata.original_event_uid: $.uuid
      user.uid: $.actor.id
      src_endpoint.ip: $.client.ipAddress
      src_endpoint.location.country: $.client.geographicalContext.country
      src_endpoint.location.city: $.client.geographicalContext.city
      status: { from: $.outcome.result, when: { SUCCESS: Success }, else: Failure }
      status_detail: $.outcome.result
      service.name: Okta
      http_request.user_agent: $.client.userAgent.rawUserAgent
      metadata.event_code: $.eventType
"#;

const SMALL: &str = r#"  sign_ins:
    provides: sign_ins
    every: 15m
    window: { on: $.time, backfill: 60d, span: 60d, lag: 1m, overlap: 10m, order: ascending }
    request: { get: /query/000000, query: { from: "{{window.start}}", to: "{{window.end}}" } }
    pages: { next_url: $.next }
    records: $.items[*]
    key: $.id
    map:
      to: authentication
      activity: Logon
      time: $.time
      metadata.original_event_uid: $.id
      user.uid: $.user.id
      src_endpoint.ip: $.ip
      src_endpoint.location.country: $.country
      status: { from: $.result, when: { SUCCESS: Success }, else: Failure }
      status_detail: $.result
      service.name: { from: $.app, else: Bench }
      http_request.user_agent: $.agent
      dst_endpoint.hostname: $.host
      metadata.event_code: $.type
"#;

const CSV: &str = r#"  sign_ins:
    provides: sign_ins
    every: 15m
    window: { on: $.TIMESTAMP, backfill: 60d, span: 60d, lag: 1m, overlap: 10m, order: ascending }
    request: { get: /query/000000, query: { from: "{{window.start}}", to: "{{window.end}}" } }
    decode: csv
    key: $.REQUEST_ID
    map:
      to: authentication
      activity: Logon
      time: $.TIMESTAMP
      metadata.original_event_uid: $.REQUEST_ID
      user.uid: $.USER_ID
      src_endpoint.ip: $.SOURCE_IP
      src_endpoint.location.country: $.COUNTRY
      status: { from: $.STATUS, when: { SUCCESS: Success }, else: Failure }
      status_detail: $.STATUS
      service.name: { from: $.APPLICATION, else: Bench }
      http_request.user_agent: $.USER_AGENT
      dst_endpoint.hostname: $.LOGIN_URL
      metadata.event_code: $.LOGIN_TYPE
"#;

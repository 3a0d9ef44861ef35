//! How fast records become events: Salesforce-shaped sign-ins of 15 fields and some 550 bytes.

use divan::{Bencher, counter::ItemsCount};
use longshore_engine::map::{EventContext, Mapper, Record, Scratch};
use longshore_schema::stream::Stream;
use longshore_schema::{deserialize, yaml};

fn main() {
    divan::main();
}

const STREAM: &str = "
provides: sign_ins
every: 15m
window: { on: $.LoginTime, backfill: 60d }
records: $.records[*]
key: $.Id
ignore: [attributes]
map:
  to: authentication
  activity: Logon
  time: $.LoginTime
  user.uid: $.UserId
  src_endpoint.ip: $.SourceIp
  src_endpoint.location.country: $.CountryIso
  status: { from: $.Status, when: { Success: Success }, else: Failure }
  status_detail: $.Status
  service.name: { from: $.Application, else: Salesforce }
  http_request.user_agent: $.Browser
  http_request.url.hostname: $.LoginUrl
  logon_type: $.LoginType
  auth_protocol: { from: $.LoginType, when: { SAML Sfdc Initiated SSO: SAML }, else: Other }
  metadata.original_time: $.LoginTime
";

/// Records as they are in Salesforce's `LoginHistory`.
fn records() -> Vec<String> {
    let statuses = ["Success", "Success", "Success", "Invalid Password"];
    (0..2000)
        .map(|n| {
            format!(
                r#"{{"attributes":{{"type":"LoginHistory","url":"/services/data/v67.0/sobjects/LoginHistory/0YaDn{n:010}KAA"}},"Id":"0YaDn{n:010}KAA","UserId":"005Dn{:010}IAC","LoginTime":"2026-10-01T10:{:02}:{:02}.000+0000","LoginType":"Remote Access 2.0","LoginUrl":"login.salesforce.com","SourceIp":"203.0.113.{}","Status":"{}","Browser":"Chrome 129","Platform":"Windows 10","Application":"Data Loader","ApiType":"N/A","CountryIso":"NO","TlsProtocol":"TLS 1.3","CipherSuite":"TLS_AES_256_GCM_SHA384"}}"#,
                n % 300,
                n / 60 % 60,
                n % 60,
                n % 250,
                statuses[n % 4],
            )
        })
        .collect()
}

fn mapper() -> Mapper {
    let document = yaml::parse(STREAM).expect("the stream is YAML");
    let stream: Stream = deserialize::from_node(&document.root).expect("the stream is a stream");
    let context = EventContext {
        connection: "acme".to_owned(),
        stream: "sign_ins".to_owned(),
        product: "Salesforce".to_owned(),
        vendor: "Salesforce, Inc.".to_owned(),
        tenant: Some("00DDn000000Stub".to_owned()),
    };
    Mapper::compile(&stream, &context).expect("the mapping compiles")
}

#[divan::bench]
fn login_history(bencher: Bencher<'_, '_>) {
    let (mapper, records) = (mapper(), records());
    let (mut scratch, mut out) = (Scratch::new(), Vec::with_capacity(4 << 20));
    bencher.counter(ItemsCount::new(records.len())).bench_local(|| {
        out.clear();
        scratch.start_response(0);
        for record in &records {
            mapper
                .map(Record::Json(record.as_bytes()), &mut scratch, &mut out)
                .expect("the record maps");
        }
        out.len()
    });
}

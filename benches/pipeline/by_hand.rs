//! Programs written for one response each: what a person would write with serde and csv, borrowing
//! where it can, with 12 normalized fields a record.

use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;

use jiff::Timestamp;
use longshore_engine::http::{Client, Hosts, Method, Request, Transport};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::Failure;
use crate::shapes::Shape;

pub(crate) fn client(server: SocketAddr) -> Result<(Client, Url), Failure> {
    let hosts = Hosts::new(["api.bench.test"])?;
    let client = Client::new(&Transport::new()?, hosts, Some(server))?;
    Ok((client, Url::parse("https://api.bench.test/query/000000")?))
}

/// Receives everything and drops it. Returns the bytes.
pub(crate) async fn drain(shape: Shape, records: u64, server: SocketAddr) -> Result<u64, Failure> {
    let (client, first) = client(server)?;
    let is_one = matches!(shape, Shape::Csv | Shape::Body);
    let pages = if is_one { 1 } else { records / shape.page() };
    let mut bytes = 0;
    for page in 0..pages {
        let url = first.join(&format!("/query/{page:06}"))?;
        let mut response =
            client.send(Request::new(Method::GET, url)).await.map_err(|f| f.error)?;
        while let Some(chunk) = response.chunk().await? {
            bytes += std::hint::black_box(&chunk).len() as u64;
        }
    }
    Ok(bytes)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SalesforcePage<'p> {
    next_records_url: Option<&'p str>,
    #[serde(borrow)]
    records: Vec<Login<'p>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_field_names, reason = "the names are the source's")]
struct Login<'p> {
    id: &'p str,
    user_id: &'p str,
    login_time: &'p str,
    login_type: &'p str,
    login_url: &'p str,
    source_ip: &'p str,
    status: &'p str,
    browser: &'p str,
    application: &'p str,
    country_iso: &'p str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Nested<'p> {
    uuid: &'p str,
    published: &'p str,
    event_type: &'p str,
    #[serde(borrow)]
    actor: Actor<'p>,
    client: ClientOf<'p>,
    outcome: Outcome<'p>,
}

#[derive(Deserialize)]
struct Actor<'p> {
    id: &'p str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientOf<'p> {
    ip_address: &'p str,
    #[serde(borrow)]
    user_agent: Agent<'p>,
    geographical_context: Place<'p>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Agent<'p> {
    raw_user_agent: &'p str,
}

#[derive(Deserialize)]
struct Place<'p> {
    country: &'p str,
    city: &'p str,
}

#[derive(Deserialize)]
struct Outcome<'p> {
    result: &'p str,
}

#[derive(Deserialize)]
struct SmallPage<'p> {
    next: Option<&'p str>,
    #[serde(borrow)]
    items: Vec<Small<'p>>,
}

#[derive(Deserialize)]
struct Small<'p> {
    id: &'p str,
    time: &'p str,
    #[serde(borrow)]
    user: Actor<'p>,
    ip: &'p str,
    country: &'p str,
    result: &'p str,
    app: &'p str,
    agent: &'p str,
    host: &'p str,
    #[serde(rename = "type")]
    kind: &'p str,
}

#[derive(Serialize)]
struct Event<'p> {
    class_uid: u32,
    activity_id: u32,
    time: i64,
    uid: &'p str,
    user_uid: &'p str,
    src_ip: std::net::IpAddr,
    status_id: u32,
    status_detail: &'p str,
    service: &'p str,
    user_agent: &'p str,
    country: &'p str,
    hostname: &'p str,
    logon_type: &'p str,
}

impl Event<'_> {
    fn new(time: &str, ip: &str, ok: bool) -> Result<Self, Failure> {
        Ok(Self {
            class_uid: 3002,
            activity_id: 1,
            time: time.parse::<Timestamp>()?.as_millisecond(),
            uid: "",
            user_uid: "",
            src_ip: ip.parse()?,
            status_id: if ok { 1 } else { 2 },
            status_detail: "",
            service: "",
            user_agent: "",
            country: "",
            hostname: "",
            logon_type: "",
        })
    }
}

/// Reads everything and writes an event for each record. Returns the records.
pub(crate) async fn by_hand(
    shape: Shape,
    server: SocketAddr,
    folder: &Path,
) -> Result<u64, Failure> {
    let (client, first) = client(server)?;
    let mut file = BufWriter::with_capacity(1 << 20, std::fs::File::create(folder.join("events"))?);
    let (mut url, mut records) = (first, 0);
    loop {
        let mut response =
            client.send(Request::new(Method::GET, url.clone())).await.map_err(|f| f.error)?;
        let link = response.headers.get("link").and_then(|link| link.to_str().ok());
        let link = link.and_then(|link| link.split(['<', '>']).nth(1)).map(str::to_owned);
        let body = response.bytes().await?;
        let mut write = |event: &Event<'_>| -> Result<(), Failure> {
            records += 1;
            serde_json::to_writer(&mut file, event)?;
            Ok(file.write_all(b"\n")?)
        };
        let next = match shape {
            Shape::Salesforce | Shape::Body => salesforce(&body, &mut write)?,
            Shape::Nested => {
                nested(&body, &mut write)?;
                link
            }
            Shape::Small => small(&body, &mut write)?,
            Shape::Csv => {
                csv(&body, &mut write)?;
                None
            }
        };
        match next {
            Some(next) => url = url.join(&next)?,
            None => break,
        }
    }
    file.flush()?;
    Ok(records)
}

type Write1<'w> = &'w mut dyn FnMut(&Event<'_>) -> Result<(), Failure>;

fn salesforce(body: &[u8], write: Write1<'_>) -> Result<Option<String>, Failure> {
    let page: SalesforcePage<'_> = serde_json::from_slice(body)?;
    for login in &page.records {
        let time = login.login_time.replace("+0000", "Z");
        write(&Event {
            uid: login.id,
            user_uid: login.user_id,
            status_detail: login.status,
            service: login.application,
            user_agent: login.browser,
            country: login.country_iso,
            hostname: login.login_url,
            logon_type: login.login_type,
            ..Event::new(&time, login.source_ip, login.status == "Success")?
        })?;
    }
    Ok(page.next_records_url.map(str::to_owned))
}

fn nested(body: &[u8], write: Write1<'_>) -> Result<(), Failure> {
    let page: Vec<Nested<'_>> = serde_json::from_slice(body)?;
    for event in &page {
        let result = event.outcome.result;
        write(&Event {
            uid: event.uuid,
            user_uid: event.actor.id,
            status_detail: result,
            service: "Okta",
            user_agent: event.client.user_agent.raw_user_agent,
            country: event.client.geographical_context.country,
            hostname: event.client.geographical_context.city,
            logon_type: event.event_type,
            ..Event::new(event.published, event.client.ip_address, result == "SUCCESS")?
        })?;
    }
    Ok(())
}

fn small(body: &[u8], write: Write1<'_>) -> Result<Option<String>, Failure> {
    let page: SmallPage<'_> = serde_json::from_slice(body)?;
    for item in &page.items {
        write(&Event {
            uid: item.id,
            user_uid: item.user.id,
            status_detail: item.result,
            service: item.app,
            user_agent: item.agent,
            country: item.country,
            hostname: item.host,
            logon_type: item.kind,
            ..Event::new(item.time, item.ip, item.result == "SUCCESS")?
        })?;
    }
    Ok(page.next.map(str::to_owned))
}

fn csv(body: &[u8], write: Write1<'_>) -> Result<(), Failure> {
    let mut rows = csv::Reader::from_reader(body);
    let header = rows.headers()?.clone();
    let column = |name: &str| header.iter().position(|known| known == name).unwrap_or_default();
    let names = ["TIMESTAMP", "SOURCE_IP", "STATUS", "REQUEST_ID", "USER_ID", "APPLICATION"];
    let [time, ip, status, id, user, app] = names.map(column);
    let names = ["USER_AGENT", "COUNTRY", "LOGIN_URL", "LOGIN_TYPE"];
    let [agent, country, host, kind] = names.map(column);
    let mut row = csv::StringRecord::new();
    while rows.read_record(&mut row)? {
        write(&Event {
            uid: &row[id],
            user_uid: &row[user],
            status_detail: &row[status],
            service: &row[app],
            user_agent: &row[agent],
            country: &row[country],
            hostname: &row[host],
            logon_type: &row[kind],
            ..Event::new(&row[time], &row[ip], &row[status] == "SUCCESS")?
        })?;
    }
    Ok(())
}

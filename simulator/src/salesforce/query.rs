//! The query resource: pages, locators, and records as JSON
//! (REST API Developer Guide, "Query" and "Query More Results").

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::data::Row;
use super::data::catalogue::Object;
use super::errors::Error;
use super::http::{Call, Reply};
use super::ids::Id;
use super::org::Org;
use super::soql::{self, Group, Outcome, Output, Plan, Select};
use super::sync::lock;
use super::value::Value;

/// How long a locator lives, in seconds.
const LIFETIME: i64 = 2 * 86_400;
/// Locators kept; the oldest goes first.
const KEPT: usize = 200;
const PREFIX: [u8; 3] = *b"0r8";

/// Results of which pages are still to be fetched.
#[derive(Debug, Default)]
pub(crate) struct Locators {
    next: u64,
    open: BTreeMap<u64, Cursor>,
}

#[derive(Debug, Clone)]
struct Cursor {
    plan: Arc<Plan>,
    rows: Arc<[Row]>,
    page: usize,
    expires: i64,
}

impl Locators {
    fn open(&mut self, cursor: Cursor) -> u64 {
        self.next += 1;
        self.open.insert(self.next, cursor);
        while self.open.len() > KEPT {
            self.open.pop_first();
        }
        self.next
    }

    /// Ends the locator in a path such as `…/query/0r8…-2000`.
    pub(crate) fn expire(&mut self, path: &str) {
        let text = path.rsplit('/').next().unwrap_or_default();
        if let Some((number, _)) = parse_locator(text) {
            self.open.remove(&number);
        }
    }
}

fn parse_locator(text: &str) -> Option<(u64, usize)> {
    let (id, offset) = text.split_once('-')?;
    let id = Id::parse(id)?;
    (id.prefix() == PREFIX).then_some((id.number(), offset.parse().ok()?))
}

/// Runs the statement in `q`.
pub(crate) fn query(org: &Org, call: &Call, version: &str, tooling: bool) -> Result<Reply, Error> {
    let source = call
        .parameter("q")
        .ok_or_else(|| Error::malformed("A query string has to be specified"))?;
    let now = org.now();
    let parsed = soql::parse(&source)?;
    let plan = soql::plan(&source, &parsed, &org.catalogue, &org.data, now, tooling)?;
    if call.parameter("columns").is_some_and(|value| value == "true") {
        return Ok(columns(org, &plan));
    }
    Ok(match soql::run(&plan, &org.data, now) {
        Outcome::Count(count) => {
            Reply::json(200, &json!({"totalSize": count, "done": true, "records": []}))
        }
        Outcome::Groups(groups) => aggregates(&groups),
        Outcome::Records(rows) => {
            let cursor = Cursor {
                plan: Arc::new(plan),
                rows: rows.into(),
                page: page_size(org, call),
                expires: now + LIFETIME,
            };
            page(org, version, cursor, None, 0)
        }
    })
}

/// The page behind a locator such as `0r8…-2000`.
pub(crate) fn more(org: &Org, version: &str, locator: &str) -> Result<Reply, Error> {
    let (number, offset) = parse_locator(locator).ok_or_else(Error::locator)?;
    let now = org.now();
    let cursor = lock(&org.locators).open.get(&number).cloned().ok_or_else(Error::locator)?;
    if cursor.expires <= now || offset > cursor.rows.len() {
        return Err(Error::locator());
    }
    Ok(page(org, version, cursor, Some(number), offset))
}

fn page_size(org: &Org, call: &Call) -> usize {
    let asked = call
        .header("sforce-query-options")
        .and_then(|options| options.split_once("batchSize="))
        .and_then(|(_, size)| size.split([',', ';']).next()?.trim().parse::<u32>().ok())
        .map_or(2000, |size| size.clamp(200, 2000));
    asked.min(org.config.page_size).max(1) as usize
}

fn page(org: &Org, version: &str, cursor: Cursor, number: Option<u64>, offset: usize) -> Reply {
    let end = (offset + cursor.page).min(cursor.rows.len());
    let mut body = format!("{{\"totalSize\":{}", cursor.rows.len()).into_bytes();
    let (plan, rows) = (Arc::clone(&cursor.plan), Arc::clone(&cursor.rows));
    if end < rows.len() {
        let number = number.unwrap_or_else(|| lock(&org.locators).open(cursor));
        let locator = Id::new(PREFIX, number);
        body.extend(
            format!(
                ",\"done\":false,\"nextRecordsUrl\":\"/services/data/{version}/query/{locator}-{end}\""
            )
            .bytes(),
        );
    } else {
        body.extend(b",\"done\":true");
    }
    body.extend(b",\"records\":[");
    if let Select::Records(outputs) = &plan.select {
        let now = org.now();
        for (place, row) in rows[offset..end].iter().enumerate() {
            if place > 0 {
                body.push(b',');
            }
            let writer = Writer { org, version, now };
            writer.record(&mut body, plan.name, row, outputs);
        }
    }
    body.extend(b"]}");
    Reply::new(200, "application/json;charset=UTF-8", body)
}

fn put(body: &mut Vec<u8>, value: &impl Serialize) {
    // Values are strings, finite numbers, booleans and null: they always serialize.
    let _ = serde_json::to_writer(body, value);
}

/// Writes records with their fields in the order of the statement.
struct Writer<'a> {
    org: &'a Org,
    version: &'a str,
    now: i64,
}

impl Writer<'_> {
    fn record(&self, body: &mut Vec<u8>, name: &str, row: &Row, outputs: &[Output]) {
        let data = &self.org.data;
        let id = match data.value(row, "Id", self.now) {
            Value::Id(id) => id.to_string(),
            Value::Text(id) => id.into_owned(),
            _ => "000000000000000AAA".to_owned(),
        };
        let url = format!("/services/data/{}/sobjects/{name}/{id}", self.version);
        body.extend(format!("{{\"attributes\":{{\"type\":\"{name}\",\"url\":\"{url}\"}}").bytes());
        for output in outputs {
            body.push(b',');
            match output {
                Output::Field(field) => {
                    put(body, field);
                    body.push(b':');
                    put(body, &self.field(row, field));
                }
                Output::Parent { relationship, reference, object, name, outputs } => {
                    put(body, relationship);
                    body.push(b':');
                    let parent = match data.value(row, reference, self.now) {
                        Value::Id(id) => data.find(*object, id, self.now),
                        _ => None,
                    };
                    match parent {
                        Some(parent) => self.record(body, name, &parent, outputs),
                        None => body.extend(b"null"),
                    }
                }
            }
        }
        body.push(b'}');
    }

    fn field(&self, row: &Row, field: &str) -> Value {
        match (row, field) {
            (Row::File(file), "LogFile") => Value::text(format!(
                "/services/data/{}/sobjects/EventLogFile/{}/LogFile",
                self.version,
                file.id()
            )),
            _ => self.org.data.value(row, field, self.now),
        }
    }
}

/// One whole record as JSON.
pub(crate) fn record(org: &Org, version: &str, name: &str, row: &Row, outputs: &[Output]) -> Reply {
    let mut body = Vec::new();
    Writer { org, version, now: org.now() }.record(&mut body, name, row, outputs);
    Reply::new(200, "application/json;charset=UTF-8", body)
}

fn aggregates(groups: &[Group]) -> Reply {
    let records: Vec<serde_json::Value> = groups
        .iter()
        .map(|group| {
            let mut record = serde_json::Map::new();
            record.insert("attributes".to_owned(), json!({"type": "AggregateResult"}));
            for (name, value) in group {
                record.insert(name.clone(), json!(value));
            }
            serde_json::Value::Object(record)
        })
        .collect();
    Reply::json(200, &json!({"totalSize": records.len(), "done": true, "records": records}))
}

/// What `columns=true` gives in place of records.
fn columns(org: &Org, plan: &Plan) -> Reply {
    let (metadata, id_selected) = match &plan.select {
        Select::Records(outputs) => (
            column_list(org, plan.object, outputs),
            outputs.iter().any(|output| matches!(output, Output::Field("Id"))),
        ),
        _ => (vec![column("expr0", "Double", &[])], false),
    };
    let prefix: String = plan.prefix.iter().map(|byte| char::from(*byte)).collect();
    Reply::json(
        200,
        &json!({
            "columnMetadata": metadata, "entityName": plan.name,
            "groupBy": matches!(plan.select, Select::Aggregates { .. }),
            "idSelected": id_selected, "keyPrefix": prefix,
        }),
    )
}

fn column(name: &str, kind: &str, joined: &[serde_json::Value]) -> serde_json::Value {
    json!({
        "aggregate": false, "apexType": kind, "booleanType": kind == "Boolean",
        "columnName": name, "custom": false, "displayName": name, "foreignKeyName": null,
        "insertable": false, "joinColumns": joined, "numberType": kind == "Double",
        "textType": kind == "String", "updatable": false,
    })
}

fn column_list(org: &Org, object: Object, outputs: &[Output]) -> Vec<serde_json::Value> {
    let kind = |name: &str| {
        let field = org.catalogue.of(object).and_then(|entity| entity.field(name));
        match field.map(|field| field.kind.name()) {
            Some("boolean") => "Boolean",
            Some("int" | "double") => "Double",
            Some("datetime") => "Datetime",
            Some("id" | "reference") => "Id",
            _ => "String",
        }
    };
    outputs
        .iter()
        .map(|output| match output {
            Output::Field(name) => column(name, kind(name), &[]),
            Output::Parent { relationship, object, outputs, .. } => {
                column(relationship, "Object", &column_list(org, *object, outputs))
            }
        })
        .collect()
}

//! The REST resources under `/services/data`.

use serde_json::{Value, json};

use super::data::Row;
use super::data::catalogue::{Entity, Object};
use super::errors::Error;
use super::http::{Call, Content, Reply};
use super::ids::Id;
use super::org::Org;
use super::soql::Output;
use super::sync::lock;
use super::{actions, describe, oauth, query};

/// Versions the org answers to, by number, and the season their release is named after.
const VERSIONS: std::ops::RangeInclusive<u32> = 51..=67;

/// Answers everything under `/services/data`; with `instead` in place of the real answer.
pub(crate) fn answer(org: &Org, call: &Call, instead: Option<Reply>) -> Reply {
    let rest = call.path.strip_prefix("/services/data").unwrap_or_default();
    let segments: Vec<&str> = rest.split('/').skip(1).collect();
    match &segments[..] {
        [] => instead.unwrap_or_else(|| versions(call)),
        [version, resource @ ..] if supported(version) => {
            counted(org, call, version, resource, instead)
        }
        _ => Error::not_found().into(),
    }
}

fn supported(version: &str) -> bool {
    version
        .strip_prefix('v')
        .and_then(|version| version.strip_suffix(".0"))
        .and_then(|version| version.parse().ok())
        .is_some_and(|version| VERSIONS.contains(&version))
}

fn versions(call: &Call) -> Reply {
    if call.method != "GET" {
        return Error::method_not_allowed(call.method.as_str(), "GET").into();
    }
    let list: Vec<Value> = VERSIONS
        .map(|version| {
            // Version 65 was Winter '26; the three releases of a year begin with Winter.
            let season = ["Spring", "Summer", "Winter"][version as usize % 3];
            let year = (version + 13) / 3;
            json!({
                "label": format!("{season} '{year}"),
                "url": format!("/services/data/v{version}.0"),
                "version": format!("{version}.0"),
            })
        })
        .collect();
    Reply::json(200, &list)
}

/// Answers a request that counts against the org's budget.
fn counted(
    org: &Org,
    call: &Call,
    version: &str,
    resource: &[&str],
    instead: Option<Reply>,
) -> Reply {
    let Some(session) = oauth::session(org, call) else { return Error::session().into() };
    // Without the scope `api` a token is as good as none.
    if !session.scope.split(' ').any(|scope| matches!(scope, "api" | "full")) {
        return Error::session().into();
    }
    let say = |error: Error| Reply::from(error.in_language(&org.config.language));
    let now = org.now();
    let mut usage = lock(&org.usage);
    let taken = usage.take(&org.config, now);
    let header = usage.header(&org.config, now);
    drop(usage);
    let reply = if !taken {
        say(Error::total_requests())
    } else if let Some(reply) = instead {
        // What comes from a proxy or says nothing carries no usage either.
        if matches!(reply.status, 401 | 406 | 503) {
            return reply;
        }
        reply
    } else if org.config.granted("PermissionsApiEnabled") {
        route(org, call, version, resource).unwrap_or_else(say)
    } else {
        say(Error::new(
            403,
            "API_DISABLED_FOR_ORG",
            "The REST API is not enabled for this Organization.",
        ))
    };
    reply.with("sforce-limit-info", header)
}

fn route(org: &Org, call: &Call, version: &str, resource: &[&str]) -> Result<Reply, Error> {
    if call.method == "PATCH"
        && let ["sobjects", name, id] = resource
    {
        let entity = entity(org, name)?;
        return actions::update(org, call, entity, &find(org, entity, id)?);
    }
    if call.method != "GET" && call.method != "HEAD" {
        return match resource {
            ["query" | "queryAll" | "limits" | "sobjects", ..] | [] => {
                Err(Error::method_not_allowed(call.method.as_str(), "GET,HEAD"))
            }
            _ => Err(Error::not_found()),
        };
    }
    match resource {
        [] => Ok(resources(version)),
        ["limits"] if org.config.granted("PermissionsViewSetup") => {
            Ok(Reply::json(200, &lock(&org.usage).resource(&org.config, org.now())))
        }
        ["limits"] => Err(Error::insufficient_access()),
        ["query" | "queryAll"] => query::query(org, call, version, false),
        ["tooling", "query"] => query::query(org, call, version, true),
        ["query" | "queryAll", locator] | ["tooling", "query", locator] => {
            query::more(org, version, locator)
        }
        ["sobjects"] => Ok(describe::all(org, version)),
        ["sobjects", name] => Ok(describe::basic(entity(org, name)?, version)),
        ["sobjects", name, "describe"] => Ok(describe::whole(org, entity(org, name)?, version)),
        ["sobjects", name, id] => retrieve(org, call, version, entity(org, name)?, id),
        ["sobjects", name, id, "LogFile"] => log_file(org, entity(org, name)?, id),
        _ => Err(Error::not_found()),
    }
}

fn resources(version: &str) -> Reply {
    let names = ["limits", "query", "queryAll", "sobjects", "tooling"];
    let map: serde_json::Map<String, Value> = names
        .iter()
        .map(|name| ((*name).to_owned(), json!(format!("/services/data/{version}/{name}"))))
        .collect();
    Reply::json(200, &map)
}

fn entity<'a>(org: &'a Org, name: &str) -> Result<&'a Entity, Error> {
    // Unlike SOQL, resource names are case-sensitive.
    org.catalogue
        .entity(name)
        .filter(|entity| entity.name == name && !entity.object.tooling())
        .ok_or_else(Error::not_found)
}

fn find(org: &Org, entity: &Entity, id: &str) -> Result<Row, Error> {
    Id::parse(id)
        .filter(|id| id.prefix() == entity.prefix)
        .and_then(|id| org.data.find(entity.object, id, org.now()))
        .ok_or_else(|| {
            if super::ids::shorten(id).is_some() {
                Error::not_found()
            } else {
                Error::new(
                    404,
                    "NOT_FOUND",
                    "Provided external ID field does not exist or is not accessible: Id",
                )
            }
        })
}

fn retrieve(
    org: &Org,
    call: &Call,
    version: &str,
    entity: &Entity,
    id: &str,
) -> Result<Reply, Error> {
    let row = find(org, entity, id)?;
    let outputs: Vec<Output> = match call.parameter("fields") {
        None => entity.fields.iter().map(|field| Output::Field(field.name)).collect(),
        Some(names) => names
            .split(',')
            .map(|name| {
                let field = entity.field(name.trim()).ok_or_else(|| {
                    let message = format!(
                        "No such column '{}' on sobject of type {}",
                        name.trim(),
                        entity.name
                    );
                    Error::new(400, "INVALID_FIELD", message)
                })?;
                Ok(Output::Field(field.name))
            })
            .collect::<Result<_, Error>>()?,
    };
    Ok(query::record(org, version, entity.name, &row, &outputs))
}

fn log_file(org: &Org, entity: &Entity, id: &str) -> Result<Reply, Error> {
    if entity.object != Object::EventLogFile {
        return Err(Error::not_found());
    }
    match find(org, entity, id)? {
        Row::File(file) => Ok(Reply {
            status: 200,
            headers: vec![("content-type", "text/csv".to_owned())],
            content: Content::Log(file),
        }),
        _ => Err(Error::not_found()),
    }
}

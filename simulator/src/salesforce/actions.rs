//! Changes an app makes: freezing and deactivating users (REST API Developer Guide, "sObject
//! Rows").

use serde_json::{Map, Value};

use super::data::Row;
use super::data::catalogue::{Entity, Object};
use super::errors::Error;
use super::http::{Call, Reply};
use super::org::Org;

/// Answers `PATCH /sobjects/X/ID`.
pub(crate) fn update(org: &Org, call: &Call, entity: &Entity, row: &Row) -> Result<Reply, Error> {
    let (field, permissions) = match entity.object {
        Object::User => ("IsActive", ["PermissionsManageUsers", "PermissionsManageInternalUsers"]),
        Object::UserLogin => ("IsFrozen", ["PermissionsManageUsers", "PermissionsFreezeUsers"]),
        _ => return Err(Error::method_not_allowed("PATCH", "GET,HEAD")),
    };
    let Row::Entry(_, number) = *row else { return Err(Error::not_found()) };
    if !permissions.iter().any(|permission| org.config.granted(permission)) {
        return Err(Error::new(
            403,
            "INSUFFICIENT_ACCESS_OR_READONLY",
            "insufficient access rights on object id",
        ));
    }
    let changes: Map<String, Value> = serde_json::from_slice(&call.body).map_err(|error| {
        Error::new(400, "JSON_PARSER_ERROR", format!("The body is not a JSON object: {error}"))
    })?;
    if let Some(name) = changes.keys().find(|name| *name != field) {
        return Err(if entity.field(name).is_none() {
            let message = format!("No such column '{name}' on sobject of type {}", entity.name);
            Error::new(400, "INVALID_FIELD", message)
        } else {
            let message = format!(
                "Unable to create/update fields: {name}. Please check the security settings of this field and verify that it is read/write for your profile or permission set."
            );
            Error::new(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message)
        });
    }
    if let Some(value) = changes.get(field) {
        let Some(value) = value.as_bool() else {
            let message = format!("Cannot deserialize instance of boolean from {field}");
            return Err(Error::new(400, "JSON_PARSER_ERROR", message));
        };
        set(org, entity.object, number, value)?;
    }
    Ok(Reply::empty(204))
}

fn set(org: &Org, object: Object, number: u64, value: bool) -> Result<(), Error> {
    let (now, directory) = (org.now(), &org.data.directory);
    let (changed, action) = if object == Object::User {
        if number == 1 && !value {
            let message = "You cannot deactivate your own user";
            return Err(Error::new(400, "FIELD_INTEGRITY_EXCEPTION", message));
        }
        let action = if value { "activateduser" } else { "deactivateduser" };
        (directory.set_active(number, value, now), action)
    } else {
        let action = if value { "frozeuser" } else { "unfrozeuser" };
        (directory.set_frozen(number, value, now), action)
    };
    if changed {
        org.data.note(action, number, now);
    }
    Ok(())
}

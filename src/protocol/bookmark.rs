//! Where a stream stands, in the hands of a platform: the engine's document, and of which stream of
//! which connector it is.

use longshore_engine::error::{Code, Error, Result};
use longshore_engine::state::Standing;
use serde_json::{Value, json};

/// The document as a platform keeps it.
pub(super) fn write(connector: &str, stream: &str, standing: &Standing) -> Result<Value> {
    let standing = serde_json::to_value(standing).map_err(|error| {
        Error::new(Code::Internal, "a state could not be written").cause(error.to_string())
    })?;
    Ok(json!({ "connector": connector, "stream": stream, "standing": standing }))
}

/// Reads it again; `None` for an empty one, with which platforms begin.
pub(super) fn read(connector: &str, stream: &str, bookmark: &Value) -> Result<Option<Standing>> {
    let Value::Object(members) = bookmark else {
        return if bookmark.is_null() {
            Ok(None)
        } else {
            Err(foreign(stream, "it is not a JSON object"))
        };
    };
    if members.is_empty() {
        return Ok(None);
    }
    if bookmark["connector"] != connector {
        return Err(foreign(stream, &format!("it is not of the connector `{connector}`")));
    }
    if bookmark["stream"] != stream {
        return Err(foreign(stream, "it is of another stream"));
    }
    let standing = Standing::read(stream, &bookmark["standing"]);
    standing.map(Some).map_err(|error| error.in_stream(stream))
}

fn foreign(stream: &str, cause: &str) -> Error {
    Error::new(Code::StateCorrupt, format!("the given state of `{stream}` is not its own"))
        .cause(cause)
        .fix("give back the state of this stream as the last read gave it out, or none")
        .in_stream(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_belongs_to_one_stream_of_one_connector() {
        let standing = Standing::read("users", &json!({ "version": 1, "cursor": {} })).unwrap();
        let bookmark = write("okta", "users", &standing).unwrap();
        assert_eq!(read("okta", "users", &bookmark).unwrap(), Some(standing));
        assert_eq!(read("okta", "users", &json!({})).unwrap(), None);
        assert_eq!(read("okta", "users", &Value::Null).unwrap(), None);
        for (connector, stream, bookmark) in [
            ("box", "users", &bookmark),
            ("okta", "groups", &bookmark),
            ("okta", "users", &json!({ "updated_at": "2026-01-01" })),
            ("okta", "users", &json!("2026-01-01")),
            ("okta", "users", &json!({ "connector": "okta", "stream": "users" })),
        ] {
            let error = read(connector, stream, bookmark).unwrap_err();
            assert_eq!(error.code, Code::StateCorrupt);
            assert!(error.to_string().contains(&format!("`{stream}`")), "{error}");
        }
    }
}

//! Recorded answers, from which a simulator takes the form of its own.

use std::path::Path;

use serde_json::{Map, Value};

/// A recorded answer.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The folder that it lies in below `fixtures`, such as `sign_ins` or `event_log/files`.
    pub(super) owner: String,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    /// The body of a JSON answer.
    pub(super) body: Option<Value>,
    /// The body of any other answer.
    pub(super) text: Option<String>,
}

impl Recorded {
    /// Reads a fixture by its path below the manifest's folder and its text. `None` if it is not
    /// written as one; the validator says why.
    #[must_use]
    pub fn parse(path: &str, text: &str) -> Option<Self> {
        let owner = path.strip_prefix("fixtures/")?.rsplit_once('/')?.0.to_owned();
        let mut root: Map<String, Value> = serde_json::from_str(text).ok()?;
        let lines = |value: Value| match value {
            Value::String(text) => Some(text),
            Value::Array(lines) => {
                let lines: Option<Vec<_>> = lines.iter().map(Value::as_str).collect();
                Some(lines?.join("\n") + "\n")
            }
            _ => None,
        };
        let headers = root.remove("headers");
        let headers = headers.as_ref().and_then(Value::as_object).into_iter().flatten();
        Some(Self {
            owner,
            status: root.get("status")?.as_u64()?.try_into().ok()?,
            headers: headers
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
            body: root.remove("body"),
            text: root.remove("text").and_then(lines),
        })
    }

    /// Reads all fixtures beside a manifest, in the order of their paths.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn beside(manifest: &Path) -> std::io::Result<Vec<Self>> {
        let folder = manifest.parent().unwrap_or(Path::new("."));
        let mut found = Vec::new();
        if folder.join("fixtures").is_dir() {
            walk(folder, "fixtures", &mut found)?;
        }
        found.sort();
        let mut recorded = Vec::with_capacity(found.len());
        for path in found {
            let text = std::fs::read_to_string(folder.join(&path))?;
            recorded.extend(Self::parse(&path, &text));
        }
        Ok(recorded)
    }

    pub(super) fn is_success(&self) -> bool {
        self.status < 300
    }
}

fn walk(folder: &Path, below: &str, found: &mut Vec<String>) -> std::io::Result<()> {
    // fixtures/STREAM/STEP/NAME.json is the deepest there is.
    if below.matches('/').count() > 3 {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder.join(below))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{below}/{name}");
        if entry.file_type()?.is_dir() {
            walk(folder, &path, found)?;
        } else if Path::new(&name).extension().is_some_and(|kind| kind == "json") {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixture_is_read_whole() {
        let text =
            r#"{ "status": 200, "headers": { "X-A": "b" }, "text": ["a,b", "1,\"2\"\"\""] }"#;
        let recorded = Recorded::parse("fixtures/log/rows/x.json", text).unwrap();
        assert_eq!((recorded.owner.as_str(), recorded.status), ("log/rows", 200));
        assert_eq!(recorded.headers, [("X-A".to_owned(), "b".to_owned())]);
        assert_eq!(recorded.text.unwrap(), "a,b\n1,\"2\"\"\"\n");
        assert!(Recorded::parse("fixtures/x.json", text).is_none());
        assert!(Recorded::parse("fixtures/log/x.json", "[]").is_none());
    }
}

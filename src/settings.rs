//! `longshore.toml`: what a folder of manifests asks of them.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use longshore_engine::error::{Code, Error};
use longshore_schema::LineIndex;
use longshore_validator::{Profile, Severities, Severity, closest, codes};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::manifests::not_read;

/// What the file is called.
pub(crate) const NAME: &str = "longshore.toml";

/// The tables of the file, each for one command.
const TABLES: [&str; 1] = ["validate"];

/// What a file says; what it leaves open is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) profile: Option<Profile>,
    pub(crate) deny_warnings: Option<bool>,
    pub(crate) severities: Severities,
}

/// The settings for each manifest: those of the file in its folder, or in the nearest one above.
pub(crate) struct Finder {
    /// The same settings for all.
    fixed: Option<Rc<Settings>>,
    /// By folder; `None` where the file could not be read.
    known: HashMap<PathBuf, Option<Rc<Settings>>>,
}

impl Finder {
    /// Looks beside the manifests.
    pub(crate) fn beside() -> Self {
        Self { fixed: None, known: HashMap::new() }
    }

    /// The same settings for all manifests.
    pub(crate) fn fixed(settings: Settings) -> Self {
        Self { fixed: Some(Rc::new(settings)), known: HashMap::new() }
    }

    /// The settings for a manifest, for those of standard input from the working directory; `None`
    /// if they could not be read, of which `failed` is told once.
    pub(crate) fn find(
        &mut self,
        manifest: &Path,
        failed: &mut dyn FnMut(Error),
    ) -> Option<Rc<Settings>> {
        if let Some(fixed) = &self.fixed {
            return Some(Rc::clone(fixed));
        }
        let manifest = std::path::absolute(manifest).unwrap_or_else(|_| manifest.to_owned());
        let start = manifest.parent().unwrap_or(Path::new("/"));
        let mut passed = Vec::new();
        let mut found = Some(Rc::default());
        for folder in start.ancestors() {
            if let Some(known) = self.known.get(folder) {
                found.clone_from(known);
                break;
            }
            passed.push(folder.to_owned());
            let path = folder.join(NAME);
            if path.is_file() {
                found = match read(&path) {
                    Ok(settings) => Some(Rc::new(settings)),
                    Err(error) => {
                        failed(error);
                        None
                    }
                };
                break;
            }
        }
        for folder in passed {
            self.known.insert(folder, found.clone());
        }
        found
    }
}

/// Reads a file of settings.
pub(crate) fn read(path: &Path) -> Result<Settings, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| not_read(path, &error))?;
    let name = std::env::current_dir().ok();
    let name = name.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path);
    parse(&name.display().to_string(), &text)
}

fn parse(name: &str, text: &str) -> Result<Settings, Error> {
    let reader = Reader { name, text };
    let document = DeTable::parse(text).map_err(|error| {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        reader.error(error.span().unwrap_or_default(), &message, "write it as TOML 1.0 has it")
    })?;
    let mut settings = Settings::default();
    for (key, value) in document.get_ref() {
        match key.get_ref().as_ref() {
            "validate" => reader.validate(value, &mut settings)?,
            _ => return Err(reader.unknown(key, "table", &TABLES)),
        }
    }
    Ok(settings)
}

struct Reader<'t> {
    name: &'t str,
    text: &'t str,
}

type Key<'t> = Spanned<std::borrow::Cow<'t, str>>;
type Value<'t> = Spanned<DeValue<'t>>;

impl Reader<'_> {
    fn validate(&self, table: &Value<'_>, settings: &mut Settings) -> Result<(), Error> {
        for (key, value) in self.table(table)? {
            match key.get_ref().as_ref() {
                "profile" => {
                    settings.profile = Some(match value.get_ref().as_str() {
                        Some("strict") => Profile::Strict,
                        Some("extended") => Profile::Extended,
                        _ => {
                            let fix = "write \"strict\" or \"extended\"";
                            return Err(self.error(value.span(), "this is no profile", fix));
                        }
                    });
                }
                "deny_warnings" => {
                    let flag = value.get_ref().as_bool();
                    let wrong = || {
                        self.error(value.span(), "this is not true or false", "write true or false")
                    };
                    settings.deny_warnings = Some(flag.ok_or_else(wrong)?);
                }
                "severity" => {
                    for (rule, severity) in self.table(value)? {
                        self.severity(rule, severity, &mut settings.severities)?;
                    }
                }
                _ => {
                    return Err(self.unknown(
                        key,
                        "key",
                        &["profile", "deny_warnings", "severity"],
                    ));
                }
            }
        }
        Ok(())
    }

    fn severity(
        &self,
        rule: &Key<'_>,
        severity: &Value<'_>,
        severities: &mut Severities,
    ) -> Result<(), Error> {
        let name = rule.get_ref();
        let Some(code) = codes::find(name) else {
            let fix = match codes::nearest(name) {
                Some(code) => format!("write {} or {}", code.id, code.name),
                None => "see `longshore explain` for all rules".to_owned(),
            };
            return Err(self.error(
                rule.span(),
                &format!("there is no rule `{}`", shown(name)),
                &fix,
            ));
        };
        let to = match severity.get_ref().as_str() {
            Some("error") => Some(Severity::Error),
            Some("warning") => Some(Severity::Warning),
            Some("info") => Some(Severity::Info),
            Some("off") => None,
            _ => {
                let fix = "write \"error\", \"warning\", \"info\" or \"off\"";
                return Err(self.error(severity.span(), "this is no severity", fix));
            }
        };
        severities.set(code, to).map_err(|error| {
            let what = format!("{} ({}) cannot be lowered: {error}", code.id, code.name);
            self.error(severity.span(), &what, "remove the line")
        })
    }

    fn table<'v>(&self, value: &'v Value<'_>) -> Result<&'v DeTable<'v>, Error> {
        value.get_ref().as_table().ok_or_else(|| {
            self.error(value.span(), "this is not a table", "write its keys below a line `[name]`")
        })
    }

    fn unknown(&self, key: &Key<'_>, kind: &str, known: &[&'static str]) -> Error {
        let fix = match closest(key.get_ref(), known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known are {}", known.join(", ")),
        };
        self.error(key.span(), &format!("unknown {kind} `{}`", shown(key.get_ref())), &fix)
    }

    fn error(&self, span: Range<usize>, what: &str, fix: &str) -> Error {
        let lines = LineIndex::new(self.text);
        let (line, column) = lines.position(self.text, span.start as u32);
        Error::new(Code::InputInvalid, format!("{}:{line}:{column}: {what}", self.name)).fix(fix)
    }
}

/// As much of a name as a message has room for.
fn shown(name: &str) -> String {
    name.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = "[validate]\nprofile = \"extended\"\ndeny_warnings = true\n\n[validate.severity]\nLS0203 = \"error\"\nunknown-key = \"off\"\n";
        let settings = parse(NAME, text).unwrap();
        assert_eq!(settings.profile, Some(Profile::Extended));
        assert_eq!(settings.deny_warnings, Some(true));
        let mut severities = Severities::default();
        severities.set(codes::find("LS0203").unwrap(), Some(Severity::Error)).unwrap();
        severities.set(codes::find("LS0101").unwrap(), None).unwrap();
        assert_eq!(settings.severities, severities);
        assert_eq!(parse(NAME, "").unwrap(), Settings::default());
    }

    #[test]
    fn mistakes_have_their_place_and_a_suggestion() {
        for (text, place, help) in [
            (
                "[validat]\n",
                "longshore.toml:1:2: unknown table `validat`",
                "did you mean `validate`?",
            ),
            ("[validate]\nprofil = 1\n", ":2:1: unknown key `profil`", "did you mean `profile`?"),
            ("[validate]\nprofile = \"x\"\n", ":2:11: this is no profile", "extended"),
            ("validate = 1\n", ":1:12: this is not a table", "[name]"),
            ("[validate]\ndeny_warnings = 1\n", ":2:17: ", "true or false"),
            (
                "[validate.severity]\nLS9999 = \"off\"\n",
                ":2:1: there is no rule `LS9999`",
                "explain",
            ),
            (
                "[validate.severity]\nunused-inpt = \"off\"\n",
                ":2:1: there is no rule",
                "LS0203 or unused-input",
            ),
            ("[validate.severity]\nLS0203 = \"fatal\"\n", ":2:10: this is no severity", "\"info\""),
            (
                "[validate.severity]\nLS0102 = \"warning\"\n",
                ":2:10: LS0102 (missing-key) cannot be lowered",
                "remove",
            ),
            ("[validate\n", "longshore.toml:1:", "TOML"),
            ("[validate]\nprofile = \"strict\"\nprofile = \"strict\"\n", ":3:1: ", "TOML"),
        ] {
            let error = parse(NAME, text).unwrap_err().to_string();
            assert!(error.contains(place) && error.contains(help), "{text}: {error}");
        }
    }
}

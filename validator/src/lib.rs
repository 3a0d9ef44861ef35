//! Rules and diagnostics for Longshore manifests.
//!
//! [`validate`] reads a manifest's text and reports everything that is wrong with it at once, each
//! finding with its place and its fix. Without errors its report holds a [`Checked`] manifest, the
//! only thing that the engine runs. Nothing here touches the network or the file system.

pub mod changes;
mod checked;
pub mod codes;
mod diagnostic;
mod explain;
mod fix;
mod ignores;
pub mod ocsf;
mod options;
mod report;
mod rules;
pub mod samples;
pub mod scope;
mod shape;
mod suggest;
mod syntax;
mod todo;
mod validate;
mod verbs;

pub use checked::Checked;
pub use diagnostic::{Diagnostic, Edit, Fix, Label, Safety, Severity};
pub use explain::{Example, Explanation, Part, explain};
pub use fix::{Applied, Made, Mended, apply_fixes, mend};
pub use options::{NotLowered, Options, Profile, Severities};
pub use report::{
    Validated, json_schema_text, render_concise, render_github, render_json, render_junit,
    render_sarif, render_text, to_json,
};
pub use rules::unasked;
pub use samples::Fixture;
pub use shape::schema_at;
pub use suggest::closest;
pub use todo::{Readiness, TodoItem, TodoList, todo_list};
pub use validate::{FixtureReport, Reach, Report, validate, validate_with_fixtures};
pub use verbs::VerbCoverage;

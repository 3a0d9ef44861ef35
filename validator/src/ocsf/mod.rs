//! The OCSF classes that manifests map to, and a check of the events that come out.
//!
//! [`table`] answers what OCSF 1.8.0 says: which attributes a class or object has, their types,
//! requirements and enums. [`Class::resolve`] follows a path such as `src_endpoint.location.city`
//! through it, for a manifest's mapping. [`check_event`] holds a finished event against it.
//!
//! The table comes from OCSF's own release (<https://schema.ocsf.io/1.8.0>), pruned by
//! `ocsf/prune.py`; `ocsf/README.md` says what is left out and what is corrected.

mod check;
mod path;
mod table;
mod violation;

pub use check::check_event;
pub(crate) use check::{holds_integer, holds_text};
pub use path::{MAX_INDEX, PathError, PathProblem, Resolved, Segment};
pub use table::{
    Attribute, Attributes, Class, Constraints, Enum, EnumId, Object, Primitive, PrimitiveRules,
    Profile, Requirement, Table, Type, table,
};
pub use violation::{Rule, Violation};

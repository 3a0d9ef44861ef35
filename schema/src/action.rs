//! What can be done in the app on behalf of the security team.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::http::Condition;
use crate::probe::Test;
use crate::scalar::{Duration, Name, Pattern};
use crate::stream::{Json, Pages, Parameter, Promise, Request};
use crate::{JsonPath, Literal, OneOrMany, Spanned, Table, Template};

/// Something that can be done in the app; one of `revert` and `irreversible`.
///
/// Templates of an action use its inputs as `action.NAME`, and what `find` found as `found.NAME`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// What is done, in a line.
    pub title: Spanned<String>,
    /// What is done whatever the app, so that the same can be done in many.
    pub does: Spanned<Deed>,
    /// What follows for those concerned, in words for the person who decides.
    pub impact: Spanned<String>,
    /// What has to be given: what to act on.
    #[serde(default)]
    pub inputs: Table<Name, ActionInput>,
    /// The permissions that it takes.
    #[serde(default)]
    pub permissions: Vec<Spanned<Name>>,
    /// What is looked up first. The request is then sent once for each record found.
    pub find: Option<Spanned<Find>>,
    /// The request that does it.
    pub request: Spanned<ActionRequest>,
    /// How to see that it was done, by reading back.
    pub verify: Spanned<Verification>,
    /// The action that takes it back, with the same inputs.
    pub revert: Option<Spanned<Name>>,
    /// Why it cannot be taken back, where it cannot.
    pub irreversible: Option<Spanned<String>>,
    /// Whether it may spend what quotas reserve: response must not wait for collection.
    #[serde(default)]
    pub may_use_reserve: bool,
}

/// What is done, whatever the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// An account can no longer sign in.
    SuspendUser,
    /// An account can sign in again.
    UnsuspendUser,
    /// An account's sessions end, and it has to sign in again.
    EndSessions,
    /// An account has to set a new password.
    ResetPassword,
    /// An account loses a privilege.
    RemovePrivilege,
    /// An account gets a privilege.
    AddPrivilege,
    /// A third-party app loses its access to one account, or to all.
    RevokeApp,
    /// A third-party app can no longer be given access.
    BlockApp,
    /// A third-party app can be given access again.
    UnblockApp,
    /// A file is no longer shared as it was.
    UnshareFile,
    /// Something that these words do not cover.
    Other,
}

/// Something that has to be given for an action.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionInput {
    /// What kind of value it is.
    #[serde(rename = "type")]
    pub kind: Spanned<ActionInputType>,
    /// The label that the person who acts sees.
    pub title: Spanned<String>,
    /// What it is and where to find it.
    pub description: Option<String>,
    /// Values that show what is meant.
    #[serde(default)]
    pub examples: Vec<Literal>,
    /// What a text has to look like as a whole; another one is refused before anything is sent.
    pub pattern: Option<Spanned<Pattern>>,
    /// The values to choose from, for the type `choice`.
    #[serde(default)]
    pub choices: Vec<Spanned<String>>,
}

/// The kinds of inputs of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionInputType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// One of `choices`.
    Choice,
}

/// What an action looks up first.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// The request.
    pub request: Spanned<Request>,
    /// Where the records are in the JSON response. Their members are `found.NAME`.
    pub records: Spanned<JsonPath>,
    /// How the next page is found.
    pub pages: Option<Spanned<Pages>>,
    /// What the response says of its own completeness. A promise not kept stops the action before
    /// it has done anything.
    pub promise: Option<Spanned<Promise>>,
    /// What it means that nothing is found.
    #[serde(default)]
    pub none: Nothing,
}

/// What it means that an action finds nothing to act on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Nothing {
    /// The action failed: what it acts on does not exist.
    #[default]
    Failed,
    /// The action is done: there is nothing left to do.
    Done,
}

/// A request that changes something; exactly one of the methods. There is no `get`: it only reads
/// (RFC 9110, section 9.2.1).
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionRequest {
    /// A POST request to this path below `http.base_url`, or to this whole URL.
    pub post: Option<Spanned<Template>>,
    /// A PUT request to this path or URL.
    pub put: Option<Spanned<Template>>,
    /// A PATCH request to this path or URL (RFC 5789).
    pub patch: Option<Spanned<Template>>,
    /// A DELETE request to this path or URL.
    pub delete: Option<Spanned<Template>>,
    /// Query parameters, percent-encoded by the engine. A list repeats the parameter. One whose
    /// template has a reference without a value is left out.
    #[serde(default)]
    pub query: Table<String, OneOrMany<Spanned<Parameter>>>,
    /// Headers for this request.
    #[serde(default)]
    pub headers: Table<String, Spanned<Template>>,
    /// Form fields of the body (`application/x-www-form-urlencoded`).
    #[serde(default)]
    pub form: Table<String, OneOrMany<Spanned<Parameter>>>,
    /// The body, as JSON.
    pub json: Option<Spanned<Json>>,
}

impl ActionRequest {
    /// The methods with their URLs; one in a manifest that was validated.
    #[must_use]
    pub fn methods(&self) -> Vec<(&'static str, &Spanned<Template>)> {
        let methods = [
            ("post", &self.post),
            ("put", &self.put),
            ("patch", &self.patch),
            ("delete", &self.delete),
        ];
        methods.into_iter().filter_map(|(name, url)| Some((name, url.as_ref()?))).collect()
    }
}

/// How to see that an action was done.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// The request that reads back.
    pub request: Spanned<Request>,
    /// What is looked at in the JSON response.
    pub select: Spanned<JsonPath>,
    /// The answer of the app that means that there is nothing to select.
    pub empty_when: Option<Spanned<Condition>>,
    /// What it has to be now.
    pub expect: Spanned<Test>,
    /// How long the app may take to show it. Without it the first answer counts.
    pub within: Option<Spanned<Duration>>,
}

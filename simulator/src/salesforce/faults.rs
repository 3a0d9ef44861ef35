//! Faults on demand: a rule says which requests suffer, and how.

use serde::{Deserialize, Serialize};

use super::errors::Error;
use super::http::{Call, Reply};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// A status with a body; JSON unless `content_type` says otherwise.
    Status {
        /// The HTTP status.
        status: u16,
        /// The body.
        #[serde(default)]
        body: String,
        /// The body's media type.
        #[serde(default)]
        content_type: Option<String>,
        /// Seconds for a `Retry-After` header.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// 503 with an HTML page, as an instance in maintenance gives.
    #[serde(rename = "html_503")]
    Html503 {
        /// Seconds for a `Retry-After` header.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// 406 without a body.
    #[serde(rename = "empty_406")]
    Empty406,
    /// The connection ends after so many bytes of the body. With `chunked` the length was not
    /// announced.
    TruncateBody {
        /// Bytes that still arrive.
        after: usize,
        /// Whether to announce no length.
        #[serde(default)]
        chunked: bool,
    },
    /// A body in gzip coding that stops in the middle although HTTP ends well.
    TruncateGzip {
        /// Bytes of the coded body.
        after: usize,
    },
    /// The connection is reset before anything is answered.
    ConnectionReset,
    /// The body arrives byte by byte.
    SlowBody {
        /// Milliseconds between two pieces.
        milliseconds: u64,
        /// Bytes in a piece.
        #[serde(default = "one")]
        bytes: usize,
    },
    /// 200 with a JSON body that has nothing to do with the question.
    WrongJson,
    /// The page's `nextRecordsUrl` leads to the page itself.
    RepeatNextRecordsUrl,
    /// The page says there is more and not where.
    DropNextRecordsUrl,
    /// The page's locator has expired: 400 `INVALID_QUERY_LOCATOR`, for good.
    ExpireLocator,
    /// 302 to the same path on another host.
    RedirectTo {
        /// Scheme and host, such as `https://elsewhere.example`.
        host: String,
    },
    /// 403 `INSUFFICIENT_ACCESS`.
    MissingPermission,
    /// 401 `INVALID_SESSION_ID`; the token itself stays alive.
    SessionExpired,
    /// 403 `REQUEST_LIMIT_EXCEEDED`.
    RequestLimitExceeded {
        /// Too many at once rather than too many in a day.
        #[serde(default)]
        concurrent: bool,
    },
}

fn one() -> usize {
    1
}

/// Which requests a fault befalls. Parts that are not given match everything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// The HTTP method.
    #[serde(default)]
    pub method: Option<String>,
    /// Text within the path.
    #[serde(default)]
    pub path: Option<String>,
    /// Text within the decoded query string; for a locator page, within the path too.
    #[serde(default)]
    pub query: Option<String>,
}

/// A rule: which requests, which of them in order, and what goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which requests.
    #[serde(rename = "match", default)]
    pub on: Match,
    /// Matching requests let through first.
    #[serde(default)]
    pub skip: u64,
    /// Matching requests that suffer after that; 0 is all of them.
    #[serde(default = "once")]
    pub times: u64,
    /// What goes wrong.
    pub fault: Fault,
}

fn once() -> u64 {
    1
}

/// A rule at work.
#[derive(Debug, Clone, Serialize)]
pub struct Active {
    /// The rule.
    pub rule: Rule,
    /// Requests that matched.
    pub seen: u64,
    /// Requests that suffered.
    pub hit: u64,
}

/// All rules, in the order they were given.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    active: Vec<Active>,
}

/// Rules kept at most.
const MOST: usize = 1000;

impl Faults {
    /// Adds a rule; gives its number, or `None` if there are too many.
    pub(crate) fn add(&mut self, rule: Rule) -> Option<usize> {
        if self.active.len() >= MOST {
            return None;
        }
        self.active.push(Active { rule, seen: 0, hit: 0 });
        Some(self.active.len() - 1)
    }

    pub(crate) fn list(&self) -> &[Active] {
        &self.active
    }

    pub(crate) fn clear(&mut self) {
        self.active.clear();
    }

    /// The fault that befalls this request: the first rule that has one for it.
    pub(crate) fn strike(&mut self, call: &Call) -> Option<Fault> {
        for active in &mut self.active {
            if !matches(&active.rule.on, call) {
                continue;
            }
            active.seen += 1;
            let turn = active.seen > active.rule.skip;
            if turn && (active.rule.times == 0 || active.hit < active.rule.times) {
                active.hit += 1;
                return Some(active.rule.fault.clone());
            }
        }
        None
    }
}

fn matches(on: &Match, call: &Call) -> bool {
    let query = || {
        let decoded: Vec<String> = url::form_urlencoded::parse(call.query.as_bytes())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        decoded.join("&")
    };
    on.method.as_ref().is_none_or(|method| call.method.as_str().eq_ignore_ascii_case(method))
        && on.path.as_ref().is_none_or(|part| call.path.contains(part))
        && on.query.as_ref().is_none_or(|part| query().contains(part))
}

impl Fault {
    /// The answer in place of the real one, for faults that have one.
    pub(crate) fn instead(&self, call: &Call) -> Option<Reply> {
        let reply = match self {
            Self::Status { status, body, content_type, retry_after } => {
                let media_type = content_type.as_deref().unwrap_or("application/json;charset=UTF-8");
                retry(Reply::new(*status, media_type, body.as_str()), *retry_after)
            }
            Self::Html503 { retry_after } => retry(
                Reply::html(
                    503,
                    "<html><head><title>We are down for maintenance.</title></head><body><h1>We are down for maintenance.</h1></body></html>\n".to_owned(),
                ),
                *retry_after,
            ),
            Self::Empty406 => Reply::empty(406),
            Self::WrongJson => Reply::json(200, &serde_json::json!({"unexpected": ["shape"], "status": "ok"})),
            Self::ExpireLocator => Error::locator().into(),
            Self::RedirectTo { host } => {
                let mark = if call.query.is_empty() { "" } else { "?" };
                Reply::empty(302).with("location", format!("{host}{}{mark}{}", call.path, call.query))
            }
            Self::MissingPermission => Error::insufficient_access().into(),
            Self::SessionExpired => Error::session().into(),
            Self::RequestLimitExceeded { concurrent: false } => Error::total_requests().into(),
            Self::RequestLimitExceeded { concurrent: true } => Error::concurrent_requests().into(),
            Self::TruncateBody { .. }
            | Self::TruncateGzip { .. }
            | Self::ConnectionReset
            | Self::SlowBody { .. }
            | Self::RepeatNextRecordsUrl
            | Self::DropNextRecordsUrl => return None,
        };
        Some(reply)
    }

    /// Changes the body of a page whose next link is to be wrong.
    pub(crate) fn change_page(&self, call: &Call, body: Vec<u8>) -> Vec<u8> {
        if !matches!(self, Self::RepeatNextRecordsUrl | Self::DropNextRecordsUrl) {
            return body;
        }
        let Ok(mut page) = serde_json::from_slice::<serde_json::Value>(&body) else { return body };
        let Some(map) = page.as_object_mut().filter(|map| map.contains_key("records")) else {
            return body;
        };
        map.insert("done".to_owned(), false.into());
        if *self == Self::RepeatNextRecordsUrl {
            let mark = if call.query.is_empty() { "" } else { "?" };
            let own = format!("{}{mark}{}", call.path, call.query);
            map.insert("nextRecordsUrl".to_owned(), own.into());
        } else {
            map.remove("nextRecordsUrl");
        }
        serde_json::to_vec(&page).unwrap_or(body)
    }
}

fn retry(reply: Reply, seconds: Option<u64>) -> Reply {
    match seconds {
        Some(seconds) => reply.with("retry-after", seconds.to_string()),
        None => reply,
    }
}

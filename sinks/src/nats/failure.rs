//! What went wrong at a NATS server, in words that help.

use std::error::Error as _;

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{ConnectError, ConnectErrorKind};
use longshore_engine::error::{Code, Error, printable};

/// How much is shown of what a server says.
const SHOWN: usize = 300;

/// Why an event is refused that is larger than a server takes.
pub(super) const LARGER_THAN_SERVER: &str =
    "it is larger than the NATS server takes: see `max_payload` in its configuration";

/// Why an event is refused that is larger than the stream takes.
const LARGER_THAN_STREAM: &str =
    "it is larger than the JetStream stream takes: see its `max_msg_size`";

/// The servers that errors speak of.
pub(super) struct Place {
    /// The servers, as `host:port`.
    pub(super) servers: String,
}

impl Place {
    fn error(&self, what: &str) -> Error {
        Error::new(Code::SinkUnavailable, format!("NATS at {} {what}", self.servers))
    }

    /// No server could be connected to.
    pub(super) fn unreachable(&self, error: &ConnectError) -> Error {
        use ConnectErrorKind as K;
        let fix = match error.kind() {
            _ if is_tls(error) => {
                "check that the server's certificate is for this name, and `authority`"
            }
            K::Dns => "check the names in `servers`",
            K::Authentication | K::AuthorizationViolation => {
                "check `token`, `user` and `password`, or `credentials`: what the server asks for is in its configuration"
            }
            _ => {
                "check that the server runs, that it can be reached from here, and whether it speaks TLS at once"
            }
        };
        self.error("cannot be connected to").cause(printable(&error.to_string(), SHOWN)).fix(fix)
    }

    /// The connection was lost, or the server said on it that something is not allowed.
    pub(super) fn lost(&self, subject: &str, said: Option<&str>) -> Error {
        let said = said.unwrap_or("the connection was closed");
        let fix = if said.to_lowercase().contains("permissions violation") {
            format!("allow the user to publish to `{subject}` and to subscribe to `_INBOX.>`")
        } else {
            "nothing to do if the server was restarted; see its log otherwise".to_owned()
        };
        self.not_taken(subject).cause(printable(said, SHOWN)).fix(fix)
    }

    /// A message was not stored.
    pub(super) fn failure(&self, subject: &str, error: &PublishError) -> Error {
        let create = format!(
            "create one, e.g. with `nats stream add EVENTS --subjects \"{subject}\" --dupe-window 1h`"
        );
        let (cause, fix) = match (error.kind(), answer(error)) {
            (PublishErrorKind::StreamNotFound, _) => {
                ("no JetStream stream takes this subject".to_owned(), create)
            }
            (PublishErrorKind::TimedOut, _) => (
                "the server sent no acknowledgement in time".to_owned(),
                format!("check that a JetStream stream takes `{subject}` and has a leader"),
            ),
            (_, Some(answer)) => (printable(&answer.to_string(), SHOWN), of(answer.error_code())),
            (PublishErrorKind::Other, None) => (
                "what answered is not JetStream".to_owned(),
                format!("let nobody else answer to `{subject}`"),
            ),
            (kind, None) => (
                kind.to_string(),
                "nothing to do if the server was restarted; see its log otherwise".to_owned(),
            ),
        };
        self.not_taken(subject).cause(cause).fix(fix)
    }

    fn not_taken(&self, subject: &str) -> Error {
        self.error(&format!("did not take events for the subject `{subject}`"))
    }
}

/// Why a message will never be taken, if that is what the server said.
pub(super) fn refusal(error: &PublishError) -> Option<&'static str> {
    let too_large = answer(error)?.error_code() == ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM;
    too_large.then_some(LARGER_THAN_STREAM)
}

/// Whether TLS failed: that is within what the transport failed with.
fn is_tls(error: &ConnectError) -> bool {
    let inner = error
        .source()
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .and_then(std::io::Error::get_ref)
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    error.kind() == ConnectErrorKind::Tls || inner.is_some()
}

/// What JetStream answered, if it did.
fn answer(error: &PublishError) -> Option<&jetstream::Error> {
    error.source()?.downcast_ref()
}

/// What helps against an answer of JetStream.
fn of(code: ErrorCode) -> String {
    match code {
        ErrorCode::STREAM_STORE_FAILED
        | ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::STORAGE_RESOURCES_EXCEEDED => {
            "make room: raise the limits of the stream or of the account"
        }
        ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => {
            "enable JetStream in the configuration of the server and for the account"
        }
        _ => "see the log of the server",
    }
    .to_owned()
}

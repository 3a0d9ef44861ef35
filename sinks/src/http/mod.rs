//! Sinks that are given events by HTTP: how a portion becomes requests, and what the answers mean for
//! each of its events.
//!
//! A product is a [`Protocol`]: how a body is written, and how an answer is read. Everything else is
//! the same for all of them and done here.

mod any_value;
mod azure_logs;
mod elasticsearch;
mod exchange;
mod generic;
mod otlp;
mod settings;
mod splunk_hec;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use longshore_engine::error::{Code, Error, Result, printable};
use longshore_engine::http::StatusCode;
use longshore_engine::sink::{Doing, Log, Portion, Portioned, Sink, Taken};

pub(crate) use azure_logs::azure_logs;
pub(crate) use elasticsearch::elasticsearch;
pub(crate) use generic::http;
pub(crate) use otlp::otlp;
pub(crate) use splunk_hec::splunk_hec;

use exchange::{Answer, Exchange};
pub(crate) use settings::authority_file;

/// Requests in a row that a receiver may refuse before it has taken anything at all. So many are
/// enough to see that it is the address or a setting that is wrong, and not the events.
const DOUBTFUL_REQUESTS: usize = 32;
/// Characters of an answer that are shown.
const SHOWN: usize = 300;

/// What is peculiar to a product.
trait Protocol: Send + Sync {
    /// Writes a request's body for these events, each one JSON object without a line feed.
    ///
    /// # Errors
    /// An event that has no `metadata.uid`.
    fn write(&self, log: Log<'_>, events: &[&[u8]], body: &mut Vec<u8>) -> Result<()>;

    /// What an answer to a body of so many events means.
    fn read(&self, answer: &Answer, events: usize) -> Verdict;
}

/// What an answer means for the events of the request.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// All of them are there.
    Taken,
    /// What became of each, in their order.
    Each(Vec<Of>),
    /// Some event is wrong. Which one is found by sending fewer, beginning with the place that the
    /// answer names, if it does.
    Wrong { at: Option<usize>, reason: String },
    /// Nothing can be said of any of them: the request is to be sent again.
    Later(Problem),
}

/// What an answer says of one event.
#[derive(Debug, PartialEq, Eq)]
enum Of {
    /// It is there.
    Taken,
    /// It will never be taken, for this reason.
    Refused(String),
    /// It is to be sent again.
    Later(Problem),
}

/// Why events are not taken now.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    /// What the receiver said.
    said: String,
    /// What a person can do about it.
    fix: String,
}

impl Problem {
    fn new(said: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { said: said.into(), fix: fix.into() }
    }
}

/// What is known of an event of a portion that is not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Taken,
    Refused(String),
    /// Refused by a receiver that has not taken anything yet: the fault may be in the settings.
    Doubtful(String),
}

/// A sink that speaks HTTP.
pub(crate) struct HttpSink {
    exchange: Exchange,
    protocol: Box<dyn Protocol>,
    portion: Portion,
    /// Whether the receiver has taken an event, so the address and the settings are right.
    proven: bool,
    /// Portions that have failed, by stream: what was found out of them is not asked again.
    unfinished: BTreeMap<(String, String, String), Unfinished>,
}

/// What is known of a portion.
#[derive(Default)]
struct Unfinished {
    /// Where it starts in its log.
    start: u64,
    /// What became of each of its events.
    fates: Vec<Fate>,
    /// The events of the requests that are still to be sent.
    parts: VecDeque<Vec<usize>>,
    /// Events that are to be sent once more, but not at once.
    again: Vec<usize>,
}

impl HttpSink {
    fn new(exchange: Exchange, protocol: impl Protocol + 'static) -> Self {
        Self {
            exchange,
            protocol: Box::new(protocol),
            portion: Portion::default(),
            proven: false,
            unfinished: BTreeMap::new(),
        }
    }

    async fn take(&mut self, given: Portioned<'_>) -> Result<Taken> {
        let log = given.log;
        let stream = (log.spool.to_owned(), log.connection.to_owned(), log.stream.to_owned());
        let events: Vec<&[u8]> = given.events().collect();
        let known = self.unfinished.remove(&stream);
        let known = known.filter(|it| it.start == given.start && it.fates.len() <= events.len());
        let mut work =
            known.unwrap_or_else(|| Unfinished { start: given.start, ..Default::default() });
        // A portion that failed may come again with more at its end.
        if work.fates.len() < events.len() {
            work.parts.push_back((work.fates.len()..events.len()).collect());
            work.fates.resize(events.len(), Fate::Open);
        }
        match self.settle(given, &events, &mut work).await {
            Ok(()) => Ok(Taken { refused: refused(work.fates) }),
            Err(error) => {
                self.unfinished.insert(stream, work);
                Err(error)
            }
        }
    }

    /// Sends what is open until there is nothing more.
    async fn settle(
        &mut self,
        given: Portioned<'_>,
        events: &[&[u8]],
        work: &mut Unfinished,
    ) -> Result<()> {
        let Unfinished { fates, parts, again, .. } = work;
        parts.extend((!again.is_empty()).then(|| std::mem::take(again)));
        let mut later = None;
        let mut doubts = 0;
        let mut body = Vec::new();
        while let Some(part) = parts.front().cloned() {
            let chosen: Vec<&[u8]> = part.iter().map(|&at| events[at]).collect();
            body.clear();
            self.protocol.write(given.log, &chosen, &mut body)?;
            if body.len() > self.exchange.limit {
                parts.pop_front();
                match part.as_slice() {
                    [one] => fates[*one] = Fate::Refused(self.exchange.too_large(body.len())),
                    _ => split(parts, &part, None),
                }
                continue;
            }
            let answer = self.exchange.post(&body).await?;
            let verdict = self.protocol.read(&answer, part.len());
            if let Verdict::Later(problem) = verdict {
                return Err(self.exchange.failed(&problem, &answer, given.lines));
            }
            parts.pop_front();
            match verdict {
                Verdict::Taken | Verdict::Later(_) => {
                    self.proven = true;
                    for at in part {
                        fates[at] = Fate::Taken;
                    }
                }
                Verdict::Each(each) => {
                    self.proven |= each.contains(&Of::Taken);
                    for (at, of) in part.into_iter().zip(each) {
                        match of {
                            Of::Taken => fates[at] = Fate::Taken,
                            Of::Refused(reason) => fates[at] = Fate::Doubtful(reason),
                            Of::Later(problem) => {
                                again.push(at);
                                later = Some(self.exchange.failed(&problem, &answer, given.lines));
                            }
                        }
                    }
                }
                Verdict::Wrong { at, reason } => {
                    match part.as_slice() {
                        [one] => fates[*one] = Fate::Doubtful(reason.clone()),
                        _ => split(parts, &part, at),
                    }
                    doubts += 1;
                    if !self.proven && doubts == DOUBTFUL_REQUESTS {
                        return Err(self.refuses_everything(&reason, &answer, given.lines));
                    }
                }
            }
        }
        if let Some(error) = later {
            return Err(error);
        }
        let mut unproven = None;
        for (at, fate) in fates.iter_mut().enumerate() {
            if let Fate::Doubtful(reason) = fate {
                let reason = std::mem::take(reason);
                if self.proven {
                    *fate = Fate::Refused(reason);
                } else {
                    *fate = Fate::Open;
                    again.push(at);
                    unproven = Some(reason);
                }
            }
        }
        match unproven {
            Some(reason) => Err(self.refuses_everything(&reason, &Answer::default(), given.lines)),
            None if fates.contains(&Fate::Open) => {
                Err(Error::new(Code::Internal, "an event was neither delivered nor refused")
                    .fix("report this as a bug, with the kind of the sink"))
            }
            None => Ok(()),
        }
    }

    fn refuses_everything(&self, reason: &str, answer: &Answer, lines: &[u8]) -> Error {
        let said = format!("it has not taken a single event yet, and says: {reason}");
        let fix = "check the address and the settings of the sink; once it has taken an event, \
                   those that it refuses are set aside";
        self.exchange.failed(&Problem::new(said, fix), answer, lines)
    }
}

impl Sink for HttpSink {
    fn portion(&self) -> Portion {
        self.portion
    }

    fn deliver<'a>(&'a mut self, events: Portioned<'a>) -> Doing<'a, Taken> {
        Box::pin(self.take(events))
    }
}

/// Puts the parts of a part in front, so that events stay in their order as far as possible: the
/// halves, or what is before the event at a place, that event, and what is behind it.
fn split(parts: &mut VecDeque<Vec<usize>>, part: &[usize], at: Option<usize>) {
    let cuts = match at.filter(|&at| at < part.len()) {
        Some(at) => [at, at + 1],
        None => [part.len() / 2, part.len() / 2],
    };
    let smaller = [&part[..cuts[0]], &part[cuts[0]..cuts[1]], &part[cuts[1]..]];
    for smaller in smaller.into_iter().rev().filter(|smaller| !smaller.is_empty()) {
        parts.push_front(smaller.to_vec());
    }
}

fn refused(fates: Vec<Fate>) -> Vec<(usize, String)> {
    let refused = fates.into_iter().enumerate().filter_map(|(at, fate)| match fate {
        Fate::Refused(reason) => Some((at, reason)),
        _ => None,
    });
    refused.collect()
}

/// What a status says where the product has nothing more precise to say (RFC 9110, section 15;
/// RFC 6585 for 429). `said` is what the body said, if it could be read.
fn by_status(answer: &Answer, said: Option<&str>) -> Verdict {
    let status = answer.status;
    let text = || match said {
        Some(said) => printable(said, SHOWN),
        None => printable(&String::from_utf8_lossy(&answer.body), SHOWN),
    };
    let said = match text() {
        text if text.is_empty() => format!("it answers {status}"),
        text => format!("it answers {status}: {text}"),
    };
    let fix = match status {
        _ if status.is_success() => return Verdict::Taken,
        // Not a fault of the request, but of some event in it.
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY => return Verdict::Wrong { at: None, reason: said },
        StatusCode::UNAUTHORIZED => "check the credentials of the sink in the connection file",
        StatusCode::FORBIDDEN => "allow these credentials to write there, or give others",
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => {
            "check the address of the sink in the connection file"
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            "check that the address takes JSON, and leave out `compress` if it takes no gzip"
        }
        StatusCode::TOO_MANY_REQUESTS => {
            "nothing to do unless it lasts: then raise the limits of the receiver"
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "give the proxy's user and password in HTTPS_PROXY, or name the host in NO_PROXY"
        }
        _ if status.is_redirection() => {
            "give the address that it redirects to: redirects are not followed"
        }
        _ if status.is_server_error() => {
            "nothing to do unless it lasts: then look into the receiver's own log"
        }
        _ => "check the address and the settings of the sink",
    };
    Verdict::Later(Problem::new(said, fix))
}

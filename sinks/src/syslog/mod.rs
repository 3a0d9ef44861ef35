//! A syslog receiver, by TLS, TCP or UDP.
//!
//! Syslog has no answers. By TLS and TCP, each portion goes over a connection of its own, which is
//! closed towards the receiver; when that closes its side too, it has read everything. RFC 5425,
//! section 4.4, has a receiver say so with `close_notify`, without which a portion is sent again. By
//! TCP, the end of a connection says as much only as long as nobody between closes it, and the receiver
//! lives on to work on what it read.

mod connection;
mod message;

use std::sync::Arc;

use longshore_engine::connection::{Source, Syslog};
use longshore_engine::error::{Code, Result};
use longshore_engine::sink::{Doing, Portioned, Sink, Taken};
use longshore_schema::Spanned;
use rustls::pki_types::ServerName;
use url::{Host, Url};

use connection::{Receiver, Way};

/// Largest message of a datagram by UDP over IPv4, in bytes: what 16 bits of length leave beside the
/// headers (RFC 5426, section 3.2).
const MAX_DATAGRAM: usize = 65_535 - 20 - 8;

/// Reads the section `syslog`.
pub(crate) fn syslog(source: &Source, config: &Syslog) -> Result<SyslogSink> {
    let receiver = receiver(source, config)?;
    let facility = match &config.facility {
        None => message::LOCAL0,
        Some(facility) => message::facility(facility).ok_or_else(|| {
            source
                .error(facility.span, Code::InputInvalid, "this is not a facility of syslog")
                .cause("RFC 5424, table 1, has other ones")
                .fix("write a number from 0 to 23, or a name such as `local0`, `authpriv` or `daemon`")
        })?,
    };
    Ok(SyslogSink { receiver, facility })
}

fn receiver(source: &Source, config: &Syslog) -> Result<Receiver> {
    let Spanned { value: text, span } = &config.to;
    let refused = |cause: &str| {
        source
            .error(*span, Code::InputInvalid, "this is not the address of a syslog receiver")
            .cause(cause)
            .fix("write it like tls://logs.example:6514, tcp://logs.example:601 or udp://logs.example:514")
    };
    let url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
    let host = url.host().filter(|_| url.path().is_empty() && url.username().is_empty());
    let host = match host.ok_or_else(|| refused("it is not a scheme, a host and a port alone"))? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    // The ports that are registered for each.
    let (way, port) = match url.scheme() {
        "tls" => {
            let name = ServerName::try_from(host.clone())
                .map_err(|_| refused("the host cannot be in a certificate"))?;
            let settings = connection::tls(source, config.authority.as_deref())?;
            (Way::Tls(Arc::new(settings), name), 6514)
        }
        "tcp" => (Way::Tcp, 601),
        "udp" => (Way::Udp, 514),
        _ => return Err(refused("it does not begin with `tls://`, `tcp://` or `udp://`")),
    };
    if config.authority.is_some() && !matches!(way, Way::Tls(..)) {
        return Err(refused("there is an `authority`, which is for TLS alone"));
    }
    Ok(Receiver::new(host, url.port().unwrap_or(port), way))
}

/// A sink that speaks syslog.
pub(crate) struct SyslogSink {
    receiver: Receiver,
    facility: u8,
}

impl SyslogSink {
    async fn take(&self, given: Portioned<'_>) -> Result<Taken> {
        let mut refused = Vec::new();
        let mut messages = Vec::new();
        let by_datagram = self.receiver.by_datagram();
        for (at, event) in given.events().enumerate() {
            let message = message::message(self.facility, given.log, event)?;
            if by_datagram && message.len() > MAX_DATAGRAM {
                let bytes = message.len();
                let reason =
                    format!("its message has {bytes} bytes, and a datagram {MAX_DATAGRAM} at most");
                refused.push((at, reason));
            } else {
                messages.push(message);
            }
        }
        if !messages.is_empty() {
            self.receiver.send(&messages).await?;
        }
        Ok(Taken { refused })
    }
}

impl Sink for SyslogSink {
    fn deliver<'a>(&'a mut self, events: Portioned<'a>) -> Doing<'a, Taken> {
        Box::pin(self.take(events))
    }
}

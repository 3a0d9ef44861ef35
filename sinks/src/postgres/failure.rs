//! Failures of PostgreSQL in the words of who has to mend them.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use longshore_engine::error::{Code, Error, printable};

use super::address::Address;

/// Why work failed.
pub(super) enum Failure {
    /// The server refused, or the connection broke.
    Server(tokio_postgres::Error),
    /// Something else, already explained.
    Explained(Error),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Explained(error)
    }
}

/// Whether the server refused a value, so that trying again is in vain: class 22 (data exception) and
/// class 54 (program limit exceeded), <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
pub(super) fn is_about_data(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code().starts_with("22") || code.code().starts_with("54"))
}

impl Address {
    /// Explains what a server or the way to it answered.
    pub(super) fn explain(&self, error: &tokio_postgres::Error) -> Error {
        let Some(said) = error.as_db_error() else { return self.explain_connection(error) };
        // Neither detail nor context, which may repeat a part of an event.
        let code = said.code().code();
        let cause = format!("{} (SQLSTATE {code})", printable(said.message(), 300));
        let fix = match code {
            "28P01" | "28000" => {
                "check user and password in `url`, and `pg_hba.conf` of the server"
            }
            "3D000" => "make the database, or give the name of another one in `url`",
            "42501" => {
                "make the schema for this role, `CREATE SCHEMA name AUTHORIZATION role`, and grant it \
                 TEMPORARY on the database"
            }
            "53100" => "free some space at the server; nothing is lost, delivery continues then",
            "53300" => "raise `max_connections`, or close connections that are not used",
            "55P03" | "57014" => {
                "look in `pg_stat_activity` and `pg_blocking_pids` for who locks the tables or \
                 keeps the server busy"
            }
            "25006" => "give the address of the primary server, not of a standby",
            _ if code.starts_with("57P") || code.starts_with("08") => {
                "check that the server is running; nothing is lost, delivery continues then"
            }
            _ => "look for the message in the log of the server, which says more",
        };
        self.unavailable().cause(cause).fix(fix)
    }

    fn explain_connection(&self, error: &tokio_postgres::Error) -> Error {
        let mut words = error.to_string();
        let mut tls = None;
        let mut source = error.source();
        while let Some(reason) = source {
            let said = reason.to_string();
            if !words.contains(&said) {
                words = format!("{words}: {said}");
            }
            let io = reason.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            tls = tls.or_else(|| io?.downcast_ref::<rustls::Error>());
            source = reason.source();
        }
        let fix = match tls {
            Some(rustls::Error::InvalidCertificate(_)) => {
                "name the authority of the server's certificate with `sslrootcert=PATH` in `url`, and \
                 the host as the certificate has it"
            }
            _ if words.contains("does not support TLS") => {
                "turn on `ssl` at the server; on a network that nobody else can read, \
                 `sslmode=disable` in `url` does without"
            }
            _ => "check that the server is running and can be reached from here",
        };
        self.unavailable().cause(printable(&words, 300)).fix(fix)
    }

    /// Nothing was heard for so long.
    pub(super) fn too_slow(&self, after: Duration) -> Error {
        self.unavailable()
            .cause(format!("it did not answer within {} s", after.as_secs()))
            .fix("check the network between here and the server, and what keeps the server busy")
    }

    fn unavailable(&self) -> Error {
        Error::new(Code::SinkUnavailable, format!("{} takes no events", self.name))
    }
}

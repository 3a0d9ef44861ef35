//! Events in a PostgreSQL database, and how far they go beside them: each event is in it once.

mod address;
mod copy;
mod failure;
mod schema;
mod tls;

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt as _;
use longshore_engine::connection::{self, Source};
use longshore_engine::error::Result;
use longshore_engine::sink::{Doing, Log, Portion, Portioned, Sink, Taken};
use tokio::task::JoinHandle;
use tokio::time::{error::Elapsed, timeout};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, IsolationLevel, Transaction};

use self::address::Address;
use self::copy::Rows;
use self::failure::Failure;
use self::schema::Tables;
use crate::kept;

/// Large enough that a transaction's round trips do not count.
const PORTION: usize = 4 << 20;

/// How long a portion may take, everything included. The server gives up long before.
const LONGEST: Duration = Duration::from_secs(180);

/// What holds for a transaction alone. Somebody may have turned off that COMMIT waits for the disk.
const SETTINGS: &str = "
    SET LOCAL statement_timeout = '60s';
    SET LOCAL lock_timeout = '10s';
    SET LOCAL idle_in_transaction_session_timeout = '60s';
    SET LOCAL client_min_messages = 'warning';
    SELECT set_config('synchronous_commit', 'on', true)
        WHERE current_setting('synchronous_commit') = 'off';
    CREATE TEMPORARY TABLE IF NOT EXISTS longshore_incoming (
        uid text, class_uid bigint, time timestamptz, event jsonb, original text
    ) ON COMMIT DELETE ROWS";

const COPY: &str = "COPY pg_temp.longshore_incoming (uid, class_uid, time, event, original)
    FROM STDIN (FORMAT binary)";

/// A table of events in a PostgreSQL database.
pub(crate) struct Postgres {
    address: Address,
    tables: Tables,
    /// None until it is used, and after an error.
    session: Option<Session>,
}

/// An open connection.
struct Session {
    client: Client,
    /// Ends with the connection, and tells why.
    connection: JoinHandle<Result<(), tokio_postgres::Error>>,
}

impl Postgres {
    /// Nothing is sent yet.
    pub(crate) fn open(source: &Source, config: &connection::Postgres) -> Result<Self> {
        let address = Address::read(source, config)?;
        let tables = Tables::read(source, config)?;
        Ok(Self { address, tables, session: None })
    }

    /// The connection that is open, or a new one to tables that are there.
    async fn session(&mut self) -> Result<Session> {
        if let Some(session) = self.session.take().filter(|session| !session.client.is_closed()) {
            return Ok(session);
        }
        let connect = self.address.config.connect(self.address.tls.clone());
        let (client, connection) = match timeout(LONGEST, connect).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => return Err(self.address.explain(&error)),
            Err(_) => return Err(self.address.too_slow(LONGEST)),
        };
        let mut session = Session { client, connection: tokio::spawn(connection) };
        let made =
            timeout(LONGEST, self.tables.make(&mut session.client, &self.address.name)).await;
        let (session, ()) = self.settle(session, made).await?;
        Ok(session)
    }

    /// Keeps a connection that did its work, cuts one that did not.
    async fn settle<T>(
        &self,
        mut session: Session,
        done: std::result::Result<std::result::Result<T, Failure>, Elapsed>,
    ) -> Result<(Session, T)> {
        let error = match done {
            Ok(Ok(done)) => return Ok((session, done)),
            Ok(Err(Failure::Explained(error))) => error,
            Ok(Err(Failure::Server(error))) if error.is_closed() => {
                // The connection knows better why it was closed.
                let closed = timeout(Duration::from_secs(1), &mut session.connection).await;
                match closed {
                    Ok(Ok(Err(reason))) => self.address.explain(&reason),
                    _ => self.address.explain(&error),
                }
            }
            Ok(Err(Failure::Server(error))) => self.address.explain(&error),
            Err(_) => self.address.too_slow(LONGEST),
        };
        // Whoever waits for an answer on a network that is silent waits for long.
        session.connection.abort();
        Err(error)
    }
}

impl Sink for Postgres {
    fn portion(&self) -> Portion {
        Portion { bytes: PORTION, ..Portion::default() }
    }

    fn keeps_position(&self) -> bool {
        true
    }

    fn position<'a>(&'a mut self, stream: Log<'a>) -> Doing<'a, Option<u64>> {
        Box::pin(async move {
            let session = self.session().await?;
            let found = timeout(LONGEST, position(&session.client, &self.tables, stream)).await;
            let (session, found) = self.settle(session, found).await?;
            self.session = Some(session);
            Ok(found)
        })
    }

    fn deliver<'a>(&'a mut self, events: Portioned<'a>) -> Doing<'a, Taken> {
        Box::pin(async move {
            let mut session = self.session().await?;
            let database = &self.address.name;
            let work = deliver(&mut session.client, &self.tables, events, database);
            let done = timeout(LONGEST, work).await;
            let (session, ()) = self.settle(session, done).await?;
            self.session = Some(session);
            Ok(Taken::default())
        })
    }
}

async fn position(
    client: &Client,
    tables: &Tables,
    log: Log<'_>,
) -> std::result::Result<Option<u64>, Failure> {
    let found = client.query_typed(&tables.position, &names(&log)).await?;
    Ok(found.first().map(|row| row.get::<_, i64>(0) as u64))
}

/// Adds events and moves the position, or changes nothing.
async fn deliver(
    client: &mut Client,
    tables: &Tables,
    events: Portioned<'_>,
    database: &str,
) -> std::result::Result<(), Failure> {
    let refused = match append(client, tables, events, &BTreeSet::new(), database).await {
        Err(Failure::Server(error)) if failure::is_about_data(&error) => error,
        done => return done,
    };
    // It is one in a million that PostgreSQL cannot read as JSON, so they are looked for one by one.
    let mut unreadable = BTreeSet::new();
    for event in events.events() {
        let text = copy::readable(event)?;
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 1] =
            [(&&*text, Type::TEXT)];
        match client.query_typed("SELECT $1::text::jsonb IS NULL", &parameters).await {
            Ok(_) => {}
            Err(error) if failure::is_about_data(&error) => {
                unreadable.insert(event.as_ptr() as usize - events.lines.as_ptr() as usize);
            }
            Err(error) => return Err(error.into()),
        }
    }
    if unreadable.is_empty() {
        return Err(refused.into());
    }
    let unreadable = unreadable.into_iter().map(|at| events.start + at as u64).collect();
    append(client, tables, events, &unreadable, database).await
}

/// As [`deliver`]; the events that start at `unreadable` in the log are kept as text alone.
async fn append(
    client: &mut Client,
    tables: &Tables,
    events: Portioned<'_>,
    unreadable: &BTreeSet<u64>,
    database: &str,
) -> std::result::Result<(), Failure> {
    // With what it is by default, whatever the role or the database has: others are waited for.
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::ReadCommitted)
        .read_only(false)
        .start()
        .await?;
    transaction.batch_execute(SETTINGS).await?;
    let kept = lock(&transaction, tables, events).await?;
    let missing = kept::missing(events, Some(kept), database)?;
    if missing.lines.is_empty() {
        return Ok(());
    }
    {
        let sink = transaction.copy_in::<_, Bytes>(COPY).await?;
        let mut sink = std::pin::pin!(sink);
        let mut rows = Rows::new(missing, unreadable);
        while let Some(rows) = rows.next()? {
            sink.send(rows).await?;
        }
        sink.finish().await?;
    }
    let log = events.log;
    let names = names(&log);
    transaction.query_typed(&tables.insert, &names[1..]).await?;
    let end = missing.end() as i64;
    let [spool, connection, stream] = names;
    let advance = [spool, connection, stream, (&end, Type::INT8)];
    transaction.query_typed(&tables.advance, &advance).await?;
    transaction.commit().await?;
    Ok(())
}

/// Keeps other processes from delivering the log, and tells how far it got.
async fn lock(
    transaction: &Transaction<'_>,
    tables: &Tables,
    events: Portioned<'_>,
) -> std::result::Result<u64, Failure> {
    let names = names(&events.log);
    let found = transaction.query_typed(&tables.lock, &names).await?;
    if let Some(row) = found.first() {
        return Ok(row.get::<_, i64>(0) as u64);
    }
    let start = events.start as i64;
    let [spool, connection, stream] = names;
    let begin = [spool, connection, stream, (&start, Type::INT8)];
    // Another process may have begun it: then it is waited for, and its position taken.
    let rows = transaction.query_typed(&tables.begin, &begin).await?;
    Ok(rows.first().map_or(events.start, |row| row.get::<_, i64>(0) as u64))
}

type Parameter<'p> = (&'p (dyn tokio_postgres::types::ToSql + Sync), Type);

fn names<'p>(log: &'p Log<'_>) -> [Parameter<'p>; 3] {
    [(&log.spool, Type::TEXT), (&log.connection, Type::TEXT), (&log.stream, Type::TEXT)]
}

//! The tables and how older ones become current ones.

use longshore_engine::connection::{self, Source};
use longshore_engine::error::{Code, Error, Result};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::failure::Failure;

/// The schema unless given.
const SCHEMA: &str = "longshore";

/// The longest name that PostgreSQL does not cut (NAMEDATALEN - 1), in bytes.
const LONGEST_NAME: usize = 63;

/// Each entry turns version `index` into version `index + 1`, which the table `version` has; `{schema}`
/// stands for the schema. Entries are never edited once released.
const MIGRATIONS: &[&str] = &[r#"
    CREATE TABLE {schema}.version (version integer NOT NULL);
    INSERT INTO {schema}.version VALUES (0);

    CREATE TABLE {schema}.events (
        -- Digits without any order, which no language sorts in its own way.
        uid        text COLLATE "C" PRIMARY KEY,
        connection text NOT NULL,
        stream     text NOT NULL,
        class_uid  bigint,
        time       timestamptz,
        event      jsonb,
        original   text
    );
    CREATE INDEX events_by_time ON {schema}.events (time);
    CREATE INDEX events_by_class ON {schema}.events (class_uid, time);
    CREATE INDEX events_by_stream ON {schema}.events (connection, stream, time);
    COMMENT ON COLUMN {schema}.events.uid IS 'metadata.uid of the event';
    COMMENT ON COLUMN {schema}.events.original IS
        'the event as it was delivered, if jsonb cannot hold all of it';

    CREATE TABLE {schema}.positions (
        spool      text NOT NULL,
        connection text NOT NULL,
        stream     text NOT NULL,
        position   bigint NOT NULL,
        PRIMARY KEY (spool, connection, stream)
    );
    COMMENT ON TABLE {schema}.positions IS
        'up to which byte of the log of a stream its events are here';
"#];

/// What is asked of the tables, in SQL.
pub(super) struct Tables {
    name: String,
    /// The name as SQL has it.
    schema: String,
    pub(super) position: String,
    pub(super) lock: String,
    pub(super) begin: String,
    pub(super) insert: String,
    pub(super) advance: String,
}

impl Tables {
    pub(super) fn read(source: &Source, config: &connection::Postgres) -> Result<Self> {
        let Some(given) = &config.schema else { return Ok(Self::new(SCHEMA)) };
        let name = given.value.as_str();
        let refused = |cause: &str| {
            let what = "`schema` is not the name of a schema";
            source
                .error(given.span, Code::InputInvalid, what)
                .cause(cause.to_owned())
                .fix("write a name such as `security`")
        };
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains('\0') {
            return Err(refused("a name has 1 to 63 bytes"));
        }
        if name.starts_with("pg_") {
            return Err(refused("names that begin with `pg_` belong to PostgreSQL"));
        }
        Ok(Self::new(name))
    }

    fn new(name: &str) -> Self {
        let schema = format!("\"{}\"", name.replace('"', "\"\""));
        let log = "spool = $1 AND connection = $2 AND stream = $3";
        let position = format!("SELECT position FROM {schema}.positions WHERE {log}");
        Self {
            name: name.to_owned(),
            lock: format!("{position} FOR UPDATE"),
            position,
            begin: format!(
                "INSERT INTO {schema}.positions AS known (spool, connection, stream, position)
                 VALUES ($1, $2, $3, $4) ON CONFLICT (spool, connection, stream)
                 DO UPDATE SET position = known.position RETURNING position"
            ),
            insert: format!(
                "INSERT INTO {schema}.events
                     (uid, connection, stream, class_uid, time, event, original)
                 SELECT uid, $1, $2, class_uid, time, event, original
                 FROM pg_temp.longshore_incoming ON CONFLICT (uid) DO NOTHING"
            ),
            advance: format!("UPDATE {schema}.positions SET position = $4 WHERE {log}"),
            schema,
        }
    }

    /// Makes the tables, or those of an older version current, in one transaction.
    pub(super) async fn make(
        &self,
        client: &mut Client,
        database: &str,
    ) -> std::result::Result<(), Failure> {
        if self.missing(client, database).await?.is_empty() {
            return Ok(());
        }
        let transaction = client.transaction().await?;
        // One process at a time; CREATE ... IF NOT EXISTS alone fails when two do it at once.
        transaction
            .batch_execute(
                "SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '60s';
                 SELECT pg_advisory_xact_lock(5498127346091)",
            )
            .await?;
        let migrations = self.missing(transaction.client(), database).await?;
        let exists = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1";
        if transaction.query_typed(exists, &[(&self.name, Type::TEXT)]).await?.is_empty() {
            transaction.batch_execute(&format!("CREATE SCHEMA {}", self.schema)).await?;
        }
        for migration in migrations {
            transaction.batch_execute(&migration.replace("{schema}", &self.schema)).await?;
        }
        let known = MIGRATIONS.len();
        let note = format!("UPDATE {}.version SET version = {known}", self.schema);
        transaction.batch_execute(&note).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn missing(
        &self,
        client: &Client,
        database: &str,
    ) -> std::result::Result<&'static [&'static str], Failure> {
        let table = format!("{}.version", self.schema);
        // Not to_regclass(), which may remember that there was none.
        let look = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                WHERE n.nspname = $1 AND c.relname = 'version'), current_setting('server_encoding')";
        let found = client.query_typed(look, &[(&self.name, Type::TEXT)]).await?;
        let exists = found.first().is_some_and(|row| row.get(0));
        let encoding: &str = found.first().map_or("", |row| row.get(1));
        if encoding != "UTF8" {
            let what = format!("{database} cannot hold every character");
            return Err(Error::new(Code::SinkUnavailable, what)
                .cause(format!("its encoding is {encoding}"))
                .fix("make a database with the encoding UTF8, and give its name in `url`")
                .into());
        }
        if !exists {
            return Ok(MIGRATIONS);
        }
        let read = format!("SELECT version FROM {table}");
        let found = client.query_typed(&read, &[]).await?;
        let version: i32 = found.first().map_or(0, |row| row.get(0));
        let known = MIGRATIONS.len();
        let missing = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version..));
        missing.ok_or_else(|| {
            let what = format!(
                "the tables in the schema {} of {database} were made by a newer version of this \
                 program",
                self.schema
            );
            Error::new(Code::SinkUnavailable, what)
                .cause(format!("they have version {version}, known are those up to {known}"))
                .fix("use that version, or give another `schema`")
                .into()
        })
    }
}

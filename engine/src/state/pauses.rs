//! Until when an app wants to be left alone, so that a restart does not forget it.

use rusqlite::params;

use super::Store;
use crate::error::Result;

impl Store {
    /// The pauses of a connection that are not over at `now`: what is not to be asked for, and until
    /// when, in milliseconds since 1970.
    pub(crate) fn pauses(&self, connection: &str, now: i64) -> Result<Vec<([u8; 16], i64)>> {
        self.read("reading what is paused", |database| {
            let mut statement = database.prepare_cached(
                "SELECT asked, until FROM pauses WHERE connection = ?1 AND until > ?2",
            )?;
            let pauses = statement
                .query_map(params![connection, now], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(pauses.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Stores a pause, and drops those that are over at `now`.
    pub(crate) fn store_pause(
        &self,
        connection: &str,
        asked: &[u8; 16],
        until: i64,
        now: i64,
    ) -> Result<()> {
        self.write("storing a pause", |transaction| {
            transaction
                .prepare_cached("DELETE FROM pauses WHERE connection = ?1 AND until <= ?2")?
                .execute(params![connection, now])?;
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO pauses (connection, asked, until) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![connection, asked, until])?;
            Ok(())
        })
    }
}

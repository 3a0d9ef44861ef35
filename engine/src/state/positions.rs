//! How much of each delivered file is committed.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Failure, Store};
use crate::error::Result;

/// The committed part of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SinkPosition {
    /// Which file it is; see [`inode`](crate::files::inode).
    pub(crate) inode: u64,
    /// Its committed length in bytes.
    pub(crate) length: u64,
}

impl SinkPosition {
    pub(crate) fn read(
        database: &Connection,
        directory: &Path,
        file: &str,
    ) -> Result<Option<Self>, Failure> {
        let directory = directory.as_os_str().as_encoded_bytes();
        Ok(database
            .prepare_cached(
                "SELECT inode, length FROM sink_positions WHERE directory = ?1 AND file = ?2",
            )?
            .query_row(params![directory, file], |row| {
                Ok(Self {
                    inode: row.get::<_, i64>(0)?.cast_unsigned(),
                    length: row.get::<_, i64>(1)?.max(0).cast_unsigned(),
                })
            })
            .optional()?)
    }

    pub(crate) fn store(
        self,
        transaction: &Transaction<'_>,
        directory: &Path,
        file: &str,
    ) -> Result<(), Failure> {
        let directory = directory.as_os_str().as_encoded_bytes();
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO sink_positions (directory, file, inode, length)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                directory,
                file,
                self.inode.cast_signed(),
                self.length.cast_signed()
            ])?;
        Ok(())
    }

    pub(crate) fn remove(
        transaction: &Transaction<'_>,
        directory: &Path,
        file: &str,
    ) -> Result<(), Failure> {
        let directory = directory.as_os_str().as_encoded_bytes();
        transaction
            .prepare_cached("DELETE FROM sink_positions WHERE directory = ?1 AND file = ?2")?
            .execute(params![directory, file])?;
        Ok(())
    }
}

impl Store {
    /// The files of `directory` that were ever delivered to.
    pub(crate) fn delivered_files(&self, directory: &Path) -> Result<Vec<String>> {
        let directory = directory.as_os_str().as_encoded_bytes();
        self.read("listing delivered files", |database| {
            let mut statement =
                database.prepare_cached("SELECT file FROM sink_positions WHERE directory = ?1")?;
            let files = statement.query_map([directory], |row| row.get(0))?;
            Ok(files.collect::<rusqlite::Result<_>>()?)
        })
    }
}

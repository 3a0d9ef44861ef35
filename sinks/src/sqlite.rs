//! Events in a SQLite database, and how far they go beside them: each event is in it once.

mod database;
mod failure;
mod holder;

use std::path::PathBuf;

use longshore_engine::connection::{self, ConnectionFile, Source};
use longshore_engine::error::{Code, Error, Result};
use longshore_engine::sink::{Doing, Log, Portion, Portioned, Sink, Taken};

use self::database::{Database, LogName};
use self::failure::Failure;

/// Large enough that waiting for the disk does not count.
const PORTION: usize = 8 << 20;

/// A table of events in a SQLite file.
pub(crate) struct Sqlite {
    path: PathBuf,
    /// None until it is used, and after an error.
    database: Option<Database>,
}

impl Sqlite {
    /// The file is not touched before the first event.
    pub(crate) fn new(source: &Source, config: &connection::Sqlite) -> Self {
        Self { path: ConnectionFile::resolve(source, &config.file), database: None }
    }

    /// Works with the database, where waiting for it stops nobody else.
    async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Database) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let path = self.path.clone();
        let open = self.database.take();
        let work = move || {
            let worked = || {
                let mut database = match open {
                    Some(database) if database.is_at(&path) => database,
                    _ => Database::open(&path)?,
                };
                Ok((work(&mut database)?, database))
            };
            worked().map_err(|failure: Failure| failure.explain(&path))
        };
        let worked = tokio::task::spawn_blocking(work).await.map_err(|error| {
            Error::new(Code::Internal, "writing to a SQLite database ended unexpectedly")
                .cause(error.to_string())
                .fix("report this as a bug")
        })?;
        let (done, database) = worked?;
        self.database = Some(database);
        Ok(done)
    }
}

impl Sink for Sqlite {
    fn portion(&self) -> Portion {
        Portion { bytes: PORTION, ..Portion::default() }
    }

    fn keeps_position(&self) -> bool {
        true
    }

    fn position<'a>(&'a mut self, stream: Log<'a>) -> Doing<'a, Option<u64>> {
        let log = LogName::from(stream);
        Box::pin(self.work(move |database| database.position(&log)))
    }

    fn deliver<'a>(&'a mut self, events: Portioned<'a>) -> Doing<'a, Taken> {
        let log = LogName::from(events.log);
        let (start, lines) = (events.start, events.lines.to_vec());
        Box::pin(async move {
            self.work(move |database| database.append(&log, start, &lines)).await?;
            Ok(Taken::default())
        })
    }
}

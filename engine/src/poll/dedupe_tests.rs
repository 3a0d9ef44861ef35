//! Keys in a real database while an app shows records again and again: each is delivered once.

use std::cell::RefCell;

use proptest::prelude::*;
use rusqlite::Connection;

use super::model::{Commit, Step, World, cases};
use super::*;
use crate::state::{Inserted, KeyWriter, StreamId, forget_keys, in_memory};

thread_local! {
    /// A database for all cases, each with a stream of its own.
    pub(super) static DATABASE: RefCell<Connection> = RefCell::new(in_memory());
}

/// What the keys of one stream let through.
pub(super) struct Delivered<'d> {
    database: &'d mut Connection,
    stream: StreamId,
    /// How often each record was delivered.
    pub(super) times: Vec<u32>,
}

impl<'d> Delivered<'d> {
    pub(super) fn new(database: &'d mut Connection, records: usize) -> Self {
        database.execute_batch("DELETE FROM seen_keys; DELETE FROM streams").unwrap();
        database
            .execute("INSERT INTO streams (id, connection, stream) VALUES (1, 'acme', 'log')", [])
            .unwrap();
        Self { database, stream: StreamId(1), times: vec![0; records] }
    }

    /// Polls, and stores what each commit of the poll stores.
    fn poll(&mut self, world: &mut World<'_>, step: &Step) {
        for commit in world.poll(step).commits {
            self.store(commit);
        }
    }

    pub(super) fn store(&mut self, commit: Commit) {
        let transaction = self.database.transaction().unwrap();
        let mut keys = KeyWriter::new(&transaction, self.stream).unwrap();
        for (index, keep) in commit.records {
            let key = (index as u128).to_be_bytes();
            if keys.insert(&key, keep.as_millisecond()).unwrap() == Inserted::New {
                self.times[index] += 1;
            }
        }
        keys.finish().unwrap();
        if let Some(before) = commit.forget {
            // As if so many keys had come that it is time for a pass over them.
            transaction
                .execute("UPDATE streams SET keys_kept = 0, keys_added = 1000000", [])
                .unwrap();
            forget_keys(&transaction, self.stream, before).unwrap();
        }
        transaction.commit().unwrap();
    }

    fn kept(&self) -> i64 {
        self.database.query_row("SELECT count(*) FROM seen_keys", [], |row| row.get(0)).unwrap()
    }
}

proptest! {
    #![proptest_config(crate::properties::cases(1000))]

    /// Whatever fails or is killed, and though keys are forgotten as soon as the horizon allows it:
    /// no record is delivered twice, and in the end no key is left of what is never shown again.
    #[test]
    fn records_that_are_shown_again_are_delivered_once(case in cases()) {
        DATABASE.with_borrow_mut(|database| -> Result<(), TestCaseError> {
            let mut delivered = Delivered::new(database, case.entries.len());
            let mut world = World::new(&case);
            for step in &case.steps {
                delivered.poll(&mut world, step);
                prop_assert!(delivered.times.iter().all(|times| *times <= 1), "{:?}", delivered.times);
            }
            let patient = case.patient();
            world.case = &patient;
            while world.now < world.end() {
                let rest = world.rest();
                delivered.poll(&mut world, &rest);
                prop_assert!(delivered.times.iter().all(|times| *times <= 1), "{:?}", delivered.times);
            }
            // Twice the overlap and what `remember` says later nothing of all this can come again.
            let settings = &patient.settings;
            let long = settings.overlap * 2 + settings.resolution * 4 + settings.lag;
            let wait = model::millis(long) + case.remember.unwrap_or(0);
            let later = Step { wait, ..world.rest() };
            delivered.poll(&mut world, &later);
            // Before anything is delivered up to a time, nothing is forgotten.
            prop_assert!(world.watermark.is_none() || delivered.kept() == 0, "keys of no use");
            Ok(())
        })?;
    }
}

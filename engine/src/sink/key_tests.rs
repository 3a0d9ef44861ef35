//! Keys in rows and in blocks against a list in memory.

use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;

use super::json_lines::store_keys;
use super::{Batch, Commit, Dedupe};
use crate::state::{StreamId, forget_keys, in_memory};

/// A commit: records by number, and a number before whose time keys are forgotten.
#[derive(Debug, Clone)]
struct Case {
    records: Vec<u32>,
    forget: Option<u32>,
}

fn runs() -> impl Strategy<Value = Vec<u32>> {
    let ascending = (0..2000_u32, 1..600_u32, 1..3_usize)
        .prop_map(|(start, count, step)| (start..start + count).step_by(step).collect());
    let any = prop::collection::vec(0..2600_u32, 0..80);
    prop::collection::vec(prop_oneof![3 => ascending, 1 => any], 1..3)
        .prop_map(|runs: Vec<Vec<u32>>| runs.concat())
}

fn cases() -> impl Strategy<Value = Vec<Case>> {
    let case = (runs(), prop::option::weighted(0.3, 0..2600_u32))
        .prop_map(|(records, forget)| Case { records, forget });
    prop::collection::vec(case, 1..8)
}

/// Begins with the time, as keys of a log do; records of one time are in no order.
fn key(number: u32) -> [u8; 16] {
    let mut key = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
    key[..6].copy_from_slice(&time(number).to_be_bytes()[2..]);
    key
}

fn time(number: u32) -> i64 {
    i64::from(number / 3)
}

proptest! {
    #![proptest_config(crate::properties::cases(200))]

    /// What was not forgotten is dropped when it comes again, what is new is not, and nothing is
    /// kept for ever.
    #[test]
    fn blocks_and_rows_know_the_same(cases in cases()) {
        let mut database = in_memory();
        database
            .execute("INSERT INTO streams (id, connection, stream) VALUES (1, 'acme', 'log')", [])
            .unwrap();
        let stream = StreamId(1);
        // Those that must be known, and those that may be: a block is kept for its latest key.
        let (mut known, mut perhaps) = (BTreeSet::new(), BTreeSet::new());
        for case in &cases {
            let mut batch = Batch::new();
            for number in &case.records {
                batch.push(key(*number), time(*number), Dedupe::Check, b"{}");
            }
            let forget = case.forget.map(|number| Timestamp::from_millisecond(time(number)).unwrap());
            let commit = Commit {
                forget_keys_before: forget,
                ..Commit::events(stream, "log.jsonl", &batch)
            };
            let transaction = database.transaction().unwrap();
            let dropped = store_keys(&transaction, &commit).unwrap();
            let before = forget.map_or(i64::MIN, Timestamp::as_millisecond);
            let mut came = BTreeSet::new();
            for (number, dropped) in case.records.iter().zip(dropped) {
                let again = !came.insert(*number) || known.contains(number);
                prop_assert!(dropped == again || dropped && perhaps.contains(number), "{}", number);
            }
            known.append(&mut came);
            perhaps.extend(known.extract_if(.., |number| time(*number) < before));
            if let Some(forget) = forget {
                transaction
                    .execute("UPDATE streams SET keys_kept = 0, keys_added = 1000000", [])
                    .unwrap();
                forget_keys(&transaction, stream, forget).unwrap();
            }
            transaction.commit().unwrap();
        }
        let transaction = database.transaction().unwrap();
        transaction.execute("UPDATE streams SET keys_kept = 0, keys_added = 1000000", []).unwrap();
        forget_keys(&transaction, stream, Timestamp::MAX).unwrap();
        for table in ["seen_keys", "seen_blocks"] {
            let count = format!("SELECT count(*) FROM {table}");
            let left: i64 = transaction.query_row(&count, [], |row| row.get(0)).unwrap();
            prop_assert_eq!(left, 0, "{}", table);
        }
    }
}

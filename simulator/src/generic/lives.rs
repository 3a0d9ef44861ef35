//! Records that change, vanish and come back, for streams that are read whole.

use fastrand::Rng;
use longshore_schema::JsonPath;
use serde_json::Value;

use super::data::{MARK, Span, fresh};
use super::place;

/// What counts as a change in a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// The members whose change counts; all of them if there are none here.
    pub(super) compare: Vec<JsonPath>,
    /// Those whose change does not.
    pub(super) ignore: Vec<JsonPath>,
    /// Whether an event tells of what is gone.
    pub(super) gone: bool,
}

/// One form of a record, for a while.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) mark: String,
    pub(super) from: i64,
    pub(super) until: i64,
    value: Value,
}

/// A record over time.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) versions: Vec<Version>,
    /// When something changed that does not count.
    quiet: Vec<i64>,
    /// What that is; a member that nobody knows if there is nothing here.
    unheeded: Vec<JsonPath>,
}

impl Life {
    /// Draws a life that begins at `shown`. A record that `stays` is never gone.
    pub(super) fn new(
        (value, mark): (&Value, &str),
        changes: &Changes,
        (shown, span): (i64, Span),
        (stays, is_table): (bool, bool),
        rng: &mut Rng,
    ) -> Self {
        let start = shown.max(span.from);
        let mut draw = |most: usize| -> Vec<i64> {
            let mut times: Vec<_> = (0..rng.usize(..=most))
                .map(|_| rng.i64(start..span.until.max(start + 1)))
                .collect();
            times.sort_unstable();
            times.dedup();
            times
        };
        let turns = draw(4);
        // A row has no place for members of which the header says nothing.
        let is_quiet = !changes.ignore.is_empty() || (!changes.compare.is_empty() && !is_table);
        let quiet = if is_quiet { draw(3) } else { Vec::new() };
        let version = |number: usize, from| {
            let mark = format!("{mark}.{number}");
            let mut value = value.clone();
            if let Value::Object(members) = &mut value {
                members.insert(MARK.to_owned(), mark.clone().into());
            }
            if number > 0 {
                change(&mut value, &changes.compare, number);
            }
            Version { mark, from, until: i64::MAX, value }
        };
        let mut versions = vec![version(0, shown)];
        for at in turns {
            let number = versions.len();
            let Some(last) = versions.last_mut() else { break };
            if last.until == i64::MAX {
                last.until = at;
                if !stays && rng.u8(..3) == 0 {
                    continue;
                }
            }
            versions.push(version(number, at));
        }
        Self { versions, quiet, unheeded: changes.ignore.clone() }
    }

    /// The record as it is shown; `None` if it is not.
    pub(super) fn value(&self, now: i64) -> Option<Value> {
        let version = self.versions.iter().find(|one| one.from <= now && now < one.until)?;
        let mut value = version.value.clone();
        let quiet = self.quiet.iter().filter(|at| **at <= now).count();
        if quiet > 0 {
            for path in &self.unheeded {
                set(&mut value, path, 700 + quiet);
            }
            if let (true, Value::Object(members)) = (self.unheeded.is_empty(), &mut value) {
                members.insert("simulated_noise".to_owned(), quiet.into());
            }
        }
        Some(value)
    }
}

/// Changes something that counts.
fn change(value: &mut Value, compare: &[JsonPath], number: usize) {
    for path in compare {
        set(value, path, 500 + number);
    }
}

fn set(value: &mut Value, path: &JsonPath, number: usize) {
    let Ok(steps) = place::one(path) else { return };
    let new = match path.first(value) {
        None | Some(Value::Null) => format!("simulated-{number}").into(),
        Some(old) => fresh(old, number),
    };
    place::set(value, steps, new);
}

#[cfg(test)]
mod tests {
    use longshore_schema::scalar::Scalar;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_changes_counts_and_what_does_not_is_quiet() {
        let path = |text| JsonPath::parse(text).unwrap();
        let (record, span) = (json!({ "id": 1, "name": "a" }), Span { from: 0, until: 1000 });
        let whole = Changes { ignore: vec![path("$.seen")], ..Changes::default() };
        let some = Changes { compare: vec![path("$.name")], ..Changes::default() };
        let (mut gone, mut versions) = (0, 0);
        for seed in 0..200 {
            for changes in [&whole, &some] {
                let mut rng = Rng::with_seed(seed);
                let of = (&record, "users-0-1");
                let life = Life::new(of, changes, (10, span), (seed % 2 == 0, false), &mut rng);
                assert_eq!(life.value(9), None);
                let mut before: Option<Value> = None;
                for now in 10..1000 {
                    let Some(mut value) = life.value(now) else {
                        assert!(seed % 2 == 1, "a record that stays was gone");
                        gone += 1;
                        before = None;
                        continue;
                    };
                    for quiet in ["seen", "simulated_noise"] {
                        value.as_object_mut().unwrap().remove(quiet);
                    }
                    if let Some(before) = before.filter(|before| *before != value) {
                        assert_ne!(before[MARK], value[MARK]);
                        let is_named =
                            changes.compare.is_empty() || before["name"] != value["name"];
                        assert!(is_named, "{value}");
                        versions += 1;
                    }
                    before = Some(value);
                }
            }
        }
        assert!(gone > 0 && versions > 0);
    }
}

//! What was told of records that change, against how they changed.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use longshore_simulator::generic::{Lives, MARK, Shown, Truth};
use serde_json::Value;

use crate::compare::{Compared, lines, told_by_key};

/// What an event says of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// It has its form of this number.
    Form(usize),
    Gone,
}

/// Compares the events of a stream in `folder` with how its records changed. It was read whole in
/// the times of `read`.
pub(crate) fn compare_lives(
    folder: &Path,
    truth: &Truth,
    lives: &Lives,
    read: &[(Timestamp, Timestamp)],
) -> Compared {
    let stream = &truth.stream;
    let mut compared = Compared::default();
    let marks: BTreeMap<&str, (&str, usize)> = lives
        .records
        .iter()
        .flat_map(|(record, forms)| {
            let numbered = forms.iter().enumerate();
            numbered.map(move |(number, form)| (form.mark.as_str(), (record.as_str(), number)))
        })
        .collect();
    let mut told: BTreeMap<&str, Vec<Told>> = BTreeMap::new();
    // The kind of event that first told of a form: what is gone is told by another one.
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for line in lines(&folder.join(format!("{stream}.jsonl"))) {
        compared.delivered += 1;
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        let kind = event["type_uid"].as_u64().unwrap_or_default();
        let mark = event["unmapped"][MARK].as_str().and_then(|mark| marks.get_key_value(mark));
        if let Some((mark, (record, number))) = mark {
            let first = *kinds.entry(mark).or_insert(kind);
            let form = if first == kind { Told::Form(*number) } else { Told::Gone };
            told.entry(record).or_default().push(form);
        } else if let Some(record) = told_by_key(truth, &event) {
            told.entry(record).or_default().push(Told::Gone);
        } else {
            compared.lost.push(format!("{stream}: an event without its record: {line:.300}"));
        }
    }
    let read: Vec<(i64, i64)> =
        read.iter().map(|(start, end)| (start.as_millisecond(), end.as_millisecond())).collect();
    for (record, forms) in &lives.records {
        let told = told.get(record.as_str()).map_or(&[][..], Vec::as_slice);
        for what in wrong(forms, told, lives.gone) {
            compared.duplicated.push(format!("{stream}: {record} {what}"));
        }
        for what in missing(forms, told, &read, lives.gone) {
            compared.lost.push(format!("{stream}: {record} {what}"));
        }
    }
    compared
}

/// When a record was not there after the form of this number.
fn absence(forms: &[Shown], number: usize) -> (i64, i64) {
    (forms[number].until, forms.get(number + 1).map_or(i64::MAX, |next| next.from))
}

/// What was told of a record and should not have been.
fn wrong(forms: &[Shown], told: &[Told], tells_gone: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut last: Option<usize> = None;
    let mut is_there = false;
    for (at, one) in told.iter().enumerate() {
        match *one {
            Told::Form(number) => {
                if last.is_some_and(|last| last >= number) {
                    wrong.push(format!("came as its form {number} after {last:?}"));
                }
                (last, is_there) = (Some(number), true);
            }
            Told::Gone => {
                let next = told[at + 1..].iter().find_map(|one| match one {
                    Told::Form(number) => Some(*number),
                    Told::Gone => None,
                });
                let until = next.unwrap_or(forms.len());
                let was_away = last.is_some_and(|last| {
                    (last..until).any(|number| {
                        let (from, until) = absence(forms, number);
                        from < until
                    })
                });
                if !tells_gone || !is_there || !was_away {
                    wrong.push("was told to be gone, and was not, or was told before".to_owned());
                }
                is_there = false;
            }
        }
    }
    wrong
}

/// What should have been told of a record, for it was so whenever the stream was read once.
fn missing(forms: &[Shown], told: &[Told], read: &[(i64, i64)], tells_gone: bool) -> Vec<String> {
    let mut missing = Vec::new();
    let lasts = |from: i64, until: i64| read.iter().any(|(s, e)| from <= *s && *e < until);
    for (number, form) in forms.iter().enumerate() {
        if lasts(form.from, form.until) && !told.contains(&Told::Form(number)) {
            missing.push(format!("did not come as its form {number}"));
        }
        let (from, until) = absence(forms, number);
        let known = told.iter().rposition(|one| matches!(one, Told::Form(told) if *told <= number));
        if let (true, true, Some(known)) = (tells_gone, from < until && lasts(from, until), known)
            && told.get(known + 1) != Some(&Told::Gone)
        {
            missing.push(format!("was not told to be gone after its form {number}"));
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(times: &[(i64, i64)]) -> Vec<Shown> {
        let numbered = times.iter().enumerate();
        numbered
            .map(|(n, (from, until))| Shown { mark: format!("r.{n}"), from: *from, until: *until })
            .collect()
    }

    #[test]
    fn what_changed_is_told_once_and_in_order() {
        use Told::{Form, Gone};
        // Changed at 10, away from 20 to 30, gone for good at 40.
        let forms = forms(&[(0, 10), (10, 20), (30, 40)]);
        let read = [(5, 6), (12, 13), (22, 23), (32, 33), (42, 43)];
        let all = [Form(0), Form(1), Gone, Form(2), Gone];
        assert!(wrong(&forms, &all, true).is_empty());
        assert!(missing(&forms, &all, &read, true).is_empty());
        for (told, wrongs, missings) in [
            (&all[..4], 0, 1),
            (&[Form(0), Form(1), Form(2), Gone][..], 0, 1),
            (&[Form(0), Gone, Form(1), Gone, Form(2), Gone][..], 1, 0),
            (&[Form(0), Form(0), Form(1), Gone, Form(2), Gone][..], 1, 0),
            (&[Form(0), Gone, Gone, Form(2), Gone][..], 1, 1),
            (&[][..], 0, 3),
        ] {
            assert_eq!(wrong(&forms, told, true).len(), wrongs, "{told:?}");
            assert_eq!(missing(&forms, told, &read, true).len(), missings, "{told:?}");
        }
        // What nobody read whole need not have been told; what nobody wants to know neither.
        assert!(missing(&forms, &[], &[(5, 12), (15, 35)], true).is_empty());
        assert!(missing(&forms, &[Form(0), Form(1), Form(2)], &read, false).is_empty());
        assert_eq!(wrong(&forms, &all, false).len(), 2);
    }
}

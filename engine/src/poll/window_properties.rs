//! Windows against an app whose records appear late, whatever the schedule of the polls.

use proptest::prelude::*;

use super::model::{Case, Polled, World, at, cases, millis};
use super::*;

/// What one poll may ask for.
fn check(case: &Case, polled: &Polled) -> Result<(), TestCaseError> {
    let settings = &case.settings;
    let Some(Due { range, gap }) = polled.due else { return Ok(()) };
    let step = settings.resolution;
    for time in [range.start, range.end] {
        prop_assert_eq!(time, settings.floor(time), "the app cannot tell this time");
    }
    prop_assert!(range.start < range.end);
    prop_assert!(range.end <= earlier(polled.now, settings.lag), "later than the lag");
    prop_assert!(polled.until.is_none_or(|until| range.end <= until), "later than `until`");
    let kept = settings.retention.map(|kept| settings.floor(earlier(polled.now, kept)));
    prop_assert!(kept.is_none_or(|kept| kept <= range.start), "older than the app keeps");
    match (polled.watermark, gap) {
        (Some(watermark), None) => {
            prop_assert!(range.start <= watermark, "a gap that is not told");
            let reach = earlier(earlier(watermark, settings.overlap), step);
            prop_assert!(reach < range.start, "further back than the overlap");
            prop_assert!(kept.is_none_or(|kept| kept <= watermark), "lost, and not told");
        }
        (Some(watermark), Some(gap)) => {
            prop_assert_eq!(gap, Range { start: watermark, end: range.start });
            prop_assert!(kept.is_some_and(|kept| watermark < kept), "told, and not lost");
        }
        (None, gap) => prop_assert!(gap.is_none(), "a gap before the first poll"),
    }
    let back = match settings.bounds {
        Bounds::StartOnly | Bounds::Both => Duration::ZERO,
        Bounds::EndOnly | Bounds::Neither => step,
    };
    let twice = |time| settings.earliest(time) < time;
    let most = settings.span().map(|span| span.max(step));
    for (piece, asked) in &polled.asked {
        prop_assert!(range.start <= piece.start && piece.start < piece.end);
        prop_assert!(piece.end <= range.end);
        let long = millis(step).max(piece.end.as_millisecond() - piece.start.as_millisecond());
        prop_assert!(most.is_none_or(|most| long <= millis(most)), "longer than the span");
        let plain = Range { start: earlier(piece.start, back), end: piece.end };
        prop_assert!(asked.start <= plain.start && plain.end <= asked.end);
        if settings.zone.is_none() {
            prop_assert_eq!(*asked, plain);
        }
        prop_assert!(!twice(asked.start) && !twice(asked.end), "a time that occurs twice");
        prop_assert_eq!(asked.start, settings.floor(asked.start));
        prop_assert_eq!(asked.end, settings.floor(asked.end));
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::properties::cases(2000))]

    /// Every record that the app shows within lag and overlap is read, or lies in a gap that is
    /// told; nothing is asked for that the app's bounds, the lag and the span do not allow; and no
    /// window begins before an earlier one.
    #[test]
    fn everything_due_is_read_and_nothing_else_is_asked_for(mut case in cases()) {
        let steps = std::mem::take(&mut case.steps);
        // At last the app answers for any number of records.
        let patient = case.patient();
        let mut read = vec![false; case.entries.len()];
        let mut excused = read.clone();
        let (mut first, mut last) = (None, None);
        let mut steps = steps.iter();
        let mut rested = false;
        let mut world = World::new(&case);
        loop {
            let next = steps.next().cloned();
            if next.is_none() {
                if rested && world.now >= world.end() {
                    break;
                }
                world.case = &patient;
                rested = true;
            }
            let polled = world.poll(&next.unwrap_or_else(|| world.rest()));
            check(&case, &polled)?;
            prop_assert!(polled.watermark <= world.watermark, "the watermark went back");
            if let Some(due) = polled.due {
                prop_assert!(world.watermark <= polled.watermark.max(Some(due.range.end)));
                if polled.watermark.is_none() {
                    // Before anything is delivered, every poll begins anew.
                    first = world.watermark.map(|_| due.range.start);
                } else if polled.now >= last.map_or(polled.now, |(now, _)| now) {
                    prop_assert!(last.is_none_or(|(_, start)| start <= due.range.start));
                    last = Some((polled.now, due.range.start));
                }
                for (index, entry) in case.entries.iter().enumerate() {
                    let time = at(entry.time);
                    let told = due.gap.is_some_and(|gap| gap.start <= time && time < gap.end);
                    // Behind the watermark already, and then so late that the app dropped it before
                    // the poll that would have read it again.
                    let kept = case.settings.retention.is_none_or(|kept| earlier(polled.now, kept) <= time);
                    let late = polled.watermark.is_some_and(|watermark| time < watermark) && !kept;
                    excused[index] |= told || late;
                }
            }
            for (index, _) in polled.commits.iter().flat_map(|commit| &commit.records) {
                read[*index] = true;
            }
        }
        for (index, entry) in case.entries.iter().enumerate() {
            let due = first.is_some_and(|first| first <= at(entry.time));
            prop_assert!(!due || read[index] || excused[index], "{entry:?} was never read");
        }
    }
}

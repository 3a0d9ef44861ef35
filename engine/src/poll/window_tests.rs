//! The arithmetic of windows, case by case.

use super::*;
use proptest::prelude::*;

fn settings(span: u64, lag: u64, overlap: u64, bounds: Bounds) -> Settings {
    Settings {
        span: Some(Duration::from_secs(span)),
        lag: Duration::from_secs(lag),
        overlap: Duration::from_secs(overlap),
        resolution: Duration::from_secs(1),
        bounds,
        backfill: Duration::from_secs(3600),
        retention: None,
        ascending: false,
        descending: false,
        filters: false,
        most: None,
        zone: None,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn a_gap_is_what_the_app_forgot_since_the_watermark() {
    let settings = Settings {
        retention: Some(Duration::from_secs(100)),
        ..settings(10, 0, 5, Bounds::StartOnly)
    };
    let due = settings.due(Some(at(850)), at(1000), None, None).unwrap();
    assert_eq!(due.gap, Some(Range { start: at(850), end: at(900) }));
    assert_eq!(due.range, Range { start: at(900), end: at(1000) });
    let fresh = settings.due(None, at(1000), None, None).unwrap();
    assert_eq!((fresh.gap, fresh.range.start), (None, at(900)));
}

#[test]
fn nothing_is_left_of_a_half_that_was_delivered_before() {
    let ordered = Settings { ascending: true, ..settings(1000, 0, 5, Bounds::StartOnly) };
    let half = |start, end| Range { start: at(start), end: at(end) };
    assert_eq!(ordered.resume(half(0, 500), at(900)), None);
    assert_eq!(ordered.resume(half(500, 1000), at(900)), Some(half(894, 1000)));
    assert_eq!(ordered.resume(half(500, 1000), at(400)), Some(half(500, 1000)));
}

#[test]
fn halving_ends_at_the_resolution() {
    let settings = settings(10, 0, 0, Bounds::StartOnly);
    let half = |seconds| settings.half(Range { start: at(0), end: at(seconds) });
    assert_eq!(half(10), Some(Duration::from_secs(5)));
    assert_eq!(half(3), Some(Duration::from_secs(1)));
    assert_eq!(half(1), None);
}

#[test]
fn pieces_end_where_the_app_can_tell() {
    let minutes =
        Settings { resolution: Duration::from_secs(60), ..settings(90, 0, 0, Bounds::StartOnly) };
    let range = Range { start: at(0), end: at(600) };
    let piece = |span| minutes.piece(range, at(60), Some(Duration::from_secs(span))).end;
    assert_eq!((piece(90), piece(10), piece(1000)), (at(120), at(120), at(600)));
}

proptest! {
    /// Whatever the polls' times, spans and overlaps: consecutive polls leave no instant out.
    #[test]
    fn polls_cover_every_instant(
        span in 1_u64..5000, lag in 0_u64..120, overlap in 0_u64..900,
        steps in prop::collection::vec(0_i64..4000, 1..12),
    ) {
        let settings = settings(span, lag, overlap, Bounds::StartOnly);
        let mut now = 1_000_000;
        let first = now - 3600;
        let mut watermark: Option<Timestamp> = None;
        for step in steps {
            now += step;
            let Some(due) = settings.due(watermark, at(now), None, None) else { continue };
            let reached = watermark.unwrap_or(at(first));
            prop_assert!(due.range.start <= reached.max(due.range.start.min(at(first + step))));
            let mut position = due.range.start;
            while position < due.range.end {
                let piece = settings.piece(due.range, position, settings.span());
                prop_assert!(piece.start == position && piece.end > piece.start);
                position = piece.end;
            }
            prop_assert_eq!(position, due.range.end);
            if let Some(watermark) = watermark {
                prop_assert!(due.range.start <= watermark);
                prop_assert!(settings.horizon(watermark) < due.range.start);
            }
            watermark = Some(watermark.map_or(position, |known| known.max(position)));
        }
    }

    /// An app that leaves the start out is asked for one resolution more.
    #[test]
    fn open_starts_are_moved_back(start in 0_i64..1_000_000, length in 1_i64..5000) {
        let range = Range { start: at(start), end: at(start + length) };
        let open = settings(10, 0, 0, Bounds::Neither).asked(range);
        for second in start..start + length.min(50) {
            prop_assert!(open.start < at(second) && at(second) < open.end);
        }
    }
}

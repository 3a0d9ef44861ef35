//! Positions that a database keeps beside its events.

use longshore_engine::error::{Code, Error, Result};
use longshore_engine::sink::Portioned;

/// What of a portion is not in a database yet that has all events before `kept`. It starts there, and
/// has no lines if nothing is missing. `database` is its name in errors.
///
/// # Errors
/// [`Code::SinkUnavailable`] if events before the portion are missing too, or if the position is
/// within an event: then the database is not the one that took what came before.
pub(crate) fn missing<'e>(
    portion: Portioned<'e>,
    kept: Option<u64>,
    database: &str,
) -> Result<Portioned<'e>> {
    let Portioned { log, start, lines } = portion;
    let kept = kept.unwrap_or(start);
    let (connection, stream) = (log.connection, log.stream);
    let Some(behind) = kept.checked_sub(start) else {
        return Err(Error::new(
            Code::SinkUnavailable,
            format!("{database} lacks events of the stream {stream} of {connection}"),
        )
        .cause(format!(
            "it has them up to byte {kept} of their log, and took them up to byte {start} before: it \
             was put back to an older state"
        ))
        .fix(
            "restore its newest backup; without one, delete the stream's row in the table \
             `positions`, and delivery goes on without the events between",
        ));
    };
    // Another process may have been faster.
    let behind = usize::try_from(behind).unwrap_or(usize::MAX).min(lines.len());
    if behind > 0 && lines[behind - 1] != b'\n' {
        return Err(Error::new(
            Code::SinkUnavailable,
            format!("{database} has half an event of the stream {stream} of {connection}"),
        )
        .cause(format!("byte {kept} of their log is within an event"))
        .fix("undo what was changed in the table `positions`, or restore a backup"));
    }
    Ok(Portioned { log, start: kept, lines: &lines[behind..] })
}

#[cfg(test)]
mod tests {
    use longshore_engine::sink::Log;

    use super::*;

    #[test]
    fn what_is_there_is_skipped() {
        let log = Log { spool: "s", connection: "acme", stream: "sign_ins" };
        let portion = Portioned { log, start: 10, lines: b"aa\nb\nccc\n" };
        let rest =
            |kept| missing(portion, kept, "the database").map(|rest| (rest.start, rest.lines));
        assert_eq!(rest(None).unwrap(), (10, portion.lines));
        assert_eq!(rest(Some(10)).unwrap(), (10, portion.lines));
        assert_eq!(rest(Some(13)).unwrap(), (13, &b"b\nccc\n"[..]));
        assert_eq!(rest(Some(19)).unwrap(), (19, &b""[..]));
        assert_eq!(rest(Some(1000)).unwrap(), (1000, &b""[..]));
        insta::assert_snapshot!(rest(Some(12)).unwrap_err());
        insta::assert_snapshot!(rest(Some(9)).unwrap_err());
    }
}

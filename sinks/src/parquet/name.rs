//! Where a file of a portion is, in the way of Hive
//! (<https://duckdb.org/docs/stable/data/partitioning/hive_partitioning>): the folders are values.

use std::fmt::Write as _;

use longshore_engine::sink::Log;

/// The files of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Files {
    /// The folder in that of each class: `connection=acme/stream=sign_ins`.
    folder: String,
    spool: String,
}

/// The folders of classes begin with this.
pub(super) const CLASS: &str = "class_uid=";

impl Files {
    pub(super) fn of(log: Log<'_>) -> Self {
        let (connection, stream) = (plain(log.connection), plain(log.stream));
        let folder = format!("connection={connection}/stream={stream}");
        Self { folder, spool: plain(log.spool) }
    }

    /// The folder of the log's files, in one of the folders of classes.
    pub(super) fn folder(&self, class: &str) -> String {
        format!("{class}/{}", self.folder)
    }

    /// The path of the file with the events of a class of the portion that starts at `start`.
    pub(super) fn path(&self, class: u32, start: u64) -> String {
        format!("{CLASS}{class}/{}/{}", self.folder, self.name(start))
    }

    /// The name of such a file. Names sort as the portions do.
    pub(super) fn name(&self, start: u64) -> String {
        format!("{}.{start:020}.parquet", self.spool)
    }

    /// Where the portion of the file `name` starts, if it is one of this log.
    pub(super) fn start(&self, name: &str) -> Option<u64> {
        let digits = name.strip_prefix(&self.spool)?.strip_prefix('.')?.strip_suffix(".parquet")?;
        (digits.len() == 20).then(|| digits.parse().ok()).flatten()
    }
}

/// A text of which every character can be in a file name and in the key of an object; different texts
/// stay different.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => plain.push(byte.into()),
            _ => {
                let _ = write!(plain, "={byte:02x}");
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_where_its_portion_starts() {
        let files = Files::of(Log { spool: "5f.a", connection: "acme", stream: "sign_ins" });
        assert_eq!(
            files.path(3002, 42),
            "class_uid=3002/connection=acme/stream=sign_ins/5f=2ea.00000000000000000042.parquet"
        );
        assert_eq!(files.start(&files.name(42)), Some(42));
        assert_eq!(files.start(&files.name(u64::MAX)), Some(u64::MAX));
        for other in [
            "5f=2eab.00000000000000000042.parquet",
            "5f=2ea.42.parquet",
            "5f=2ea.0000000000000000004x.parquet",
            "5f=2ea.00000000000000000042.parquet.tmp",
            "00000000000000000042.parquet",
        ] {
            assert_eq!(files.start(other), None, "{other}");
        }
    }
}

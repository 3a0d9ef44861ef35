//! Which process has a SQLite database locked, as far as Linux tells.

use std::path::Path;

use longshore_engine::files;

/// The byte of `-shm` that whoever writes has locked
/// (<https://www.sqlite.org/walformat.html#wal_locks>).
const WRITER: u64 = 120;

/// The process that keeps others from writing, as "process 123 (name)"; `None` where the system does
/// not tell.
pub(super) fn of(database: &Path) -> Option<String> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let mut shared = database.as_os_str().to_owned();
    shared.push("-shm");
    let process = find(&locks, inode(database)?, inode(Path::new(&shared)), std::process::id())?;
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    Some(match name.trim() {
        "" => format!("process {process}"),
        name => format!("process {process} ({name})"),
    })
}

fn inode(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|metadata| files::inode(&metadata))
}

/// Finds it in `/proc/locks` (`man 5 proc_locks`): number, kind, mode, access, process, device and inode,
/// first and last byte.
fn find(locks: &str, database: u64, shared: Option<u64>, we: u32) -> Option<u32> {
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, "WRITE", process, file, first, last] = words[..] else { return None };
        let process: u32 = process.parse().ok().filter(|process| *process != we)?;
        let inode: u64 = file.rsplit(':').next()?.parse().ok()?;
        let last = if last == "EOF" { u64::MAX } else { last.parse().ok()? };
        let writes = shared == Some(inode) && (first.parse::<u64>().ok()?..=last).contains(&WRITER);
        (inode == database || writes).then_some(process)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_writes_is_found() {
        let locks = "1: POSIX  ADVISORY  READ 10 fe:00:7 124 124\n\
            2: POSIX  ADVISORY  WRITE 11 fe:00:7 123 123\n\
            2: -> POSIX  ADVISORY  WRITE 12 fe:00:7 120 120\n\
            3: POSIX  ADVISORY  WRITE 13 fe:00:7 120 120\n\
            4: FLOCK  ADVISORY  WRITE 14 fe:00:8 0 EOF\n";
        assert_eq!(find(locks, 6, Some(7), 1), Some(13));
        assert_eq!(find(locks, 6, Some(7), 13), None);
        assert_eq!(find(locks, 8, None, 1), Some(14));
        assert_eq!(find("", 8, None, 1), None);
    }
}

//! What a process has used so far.

use crate::Failure;

/// Processor time in seconds, user and system, and peak memory in KiB.
pub(crate) struct Used {
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_kib: u64,
}

/// Of a process that runs: `self`, or its id.
pub(crate) fn used(process: &str) -> Result<Used, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Behind the name in parentheses, which may hold spaces.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // Fields 14 and 15 of proc(5), in ticks of 10 ms on every Linux there is.
    let ticks: Result<Vec<u64>, _> = fields.skip(11).take(2).map(str::parse).collect();
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|text| text.split_whitespace().next()).ok_or("no VmHWM")?;
    Ok(Used { cpu_seconds: ticks?.iter().sum::<u64>() as f64 / 100.0, peak_kib: peak.parse()? })
}

//! What the system knows about this process, from `/proc`; absent elsewhere.

use std::time::{SystemTime, UNIX_EPOCH};

/// Clock ticks a second in `/proc` (USER_HZ), 100 on every Linux architecture in use.
const TICKS: f64 = 100.0;

/// Resident memory in bytes.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}

/// Processor time used so far in seconds, user and system.
pub fn cpu_seconds() -> Option<f64> {
    let fields = stat_fields()?;
    // utime and stime, fields 14 and 15 of proc(5); the vector starts at field 3.
    Some((field(&fields, 14)? + field(&fields, 15)?) / TICKS)
}

/// When the process started, in seconds since 1970.
pub fn start_time() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    age().map_or(now, |age| now - age)
}

fn age() -> Option<f64> {
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let started = field(&stat_fields()?, 22)? / TICKS;
    Some((uptime - started).max(0.0))
}

/// The fields of `/proc/self/stat` after the command's name, which may itself hold spaces and parentheses.
fn stat_fields() -> Option<Vec<String>> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let rest = &stat[stat.rfind(')')? + 1..];
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

fn field(fields: &[String], number: usize) -> Option<f64> {
    fields.get(number - 3)?.parse().ok()
}

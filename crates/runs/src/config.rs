//! Settings of jobs.

use domain::Span;
use serde::Deserialize;
use std::path::PathBuf;

/// Section `runs`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Jobs that run side by side.
    pub concurrency: usize,
    /// Jobs that wait at most; further ones are refused.
    pub max_queued: u32,
    /// How often a job is begun at most when the server dies or the disk is full under it.
    pub max_attempts: u32,
    /// Threads of a job; 0 = one a core, of a search the cores divided by `concurrency`. Does not change its result.
    pub threads: usize,
    /// How much a job stands back behind the server: 0 (not at all) to 19.
    pub nice: i32,
    /// Memory a job may use; 0 = no limit.
    pub memory_bytes: u64,
    /// The largest file a job may write; 0 = no limit.
    pub file_bytes: u64,
    /// Wall time of a job at most, whatever its own time limit says.
    pub max_time: Span,
    /// Time between asking a job's process to end and killing it.
    pub cancel_grace: Span,
    /// Jobs that run the user's command.
    pub command: CommandConfig,
}

impl Config {
    /// Threads of a search, so that searches side by side have one a core together; 0 = one a core.
    pub(crate) fn search_threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        share(self.threads, self.concurrency, cores)
    }
}

fn share(threads: usize, concurrency: usize, cores: usize) -> usize {
    if threads > 0 || concurrency <= 1 { threads } else { (cores / concurrency).max(1) }
}

/// Section `runs.command`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    /// Jobs that run side by side; trials of a sweep at the same time.
    pub concurrency: usize,
    /// Processor seconds of each process; 0 = no limit.
    pub cpu_seconds: u64,
    /// Open files of each process; 0 = no limit.
    pub open_files: u64,
    /// Processes and threads together; 0 = no limit.
    pub processes: u64,
    /// Bytes of all files that a job writes, together; 0 = no limit.
    pub folder_bytes: u64,
    /// Whether jobs reach the network beyond this server.
    pub network: bool,
    /// Further files and folders that jobs may read.
    pub read_paths: Vec<PathBuf>,
    /// Bytes of a job's log that are kept; what comes after is left out.
    pub log_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn searches_side_by_side_share_the_cores() {
        assert_eq!([1, 2, 3, 16].map(|side_by_side| share(0, side_by_side, 8)), [0, 4, 2, 1]);
        assert_eq!(share(3, 4, 8), 3);
    }
}

//! Section `workers`: limits of the Python workers of every deployment. Defaults stand in `config.default.toml`.

use domain::{Fault, Span};
use serde::Deserialize;

/// Section `workers`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkersConfig {
    /// Time from a worker's start to the end of its `init()`.
    pub start_timeout: Span,
    /// How long the first restart of a worker that ended waits; each further one twice as long,
    pub restart_after: Span,
    /// at most this long.
    pub restart_at_most: Span,
    /// How often memory and requests of each worker are looked at.
    pub check_every: Span,
    /// How often a resting worker is asked whether it lives, when its deployment does not say.
    pub ping_every: Span,
    /// How long it may take to answer that.
    pub ping_timeout: Span,
    /// Resident memory at which a worker is replaced; 0: never.
    pub memory_bytes: u64,
    /// Bytes of the temporary files of a deployment's workers together, and of the largest of them; 0: no limit.
    pub scratch_bytes: u64,
    /// Whether only owners of the workspace deploy with `network: true`.
    pub network_by_owners: bool,
    /// Requests after which a worker is replaced; 0: never.
    pub max_requests: u64,
    /// The largest answer of a script.
    pub answer_bytes: u64,
    /// How long a worker may take to end by itself.
    pub stop_grace: Span,
    /// Bytes after which a deployment's log is begun anew; the former one is kept once.
    pub log_bytes: u64,
}

impl WorkersConfig {
    /// Refuses values that mean nothing.
    pub fn check(&self) -> Result<(), Fault> {
        let spans =
            [self.start_timeout, self.restart_after, self.check_every, self.ping_every, self.ping_timeout];
        if spans.iter().any(|span| span.0.is_zero()) {
            return Err(Fault::invalid(
                "workers.start_timeout, restart_after, check_every, ping_every and ping_timeout must be more than 0",
            ));
        }
        if self.answer_bytes == 0 || self.log_bytes == 0 {
            return Err(Fault::invalid("workers.answer_bytes and workers.log_bytes must be at least 1"));
        }
        Ok(())
    }
}

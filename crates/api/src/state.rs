//! What the handlers may reach: one handle a step, built once by the binary.

use ::data::Assets;
use domain::{Digest, Fault, LedgerCheck, LedgerEntry, LedgerHead};
use endpoint::Endpoints;
use environments::Environments;
use futures_util::future::BoxFuture;
use gateway::Gateway;
use registry::Registry;
use runs::{Jobs, Tracking};
use std::path::PathBuf;
use std::sync::Arc;
use telemetry::{Metrics, RequestLog};

/// What belongs to no step of the road: the ledger and the backup. Implemented by the binary over the store.
pub trait Housekeeping: Send + Sync {
    /// Ledger entries with a sequence above `after`, oldest first, at most `limit`.
    fn ledger(&self, after: i64, limit: u32) -> BoxFuture<'_, Result<Vec<LedgerEntry>, Fault>>;

    /// Checks the whole ledger, also against a digest that was kept elsewhere.
    fn verify_ledger(&self, kept: Option<Digest>) -> BoxFuture<'_, Result<LedgerCheck, Fault>>;

    /// The ledger's last entry and its digest.
    fn ledger_head(&self) -> BoxFuture<'_, Result<Option<LedgerHead>, Fault>>;

    /// Writes a backup of the whole data directory to a new file and names it; the caller removes the file.
    fn backup(&self) -> BoxFuture<'_, Result<PathBuf, Fault>>;
}

/// The state of the control plane; cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Data assets.
    pub assets: Assets,
    /// Environments of jobs and deployments.
    pub environments: Environments,
    /// Jobs and their runs.
    pub jobs: Jobs,
    /// Experiments and runs.
    pub tracking: Tracking,
    /// Models.
    pub registry: Registry,
    /// Endpoints and deployments.
    pub endpoints: Endpoints,
    /// Both doors, published APIs, principals, tokens.
    pub gateway: Arc<Gateway>,
    /// The request log.
    pub log: RequestLog,
    /// Counters and histograms.
    pub metrics: Arc<Metrics>,
    /// Ledger and backup.
    pub housekeeping: Arc<dyn Housekeeping>,
    /// Questions to the whole log or ledger at the same time; further ones get 429.
    pub questions: Arc<tokio::sync::Semaphore>,
    /// Whether only owners deploy with a network (`workers.network_by_owners`).
    pub network_by_owners: bool,
    /// The largest streamed upload, in bytes (`limits.upload_bytes`).
    pub upload_bytes: u64,
}

impl App {
    /// A turn for a question to the whole log or ledger, held until it is answered.
    pub(crate) fn question(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Fault> {
        self.questions.try_acquire().map_err(|_| {
            Fault::new(
                domain::ErrorCode::TooManyRequests,
                "other questions to the log are being answered: try again in a moment",
            )
        })
    }
}

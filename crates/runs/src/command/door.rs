//! How a job reaches this server: the only place of the network it may reach.

use domain::{Fault, RunId, Span};
use futures_util::future::BoxFuture;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A way into the server for one job.
#[derive(Clone, PartialEq, Eq)]
pub struct Passage {
    /// Scheme by which the server speaks: `http` or `https`.
    pub scheme: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// The certificate to trust, when it made one for itself.
    pub certificate: Option<PathBuf>,
    /// A token for the job's life.
    pub token: String,
}

impl std::fmt::Debug for Passage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passage").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Gives jobs their way into the server; implemented by the binary over the gate.
pub trait Door: Send + Sync + std::fmt::Debug + 'static {
    /// Opens a way for a job, for at most this long.
    fn open(&self, run: RunId, most: Span) -> BoxFuture<'static, Result<Passage, Fault>>;

    /// Closes it: its token is refused from now on.
    fn close(&self, run: RunId) -> BoxFuture<'static, Result<(), Fault>>;
}

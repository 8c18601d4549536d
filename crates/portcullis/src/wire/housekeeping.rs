//! Ledger and backup over the store, for the control plane.

use api::Housekeeping;
use domain::{Digest, Fault, LedgerCheck, LedgerEntry, LedgerHead};
use futures_util::future::BoxFuture;
use std::path::PathBuf;
use store::Store;

/// The store as the control plane may see it.
pub struct StoreHousekeeping(pub Store);

impl Housekeeping for StoreHousekeeping {
    fn ledger(&self, after: i64, limit: u32) -> BoxFuture<'_, Result<Vec<LedgerEntry>, Fault>> {
        Box::pin(async move { Ok(self.0.ledger(after, limit).await?) })
    }

    fn verify_ledger(&self, kept: Option<Digest>) -> BoxFuture<'_, Result<LedgerCheck, Fault>> {
        Box::pin(async move { Ok(self.0.verify_ledger(kept).await?) })
    }

    fn ledger_head(&self) -> BoxFuture<'_, Result<Option<LedgerHead>, Fault>> {
        Box::pin(async move { Ok(self.0.ledger_head().await?) })
    }

    fn backup(&self) -> BoxFuture<'_, Result<PathBuf, Fault>> {
        Box::pin(async move {
            let path = self.0.dir().join(format!(".new-backup-{}.tar", domain::RunId::generate()));
            store::backup::create(&self.0, &path).await?;
            Ok(path)
        })
    }
}

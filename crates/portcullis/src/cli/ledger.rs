//! `ledger show`.

use crate::session::Session;
use crate::show::{table, time};
use clap::Subcommand;
use domain::{Fault, LedgerEntry};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Show who changed what, when
    Show {
        /// Only entries after this sequence
        #[arg(long, default_value_t = 0)]
        after: i64,
        /// At most this many
        #[arg(long, default_value_t = 1000)]
        limit: u32,
    },
}

impl Ledger {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        let Self::Show { after, limit } = self;
        let entries: Vec<LedgerEntry> =
            session.client.get(&format!("/api/v1/ledger?after={after}&limit={limit}")).await?;
        session.out.value(&entries, |entries| {
            let rows = entries.iter().map(|e| {
                [
                    e.sequence.to_string(),
                    time(e.time),
                    e.actor.to_string(),
                    e.action.clone(),
                    e.subject.clone(),
                ]
            });
            table(&["#", "time", "actor", "action", "subject"], rows)
        });
        Ok(())
    }
}

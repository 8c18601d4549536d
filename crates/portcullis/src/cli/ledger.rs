//! `ledger show|verify`.

use crate::session::Session;
use crate::show::{table, time};
use clap::Subcommand;
use domain::{ErrorCode, Fault, LedgerCheck, LedgerEntry, LedgerHead};

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
        /// Only the last entry's number and digest, to be kept elsewhere
        #[arg(long, conflicts_with_all = ["after", "limit"])]
        head: bool,
    },
    /// Check that no entry is missing or altered; exit code 1 and the first wrong entry otherwise
    Verify {
        /// A digest of `ledger show --head` kept elsewhere: shows also that nothing was cut off at the end
        #[arg(long, value_name = "DIGEST")]
        kept: Option<String>,
    },
}

impl Ledger {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Show { head: true, .. } => head(session).await,
            Self::Show { after, limit, .. } => show(session, after, limit).await,
            Self::Verify { kept } => verify(session, kept.as_deref()).await,
        }
    }
}

async fn show(session: &Session, after: i64, limit: u32) -> Result<(), Fault> {
    let entries: Vec<LedgerEntry> =
        session.client.get(&format!("/api/v1/ledger?after={after}&limit={limit}")).await?;
    session.out.value(&entries, |entries| {
        let rows = entries.iter().map(|e| {
            [e.sequence.to_string(), time(e.time), e.actor.to_string(), e.action.clone(), e.subject.clone()]
        });
        table(&["#", "time", "actor", "action", "subject"], rows)
    });
    Ok(())
}

async fn head(session: &Session) -> Result<(), Fault> {
    let head: Option<LedgerHead> = session.client.get("/api/v1/ledger/head").await?;
    session.out.value(&head, |head| match head {
        Some(head) => format!("{} {} {}", head.sequence, time(head.time), head.digest.hex()),
        None => "the ledger is empty".to_owned(),
    });
    Ok(())
}

async fn verify(session: &Session, kept: Option<&str>) -> Result<(), Fault> {
    let query = kept.map(|digest| format!("?kept={}", crate::client::segment(digest))).unwrap_or_default();
    let check: LedgerCheck = session.client.get(&format!("/api/v1/ledger/verify{query}")).await?;
    if session.out.json() {
        session.out.value(&check, |_| String::new());
    }
    if let Some(wrong) = check.wrong {
        return Err(Fault::new(
            ErrorCode::Conflict,
            format!("{wrong}; {} entries before are well", check.entries),
        ));
    }
    let head = check.head.map(|head| format!(", the last is {}", head.digest.hex())).unwrap_or_default();
    session.out.say(&format!("{} entries, none missing or altered{head}", check.entries));
    Ok(())
}

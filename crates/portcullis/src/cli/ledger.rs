//! `ledger show|verify|access`.

use crate::client::segment;
use crate::session::Session;
use crate::show::{table, time};
use api::access::{AccessReport, Calls};
use clap::Subcommand;
use domain::{ErrorCode, Fault, LedgerCheck, LedgerEntry, LedgerHead, Timestamp};
use gateway::FactKind;
use serde_json::Value;

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
    /// Who could call an endpoint at a time, by key or by token, and which version answered
    Access {
        /// The endpoint's name
        endpoint: String,
        /// A day in UTC as 2026-03-03, or a moment as 2026-03-03T12:00Z; now when left out
        #[arg(long)]
        at: Option<String>,
    },
}

impl Ledger {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Show { head: true, .. } => head(session).await,
            Self::Show { after, limit, .. } => show(session, after, limit).await,
            Self::Verify { kept } => verify(session, kept.as_deref()).await,
            Self::Access { endpoint, at } => access(session, &endpoint, at.as_deref()).await,
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
    let query = kept.map(|digest| format!("?kept={}", segment(digest))).unwrap_or_default();
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

async fn access(session: &Session, endpoint: &str, at: Option<&str>) -> Result<(), Fault> {
    let query = at.map(|at| format!("?at={}", segment(at))).unwrap_or_default();
    let route = format!("/api/v1/endpoints/{}/access{query}", segment(endpoint));
    let report: AccessReport = session.client.get(&route).await?;
    session.out.value(&report, access_text);
    Ok(())
}

fn access_text(report: &AccessReport) -> String {
    let access = &report.access;
    let when = if access.from == access.until {
        format!("at {}", time(access.from))
    } else {
        format!("from {} to {}", time(access.from), time(access.until))
    };
    let until = |end: Option<Timestamp>| end.map(time).unwrap_or_default();
    let callers = access.callers.iter().map(|c| {
        let any = if c.any_audience { "any audience!" } else { "" };
        let who = if c.is_issuer { format!("tokens of {}", c.caller) } else { c.caller.clone() };
        [who, c.role.clone().unwrap_or_default(), c.api.clone(), any.to_owned(), time(c.from), until(c.until)]
    });
    let facts = access
        .facts
        .iter()
        .map(|f| [word(f.kind), f.name.clone(), value_text(&f.value), time(f.from), until(f.until)]);
    let head = format!("{} {when} (UTC), by the ledger up to entry {}", access.endpoint, access.sequence);
    [
        format!("{head}\n\ncould call by token"),
        table(&["caller", "role", "api", "", "from", "until"], callers),
        "\nwhat stood there (who held a key could call while public_network_access was enabled)".to_owned(),
        table(&["kind", "name", "value", "from", "until"], facts),
        "\ncalls of that day".to_owned(),
        calls_table(&report.calls),
    ]
    .join("\n")
}

fn calls_table(calls: &[Calls]) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let rows = calls.iter().map(|c| {
        let model = c.model.as_ref().map(|m| format!("{m}:{}", text(&c.version))).unwrap_or_default();
        let first = [text(&c.deployment), model, text(&c.api), text(&c.auth), text(&c.principal)];
        first.into_iter().chain([c.status.to_string(), c.calls.to_string()])
    });
    let rows: Vec<Vec<String>> = rows.map(Iterator::collect).collect();
    table(&["deployment", "model", "api", "auth", "principal", "status", "calls"], rows)
}

fn word(kind: FactKind) -> String {
    serde_json::to_value(kind).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The members of an object without its punctuation.
fn value_text(value: &Value) -> String {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Object(members) => {
            let parts = members.iter().map(|(name, value)| format!("{name}={}", plain(value)));
            parts.collect::<Vec<_>>().join(" ")
        }
        other => plain(other),
    }
}

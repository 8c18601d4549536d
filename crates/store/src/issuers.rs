//! Issuers of tokens that are trusted.

use crate::db::Store;
use crate::error::{Error, Result};
use crate::records::Record;
use domain::{Issuer, Policy, TrustedIssuer};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

impl Store {
    /// All issuers by name.
    pub async fn issuers(&self) -> Result<Vec<TrustedIssuer>> {
        let rows = sqlx::query("SELECT detail FROM issuers ORDER BY issuer").fetch_all(self.reader()).await?;
        rows.iter().map(decode).collect()
    }
}

/// Refuses a policy that names an issuer nobody registered: its tokens could never pass.
pub(crate) async fn expect_all(conn: &mut SqliteConnection, policy: &Policy) -> Result<()> {
    for issuer in &policy.issuers {
        if let Issuer::External(url) = issuer
            && find(conn, url).await?.is_none()
        {
            return Err(Error::not_found("issuer", url));
        }
    }
    Ok(())
}

async fn find(conn: &mut SqliteConnection, issuer: &str) -> Result<Option<TrustedIssuer>> {
    let row =
        sqlx::query("SELECT detail FROM issuers WHERE issuer = $1").bind(issuer).fetch_optional(conn).await?;
    row.as_ref().map(decode).transpose()
}

/// Reads a record of `issuers`.
pub(crate) fn decode(row: &SqliteRow) -> Result<TrustedIssuer> {
    row.json("detail")
}

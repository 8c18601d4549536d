//! Tokens that the server makes for its own jobs.

use super::Generation;
use super::grant::claims;
use crate::gateway::{CONTROL_AUDIENCE, Gateway};
use crate::secret;
use crate::signing::Typ;
use domain::{Actor, Fault, Name, Principal, PrincipalKind, Role, RunId, Timestamp};
use serde_json::json;
use std::time::Duration;

/// The client that all jobs are; nobody has its secret.
pub(crate) const JOBS: &str = "jobs";
/// What a token lives beyond its job's time, in seconds: for the end to be written.
const AFTER: i64 = 300;

impl Gateway {
    /// A token for a job, for the control plane, with the role of a contributor. It ends with [`close_job`](Self::close_job), at
    /// the latest a little after `most`, or after the longest life of a token.
    pub async fn open_job(&self, run: &RunId, most: Duration) -> Result<String, Fault> {
        let jobs = self.jobs().await?;
        let now = Timestamp::now().seconds();
        let life = crate::gateway::seconds(most).saturating_add(AFTER).min(self.max_lifetime);
        let mut claims = claims(self, &jobs, CONTROL_AUDIENCE, Generation::V2, (now, life));
        claims["jti"] = json!(run);
        Ok(self.signing.sign_as(Typ::AccessToken, claims).await?)
    }

    /// Ends the token of a job.
    pub async fn close_job(&self, run: &RunId) -> Result<(), Fault> {
        let now = Timestamp::now();
        let expires = now.plus_seconds(self.max_lifetime).plus_seconds(120);
        self.store.revoke_token(run.as_str(), expires, &Actor::system(), now).await?;
        self.refresh().await
    }

    /// The jobs' client, made when it is first needed.
    async fn jobs(&self) -> Result<Principal, Fault> {
        let name = Name::new(JOBS)?;
        match self.store.principal(&name).await {
            Err(store::Error::NotFound { .. }) => {}
            found => return Ok(found?),
        }
        let principal = Principal {
            name: name.clone(),
            client_id: uuid::Uuid::new_v4().to_string(),
            kind: PrincipalKind::Client,
            role: Some(Role::Contributor),
            audience: CONTROL_AUDIENCE.to_owned(),
            created: Timestamp::now(),
            revoked: None,
        };
        let unknown = secret::digest(secret::fresh()?.as_bytes());
        match self.store.add_principal(&principal, unknown, &Actor::system()).await {
            // Another job was first.
            Ok(()) | Err(store::Error::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
        self.refresh().await?;
        Ok(self.store.principal(&name).await?)
    }
}

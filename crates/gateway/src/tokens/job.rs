//! Tokens that the server makes for its own jobs, and what each job made by its token.
//!
//! A job's token has no role. It ends with the job, and counts in the process that made it only: jobs end with their server, so what
//! they made need not be remembered longer.

use super::Generation;
use super::grant::claims;
use crate::gateway::{CONTROL_AUDIENCE, Gateway};
use crate::jwt::Claims;
use crate::signing::Typ;
use domain::{Actor, Fault, ModelName, Name, Principal, PrincipalKind, RunId, Timestamp, Version};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The name that no principal may have.
pub(crate) const JOBS: &str = "jobs";
/// What a token lives beyond its job's time, in seconds: for the end to be written.
const AFTER: i64 = 300;
/// Things that one job may make.
const MADE_MAX: usize = 100_000;

/// Something that a job made by its token and may therefore change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Made {
    /// A run, by its id.
    Run(String),
    /// A logged model, by its id.
    Logged(String),
    /// A registered model.
    Model(ModelName),
    /// A version of a model.
    Version(ModelName, Version),
}

/// The jobs that run, each with what it made.
#[derive(Debug)]
pub(crate) struct OpenJobs {
    /// The client that all jobs' tokens are made for; nobody has a secret of it.
    client: String,
    open: Mutex<HashMap<RunId, HashSet<Made>>>,
}

impl Default for OpenJobs {
    fn default() -> Self {
        Self { client: uuid::Uuid::new_v4().to_string(), open: Mutex::default() }
    }
}

impl OpenJobs {
    fn open(&self) -> MutexGuard<'_, HashMap<RunId, HashSet<Made>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a token was made for a job of this process.
    pub(crate) fn is_jobs(&self, claims: &Claims) -> bool {
        claims.client_id.as_deref() == Some(&self.client)
    }

    /// The running job that a token was made for.
    pub(crate) fn running(&self, claims: &Claims) -> Option<RunId> {
        let run = RunId::try_from(claims.id.clone()?).ok()?;
        (self.is_jobs(claims) && self.open().contains_key(&run)).then_some(run)
    }
}

impl Gateway {
    /// A token for a job, for the control plane, with no role: what it may do, the routes that let jobs in say. It ends with
    /// [`close_job`](Self::close_job), at the latest a little after `most`, or after the longest life of a token.
    pub async fn open_job(&self, run: &RunId, most: Duration) -> Result<String, Fault> {
        let jobs = Principal {
            name: Name::new(JOBS)?,
            client_id: self.open_jobs.client.clone(),
            kind: PrincipalKind::Client,
            role: None,
            audience: CONTROL_AUDIENCE.to_owned(),
            created: Timestamp::now(),
            revoked: None,
        };
        let now = Timestamp::now().seconds();
        let life = crate::gateway::seconds(most).saturating_add(AFTER).min(self.max_lifetime);
        let mut claims = claims(self, &jobs, CONTROL_AUDIENCE, Generation::V2, (now, life));
        claims["jti"] = json!(run);
        let token = self.signing.sign_as(Typ::AccessToken, claims).await?;
        self.open_jobs.open().insert(run.clone(), HashSet::new());
        Ok(token)
    }

    /// Ends the token of a job.
    pub async fn close_job(&self, run: &RunId) -> Result<(), Fault> {
        self.open_jobs.open().remove(run);
        let now = Timestamp::now();
        let expires = now.plus_seconds(self.max_lifetime).plus_seconds(120);
        self.store.revoke_token(run.as_str(), expires, &Actor::system(), now).await?;
        self.refresh().await
    }

    /// Whether a job may still make something; asked before it is made.
    pub fn job_may_make(&self, run: &RunId) -> Result<(), Fault> {
        match self.open_jobs.open().get(run).map(HashSet::len) {
            Some(made) if made < MADE_MAX => Ok(()),
            Some(_) => Err(Fault::invalid(format!(
                "the job {run} has made {MADE_MAX} runs, models and versions, more it may not make"
            ))),
            None => Err(Fault::invalid(format!("the job {run} has ended"))),
        }
    }

    /// Remembers what a job made.
    pub fn job_made(&self, run: &RunId, made: Made) {
        if let Some(all) = self.open_jobs.open().get_mut(run) {
            all.insert(made);
        }
    }

    /// Whether a job made this; its own run counts as made by it.
    pub fn is_made_by_job(&self, run: &RunId, thing: &Made) -> bool {
        matches!(thing, Made::Run(id) if id == run.as_str())
            || self.open_jobs.open().get(run).is_some_and(|all| all.contains(thing))
    }
}

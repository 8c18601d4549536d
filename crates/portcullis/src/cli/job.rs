//! `job list|show|stream|cancel`.

use crate::cli::automl::{importance, leaderboard, metrics};
use crate::cli::job_compare;
use crate::client::segment;
use crate::session::Session;
use crate::show::{line, table, time};
use clap::Subcommand;
use domain::{Fault, Job as Record, Trial};
use serde_json::json;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Job {
    /// List jobs, newest first
    List,
    /// Show a job: trials, metrics, importance; of several, what differs between their runs
    Show {
        /// The ids of the jobs, or of any runs when there are several
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Print the events of a job as JSON lines until it ends
    Stream {
        /// The job's id
        id: String,
    },
    /// Stop a job
    Cancel {
        /// The job's id
        id: String,
    },
}

impl Job {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::List => {
                let jobs: Vec<Record> = session.client.get("/api/v1/jobs").await?;
                session.out.value(&jobs, |jobs| {
                    let rows = jobs.iter().map(|j| {
                        let data = format!("{}:{}", j.lineage.data, j.lineage.data_version);
                        [
                            j.id.to_string(),
                            j.experiment.to_string(),
                            j.status.as_str().to_owned(),
                            data,
                            time(j.created),
                        ]
                    });
                    table(&["id", "experiment", "status", "data", "created"], rows)
                });
            }
            Self::Show { ids } => {
                let [id] = ids.as_slice() else {
                    return job_compare::compare(session, &ids).await;
                };
                let route = format!("/api/v1/jobs/{}", segment(id));
                let job: Record = session.client.get(&route).await?;
                let trials: Vec<Trial> = session.client.get(&format!("{route}/trials")).await?;
                session.out.value(&json!({ "job": job, "trials": trials }), |_| {
                    let error = job.error.as_ref().map(|e| format!(": {e}")).unwrap_or_default();
                    let head = format!("{} · {}{error} · {}", job.id, job.status.as_str(), job.experiment);
                    format!(
                        "{head}\n\n{}\n\n{}\n\n{}",
                        leaderboard(&job, &trials, usize::MAX),
                        metrics(&job),
                        importance(&job)
                    )
                });
            }
            Self::Stream { id } => {
                session
                    .client
                    .lines(&format!("/api/v1/jobs/{}/events", segment(&id)), |event| line(&event.to_string()))
                    .await?;
            }
            Self::Cancel { id } => {
                let job: Record =
                    session.client.post(&format!("/api/v1/jobs/{}/cancel", segment(&id)), &json!({})).await?;
                session.out.value(&job, |job| format!("{} is {}", job.id, job.status.as_str()));
            }
        }
        Ok(())
    }
}

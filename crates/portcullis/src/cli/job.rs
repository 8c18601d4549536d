//! `job submit|list|show|stream|download|cancel`.

use crate::cli::job_download::Download;
use crate::cli::submit::Submit;
use crate::cli::{job_compare, job_ids, job_show};
use crate::session::Session;
use crate::show::{line, table, time};
use clap::Subcommand;
use domain::{Fault, Job as Record, JobKind};
use serde_json::json;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Job {
    /// Submit a job by its definition, and follow it to its end
    Submit(Submit),
    /// List jobs, newest first
    List,
    /// Show a job: trials, metrics, importance; of several, what differs between their runs
    Show {
        /// Ids of jobs or runs; of a job the beginning is enough when no other begins so
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Print the log of a command as it comes, or the events of a search as JSON lines, until the job ends
    #[command(visible_alias = "logs")]
    Stream {
        /// The job's id, or its beginning
        id: String,
    },
    /// Write the artifacts of a run to a folder: what a search made, what a command left
    Download(Download),
    /// Stop a job
    Cancel {
        /// The job's id, or its beginning
        id: String,
    },
}

impl Job {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Submit(submit) => return submit.run(session).await,
            Self::List => {
                let jobs: Vec<Record> = session.client.get("/api/v1/jobs").await?;
                session.out.value(&jobs, |jobs| {
                    let rows = jobs.iter().map(|j| {
                        let from = j.lineage.as_ref();
                        let data = from.map(|l| format!("{}:{}", l.data, l.data_version)).unwrap_or_default();
                        [
                            j.id.to_string(),
                            j.kind.as_str().to_owned(),
                            job_show::experiment(j).to_owned(),
                            j.status.as_str().to_owned(),
                            data,
                            time(j.created),
                        ]
                    });
                    table(&["id", "kind", "experiment", "status", "data", "created"], rows)
                });
            }
            Self::Show { ids } => {
                let ids = job_ids::whole_all(session, &ids).await?;
                return match ids.as_slice() {
                    [id] => job_show::show(session, id).await,
                    _ => job_compare::compare(session, &ids).await,
                };
            }
            Self::Stream { id } => {
                let id = domain::RunId::try_from(job_ids::whole(session, &id).await?)?;
                let job: Record = session.client.get(&format!("/api/v1/jobs/{id}")).await?;
                if job.kind == JobKind::Automl || session.out.json() {
                    let route = format!("/api/v1/jobs/{id}/events");
                    return session.client.lines(&route, |event| line(&event.to_string())).await;
                }
                crate::cli::automl::finished(session, follow(session, &id).await?)?;
            }
            Self::Download(download) => return download.run(session).await,
            Self::Cancel { id } => {
                let id = job_ids::whole(session, &id).await?;
                let job: Record =
                    session.client.post(&format!("/api/v1/jobs/{id}/cancel"), &json!({})).await?;
                session.out.value(&job, |job| format!("{} is {}", job.id, job.status.as_str()));
            }
        }
        Ok(())
    }
}

/// Prints what a job says until it ends; gives it as it then stands. Ctrl-C ends the telling, not the job.
pub async fn follow(session: &Session, id: &domain::RunId) -> Result<Record, Fault> {
    let mut head = false;
    let told = |event: serde_json::Value| match event["event"].as_str() {
        Some("log") => session.out.say_log(event["line"].as_str().unwrap_or_default()),
        Some("trial") => {
            if !std::mem::replace(&mut head, true) {
                session.out.say(job_show::TRIAL_HEAD);
            }
            session.out.say(&job_show::trial_line(&event));
        }
        _ => {}
    };
    let route = format!("/api/v1/jobs/{id}/events");
    tokio::select! {
        told = session.client.lines(&route, told) => told?,
        _ = tokio::signal::ctrl_c() => {
            return Err(Fault::new(domain::ErrorCode::Unavailable, session.left_running(id.as_str())));
        }
    }
    session.client.get(&format!("/api/v1/jobs/{id}")).await
}

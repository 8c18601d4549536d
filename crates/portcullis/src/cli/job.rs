//! `job submit|list|show|stream|cancel`.

use crate::cli::automl::{importance, leaderboard, metrics};
use crate::cli::job_compare;
use crate::cli::submit::Submit;
use crate::client::segment;
use crate::session::Session;
use crate::show::{line, table, time};
use clap::Subcommand;
use domain::{Fault, Job as Record, JobKind, Trial};
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
        /// The ids of the jobs, or of any runs when there are several
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Print the log of a command as it comes, or the events of a search as JSON lines, until the job ends
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
                            j.experiment.to_string(),
                            j.status.as_str().to_owned(),
                            data,
                            time(j.created),
                        ]
                    });
                    table(&["id", "kind", "experiment", "status", "data", "created"], rows)
                });
            }
            Self::Show { ids } => {
                let [id] = ids.as_slice() else {
                    return job_compare::compare(session, &ids).await;
                };
                let route = format!("/api/v1/jobs/{}", segment(id));
                let job: Record = session.client.get(&route).await?;
                if job.kind != JobKind::Automl {
                    session.out.value(&json!({ "job": job, "trials": [] }), |_| described(&job));
                    return Ok(());
                }
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
                let id = domain::RunId::try_from(id)?;
                let job: Record = session.client.get(&format!("/api/v1/jobs/{id}")).await?;
                if job.kind == JobKind::Automl || session.out.json() {
                    let route = format!("/api/v1/jobs/{id}/events");
                    return session.client.lines(&route, |event| line(&event.to_string())).await;
                }
                crate::cli::automl::finished(session, follow(session, &id).await?)?;
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

/// Prints what a job says until it ends; gives it as it then stands.
pub async fn follow(session: &Session, id: &domain::RunId) -> Result<Record, Fault> {
    let told = |event: serde_json::Value| match event["event"].as_str() {
        Some("log") => session.out.say(event["line"].as_str().unwrap_or_default()),
        Some("trial") => session.out.say(&event.to_string()),
        _ => {}
    };
    session.client.lines(&format!("/api/v1/jobs/{id}/events"), told).await?;
    session.client.get(&format!("/api/v1/jobs/{id}")).await
}

/// A command or a sweep: how it ended, what it left.
fn described(job: &Record) -> String {
    let error = job.error.as_ref().map(|e| format!(": {e}")).unwrap_or_default();
    let mut lines = vec![
        format!("{} · {} · {}{error} · {}", job.id, job.kind.as_str(), job.status.as_str(), job.experiment),
        format!(
            "command: {}",
            job.spec["command"].as_str().or(job.spec["trial"]["command"].as_str()).unwrap_or("")
        ),
    ];
    if let Some(code) = job.result["exit_code"].as_i64() {
        lines.push(format!("exit code: {code}"));
    }
    let kept = |name: &str, folder: &serde_json::Value| {
        format!("{name}: {} files, {} bytes, tree {}", folder["files"], folder["bytes"], folder["digest"])
    };
    if job.result["artifacts"].is_object() {
        lines.push(kept("./outputs", &job.result["artifacts"]));
    }
    for (name, folder) in job.result["outputs"].as_object().into_iter().flatten() {
        lines.push(kept(&format!("output {name}"), folder));
    }
    if job.result["log"].is_object() {
        lines.push(format!("log: {} bytes, portcullis job stream {}", job.result["log"]["bytes"], job.id));
    }
    lines.join("\n")
}

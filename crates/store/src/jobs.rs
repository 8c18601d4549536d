//! Jobs (their runs have the same id) and the trials inside them.

use crate::db::{Store, Write};
use crate::error::{Error, Result};
use crate::ledger::Change;
use crate::records::{Record, to_json, to_word};
use crate::tasks::{self, NewTask};
use domain::{Actor, Job, JobStatus, Lineage, Metrics, RunId, Timestamp, Trial};
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// Jobs that one call lists at most.
pub const JOBS_MAX: u32 = 1000;

/// How a job ended.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEnd {
    /// A final state.
    pub status: JobStatus,
    /// Metrics of the result; empty unless completed.
    pub metrics: Metrics,
    /// Further facts of the result.
    pub result: serde_json::Value,
    /// Why it failed, for the user.
    pub error: Option<String>,
    /// When it ended.
    pub now: Timestamp,
}

impl Store {
    /// Keeps a job that was accepted.
    pub async fn add_job(&self, job: &Job, by: &Actor) -> Result<()> {
        self.keep_job(job, None, by).await
    }

    /// Keeps a job together with the task that will run it: both or neither.
    pub async fn add_job_with_task(&self, job: &Job, task: &NewTask, by: &Actor) -> Result<()> {
        self.keep_job(job, Some(task), by).await
    }

    async fn keep_job(&self, job: &Job, task: Option<&NewTask>, by: &Actor) -> Result<()> {
        let mut write = self.write().await?;
        if find(write.conn(), &job.id).await?.is_some() {
            return Err(Error::Conflict(format!("the job '{}' exists already", job.id)));
        }
        insert(write.conn(), job).await?;
        if let Some(task) = task {
            tasks::insert(write.conn(), task, job.created).await?;
        }
        let data = job.lineage.as_ref().map(data_subject);
        let detail = json!({"kind": job.kind, "experiment": job.experiment, "data": data});
        write.note(by, job.created, Change::new("submit job", job.id.as_str(), detail)).await?;
        write.commit().await?;
        if task.is_some() {
            self.tasks().wake();
        }
        Ok(())
    }

    /// A job.
    pub async fn job(&self, id: &RunId) -> Result<Job> {
        let row = sqlx::query("SELECT * FROM jobs WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(self.reader())
            .await?
            .ok_or_else(|| Error::not_found("job", id))?;
        decode(&row)
    }

    /// The newest jobs first, at most [`JOBS_MAX`].
    pub async fn jobs(&self, limit: u32) -> Result<Vec<Job>> {
        let rows = sqlx::query("SELECT * FROM jobs ORDER BY created DESC, id DESC LIMIT $1")
            .bind(i64::from(limit.min(JOBS_MAX)))
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(decode).collect()
    }

    /// The trials of a sweep, oldest first.
    pub async fn jobs_below(&self, parent: &RunId) -> Result<Vec<Job>> {
        let rows = sqlx::query("SELECT * FROM jobs WHERE parent = $1 ORDER BY created, id")
            .bind(parent.as_str())
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(decode).collect()
    }

    /// A worker takes the job; says whether it is to be run.
    ///
    /// True when it was queued, or running in a process that died (then the trials of that attempt are removed: a run is made
    /// whole or anew). False when it is final already, or when its cancellation was asked for: then end it as canceled.
    pub async fn job_started(&self, id: &RunId, now: Timestamp) -> Result<bool> {
        let mut write = self.write().await?;
        let job = find(write.conn(), id).await?.ok_or_else(|| Error::not_found("job", id))?;
        let again = match job.status {
            JobStatus::Queued => false,
            JobStatus::Running => true,
            _ => return Ok(false),
        };
        sqlx::query("DELETE FROM trials WHERE run = $1").bind(id.as_str()).execute(write.conn()).await?;
        sqlx::query("UPDATE jobs SET status = $1, started = $2 WHERE id = $3")
            .bind(JobStatus::Running.as_str())
            .bind(now.micros())
            .bind(id.as_str())
            .execute(write.conn())
            .await?;
        let change = Change::new("start job", id.as_str(), json!({"again": again}));
        write.note(&Actor::system(), now, change).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Asks for cancellation: a queued job is canceled at once, a running one becomes `Cancelling`; asking again changes
    /// nothing. Refused when the job is final. Gives the job as it now stands.
    pub async fn job_cancelling(&self, id: &RunId, by: &Actor, now: Timestamp) -> Result<Job> {
        let mut write = self.write().await?;
        let mut job = find(write.conn(), id).await?.ok_or_else(|| Error::not_found("job", id))?;
        match job.status {
            JobStatus::Queued => (job.status, job.ended) = (JobStatus::Canceled, Some(now)),
            JobStatus::Running => job.status = JobStatus::Cancelling,
            JobStatus::Cancelling => return Ok(job),
            status => {
                return Err(Error::Conflict(format!("the job '{id}' ended already: {}", status.as_str())));
            }
        }
        sqlx::query("UPDATE jobs SET status = $1, ended = $2 WHERE id = $3")
            .bind(job.status.as_str())
            .bind(job.ended.map(Timestamp::micros))
            .bind(id.as_str())
            .execute(write.conn())
            .await?;
        write.note(by, now, Change::plain("cancel job", id.as_str())).await?;
        write.commit().await?;
        Ok(job)
    }

    /// A job reached a final state; the first one stands. Says whether this call set it.
    pub async fn job_ended(&self, id: &RunId, end: JobEnd) -> Result<bool> {
        if !end.status.is_final() {
            return Err(Error::Invalid(format!("'{}' is no final state", end.status.as_str())));
        }
        let mut write = self.write().await?;
        let job = find(write.conn(), id).await?.ok_or_else(|| Error::not_found("job", id))?;
        if job.status.is_final() {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE jobs SET status = $1, metrics = $2, result = $3, error = $4, ended = $5 WHERE id = $6",
        )
        .bind(end.status.as_str())
        .bind(to_json(&end.metrics)?)
        .bind(to_json(&end.result)?)
        .bind(&end.error)
        .bind(end.now.micros())
        .bind(id.as_str())
        .execute(write.conn())
        .await?;
        note_end(&mut write, id, &end).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Keeps a trial; one of the same number is replaced. Trials are the record of a run, not changes by a user: the ledger
    /// has the job's lines only.
    pub async fn add_trial(&self, run: &RunId, trial: &Trial) -> Result<()> {
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO trials (run, number, learner, task, score, metrics, weight, seconds) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (run, number) DO UPDATE SET learner = excluded.learner, \
             task = excluded.task, score = excluded.score, metrics = excluded.metrics, weight = excluded.weight, \
             seconds = excluded.seconds",
        )
        .bind(run.as_str())
        .bind(i64::from(trial.number))
        .bind(&trial.learner)
        .bind(to_word(&trial.task)?)
        .bind(trial.score)
        .bind(to_json(&trial.metrics)?)
        .bind(trial.weight)
        .bind(trial.seconds)
        .execute(write.conn())
        .await?;
        write.commit().await
    }

    /// The trials of a run in their order.
    pub async fn trials(&self, run: &RunId) -> Result<Vec<Trial>> {
        let rows = sqlx::query("SELECT * FROM trials WHERE run = $1 ORDER BY number")
            .bind(run.as_str())
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(decode_trial).collect()
    }
}

async fn note_end(write: &mut Write<'_>, id: &RunId, end: &JobEnd) -> Result<()> {
    let detail = json!({"status": end.status.as_str(), "error": end.error});
    write.note(&Actor::system(), end.now, Change::new("end job", id.as_str(), detail)).await
}

/// `name:version` of the data a run reads.
fn data_subject(lineage: &Lineage) -> String {
    format!("{}:{}", lineage.data, lineage.data_version)
}

async fn find(conn: &mut SqliteConnection, id: &RunId) -> Result<Option<Job>> {
    let row = sqlx::query("SELECT * FROM jobs WHERE id = $1").bind(id.as_str()).fetch_optional(conn).await?;
    row.as_ref().map(decode).transpose()
}

async fn insert(conn: &mut SqliteConnection, job: &Job) -> Result<()> {
    sqlx::query(
        "INSERT INTO jobs (id, experiment, kind, status, spec, data_name, data_version, data_digest, metrics, result, error, \
         created, started, ended, parent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(job.id.as_str())
    .bind(job.experiment.as_str())
    .bind(to_word(&job.kind)?)
    .bind(job.status.as_str())
    .bind(to_json(&job.spec)?)
    .bind(job.lineage.as_ref().map_or("", |l| l.data.as_str()))
    .bind(job.lineage.as_ref().map_or(0, |l| i64::from(l.data_version.0)))
    .bind(job.lineage.as_ref().map(|l| l.data_digest.hex()).unwrap_or_default())
    .bind(to_json(&job.metrics)?)
    .bind(to_json(&job.result)?)
    .bind(&job.error)
    .bind(job.created.micros())
    .bind(job.started.map(Timestamp::micros))
    .bind(job.ended.map(Timestamp::micros))
    .bind(job.parent.as_ref().map(RunId::as_str))
    .execute(conn)
    .await?;
    Ok(())
}

fn decode(row: &SqliteRow) -> Result<Job> {
    Ok(Job {
        id: row.run("id")?,
        experiment: row.name("experiment")?,
        kind: row.word("kind")?,
        status: JobStatus::parse(&row.text("status")?).map_err(|e| Error::corrupt("status", e))?,
        spec: row.json("spec")?,
        lineage: lineage(row)?,
        parent: row
            .text_or_null("parent")?
            .map(RunId::try_from)
            .transpose()
            .map_err(|e| Error::corrupt("parent", e))?,
        metrics: row.json("metrics")?,
        result: row.json("result")?,
        error: row.text_or_null("error")?,
        created: row.time("created")?,
        started: row.time_or_null("started")?,
        ended: row.time_or_null("ended")?,
    })
}

fn lineage(row: &SqliteRow) -> Result<Option<Lineage>> {
    if row.text("data_name")?.is_empty() {
        return Ok(None);
    }
    Ok(Some(Lineage {
        data: row.name("data_name")?,
        data_version: row.version("data_version")?,
        data_digest: row.digest("data_digest")?,
    }))
}

fn decode_trial(row: &SqliteRow) -> Result<Trial> {
    Ok(Trial {
        number: row.unsigned("number")?,
        learner: row.text("learner")?,
        task: row.word("task")?,
        score: row.try_get("score")?,
        metrics: row.json("metrics")?,
        weight: row.try_get("weight")?,
        seconds: row.try_get("seconds")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{T0, admin, job, store};
    use domain::Task;
    use std::collections::BTreeMap;

    fn end(status: JobStatus, seconds: i64) -> JobEnd {
        JobEnd {
            status,
            metrics: BTreeMap::from([("accuracy".to_owned(), 0.75)]),
            result: json!({"trials": 3}),
            error: None,
            now: T0.plus_seconds(seconds),
        }
    }

    fn trial(number: u32, score: impl Into<Option<f64>>) -> Trial {
        Trial {
            number,
            learner: "boosted trees".to_owned(),
            task: Task::Binary,
            score: score.into(),
            metrics: BTreeMap::new(),
            weight: 0.5,
            seconds: 1.25,
        }
    }

    #[tokio::test]
    async fn a_job_goes_from_queued_to_completed_and_stays() {
        let (_dir, store) = store().await;
        let job = job(T0);
        store.add_job(&job, &admin()).await.unwrap();
        assert_eq!(store.job(&job.id).await.unwrap(), job);
        assert!(matches!(store.add_job(&job, &admin()).await, Err(Error::Conflict(_))));
        assert!(store.job_started(&job.id, T0.plus_seconds(1)).await.unwrap());
        assert!(store.job_ended(&job.id, end(JobStatus::Completed, 9)).await.unwrap());
        let done = store.job(&job.id).await.unwrap();
        assert_eq!((done.status, done.metrics["accuracy"]), (JobStatus::Completed, 0.75));
        assert_eq!((done.started, done.ended), (Some(T0.plus_seconds(1)), Some(T0.plus_seconds(9))));
        assert!(!store.job_ended(&job.id, end(JobStatus::Failed, 10)).await.unwrap());
        assert!(!store.job_started(&job.id, T0.plus_seconds(11)).await.unwrap());
        assert_eq!(store.job(&job.id).await.unwrap(), done);
        let actions: Vec<String> =
            store.ledger(0, 100).await.unwrap().into_iter().map(|e| e.action).collect();
        assert_eq!(actions, ["submit job", "start job", "end job"]);
    }

    #[tokio::test]
    async fn cancelling_ends_a_queued_job_and_asks_a_running_one() {
        let (_dir, store) = store().await;
        let (queued, running) = (job(T0), job(T0));
        for job in [&queued, &running] {
            store.add_job(job, &admin()).await.unwrap();
        }
        store.job_started(&running.id, T0).await.unwrap();
        let canceled = store.job_cancelling(&queued.id, &admin(), T0).await.unwrap();
        assert_eq!((canceled.status, canceled.ended), (JobStatus::Canceled, Some(T0)));
        assert!(!store.job_started(&queued.id, T0).await.unwrap());
        for _ in 0..2 {
            let asked = store.job_cancelling(&running.id, &admin(), T0).await.unwrap();
            assert_eq!(asked.status, JobStatus::Cancelling);
        }
        assert!(store.job_ended(&running.id, end(JobStatus::Canceled, 2)).await.unwrap());
        let refused = store.job_cancelling(&running.id, &admin(), T0).await.unwrap_err();
        assert_eq!(refused.code(), domain::ErrorCode::Conflict);
        assert!(store.job_ended(&running.id, end(JobStatus::Running, 2)).await.is_err());
    }

    #[tokio::test]
    async fn trials_are_replaced_by_number_and_cleared_by_a_new_attempt() {
        let (_dir, store) = store().await;
        let job = job(T0);
        store.add_job(&job, &admin()).await.unwrap();
        store.job_started(&job.id, T0).await.unwrap();
        store.add_trial(&job.id, &trial(2, 0.7)).await.unwrap();
        store.add_trial(&job.id, &trial(1, 0.6)).await.unwrap();
        store.add_trial(&job.id, &trial(2, 0.8)).await.unwrap();
        assert_eq!(store.trials(&job.id).await.unwrap(), [trial(1, 0.6), trial(2, 0.8)]);
        store.add_trial(&job.id, &trial(3, None::<f64>)).await.unwrap();
        assert_eq!(store.trials(&job.id).await.unwrap()[2].score, None);
        assert!(store.job_started(&job.id, T0.plus_seconds(5)).await.unwrap());
        assert_eq!(store.trials(&job.id).await.unwrap(), []);
    }

    #[tokio::test]
    async fn jobs_are_listed_newest_first() {
        let (_dir, store) = store().await;
        let jobs: Vec<Job> = (0..5).map(|i| job(T0.plus_seconds(i))).collect();
        for job in &jobs {
            store.add_job(job, &admin()).await.unwrap();
        }
        let listed = store.jobs(3).await.unwrap();
        assert_eq!(listed, [jobs[4].clone(), jobs[3].clone(), jobs[2].clone()]);
    }

    #[tokio::test]
    async fn a_job_and_its_task_are_kept_together_or_not_at_all() {
        let (_dir, store) = store().await;
        let job = job(T0);
        let task = NewTask::new("automl", json!({"id": job.id}), job.id.as_str());
        store.add_job_with_task(&job, &task, &admin()).await.unwrap();
        assert!(store.add_job_with_task(&job, &task, &admin()).await.is_err());
        assert_eq!(store.tasks().list("automl", 10).await.unwrap().len(), 1);
    }
}

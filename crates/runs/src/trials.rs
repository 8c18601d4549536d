//! Trials of a search as child runs of its job's run.
//!
//! A search never fails for want of them: what cannot be written is told in the server's log, and written again at its end.

use crate::error::Result;
use crate::record::SOURCE_TYPE;
use crate::tracking::now;
use domain::tracking::{LogBatch, NewMetric, NewRun, PARENT_RUN, Pair, RunStatus};
use domain::{Job, RunId, Trial};
use store::Store;

/// The id of a trial's run: the same whenever the trial is told again.
fn child(job: &RunId, number: u32) -> Option<RunId> {
    // Numbers of one job differ, so their products with an odd number do.
    let (head, tail) = job.as_str().split_at_checked(24)?;
    let tail = u32::from_str_radix(tail, 16).ok()? ^ number.wrapping_mul(0x9E37_79B1);
    RunId::try_from(format!("{head}{tail:08x}")).ok()
}

/// Writes a trial as a child run.
pub(crate) async fn trial(store: &Store, job: &Job, trial: &Trial) {
    if let Err(error) = try_trial(store, job, trial).await {
        tracing::warn!(%error, run = %job.id, trial = trial.number, "a trial cannot be written as a run");
    }
}

async fn try_trial(store: &Store, job: &Job, trial: &Trial) -> Result<()> {
    let Some(id) = child(&job.id, trial.number) else { return Ok(()) };
    let parent = store.run_info(job.id.as_str()).await?;
    let end = now();
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a training")]
    let start = end - (trial.seconds.clamp(0.0, 1e9) * 1000.0) as i64;
    let new = NewRun {
        id: id.clone(),
        experiment_id: parent.experiment_id.parse().unwrap_or_default(),
        name: format!("trial-{}", trial.number),
        user_id: parent.user_id,
        start_time: start,
        status: RunStatus::Running,
        tags: vec![
            Pair::new(PARENT_RUN, job.id.as_str()),
            Pair::new("mlflow.source.type", SOURCE_TYPE),
            Pair::new("mlflow.source.name", format!("portcullis {}", job.kind.as_str())),
        ],
    };
    let opened = store.open_run(new).await?;
    // Told again at the end of the search: what it had is there, the weight is new.
    let mut metrics = vec![NewMetric::new("weight", trial.weight, end, 0)];
    let mut params = Vec::new();
    if opened.status == RunStatus::Running {
        metrics.extend(trial.metrics.iter().map(|(key, value)| NewMetric::new(key, *value, end, 0)));
        metrics.extend(trial.score.map(|score| NewMetric::new("score", score, end, 0)));
        params.push(Pair::new("learner", &trial.learner));
    }
    store.log_batch(LogBatch { run_id: id.to_string(), metrics, params, ..LogBatch::default() }).await?;
    if opened.status == RunStatus::Running {
        store.end_run(&id, RunStatus::Finished, end).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_trial_has_an_id_of_its_own_that_stays() {
        let job = RunId::generate();
        let ids: HashSet<RunId> = (0..5000).filter_map(|number| child(&job, number)).collect();
        assert_eq!(ids.len(), 5000);
        assert_eq!(child(&job, 7), child(&job, 7));
        assert_eq!(child(&job, 0), Some(job));
    }
}

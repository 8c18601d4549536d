//! Histories of metrics: of one run in pages, of many for charts.

use super::Tracking;
use super::checks;
use crate::error::{Error, Result};
use domain::tracking::Point;
use std::collections::BTreeSet;
use store::tracking::{History, HistoryPage};

/// Points of a page at most.
pub const HISTORY_MAX: u64 = 25_000;
/// Points of an answer to a call that names no number.
const UNPAGED_MAX: u64 = 1_000_000;
/// Runs of a call for many at most, and points of its answer.
pub const BULK_RUNS: usize = 100;
/// Points of the answer to a call for many runs.
pub const BULK_MAX: usize = 25_000;
/// Points of a run of a sampled history at most.
pub const INTERVAL_MAX: i64 = 2500;

/// What part of histories to sample.
#[derive(Debug, Clone, Default)]
pub struct Interval {
    /// The first step and the last.
    pub steps: Option<(i64, i64)>,
    /// Points a run at most.
    pub max_results: Option<i64>,
}

impl Tracking {
    /// A page of a metric's history.
    pub async fn metric_history(
        &self,
        run_id: &str,
        key: &str,
        (max_results, page_token): (Option<i64>, Option<&str>),
    ) -> Result<HistoryPage> {
        let limit = match max_results {
            None => UNPAGED_MAX,
            Some(most) if most > 0 => most.unsigned_abs().min(HISTORY_MAX),
            Some(most) => {
                return Err(Error::Submission(format!(
                    "Invalid value {most} for parameter 'max_results' supplied. It must be a positive integer."
                )));
            }
        };
        let offset = checks::offset(page_token)?;
        Ok(self.store.metric_history(run_id, key, (offset, limit)).await?)
    }

    /// The histories of a metric of many runs, ordered by run; at most so many points in all.
    pub async fn metric_histories(
        &self,
        run_ids: &[String],
        key: &str,
        most: Option<i64>,
    ) -> Result<Vec<History>> {
        if run_ids.is_empty() {
            let text = "GetMetricHistoryBulk request must specify at least one run_id.";
            return Err(Error::Submission(text.to_owned()));
        }
        if run_ids.len() > BULK_RUNS {
            return Err(Error::Submission(format!(
                "GetMetricHistoryBulk request cannot specify more than {BULK_RUNS} run_ids. Received {} run_ids.",
                run_ids.len()
            )));
        }
        if key.is_empty() {
            return Err(Error::Submission(
                "GetMetricHistoryBulk request must specify a metric_key.".to_owned(),
            ));
        }
        let mut room = most.map_or(BULK_MAX, |most| usize::try_from(most).unwrap_or_default().min(BULK_MAX));
        let mut found = self.store.metric_histories(run_ids, key).await?;
        for history in &mut found {
            history.points.truncate(room);
            room -= history.points.len();
        }
        Ok(found)
    }

    /// The histories of a metric of many runs at the same steps, so many a run at most; the first and the last step of each run stay.
    pub async fn sampled_histories(
        &self,
        run_ids: &[String],
        key: &str,
        part: &Interval,
    ) -> Result<Vec<History>> {
        let most = part.max_results.unwrap_or(INTERVAL_MAX);
        if !(1..=INTERVAL_MAX).contains(&most) {
            return Err(Error::Submission(format!("max_results must be between 1 and {INTERVAL_MAX}.")));
        }
        if run_ids.is_empty() || run_ids.len() > BULK_RUNS {
            return Err(Error::Submission(format!(
                "GetMetricHistoryBulkInterval request must specify at least one run_id and no more than {BULK_RUNS}."
            )));
        }
        if let Some((start, end)) = part.steps
            && start > end
        {
            return Err(Error::Submission(format!(
                "end_step must be greater than start_step. Found start_step={start} and end_step={end}."
            )));
        }
        let mut found = self.store.metric_histories(run_ids, key).await?;
        if let Some((start, end)) = part.steps {
            found.iter_mut().for_each(|h| h.points.retain(|point| (start..=end).contains(&point.step)));
        }
        let steps = sample(&found, usize::try_from(most).unwrap_or(1));
        for history in &mut found {
            history.points.retain(|point| steps.contains(&point.step));
            history.points.sort_by_key(|point| (point.step, point.timestamp));
            history.points.truncate(usize::try_from(INTERVAL_MAX).unwrap_or_default());
        }
        Ok(found)
    }
}

/// So many steps, evenly, and besides the first and the last of each run.
fn sample(histories: &[History], most: usize) -> BTreeSet<i64> {
    let step = |point: &Point| point.step;
    let all: BTreeSet<i64> = histories.iter().flat_map(|h| h.points.iter().map(step)).collect();
    if all.len() <= most {
        return all;
    }
    let all: Vec<i64> = all.into_iter().collect();
    let last = all.len() - 1;
    let pick = |at: usize| all[if most > 1 { at * last / (most - 1) } else { last }];
    let mut steps: BTreeSet<i64> = (0..most).map(pick).collect();
    for history in histories {
        let own = || history.points.iter().map(step);
        steps.extend(own().min());
        steps.extend(own().max());
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_holds_the_ends_of_each_run() {
        let history = |from: i64, to: i64| History {
            run_id: String::new(),
            points: (from..=to).map(|step| Point { value: 0.0, timestamp: step, step }).collect(),
        };
        let steps = sample(&[history(0, 1000), history(7, 503)], 5);
        assert_eq!(steps.into_iter().collect::<Vec<_>>(), [0, 7, 250, 500, 503, 750, 1000]);
        assert_eq!(sample(&[history(0, 3)], 5).len(), 4);
        assert_eq!(sample(&[history(0, 9)], 1).into_iter().collect::<Vec<_>>(), [0, 9]);
    }
}

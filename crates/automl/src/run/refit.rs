//! The final fit of the members on all rows.

use super::vote::Vote;
use crate::export::Ensemble;
use crate::learners::{Fitted, Job};
use crate::search::{Done, Search, trial_seed};
use crate::{Error, Spec, parallel};
use std::sync::Arc;

/// Rounds of the final fit over the best round of the folds: it sees more rows.
const MORE_ROUNDS: f64 = 1.05;

/// Fits the members on all rows. One whose fit the time limit stops is taken from the first fold; their numbers come
/// back too.
pub(super) fn refit(
    search: &Search<'_>,
    done: &mut [Done],
    vote: &Vote,
    spec: &Spec,
    notes: &mut Vec<String>,
) -> Result<(Ensemble, Vec<u32>), Error> {
    let all = 0..search.shared.data.trainable() as u32;
    let sample = search.folds.sample.as_ref();
    let all: Vec<u32> = sample.map_or_else(|| all.clone().collect(), |sample| sample.of(all.clone()));
    let judged = search.folds.are_final(search.shared.data);
    let chosen = vote.chosen();
    let trials: &[Done] = done;
    let fits = parallel::map(chosen.len(), search.threads, |i| {
        let trial = &trials[chosen[i]];
        if judged || spec.from_fold.contains(&trial.number) {
            return Err(Error::Cancelled);
        }
        let job = Job {
            train: &all,
            valid: &[],
            rounds: (trial.rounds as f64 * MORE_ROUNDS).round() as usize,
            weights: &search.shared.data.marks.weights,
            seed: trial_seed(search.seed, trial.number),
            control: search.control,
            until: None,
        };
        trial.candidate.fit(search.shared, &job).map(|fit| fit.model)
    });
    let mut models: Vec<Arc<dyn Fitted>> = Vec::with_capacity(chosen.len());
    let mut stopped = Vec::new();
    for (fit, &at) in fits.into_iter().zip(&chosen) {
        let model = match fit {
            Err(Error::Cancelled) if !search.control.cancelled() => {
                if !judged {
                    stopped.push(done[at].number);
                }
                let limit = search.control.limit().unwrap_or(0.0);
                search.probe_needed(&mut done[at])?;
                done[at].probes.first().cloned().ok_or(Error::TimeLimit(limit))?
            }
            fit => fit?.into(),
        };
        search.control.count(model.rounds() as u64);
        models.push(model);
    }
    if !stopped.is_empty() {
        let count = stopped.len();
        notes.push(format!("{count} members were not fitted on all rows again: the time limit was near"));
    }
    Ok((Ensemble { models, mixture: vote.mixture.clone() }, stopped))
}

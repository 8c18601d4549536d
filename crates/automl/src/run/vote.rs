//! The chosen ensemble: weights, members, leaderboard, facts.

use crate::blend;
use crate::metrics::{self, Goal, Metrics};
use crate::outcome::{Member, Trial};
use crate::search::{Done, Search};
use serde_json::json;
use std::time::Instant;

/// Name of the ensemble on the leaderboard.
pub(super) const ENSEMBLE: &str = "VotingEnsemble";

/// The chosen ensemble.
pub(super) struct Vote {
    /// One weight a finished trial.
    weights: Vec<f64>,
    /// Out of fold.
    pub metrics: Metrics,
    pub score: f64,
    /// Out of fold, as wide as the target.
    pub predictions: Vec<f32>,
    seconds: f64,
}

/// Nodes an ensemble may have: about 5 MB of ONNX.
const MAX_NODES: usize = 120_000;

/// When the members together are too large: the one with the most nodes for its weight. A single one always fits.
fn too_large(done: &[Done], weights: &[f64]) -> Option<usize> {
    let size = |i: usize| done[i].probes.first().map_or(0, |p| p.size());
    let members: Vec<usize> = (0..done.len()).filter(|&i| weights[i] > 0.0).collect();
    let total: usize = members.iter().map(|&i| size(i)).sum();
    if total <= MAX_NODES || members.len() < 2 {
        return None;
    }
    let burden = |&i: &usize| size(i) as f64 / weights[i];
    members.into_iter().max_by(|a, b| burden(a).total_cmp(&burden(b)))
}

impl Vote {
    /// Chooses the weights by the out-of-fold predictions.
    pub(super) fn new(search: &Search<'_>, done: &[Done]) -> Self {
        let start = Instant::now();
        let (target, rows) = (&search.shared.data.target, &search.folds.scored);
        let candidates: Vec<&[f32]> = done.iter().map(|d| d.predictions.as_slice()).collect();
        let mut allowed: Vec<usize> = (0..done.len()).collect();
        let weights = loop {
            let weights = blend::weights(target, rows, &candidates, &allowed, search.seed);
            let Some(heaviest) = too_large(done, &weights) else { break weights };
            allowed.retain(|&c| c != heaviest);
        };
        let predictions = blend::mix(&candidates, &weights);
        let metrics = metrics::all(target, rows, &predictions);
        let score = search.goal.of(&metrics);
        Self { weights, metrics, score, predictions, seconds: start.elapsed().as_secs_f64() }
    }

    /// Trials with a weight.
    pub(super) fn weighted<'d>(&self, done: &'d [Done]) -> Vec<(&'d Done, f64)> {
        done.iter().zip(self.weights.iter().copied()).filter(|(_, w)| *w > 0.0).collect()
    }

    /// Members by falling weight.
    pub(super) fn members(&self, done: &[Done]) -> Vec<Member> {
        let member =
            |(d, weight): (&Done, f64)| Member { trial: d.number, learner: d.candidate.name(), weight };
        let mut members: Vec<Member> = self.weighted(done).into_iter().map(member).collect();
        members.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        members
    }

    /// Loss by round of the members that have rounds, heaviest first.
    pub(super) fn curves(&self, done: &[Done]) -> Vec<(String, Vec<f64>)> {
        let mut members = self.weighted(done);
        members.sort_by(|a, b| b.1.total_cmp(&a.1));
        let name = |d: &Done| format!("{}: {}", d.number, d.candidate.name());
        members.iter().map(|(d, _)| (name(d), d.curve.clone())).filter(|(_, c)| !c.is_empty()).collect()
    }

    /// All trials and the ensemble, best first.
    pub(super) fn leaderboard(&self, goal: &Goal, done: &[Done]) -> Vec<Trial> {
        let row = |(d, &weight): (&Done, &f64)| Trial {
            number: d.number,
            learner: d.candidate.name(),
            score: d.score,
            metrics: d.metrics.clone(),
            weight,
            seconds: d.seconds,
        };
        let mut trials: Vec<Trial> = done.iter().zip(&self.weights).map(row).collect();
        trials.push(Trial {
            number: trials.iter().map(|t| t.number).max().unwrap_or(0) + 1,
            learner: ENSEMBLE.into(),
            score: self.score,
            metrics: self.metrics.clone(),
            weight: 1.0,
            seconds: self.seconds,
        });
        // Of equal scores the ensemble, which is what was made, comes first.
        trials.sort_by(|a, b| {
            let order = a.score.total_cmp(&b.score);
            let order = if goal.higher { order.reverse() } else { order };
            order.then_with(|| (b.learner == ENSEMBLE).cmp(&(a.learner == ENSEMBLE)))
        });
        trials
    }

    /// What the file says about its making; nothing that differs between two runs.
    pub(super) fn facts(&self, search: &Search<'_>, done: &[Done]) -> serde_json::Value {
        let data = search.shared.data;
        json!({
            "producer": concat!("portcullis-automl ", env!("CARGO_PKG_VERSION")),
            "target": data.target.name,
            "task": data.target.task,
            "rows": data.rows(),
            "features": data.features.len(),
            "seed": search.seed,
            "trials": done.len(),
            "metric": search.goal.name,
            "metrics": self.metrics,
            "members": self.members(done),
        })
    }
}

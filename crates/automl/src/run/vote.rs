//! The chosen ensemble: members, weights, recipe, leaderboard, facts.

use crate::blend::{self, Library};
use crate::calibrate::{Calibration, Evidence, logits};
use crate::decision::Decision;
use crate::export::width;
use crate::metrics::{Goal, Metrics};
use crate::mixture::{Mixture, Part, Rule};
use crate::outcome::{Member, Trial};
use crate::search::{Done, Search, mean_loss};
use crate::spec::{Algorithm, Spec};
use crate::stack::Layer;
use crate::{Error, Task, decision, parallel};
use serde_json::json;
use std::time::Instant;

/// Names of the ensemble on the leaderboard.
pub(super) const ENSEMBLE: &str = "VotingEnsemble";
pub(super) const STACK: &str = "StackEnsemble";

/// The chosen ensemble.
pub(super) struct Vote {
    /// One weight a finished trial.
    weights: Vec<f64>,
    /// The recipe over the trials with a weight, in their order.
    pub mixture: Mixture,
    /// Out of fold.
    pub metrics: Metrics,
    pub score: f64,
    /// Out of fold, as wide as the target.
    pub predictions: Vec<f32>,
    seconds: f64,
}

/// Nodes an ensemble may have: about 16 MB of ONNX.
const MAX_NODES: usize = 400_000;
/// Every prefix of the trials up to this many is a candidate for the ensemble, beyond every eighth: the candidates of a
/// shorter search are candidates of a longer one.
const EVERY: usize = 64;
const BEYOND: usize = 8;
/// Probabilities that are ranked at a time, of about 50 bytes each.
const JUDGED: usize = 1 << 25;
/// Rows from which the whole is calibrated.
const CALIBRATED_ROWS: usize = 500;

/// Weights of the trials, and what is made of them: the recipe, and its metrics and score out of fold.
type Candidate = (Vec<f64>, (Mixture, Metrics, f64));

/// What the choice of an ensemble works on.
struct Choice<'a> {
    search: &'a Search<'a>,
    done: &'a [Done],
    truth: Vec<f32>,
    row_weights: Vec<f64>,
    /// What stays together where rows are cut in parts.
    clumps: Vec<u64>,
    /// Of each trial alone.
    calibrations: Vec<Calibration>,
    /// Calibrated out-of-fold predictions of each trial.
    predictions: Vec<Vec<f32>>,
}

impl<'a> Choice<'a> {
    fn new(search: &'a Search<'a>, done: &'a [Done]) -> Self {
        let target = &search.shared.data.target;
        let truth: Vec<f32> = search.folds.scored.iter().map(|&r| target.values[r as usize]).collect();
        let (row_weights, clumps) = (search.scored_weights(), search.clumps());
        let evidence = Evidence {
            task: target.task,
            width: target.width(),
            truth: &truth,
            weights: &row_weights,
            clumps: &clumps,
        };
        let each = parallel::map(done.len(), search.threads, |i| {
            let mut predictions = done[i].predictions.clone();
            let calibration = if unsure(done[i].candidate.algorithm()) && !predictions.is_empty() {
                Calibration::fit(evidence, &predictions)
            } else {
                Calibration::None
            };
            calibration.apply(evidence.width, &mut predictions);
            (calibration, predictions)
        });
        let (calibrations, predictions) = each.into_iter().unzip();
        Self { search, done, truth, row_weights, clumps, calibrations, predictions }
    }

    fn evidence(&self) -> Evidence<'_> {
        let target = &self.search.shared.data.target;
        Evidence {
            task: target.task,
            width: target.width(),
            truth: &self.truth,
            weights: &self.row_weights,
            clumps: &self.clumps,
        }
    }

    /// Weights of the vote over the first `count` trials.
    fn weights(&self, library: &Library<'_>, count: usize) -> Vec<f64> {
        let mut allowed: Vec<usize> = (0..count)
            .filter(|&i| !self.predictions[i].is_empty() && self.done[i].loss.is_finite())
            .collect();
        loop {
            let weights = blend::weights(library, &allowed, self.search.seed);
            let features = self.search.shared.data.features.len();
            let Some(heaviest) = too_large(self.done, features, &weights) else { return weights };
            allowed.retain(|&c| c != heaviest);
        }
    }

    /// The weight of the best single trial of the first `count` is 1.
    fn single(&self, count: usize) -> Vec<f64> {
        let goal = self.search.goal;
        let usable = (0..count).filter(|&i| !self.predictions[i].is_empty());
        let best =
            usable.reduce(|a, b| if goal.better(self.done[b].score, self.done[a].score) { b } else { a });
        (0..self.done.len()).map(|i| f64::from(u8::from(Some(i) == best))).collect()
    }

    /// The weighted mean of the trials with a weight.
    fn mean(&self, weights: &[f64]) -> Mixture {
        let target = &self.search.shared.data.target;
        let parts = weights.iter().zip(&self.calibrations).filter(|(w, _)| **w > 0.0);
        Mixture {
            task: target.task,
            width: target.width(),
            parts: parts.map(|(&w, &calibration)| Part { weight: w as f32, calibration }).collect(),
            rule: Rule::Mean,
            calibration: Calibration::None,
            decision: Decision::Largest,
        }
    }

    /// Out-of-fold predictions of a mixture of the trials with a weight.
    fn mix(&self, mixture: &Mixture, weights: &[f64]) -> Vec<f32> {
        let raw: Vec<&[f32]> = (0..self.done.len())
            .filter(|&i| weights[i] > 0.0)
            .map(|i| self.done[i].predictions.as_slice())
            .collect();
        mixture.mix(&raw)
    }

    /// A stack over the members, if rows it was not fitted on are better predicted by it.
    fn stacked(&self, mean: &Mixture, weights: &[f64]) -> Option<Mixture> {
        let members: Vec<usize> = (0..self.done.len()).filter(|&i| weights[i] > 0.0).collect();
        let layers: Vec<Vec<f32>> = members
            .iter()
            .map(|&i| {
                let mut own = self.predictions[i].clone();
                logits(mean.task, &mut own);
                own
            })
            .collect();
        let prior: Vec<f64> = members.iter().map(|&i| weights[i]).collect();
        let layer = Layer {
            task: mean.task,
            width: mean.width,
            logits: &layers,
            truth: &self.truth,
            weights: &self.row_weights,
            clumps: &self.clumps,
            prior: &prior,
        };
        let voted = self.mix(mean, weights);
        let losses: Vec<f64> = voted
            .chunks_exact(mean.width)
            .enumerate()
            .map(|(r, p)| {
                let row = std::iter::once((self.truth[r], 1.0));
                self.row_weights[r] * mean_loss(mean.task, row, p, mean.width)
            })
            .collect();
        let stacked = layer.fit(&losses)?;
        let mut mixture = mean.clone();
        let parts = mixture.parts.iter_mut().zip(&stacked.weights);
        parts.for_each(|(part, &weight)| part.weight = weight as f32);
        mixture.rule = Rule::Stack(stacked.intercepts.iter().map(|&c| c as f32).collect());
        Some(mixture)
    }

    /// Threads that may judge at a time: each of them ranks all rows by all classes.
    fn judges(&self) -> usize {
        let cells = self.truth.len() * self.search.shared.data.target.class_count().max(1);
        self.search.threads.min(JUDGED / cells.max(1)).max(1)
    }

    /// The primary metric of the vote as it is, out of fold.
    fn voted(&self, weights: &[f64]) -> f64 {
        let predictions = self.mix(&self.mean(weights), weights);
        self.search.goal.of(&self.search.metrics(&predictions))
    }

    /// Positions of the votes that are not worse than any before. A longer search has those of a shorter one, and more.
    fn leading(&self, votes: &[Vec<f64>]) -> Vec<usize> {
        let scores = parallel::map(votes.len(), self.judges(), |i| self.voted(&votes[i]));
        let mut leading: Vec<usize> = Vec::new();
        for (i, &score) in scores.iter().enumerate() {
            if leading.last().is_none_or(|&best| !self.search.goal.better(scores[best], score)) {
                leading.push(i);
            }
        }
        leading
    }

    /// Predictions, metrics and score of a mixture of the trials with a weight.
    fn judged(&self, mixture: &Mixture, weights: &[f64]) -> (Vec<f32>, Metrics, f64) {
        let predictions = self.mix(mixture, weights);
        let metrics = self.search.metrics_of(&self.search.folds.scored, &predictions, &mixture.decision);
        let score = self.search.goal.of(&metrics);
        (predictions, metrics, score)
    }

    /// The vote, stacked or calibrated when that helps neither by chance nor against the primary metric.
    fn finished(&self, weights: &[f64], stack: bool) -> (Mixture, Metrics, f64) {
        let goal = self.search.goal;
        let judge = |mixture: &Mixture| self.judged(mixture, weights);
        let mut best = self.mean(weights);
        let (mut predictions, mut metrics, mut score) = judge(&best);
        let mut candidates = Vec::new();
        if let Some(mixture) = stack.then(|| self.stacked(&best, weights)).flatten() {
            candidates.push(mixture);
        } else if best.task != Task::Regression && predictions.len() >= CALIBRATED_ROWS * best.width {
            let calibration = Calibration::fit(self.evidence(), &predictions);
            candidates.push(Mixture { calibration, ..best.clone() });
        }
        for mixture in candidates {
            let judged = judge(&mixture);
            if mixture != best && !goal.better(score, judged.2) {
                best = mixture;
                (predictions, metrics, score) = judged;
            }
        }
        if let Some(decision) = decision::choose(self.search, &predictions) {
            let mixture = Mixture { decision, ..best.clone() };
            let judged = judge(&mixture);
            if goal.better(judged.2, score) {
                best = mixture;
                (_, metrics, score) = judged;
            }
        }
        (best, metrics, score)
    }

    /// The best single trial as it is finished; without its calibration where it falls `short` with it. Every trial that was
    /// the best of its time takes part, so that a longer search never gives less.
    fn alone(&self, short: &dyn Fn(&Candidate) -> bool) -> Candidate {
        let mut leaders: Vec<Vec<f64>> = (1..=self.done.len()).map(|count| self.single(count)).collect();
        // The predictions of a trial may have been let go.
        leaders.retain(|weights| weights.iter().any(|&weight| weight > 0.0));
        leaders.dedup();
        let finished = |weights: Vec<f64>| (weights.clone(), self.finished(&weights, false));
        let better = |a: Candidate, b: Candidate| if self.search.goal.better(a.1.2, b.1.2) { a } else { b };
        let best = leaders.into_iter().map(finished).reduce(better);
        let calibrated = best.unwrap_or_else(|| finished(self.single(0)));
        if !short(&calibrated) {
            return calibrated;
        }
        let weights = calibrated.0;
        let mut mixture = self.mean(&weights);
        mixture.parts.iter_mut().for_each(|part| part.calibration = Calibration::None);
        let (_, metrics, score) = self.judged(&mixture, &weights);
        (weights, (mixture, metrics, score))
    }

    /// The last of the candidates that no other is better than. Without a vote only stacks compete, with the best single
    /// trial; where a trial was as good as the search was asked for and they are not, it is the model.
    fn best(&self, candidates: Vec<Candidate>, spec: &Spec) -> Candidate {
        let goal = self.search.goal;
        let may =
            |(_, (mixture, ..)): &Candidate| spec.vote_ensemble || matches!(mixture.rule, Rule::Stack(_));
        let better = |a: &Candidate, b: &Candidate| goal.better(a.1.2, b.1.2);
        let best = candidates.into_iter().filter(may).reduce(|a, b| if better(&a, &b) { a } else { b });
        let short = |best: &Candidate| spec.exit_score.is_some_and(|exit| goal.better(exit, best.1.2));
        match best {
            Some(best) if spec.vote_ensemble && !short(&best) => best,
            best => {
                let single = self.alone(&short);
                match best {
                    Some(best) if spec.vote_ensemble && short(&single) => best,
                    Some(best) if !spec.vote_ensemble && !better(&single, &best) => best,
                    _ => single,
                }
            }
        }
    }
}

/// Algorithms whose probabilities are seldom honest as they are.
fn unsure(algorithm: Algorithm) -> bool {
    !matches!(
        algorithm,
        Algorithm::Constant
            | Algorithm::Linear
            | Algorithm::LightGbm
            | Algorithm::XgBoost
            | Algorithm::GradientBoosting
    )
}

/// When the members together are too large, or a row of theirs too wide: the one with the most nodes, or numbers, for its
/// weight. A single one always fits.
fn too_large(done: &[Done], features: usize, weights: &[f64]) -> Option<usize> {
    let members: Vec<usize> = (0..weights.len()).filter(|&i| weights[i] > 0.0).collect();
    let over = |of: &dyn Fn(usize) -> usize, most: usize| {
        members.len() > 1 && members.iter().map(|&i| of(i)).sum::<usize>() > most
    };
    let heaviest = |of: &dyn Fn(usize) -> usize| {
        let burden = |i: usize| of(i) as f64 / weights[i];
        members.iter().copied().max_by(|&a, &b| burden(a).total_cmp(&burden(b)))
    };
    let (nodes, numbers) = (|i: usize| done[i].size, |i: usize| done[i].wide);
    if over(&nodes, MAX_NODES) {
        heaviest(&nodes)
    } else if over(&numbers, width::most(features)) {
        heaviest(&numbers)
    } else {
        None
    }
}

/// The members' shares of a stack's weights. Members that it does not use leave the mixture.
pub(super) fn shares(mixture: &mut Mixture, weights: &[f64]) -> Vec<f64> {
    let sum: f64 = mixture.parts.iter().map(|part| f64::from(part.weight)).sum();
    if sum <= 0.0 {
        return weights.to_vec();
    }
    let mut parts = mixture.parts.iter();
    let share = |&weight: &f64| {
        let part = if weight > 0.0 { parts.next() } else { None };
        part.map_or(0.0, |part| f64::from(part.weight) / sum)
    };
    let shares = weights.iter().map(share).collect();
    mixture.parts.retain(|part| part.weight > 0.0);
    shares
}

impl Vote {
    /// Chooses the ensemble by the out-of-fold predictions: of those over the first trials, the first two and so on,
    /// the last one whose primary metric is not worse than that of all before. So more trials never give less.
    pub(super) fn new(search: &Search<'_>, done: &[Done], spec: &Spec) -> Result<Self, Error> {
        let start = Instant::now();
        let choice = Choice::new(search, done);
        let candidates: Vec<&[f32]> = choice.predictions.iter().map(Vec::as_slice).collect();
        let target = &search.shared.data.target;
        let library = Library::new(target, &search.folds.scored, &choice.row_weights, &candidates);
        let ensemble = spec.vote_ensemble || spec.stack_ensemble;
        let counts: Vec<usize> =
            (1..=done.len()).filter(|&n| n <= EVERY || n.is_multiple_of(BEYOND)).collect();
        let weights = parallel::map(counts.len(), search.threads, |i| {
            if ensemble { choice.weights(&library, counts[i]) } else { choice.single(counts[i]) }
        });
        let mut distinct = weights;
        distinct.retain(|weights| weights.iter().any(|&w| w > 0.0));
        distinct.dedup();
        if distinct.is_empty() {
            let detail = "no trial gave predictions that can be judged; look for extreme values, or allow more algorithms".into();
            return Err(Error::Target { target: target.name.clone(), detail });
        }
        // A stack costs much more than a vote: the votes that lead are finished, the others are not.
        let leading = choice.leading(&distinct);
        let distinct: Vec<Vec<f64>> = leading.into_iter().map(|i| std::mem::take(&mut distinct[i])).collect();
        let finished = parallel::map(distinct.len(), choice.judges(), |i| {
            choice.finished(&distinct[i], spec.stack_ensemble && ensemble && !search.control.cancelled())
        });
        let candidates: Vec<Candidate> = distinct.into_iter().zip(finished).collect();
        let (mut weights, (mut mixture, metrics, score)) = choice.best(candidates, spec);
        if matches!(mixture.rule, Rule::Stack(_)) {
            weights = shares(&mut mixture, &weights);
        }
        let predictions = choice.mix(&mixture, &weights);
        Ok(Self { weights, mixture, metrics, score, predictions, seconds: start.elapsed().as_secs_f64() })
    }

    /// Positions of the trials with a weight.
    pub(super) fn chosen(&self) -> Vec<usize> {
        (0..self.weights.len()).filter(|&i| self.weights[i] > 0.0).collect()
    }

    /// The ensemble's name.
    pub(super) fn name(&self) -> &'static str {
        if matches!(self.mixture.rule, Rule::Stack(_)) { STACK } else { ENSEMBLE }
    }

    /// Members by falling weight.
    pub(super) fn members(&self, done: &[Done]) -> Vec<Member> {
        let member = |i: usize| Member {
            trial: done[i].number,
            learner: done[i].candidate.name(),
            weight: self.weights[i],
        };
        let mut members: Vec<Member> = self.chosen().into_iter().map(member).collect();
        members.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        members
    }

    /// Loss by round of the members that have rounds, heaviest first.
    pub(super) fn curves(&self, done: &[Done]) -> Vec<(String, Vec<f64>)> {
        let mut members = self.chosen();
        members.sort_by(|&a, &b| self.weights[b].total_cmp(&self.weights[a]));
        let name = |d: &Done| format!("{}: {}", d.number, d.candidate.name());
        let curve = |&i: &usize| (name(&done[i]), done[i].curve.clone());
        members.iter().map(curve).filter(|(_, c)| !c.is_empty()).collect()
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
        let name = self.name();
        trials.push(Trial {
            number: trials.iter().map(|t| t.number).max().unwrap_or(0) + 1,
            learner: name.into(),
            score: self.score,
            metrics: self.metrics.clone(),
            weight: 1.0,
            seconds: self.seconds,
        });
        // Of equal scores the ensemble, which is what was made, comes first.
        trials.sort_by(|a, b| {
            let order = a.score.total_cmp(&b.score);
            let order = if goal.higher { order.reverse() } else { order };
            order.then_with(|| (b.learner == name).cmp(&(a.learner == name)))
        });
        trials
    }

    /// What the file says about its making; nothing that differs between two runs.
    pub(super) fn facts(&self, search: &Search<'_>, done: &[Done]) -> serde_json::Value {
        let data = search.shared.data;
        let mut facts = json!({
            "producer": concat!("portcullis-automl ", env!("CARGO_PKG_VERSION")),
            "target": data.target.name,
            "task": data.target.task,
            "rows": data.trainable(),
            "features": data.features.len(),
            "seed": search.seed,
            "validation": search.folds.kind,
            "trials": done.len(),
            "metric": search.goal.name,
            "metrics": self.metrics,
            "ensemble": self.name(),
            "threshold": self.mixture.decision.threshold(),
            "members": self.members(done),
        });
        if let Some(weights) = self.mixture.decision.weights() {
            facts["class_weights"] = json!(weights);
        }
        facts
    }
}

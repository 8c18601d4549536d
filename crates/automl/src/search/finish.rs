//! The end of a trial: cut to the common best round, predict the held-out rows, measure.

use super::schedule::{Fits, Running};
use super::{Done, Search, mean_loss};
use crate::learners::Fit;
use crate::{Error, Task};
use std::time::Instant;

/// Rows up to which a model of each split of the first repeat is kept for the importance; above, of the first only.
const KEEP_ROWS: usize = 5_000;
const KEPT: usize = 5;

impl Search<'_> {
    /// Loss of a fit on its own held-out rows, at its own best round.
    pub(super) fn split_loss(&self, fit: &Fit, split: usize) -> f64 {
        let data = self.data();
        if !fit.curve.is_empty() {
            let least = fit.curve.iter().copied().fold(f64::INFINITY, f64::min);
            return if data.target.task == Task::Regression { least * least } else { least };
        }
        let valid = &self.folds.splits[split].valid;
        let predicted = fit.model.predict(&data.matrix.take(valid));
        let weight = |r: u32| data.marks.weights.get(r as usize).map_or(1.0, |&w| f64::from(w));
        let rows = valid.iter().map(|&r| (data.target.values[r as usize], weight(r)));
        mean_loss(data.target.task, rows, &predicted, data.target.width())
    }

    /// The finished trial; `None` when it was given up after its first folds.
    pub(super) fn finish(&self, trial: &Running, fits: Fits) -> Result<Option<Done>, Error> {
        let start = Instant::now();
        let (mut seconds, mut worst) = (0.0, f64::NEG_INFINITY);
        let mut models = Vec::with_capacity(fits.len());
        let mut losses = Vec::with_capacity(fits.len());
        for fit in fits {
            let Some((fit, loss, took)) = fit else { break };
            models.push(fit?);
            losses.push(loss);
            worst = loss.max(worst);
            seconds += took;
        }
        if trial.hopeless(&losses) {
            return Ok(None);
        }
        if models.len() < self.folds.splits.len() {
            return self.in_time(Err(Error::Cancelled), trial);
        }
        let rounds = self.best_round(&models);
        if rounds > 0 {
            models.iter_mut().for_each(|fit| fit.model.cut(rounds));
        }
        let curve = mean_curve(&models);
        let predictions = self.out_of_fold(&models);
        if predictions.iter().any(|p| !p.is_finite()) {
            let detail = "a prediction is not finite".to_owned();
            return Err(Error::Learner { learner: trial.candidate.name(), detail });
        }
        let metrics = self.metrics(&predictions);
        let score = self.goal.of(&metrics);
        self.control.count(models.iter().map(|m| m.model.rounds() as u64).sum());
        let loss = self.loss(&predictions);
        let size = models.first().map_or(0, |fit| fit.model.size());
        let features = self.data().features.len();
        let wide = models.first().map_or(0, |fit| fit.model.width(features));
        let probes = models.into_iter().take(self.kept()).map(|fit| fit.model.into()).collect();
        seconds += start.elapsed().as_secs_f64();
        let (number, candidate) = (trial.number, trial.candidate.clone());
        Ok(Some(Done {
            number,
            candidate,
            predictions,
            metrics,
            score,
            loss,
            worst,
            seconds,
            rounds,
            curve,
            size,
            wide,
            probes,
        }))
    }

    /// Mean loss of out-of-fold predictions.
    pub(crate) fn loss(&self, predictions: &[f32]) -> f64 {
        let target = &self.data().target;
        let truth = self.folds.scored.iter().map(|&r| target.values[r as usize]);
        mean_loss(target.task, truth.zip(self.scored_weights()), predictions, target.width())
    }

    /// Models of the first splits that are kept.
    fn kept(&self) -> usize {
        let wished = if self.data().rows() <= KEEP_ROWS { KEPT } else { 1 };
        wished.min(self.folds.splits.len())
    }

    /// Makes the models of a trial's first splits again when they were let go: the same ones, as many as time allows.
    pub(crate) fn probes(&self, done: &mut Done) -> Result<(), Error> {
        self.probe(done, self.kept())
    }

    /// Makes the model of a trial's first split again, however late it is: there is no other.
    pub(crate) fn probe_needed(&self, done: &mut Done) -> Result<(), Error> {
        if done.probes.is_empty() { self.control.needing(|| self.probe(done, 1)) } else { Ok(()) }
    }

    fn probe(&self, done: &mut Done, most: usize) -> Result<(), Error> {
        for split in done.probes.len()..most {
            let mut model = match done.candidate.fit(self.shared, &self.job(done.number, split)) {
                // The time is nearly over: the importance does without this split.
                Err(Error::Cancelled) if !self.control.cancelled() => return Ok(()),
                fit => fit?.model,
            };
            if done.rounds > 0 {
                model.cut(done.rounds);
            }
            done.probes.push(model.into());
        }
        Ok(())
    }

    /// The round with the least summed loss over all held-out rows: one number is fitted instead of one a fold. A fold
    /// that stopped earlier counts with its last loss.
    fn best_round(&self, fits: &[Fit]) -> usize {
        let square = self.data().target.task == Task::Regression;
        let weight = |&row: &u32| self.data().marks.weights.get(row as usize).map_or(1.0, |&w| f64::from(w));
        let weights = self.folds.splits.iter().map(|split| split.valid.iter().map(weight).sum());
        let curves: Vec<(&[f64], f64)> = fits.iter().map(|f| f.curve.as_slice()).zip(weights).collect();
        least_round(&curves, square)
    }

    /// Predictions of the scored rows, averaged over the repeats.
    fn out_of_fold(&self, fits: &[Fit]) -> Vec<f32> {
        let width = self.data().target.width();
        let mut sums = vec![0.0f32; self.data().rows() * width];
        let mut counts = vec![0u32; self.data().rows()];
        for (fit, split) in fits.iter().zip(&self.folds.splits) {
            let predicted = fit.model.predict(&self.data().matrix.take(&split.valid));
            for (&row, p) in split.valid.iter().zip(predicted.chunks_exact(width)) {
                let row = row as usize;
                counts[row] += 1;
                sums[row * width..(row + 1) * width].iter_mut().zip(p).for_each(|(s, p)| *s += p);
            }
        }
        let mut out = Vec::with_capacity(self.folds.scored.len() * width);
        for &row in &self.folds.scored {
            let row = row as usize;
            out.extend(sums[row * width..(row + 1) * width].iter().map(|s| s / counts[row] as f32));
        }
        out
    }
}

/// The round, from 1, with the least sum of the folds' losses times their weights; of roots of mean squares (`square`) the
/// squares count. 0 where no fold has a curve.
fn least_round(curves: &[(&[f64], f64)], square: bool) -> usize {
    let longest = curves.iter().map(|(curve, _)| curve.len()).max().unwrap_or(0);
    let mut best = (f64::INFINITY, longest);
    for round in 0..longest {
        let mut total = 0.0;
        for (curve, weight) in curves {
            let Some(last) = curve.len().checked_sub(1) else { continue };
            let loss = curve[round.min(last)];
            total += weight * if square { loss * loss } else { loss };
        }
        if total < best.0 {
            best = (total, round + 1);
        }
    }
    best.1
}

/// The mean of the folds' curves; a fold that stopped earlier counts with its last loss.
fn mean_curve(fits: &[Fit]) -> Vec<f64> {
    let curves: Vec<&Vec<f64>> = fits.iter().map(|f| &f.curve).filter(|c| !c.is_empty()).collect();
    let longest = curves.iter().map(|c| c.len()).max().unwrap_or(0);
    let at = |round: usize| curves.iter().map(|c| c[round.min(c.len() - 1)]).sum::<f64>();
    (0..longest).map(|round| at(round) / curves.len() as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_round_is_that_of_the_folds_that_weigh() {
        let (early, late) = ([0.2, 0.3, 0.4], [0.4, 0.3, 0.1]);
        assert_eq!(least_round(&[(&early, 9.0), (&late, 1.0)], false), 1);
        assert_eq!(least_round(&[(&early, 1.0), (&late, 9.0)], false), 3);
        // 0.2 + 0.4 = 0.3 + 0.3, but of squares 0.20 > 0.18; one that stopped counts with its last loss.
        assert_eq!(least_round(&[(&early[..2], 1.0), (&late[..2], 1.0)], true), 2);
        assert_eq!(least_round(&[(&early[..1], 1.0), (&late, 1.0)], false), 3);
        assert_eq!(least_round(&[(&[], 1.0)], false), 0);
    }
}

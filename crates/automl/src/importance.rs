//! Permutation importance of the ensemble on held-out rows.
//!
//! Models of the first folds score rows they have not seen; a column is shuffled, and what the primary metric loses is
//! the column's importance (Breiman 2001; Fisher, Rudin, Dominici 2019). Columns that tell the same share their importance:
//! while one is shuffled the model still has the other.

use crate::Task;
use crate::dataset::{Dataset, Feature, Matrix, Target};
use crate::mixture::Mixture;
use crate::outcome::Importance;
use crate::parallel;
use crate::random::Random;
use crate::search::{Done, Search};
use std::sync::{Mutex, PoisonError};

/// Shuffles of each column.
const REPEATS: usize = 5;
/// Rows scored at most, and at least when there are that many.
const MAX_ROWS: usize = 2_000;
const MIN_ROWS: usize = 300;
/// Rows of each class and split, when there are that many.
const OF_A_CLASS: usize = 10;
/// Tree evaluations (rows × trees × columns × repeats) spent, roughly.
const WORK: usize = 80_000_000;

/// Everything the importance reads.
pub(crate) struct Question<'a> {
    pub search: &'a Search<'a>,
    /// The ensemble's members.
    pub members: Vec<&'a Done>,
    /// How their predictions are put together.
    pub mixture: &'a Mixture,
}

impl Question<'_> {
    fn data(&self) -> &Dataset {
        self.search.shared.data
    }

    /// Importance of every input column, by falling mean; those for which there was no time are left out. `None` when the
    /// metric has no value for the rows there are.
    pub(crate) fn answer(&self) -> Option<Vec<Importance>> {
        let chunks = self.sample();
        let rows: Vec<u32> = chunks.iter().flatten().copied().collect();
        let matrix = self.data().matrix.take(&rows);
        let parts: Vec<Matrix> = chunks.iter().map(|chunk| self.data().matrix.take(chunk)).collect();
        let base = self.score(&parts, &rows);
        if !base.is_finite() {
            return None;
        }
        let columns = self.columns();
        // Copies of the parts, of which only what is shuffled is written: a wide table would be copied for every column.
        let pool: Mutex<Vec<Vec<Matrix>>> = Mutex::new(Vec::new());
        let losses = parallel::map(columns.len() * REPEATS, self.search.threads, |index| {
            if self.search.control.cancelled() || self.search.control.over() {
                return None;
            }
            self.search.control.pulse();
            let own = &columns[index / REPEATS];
            let spare = pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut shuffled = spare.unwrap_or_else(|| parts.clone());
            // The same order for all that is made of a column.
            let order = || Random::new(self.search.seed, 70_000 + index as u64);
            write(&mut shuffled, &matrix, own, &|values| order().shuffle(values));
            let score = self.score(&shuffled, &rows);
            write(&mut shuffled, &matrix, own, &|_| ());
            pool.lock().unwrap_or_else(PoisonError::into_inner).push(shuffled);
            Some(if self.search.goal.higher { base - score } else { score - base })
        });
        let mut out: Vec<Importance> = columns
            .iter()
            .zip(losses.chunks_exact(REPEATS))
            .filter_map(|(column, losses)| {
                let losses: Option<Vec<f64>> = losses.iter().copied().collect();
                summary(&self.data().features[column[0]].name, &losses?)
            })
            .collect();
        out.sort_by(|a, b| b.mean.total_cmp(&a.mean));
        Some(out)
    }

    /// The features that are an input column or made of it, the column itself first.
    fn columns(&self) -> Vec<Vec<usize>> {
        let features = &self.data().features;
        let made = |input: usize| {
            let of = move |f: &Feature| f.made_of() == Some(input);
            (0..features.len()).filter(move |&i| i == input || of(&features[i])).collect()
        };
        (0..features.len()).filter(|&i| features[i].is_input()).map(made).collect()
    }

    /// Held-out rows of the first splits, as many as the work allows; of rare classes some more.
    fn sample(&self) -> Vec<Vec<u32>> {
        let kept = self.members.iter().map(|d| d.probes.len()).min().unwrap_or(0);
        let trees: usize =
            self.members.iter().filter_map(|d| d.probes.first()).map(|p| p.work().max(1)).sum();
        let each = trees * self.data().target.width() * self.data().features.len() * REPEATS;
        let wished = (WORK / each.max(1)).clamp(MIN_ROWS, MAX_ROWS);
        let splits = &self.search.folds.splits[..kept.min(self.search.folds.splits.len())];
        let share = wished.div_ceil(splits.len().max(1));
        let part = |(i, valid): (usize, &Vec<u32>)| {
            let mut rows = valid.clone();
            Random::new(self.search.seed, 60_000 + i as u64).shuffle(&mut rows);
            let rest = rows.split_off(share.min(rows.len()));
            fill_up(&mut rows, &rest, &self.data().target);
            rows
        };
        splits.iter().map(|s| &s.valid).enumerate().map(part).collect()
    }

    /// The primary metric of the rows, whose parts are those of the splits.
    fn score(&self, parts: &[Matrix], rows: &[u32]) -> f64 {
        let mut mixed = Vec::with_capacity(rows.len() * self.data().target.width());
        for (split, part) in parts.iter().enumerate() {
            let predicted: Vec<Vec<f32>> =
                self.members.iter().map(|member| member.probes[split].predict(part)).collect();
            mixed.extend(self.mixture.mix(&predicted));
        }
        self.search.goal.of(&self.search.metrics_of(rows, &mixed, &self.mixture.decision))
    }
}

/// Writes some columns of all rows, `changed`, into the parts that the rows stand in one after the other.
fn write(parts: &mut [Matrix], all: &Matrix, columns: &[usize], changed: &dyn Fn(&mut [f32])) {
    for column in columns {
        let mut values = all.columns[*column].clone();
        changed(&mut values);
        let mut places = all.places.get(column).cloned();
        if let Some(places) = &mut places {
            changed(places);
        }
        let mut start = 0;
        for part in &mut *parts {
            let rows = start..start + part.rows;
            part.columns[*column].copy_from_slice(&values[rows.clone()]);
            if let (Some(to), Some(from)) = (part.places.get_mut(column), &places) {
                to.copy_from_slice(&from[rows]);
            }
            start += part.rows;
        }
    }
}

/// Adds rows of the classes that have fewer than [`OF_A_CLASS`], without which most metrics say nothing of them.
fn fill_up(rows: &mut Vec<u32>, rest: &[u32], target: &Target) {
    if target.task == Task::Regression {
        return;
    }
    let class = |row: &u32| target.values[*row as usize] as usize;
    let mut counts = vec![0; target.class_count()];
    rows.iter().for_each(|row| counts[class(row)] += 1);
    for row in rest {
        let count = &mut counts[class(row)];
        if *count < OF_A_CLASS {
            *count += 1;
            rows.push(*row);
        }
    }
}

/// Student's t for 95 % with 1, 2, 3 and [`REPEATS`] − 1 = 4 degrees of freedom.
const STUDENT: [f64; REPEATS - 1] = [12.706, 4.303, 3.182, 2.776];

/// Of the shuffles after which the metric still has a value, as a logarithm of an answer below −1 has none; nothing when they
/// are too few for an interval.
fn summary(column: &str, losses: &[f64]) -> Option<Importance> {
    let losses: Vec<f64> = losses.iter().copied().filter(|loss| loss.is_finite()).collect();
    let student = STUDENT.get(losses.len().checked_sub(2)?)?;
    let n = losses.len() as f64;
    let mean = losses.iter().sum::<f64>() / n;
    // Of a sample: n − 1.
    let variance = losses.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let reach = student * (variance / n).sqrt();
    let (low, high) = (mean - reach, mean + reach);
    Some(Importance { column: column.to_owned(), mean, deviation: variance.sqrt(), low, high })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Classes;

    #[test]
    fn a_rare_class_is_in_the_sample() {
        let values = (0..1000).map(|r| f32::from(u8::from(r >= 994))).collect();
        let target = Target { name: "y".into(), task: Task::Binary, classes: Some(Classes::Boolean), values };
        let mut rows: Vec<u32> = (0..300).collect();
        let rest: Vec<u32> = (300..1000).collect();
        fill_up(&mut rows, &rest, &target);
        assert_eq!((rows.len(), rows[300]), (306, 994));
    }

    #[test]
    fn the_interval_is_students() {
        let got = summary("a", &[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert_eq!(got.mean, 3.0);
        assert!((got.deviation - 2.5f64.sqrt()).abs() < 1e-12);
        // scipy.stats.t.interval(0.95, 4, 3, sem([1, 2, 3, 4, 5]))
        assert!((got.low - 1.0368).abs() < 1e-3 && (got.high - 4.9632).abs() < 1e-3);
    }
    #[test]
    fn shuffles_without_a_value_do_not_count() {
        let got = summary("a", &[1.0, f64::INFINITY, 2.0, f64::NAN, 3.0]).unwrap();
        // scipy.stats.t.interval(0.95, 2, 2, sem([1, 2, 3]))
        assert!((got.low + 0.4841).abs() < 1e-3 && (got.high - 4.4841).abs() < 1e-3, "{got:?}");
        assert!(summary("a", &[1.0, f64::INFINITY, f64::INFINITY]).is_none());
    }
}

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
        let base = self.score(&matrix, &rows, &chunks);
        if !base.is_finite() {
            return None;
        }
        let columns = self.columns();
        let losses = parallel::map(columns.len() * REPEATS, self.search.threads, |index| {
            if self.search.control.cancelled() || self.search.control.over() {
                return None;
            }
            self.search.control.pulse();
            let mut shuffled = matrix.clone();
            for &column in &columns[index / REPEATS] {
                // The same order for all that is made of a column.
                let mut random = Random::new(self.search.seed, 70_000 + index as u64);
                random.shuffle(&mut shuffled.columns[column]);
                if let Some(places) = shuffled.places.get_mut(&column) {
                    Random::new(self.search.seed, 70_000 + index as u64).shuffle(places);
                }
            }
            let score = self.score(&shuffled, &rows, &chunks);
            Some(if self.search.goal.higher { base - score } else { score - base })
        });
        let mut out: Vec<Importance> = columns
            .iter()
            .zip(losses.chunks_exact(REPEATS))
            .filter_map(|(column, losses)| {
                let losses: Option<Vec<f64>> = losses.iter().copied().collect();
                Some(summary(&self.data().features[column[0]].name, &losses?))
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

    fn score(&self, matrix: &Matrix, rows: &[u32], chunks: &[Vec<u32>]) -> f64 {
        let width = self.data().target.width();
        let mut mixed = vec![0.0f32; rows.len() * width];
        let mut start = 0;
        for (split, chunk) in chunks.iter().enumerate() {
            let positions: Vec<u32> = (start..start + chunk.len()).map(|p| p as u32).collect();
            let part = matrix.take(&positions);
            let predicted: Vec<Vec<f32>> =
                self.members.iter().map(|member| member.probes[split].predict(&part)).collect();
            mixed[start * width..(start + chunk.len()) * width]
                .copy_from_slice(&self.mixture.mix(&predicted));
            start += chunk.len();
        }
        self.search.goal.of(&self.search.metrics_of(rows, &mixed, &self.mixture.decision))
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

/// Student's t for 95 % with [`REPEATS`] − 1 = 4 degrees of freedom.
const STUDENT: f64 = 2.776;

fn summary(column: &str, losses: &[f64]) -> Importance {
    let n = losses.len() as f64;
    let mean = losses.iter().sum::<f64>() / n;
    // Of a sample: n − 1.
    let variance = losses.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let reach = STUDENT * (variance / n).sqrt();
    let (low, high) = (mean - reach, mean + reach);
    Importance { column: column.to_owned(), mean, deviation: variance.sqrt(), low, high }
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
        let got = summary("a", &[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(got.mean, 3.0);
        assert!((got.deviation - 2.5f64.sqrt()).abs() < 1e-12);
        // scipy.stats.t.interval(0.95, 4, 3, sem([1, 2, 3, 4, 5]))
        assert!((got.low - 1.0368).abs() < 1e-3 && (got.high - 4.9632).abs() < 1e-3);
    }
}

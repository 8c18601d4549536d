//! Columns that alone predict the target nearly perfectly: often they are known only after it.

use super::{Groups, Guard, Guardrail, Severity, list};
use crate::control::Control;
use crate::dataset::{Dataset, Shape};
use crate::random::Random;
use crate::{Spec, Task, metrics, parallel};
use std::collections::BTreeMap;

/// AUC or R² from which a single column is suspicious.
const PERFECT: f64 = 0.999;
/// Rows looked at, and groups of a number's values.
const ROWS: usize = 5_000;
const GROUPS: usize = 64;
/// Fewer rows are looked at where there are many classes: so many rows times classes, but no fewer than these.
const CELLS: usize = 100_000;
const LEAST_ROWS: usize = 1_000;
/// Rows with a value a straight line needs.
const FEWEST_PAIRS: f64 = 10.0;
/// Rows of the target's mean mixed into a group's, so that small groups tell nothing.
const PRIOR: f64 = 1.0;

/// Predicts each half of a sample from the group means of the other half, column by column.
pub(super) fn inspect(data: &Dataset, spec: &Spec, control: &Control) -> Option<Guardrail> {
    let mut rows: Vec<u32> = (0..data.trainable() as u32).collect();
    Random::new(spec.seed, 50_000).shuffle(&mut rows);
    rows.truncate((CELLS / data.target.width()).clamp(LEAST_ROWS, ROWS));
    let scores = parallel::map(data.features.len(), spec.workers(), |column| {
        control.pulse();
        if control.cancelled() {
            return 0.0;
        }
        let values: Vec<f32> = rows.iter().map(|&r| data.matrix.columns[column][r as usize]).collect();
        let groups: Vec<usize> = match &data.features[column].shape {
            Shape::Category(coding) => match data.matrix.places.get(&column) {
                Some(places) => rows.iter().map(|&r| code(places[r as usize], coding.places())).collect(),
                None => values.iter().map(|&x| code(x, coding.size())).collect(),
            },
            _ => {
                let numbers = || values.iter().map(|&x| f64::from(x));
                let groups = Groups::new(numbers(), GROUPS);
                numbers().map(|x| groups.of(x)).collect()
            }
        };
        f64::max(score(data, &rows, &groups), straight(data, &rows, &values))
    });
    let perfect = data.features.iter().zip(scores).filter(|(_, score)| *score >= PERFECT);
    let figures: BTreeMap<String, f64> =
        perfect.map(|(feature, score)| (feature.name.clone(), score)).collect();
    if figures.is_empty() {
        return None;
    }
    let what = if data.target.task == Task::Regression { "R²" } else { "AUC" };
    Some(Guardrail {
        guard: Guard::TargetLeak,
        severity: Severity::Serious,
        columns: figures.keys().cloned().collect(),
        found: format!(
            "{} predict the target alone, with {what} of at least {PERFECT} across halves of the rows: {}",
            if figures.len() == 1 { "one column can" } else { "some columns can" },
            list(figures.keys())
        ),
        figures,
        done: "they are used; leave them out (exclude) if they are not known when the model is asked".into(),
    })
}

/// The group of a category's code; an unknown one has the last.
fn code(x: f32, codes: usize) -> usize {
    if x.is_nan() { codes } else { x as usize }
}

/// AUC or R² of a column as it is, up or down; 0 for several classes. Nothing is fitted that rows could be held from.
fn straight(data: &Dataset, rows: &[u32], values: &[f32]) -> f64 {
    let target = &data.target;
    let labels = rows.iter().map(|&r| f64::from(target.values[r as usize]));
    match target.task {
        Task::Multiclass => 0.0,
        Task::Binary => {
            // A missing value counts as the lowest.
            let mut order: Vec<(f32, usize)> =
                values.iter().enumerate().map(|(i, &x)| (if x.is_nan() { f32::MIN } else { x }, i)).collect();
            order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            let mut ranks = vec![0.0f32; rows.len()];
            let mut below = 0;
            for equal in order.chunk_by(|a, b| a.0 == b.0) {
                equal.iter().for_each(|&(_, i)| ranks[i] = below as f32 / rows.len() as f32);
                below += equal.len();
            }
            let auc = metrics::separation(target, rows, &ranks);
            if auc.is_finite() { auc.max(1.0 - auc) } else { 0.5 }
        }
        Task::Regression => {
            let pairs =
                || values.iter().map(|&x| f64::from(x)).zip(labels.clone()).filter(|(x, _)| !x.is_nan());
            let n = pairs().count() as f64;
            if n < FEWEST_PAIRS {
                return 0.0;
            }
            let (mx, my) = pairs().fold((0.0, 0.0), |m, (x, y)| (m.0 + x / n, m.1 + y / n));
            let moments = pairs().fold([0.0; 3], |[xx, xy, yy], (x, y)| {
                [xx + (x - mx) * (x - mx), xy + (x - mx) * (y - my), yy + (y - my) * (y - my)]
            });
            let squared = moments[1] * moments[1] / (moments[0] * moments[2]);
            if squared.is_finite() { squared } else { 0.0 }
        }
    }
}

/// AUC or R² of predictions made across two halves.
fn score(data: &Dataset, rows: &[u32], groups: &[usize]) -> f64 {
    let target = &data.target;
    let width = target.width();
    let parts = groups.iter().copied().max().unwrap_or(0) + 1;
    let mut predictions = vec![0.0f32; rows.len() * width];
    for half in 0..2 {
        let mut sums = vec![0.0f64; parts * width];
        let mut counts = vec![0.0f64; parts];
        let mut means = vec![0.0f64; width];
        let mut total = 0.0f64;
        let own = rows.iter().zip(groups).skip(half).step_by(2);
        for (&row, &group) in own {
            let value = target.values[row as usize];
            let (output, y) = if width > 1 { (value as usize, 1.0) } else { (0, f64::from(value)) };
            sums[group * width + output] += y;
            means[output] += y;
            counts[group] += 1.0;
            total += 1.0;
        }
        let other = groups.iter().enumerate().filter(|(i, _)| i % 2 != half);
        for (i, &group) in other {
            for output in 0..width {
                let mean = means[output] / f64::max(total, 1.0);
                let sum = sums[group * width + output] + PRIOR * mean;
                predictions[i * width + output] = (sum / (counts[group] + PRIOR)) as f32;
            }
        }
    }
    let found = metrics::separation(target, rows, &predictions);
    if found.is_finite() { found } else { 0.0 }
}

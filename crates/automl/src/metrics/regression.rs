//! Metrics of numbers.

/// Answers beside the truth, with weights.
struct Pairs<'a> {
    truth: &'a [f64],
    predicted: &'a [f64],
    weights: Option<&'a [f64]>,
}

/// The twelve regression metrics; one that is not defined is NaN.
pub(super) fn all(truth: &[f64], predicted: &[f64], weights: Option<&[f64]>) -> Vec<(&'static str, f64)> {
    let pairs = Pairs { truth, predicted, weights };
    let errors: Vec<f64> = truth.iter().zip(predicted).map(|(t, p)| t - p).collect();
    let absolute: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
    let squared = pairs.mean(errors.iter().map(|e| e * e));
    let (low, high) = truth.iter().fold((f64::MAX, f64::MIN), |(a, b), &t| (a.min(t), b.max(t)));
    let range = high - low;
    let median = pairs.median(&absolute);
    let logarithmic = pairs.logarithmic();
    let spread = pairs.variance(truth);
    vec![
        ("r2_score", explained(squared, spread)),
        ("root_mean_squared_error", squared.sqrt()),
        ("normalized_root_mean_squared_error", squared.sqrt() / range),
        ("mean_absolute_error", pairs.mean(absolute.iter().copied())),
        ("normalized_mean_absolute_error", pairs.mean(absolute.iter().copied()) / range),
        ("median_absolute_error", median),
        ("normalized_median_absolute_error", median / range),
        ("root_mean_squared_log_error", logarithmic),
        ("normalized_root_mean_squared_log_error", logarithmic / (high.ln_1p() - low.ln_1p())),
        ("spearman_correlation", correlation(&ranks(truth), &ranks(predicted))),
        ("explained_variance", explained(pairs.variance(&errors), spread)),
        ("mean_absolute_percentage_error", pairs.percent(&absolute)),
    ]
}

/// 1 − left / spread; of a target that does not vary 1 when nothing is left, else 0, as scikit-learn has it.
fn explained(left: f64, spread: f64) -> f64 {
    match (left == 0.0, spread == 0.0) {
        (_, false) => 1.0 - left / spread,
        (true, true) => 1.0,
        (false, true) => 0.0,
    }
}

impl Pairs<'_> {
    fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |w| w[row])
    }

    fn mean(&self, values: impl Iterator<Item = f64>) -> f64 {
        let (mut sum, mut total) = (0.0, 0.0);
        for (row, value) in values.enumerate() {
            sum += self.weight(row) * value;
            total += self.weight(row);
        }
        sum / total
    }

    fn variance(&self, values: &[f64]) -> f64 {
        let centre = self.mean(values.iter().copied());
        self.mean(values.iter().map(|x| (x - centre) * (x - centre)))
    }

    /// The value that half of the weight lies below, the mean of the two in the middle when it falls between them.
    fn median(&self, values: &[f64]) -> f64 {
        let mut order: Vec<usize> = (0..values.len()).filter(|&row| self.weight(row) > 0.0).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        let half = order.iter().map(|&row| self.weight(row)).sum::<f64>() / 2.0;
        let mut below = 0.0;
        for (at, &row) in order.iter().enumerate() {
            below += self.weight(row);
            if below >= half {
                let next = order.get(at + 1).filter(|_| below == half).unwrap_or(&row);
                return f64::midpoint(values[row], values[*next]);
            }
        }
        f64::NAN
    }

    /// √ mean (ln(1 + t) − ln(1 + p))²; not defined when a number is −1 or less.
    fn logarithmic(&self) -> f64 {
        if self.truth.iter().chain(self.predicted).any(|&x| x <= -1.0) {
            return f64::NAN;
        }
        let both = self.truth.iter().zip(self.predicted);
        self.mean(both.map(|(t, p)| (t.ln_1p() - p.ln_1p()).powi(2))).sqrt()
    }

    fn percent(&self, absolute: &[f64]) -> f64 {
        let (mut sum, mut total) = (0.0, 0.0);
        for (row, (t, e)) in self.truth.iter().zip(absolute).enumerate().filter(|(_, (t, _))| **t != 0.0) {
            sum += self.weight(row) * 100.0 * e / t.abs();
            total += self.weight(row);
        }
        sum / total
    }
}

/// Ranks from 1; equal values share their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for group in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let shared = first as f64 + (group.len() as f64 + 1.0) / 2.0;
        for &row in group {
            ranks[row] = shared;
        }
        first += group.len();
    }
    ranks
}

/// Pearson's r; 0 when one side is constant.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let pairs = Pairs { truth: a, predicted: b, weights: None };
    let (ma, mb) = (pairs.mean(a.iter().copied()), pairs.mean(b.iter().copied()));
    let together = pairs.mean(a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)));
    let apart = (pairs.variance(a) * pairs.variance(b)).sqrt();
    if apart == 0.0 { 0.0 } else { together / apart }
}

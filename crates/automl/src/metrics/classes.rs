//! Metrics of class decisions and the log loss.

use crate::decision::Decision;

/// True classes with predicted probabilities and decisions.
pub(crate) struct Scored<'a> {
    pub classes: &'a [usize],
    /// Row-major, `k` a row.
    pub probabilities: &'a [f64],
    pub k: usize,
    /// One a row; none when every row counts one.
    weights: Option<&'a [f64]>,
    /// `confusion[true][decided]`, in weights.
    confusion: Vec<Vec<f64>>,
    /// Rows of each class, whatever their weight.
    counts: Vec<f64>,
    /// Rows decided for each class, whatever their weight.
    decisions: Vec<f64>,
}

impl<'a> Scored<'a> {
    /// With the class that is decided for each row.
    pub(crate) fn new(
        classes: &'a [usize],
        probabilities: &'a [f64],
        k: usize,
        weights: Option<&'a [f64]>,
        decision: &Decision,
    ) -> Self {
        let mut confusion = vec![vec![0.0; k]; k];
        let (mut counts, mut decisions) = (vec![0.0; k], vec![0.0; k]);
        for (at, (&class, row)) in classes.iter().zip(probabilities.chunks_exact(k)).enumerate() {
            let decided = decision.of(row);
            confusion[class][decided] += weights.map_or(1.0, |w| w[at]);
            counts[class] += 1.0;
            decisions[decided] += 1.0;
        }
        Self { classes, probabilities, k, weights, confusion, counts, decisions }
    }

    /// The weight of a row.
    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |w| w[row])
    }

    /// `[true][decided]`, in weights.
    pub(crate) fn confusion(&self) -> &[Vec<f64>] {
        &self.confusion
    }

    /// Weight of the rows of each class.
    pub(crate) fn support(&self) -> Vec<f64> {
        self.confusion.iter().map(|row| row.iter().sum()).collect()
    }
}

/// 0 where scikit-learn's `zero_division` gives 0.
fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    ratio(values.sum(), n)
}

/// The twelve metrics of decisions, log loss, and what derives from them.
pub(super) fn all(s: &Scored<'_>, least: f64) -> Vec<(&'static str, f64)> {
    let support = s.support();
    let total: f64 = support.iter().sum();
    let hits: Vec<f64> = (0..s.k).map(|c| s.confusion[c][c]).collect();
    let decided: Vec<f64> = (0..s.k).map(|c| s.confusion.iter().map(|row| row[c]).sum()).collect();
    let accuracy = ratio(hits.iter().sum(), total);
    // A class that neither occurs nor is decided for does not count, as with scikit-learn's labels, whatever its
    // rows weigh.
    let live: Vec<usize> = (0..s.k).filter(|&c| s.counts[c] + s.decisions[c] > 0.0).collect();
    let precision = |c: usize| ratio(hits[c], decided[c]);
    let recall = |c: usize| ratio(hits[c], support[c]);
    let f1 = |c: usize| ratio(2.0 * hits[c], decided[c] + support[c]);
    let macro_of = |of: &dyn Fn(usize) -> f64| mean(live.iter().map(|&c| of(c)));
    let weighted_of =
        |of: &dyn Fn(usize) -> f64| ratio(live.iter().map(|&c| support[c] * of(c)).sum(), total);
    let occurring: Vec<usize> = (0..s.k).filter(|&c| support[c] > 0.0).collect();
    let balanced = mean(occurring.iter().map(|&c| recall(c)));
    let by_count = |of: &[f64]| of.iter().zip(&s.counts).map(|(x, n)| x * n).sum::<f64>();
    let weighted_accuracy = ratio(by_count(&hits), by_count(&support));
    let chance = ratio(1.0, s.k as f64);
    let recall_macro = macro_of(&recall);
    vec![
        ("accuracy", accuracy),
        ("balanced_accuracy", balanced),
        ("weighted_accuracy", weighted_accuracy),
        ("f1_score_macro", macro_of(&f1)),
        ("f1_score_micro", accuracy),
        ("f1_score_weighted", weighted_of(&f1)),
        ("precision_score_macro", macro_of(&precision)),
        ("precision_score_micro", accuracy),
        ("precision_score_weighted", weighted_of(&precision)),
        ("recall_score_macro", recall_macro),
        ("recall_score_micro", accuracy),
        ("recall_score_weighted", weighted_of(&recall)),
        ("log_loss", log_loss(s, least)),
        ("matthews_correlation", matthews(s, &support, &decided)),
        ("norm_macro_recall", (recall_macro - chance) / (1.0 - chance)),
    ]
}

/// Probabilities are clipped to [`least`, 1 − `least`]: the precision of `f32`, in which models answer (scikit-learn
/// takes the precision of what it is given).
fn log_loss(s: &Scored<'_>, least: f64) -> f64 {
    let rows = s.classes.iter().zip(s.probabilities.chunks_exact(s.k)).enumerate();
    let (mut sum, mut total) = (0.0, 0.0);
    for (at, (&class, row)) in rows {
        sum -= s.weight(at) * row[class].clamp(least, 1.0 - least).ln();
        total += s.weight(at);
    }
    ratio(sum, total)
}

/// Gorodkin's R_K, which is Matthews' φ for two classes; 0 when undefined.
fn matthews(s: &Scored<'_>, support: &[f64], decided: &[f64]) -> f64 {
    let total: f64 = support.iter().sum();
    let hits: f64 = (0..s.k).map(|c| s.confusion[c][c]).sum();
    let both: f64 = support.iter().zip(decided).map(|(a, b)| a * b).sum();
    let squares = |v: &[f64]| total * total - v.iter().map(|x| x * x).sum::<f64>();
    ratio(hits * total - both, (squares(support) * squares(decided)).sqrt())
}

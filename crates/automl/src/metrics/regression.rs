//! Metrics of numbers.

/// The nine regression metrics.
pub(super) fn all(truth: &[f32], predicted: &[f32]) -> Vec<(&'static str, f64)> {
    let truth: Vec<f64> = truth.iter().map(|&x| f64::from(x)).collect();
    let predicted: Vec<f64> = predicted.iter().map(|&x| f64::from(x)).collect();
    let errors: Vec<f64> = truth.iter().zip(&predicted).map(|(t, p)| t - p).collect();
    let absolute: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
    let squared = mean(&errors.iter().map(|e| e * e).collect::<Vec<_>>());
    let range = truth.iter().fold(f64::MIN, |a, &b| a.max(b)) - truth.iter().fold(f64::MAX, |a, &b| a.min(b));
    let percent: Vec<f64> =
        truth.iter().zip(&absolute).filter(|(t, _)| **t != 0.0).map(|(t, e)| 100.0 * e / t.abs()).collect();
    vec![
        ("r2_score", 1.0 - squared / variance(&truth)),
        ("root_mean_squared_error", squared.sqrt()),
        ("normalized_root_mean_squared_error", squared.sqrt() / range),
        ("mean_absolute_error", mean(&absolute)),
        ("normalized_mean_absolute_error", mean(&absolute) / range),
        ("median_absolute_error", median(absolute)),
        ("spearman_correlation", correlation(&ranks(&truth), &ranks(&predicted))),
        ("explained_variance", 1.0 - variance(&errors) / variance(&truth)),
        ("mean_absolute_percentage_error", mean(&percent)),
    ]
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn variance(values: &[f64]) -> f64 {
    let centre = mean(values);
    mean(&values.iter().map(|x| (x - centre) * (x - centre)).collect::<Vec<_>>())
}

fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
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
    let (ma, mb) = (mean(a), mean(b));
    let together = mean(&a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)).collect::<Vec<_>>());
    let apart = (variance(a) * variance(b)).sqrt();
    if apart == 0.0 { 0.0 } else { together / apart }
}

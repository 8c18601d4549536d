//! Transformers that keep some of the columns. Which ones is worked out from the scores in the file, as
//! scikit-learn does it each time: ties included.

use std::cmp::Ordering;

use super::super::Told;
use super::super::columns::Column;
use super::super::skops::Node;
use super::super::value::Value;
use super::importance;

/// What a score that is missing counts as.
const LEAST: f64 = f64::MIN;

/// Carries a fitted selector over.
pub(super) fn select(node: Node<'_>, columns: Vec<Column>) -> Told<Vec<Column>> {
    let mask = mask(node, columns.len())?;
    if mask.len() != columns.len() {
        return Err(format!("{} scores for {} columns", mask.len(), columns.len()));
    }
    Ok(columns.into_iter().zip(mask).filter_map(|(column, keep)| keep.then_some(column)).collect())
}

fn mask(node: Node<'_>, width: usize) -> Told<Vec<bool>> {
    match node.class() {
        "VarianceThreshold" => {
            let threshold = node.find("threshold")?.map_or(Ok(0.0), Node::number)?;
            Ok(node.list("variances_")?.into_iter().map(|v| v > threshold).collect())
        }
        "RFE" | "RFECV" | "SequentialFeatureSelector" => {
            Ok(node.list("support_")?.into_iter().map(|v| v != 0.0).collect())
        }
        "SelectFromModel" => from_model(node, width),
        "SelectKBest" => by_scores(node, "k_best", node.get("k")?),
        "SelectPercentile" => by_scores(node, "percentile", node.get("percentile")?),
        "SelectFpr" => by_scores(node, "fpr", node.get("alpha")?),
        "SelectFdr" => by_scores(node, "fdr", node.get("alpha")?),
        "SelectFwe" => by_scores(node, "fwe", node.get("alpha")?),
        _ => by_scores(node, &node.word("mode", "percentile")?, node.get("param")?),
    }
}

/// The univariate selectors, which are also the modes of `GenericUnivariateSelect`.
fn by_scores(node: Node<'_>, mode: &str, parameter: Node<'_>) -> Told<Vec<bool>> {
    let scores = || -> Told<Vec<f64>> {
        let clean = |v: f64| if v.is_nan() { LEAST } else { v };
        Ok(node.list("scores_")?.into_iter().map(clean).collect())
    };
    let all = parameter.is_scalar() && parameter.scalar()? == Value::Text("all".to_owned());
    if mode == "k_best" && all {
        return Ok(vec![true; scores()?.len()]);
    }
    let number = parameter.number()?;
    let below = |alpha: f64| -> Told<Vec<bool>> {
        Ok(node.list("pvalues_")?.into_iter().map(|p| p < alpha).collect())
    };
    match mode {
        "k_best" => Ok(best(&scores()?, number as usize)),
        "percentile" => Ok(percentile(&scores()?, number)),
        "fpr" => below(number),
        "fwe" => below(number / node.list("pvalues_")?.len().max(1) as f64),
        "fdr" => Ok(discoveries(&node.list("pvalues_")?, number)),
        other => Err(format!("mode: '{other}' is not supported")),
    }
}

/// Numbers in order; both zeros are one, as in NumPy.
fn order(a: &f64, b: &f64) -> Ordering {
    a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// The `count` largest scores; of equal ones the last.
fn best(scores: &[f64], count: usize) -> Vec<bool> {
    let mut places: Vec<usize> = (0..scores.len()).collect();
    places.sort_by(|&a, &b| order(&scores[a], &scores[b]));
    let mut mask = vec![false; scores.len()];
    places.into_iter().rev().take(count).for_each(|at| mask[at] = true);
    mask
}

/// The scores above a percentile, and of those equal to it the first for which there is room.
fn percentile(scores: &[f64], share: f64) -> Vec<bool> {
    if share >= 100.0 || share <= 0.0 || scores.is_empty() {
        return vec![share >= 100.0; scores.len()];
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by(order);
    let place = (scores.len() - 1) as f64 * ((100.0 - share) / 100.0);
    let at = place.floor() as usize;
    let (low, high) = (sorted[at], sorted[(at + 1).min(scores.len() - 1)]);
    let part = place - place.floor();
    // As NumPy interpolates, from the nearer end.
    let threshold = if part >= 0.5 { high - (high - low) * (1.0 - part) } else { low + (high - low) * part };
    let mut mask: Vec<bool> = scores.iter().map(|&s| s > threshold).collect();
    let above = mask.iter().filter(|&&m| m).count() as i64;
    let ties: Vec<usize> = (0..scores.len()).filter(|&at| scores[at] == threshold).collect();
    let room = (scores.len() as f64 * share / 100.0) as i64 - above;
    // What is below zero counts from the end, as a slice of Python does.
    let room = if room < 0 { ties.len() as i64 + room } else { room };
    ties.into_iter().take(room.max(0) as usize).for_each(|at| mask[at] = true);
    mask
}

/// Benjamini and Hochberg's procedure.
fn discoveries(chances: &[f64], alpha: f64) -> Vec<bool> {
    let mut sorted = chances.to_vec();
    sorted.sort_by(order);
    let step = alpha / chances.len().max(1) as f64;
    let found = sorted.iter().enumerate().filter(|&(at, &p)| p <= step * (at + 1) as f64);
    // Nothing is at most NaN.
    let last = found.map(|(_, &p)| p).fold(f64::NAN, f64::max);
    chances.iter().map(|&p| p <= last).collect()
}

/// `SelectFromModel`: the columns that weigh enough in a model.
fn from_model(node: Node<'_>, width: usize) -> Told<Vec<bool>> {
    let estimator = match node.find("estimator_")? {
        Some(fitted) => fitted,
        None => node.get("estimator")?,
    };
    if let Some(getter) = node.find("importance_getter")?
        && !(getter.is_scalar() && getter.scalar()? == Value::Text("auto".to_owned()))
    {
        return Err("importance_getter: only 'auto' is supported".to_owned());
    }
    let norm = node.find("norm_order")?.map_or(Ok(1.0), Node::number)?;
    let weights = importance::of(estimator, width, norm)?;
    let threshold = threshold(node, estimator, &weights)?;
    let mut mask = vec![true; weights.len()];
    if node.find("max_features")?.is_some() {
        let most = match node.find("max_features_")? {
            Some(most) => most.number(),
            None => node.get("max_features")?.number(),
        };
        let most = most.map_err(|e| format!("max_features: {e}"))?;
        let mut places: Vec<usize> = (0..weights.len()).collect();
        places.sort_by(|&a, &b| order(&-weights[a], &-weights[b]));
        places.into_iter().skip(most as usize).for_each(|at| mask[at] = false);
    }
    let kept = |weight: f64| weight >= threshold || weight.is_nan();
    mask.iter_mut().zip(weights).for_each(|(keep, weight)| *keep &= kept(weight));
    Ok(mask)
}

/// The least weight that is kept.
fn threshold(node: Node<'_>, estimator: Node<'_>, weights: &[f64]) -> Told<f64> {
    let text = match node.find("threshold")? {
        None if importance::is_sparse(estimator)? => return Ok(1e-5),
        None => "mean".to_owned(),
        Some(found) if !found.is_scalar() => return found.number(),
        Some(found) => match found.scalar()? {
            Value::Text(text) => text,
            _ => return found.number(),
        },
    };
    let (scale, reference) = match text.split_once('*') {
        Some((scale, reference)) => {
            let scale = scale.trim().parse::<f64>();
            (scale.map_err(|_| format!("threshold: '{text}' begins with no number"))?, reference.trim())
        }
        None => (1.0, text.as_str()),
    };
    match reference {
        "mean" => Ok(scale * (weights.iter().sum::<f64>() / weights.len() as f64)),
        "median" => Ok(scale * median(weights)),
        other => Err(format!("threshold: '{other}' is neither 'mean' nor 'median'")),
    }
}

fn median(weights: &[f64]) -> f64 {
    let mut sorted = weights.to_vec();
    sorted.sort_by(order);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), middle.checked_sub(1).and_then(|before| sorted.get(before))) {
        (Some(high), Some(low)) if sorted.len().is_multiple_of(2) => (low + high) / 2.0,
        (Some(middle), _) => *middle,
        (None, _) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_scores_the_last_is_kept() {
        assert_eq!(best(&[1.0, 3.0, 1.0, 2.0], 3), [false, true, true, true]);
        assert_eq!(best(&[0.0, LEAST, -0.0], 1), [false, false, true]);
        assert_eq!(best(&[1.0], 5), [true]);
    }

    #[test]
    fn a_percentile_keeps_the_first_ties_that_fit() {
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0], 50.0), [false, false, true, true]);
        assert_eq!(percentile(&[2.0, 2.0, 2.0, 2.0], 50.0), [true, true, false, false]);
        assert_eq!(percentile(&[5.0, 1.0, 5.0], 40.0), [true, false, false]);
        assert_eq!(percentile(&[1.0, 2.0], 100.0), [true, true]);
        assert_eq!(percentile(&[1.0, 2.0], 0.0), [false, false]);
    }

    #[test]
    fn discoveries_stop_at_the_largest_chance_that_passes() {
        // 0.04 is above its own line, and 0.045 is not.
        assert_eq!(discoveries(&[0.045, 0.04, 0.5, 0.001], 0.061), [true, true, false, true]);
        assert_eq!(discoveries(&[0.9, f64::NAN], 0.05), [false, false]);
    }

    #[test]
    fn medians_lie_between() {
        assert_eq!([median(&[3.0, 1.0]), median(&[5.0, 1.0, 2.0])], [2.0, 2.0]);
        assert!(median(&[]).is_nan());
    }
}

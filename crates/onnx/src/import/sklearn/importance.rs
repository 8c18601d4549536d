//! How much the columns weigh in a model, as scikit-learn tells it.

use super::super::Told;
use super::super::skops::Node;

/// The weight of each of `width` columns: the size of its coefficients by a norm of this order, or how much the
/// splits on it made trees purer.
pub(super) fn of(estimator: Node<'_>, width: usize, norm: f64) -> Told<Vec<f64>> {
    let class = estimator.class();
    let told = |e: String| format!("{class}: {e}");
    if !estimator.is_of("sklearn") {
        return Err(format!("the weights of columns in {} are not supported", estimator.full_class()));
    }
    if estimator.find("coef_")?.is_some() {
        return coefficients(estimator, norm).map_err(told);
    }
    match class {
        "DecisionTreeClassifier" | "ExtraTreeClassifier" | "DecisionTreeRegressor" | "ExtraTreeRegressor" => {
            Ok(tree(estimator, width, true).map_err(told)?.unwrap_or_else(|| vec![0.0; width]))
        }
        "RandomForestClassifier"
        | "ExtraTreesClassifier"
        | "RandomForestRegressor"
        | "ExtraTreesRegressor" => mean(estimator, width, true).map_err(told),
        "GradientBoostingClassifier" | "GradientBoostingRegressor" => {
            mean(estimator, width, false).map_err(told)
        }
        _ => Err(format!("the weights of columns in {class} are not supported")),
    }
}

fn coefficients(estimator: Node<'_>, norm: f64) -> Told<Vec<f64>> {
    let (rows, width, numbers) = estimator.matrix("coef_")?;
    if width == 0 || rows == 0 {
        return Err("coef_: is empty".to_owned());
    }
    if ![1.0, 2.0, f64::INFINITY].contains(&norm) {
        return Err(format!("norm_order: {norm} is not supported, expected 1, 2 or infinity"));
    }
    let sizes = |at: usize| numbers.iter().skip(at).step_by(width).map(|v| v.abs());
    let weight = |at: usize| -> f64 {
        if norm == 1.0 || rows == 1 {
            sizes(at).sum()
        } else if norm == 2.0 {
            sizes(at).map(|v| v * v).sum::<f64>().sqrt()
        } else {
            sizes(at).fold(0.0, f64::max)
        }
    };
    Ok((0..width).map(weight).collect())
}

/// The mean over the trees of an ensemble that have a split, as shares of 1.
fn mean(estimator: Node<'_>, width: usize, shares: bool) -> Told<Vec<f64>> {
    let (mut sums, mut count) = (vec![0.0; width], 0.0);
    for member in estimator.get("estimators_")?.items()? {
        if let Some(weights) = tree(member, width, shares)? {
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
            count += 1.0;
        }
    }
    if count > 0.0 {
        sums.iter_mut().for_each(|sum| *sum /= count);
        let all: f64 = sums.iter().sum();
        sums.iter_mut().for_each(|sum| *sum /= all);
    }
    Ok(sums)
}

/// How much the splits of a tree made it purer, by column; none for a tree without splits.
fn tree(estimator: Node<'_>, width: usize, shares: bool) -> Told<Option<Vec<f64>>> {
    let nodes = estimator.get("tree_")?.get("nodes")?.array()?;
    let [left, right, features] =
        [nodes.field("left_child")?, nodes.field("right_child")?, nodes.field("feature")?];
    let (impurities, weights) = (nodes.field("impurity")?, nodes.field("weighted_n_node_samples")?);
    if left.len() <= 1 {
        return Ok(None);
    }
    let mass = |at: f64| -> Told<f64> {
        let inside = (at >= 0.0 && at < left.len() as f64).then_some(at as usize);
        let at = inside.ok_or_else(|| format!("there is no node {at}"))?;
        Ok(weights[at] * impurities[at])
    };
    let mut out = vec![0.0; width];
    for at in 0..left.len() {
        if left[at] == -1.0 {
            continue;
        }
        let feature = features[at];
        let to = if feature >= 0.0 { out.get_mut(feature as usize) } else { None };
        let to = to.ok_or_else(|| format!("there is no column {feature}"))?;
        *to += mass(at as f64)? - mass(left[at])? - mass(right[at])?;
    }
    out.iter_mut().for_each(|v| *v /= weights[0]);
    let all: f64 = out.iter().sum();
    if shares && all > 0.0 {
        out.iter_mut().for_each(|v| *v /= all);
    }
    Ok(Some(out))
}

/// Whether a model was trained to leave columns out: then all that have a weight at all are kept.
pub(super) fn is_sparse(estimator: Node<'_>) -> Told<bool> {
    let near_one = |name: &str| -> Told<bool> {
        let Some(found) = estimator.find(name)? else { return Ok(false) };
        let numbers = if found.is_array() { found.numbers()? } else { vec![found.number()?] };
        Ok(!numbers.is_empty() && numbers.iter().all(|v| (v - 1.0).abs() <= 1e-8 + 1e-5))
    };
    if let Some(penalty) = estimator.find("penalty")?
        && penalty.is_scalar()
        && penalty.text().is_ok_and(|text| text == "l1")
    {
        return Ok(true);
    }
    match estimator.class() {
        name if name.contains("Lasso") => Ok(true),
        "ElasticNet" | "LogisticRegression" => near_one("l1_ratio"),
        "ElasticNetCV" | "LogisticRegressionCV" => near_one("l1_ratio_"),
        _ => Ok(false),
    }
}

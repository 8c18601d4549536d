//! `CalibratedClassifierCV`, and the decision functions that it and other estimators start from.

use super::super::Told;
use super::super::columns::Column;
use super::super::graph::{Answer, Graph};
use super::super::skops::Node;
use super::vote::{MEMBERS, blend, chances, second};
use super::{boost, classes, last_step, linear, searched, trees, vectors};
use crate::builder::Attr;
use crate::element::Domain;

/// Calibration with sigmoids: the mean over its folds.
pub(super) fn calibrated(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let classes = classes(node, "classes_")?;
    let folds = node.get("calibrated_classifiers_")?.items()?;
    if classes.len() < 2 || folds.is_empty() || folds.len() > MEMBERS {
        return Err(format!("{} classes and {} folds are not supported", classes.len(), folds.len()));
    }
    let mut parts = Vec::new();
    for fold in &folds {
        let share = fitted(graph, *fold, columns, classes.len())?;
        parts.push((share, 1.0 / folds.len() as f64));
    }
    let mean = blend(graph, &parts);
    let probabilities = if classes.len() == 2 { graph.pair(&mean) } else { mean };
    let label = graph.greatest(&probabilities, &classes);
    Ok(Answer::Classes { label, probabilities: Some(probabilities), classes })
}

/// The probabilities of one fold: of two classes the second one's, `[N, 1]`.
fn fitted(graph: &mut Graph, fold: Node<'_>, columns: &[Column], count: usize) -> Told<String> {
    let width = if count == 2 { 1 } else { count };
    let sigmoids = fold.get("calibrators")?.items()?;
    if let Some(other) = sigmoids.iter().find(|s| s.class() != "_SigmoidCalibration") {
        return Err(format!("calibration by {} is not supported", other.class()));
    }
    if sigmoids.len() != width {
        return Err(format!("calibrators: {} of them, expected {width}", sigmoids.len()));
    }
    let (mut scales, mut shifts) = (Vec::new(), Vec::new());
    for sigmoid in sigmoids {
        scales.push(-sigmoid.get("a_")?.number()? as f32);
        shifts.push(-sigmoid.get("b_")?.number()? as f32);
    }
    let score = score(graph, fold.get("estimator")?, columns, count)?;
    let (scales, shifts) = (graph.row(scales), graph.row(shifts));
    let score = graph.plain("Mul", &[&score, &scales]);
    let score = graph.plain("Add", &[&score, &shifts]);
    let shares = graph.plain("Sigmoid", &[&score]);
    if width == 1 {
        return Ok(shares);
    }
    let norm = vec![("norm", Attr::Text("L1".to_owned()))];
    Ok(graph.node((Domain::Ml, "Normalizer"), &[&shares], norm))
}

/// The decision function of a classifier, else its probabilities; of two classes the second one's, `[N, 1]`.
pub(super) fn score(graph: &mut Graph, member: Node<'_>, columns: &[Column], count: usize) -> Told<String> {
    let expected = if count == 2 { 1 } else { count };
    match decision(graph, member, columns)? {
        Some((score, width)) if width == expected => Ok(score),
        Some((_, width)) => Err(format!("{}: {width} scores for {count} classes", member.class())),
        None => {
            let probabilities = chances(graph, (member, columns), count)?;
            Ok(if count == 2 { second(graph, &probabilities) } else { probabilities })
        }
    }
}

/// The decision function of a classifier with the number of its columns; none where it gives probabilities only.
pub(super) fn decision(
    graph: &mut Graph,
    member: Node<'_>,
    columns: &[Column],
) -> Told<Option<(String, usize)>> {
    let class = member.class();
    let told = |e: String| if e.starts_with(class) { e } else { format!("{class}: {e}") };
    let made = match class {
        "LGBMClassifier" | "XGBClassifier" => return Ok(None),
        _ if !member.is_of("sklearn") => return Err(super::unknown(member)),
        "RandomForestClassifier"
        | "ExtraTreesClassifier"
        | "DecisionTreeClassifier"
        | "ExtraTreeClassifier"
        | "MLPClassifier"
        | "VotingClassifier"
        | "CalibratedClassifierCV"
        | "GaussianNB"
        | "MultinomialNB"
        | "ComplementNB"
        | "BernoulliNB"
        | "DummyClassifier" => return Ok(None),
        "Pipeline" => {
            let (last, columns) = last_step(graph, member, columns)?;
            return decision(graph, last, &columns).map_err(told);
        }
        "SVC" | "NuSVC" => vectors::decision(graph, member, columns).map(|score| (score, 1)),
        "GradientBoostingClassifier" | "HistGradientBoostingClassifier" => {
            trees::decision(graph, member, columns)
        }
        "AdaBoostClassifier" => boost::decision(graph, member, columns),
        "LogisticRegression"
        | "LogisticRegressionCV"
        | "SGDClassifier"
        | "RidgeClassifier"
        | "RidgeClassifierCV"
        | "LinearSVC"
        | "Perceptron"
        | "PassiveAggressiveClassifier"
        | "LinearDiscriminantAnalysis" => linear::decision(graph, member, columns),
        _ => match searched(member)? {
            Some(inner) => return decision(graph, inner, columns),
            None => Err("its decision function is not supported".to_owned()),
        },
    };
    made.map(Some).map_err(told)
}

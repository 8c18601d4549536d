//! Estimators that average members over parts of the columns, and those of one member for each class.

use super::super::Told;
use super::super::columns::Column;
use super::super::graph::{Answer, Classes, Graph};
use super::super::skops::Node;
use super::calibrate::decision;
use super::prepare::size;
use super::trees::{Member, average, is_tree};
use super::vote::{MEMBERS, blend, hot, second, value};
use super::{classes, estimator};
use crate::builder::Attr;
use crate::element::Domain;

/// `BaggingClassifier` and `BaggingRegressor`.
pub(super) fn bagging(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let labels = node.class().ends_with("Classifier").then(|| classes(node, "classes_")).transpose()?;
    let (all, places) = (node.get("estimators_")?.items()?, node.get("estimators_features_")?.items()?);
    if all.is_empty() || all.len() > MEMBERS || all.len() != places.len() {
        return Err(format!("estimators_: {} members with {} lists of columns", all.len(), places.len()));
    }
    let mut own: Vec<Vec<Column>> = Vec::with_capacity(all.len());
    for list in places {
        let numbers = list.numbers().map_err(|e| format!("estimators_features_: {e}"))?;
        let mut taken = Vec::with_capacity(numbers.len());
        for at in numbers {
            let column = columns.get(at as usize).filter(|_| at >= 0.0);
            let column = column.ok_or_else(|| format!("estimators_features_: there is no column {at}"))?;
            graph.carry(size(column))?;
            taken.push(column.clone());
        }
        own.push(taken);
    }
    let members = all.iter().zip(&own).map(|(member, own)| (*member, own.as_slice()));
    let members: Vec<Member<'_>> = members.collect();
    let Some(classes) = labels else {
        if all.iter().all(|member| is_tree(*member)) {
            return average(graph, &members, None);
        }
        let mut parts = Vec::with_capacity(members.len());
        for &(member, own) in &members {
            parts.push((value(graph, member, own)?, 1.0 / all.len() as f64));
        }
        return Ok(Answer::Value(blend(graph, &parts)));
    };
    if classes.len() < 2 {
        return Err(format!("classes_: {} classes, expected at least two", classes.len()));
    }
    let mut whole = true;
    for member in &all {
        whole &= is_tree(*member) && self::classes(*member, "classes_")?.len() == classes.len();
    }
    if whole {
        return average(graph, &members, Some(classes));
    }
    let mut parts = Vec::with_capacity(members.len());
    for member in members {
        parts.push((shares(graph, member, classes.len())?, 1.0 / all.len() as f64));
    }
    let probabilities = blend(graph, &parts);
    let label = graph.greatest(&probabilities, &classes);
    Ok(Answer::Classes { label, probabilities: Some(probabilities), classes })
}

/// The probabilities of a member for all classes, whose numbers it knows as labels; where it has none, its label.
fn shares(graph: &mut Graph, (member, columns): Member<'_>, count: usize) -> Told<String> {
    let Answer::Classes { label, probabilities, classes } = estimator(graph, member, columns)? else {
        return Err(format!("{}: is no classifier", member.class()));
    };
    let shares = match probabilities {
        Some(found) => found,
        // A tree may have seen a single class.
        None if classes.len() == 1 || labels_only(member)? => hot(graph, &label, &classes),
        None => return Err(format!("{}: its probabilities are not supported", member.class())),
    };
    if classes == Classes::count(count) {
        return Ok(shares);
    }
    // A sample may miss some classes.
    let Classes::Integer(own) = &classes else {
        return Err(format!("{}: its classes are not those of all", member.class()));
    };
    if own.len() > count {
        return Err(format!("{}: it has more classes than there are", member.class()));
    }
    let cells = own.len().saturating_mul(count);
    graph.room_for(cells.saturating_mul(size_of::<f32>()))?;
    let mut table = vec![0.0; cells];
    for (row, &class) in table.chunks_exact_mut(count).zip(own) {
        let to = usize::try_from(class).ok().and_then(|at| row.get_mut(at));
        *to.ok_or_else(|| format!("{}: there is no class {class}", member.class()))? = 1.0;
    }
    let table = graph.builder().floats("classes", &[own.len() as i64, count as i64], table);
    Ok(graph.plain("MatMul", &[&shares, &table]))
}

/// Whether a classifier answers labels only, in scikit-learn too.
fn labels_only(member: Node<'_>) -> Told<bool> {
    Ok(match member.class() {
        "LinearSVC"
        | "RidgeClassifier"
        | "RidgeClassifierCV"
        | "Perceptron"
        | "PassiveAggressiveClassifier" => true,
        // The setting is a text where it was left alone.
        "SVC" | "NuSVC" => match member.find("_probA")? {
            Some(fitted) => fitted.numbers()?.is_empty(),
            None => true,
        },
        "SGDClassifier" => {
            let loss = member.word("loss", "hinge")?;
            !matches!(loss.as_str(), "log_loss" | "log" | "modified_huber")
        }
        _ => false,
    })
}

/// `OneVsRestClassifier`: a member for each class, or one for two classes.
pub(super) fn one_against_rest(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let binarizer = node.get("label_binarizer_")?;
    if binarizer.word("y_type_", "multiclass")?.starts_with("multilabel") {
        return Err("several labels at once are not supported".to_owned());
    }
    let classes = classes(binarizer, "classes_")?;
    let all = node.get("estimators_")?.items()?;
    let expected = if classes.len() == 2 { 1 } else { classes.len() };
    if all.len() != expected || classes.len() < 2 || all.len() > MEMBERS {
        return Err(format!("estimators_: {} members for {} classes", all.len(), classes.len()));
    }
    let (mut scores, mut shares, mut decided) = (Vec::new(), Vec::new(), false);
    for member in all {
        let told = |e: String| format!("{}: {e}", member.class());
        let answer = estimator(graph, member, columns)?;
        let share = match answer {
            Answer::Classes { probabilities: Some(found), classes, .. } if classes.len() == 2 => {
                Some(second(graph, &found))
            }
            Answer::Classes { probabilities: None, .. } if labels_only(member)? => None,
            _ => return Err(told("gives no probability for two classes".to_owned())),
        };
        match (decision(graph, member, columns)?, &share) {
            (Some((score, 1)), _) => {
                decided = true;
                scores.push(score);
            }
            (None, Some(share)) => scores.push(share.clone()),
            _ => return Err(told("gives no score for two classes".to_owned())),
        }
        shares.extend(share);
    }
    let all_shares = (shares.len() == expected).then(|| graph.concat(&shares));
    if let [score] = scores.as_slice() {
        let probabilities = all_shares.map(|share| graph.pair(&share));
        // A decision changes sign, a probability passes one half.
        let both = match &probabilities {
            Some(pair) if !decided => pair.clone(),
            _ => {
                let away = graph.plain("Neg", &[score]);
                graph.concat(&[away, score.clone()])
            }
        };
        let label = graph.greatest(&both, &classes);
        return Ok(Answer::Classes { label, probabilities, classes });
    }
    let scores = graph.concat(&scores);
    let label = graph.greatest(&scores, &classes);
    let norm = vec![("norm", Attr::Text("L1".to_owned()))];
    let probabilities = all_shares.map(|all| graph.node((Domain::Ml, "Normalizer"), &[&all], norm));
    Ok(Answer::Classes { label, probabilities, classes })
}

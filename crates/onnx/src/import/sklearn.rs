//! scikit-learn's objects, as a `.skops` file describes them (written for the attributes of versions 1.3 to 1.9).

mod bag;
mod boost;
mod calibrate;
mod dense;
mod dummy;
mod encode;
mod importance;
mod linear;
mod mix;
mod naive_bayes;
mod network;
mod prepare;
mod select;
mod stack;
mod steps;
mod trees;
mod vectors;
mod vote;

use super::columns::Column;
use super::graph::{Answer, Classes, Graph};
use super::npy::Array;
use super::skops::Node;
use super::value::Value;
use super::{Input, Told, lightgbm, names, xgboost};

/// Most input columns.
const COLUMNS: f64 = 20_000.0;

/// Converts the object of a file of so many bytes.
pub(super) fn convert(root: Node<'_>, columns: &[String], bytes: usize) -> Told<(Vec<u8>, Vec<Input>)> {
    let (known, count) = inputs(root)?;
    let mut graph = Graph::new("skops", names(known, columns, ("x", count)), bytes)?;
    let all = graph.inputs();
    let answer = estimator(&mut graph, root, &all)?;
    graph.finish(&answer)
}

/// The names of the input columns, where they were known in training, and their number.
fn inputs(node: Node<'_>) -> Told<(Option<Vec<String>>, usize)> {
    if let Some(names) = node.find("feature_names_in_")? {
        let names = texts(names)?;
        return Ok((Some(names.clone()), names.len()));
    }
    if let Some(inner) = searched(node)? {
        return inputs(inner);
    }
    match node.class() {
        "Pipeline" => return inputs(first(node.get("steps")?)?),
        "VotingClassifier" | "VotingRegressor" | "StackingClassifier" | "StackingRegressor" => {
            let all = node.get("estimators_")?.items()?;
            let told = || format!("{}: it has no estimators", node.class());
            return inputs(*all.first().ok_or_else(told)?);
        }
        "OneVsRestClassifier" if node.find("n_features_in_")?.is_none() => {
            let all = node.get("estimators_")?.items()?;
            return inputs(*all.first().ok_or("OneVsRestClassifier: it has no estimators")?);
        }
        "TransformedTargetRegressor" => return inputs(node.get("regressor_")?),
        "SelectFromModel" if node.find("estimator_")?.is_some() => return inputs(node.get("estimator_")?),
        "FeatureUnion" => {
            let all = node.get("transformer_list")?.items()?;
            let each = all.into_iter().map(second).collect::<Told<Vec<_>>>()?;
            let told = "FeatureUnion: it has no transformers";
            return inputs(*each.iter().find(|step| !step.is_scalar()).ok_or(told)?);
        }
        "LGBMClassifier" | "LGBMRegressor" | "LGBMRanker" => {
            let text = node.get("_Booster")?.get("_handle")?.text()?;
            let line = text.lines().find_map(|l| l.strip_prefix("feature_names="));
            let names = line.unwrap_or("").split(' ').take(COLUMNS as usize + 1);
            let names: Vec<String> = names.map(str::to_owned).collect();
            return Ok((Some(names.clone()), names.len()));
        }
        "XGBClassifier" | "XGBRegressor" | "XGBRFClassifier" | "XGBRFRegressor" | "XGBRanker" => {
            return xgboost::inputs(node.get("_Booster")?.get("handle")?.bytes()?);
        }
        _ => {}
    }
    let count = node.get("n_features_in_")?.number()?;
    if !(1.0..=COLUMNS).contains(&count) {
        return Err(format!("n_features_in_: {count} is out of range"));
    }
    Ok((None, count as usize))
}

/// The estimator that a search found, or that one keeps from being trained again.
fn searched(node: Node<'_>) -> Told<Option<Node<'_>>> {
    match node.class() {
        "GridSearchCV" | "RandomizedSearchCV" | "HalvingGridSearchCV" | "HalvingRandomSearchCV" => {
            node.get("best_estimator_").map(Some)
        }
        "FrozenEstimator" => node.get("estimator").map(Some),
        _ => Ok(None),
    }
}

/// The first step of a pipeline that is an object: words and None pass all columns on.
fn first(steps: Node<'_>) -> Told<Node<'_>> {
    for step in steps.items()? {
        let step = second(step).map_err(|e| format!("Pipeline: {e}"))?;
        if !step.is_scalar() {
            return Ok(step);
        }
    }
    Err("Pipeline: it has no steps".to_owned())
}

/// The texts of an array or list.
fn texts(node: Node<'_>) -> Told<Vec<String>> {
    if node.is_list() || node.is_object_array() {
        return node.items()?.into_iter().map(Node::text).collect();
    }
    node.array()?.texts()
}

/// The labels of the classes.
fn classes(node: Node<'_>, name: &str) -> Told<Classes> {
    let list = node.get(name)?;
    if list.is_list() {
        return Err(format!("{}: several outputs are not supported", node.class()));
    }
    let told = |e: String| format!("{name}: {e}");
    if list.is_object_array() {
        let values: Vec<Value> = list.items()?.into_iter().map(Node::scalar).collect::<Told<_>>()?;
        return labels(&values).map_err(told);
    }
    let array: Array<'_> = list.array().map_err(told)?;
    if array.is_text() {
        return Ok(Classes::Text(array.texts().map_err(told)?));
    }
    let numbers = array.numbers().map_err(told)?;
    if array.is_bool() {
        return Ok(Classes::Text(numbers.iter().map(|&n| truth(n != 0.0)).collect()));
    }
    whole(&numbers).map_err(told)
}

fn truth(value: bool) -> String {
    if value { "True" } else { "False" }.to_owned()
}

fn labels(values: &[Value]) -> Told<Classes> {
    if let Some(numbers) = values
        .iter()
        .map(|v| match v {
            Value::Number(n) => Some(*n),
            _ => None,
        })
        .collect::<Option<Vec<f64>>>()
    {
        return whole(&numbers);
    }
    let text = |value: &Value| match value {
        Value::Text(text) => Ok(text.clone()),
        Value::Bool(value) => Ok(truth(*value)),
        other => Err(format!("a label is {}", other.kind())),
    };
    Ok(Classes::Text(values.iter().map(text).collect::<Told<_>>()?))
}

fn whole(numbers: &[f64]) -> Told<Classes> {
    let label = |&n: &f64| (n.fract() == 0.0 && n.abs() < 9e15).then_some(n as i64);
    let all: Option<Vec<i64>> = numbers.iter().map(label).collect();
    all.map(Classes::Integer).ok_or_else(|| "labels that are no whole numbers are not supported".to_owned())
}

/// Writes an estimator over columns.
fn estimator(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let class = node.class();
    let told = |e: String| if e.starts_with(class) { e } else { format!("{class}: {e}") };
    let written = match class {
        _ if node.is_of("lightgbm") => boosted_light(graph, node, columns),
        _ if node.is_of("xgboost") => boosted_extreme(graph, node, columns),
        _ if !node.is_of("sklearn") => Err(unknown(node)),
        "Pipeline" => pipeline(graph, node, columns),
        "VotingClassifier" => vote::classifier(graph, node, columns),
        "VotingRegressor" => vote::regressor(graph, node, columns),
        "CalibratedClassifierCV" => calibrate::calibrated(graph, node, columns),
        "StackingClassifier" | "StackingRegressor" => stack::stacked(graph, node, columns),
        "TransformedTargetRegressor" => stack::transformed(graph, node, columns),
        "BaggingClassifier" | "BaggingRegressor" => bag::bagging(graph, node, columns),
        "OneVsRestClassifier" => bag::one_against_rest(graph, node, columns),
        "AdaBoostClassifier" => boost::classifier(graph, node, columns),
        "AdaBoostRegressor" => boost::regressor(graph, node, columns),
        "DummyClassifier" => dummy::classifier(graph, node, columns),
        "DummyRegressor" => dummy::regressor(graph, node, columns),
        "GaussianNB" => naive_bayes::gaussian(graph, node, columns),
        "MultinomialNB" | "ComplementNB" | "BernoulliNB" => naive_bayes::discrete(graph, node, columns),
        "DecisionTreeClassifier"
        | "ExtraTreeClassifier"
        | "RandomForestClassifier"
        | "ExtraTreesClassifier"
        | "DecisionTreeRegressor"
        | "ExtraTreeRegressor"
        | "RandomForestRegressor"
        | "ExtraTreesRegressor" => trees::forest(graph, node, columns),
        "GradientBoostingClassifier" | "GradientBoostingRegressor" => trees::boosting(graph, node, columns),
        "HistGradientBoostingClassifier" | "HistGradientBoostingRegressor" => {
            trees::histogram(graph, node, columns)
        }
        "SVC" | "NuSVC" => vectors::classifier(graph, node, columns),
        "SVR" | "NuSVR" => vectors::regressor(graph, node, columns),
        "MLPClassifier" | "MLPRegressor" => network::perceptron(graph, node, columns),
        _ => match searched(node)? {
            Some(inner) => estimator(graph, inner, columns),
            None => linear::estimator(graph, node, columns),
        },
    };
    written.map_err(told)
}

/// The refusal of a class.
fn unknown(node: Node<'_>) -> String {
    format!("objects of the class {} are not supported", node.full_class())
}

fn pipeline(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let (last, columns) = last_step(graph, node, columns)?;
    estimator(graph, last, &columns)
}

/// The last step of a pipeline, and the columns that the steps before it make.
fn last_step<'a>(graph: &mut Graph, node: Node<'a>, columns: &[Column]) -> Told<(Node<'a>, Vec<Column>)> {
    let steps = node.get("steps")?.items()?;
    let (last, before) = steps.split_last().ok_or("it has no steps")?;
    graph.carry(columns.iter().map(prepare::size).sum())?;
    let mut columns = columns.to_vec();
    for step in before {
        columns = prepare::transform(graph, second(*step)?, columns)?;
    }
    Ok((second(*last)?, columns))
}

/// The object of a pair of name and object.
fn second(step: Node<'_>) -> Told<Node<'_>> {
    step.items()?.get(1).copied().ok_or_else(|| "a step is no pair of name and object".to_owned())
}

/// Refuses columns that trees of other libraries would have to branch on in single precision.
fn exact(columns: &[Column]) -> Told<()> {
    let computed = columns.iter().any(|column| matches!(column, Column::Made { .. }));
    if computed { Err(trees::COMPUTED.to_owned()) } else { Ok(()) }
}

fn boosted_light(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    exact(columns)?;
    let text = node.get("_Booster")?.get("_handle")?.text()?;
    let labels = match node.find("_le")? {
        Some(encoder) => Some(classes(encoder, "classes_")?),
        None => None,
    };
    let best = node.find("_best_iteration")?.map(Node::number).transpose()?;
    let best = best.filter(|&n| n > 0.0).map(|n| n as usize);
    lightgbm::part(graph, &text, (columns, labels), best)
}

fn boosted_extreme(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    exact(columns)?;
    if let Some(missing) = node.find("missing")?
        && !missing.number()?.is_nan()
    {
        return Err("missing: values other than NaN are not supported".to_owned());
    }
    let answer = xgboost::part(graph, node.get("_Booster")?.get("handle")?.bytes()?, (columns, None))?;
    if node.class().ends_with("Classifier") && matches!(answer, Answer::Value(_)) {
        return Err("its objective gives no classes, which the class answers; fit it with \
                    'binary:logistic' or 'multi:softprob', or import what get_booster().save_model writes"
            .to_owned());
    }
    Ok(answer)
}

#[cfg(test)]
mod tests;

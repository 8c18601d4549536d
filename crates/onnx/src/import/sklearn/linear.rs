//! Linear models.

use super::super::Told;
use super::super::columns::Column;
use super::super::graph::{Answer, Classes, Graph};
use super::super::links::Link;
use super::super::skops::Node;
use super::dense::Matrix;
use super::{classes, unknown};
use crate::builder::Attr;
use crate::element::Domain;

/// How the scores of a classifier become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chances {
    /// Softmax over the classes; of two, the logistic function.
    Joint,
    /// Softmax over the classes; of two, over the score and its opposite.
    Multinomial,
    /// The logistic function of each class, divided by their sum.
    Each,
    /// `modified_huber`: half of the score within -1 and 1, plus one half.
    Huber,
    None,
}

/// Writes a linear model; refuses what is none.
pub(super) fn estimator(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    match node.class() {
        "LinearRegression"
        | "Ridge"
        | "RidgeCV"
        | "Lasso"
        | "LassoCV"
        | "LassoLars"
        | "LassoLarsCV"
        | "LassoLarsIC"
        | "Lars"
        | "LarsCV"
        | "ElasticNet"
        | "ElasticNetCV"
        | "SGDRegressor"
        | "BayesianRidge"
        | "ARDRegression"
        | "HuberRegressor"
        | "TheilSenRegressor"
        | "QuantileRegressor"
        | "LinearSVR"
        | "PassiveAggressiveRegressor"
        | "OrthogonalMatchingPursuit" => regressor(graph, node, columns, Link::Identity),
        "PoissonRegressor" | "GammaRegressor" => regressor(graph, node, columns, Link::Exp),
        "TweedieRegressor" => {
            let link = tweedie(node)?;
            regressor(graph, node, columns, link)
        }
        "LinearDiscriminantAnalysis" => classifier(graph, node, columns, Chances::Joint),
        "LogisticRegression" | "LogisticRegressionCV" => {
            let kind = node.word("multi_class", "auto")?;
            let solver = node.word("solver", "lbfgs")?;
            // Until scikit-learn 1.6 this solver knew classes one against the rest only.
            let early = solver == "newton-cholesky" && kind != "multinomial" && before(node, (1, 6))?;
            let apart = kind == "ovr" || solver == "liblinear" || early;
            let chances = match kind.as_str() {
                _ if apart => Chances::Each,
                "multinomial" => Chances::Multinomial,
                _ => Chances::Joint,
            };
            classifier(graph, node, columns, chances)
        }
        "SGDClassifier" => {
            let chances = match node.word("loss", "hinge")?.as_str() {
                "log_loss" | "log" => Chances::Each,
                "modified_huber" => Chances::Huber,
                _ => Chances::None,
            };
            classifier(graph, node, columns, chances)
        }
        "RidgeClassifier"
        | "RidgeClassifierCV"
        | "LinearSVC"
        | "Perceptron"
        | "PassiveAggressiveClassifier" => classifier(graph, node, columns, Chances::None),
        _ => Err(unknown(node)),
    }
}

/// What follows the sum of a `TweedieRegressor`.
fn tweedie(node: Node<'_>) -> Told<Link> {
    match node.word("link", "auto")?.as_str() {
        "log" => Ok(Link::Exp),
        "identity" => Ok(Link::Identity),
        "auto" if node.get("power")?.number()? <= 0.0 => Ok(Link::Identity),
        "auto" => Ok(Link::Exp),
        other => Err(format!("link: '{other}' is not supported")),
    }
}

/// Whether a model was written by a version before this one.
pub(super) fn before(node: Node<'_>, version: (u32, u32)) -> Told<bool> {
    let own = node.word("_sklearn_version", "")?;
    let mut parts = own.split('.').map_while(|part| part.parse::<u32>().ok());
    Ok(match (parts.next(), parts.next()) {
        (Some(major), Some(minor)) => (major, minor) < version,
        _ => false,
    })
}

/// Coefficients by class and intercepts; an intercept stands for all.
fn coefficients(node: Node<'_>, columns: &[Column]) -> Told<(usize, Vec<f64>, Vec<f64>)> {
    let (rows, width, weights) = node.matrix("coef_")?;
    if width != columns.len() {
        return Err(format!("coef_: {width} coefficients for {} columns", columns.len()));
    }
    let found = node.get("intercept_")?;
    let shifts = if found.is_array() { found.numbers() } else { found.number().map(|n| vec![n]) }
        .map_err(|e| format!("intercept_: {e}"))?;
    match shifts.as_slice() {
        all if all.len() == rows => Ok((rows, weights, shifts)),
        &[one] => Ok((rows, weights, vec![one; rows])),
        _ => Err(format!("intercept_: {} numbers for {rows} rows of coefficients", shifts.len())),
    }
}

fn regressor(graph: &mut Graph, node: Node<'_>, columns: &[Column], link: Link) -> Told<Answer> {
    let (rows, weights, shifts) = coefficients(node, columns)?;
    if rows != 1 {
        return Err(format!("{rows} outputs, only models of one output are supported"));
    }
    let matrix = Matrix::write(graph, columns)?;
    let attrs = vec![
        ("coefficients", Attr::Floats(matrix.arrange(&weights))),
        ("intercepts", Attr::Floats(vec![shifts[0] as f32])),
        ("targets", Attr::Int(1)),
    ];
    let sum = graph.node((Domain::Ml, "LinearRegressor"), &[&matrix.name], attrs);
    Ok(Answer::Value(link.write(graph, sum)))
}

fn classifier(graph: &mut Graph, node: Node<'_>, columns: &[Column], chances: Chances) -> Told<Answer> {
    // Ridge classifiers have theirs in what turned them into numbers.
    let classes = match node.find("_label_binarizer")?.filter(|_| node.class().starts_with("Ridge")) {
        Some(binarizer) => classes(binarizer, "classes_")?,
        None => classes(node, "classes_")?,
    };
    let (rows, weights, shifts) = coefficients(node, columns)?;
    let matrix = Matrix::write(graph, columns)?;
    let weights = matrix.arrange(&weights);
    let shifts: Vec<f32> = shifts.iter().map(|&v| v as f32).collect();
    if rows == 1 && classes.len() == 2 {
        if chances == Chances::Huber {
            return huber(graph, &matrix, (weights, shifts), classes);
        }
        // The other class has the same score with the sign changed.
        let both = weights.iter().map(|w| -w).chain(weights.iter().copied()).collect();
        let post = match chances {
            Chances::None => "NONE",
            // Of both scores, which is the logistic function of twice the one.
            Chances::Multinomial => "SOFTMAX",
            _ => "LOGISTIC",
        };
        let shifts = vec![-shifts[0], shifts[0]];
        return Ok(scored(graph, &matrix.name, (both, shifts, post), (classes, chances)));
    }
    if rows != classes.len() {
        return Err(format!("coef_: {rows} rows of coefficients for {} classes", classes.len()));
    }
    let post = match chances {
        Chances::Joint | Chances::Multinomial => "SOFTMAX",
        Chances::Each => "LOGISTIC",
        Chances::Huber | Chances::None => "NONE",
    };
    // The probabilities of `modified_huber` for several classes are left out.
    let chances = if chances == Chances::Huber { Chances::None } else { chances };
    let answer = scored(graph, &matrix.name, (weights, shifts, post), (classes, chances));
    match answer {
        Answer::Classes { label, probabilities: Some(scores), classes } if chances == Chances::Each => {
            let norm = vec![("norm", Attr::Text("L1".to_owned()))];
            let shares = graph.node((Domain::Ml, "Normalizer"), &[&scores], norm);
            Ok(Answer::Classes { label, probabilities: Some(shares), classes })
        }
        answer => Ok(answer),
    }
}

/// Probabilities out of weights and a number for each class, of two only for the second.
pub(super) fn joint(
    graph: &mut Graph,
    matrix: &str,
    (weights, shifts): (Vec<f32>, Vec<f32>),
    classes: Classes,
) -> Answer {
    if let &[shift] = shifts.as_slice() {
        let both = weights.iter().map(|w| -w).chain(weights.iter().copied()).collect();
        return scored(graph, matrix, (both, vec![-shift, shift], "LOGISTIC"), (classes, Chances::Joint));
    }
    scored(graph, matrix, (weights, shifts, "SOFTMAX"), (classes, Chances::Joint))
}

/// The decision function of a linear classifier, `[N, classes]`: of two classes for the second, `[N, 1]`.
pub(super) fn decision(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<(String, usize)> {
    let (rows, weights, shifts) = coefficients(node, columns)?;
    let matrix = Matrix::write(graph, columns)?;
    let attrs = vec![
        ("coefficients", Attr::Floats(matrix.arrange(&weights))),
        ("intercepts", Attr::Floats(shifts.iter().map(|&v| v as f32).collect())),
        ("targets", Attr::Int(rows as i64)),
    ];
    Ok((graph.node((Domain::Ml, "LinearRegressor"), &[&matrix.name], attrs), rows))
}

/// A classifier node; its scores are kept where they are probabilities.
fn scored(
    graph: &mut Graph,
    matrix: &str,
    (weights, shifts, post): (Vec<f32>, Vec<f32>, &str),
    (classes, chances): (Classes, Chances),
) -> Answer {
    let attrs = vec![
        ("coefficients", Attr::Floats(weights)),
        ("intercepts", Attr::Floats(shifts)),
        ("post_transform", Attr::Text(post.to_owned())),
        ("multi_class", Attr::Int(0)),
        classes.attribute("classlabels_ints"),
    ];
    let label = graph.builder().fresh("class");
    let scores = graph.builder().fresh("scores");
    graph.builder().node(Domain::Ml, "LinearClassifier", &[matrix], &[&label, &scores], attrs);
    let probabilities = (chances != Chances::None).then_some(scores);
    Answer::Classes { label, probabilities, classes }
}

fn huber(
    graph: &mut Graph,
    matrix: &Matrix,
    (weights, shifts): (Vec<f32>, Vec<f32>),
    classes: Classes,
) -> Told<Answer> {
    let attrs = vec![
        ("coefficients", Attr::Floats(weights)),
        ("intercepts", Attr::Floats(shifts)),
        ("targets", Attr::Int(1)),
    ];
    let score = graph.node((Domain::Ml, "LinearRegressor"), &[&matrix.name], attrs);
    let [low, high, half] = [-1.0, 1.0, 0.5].map(|v| graph.row(vec![v]));
    let score = graph.plain("Max", &[&score, &low]);
    let score = graph.plain("Min", &[&score, &high]);
    let score = graph.plain("Mul", &[&score, &half]);
    let share = graph.plain("Add", &[&score, &half]);
    let probabilities = graph.pair(&share);
    let label = graph.greatest(&probabilities, &classes);
    Ok(Answer::Classes { label, probabilities: Some(probabilities), classes })
}

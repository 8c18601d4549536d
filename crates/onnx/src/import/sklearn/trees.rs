//! Trees and their ensembles. scikit-learn's trees compare an f32 input with an f64 threshold, its histogram
//! boosting an f64 input.

use super::super::Told;
use super::super::columns::Column;
use super::super::forest::{Forest, Sums, Ways};
use super::super::graph::{Answer, Classes, Graph};
use super::super::links::{self, Link};
use super::super::skops::Node;
use super::{classes, prepare};

/// The weights by target of the numbers a leaf holds.
type Leaf<'a> = dyn Fn(&[f64]) -> Vec<(usize, f64)> + 'a;
/// The same for the leaf of a tree with this number.
pub(super) type Leaves<'a> = dyn Fn(usize, &[f64]) -> Vec<(usize, f64)> + 'a;
/// Why trees do not read such columns.
pub(super) const COMPUTED: &str = "trees over columns that a transformer or an estimator computed (PCA, \
                                   PolynomialFeatures, one-hot bins, stacking, …) are not supported";
/// An estimator and the columns it reads.
pub(super) type Member<'a> = (Node<'a>, &'a [Column]);

/// One tree: its nodes, and what its leaves hold, by node.
struct Tree {
    left: Vec<f64>,
    right: Vec<f64>,
    features: Vec<f64>,
    thresholds: Vec<f64>,
    missing_left: Vec<f64>,
    values: Vec<f64>,
    /// Weight of the rows that came to each node.
    covers: Vec<f64>,
}

impl Tree {
    /// Reads the tree of an estimator whose leaves hold `width` numbers.
    fn read(estimator: Node<'_>, width: usize) -> Told<Self> {
        let tree = estimator.get("tree_")?;
        let nodes = tree.get("nodes")?.array()?;
        let values = tree.list("values")?;
        let missing_left = match nodes.field("missing_go_to_left") {
            Ok(flags) => flags,
            // Versions before 1.3 know no missing values.
            Err(_) => vec![0.0; nodes.len()],
        };
        if values.len() != nodes.len() * width {
            return Err(format!("values: {} numbers for {} nodes of {width}", values.len(), nodes.len()));
        }
        Ok(Self {
            left: nodes.field("left_child")?,
            right: nodes.field("right_child")?,
            features: nodes.field("feature")?,
            thresholds: nodes.field("threshold")?,
            missing_left,
            values,
            covers: nodes.field("weighted_n_node_samples").unwrap_or_default(),
        })
    }

    /// Writes the tree; `leaf` gives the weights of a leaf's numbers.
    fn write(
        &self,
        graph: &mut Graph,
        (forest, columns): (&mut Forest, &[Column]),
        leaf: &Leaf<'_>,
    ) -> Told<()> {
        let count = self.left.len();
        forest.begin(count, &self.covers)?;
        let width = self.values.len() / count;
        let child = |of: f64| {
            let at = (of >= 0.0 && of < count as f64).then_some(of as usize);
            at.ok_or_else(|| format!("there is no node {of}"))
        };
        for at in 0..count {
            if self.left[at] == -1.0 {
                forest.leaf(at, &leaf(&self.values[at * width..(at + 1) * width]))?;
                continue;
            }
            let (yes, no) = (child(self.left[at])?, child(self.right[at])?);
            let feature = self.features[at];
            let column = (feature >= 0.0).then(|| columns.get(feature as usize)).flatten();
            let column = column.ok_or_else(|| format!("there is no column {feature}"))?;
            let column = testable(column)?;
            let threshold = self.thresholds[at];
            let test = |v: f64| f64::from(v as f32) <= threshold;
            let ways = Ways { yes, no, missing_yes: self.missing_left[at] != 0.0 };
            forest.less(graph, at, (column, &test), ways)?;
        }
        Ok(())
    }
}

/// A column of which a branch can be exact.
fn testable(column: &Column) -> Told<&Column> {
    if matches!(column, Column::Made { .. }) { Err(COMPUTED.to_owned()) } else { Ok(column) }
}

/// A tree or a forest of them, averaged.
pub(super) fn forest(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    if node.find("n_outputs_")?.map(Node::number).transpose()?.is_some_and(|n| n > 1.0) {
        return Err("several outputs are not supported".to_owned());
    }
    let members = match node.find("estimators_")? {
        Some(list) => list.items()?,
        None => vec![node],
    };
    let labels = node.class().ends_with("Classifier").then(|| classes(node, "classes_")).transpose()?;
    let members: Vec<Member<'_>> = members.into_iter().map(|member| (member, columns)).collect();
    average(graph, &members, labels)
}

/// Whether an estimator is one tree.
pub(super) fn is_tree(node: Node<'_>) -> bool {
    let class = node.class();
    let trees =
        ["DecisionTreeClassifier", "ExtraTreeClassifier", "DecisionTreeRegressor", "ExtraTreeRegressor"];
    node.is_of("sklearn") && trees.contains(&class)
}

/// Trees whose leaves hold `width` numbers, as one ensemble; the columns stay where they are meanwhile.
pub(super) fn ensemble(
    graph: &mut Graph,
    members: &[Member<'_>],
    width: usize,
    leaf: &Leaves<'_>,
) -> Told<Forest> {
    let mut forest = Forest::new(graph);
    for (at, &(member, columns)) in members.iter().enumerate() {
        let leaf = |values: &[f64]| leaf(at, values);
        let tree = Tree::read(member, width).and_then(|t| t.write(graph, (&mut forest, columns), &leaf));
        tree.map_err(|e| format!("tree {at}: {e}"))?;
    }
    Ok(forest)
}

/// The mean of trees.
pub(super) fn average(graph: &mut Graph, members: &[Member<'_>], labels: Option<Classes>) -> Told<Answer> {
    let width = labels.as_ref().map_or(1, Classes::len);
    // Of two classes the second one's share tells both.
    let leaf = |_: usize, values: &[f64]| match values {
        &[value] => vec![(0, if labels.is_some() { 1.0 } else { value })],
        &[first, second] => vec![(0, share(second, first + second))],
        many => {
            let sum = many.iter().sum();
            many.iter().enumerate().map(|(class, &v)| (class, share(v, sum))).collect()
        }
    };
    let forest = ensemble(graph, members, width, &leaf)?;
    let targets = if width == 2 { 1 } else { width };
    let sums = forest.sums(graph, &Sums { targets, base: Vec::new(), average: members.len() > 1 })?;
    let Some(classes) = labels else { return Ok(Answer::Value(sums)) };
    let probabilities = if classes.len() == 2 { graph.pair(&sums) } else { sums };
    let label = graph.greatest(&probabilities, &classes);
    let probabilities = (classes.len() > 1).then_some(probabilities);
    Ok(Answer::Classes { label, probabilities, classes })
}

fn share(of: f64, sum: f64) -> f64 {
    if sum > 0.0 { of / sum } else { 0.0 }
}

/// `GradientBoosting*`.
pub(super) fn boosting(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let (forest, base, labels) = boosted(graph, node, columns)?;
    match labels {
        Some(classes) => forest.margins(graph, classes, &base),
        None => links::value(graph, forest, base[0], Link::Identity),
    }
}

/// The decision function of a boosted classifier, `[N, classes]`: of two classes for the second, `[N, 1]`.
pub(super) fn decision(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<(String, usize)> {
    let histogram = node.class().starts_with("Hist");
    let (forest, base, _) =
        if histogram { binned(graph, node, columns)? } else { boosted(graph, node, columns)? };
    let targets = base.len();
    let mut sums = forest.sums(graph, &Sums { targets, base, average: false })?;
    if !histogram && node.word("loss", "")? == "exponential" {
        // The logistic function is taken of twice the sum, see `boosted`.
        let half = graph.row(vec![0.5]);
        sums = graph.plain("Mul", &[&sums, &half]);
    }
    Ok((sums, targets))
}

/// The trees of gradient boosting, what they start from, and the classes: probabilities follow from their sums.
fn boosted(
    graph: &mut Graph,
    node: Node<'_>,
    columns: &[Column],
) -> Told<(Forest, Vec<f64>, Option<Classes>)> {
    let labels = node.class().ends_with("Classifier").then(|| classes(node, "classes_")).transpose()?;
    let rate = node.get("learning_rate")?.number()?;
    let exponential = node.word("loss", "")? == "exponential";
    let groups = labels.as_ref().map_or(1, |c| if c.len() == 2 { 1 } else { c.len().max(1) });
    let scale = if exponential { 2.0 * rate } else { rate };
    let members = node.get("estimators_")?.items()?;
    let members: Vec<Member<'_>> = members.into_iter().map(|member| (member, columns)).collect();
    let leaf = |at: usize, values: &[f64]| vec![(at % groups, values[0] * scale)];
    let forest = ensemble(graph, &members, 1, &leaf)?;
    let mut base = first_guess(node.get("init_")?, labels.as_ref()).map_err(|e| format!("init_: {e}"))?;
    // Probabilities are the same; since 1.4 the scores of several classes have the mean 0 in front of the trees.
    if base.len() > 1 && !super::linear::before(node, (1, 4))? {
        let mean = base.iter().sum::<f64>() / base.len() as f64;
        base.iter_mut().for_each(|score| *score -= mean);
    }
    Ok((forest, base, labels))
}

/// What boosting starts from, as margins.
fn first_guess(init: Node<'_>, labels: Option<&Classes>) -> Told<Vec<f64>> {
    if init.is_scalar() && init.text()? == "zero" {
        return Ok(vec![0.0; labels.map_or(1, |c| if c.len() == 2 { 1 } else { c.len() })]);
    }
    match (init.class(), labels) {
        ("DummyClassifier", Some(classes)) if init.word("_strategy", "prior")? == "prior" => {
            let limit = |p: f64| p.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
            let priors: Vec<f64> = init.list("class_prior_")?.into_iter().map(limit).collect();
            match (priors.as_slice(), classes.len()) {
                (&[_, p], 2) => Ok(vec![(p / (1.0 - p)).ln()]),
                (many, count) if many.len() == count => Ok(many.iter().map(|p| p.ln()).collect()),
                (many, count) => Err(format!("{} shares for {count} classes", many.len())),
            }
        }
        ("DummyRegressor", None) => {
            let constant = init.list("constant_")?;
            Ok(vec![*constant.first().ok_or("it has no constant_")?])
        }
        (other, _) => Err(format!("a start from {other} is not supported")),
    }
}

/// `HistGradientBoosting*`.
pub(super) fn histogram(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let (forest, base, labels) = binned(graph, node, columns)?;
    let link = match node.word("loss", "squared_error")?.as_str() {
        "poisson" | "gamma" => Link::Exp,
        _ => Link::Identity,
    };
    match labels {
        Some(classes) => forest.margins(graph, classes, &base),
        None => links::value(graph, forest, base[0], link),
    }
}

/// The trees of histogram boosting, what they start from, and the classes.
fn binned(
    graph: &mut Graph,
    node: Node<'_>,
    columns: &[Column],
) -> Told<(Forest, Vec<f64>, Option<Classes>)> {
    let labels = node.class().ends_with("Classifier").then(|| classes(node, "classes_")).transpose()?;
    let columns = match node.find("_preprocessor")? {
        Some(first) => prepare::transform(graph, first, columns.to_vec())?,
        None => columns.to_vec(),
    };
    let groups = labels.as_ref().map_or(1, |c| if c.len() == 2 { 1 } else { c.len() });
    let mut forest = Forest::new(graph);
    for (round, trees) in node.get("_predictors")?.items()?.into_iter().enumerate() {
        for (group, tree) in trees.items()?.into_iter().enumerate() {
            if group >= groups {
                return Err(format!("iteration {round} has more than {groups} trees"));
            }
            Predictor::read(tree)
                .and_then(|t| t.write(graph, (&mut forest, &columns), group))
                .map_err(|e| format!("iteration {round}, tree {group}: {e}"))?;
        }
    }
    let base = node.list("_baseline_prediction")?;
    if base.len() != groups {
        return Err(format!("_baseline_prediction: {} numbers for {groups} groups", base.len()));
    }
    Ok((forest, base, labels))
}

/// One tree of histogram boosting.
struct Predictor {
    fields: [Vec<f64>; 10],
    /// 256 bits a set.
    sets: Vec<f64>,
}

impl Predictor {
    const FIELDS: [&'static str; 10] = [
        "value",
        "feature_idx",
        "num_threshold",
        "missing_go_to_left",
        "left",
        "right",
        "is_leaf",
        "is_categorical",
        "bitset_idx",
        "count",
    ];

    fn read(tree: Node<'_>) -> Told<Self> {
        let nodes = tree.get("nodes")?.array()?;
        let mut fields: [Vec<f64>; 10] = Default::default();
        for (to, name) in fields.iter_mut().zip(Self::FIELDS) {
            *to = nodes.field(name)?;
        }
        Ok(Self { fields, sets: tree.list("raw_left_cat_bitsets")? })
    }

    fn write(
        &self,
        graph: &mut Graph,
        (forest, columns): (&mut Forest, &[Column]),
        group: usize,
    ) -> Told<()> {
        let [values, features, thresholds, missing_left, left, right, is_leaf, is_set, sets, counts] =
            &self.fields;
        forest.begin(values.len(), counts)?;
        for at in 0..values.len() {
            if is_leaf[at] != 0.0 {
                forest.leaf(at, &[(group, values[at])])?;
                continue;
            }
            let column = columns.get(features[at] as usize).filter(|_| features[at] >= 0.0);
            let column = testable(column.ok_or_else(|| format!("there is no column {}", features[at]))?)?;
            let (yes, no) = (left[at] as usize, right[at] as usize);
            if yes.max(no) >= values.len() {
                return Err(format!("node {at} has no child {}", yes.max(no)));
            }
            let ways = Ways { yes, no, missing_yes: missing_left[at] != 0.0 };
            if is_set[at] == 0.0 {
                forest.less(graph, at, (column, &|v| v <= thresholds[at]), ways)?;
                continue;
            }
            let start = (sets[at] as usize).saturating_mul(8);
            let words = self.sets.get(start..start.saturating_add(8)).ok_or("bitset_idx is out of range")?;
            let test = |v: f64| {
                let code = v as usize;
                (v >= 0.0).then(|| words.get(code / 32).is_some_and(|&w| (w as u32) >> (code % 32) & 1 == 1))
            };
            forest.table(graph, at, (column, &test), ways)?;
        }
        Ok(())
    }
}

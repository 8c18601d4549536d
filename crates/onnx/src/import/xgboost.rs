//! XGBoost's model files, JSON and UBJSON alike, as versions 1.3 to 3 write them.
//!
//! Read are the boosters `gbtree`, `dart` and `gblinear`, numeric and categorical splits, and the category
//! lists of pandas columns. XGBoost compares f32 with f32, and so does the graph.

use super::columns::{Column, Level, dense, told_apart};
use super::forest::{Forest, Ways};
use super::graph::{Answer, Classes, Graph, Read};
use super::links::{self, Link};
use super::value::Value;
use super::{Input, Told, names, ubjson};
use crate::builder::Attr;
use crate::element::Domain;

/// How a base score becomes a margin.
type ToMargin = fn(f64) -> f64;

/// Most classes and features.
const WIDE: f64 = 20_000.0;

/// Converts a file.
pub(super) fn convert(bytes: &[u8], columns: &[String]) -> Told<(Vec<u8>, Vec<Input>)> {
    let root = read(bytes)?;
    let learner = root.member("learner")?;
    let facts = Facts::read(learner).map_err(|e| format!("learner: {e}"))?;
    let mut graph =
        Graph::new("xgboost", names(facts.names(learner)?, columns, ("f", facts.features)), bytes.len())?;
    let inputs = categories(&graph, learner)?;
    let answer = model(&mut graph, (learner, &facts), (&inputs, None))?;
    graph.finish(&answer)
}

/// The names of the columns a model reads, where it knows them, and their number.
pub(super) fn inputs(bytes: &[u8]) -> Told<(Option<Vec<String>>, usize)> {
    let root = read(bytes)?;
    let learner = root.find("Model").unwrap_or(&root).member("learner")?;
    let facts = Facts::read(learner).map_err(|e| format!("learner: {e}"))?;
    Ok((facts.names(learner)?, facts.features))
}

/// A model within another one, over the columns made for it: its file, and the labels of its classes.
pub(super) fn part(
    graph: &mut Graph,
    bytes: &[u8],
    (columns, classes): (&[Column], Option<Classes>),
) -> Told<Answer> {
    let root = read(bytes)?;
    // A pickled booster holds its settings beside the model.
    let learner = root.find("Model").unwrap_or(&root).member("learner")?;
    let mut facts = Facts::read(learner).map_err(|e| format!("learner: {e}"))?;
    let best = learner.find("attributes").and_then(|a| a.find("best_iteration"));
    facts.best = best.and_then(Value::as_number);
    if facts.features != columns.len() {
        return Err(format!("it reads {} columns, got {}", facts.features, columns.len()));
    }
    let categories = categories(graph, learner)?;
    let columns = match (categories == graph.inputs(), columns == graph.inputs()) {
        (true, _) => columns,
        (false, true) => &categories,
        (false, false) => return Err("pandas categories behind transformers are not supported".to_owned()),
    };
    model(graph, (learner, &facts), (columns, classes))
}

/// JSON begins with a member's quoted name, UBJSON with the type of its length.
fn read(bytes: &[u8]) -> Told<Value> {
    let text = bytes.trim_ascii_start();
    let second = text.get(1..).unwrap_or_default().trim_ascii_start().first();
    if matches!(second, Some(b'"' | b'}')) { Value::json(text) } else { ubjson::read(bytes) }
}

/// What the learner states of itself.
#[derive(Debug)]
struct Facts {
    features: usize,
    groups: usize,
    objective: String,
    /// In the space of the answer.
    base: Vec<f64>,
    /// Written by the scikit-learn classes, which stop at the best iteration.
    best: Option<f64>,
}

impl Facts {
    fn read(learner: &Value) -> Told<Self> {
        let about = learner.member("learner_model_param")?;
        let features = about.number("num_feature")?;
        let classes = about.find("num_class").and_then(Value::as_number).unwrap_or(0.0);
        let targets = about.find("num_target").and_then(Value::as_number).unwrap_or(1.0);
        if targets > 1.0 {
            return Err(format!("num_target: {targets} outputs, only models of one output are supported"));
        }
        if !(1.0..=WIDE).contains(&features) || !(0.0..=WIDE).contains(&classes) {
            return Err(format!("num_feature, num_class: {features} and {classes} are out of range"));
        }
        let groups = if classes > 1.0 { classes as usize } else { 1 };
        let attributes = learner.find("attributes");
        let wrapped = attributes.is_some_and(|a| a.find("scikit_learn").is_some());
        let best = attributes.filter(|_| wrapped).and_then(|a| a.find("best_iteration"));
        Ok(Self {
            features: features as usize,
            groups,
            objective: learner.member("objective")?.text("name")?.to_owned(),
            base: base(about.member("base_score")?, groups)?,
            best: best.and_then(Value::as_number),
        })
    }

    fn names(&self, learner: &Value) -> Told<Option<Vec<String>>> {
        let Some(Value::List(names)) = learner.find("feature_names") else { return Ok(None) };
        let names: Option<Vec<String>> = names.iter().map(|n| n.as_text().map(str::to_owned)).collect();
        let names = names.filter(|names| names.len() == self.features);
        names.map(Some).ok_or_else(|| format!("feature_names: expected {} texts", self.features))
    }

    /// The base score as a margin, one a group.
    fn margins(&self, link: impl Fn(f64) -> f64) -> Vec<f64> {
        self.base.iter().map(|&b| link(b)).collect()
    }
}

/// A number, or a list of them as text (version 3.1 on); one stands for all groups.
fn base(score: &Value, groups: usize) -> Told<Vec<f64>> {
    let list = match score {
        Value::Numbers(numbers) => Some(numbers.clone()),
        Value::Text(text) if text.starts_with('[') => match Value::json(text.as_bytes())? {
            Value::Numbers(numbers) => Some(numbers),
            _ => None,
        },
        other => other.as_number().map(|n| vec![n]),
    };
    match list {
        Some(list) if list.len() == groups => Ok(list),
        Some(list) if list.len() == 1 => Ok(vec![list[0]; groups]),
        _ => Err(format!("base_score: expected 1 or {groups} numbers")),
    }
}

fn logit(p: f64) -> f64 {
    -(1.0 / p - 1.0).ln()
}

fn encodings(learner: &Value) -> &[Value] {
    let booster = learner.find("gradient_booster");
    let model = booster.and_then(|b| b.find("gbtree").unwrap_or(b).find("model"));
    match model.and_then(|m| m.find("cats")?.find("enc")) {
        Some(Value::List(list)) => list,
        _ => &[],
    }
}

/// The inputs; one that was a pandas category is read by its categories.
fn categories(graph: &Graph, learner: &Value) -> Told<Vec<Column>> {
    let mut columns = graph.inputs();
    let encodings = encodings(learner);
    if encodings.is_empty() {
        return Ok(columns);
    }
    if encodings.len() != columns.len() {
        return Err(format!("cats: {} encodings for {} features", encodings.len(), columns.len()));
    }
    for (source, (column, encoding)) in columns.iter_mut().zip(encodings).enumerate() {
        let levels = levels(encoding).map_err(|e| format!("cats: feature {source}: {e}"))?;
        told_apart(levels.iter()).map_err(|e| format!("cats: feature {source}: {e}"))?;
        if levels.is_empty() {
            continue;
        }
        let levels = levels.into_iter().zip(0..).map(|(level, code)| (level, f64::from(code))).collect();
        *column = Column::table(source, levels, (f64::NAN, f64::NAN));
    }
    Ok(columns)
}

/// The categories of a feature: numbers, or texts as bytes with the ends of each.
fn levels(encoding: &Value) -> Told<Vec<Level>> {
    let Some(Value::Numbers(offsets)) = encoding.find("offsets") else {
        let numbers = encoding.find("values").map_or(Ok(&[][..]), |_| encoding.numbers("values"))?;
        return Ok(numbers.iter().map(|&v| Level::Number(v as f32)).collect());
    };
    let bytes: Vec<u8> = encoding.numbers("values")?.iter().map(|&v| v as i64 as u8).collect();
    let part = |ends: &[f64]| {
        let text = bytes.get(ends[0] as usize..ends[1] as usize)?;
        Some(Level::Text(std::str::from_utf8(text).ok()?.into()))
    };
    let levels: Option<Vec<Level>> = offsets.windows(2).map(part).collect();
    levels.ok_or_else(|| "its texts are damaged".to_owned())
}

fn model(
    graph: &mut Graph,
    (learner, facts): (&Value, &Facts),
    (columns, classes): (&[Column], Option<Classes>),
) -> Told<Answer> {
    let booster = learner.member("gradient_booster")?;
    let (mut drop, mut trees) = (&[][..], booster);
    match booster.text("name")? {
        "gbtree" => {}
        "dart" => {
            drop = booster.numbers("weight_drop")?;
            trees = booster.member("gbtree")?;
        }
        "gblinear" => return linear(graph, (booster, facts), (columns, classes)),
        other => return Err(format!("the booster '{other}' is not known here")),
    }
    dense(columns)?;
    let pair = facts.groups == 2;
    let forest = forest(graph, (trees.member("model")?, drop), columns, facts)?;
    let classes = labels(facts, classes)?;
    let (link, to_margin) = match facts.objective.as_str() {
        "binary:logistic" => return forest.margins(graph, classes, &facts.margins(logit)),
        "multi:softmax" | "multi:softprob" if pair => {
            let base = &facts.base;
            return forest.margins(graph, classes, &[base[1] - base[0]]);
        }
        "multi:softmax" | "multi:softprob" => return forest.margins(graph, classes, &facts.base),
        other => link(other)?,
    };
    let base = facts.margins(to_margin);
    if base.len() != 1 {
        return Err(format!(
            "the objective '{}' with {} groups is not known here",
            facts.objective,
            base.len()
        ));
    }
    links::value(graph, forest, base[0], link)
}

fn labels(facts: &Facts, classes: Option<Classes>) -> Told<Classes> {
    let count = facts.groups.max(2);
    match classes {
        Some(classes) if classes.len() != count => {
            Err(format!("{} class labels for {count} classes", classes.len()))
        }
        Some(classes) => Ok(classes),
        None => Ok(Classes::count(count)),
    }
}

/// What follows the sum, and how the base score becomes a margin.
fn link(objective: &str) -> Told<(Link, ToMargin)> {
    Ok(match objective {
        "reg:logistic" => (Link::Sigmoid, logit),
        "binary:hinge" => (Link::Step, |b| b),
        "binary:logitraw"
        | "reg:squarederror"
        | "reg:linear"
        | "reg:squaredlogerror"
        | "reg:pseudohubererror"
        | "reg:absoluteerror"
        | "reg:quantileerror"
        | "reg:expectileerror"
        | "rank:ndcg"
        | "rank:pairwise"
        | "rank:map" => (Link::Identity, |b| b),
        "count:poisson" | "reg:gamma" | "reg:tweedie" | "survival:cox" | "survival:aft" => {
            (Link::Exp, f64::ln)
        }
        other => return Err(format!("the objective '{other}' is not known here")),
    })
}

fn forest(
    graph: &mut Graph,
    (model, drop): (&Value, &[f64]),
    columns: &[Column],
    facts: &Facts,
) -> Told<Forest> {
    let all = model.list("trees")?;
    let groups = model.numbers("tree_info")?;
    if groups.len() != all.len() || !(drop.is_empty() || drop.len() == all.len()) {
        return Err(format!("tree_info, weight_drop: not as many entries as the {} trees", all.len()));
    }
    let mut count = all.len();
    if let Some(best) = facts.best {
        let end = match model.find("iteration_indptr") {
            Some(_) => model.numbers("iteration_indptr")?.get(best as usize + 1).copied(),
            // Versions before 2 do not write where an iteration ends: all have as many trees.
            None => {
                let about = model.member("gbtree_model_param")?;
                let parallel = about.find("num_parallel_tree").and_then(Value::as_number).unwrap_or(1.0);
                Some((best + 1.0) * parallel.max(1.0) * facts.groups as f64)
            }
        };
        count = end.map_or(count, |end| (end as usize).min(count));
    }
    let mut forest = Forest::new(graph);
    for (at, tree) in all[..count].iter().enumerate() {
        let mut target = groups[at] as usize;
        let mut scale = drop.get(at).copied().unwrap_or(1.0);
        if target >= facts.groups {
            return Err(format!("tree_info: tree {at} is of group {target} of {}", facts.groups));
        }
        if facts.groups == 2 {
            // Of two classes with a sum each only the difference counts.
            scale = if target == 0 { -scale } else { scale };
            target = 0;
        }
        let told = |e: String| format!("tree {at}: {e}");
        Tree::read(tree)
            .and_then(|tree| tree.write(graph, &mut forest, (columns, target, scale)))
            .map_err(told)?;
    }
    if count == 0 {
        let targets = if facts.groups == 2 { 1 } else { facts.groups };
        (0..targets).try_for_each(|target| forest.constant(target, 0.0))?;
    }
    Ok(forest)
}

/// One tree.
#[derive(Debug)]
struct Tree<'a> {
    left: &'a [f64],
    right: &'a [f64],
    features: &'a [f64],
    conditions: &'a [f64],
    default_left: Vec<bool>,
    /// Sum of the Hessians of the rows that came to each node; empty when the file does not say.
    covers: &'a [f64],
    /// Which nodes test a set, and the categories of each in ascending order, by node.
    sets: Vec<(usize, Vec<f64>)>,
}

impl<'a> Tree<'a> {
    fn read(tree: &'a Value) -> Told<Self> {
        let vector = tree.find("tree_param").and_then(|p| p.find("size_leaf_vector"));
        if vector.and_then(Value::as_number).is_some_and(|size| size > 1.0) {
            return Err("leaves of several values are not supported".to_owned());
        }
        let left = tree.numbers("left_children")?;
        let default_left: Vec<bool> = match tree.member("default_left")? {
            Value::Numbers(numbers) => numbers.iter().map(|&n| n != 0.0).collect(),
            Value::List(list) => list.iter().map(|v| v.as_number() == Some(1.0)).collect(),
            other => return Err(format!("'default_left' is {}, expected a list", other.kind())),
        };
        let tree = Self {
            left,
            right: tree.numbers("right_children")?,
            features: tree.numbers("split_indices")?,
            conditions: tree.numbers("split_conditions")?,
            default_left,
            covers: tree.find("sum_hessian").map_or(Ok(&[][..]), |_| tree.numbers("sum_hessian"))?,
            sets: sets(tree)?,
        };
        let lengths = [tree.right.len(), tree.features.len(), tree.conditions.len(), tree.default_left.len()];
        if lengths.iter().any(|&n| n != left.len()) {
            return Err(format!("its lists have {lengths:?} entries, left_children {}", left.len()));
        }
        Ok(tree)
    }

    fn child(&self, of: f64) -> Told<usize> {
        let at = (of >= 0.0 && of < self.left.len() as f64).then_some(of as usize);
        at.ok_or_else(|| format!("there is no node {of}"))
    }

    fn write(
        &self,
        graph: &mut Graph,
        forest: &mut Forest,
        (columns, target, scale): (&[Column], usize, f64),
    ) -> Told<()> {
        forest.begin(self.left.len(), self.covers)?;
        // Pruned nodes stay in the lists: only what the root leads to counts.
        let mut seen = vec![false; self.left.len()];
        let mut stack = vec![0];
        while let Some(at) = stack.pop() {
            if std::mem::replace(&mut seen[at], true) {
                return Err(format!("node {at} has two parents"));
            }
            if self.left[at] == -1.0 {
                forest.leaf(at, &[(target, self.conditions[at] * scale)])?;
                continue;
            }
            let (left, right) = (self.child(self.left[at])?, self.child(self.right[at])?);
            stack.extend([right, left]);
            let feature = self.features[at];
            let column = (feature >= 0.0).then(|| columns.get(feature as usize)).flatten();
            let column = column.ok_or_else(|| format!("node {at}: there is no feature {feature}"))?;
            self.branch(graph, forest, (at, column), (left, right))?;
        }
        Ok(())
    }

    fn branch(
        &self,
        graph: &mut Graph,
        forest: &mut Forest,
        (at, column): (usize, &Column),
        (left, right): (usize, usize),
    ) -> Told<()> {
        let default_left = self.default_left[at];
        let Ok(set) = self.sets.binary_search_by_key(&at, |s| s.0) else {
            let condition = self.conditions[at] as f32;
            let ways = Ways { yes: left, no: right, missing_yes: default_left };
            return forest.less(graph, at, (column, &|v| (v as f32) < condition), ways);
        };
        // What is in the set goes right.
        let set = &self.sets[set].1;
        let ways = Ways { yes: right, no: left, missing_yes: !default_left };
        match column {
            Column::Table { .. } => forest.table(
                graph,
                at,
                (column, &|v| Some(set.binary_search_by(|c| c.total_cmp(&(v.floor() + 0.0))).is_ok())),
                ways,
            ),
            Column::Number { source, ops, .. } if ops.is_empty() => {
                let values: Vec<f32> = set.iter().map(|&c| c as f32).collect();
                forest.member(at, (*source, Read::Floor), &values, ways)
            }
            Column::Number { .. } | Column::Made { .. } => {
                Err(format!("node {at}: a categorical split of a number that was computed is not supported"))
            }
        }
    }
}

/// A number that counts.
fn whole(number: f64) -> Option<usize> {
    (number >= 0.0 && number.fract() == 0.0).then_some(number as usize)
}

/// The nodes that test a set, in order, with their categories.
fn sets(tree: &Value) -> Told<Vec<(usize, Vec<f64>)>> {
    if tree.find("categories_nodes").is_none() {
        return Ok(Vec::new());
    }
    let (all, nodes) = (tree.numbers("categories")?, tree.numbers("categories_nodes")?);
    let (starts, sizes) = (tree.numbers("categories_segments")?, tree.numbers("categories_sizes")?);
    if starts.len() != nodes.len() || sizes.len() != nodes.len() {
        return Err("its lists of categories differ in length".to_owned());
    }
    let mut sets = Vec::with_capacity(nodes.len());
    let mut left = all.len();
    for ((&node, &start), &size) in nodes.iter().zip(starts).zip(sizes) {
        let range = whole(start).zip(whole(size)).map(|(start, size)| start..start.saturating_add(size));
        let set = whole(node).zip(range.and_then(|range| all.get(range)));
        let (at, set) = set.ok_or_else(|| format!("node {node}: its categories are out of range"))?;
        left = left.checked_sub(set.len()).ok_or("its lists of categories overlap")?;
        let mut set = set.to_vec();
        set.sort_by(f64::total_cmp);
        sets.push((at, set));
    }
    sets.sort_by_key(|s| s.0);
    Ok(sets)
}

/// `gblinear`: a row of weights a feature, the last one for the bias; a missing value counts as zero.
fn linear(
    graph: &mut Graph,
    (booster, facts): (&Value, &Facts),
    (columns, classes): (&[Column], Option<Classes>),
) -> Told<Answer> {
    let weights = booster.member("model")?.numbers("weights")?;
    let groups = facts.groups;
    if weights.len() != (facts.features + 1) * groups {
        return Err(format!("weights: {} numbers for {} features", weights.len(), facts.features));
    }
    let mut names = Vec::with_capacity(columns.len());
    for (at, column) in columns.iter().enumerate() {
        match column {
            Column::Number { source, ops, .. } if ops.is_empty() => names.push(graph.number(*source)?),
            _ => return Err(format!("gblinear: the column {at} is computed, which is not supported here")),
        }
    }
    let all = graph.concat(&names);
    let filled = vec![
        ("imputed_value_floats", Attr::Floats(vec![0.0])),
        ("replaced_value_float", Attr::Float(f32::NAN)),
    ];
    let all = graph.node((Domain::Ml, "Imputer"), &[&all], filled);
    let (to_margin, link): (ToMargin, Link) = match facts.objective.as_str() {
        "binary:logistic" => (logit, Link::Sigmoid),
        "multi:softmax" | "multi:softprob" => (|b| b, Link::Identity),
        other => link(other).map(|(link, to_margin)| (to_margin, link))?,
    };
    let base = facts.margins(to_margin);
    // The library adds the first class's base score to all of them.
    let bias = (0..groups).map(|g| (weights[facts.features * groups + g] + base[0]) as f32).collect();
    let dims = [facts.features as i64, groups as i64];
    let table = weights[..facts.features * groups].iter().map(|&w| w as f32).collect();
    let table = graph.builder().floats("weights", &dims, table);
    let bias = graph.row(bias);
    let sum = graph.plain("MatMul", &[&all, &table]);
    let sum = graph.plain("Add", &[&sum, &bias]);
    let probabilities = match (facts.objective.as_str(), groups) {
        ("binary:logistic", 1) => {
            let p = link.write(graph, sum);
            graph.pair(&p)
        }
        (_, 1) => return Ok(Answer::Value(link.write(graph, sum))),
        _ => graph.node((Domain::Onnx, "Softmax"), &[&sum], vec![("axis", Attr::Int(1))]),
    };
    let classes = labels(facts, classes)?;
    let label = graph.greatest(&probabilities, &classes);
    Ok(Answer::Classes { label, probabilities: Some(probabilities), classes })
}

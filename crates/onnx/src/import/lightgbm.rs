//! LightGBM's text format (version 3 and 4), as `Booster.save_model` writes it.
//!
//! Read are the objectives' output functions, average output (random forests), numeric splits with their three
//! kinds of missing values, categorical splits, and the category lists of pandas columns. Linear trees are
//! refused. Thresholds are f64 there; see [`super`] for what becomes of them.

mod tree;

use std::collections::HashMap;
use std::str::{FromStr, Lines};

use super::columns::{Column, Level, told_apart};
use super::forest::Forest;
use super::graph::{Answer, Classes, Graph};
use super::links::{self, Link};
use super::value::Value;
use super::{Input, Told, names};
use tree::Tree;

/// Most features.
const FEATURES: usize = 20_000;
/// Most classes.
const CLASSES: usize = 10_000;
/// Most words of an objective.
const WORDS: usize = 100;
/// Fewest bytes of a tree.
const TREE: usize = 32;
/// The members that are read, of the header and of trees; the others are not kept.
const MEMBERS: [&str; 19] = [
    "num_tree_per_iteration",
    "max_feature_idx",
    "objective",
    "average_output",
    "feature_names",
    "feature_infos",
    "is_linear",
    "num_leaves",
    "num_cat",
    "cat_boundaries",
    "cat_threshold",
    "leaf_value",
    "split_feature",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "internal_count",
    "leaf_count",
];

/// The members of one section, with the line each stands in.
#[derive(Debug, Default)]
struct Section<'a> {
    line: usize,
    members: HashMap<&'a str, (&'a str, usize)>,
}

impl<'a> Section<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.members.get(name).map(|m| m.0)
    }

    fn text(&self, name: &str) -> Told<&'a str> {
        self.get(name).ok_or_else(|| format!("line {}: the section has no '{name}='", self.line))
    }

    fn one<T: FromStr>(&self, name: &str) -> Told<T> {
        let text = self.text(name)?;
        text.trim().parse().map_err(|_| self.wrong(name, &format!("{text:?} is no such number")))
    }

    fn all<T: FromStr>(&self, name: &str, count: usize) -> Told<Vec<T>> {
        let text = self.text(name)?;
        let mut out = Vec::new();
        for part in text.split_ascii_whitespace() {
            out.push(part.parse().map_err(|_| self.wrong(name, &format!("{part:?} is no such number")))?);
        }
        if out.len() != count {
            return Err(self.wrong(name, &format!("{} numbers, expected {count}", out.len())));
        }
        Ok(out)
    }

    fn wrong(&self, name: &str, reason: &str) -> String {
        let line = self.members.get(name).map_or(self.line, |m| m.1);
        format!("line {line}: {name}: {reason}")
    }
}

/// A file in its parts.
#[derive(Debug)]
struct File<'a> {
    header: Section<'a>,
    trees: Vec<Section<'a>>,
    categories: Option<&'a str>,
}

impl<'a> File<'a> {
    fn read(text: &'a str) -> Told<Self> {
        let mut lines = Numbered { lines: text.lines(), at: 0 };
        let mut header = Section { line: 1, ..Section::default() };
        let mut trees: Vec<Section<'a>> = Vec::new();
        let mut ended = false;
        while let Some((at, line)) = lines.next_line() {
            if line == "end of trees" {
                ended = true;
                break;
            }
            if line.starts_with("Tree=") {
                if (trees.len() + 1) * TREE > text.len() {
                    return Err(format!("line {at}: more trees than a file of this size can hold"));
                }
                trees.push(Section { line: at, ..Section::default() });
                continue;
            }
            let section = trees.last_mut().unwrap_or(&mut header);
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            if MEMBERS.contains(&name) {
                section.members.insert(name, (value, at));
            }
        }
        if !ended {
            return Err(format!("line {}: the file ends before 'end of trees'", lines.at));
        }
        let mut categories = None;
        while let Some((_, line)) = lines.next_line() {
            categories = line.strip_prefix("pandas_categorical:").or(categories);
        }
        Ok(Self { header, trees, categories })
    }
}

struct Numbered<'a> {
    lines: Lines<'a>,
    at: usize,
}

impl<'a> Numbered<'a> {
    fn next_line(&mut self) -> Option<(usize, &'a str)> {
        let line = self.lines.next()?;
        self.at += 1;
        Some((self.at, line.trim_end()))
    }
}

/// The header's facts.
#[derive(Debug)]
struct Facts {
    per_iteration: usize,
    objective: Vec<String>,
    average: bool,
    features: usize,
    names: Vec<String>,
}

impl Facts {
    fn read(header: &Section<'_>) -> Told<Self> {
        let per_iteration: usize = header.one("num_tree_per_iteration")?;
        let last: usize = header.one("max_feature_idx")?;
        if per_iteration == 0 || per_iteration > CLASSES || last >= FEATURES {
            return Err(format!("line {}: more than {CLASSES} classes or {FEATURES} features", header.line));
        }
        let names: Vec<String> = match header.get("feature_names") {
            Some(text) => text.split(' ').take(last + 2).map(str::to_owned).collect(),
            None => Vec::new(),
        };
        if names.len() != last + 1 {
            let wrong = format!("{} names for {} features", names.len(), last + 1);
            return Err(header.wrong("feature_names", &wrong));
        }
        let objective = header.get("objective").unwrap_or("custom");
        Ok(Self {
            per_iteration,
            objective: objective.split_ascii_whitespace().take(WORDS).map(str::to_owned).collect(),
            average: header.members.contains_key("average_output"),
            features: last + 1,
            names,
        })
    }

    /// A parameter of the objective, as `sigmoid:1`.
    fn parameter(&self, name: &str) -> Option<f64> {
        let find = |word: &String| word.strip_prefix(name)?.strip_prefix(':')?.parse().ok();
        self.objective.iter().find_map(find)
    }
}

/// Converts a file.
pub(super) fn convert(bytes: &[u8], columns: &[String]) -> Told<(Vec<u8>, Vec<Input>)> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let file = File::read(text)?;
    let facts = Facts::read(&file.header)?;
    // `Column_0` is what the library calls columns without a name.
    let plain = facts.names.iter().enumerate().all(|(at, name)| *name == format!("Column_{at}"));
    let known = (!plain || columns.len() != facts.features).then(|| facts.names.clone());
    let names = names(known, columns, ("Column_", facts.features));
    let mut graph = Graph::new("lightgbm", names, bytes.len())?;
    let columns = categories(&graph, &file)?;
    let answer = model(&mut graph, (&file, &facts), (&columns, None), None)?;
    graph.finish(&answer)
}

/// A model within another one, over the columns made for it: its text, the labels of its classes, and how many
/// iterations count.
pub(super) fn part(
    graph: &mut Graph,
    text: &str,
    (columns, classes): (&[Column], Option<Classes>),
    iterations: Option<usize>,
) -> Told<Answer> {
    let file = File::read(text)?;
    let facts = Facts::read(&file.header)?;
    if facts.features != columns.len() {
        return Err(format!("it reads {} columns, got {}", facts.features, columns.len()));
    }
    let categories = categories(graph, &file)?;
    let columns = match (categories == graph.inputs(), columns == graph.inputs()) {
        (true, _) => columns,
        (false, true) => &categories,
        (false, false) => return Err("pandas categories behind transformers are not supported".to_owned()),
    };
    model(graph, (&file, &facts), (columns, classes), iterations)
}

/// The inputs; one that was a pandas category is read by its categories.
fn categories(graph: &Graph, file: &File<'_>) -> Told<Vec<Column>> {
    let mut columns = graph.inputs();
    let lists = match file.categories.map(|text| Value::json(text.as_bytes())).transpose() {
        Ok(None | Some(Value::Null)) => return Ok(columns),
        Ok(Some(Value::Numbers(none))) if none.is_empty() => return Ok(columns),
        Ok(Some(Value::List(lists))) => lists,
        Ok(Some(other)) => {
            return Err(format!("pandas_categorical: is {}, expected a list", other.kind()));
        }
        Err(e) => return Err(format!("pandas_categorical: {e}")),
    };
    // Categories stand as `1:2:3` where numbers stand as `[low:high]`.
    let infos = file.header.text("feature_infos")?;
    let is_category = |info: &str| !info.starts_with('[') && info != "none";
    let places: Vec<usize> =
        infos.split(' ').enumerate().filter(|(_, info)| is_category(info)).map(|i| i.0).collect();
    if places.len() != lists.len() {
        return Err(format!(
            "pandas_categorical: {} lists for {} categorical features: which belongs to which is not told",
            lists.len(),
            places.len()
        ));
    }
    // Ordered categories have a list as well and are no category to LightGBM, unless it was told so: then lists and features
    // of the same number may still be of different columns.
    let most = |info: &str| info.split(':').filter_map(|code| code.parse::<usize>().ok()).max();
    let count = |list: &Value| match list {
        Value::Numbers(values) => values.len(),
        Value::List(values) => values.len(),
        _ => 0,
    };
    for (info, list) in infos.split(' ').filter(|info| is_category(info)).zip(&lists) {
        if most(info).is_some_and(|most| most >= count(list)) {
            return Err(format!(
                "pandas_categorical: a list of {} categories for a feature with the codes {info}: which belongs to which is \
                 not told",
                count(list)
            ));
        }
    }
    for (&at, list) in places.iter().zip(&lists) {
        let levels = match list {
            Value::Numbers(values) => values.iter().map(|&v| Level::Number(v as f32)).collect(),
            Value::List(values) => values.iter().map(level).collect::<Told<Vec<_>>>()?,
            other => return Err(format!("pandas_categorical: is {}, expected a list", other.kind())),
        };
        told_apart(levels.iter()).map_err(|e| format!("pandas_categorical: {e}"))?;
        let levels = levels.into_iter().zip(0..).map(|(level, code)| (level, f64::from(code))).collect();
        let column = columns.get_mut(at).ok_or("feature_infos: has more entries than features")?;
        *column = Column::table(at, levels, (f64::NAN, f64::NAN));
    }
    Ok(columns)
}

fn level(value: &Value) -> Told<Level> {
    match value {
        Value::Text(text) => Ok(Level::Text(text.as_str().into())),
        Value::Number(v) => Ok(Level::Number(*v as f32)),
        Value::Bool(v) => Ok(Level::Number(f32::from(u8::from(*v)))),
        other => Err(format!("pandas_categorical: a category is {}", other.kind())),
    }
}

fn model(
    graph: &mut Graph,
    (file, facts): (&File<'_>, &Facts),
    (columns, classes): (&[Column], Option<Classes>),
    iterations: Option<usize>,
) -> Told<Answer> {
    let kind = facts.objective.first().map_or("custom", String::as_str);
    let sigmoid = facts.parameter("sigmoid").unwrap_or(1.0);
    let per = facts.per_iteration;
    let count = iterations.map_or(file.trees.len(), |n| n.saturating_mul(per).min(file.trees.len()));
    let trees = &file.trees[..count];
    let mut scale = if facts.average { 1.0 / (count / per).max(1) as f64 } else { 1.0 };
    if matches!(kind, "binary" | "multiclassova") {
        scale *= sigmoid;
    }
    // Of two classes with a sum each only the difference counts.
    let pair = kind == "multiclass" && per == 2;
    let mut forest = Forest::new(graph);
    for (at, tree) in trees.iter().enumerate() {
        let target = at % per;
        let (target, scale) = match pair {
            true => (0, if target == 0 { -scale } else { scale }),
            false => (target, scale),
        };
        let told = |e: String| format!("tree {at}, {e}");
        Tree::read(tree).and_then(|t| t.write(graph, &mut forest, (columns, target, scale))).map_err(told)?;
    }
    if trees.is_empty() {
        (0..if pair { 1 } else { per }).try_for_each(|target| forest.constant(target, 0.0))?;
    }
    let labelled = classes.is_some();
    let classes = |count: usize| match &classes {
        Some(classes) if classes.len() == count => Ok(classes.clone()),
        Some(classes) => Err(format!("{} class labels for {count} classes", classes.len())),
        None => Ok(Classes::count(count)),
    };
    match (kind, per) {
        ("binary", 1) => forest.margins(graph, classes(2)?, &[0.0]),
        // The booster answers a share, and its class the label that it speaks for.
        ("cross_entropy", 1) if labelled => forest.margins(graph, classes(2)?, &[0.0]),
        // Of an objective that is a function the class answers the sums as well.
        (_, 1) if labelled && !matches!(kind, "custom" | "none") => Err(format!(
            "the objective '{kind}' gives no classes, which the class answers; fit it with 'binary' or \
             'multiclass', or import what booster_.save_model writes"
        )),
        ("multiclass", 2) => forest.margins(graph, classes(2)?, &[0.0]),
        ("multiclass", 3..) => forest.margins(graph, classes(per)?, &[]),
        ("multiclassova", 2..) => links::one_against_rest(graph, forest, vec![0.0; per], classes(per)?),
        (_, 1) => links::value(graph, forest, 0.0, link(kind, facts)?),
        _ => Err(format!("the objective '{kind}' with {per} trees an iteration is not known here")),
    }
}

fn link(kind: &str, facts: &Facts) -> Told<Link> {
    Ok(match kind {
        "regression" | "regression_l1" | "l1" | "l2" | "fair" | "quantile" | "mape"
            if facts.objective.iter().any(|w| w == "sqrt") =>
        {
            Link::SignedSquare
        }
        "regression" | "regression_l1" | "l1" | "l2" | "huber" | "fair" | "quantile" | "mape"
        | "lambdarank" | "rank_xendcg" | "custom" | "none" => Link::Identity,
        "poisson" | "gamma" | "tweedie" => Link::Exp,
        "cross_entropy" => Link::Sigmoid,
        "cross_entropy_lambda" => Link::Softplus,
        other => return Err(format!("the objective '{other}' is not known here")),
    })
}

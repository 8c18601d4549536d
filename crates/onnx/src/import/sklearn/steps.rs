//! Transformers that cut a number into bins: `Binarizer` and `KBinsDiscretizer`.

use super::super::Told;
use super::super::columns::{Column, Op, value};
use super::super::graph::Graph;
use super::super::skops::Node;
use super::dense::float;

/// Most columns that bins become.
const BINS: usize = 20_000;

/// `Binarizer`: 1 above a threshold.
pub(super) fn binarize(node: Node<'_>, columns: Vec<Column>) -> Told<Vec<Column>> {
    let threshold = node.find("threshold")?.map_or(Ok(0.0), Node::number)?;
    if threshold.is_nan() {
        return Err("threshold: is no number".to_owned());
    }
    columns.into_iter().map(|column| column.then(Op::Steps(vec![threshold.next_up()]))).collect()
}

/// `KBinsDiscretizer`: the number of the bin, or a column for each bin.
pub(super) fn bins(graph: &mut Graph, node: Node<'_>, columns: Vec<Column>) -> Told<Vec<Column>> {
    if node.find("dtype")?.is_some() {
        return Err("dtype: only None is supported".to_owned());
    }
    let hot = match node.word("encode", "onehot")?.as_str() {
        "ordinal" => false,
        "onehot" | "onehot-dense" => true,
        other => return Err(format!("encode: '{other}' is not supported")),
    };
    let lists = node.get("bin_edges_")?.items()?;
    if lists.len() != columns.len() {
        return Err(format!("bin_edges_: {} lists for {} columns", lists.len(), columns.len()));
    }
    let mut out = Vec::new();
    for (column, list) in columns.into_iter().zip(lists) {
        let edges = list.numbers().map_err(|e| format!("bin_edges_: {e}"))?;
        // What lies beyond the outer edges belongs to the outer bins.
        let inner = edges.get(1..edges.len().saturating_sub(1)).unwrap_or(&[]);
        if inner.iter().any(|e| e.is_nan()) || !inner.is_sorted() {
            return Err("bin_edges_: they do not grow".to_owned());
        }
        let column = column.then(Op::Steps(inner.to_vec()))?;
        if hot {
            hot_bins(graph, &column, inner.len() + 1, &mut out)?;
        } else {
            out.push(column);
        }
    }
    Ok(out)
}

/// A column for each bin: 1 where `column`, which ends in bins, has its number.
fn hot_bins(graph: &mut Graph, column: &Column, bins: usize, out: &mut Vec<Column>) -> Told<()> {
    let levels = if let Column::Table { levels, .. } = column { levels.len() } else { 0 };
    if out.len() + bins > BINS {
        return Err(format!("it makes more than {BINS} columns"));
    }
    graph.carry(bins.saturating_mul(levels + 1))?;
    let hot = |bin: usize, v: f64| if v.is_nan() { v } else { f64::from(u8::from(v == bin as f64)) };
    match column {
        Column::Table { source, levels, other, missing, .. } => {
            out.extend((0..bins).map(|bin| {
                let levels = levels.iter().map(|(level, v)| (level.clone(), hot(bin, *v))).collect();
                Column::table(*source, levels, (hot(bin, *other), hot(bin, *missing)))
            }));
        }
        Column::Number { source, ops, .. } => {
            let number = graph.number(*source)?;
            let Some((Op::Steps(edges), before)) = ops.split_last() else {
                return Err("a column without bins is cut into bins".to_owned());
            };
            // A bin is above its own lower edge and not above the next one.
            let mut lasts = lasts(graph, before, edges)?;
            lasts.push(f32::INFINITY);
            let upper = above(graph, &number, lasts.clone());
            lasts.rotate_right(1);
            lasts[0] = f32::NEG_INFINITY;
            let lower = above(graph, &number, lasts);
            let all = graph.plain("Sub", &[&lower, &upper]);
            let filled = value(ops, f64::NAN);
            let missing = (0..bins).map(|bin| hot(bin, filled) as f32).collect();
            let of = or_missing(graph, &number, missing, &all);
            out.extend((0..bins).map(|at| Column::made(&of, at)));
        }
        Column::Made { .. } => return Err("bins of a computed column are not supported".to_owned()),
    }
    Ok(())
}

/// The largest input below each edge of what steps make of it.
fn lasts(graph: &Graph, before: &[Op], edges: &[f64]) -> Told<Vec<f32>> {
    graph.look(edges.len().saturating_mul(1 + before.len()))?;
    let last = |edge: f64| Column::last(before, &|v| v < edge).unwrap_or(f32::NEG_INFINITY);
    Ok(edges.iter().map(|&edge| last(edge)).collect())
}

/// 1 where an input is above a number, 0 elsewhere, for each of the numbers.
fn above(graph: &mut Graph, number: &str, lasts: Vec<f32>) -> String {
    let lasts = graph.row(lasts);
    let above = graph.plain("Greater", &[number, &lasts]);
    float(graph, &above)
}

/// Values, and others where an input is missing.
fn or_missing(graph: &mut Graph, number: &str, missing: Vec<f32>, all: &str) -> String {
    let none = graph.plain("IsNaN", &[number]);
    let missing = graph.row(missing);
    graph.plain("Where", &[&none, &missing, all])
}

/// A column that has bins on its way, as a value `[N, 1]`. Whether an input lies above an edge is asked of the
/// input itself, with the f32 that parts what the steps before the bins make of it.
pub(super) fn stepped(graph: &mut Graph, column: &Column) -> Told<String> {
    let Column::Number { source, ops, .. } = column else {
        return Err("bins of a computed column are not supported".to_owned());
    };
    let number = graph.number(*source)?;
    let at = ops.iter().position(|op| matches!(op, Op::Steps(_))).unwrap_or(ops.len());
    let (before, rest) = ops.split_at(at);
    let (edges, after) = match rest.split_first() {
        Some((Op::Steps(edges), after)) => (edges.as_slice(), after),
        _ => return Err("a column without bins is cut into bins".to_owned()),
    };
    let values: Vec<f64> = (0..=edges.len()).map(|bin| value(after, bin as f64)).collect();
    let first = values.first().copied().unwrap_or(0.0);
    let mut all = graph.row(vec![first as f32]);
    if !edges.is_empty() {
        // Above each edge the value changes by the difference of the bins on both sides.
        let lasts = lasts(graph, before, edges)?;
        let above = above(graph, &number, lasts);
        let change = values.windows(2).map(|pair| (pair[1] - pair[0]) as f32).collect();
        let change = graph.builder().floats("bins", &[edges.len() as i64, 1], change);
        let above = graph.plain("MatMul", &[&above, &change]);
        all = graph.plain("Add", &[&above, &all]);
    }
    Ok(or_missing(graph, &number, vec![value(ops, f64::NAN) as f32], &all))
}

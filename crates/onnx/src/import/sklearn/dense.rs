//! Columns as a matrix of numbers, for models that add them up.

use std::collections::HashMap;

use super::super::Told;
use super::super::columns::{Column, Level, Op, value};
use super::super::graph::{Graph, Read};
use super::prepare::size;
use super::steps;
use crate::builder::Attr;
use crate::element::{Domain, ElementType};

/// Below this share of a column's unit the second half of an offset is left out.
const SMALL: f64 = 1e-9;

/// A matrix of the graph, and which column stands at each of its places.
pub(super) struct Matrix {
    pub name: String,
    pub order: Vec<usize>,
}

impl Matrix {
    /// Writes the columns side by side, in an order of its own.
    pub(super) fn write(graph: &mut Graph, columns: &[Column]) -> Told<Self> {
        if columns.is_empty() {
            return Err("it reads no column".to_owned());
        }
        graph.look(columns.iter().map(size).sum())?;
        let mut order: Vec<usize> = (0..columns.len()).collect();
        order.sort_by_key(|&at| Part::of(&columns[at]));
        let key = graph.key(columns);
        let name = graph.once(key, |graph| {
            let mut parts = Vec::new();
            for places in order.chunk_by(|&a, &b| Part::of(&columns[a]) == Part::of(&columns[b])) {
                let group: Vec<&Column> = places.iter().map(|&at| &columns[at]).collect();
                match Part::of(group[0]) {
                    Part::Plain => parts.push(plain(graph, &group)?),
                    Part::Stepped => {
                        for column in group {
                            parts.push(steps::stepped(graph, column)?);
                        }
                    }
                    Part::Made => parts.push(made(graph, &group)),
                    Part::Table(_) => parts.push(looked_up(graph, &group)?),
                }
            }
            Ok(graph.concat(&parts))
        })?;
        Ok(Self { name, order })
    }

    /// Rows of coefficients by column, in the order of this matrix.
    pub(super) fn arrange(&self, coefficients: &[f64]) -> Vec<f32> {
        let width = self.order.len();
        let rows = coefficients.chunks_exact(width);
        rows.flat_map(|row| self.order.iter().map(|&at| row[at] as f32)).collect()
    }

    /// The place of each column.
    pub(super) fn places(&self) -> Vec<usize> {
        let mut places = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(place, &at)| places[at] = place);
        places
    }
}

/// How a column is written, and beside which others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Plain,
    Stepped,
    Made,
    /// Of this input.
    Table(usize),
}

impl Part {
    fn of(column: &Column) -> Self {
        match column {
            Column::Number { ops, .. } if ops.iter().any(|op| matches!(op, Op::Steps(_))) => Self::Stepped,
            Column::Number { .. } => Self::Plain,
            Column::Made { .. } => Self::Made,
            Column::Table { source, .. } => Self::Table(*source),
        }
    }
}

/// A chain of steps as `(x - shift) · scale` within bounds, and what a missing value becomes.
struct Affine {
    shift: f64,
    scale: f64,
    bounds: Option<(f64, f64)>,
    missing: f64,
}

impl Affine {
    fn of(ops: &[Op]) -> Self {
        let (mut offset, mut scale, mut bounds) = (0.0, 1.0, None);
        for op in ops {
            if let Op::Add(v) = op {
                offset += v;
            } else if let Op::Mul(_) | Op::Div(_) = op {
                (offset, scale) = (op.apply(offset), op.apply(scale));
            }
            bounds = match (bounds, op) {
                (None, &Op::Clip(low, high)) => Some((low, high)),
                (Some((low, high)), op) => Some((op.apply(low), op.apply(high))),
                (None, _) => None,
            };
        }
        Self { shift: -offset / scale, scale, bounds, missing: value(ops, f64::NAN) }
    }
}

/// Columns that are numbers of inputs.
fn plain(graph: &mut Graph, columns: &[&Column]) -> Told<String> {
    let mut names = Vec::new();
    let mut steps = Vec::new();
    for column in columns {
        let Column::Number { source, ops, .. } = column else { continue };
        names.push(graph.number(*source)?);
        steps.push(Affine::of(ops));
    }
    let all = graph.concat(&names);
    Ok(scaled(graph, all, &steps))
}

/// Columns of computed values; those of one value that stand together are taken together.
fn made(graph: &mut Graph, columns: &[&Column]) -> String {
    let mut runs: Vec<(&str, Vec<i64>)> = Vec::new();
    let mut steps = Vec::new();
    for column in columns {
        let Column::Made { of, at, ops, .. } = column else { continue };
        steps.push(Affine::of(ops));
        if let Some((name, places)) = runs.last_mut()
            && *name == of.as_str()
        {
            places.push(*at as i64);
        } else {
            runs.push((of.as_str(), vec![*at as i64]));
        }
    }
    let mut parts = Vec::with_capacity(runs.len());
    for (name, places) in runs {
        parts.push(picked(graph, name, places));
    }
    let all = graph.concat(&parts);
    scaled(graph, all, &steps)
}

/// Some columns of a value.
pub(super) fn picked(graph: &mut Graph, value: &str, places: Vec<i64>) -> String {
    let index = graph.builder().ints("columns", &[places.len() as i64], places);
    graph.node((Domain::Onnx, "Gather"), &[value, &index], vec![("axis", Attr::Int(1))])
}

/// Columns filled, shifted, scaled, bounded, each step for all of them at once.
fn scaled(graph: &mut Graph, mut all: String, steps: &[Affine]) -> String {
    if steps.iter().any(|s| s.shift != 0.0 || s.scale != 1.0) {
        // A shift is subtracted in two halves, so that f32 loses nothing of it.
        let high: Vec<f32> = steps.iter().map(|s| s.shift as f32).collect();
        let rest = |s: &Affine| s.shift - f64::from(s.shift as f32);
        let exact = steps.iter().all(|s| (rest(s) * s.scale).abs() < SMALL);
        let scale: Vec<f32> = steps.iter().map(|s| s.scale as f32).collect();
        let first = if exact { scale.clone() } else { vec![1.0; steps.len()] };
        all = scaler(graph, &all, high, first);
        if !exact {
            let low = steps.iter().map(|s| rest(s) as f32).collect();
            all = scaler(graph, &all, low, scale);
        }
    }
    if steps.iter().any(|s| s.bounds.is_some()) {
        let bound = |s: &Affine| s.bounds.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        let low = graph.row(steps.iter().map(|s| bound(s).0 as f32).collect());
        let high = graph.row(steps.iter().map(|s| bound(s).1 as f32).collect());
        all = graph.plain("Max", &[&all, &low]);
        all = graph.plain("Min", &[&all, &high]);
    }
    // What a missing value becomes is past the bounds, which leave it missing.
    if steps.iter().any(|s| !s.missing.is_nan()) {
        let fills = steps.iter().map(|s| s.missing as f32).collect();
        let attrs = vec![
            ("imputed_value_floats", Attr::Floats(fills)),
            ("replaced_value_float", Attr::Float(f32::NAN)),
        ];
        all = graph.node((Domain::Ml, "Imputer"), &[&all], attrs);
    }
    all
}

fn scaler(graph: &mut Graph, all: &str, offset: Vec<f32>, scale: Vec<f32>) -> String {
    let attrs = vec![("offset", Attr::Floats(offset)), ("scale", Attr::Floats(scale))];
    graph.node((Domain::Ml, "Scaler"), &[all], attrs)
}

/// Refuses a table that has no number for some values.
fn numbered(graph: &Graph, source: usize, column: &Column) -> Told<()> {
    let Column::Table { levels, other, missing, .. } = column else { return Ok(()) };
    if other.is_nan() {
        return Err(format!(
            "the column '{}' has no number for unknown categories; let its encoder give them one \
             (OrdinalEncoder: handle_unknown='use_encoded_value')",
            graph.name(source)
        ));
    }
    if levels.iter().map(|(_, v)| v).chain([missing]).any(|v| v.is_nan()) {
        return Err(format!(
            "the column '{}' has a missing value after its encoder, which is not supported here",
            graph.name(source)
        ));
    }
    Ok(())
}

/// Tables over one input: which level it has, one column a level, and from there the values.
fn looked_up(graph: &mut Graph, columns: &[&Column]) -> Told<String> {
    let source = columns[0].source();
    let (mut levels, mut rows): (Vec<&Level>, HashMap<_, usize>) = (Vec::new(), HashMap::new());
    // How far values are from those of any other category, by row and column, and the same of missing ones.
    let (mut cells, mut gaps, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (at, column) in columns.iter().enumerate() {
        numbered(graph, source, column)?;
        let Column::Table { levels: own, other, missing, .. } = column else { continue };
        // Levels that are like an unknown one need no place of their own.
        for (level, value) in own.iter().filter(|(_, value)| value != other) {
            let row = *rows.entry(level.key()).or_insert(levels.len());
            if row == levels.len() {
                levels.push(level);
            }
            cells.push((row, at, (value - other) as f32));
        }
        if missing != other {
            gaps.push((at, (missing - other) as f32));
        }
        others.push(*other as f32);
    }
    if !levels.is_empty() && graph.has_empty(source) {
        // Where the empty text is a category, as which a missing one is sent, there is no missing value.
        gaps.clear();
    }
    let with_missing = !gaps.is_empty();
    let hot = one_hot(graph, source, (&levels, with_missing))?;
    let (height, width) = (levels.len() + usize::from(with_missing), columns.len());
    cells.extend(gaps.into_iter().map(|(at, value)| (levels.len(), at, value)));
    let same = height == width && cells.len() == width && cells.iter().all(|&(r, c, v)| r == c && v == 1.0);
    if same && others.iter().all(|&v| v == 0.0) {
        return Ok(hot);
    }
    let count = height.saturating_mul(width);
    graph.room_for(count.saturating_mul(size_of::<f32>()))?;
    let mut table = vec![0.0; count];
    for (row, at, value) in cells {
        table[row * width + at] = value;
    }
    let table = graph.builder().floats("levels", &[height as i64, width as i64], table);
    let others = graph.row(others);
    let values = graph.plain("MatMul", &[&hot, &table]);
    Ok(graph.plain("Add", &[&values, &others]))
}

/// 1 in the column of the level an input has, 0 elsewhere; the last one is for a missing value.
fn one_hot(graph: &mut Graph, source: usize, (levels, with_missing): (&[&Level], bool)) -> Told<String> {
    if levels.is_empty() && !with_missing {
        return Err(format!("the column '{}' has the same value for every input", graph.name(source)));
    }
    let (read, numbers) = graph.levels(source, levels.iter().copied())?;
    if read == Read::Code {
        let mut texts: Vec<String> = levels
            .iter()
            .filter_map(|level| if let Level::Text(text) = level { Some(text.to_string()) } else { None })
            .collect();
        texts.extend(with_missing.then(String::new));
        let width = texts.len() as i64;
        let name = graph.name(source).to_owned();
        let hot =
            graph.node((Domain::Ml, "OneHotEncoder"), &[&name], vec![("cats_strings", Attr::Texts(texts))]);
        let shape = graph.builder().ints("shape", &[2], vec![-1, width]);
        return Ok(graph.plain("Reshape", &[&hot, &shape]));
    }
    let name = graph.number(source)?;
    let mut parts = Vec::new();
    if !numbers.is_empty() {
        let levels = graph.row(numbers);
        let equal = graph.plain("Equal", &[&name, &levels]);
        parts.push(float(graph, &equal));
    }
    if with_missing {
        let missing = graph.plain("IsNaN", &[&name]);
        parts.push(float(graph, &missing));
    }
    Ok(graph.concat(&parts))
}

/// Truth values as 1 and 0.
pub(super) fn float(graph: &mut Graph, from: &str) -> String {
    let to = Attr::Int(ElementType::Float.code().into());
    graph.node((Domain::Onnx, "Cast"), &[from], vec![("to", to)])
}

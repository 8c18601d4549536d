//! Encoders of categories: `OneHotEncoder` and `OrdinalEncoder`. What a category becomes is a table over the input.

use std::rc::Rc;

use super::super::Told;
use super::super::columns::{Column, Level, Op, told_apart};
use super::super::graph::Graph;
use super::super::skops::Node;
use super::super::value::Value;
use super::prepare::{COLUMNS, values};

/// The code of what an encoder does not know, where it has none for it.
const UNKNOWN: f64 = -1.0;

/// The categories of an encoder's column; a missing value is none of the levels.
struct Categories {
    levels: Vec<Option<Level>>,
    /// The missing value is None, not NaN: imputers and codes for missing values pass it by.
    none: bool,
}

impl Categories {
    fn read(node: Node<'_>) -> Told<Self> {
        let level = |value: Value| match value {
            Value::Text(text) => Ok(Some(Level::Text(text.into()))),
            Value::Number(n) if n.is_nan() => Ok(None),
            Value::Null => Ok(None),
            Value::Number(n) => Ok(Some(Level::Number(n as f32))),
            Value::Bool(truth) => Ok(Some(Level::Number(f32::from(u8::from(truth))))),
            other => Err(format!("a category is {}", other.kind())),
        };
        let values = values(node)?;
        let none = values.contains(&Value::Null);
        let levels: Vec<Option<Level>> = values.into_iter().map(level).collect::<Told<_>>()?;
        told_apart(levels.iter().flatten())?;
        Ok(Self { levels, none })
    }

    /// Tells the graph of an input whose categories are texts: a column of it may have no level that says so.
    fn note(&self, graph: &mut Graph, column: &Column) -> Told<()> {
        let mut known = self.levels.iter().flatten();
        if !matches!(column, Column::Number { .. }) || !known.clone().any(|l| matches!(l, Level::Text(_))) {
            return Ok(());
        }
        let empty = known.any(|level| matches!(level, Level::Text(text) if text.is_empty()));
        graph.texts(column.source(), empty)
    }

    /// What [`Categories::encode`] of a column counts: the levels it hands on, and some of those it compares.
    fn effort(&self, column: &Column) -> usize {
        const COMPARED: usize = 16;
        let known = if let Column::Table { levels, .. } = column { levels.len() } else { 0 };
        let own: usize = self.levels.iter().map(|level| level.as_ref().map_or(1, Level::size)).sum();
        own.max(known).saturating_add(known.saturating_mul(self.levels.len()) / COMPARED)
    }

    /// What fills the missing values of a column in front of the encoder.
    fn fill<'a>(&self, ops: &'a [Op]) -> Told<Option<&'a Op>> {
        let mut first = None;
        for op in ops.iter().rev() {
            match op {
                Op::FillText(_) if self.none => {}
                Op::Fill(_) | Op::FillText(_) => first = Some(op),
                _ => return Err("an encoder behind a scaler is not supported".to_owned()),
            }
        }
        Ok(first)
    }

    /// The column whose values are given one a category, with one for any other value.
    fn encode(&self, column: &Column, values: &[f64], other: f64) -> Told<Column> {
        let pairs = || self.levels.iter().zip(values);
        let find = |wanted: Option<&Level>| {
            pairs().find(|(level, _)| level.as_ref() == wanted).map_or(other, |(_, &value)| value)
        };
        let number = |v: f64| {
            if v.is_nan() { find(None) } else { find(Some(&Level::Number(v as f32))) }
        };
        match column {
            Column::Number { source, ops, .. } => {
                let missing = match self.fill(ops)? {
                    Some(Op::Fill(v)) => number(*v),
                    Some(Op::FillText(text)) => find(Some(&Level::Text(Rc::clone(text)))),
                    _ => find(None),
                };
                let known = pairs().filter_map(|(level, &value)| Some((level.clone()?, value)));
                Ok(Column::table(*source, known.collect(), (other, missing)))
            }
            Column::Table { source, levels, other, missing, .. } => {
                let levels = levels.iter().map(|(level, v)| (level.clone(), number(*v))).collect();
                Ok(Column::table(*source, levels, (number(*other), number(*missing))))
            }
            Column::Made { .. } => {
                Err("an encoder behind a transformer that computes columns from several is not supported"
                    .to_owned())
            }
        }
    }
}

/// What an encoder keeps of each column.
struct Encoder<'a> {
    categories: Vec<Node<'a>>,
    /// Which code each category has when rare ones share one; empty when none do.
    mappings: Vec<Option<Vec<f64>>>,
}

impl<'a> Encoder<'a> {
    fn read(node: Node<'a>, columns: &[Column]) -> Told<Self> {
        let categories = node.get("categories_")?.items()?;
        if categories.len() != columns.len() {
            return Err(format!("categories_: {} lists for {} columns", categories.len(), columns.len()));
        }
        let mut mappings = vec![None; columns.len()];
        if let Some(found) = node.find("_default_to_infrequent_mappings")? {
            for (to, from) in mappings.iter_mut().zip(found.items()?) {
                *to = from.is_array().then(|| from.numbers()).transpose()?;
            }
        }
        Ok(Self { categories, mappings })
    }

    /// The categories of a column with their codes, and the code of rare ones.
    fn column(&self, at: usize) -> Told<(Categories, Vec<f64>, Option<f64>)> {
        let categories = Categories::read(self.categories[at]).map_err(|e| format!("categories_: {e}"))?;
        let plain: Vec<f64> = (0..categories.levels.len()).map(|code| code as f64).collect();
        let Some(codes) = &self.mappings[at] else { return Ok((categories, plain, None)) };
        let rare = codes.iter().copied().fold(0.0, f64::max);
        let mut codes = codes.clone();
        // Ordinal encoders leave a missing value out, which is the last category and has a code of its own.
        let last_is_missing = categories.levels.last().is_some_and(Option::is_none) && !categories.none;
        if last_is_missing && codes.len() + 1 == categories.levels.len() {
            codes.push(f64::NAN);
        }
        if codes.len() != categories.levels.len() {
            return Err("_default_to_infrequent_mappings: not as many codes as categories".to_owned());
        }
        Ok((categories, codes, Some(rare)))
    }
}

/// `OneHotEncoder`: a column for each code.
pub(super) fn one_hot(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Vec<Column>> {
    let encoder = Encoder::read(node, columns)?;
    let unknown = node.word("handle_unknown", "error")?;
    let mut dropped = vec![None; columns.len()];
    let drops = match node.find("_drop_idx_after_grouping")? {
        Some(drops) => Some(drops),
        None => node.find("drop_idx_")?,
    };
    if let Some(drops) = drops {
        for (to, from) in dropped.iter_mut().zip(values(drops)?) {
            *to = from.as_number();
        }
    }
    let mut out = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let (categories, codes, rare) = encoder.column(at)?;
        let last = codes.iter().copied().fold(-1.0, f64::max);
        if last >= COLUMNS as f64 {
            return Err(format!("it makes more than {COLUMNS} columns"));
        }
        let count = (last + 1.0) as usize;
        let other = rare.filter(|_| matches!(unknown.as_str(), "infrequent_if_exist" | "warn"));
        graph.carry(categories.effort(column).saturating_add(count))?;
        categories.note(graph, column)?;
        let coded = categories.encode(column, &codes, other.unwrap_or(UNKNOWN));
        let coded = coded.map_err(|e| format!("column '{}': {e}", graph.name(column.source())))?;
        let hot = hot_codes(coded, count).into_iter().enumerate();
        out.extend(hot.filter(|(code, _)| dropped[at] != Some(*code as f64)).map(|(_, column)| column));
        if out.len() > COLUMNS {
            return Err(format!("it makes more than {COLUMNS} columns"));
        }
    }
    Ok(out)
}

/// Columns that are 1 where a table has the first code, the second and so on. Each lists the levels alone that are not as
/// any other value is, so that all of them together are little longer than the table.
fn hot_codes(coded: Column, count: usize) -> Vec<Column> {
    let Column::Table { source, levels, other, missing, .. } = coded else { return Vec::new() };
    let place = |code: f64| {
        let whole = code >= 0.0 && code.fract() == 0.0;
        whole.then_some(code as usize).filter(|&at| at < count)
    };
    let (other, missing) = (place(other), place(missing));
    let mut tables: Vec<Vec<(Level, f64)>> = vec![Vec::new(); count];
    for (level, code) in levels {
        let own = place(code);
        if own == other {
            continue;
        }
        if let Some(at) = other {
            tables[at].push((level.clone(), 0.0));
        }
        if let Some(at) = own {
            tables[at].push((level, 1.0));
        }
    }
    let flag = |of: Option<usize>, at: usize| f64::from(u8::from(of == Some(at)));
    let tables = tables.into_iter().enumerate();
    tables.map(|(at, levels)| Column::table(source, levels, (flag(other, at), flag(missing, at)))).collect()
}

/// `OrdinalEncoder`: the code of a category.
pub(super) fn ordinal(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Vec<Column>> {
    let encoder = Encoder::read(node, columns)?;
    let absent = node.find("encoded_missing_value")?.map_or(Ok(f64::NAN), Node::number)?;
    let unknown = match node.word("handle_unknown", "error")?.as_str() {
        "use_encoded_value" => node.get("unknown_value")?.number()?,
        _ => f64::NAN,
    };
    let mut out = Vec::with_capacity(columns.len());
    for (at, column) in columns.iter().enumerate() {
        let (categories, mut codes, _) = encoder.column(at)?;
        for (code, level) in codes.iter_mut().zip(&categories.levels) {
            if level.is_none() && !categories.none {
                *code = absent;
            }
        }
        graph.carry(categories.effort(column))?;
        categories.note(graph, column)?;
        let coded = categories.encode(column, &codes, unknown);
        out.push(coded.map_err(|e| format!("column '{}': {e}", graph.name(column.source())))?);
    }
    Ok(out)
}

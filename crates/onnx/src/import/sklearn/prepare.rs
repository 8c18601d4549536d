//! Transformers: every one takes columns and gives columns; see [`super::super::columns`].

use super::super::Told;
use super::super::columns::{Column, Level, Op, told_apart};
use super::super::graph::Graph;
use super::super::skops::Node;
use super::super::value::Value;
use super::{mix, second, select, steps, unknown};

/// Most columns that transformers make.
pub(super) const COLUMNS: usize = 100_000;

/// Carries a fitted transformer over to columns.
pub(super) fn transform(graph: &mut Graph, node: Node<'_>, columns: Vec<Column>) -> Told<Vec<Column>> {
    graph.carry(columns.iter().map(size).sum())?;
    if node.is_scalar() {
        return match node.text()?.as_str() {
            "passthrough" => Ok(columns),
            "drop" => Ok(Vec::new()),
            other => Err(format!("the step '{other}' is unknown")),
        };
    }
    let class = node.class();
    let done = match class {
        _ if !node.is_of("sklearn") => Err(unknown(node)),
        // A mean that is not subtracted stands in the file all the same.
        "StandardScaler" => {
            let mean = if switched(node, "with_mean")? { "mean_" } else { "" };
            let scales = if switched(node, "with_std")? { "scale_" } else { "" };
            scale(node, columns, (mean, Op::Add), (scales, Op::Div))
        }
        "RobustScaler" => scale(node, columns, ("center_", Op::Add), ("scale_", Op::Div)),
        "MaxAbsScaler" => max_abs(node, columns),
        "MinMaxScaler" => min_max(node, columns),
        "Binarizer" => steps::binarize(node, columns),
        "KBinsDiscretizer" => steps::bins(graph, node, columns),
        "Normalizer" => mix::normalize(graph, node, &columns),
        "PolynomialFeatures" => mix::polynomial(graph, node, &columns),
        "PCA" | "IncrementalPCA" | "TruncatedSVD" => mix::project(graph, node, columns),
        "SelectKBest"
        | "SelectPercentile"
        | "SelectFpr"
        | "SelectFdr"
        | "SelectFwe"
        | "GenericUnivariateSelect"
        | "SelectFromModel"
        | "RFE"
        | "RFECV"
        | "SequentialFeatureSelector"
        | "VarianceThreshold" => select::select(node, columns),
        "FeatureUnion" => side_by_side(graph, node, &columns),
        "SimpleImputer" => impute(node, &columns),
        "OneHotEncoder" => one_hot(graph, node, &columns),
        "OrdinalEncoder" => ordinal(graph, node, &columns),
        "ColumnTransformer" => by_column(graph, node, &columns),
        "FunctionTransformer" if passes(node)? => Ok(columns),
        "Pipeline" => {
            let steps = node.get("steps")?.items()?;
            steps.into_iter().try_fold(columns, |columns, step| transform(graph, second(step)?, columns))
        }
        _ => Err(unknown(node)),
    };
    let done = done.map_err(|e| if e.starts_with(class) { e } else { format!("{class}: {e}") })?;
    if done.len() > COLUMNS {
        return Err(format!("{class}: it makes more than {COLUMNS} columns"));
    }
    Ok(done)
}

/// What a copy of a column counts.
pub(super) fn size(column: &Column) -> usize {
    let edges = |op: &Op| if let Op::Steps(edges) = op { edges.len() } else { 0 };
    match column {
        Column::Table { levels, .. } => 1 + levels.len(),
        Column::Number { ops, .. } | Column::Made { ops, .. } => {
            1 + ops.len() + ops.iter().map(edges).sum::<usize>()
        }
    }
}

/// A setting that is on unless the file says otherwise.
pub(super) fn switched(node: Node<'_>, name: &str) -> Told<bool> {
    Ok(node.find(name)?.is_none() || node.flag(name)?)
}

/// Whether a function gives its input as it is: none, or the check that histogram boosting puts before its numbers.
fn passes(node: Node<'_>) -> Told<bool> {
    let Some(function) = node.find("func")? else { return Ok(true) };
    let checks = |node: Node<'_>| node.class() == "check_array" && node.is_of("sklearn");
    if function.class() != "partial" {
        return Ok(checks(function));
    }
    Ok(function.find("func")?.is_some_and(checks))
}

/// The numbers of a member, one a column; none when the transformer does without.
fn each(node: Node<'_>, name: &str, columns: &[Column]) -> Told<Option<Vec<f64>>> {
    if name.is_empty() || node.find(name)?.is_none() {
        return Ok(None);
    }
    let numbers = node.list(name)?;
    if numbers.len() != columns.len() {
        return Err(format!("{name}: {} numbers for {} columns", numbers.len(), columns.len()));
    }
    Ok(Some(numbers))
}

fn scale(
    node: Node<'_>,
    columns: Vec<Column>,
    (shift, add): (&str, fn(f64) -> Op),
    (factor, by): (&str, fn(f64) -> Op),
) -> Told<Vec<Column>> {
    let shifts = each(node, shift, &columns)?;
    let factors = each(node, factor, &columns)?;
    let mut out = Vec::with_capacity(columns.len());
    for (at, mut column) in columns.into_iter().enumerate() {
        if let Some(shifts) = &shifts {
            column = column.then(add(-shifts[at]))?;
        }
        if let Some(factors) = &factors {
            column = column.then(by(factors[at]))?;
        }
        out.push(column);
    }
    Ok(out)
}

fn max_abs(node: Node<'_>, columns: Vec<Column>) -> Told<Vec<Column>> {
    let scaled = scale(node, columns, ("", Op::Add), ("scale_", Op::Div))?;
    // Since scikit-learn 1.9.
    let clip = node.flag("clip")?;
    scaled
        .into_iter()
        .map(|column| if clip { column.then(Op::Clip(-1.0, 1.0)) } else { Ok(column) })
        .collect()
}

fn min_max(node: Node<'_>, columns: Vec<Column>) -> Told<Vec<Column>> {
    let factors = each(node, "scale_", &columns)?.ok_or("scale_: is missing")?;
    let shifts = each(node, "min_", &columns)?.ok_or("min_: is missing")?;
    let range = node.flag("clip")?.then(|| node.get("feature_range")?.numbers()).transpose()?;
    let mut out = Vec::with_capacity(columns.len());
    for (at, column) in columns.into_iter().enumerate() {
        let mut column = column.then(Op::Mul(factors[at]))?.then(Op::Add(shifts[at]))?;
        if let Some([low, high]) = range.as_deref() {
            column = column.then(Op::Clip(*low, *high))?;
        }
        out.push(column);
    }
    Ok(out)
}

/// The elements of an array of numbers, or of objects.
fn values(node: Node<'_>) -> Told<Vec<Value>> {
    if node.is_object_array() || node.is_list() {
        return node
            .items()?
            .into_iter()
            .map(|item| if item.is_array() { item.number().map(Value::Number) } else { item.scalar() })
            .collect();
    }
    let array = node.array()?;
    if array.is_text() {
        return Ok(array.texts()?.into_iter().map(Value::Text).collect());
    }
    Ok(array.numbers()?.into_iter().map(Value::Number).collect())
}

fn impute(node: Node<'_>, columns: &[Column]) -> Told<Vec<Column>> {
    if let Some(missing) = node.find("missing_values")? {
        let nan = missing.is_scalar() && matches!(missing.scalar()?, Value::Number(n) if n.is_nan());
        if !nan && missing.class() != "NAType" {
            return Err("missing_values: other values than NaN are not supported".to_owned());
        }
    }
    let statistics = values(node.get("statistics_")?).map_err(|e| format!("statistics_: {e}"))?;
    if statistics.len() != columns.len() {
        return Err(format!("statistics_: {} values for {} columns", statistics.len(), columns.len()));
    }
    let keep = node.flag("keep_empty_features")?;
    let mut out = Vec::with_capacity(columns.len());
    for (column, fill) in columns.iter().cloned().zip(statistics) {
        match fill {
            Value::Number(n) if n.is_nan() && keep => out.push(column.then(Op::Fill(0.0))?),
            // A column in which training saw no value is left out.
            Value::Number(n) if n.is_nan() => {}
            Value::Number(n) => out.push(column.then(Op::Fill(n))?),
            Value::Text(text) => out.push(column.then(Op::FillText(text))?),
            Value::Bool(truth) => out.push(column.then(Op::Fill(f64::from(u8::from(truth))))?),
            other => return Err(format!("statistics_: {} among them", other.kind())),
        }
    }
    if let Some(indicator) = node.find("indicator_")?.filter(|_| node.flag("add_indicator") == Ok(true)) {
        for at in indicator.list("features_")? {
            let column = columns.get(at as usize).ok_or("indicator_: a column is out of range")?;
            out.push(missing(column)?);
        }
    }
    Ok(out)
}

/// 1 where a column is missing, else 0.
fn missing(column: &Column) -> Told<Column> {
    let flag = |v: f64| f64::from(u8::from(v.is_nan()));
    match column {
        Column::Number { source, ops }
            if ops.iter().all(|op| !matches!(op, Op::Fill(_) | Op::FillText(_))) =>
        {
            Ok(Column::Table { source: *source, levels: Vec::new(), other: 0.0, missing: 1.0 })
        }
        Column::Number { .. } => Err("an indicator of a column that was filled is not supported".to_owned()),
        Column::Table { source, levels, other, missing } => {
            let levels = levels.iter().map(|(level, v)| (level.clone(), flag(*v))).collect();
            Ok(Column::Table { source: *source, levels, other: flag(*other), missing: flag(*missing) })
        }
        Column::Made { .. } => {
            Err("an indicator of a column that was computed from several is not supported".to_owned())
        }
    }
}

/// The categories of an encoder's column; a missing value is none of the levels.
struct Categories {
    levels: Vec<Option<Level>>,
    /// The missing value is None, not NaN: imputers and codes for missing values pass it by.
    none: bool,
}

impl Categories {
    fn read(node: Node<'_>) -> Told<Self> {
        let level = |value: Value| match value {
            Value::Text(text) => Ok(Some(Level::Text(text))),
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

    /// What [`Categories::encode`] of a column counts: the levels it hands on, and some of those it compares.
    fn effort(&self, column: &Column) -> usize {
        const COMPARED: usize = 16;
        let known = if let Column::Table { levels, .. } = column { levels.len() } else { 0 };
        self.levels.len().max(known).saturating_add(known.saturating_mul(self.levels.len()) / COMPARED)
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
            Column::Number { source, ops } => {
                let mut missing = find(None);
                for op in ops.iter().rev() {
                    missing = match op {
                        Op::Fill(v) => number(*v),
                        Op::FillText(_) if self.none => missing,
                        Op::FillText(text) => find(Some(&Level::Text(text.clone()))),
                        _ => return Err("an encoder behind a scaler is not supported".to_owned()),
                    };
                }
                let known = pairs().filter_map(|(level, &value)| Some((level.clone()?, value)));
                Ok(Column::Table { source: *source, levels: known.collect(), other, missing })
            }
            Column::Table { source, levels, other, missing } => {
                let levels = levels.iter().map(|(level, v)| (level.clone(), number(*v))).collect();
                let (other, missing) = (number(*other), number(*missing));
                Ok(Column::Table { source: *source, levels, other, missing })
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

fn one_hot(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Vec<Column>> {
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
        let told = |e: String| format!("column '{}': {e}", graph.name(column.source()));
        let last = codes.iter().copied().fold(-1.0, f64::max);
        let other = rare.filter(|_| matches!(unknown.as_str(), "infrequent_if_exist" | "warn"));
        // Each of as many columns as there are codes keeps all levels.
        graph.carry(categories.effort(column).saturating_mul((last + 1.0) as usize))?;
        let mut hot = 0.0;
        while hot <= last {
            if dropped[at] != Some(hot) {
                let values: Vec<f64> = codes.iter().map(|&c| f64::from(u8::from(c == hot))).collect();
                let other = f64::from(u8::from(other == Some(hot)));
                out.push(categories.encode(column, &values, other).map_err(told)?);
            }
            if out.len() > COLUMNS {
                return Err(format!("it makes more than {COLUMNS} columns"));
            }
            hot += 1.0;
        }
    }
    Ok(out)
}

fn ordinal(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Vec<Column>> {
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
        let told = |e: String| format!("column '{}': {e}", graph.name(column.source()));
        graph.carry(categories.effort(column))?;
        out.push(categories.encode(column, &codes, unknown).map_err(told)?);
    }
    Ok(out)
}

/// `FeatureUnion`: what each of its transformers makes of all columns.
fn side_by_side(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Vec<Column>> {
    if node.find("transformer_weights")?.is_some() {
        return Err("transformer_weights are not supported".to_owned());
    }
    let mut out = Vec::new();
    for step in node.get("transformer_list")?.items()? {
        graph.carry(columns.iter().map(size).sum())?;
        out.extend(transform(graph, second(step)?, columns.to_vec())?);
        if out.len() > COLUMNS {
            return Err(format!("it makes more than {COLUMNS} columns"));
        }
    }
    Ok(out)
}

fn by_column(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Vec<Column>> {
    if node.find("transformer_weights")?.is_some() {
        return Err("transformer_weights are not supported".to_owned());
    }
    let indices = node.get("_transformer_to_input_indices")?;
    let mut out = Vec::new();
    for step in node.get("transformers_")?.items()? {
        let step = step.items()?;
        let (Some(name), Some(inner)) = (step.first(), step.get(1)) else {
            return Err("transformers_: an entry is no triple".to_owned());
        };
        let name = name.text()?;
        let told = |e: String| format!("transformer '{name}': {e}");
        let Some(places) = indices.find(&name)? else { continue };
        let mut taken = Vec::new();
        for at in places.numbers().map_err(told)? {
            let column = columns.get(at as usize).filter(|_| at >= 0.0);
            let column = column.ok_or_else(|| told(format!("there is no column {at}")))?;
            graph.carry(size(column))?;
            taken.push(column.clone());
        }
        if !taken.is_empty() {
            out.extend(transform(graph, *inner, taken).map_err(told)?);
        }
    }
    Ok(out)
}

//! Transformers: every one takes columns and gives columns; see [`super::super::columns`].

use super::super::Told;
use super::super::columns::{Column, Op};
use super::super::graph::Graph;
use super::super::skops::Node;
use super::super::value::Value;
use super::{encode, mix, second, select, steps, unknown};

/// Most columns that transformers make.
pub(super) const COLUMNS: usize = 100_000;

/// Carries a fitted transformer over to columns.
pub(super) fn transform(graph: &mut Graph, node: Node<'_>, columns: Vec<Column>) -> Told<Vec<Column>> {
    graph.carry(columns.iter().map(size).sum())?;
    if node.is_scalar() {
        return by_word(&node.scalar()?, columns);
    }
    let (class, before) = (node.class(), columns.iter().any(Column::is_sparse));
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
        "SimpleImputer" => impute(graph, node, &columns),
        "OneHotEncoder" => encode::one_hot(graph, node, &columns),
        "OrdinalEncoder" => encode::ordinal(graph, node, &columns),
        "ColumnTransformer" => by_column(graph, node, &columns),
        "FunctionTransformer" if passes(node)? => Ok(columns),
        "Pipeline" => {
            let steps = node.get("steps")?.items()?;
            steps.into_iter().try_fold(columns, |columns, step| transform(graph, second(step)?, columns))
        }
        _ => Err(unknown(node)),
    };
    let done = done.and_then(|made| marked(node, before, made));
    let done = done.map_err(|e| if e.starts_with(class) { e } else { format!("{class}: {e}") })?;
    if done.len() > COLUMNS {
        return Err(format!("{class}: it makes more than {COLUMNS} columns"));
    }
    Ok(done)
}

/// A step that is a word, or none.
fn by_word(word: &Value, columns: Vec<Column>) -> Told<Vec<Column>> {
    match word {
        Value::Null => Ok(columns),
        Value::Text(word) if word == "passthrough" => Ok(columns),
        Value::Text(word) if word == "drop" => Ok(Vec::new()),
        Value::Text(word) => Err(format!("the step '{word}' is unknown")),
        other => Err(format!("{} stands where a transformer is expected", other.kind())),
    }
}

/// What a transformer made, marked where scikit-learn keeps it as a sparse matrix; `before` says whether what it read
/// is one. A matrix is sparse as a whole.
fn marked(node: Node<'_>, before: bool, made: Vec<Column>) -> Told<Vec<Column>> {
    let any = || made.iter().any(Column::is_sparse);
    let sparse = match node.class() {
        "OneHotEncoder" => {
            // Until scikit-learn 1.1 the setting had another name.
            let name = if node.find("sparse_output")?.is_some() { "sparse_output" } else { "sparse" };
            switched(node, name)?
        }
        "KBinsDiscretizer" => node.word("encode", "onehot")? == "onehot",
        // Whether enough of it was zero was found in training; dense ones make all of their parts dense.
        "ColumnTransformer" => match node.find("sparse_output_")? {
            Some(found) => found.number().map_err(|e| format!("sparse_output_: {e}"))? != 0.0,
            None => any(),
        },
        "FeatureUnion" | "Pipeline" => any(),
        "OrdinalEncoder" | "PCA" | "IncrementalPCA" | "TruncatedSVD" => false,
        // Scalers, selectors and the like keep what they get.
        _ => before,
    };
    Ok(made.into_iter().map(|column| column.within(sparse)).collect())
}

/// What a copy of a column counts.
pub(super) fn size(column: &Column) -> usize {
    match column {
        Column::Table { levels, .. } => 1 + levels.iter().map(|(level, _)| level.size()).sum::<usize>(),
        Column::Number { ops, .. } | Column::Made { ops, .. } => 1 + ops.iter().map(Op::size).sum::<usize>(),
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
pub(super) fn values(node: Node<'_>) -> Told<Vec<Value>> {
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

fn impute(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Vec<Column>> {
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
            Value::Text(text) => {
                // An indicator tells nothing of what it is of.
                graph.texts(column.source(), false)?;
                out.push(column.then(Op::FillText(text.into()))?);
            }
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
        Column::Number { source, ops, .. }
            if ops.iter().all(|op| !matches!(op, Op::Fill(_) | Op::FillText(_))) =>
        {
            Ok(Column::table(*source, Vec::new(), (0.0, 1.0)))
        }
        Column::Number { .. } => Err("an indicator of a column that was filled is not supported".to_owned()),
        Column::Table { source, levels, other, missing, .. } => {
            let levels = levels.iter().map(|(level, v)| (level.clone(), flag(*v))).collect();
            Ok(Column::table(*source, levels, (flag(*other), flag(*missing))))
        }
        Column::Made { .. } => {
            Err("an indicator of a column that was computed from several is not supported".to_owned())
        }
    }
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

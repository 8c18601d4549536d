//! Transformers that compute a column from several: their columns are values of the graph, in f32.

use super::super::Told;
use super::super::columns::{Column, Op};
use super::super::graph::Graph;
use super::super::skops::Node;
use super::dense::{Matrix, picked};
use crate::builder::Attr;
use crate::element::Domain;

/// Most products of columns.
const TERMS: usize = 10_000;
/// Highest degree of a polynomial.
const DEGREE: f64 = 16.0;
/// Sizes of rows below this count as zero, and such rows are left as they are.
const ZERO: f32 = 10.0 * f64::EPSILON as f32;

/// Columns of a value.
fn made(of: &str, places: impl Iterator<Item = usize>) -> Vec<Column> {
    places.map(|at| Column::made(of, at)).collect()
}

/// `Normalizer`: every row divided by its size.
pub(super) fn normalize(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Vec<Column>> {
    let matrix = Matrix::write(graph, columns)?;
    let axes = || vec![("axes", Attr::Ints(vec![1]))];
    let size = match node.word("norm", "l2")?.as_str() {
        "l1" => graph.node((Domain::Onnx, "ReduceL1"), &[&matrix.name], axes()),
        "l2" => graph.node((Domain::Onnx, "ReduceL2"), &[&matrix.name], axes()),
        "max" => {
            let sizes = graph.plain("Abs", &[&matrix.name]);
            graph.node((Domain::Onnx, "ReduceMax"), &[&sizes], axes())
        }
        other => return Err(format!("norm: '{other}' is not supported")),
    };
    let [zero, one] = [ZERO, 1.0].map(|v| graph.row(vec![v]));
    let none = graph.plain("Less", &[&size, &zero]);
    let size = graph.plain("Where", &[&none, &one, &size]);
    let rows = graph.plain("Div", &[&matrix.name, &size]);
    Ok(made(&rows, matrix.places().into_iter()))
}

/// `PCA`, `IncrementalPCA` and `TruncatedSVD`: sums of the columns, the first two about the mean.
pub(super) fn project(graph: &mut Graph, node: Node<'_>, mut columns: Vec<Column>) -> Told<Vec<Column>> {
    let (rows, width, mut weights) = node.matrix("components_")?;
    if width != columns.len() || rows == 0 || width == 0 {
        return Err(format!("components_: {rows} of {width} numbers for {} columns", columns.len()));
    }
    if node.class() != "TruncatedSVD" {
        let means = node.list("mean_")?;
        if means.len() != width {
            return Err(format!("mean_: {} numbers for {width} columns", means.len()));
        }
        let centred = columns.into_iter().zip(means).map(|(column, mean)| column.then(Op::Add(-mean)));
        columns = centred.collect::<Told<_>>()?;
        if node.flag("whiten")? {
            let variances = node.list("explained_variance_")?;
            if variances.len() != rows {
                return Err(format!("explained_variance_: {} numbers for {rows}", variances.len()));
            }
            for (row, variance) in weights.chunks_exact_mut(width).zip(variances) {
                let scale = variance.sqrt().max(f64::EPSILON);
                row.iter_mut().for_each(|w| *w /= scale);
            }
        }
    }
    let matrix = Matrix::write(graph, &columns)?;
    let arranged = matrix.arrange(&weights);
    let across = (0..width).flat_map(|c| arranged.iter().skip(c).step_by(width).copied()).collect();
    let table = graph.builder().floats("components", &[width as i64, rows as i64], across);
    let sums = graph.plain("MatMul", &[&matrix.name, &table]);
    Ok(made(&sums, 0..rows))
}

/// A product of columns: which one of a degree less it continues, and with which column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Term {
    before: usize,
    with: usize,
}

/// The terms of the next degree, in the order of scikit-learn's; `alone` keeps a column from being its own partner.
fn next(terms: &[Term], width: usize, alone: bool) -> Vec<Term> {
    let mut out = Vec::new();
    for (before, term) in terms.iter().enumerate() {
        out.extend((term.with + usize::from(alone)..width).map(|with| Term { before, with }));
        if out.len() > TERMS {
            break;
        }
    }
    out
}

/// `PolynomialFeatures`.
pub(super) fn polynomial(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Vec<Column>> {
    let [low, high] = [node.get("_min_degree")?.number()?, node.get("_max_degree")?.number()?];
    if !(0.0..=DEGREE).contains(&low) || !(0.0..=DEGREE).contains(&high) {
        return Err(format!("degree: {low} to {high} is out of range, the limit is {DEGREE}"));
    }
    let alone = node.flag("interaction_only")?;
    let (mut out, width) = (Vec::new(), columns.len());
    if node.find("include_bias")?.is_none() || node.flag("include_bias")? {
        let matrix = Matrix::write(graph, columns)?;
        // Some column within the bounds 1 and 1.
        out.push(Column::made(&matrix.name, 0).then(Op::Fill(1.0))?.then(Op::Clip(1.0, 1.0))?);
    }
    if low <= 1.0 && high >= 1.0 {
        out.extend_from_slice(columns);
    }
    if high < 2.0 {
        return Ok(out);
    }
    let matrix = Matrix::write(graph, columns)?;
    let own = matrix.places();
    let (mut value, mut places) = (matrix.name.clone(), own.clone());
    let mut terms: Vec<Term> = (0..width).map(|with| Term { before: 0, with }).collect();
    for degree in 2..=high as usize {
        terms = next(&terms, width, alone);
        if terms.is_empty() {
            break;
        }
        if out.len() + terms.len() > TERMS {
            return Err(format!("it makes more than {TERMS} columns"));
        }
        let before = picked(graph, &value, terms.iter().map(|t| places[t.before] as i64).collect());
        let with = picked(graph, &matrix.name, terms.iter().map(|t| own[t.with] as i64).collect());
        value = graph.plain("Mul", &[&before, &with]);
        places = (0..terms.len()).collect();
        if degree as f64 >= low {
            out.extend(made(&value, 0..terms.len()));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_stand_in_the_order_of_combinations() {
        let first: Vec<Term> = (0..3).map(|with| Term { before: 0, with }).collect();
        let pairs = |terms: &[Term]| terms.iter().map(|t| (t.before, t.with)).collect::<Vec<_>>();
        let second = next(&first, 3, false);
        assert_eq!(pairs(&second), [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]);
        assert_eq!(next(&second, 3, false).len(), 10);
        let apart = next(&first, 3, true);
        assert_eq!(pairs(&apart), [(0, 1), (0, 2), (1, 2)]);
        assert_eq!(pairs(&next(&apart, 3, true)), [(0, 2)]);
        assert!(next(&next(&apart, 3, true), 3, true).is_empty());
    }
}

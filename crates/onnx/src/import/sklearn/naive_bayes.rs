//! Naive Bayes: the logarithm of a class's share is a sum over the columns, of Gaussian ones with their squares.

use super::super::Told;
use super::super::columns::{Column, Op};
use super::super::graph::{Answer, Classes, Graph};
use super::super::skops::Node;
use super::dense::Matrix;
use super::prepare::size;
use super::{classes, linear};

/// From so many times the least variance on, see [`steep`].
const STEEP: f64 = 100.0;

/// Numbers by class and column, row by row.
struct Rows {
    numbers: Vec<f64>,
    width: usize,
}

impl Rows {
    /// Less what all classes share, which changes no probability: of two classes how far the second is above the
    /// first.
    fn apart(&self) -> Vec<f64> {
        let each: Vec<&[f64]> = self.numbers.chunks_exact(self.width.max(1)).collect();
        if let [first, second] = each.as_slice() {
            return second.iter().zip(*first).map(|(b, a)| b - a).collect();
        }
        let count = each.len() as f64;
        let mean = |at: usize| each.iter().map(|row| row[at]).sum::<f64>() / count;
        let means: Vec<f64> = (0..self.width).map(mean).collect();
        each.iter().flat_map(|row| row.iter().zip(&means).map(|(v, m)| v - m)).collect()
    }
}

/// A member with a row for each of `count` classes and a number for each of `width` columns.
fn table(node: Node<'_>, name: &str, (count, width): (usize, usize)) -> Told<Vec<f64>> {
    let (rows, columns, numbers) = node.matrix(name)?;
    if (rows, columns) != (count, width) || count < 2 || width == 0 {
        return Err(format!("{name}: {rows} × {columns} numbers for {count} classes and {width} columns"));
    }
    match numbers.iter().find(|v| !v.is_finite()) {
        Some(wrong) => Err(format!("{name}: {wrong} is among its numbers")),
        None => Ok(numbers),
    }
}

/// Weights of the columns and a number for each class; as probabilities.
fn answer(
    graph: &mut Graph,
    node: Node<'_>,
    columns: &[Column],
    (weights, shifts): (Vec<f64>, Vec<f64>),
) -> Told<Answer> {
    let matrix = Matrix::write(graph, columns)?;
    let weights = matrix.arrange(&Rows { numbers: weights, width: columns.len() }.apart());
    let shifts = Rows { numbers: shifts, width: 1 }.apart().into_iter().map(|v| v as f32).collect();
    Ok(linear::joint(graph, &matrix.name, (weights, shifts), classes(node, "classes_")?))
}

/// `GaussianNB`. Columns are centred and scaled first, by what the classes have in common: what is left of the
/// difference between two classes is then small where the classes are alike, and so is what f32 rounds off.
pub(super) fn gaussian(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let classes = classes(node, "classes_")?;
    let (count, width) = (classes.len(), columns.len());
    // Until scikit-learn 1.0 the variances had another name.
    let name = if node.find("var_")?.is_some() { "var_" } else { "sigma_" };
    let means = table(node, "theta_", (count, width))?;
    let variances = table(node, name, (count, width))?;
    let priors = node.list("class_prior_")?;
    if priors.len() != count || priors.iter().chain(&variances).any(|v| v.is_nan() || *v <= 0.0) {
        return Err(format!("class_prior_, {name}: a number above zero is expected for each class"));
    }
    if steep(&variances, width) {
        let score = (means, variances, priors);
        return distances(graph, (columns, classes), score);
    }
    let mean = |of: &[f64], at: usize| of.iter().skip(at).step_by(width).sum::<f64>() / count as f64;
    let centres: Vec<f64> = (0..width).map(|at| mean(&means, at)).collect();
    let scales: Vec<f64> = (0..width).map(|at| mean(&variances, at).sqrt()).collect();
    let mut scaled = Vec::with_capacity(width);
    for ((column, centre), scale) in columns.iter().zip(&centres).zip(&scales) {
        scaled.push(column.clone().then(Op::Add(-centre))?.then(Op::Div(*scale))?);
    }
    // With z for such a column, ln N(x; m, v) = -(z - m)² / 2v - ln(v) / 2 and a constant, m and v scaled alike.
    let (mut lines, mut squares) = (Vec::new(), Vec::new());
    let mut shifts: Vec<f64> = priors.iter().map(|p| p.ln()).collect();
    for (at, (mean, variance)) in means.iter().zip(&variances).enumerate() {
        let (class, column) = (at / width, at % width);
        let mean = (mean - centres[column]) / scales[column];
        let weight = scales[column] * scales[column] / variance;
        lines.push(mean * weight);
        squares.push(-0.5 * weight);
        shifts[class] -= 0.5 * (variance.ln() + mean * mean * weight);
    }
    let matrix = Matrix::write(graph, &scaled)?;
    let square = graph.plain("Mul", &[&matrix.name, &matrix.name]);
    let all = graph.concat(&[matrix.name.clone(), square]);
    let lines = matrix.arrange(&Rows { numbers: lines, width }.apart());
    let squares = matrix.arrange(&Rows { numbers: squares, width }.apart());
    let rows = lines.chunks_exact(width).zip(squares.chunks_exact(width));
    let weights = rows.flat_map(|(line, square)| line.iter().chain(square).copied()).collect();
    let shifts = Rows { numbers: shifts, width: 1 }.apart().into_iter().map(|v| v as f32).collect();
    Ok(linear::joint(graph, &all, (weights, shifts), classes))
}

/// Whether a column varies so much less in one class than in the mean that squares about a common mean would leave
/// nothing but what f32 rounds off.
fn steep(variances: &[f64], width: usize) -> bool {
    let count = (variances.len() / width.max(1)) as f64;
    (0..width).any(|at| {
        let of = || variances.iter().skip(at).step_by(width);
        let least = of().copied().fold(f64::INFINITY, f64::min);
        of().sum::<f64>() / count > STEEP * least
    })
}

/// `GaussianNB` by squares about the mean of each class: one column a class and column.
fn distances(
    graph: &mut Graph,
    (columns, classes): (&[Column], Classes),
    (means, variances, priors): (Vec<f64>, Vec<f64>, Vec<f64>),
) -> Told<Answer> {
    let (count, width) = (classes.len(), columns.len());
    let cells = count.saturating_mul(means.len());
    graph.room_for(cells.saturating_mul(size_of::<f32>()))?;
    graph.carry(count.saturating_mul(columns.iter().map(size).sum()))?;
    let mut scaled = Vec::with_capacity(means.len());
    let mut shifts: Vec<f64> = priors.iter().map(|p| p.ln()).collect();
    for (at, (mean, variance)) in means.iter().zip(&variances).enumerate() {
        let column = columns[at % width].clone();
        scaled.push(column.then(Op::Add(-mean))?.then(Op::Div((2.0 * variance).sqrt()))?);
        shifts[at / width] -= 0.5 * variance.ln();
    }
    let own = |cell: usize| if cell % means.len() / width == cell / means.len() { -1.0 } else { 0.0 };
    let weights = Rows { numbers: (0..cells).map(own).collect(), width: means.len() };
    let matrix = Matrix::write(graph, &scaled)?;
    let square = graph.plain("Mul", &[&matrix.name, &matrix.name]);
    // Of several classes a share of a far one's distance in all would swallow the others.
    let weights = matrix.arrange(&if count == 2 { weights.apart() } else { weights.numbers });
    let shifts = Rows { numbers: shifts, width: 1 }.apart().into_iter().map(|v| v as f32).collect();
    Ok(linear::joint(graph, &square, (weights, shifts), classes))
}

/// `MultinomialNB`, `ComplementNB` and `BernoulliNB`, which are linear.
pub(super) fn discrete(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let (count, width) = (classes(node, "classes_")?.len(), columns.len());
    let mut weights = table(node, "feature_log_prob_", (count, width))?;
    let mut shifts = node.list("class_log_prior_")?;
    if shifts.len() != count || shifts.iter().any(|v| !v.is_finite()) {
        return Err(format!("class_log_prior_: {count} numbers are expected"));
    }
    let mut columns = columns.to_vec();
    match node.class() {
        // The share of a class counts only where there is no other one.
        "ComplementNB" => shifts.fill(0.0),
        "BernoulliNB" => {
            if let Some(threshold) = node.find("binarize")? {
                let step = Op::Steps(vec![threshold.number()?.next_up()]);
                columns = columns.into_iter().map(|c| c.then(step.clone())).collect::<Told<_>>()?;
            }
            for (row, shift) in weights.chunks_exact_mut(width).zip(&mut shifts) {
                for weight in row {
                    let absent = (-weight.exp()).ln_1p();
                    *shift += absent;
                    *weight -= absent;
                }
            }
            if weights.iter().any(|v| !v.is_finite()) {
                return Err("feature_log_prob_: a column is sure to be 1 in some class".to_owned());
            }
        }
        _ => {}
    }
    answer(graph, node, &columns, (weights, shifts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_classes_share_is_left_out() {
        let two = Rows { numbers: vec![1.0, 5.0, 4.0, 3.0], width: 2 };
        assert_eq!(two.apart(), [3.0, -2.0]);
        let three = Rows { numbers: vec![1.0, 2.0, 6.0], width: 1 };
        assert_eq!(three.apart(), [-2.0, -1.0, 3.0]);
    }
}

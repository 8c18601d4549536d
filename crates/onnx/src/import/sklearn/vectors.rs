//! Support vector machines, written with plain tensor operators.

use super::super::Told;
use super::super::columns::Column;
use super::super::graph::{Answer, Classes, Graph};
use super::super::skops::Node;
use super::classes;
use super::dense::Matrix;

/// The vectors and the kernel of a machine.
struct Machine {
    /// Similarity to every vector: `[N, vectors]`.
    similar: String,
    vectors: usize,
}

impl Machine {
    fn write(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Self> {
        let (vectors, width, numbers) = node.matrix("support_vectors_")?;
        if width != columns.len() || vectors == 0 {
            return Err(format!("support_vectors_: {vectors} of {width} for {} columns", columns.len()));
        }
        let matrix = Matrix::write(graph, columns)?;
        let kernel = node.word("kernel", "rbf")?;
        let gamma = node.get("_gamma")?.number()?;
        let shift = node.find("coef0")?.map_or(Ok(0.0), Node::number)?;
        // Distances do not change with the origin, and near it f32 loses least.
        let middle: Vec<f64> = (0..width)
            .map(|at| match kernel.as_str() {
                "rbf" => numbers.iter().skip(at).step_by(width).sum::<f64>() / vectors as f64,
                _ => 0.0,
            })
            .map(|m| f64::from(m as f32))
            .collect();
        let centred: Vec<f64> = numbers.iter().enumerate().map(|(i, v)| v - middle[i % width]).collect();
        let mut rows = matrix.name.clone();
        if kernel == "rbf" {
            let middle = graph.row(matrix.arrange(&middle));
            rows = graph.plain("Sub", &[&rows, &middle]);
        }
        let arranged = matrix.arrange(&centred);
        let across = (0..width).flat_map(|c| arranged.iter().skip(c).step_by(width).copied()).collect();
        let table = graph.builder().floats("vectors", &[width as i64, vectors as i64], across);
        let product = graph.plain("MatMul", &[&rows, &table]);
        let similar = match kernel.as_str() {
            "linear" => product,
            "rbf" => rbf(graph, (&rows, &product), (&centred, width), gamma)?,
            "poly" | "sigmoid" => {
                let [gamma, shift] = [gamma, shift].map(|v| graph.row(vec![v as f32]));
                let product = graph.plain("Mul", &[&product, &gamma]);
                let product = graph.plain("Add", &[&product, &shift]);
                if kernel == "poly" {
                    power(graph, &product, node.get("degree")?.number()?)?
                } else {
                    graph.plain("Tanh", &[&product])
                }
            }
            other => return Err(format!("the kernel '{other}' is not supported")),
        };
        Ok(Self { similar, vectors })
    }

    /// Weighted sums of the similarities: `[N, columns]`.
    fn sums(&self, graph: &mut Graph, weights: &[f64], shifts: &[f64]) -> String {
        let dims = [self.vectors as i64, shifts.len() as i64];
        let weights = graph.builder().floats("weights", &dims, weights.iter().map(|&v| v as f32).collect());
        let shifts = graph.row(shifts.iter().map(|&v| v as f32).collect());
        let sum = graph.plain("MatMul", &[&self.similar, &weights]);
        graph.plain("Add", &[&sum, &shifts])
    }
}

/// `e` to the power of `-γ |x - v|²`.
fn rbf(
    graph: &mut Graph,
    (rows, product): (&str, &str),
    (vectors, width): (&[f64], usize),
    gamma: f64,
) -> Told<String> {
    let square = graph.plain("Mul", &[rows, rows]);
    let ones = graph.builder().floats("ones", &[width as i64, 1], vec![1.0; width]);
    let size = graph.plain("MatMul", &[&square, &ones]);
    let sizes = vectors.chunks_exact(width).map(|v| v.iter().map(|x| x * x).sum::<f64>() as f32).collect();
    let sizes = graph.row(sizes);
    let [double, gamma] = [-2.0, -gamma].map(|v| graph.row(vec![v as f32]));
    let product = graph.plain("Mul", &[product, &double]);
    let distance = graph.plain("Add", &[&product, &sizes]);
    let distance = graph.plain("Add", &[&distance, &size]);
    let distance = graph.plain("Relu", &[&distance]);
    let exponent = graph.plain("Mul", &[&distance, &gamma]);
    Ok(graph.plain("Exp", &[&exponent]))
}

/// A whole power by multiplication: what is below zero has none by logarithms.
fn power(graph: &mut Graph, value: &str, degree: f64) -> Told<String> {
    if !(1.0..=16.0).contains(&degree) || degree.fract() != 0.0 {
        return Err(format!("degree: {degree} is no whole number from 1 to 16"));
    }
    let mut out = value.to_owned();
    for _ in 1..degree as usize {
        out = graph.plain("Mul", &[&out, value]);
    }
    Ok(out)
}

/// `SVR` and `NuSVR`.
pub(super) fn regressor(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let machine = Machine::write(graph, node, columns)?;
    let (rows, width, weights) = node.matrix("dual_coef_")?;
    if (rows, width) != (1, machine.vectors) {
        return Err(format!("dual_coef_: {rows} × {width} for {} vectors", machine.vectors));
    }
    let shift = node.list("intercept_")?;
    let shift = shift.get(..1).ok_or("intercept_: is empty")?;
    Ok(Answer::Value(machine.sums(graph, &weights, shift)))
}

/// `SVC` and `NuSVC`: every pair of classes votes.
pub(super) fn classifier(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<Answer> {
    let machine = Machine::write(graph, node, columns)?;
    let classes = classes(node, "classes_")?;
    let count = classes.len();
    if count > 2 && node.flag("break_ties")? {
        return Err("break_ties is not supported".to_owned());
    }
    let pairs = count * count.saturating_sub(1) / 2;
    let (rows, width, duals) = node.matrix("_dual_coef_")?;
    let (shifts, sizes) = (node.list("_intercept_")?, node.list("_n_support")?);
    let total: f64 = sizes.iter().sum();
    if rows + 1 != count
        || width != machine.vectors
        || shifts.len() != pairs
        || sizes.len() != count
        || total != width as f64
        || !sizes.iter().all(|&n| n.fract() == 0.0 && (0.0..=total).contains(&n))
    {
        return Err(format!("dual_coef_, intercept_, n_support_: do not fit {count} classes"));
    }
    if count == 2 {
        return binary(graph, node, (&machine, &duals, &shifts), classes);
    }
    let mut owner = Vec::with_capacity(width);
    for (class, &size) in sizes.iter().enumerate() {
        owner.extend(std::iter::repeat_n(class, size as usize));
    }
    // These grow with the square of the classes.
    graph.room_for(pairs.saturating_mul(width.saturating_add(count)).saturating_mul(size_of::<f32>()))?;
    // For a pair a vector of the first class has the weight in the row before the other class.
    let mut weights = vec![0.0; width * pairs];
    let mut votes = vec![0.0_f32; pairs * count];
    let mut base = vec![0.0_f32; count];
    let each = (0..count).flat_map(|i| (i + 1..count).map(move |j| (i, j)));
    for (pair, (i, j)) in each.enumerate() {
        for (at, &class) in owner.iter().enumerate() {
            let row = if class == i { j - 1 } else { i };
            if class == i || class == j {
                weights[at * pairs + pair] = duals[row * width + at];
            }
        }
        // The second class has the vote unless the first one gets it.
        (votes[pair * count + i], votes[pair * count + j]) = (1.0, -1.0);
        base[j] += 1.0;
    }
    let sums = machine.sums(graph, &weights, &shifts);
    let zero = graph.row(vec![0.0]);
    let won = graph.plain("Greater", &[&sums, &zero]);
    let float = vec![("to", crate::builder::Attr::Int(1))];
    let won = graph.node((crate::element::Domain::Onnx, "Cast"), &[&won], float);
    let votes = graph.builder().floats("votes", &[pairs as i64, count as i64], votes);
    let base = graph.row(base);
    let votes = graph.plain("MatMul", &[&won, &votes]);
    let votes = graph.plain("Add", &[&votes, &base]);
    let label = graph.greatest(&votes, &classes);
    Ok(Answer::Classes { label, probabilities: None, classes })
}

/// The decision function of two classes, for the second.
pub(super) fn decision(graph: &mut Graph, node: Node<'_>, columns: &[Column]) -> Told<String> {
    let machine = Machine::write(graph, node, columns)?;
    let (rows, width, duals) = node.matrix("_dual_coef_")?;
    let shifts = node.list("_intercept_")?;
    if (rows, width) != (1, machine.vectors) || shifts.len() != 1 {
        return Err("the decision function of more than two classes is not supported".to_owned());
    }
    let score = machine.sums(graph, &duals, &shifts);
    // Above zero libsvm means the first class.
    Ok(graph.plain("Neg", &[&score]))
}

/// Two classes: the sign decides; Platt's sigmoid gives probabilities where it was fitted.
fn binary(
    graph: &mut Graph,
    node: Node<'_>,
    (machine, duals, shifts): (&Machine, &[f64], &[f64]),
    classes: Classes,
) -> Told<Answer> {
    let score = machine.sums(graph, duals, shifts);
    // Above zero libsvm means the first class.
    let away = graph.plain("Neg", &[&score]);
    let both = graph.concat(&[score.clone(), away]);
    let label = graph.greatest(&both, &classes);
    let fitted = |name: &str| -> Told<Option<f64>> {
        let found = node.find(name)?.filter(|n| n.is_array()).map(Node::numbers).transpose()?;
        Ok(found.and_then(|numbers| numbers.first().copied()))
    };
    let (Some(a), Some(b)) = (fitted("_probA")?, fitted("_probB")?) else {
        return Ok(Answer::Classes { label, probabilities: None, classes });
    };
    let [a, b] = [a, b].map(|v| graph.row(vec![v as f32]));
    let exponent = graph.plain("Mul", &[&score, &a]);
    let exponent = graph.plain("Add", &[&exponent, &b]);
    let second = graph.plain("Sigmoid", &[&exponent]);
    let probabilities = graph.pair(&second);
    Ok(Answer::Classes { label, probabilities: Some(probabilities), classes })
}

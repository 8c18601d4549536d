//! Machines as matrix products: the kernel of every support vector, then their weighted sum.

use super::{Kernel, Machine};
use crate::Error;
use crate::export::Sheet;
use onnx::Attr;

/// Adds the machines; returns the name of their answers `[N, outputs]`.
pub(super) fn machine(machine: &Machine, sheet: &mut Sheet<'_>) -> Result<String, Error> {
    let (width, outputs) = (machine.inputs.intercept.len(), machine.offsets.len());
    let count = machine.squares.len();
    let x = sheet.linear(&machine.inputs)?;
    let offsets = sheet.floats("offsets", &[outputs as i64], machine.offsets.clone());
    if count == 0 {
        // Nothing but offsets: the inputs carry the rows.
        let none = sheet.floats("no_weights", &[width as i64, outputs as i64], vec![0.0; width * outputs]);
        let scores = sheet.make("Gemm", "scores", &[&x, &none, &offsets], vec![]);
        return Ok(sheet.link(machine.link, scores));
    }
    let vectors = sheet.floats("support_vectors", &[count as i64, width as i64], machine.vectors.clone());
    let turned = vec![("transB", Attr::Int(1))];
    let products = sheet.make("Gemm", "products", &[&x, &vectors], turned);
    let kernels = match machine.kernel {
        Kernel::Linear => products,
        Kernel::Radial => radial(machine, sheet, (&x, &products)),
        Kernel::Polynomial(degree) => {
            let gamma = sheet.floats("gamma", &[1], vec![machine.gamma]);
            let one = sheet.floats("one", &[1], vec![1.0]);
            let scaled = sheet.make("Mul", "scaled_products", &[&products, &gamma], vec![]);
            let base = sheet.make("Add", "base", &[&scaled, &one], vec![]);
            let mut power = base.clone();
            for _ in 1..degree {
                power = sheet.make("Mul", "power", &[&power, &base], vec![]);
            }
            power
        }
    };
    let coefficients =
        sheet.floats("coefficients", &[count as i64, outputs as i64], machine.coefficients.clone());
    let scores = sheet.make("Gemm", "scores", &[&kernels, &coefficients, &offsets], vec![]);
    Ok(sheet.link(machine.link, scores))
}

/// e^(−γ(‖x‖² + ‖v‖² − 2 x·v)).
fn radial(machine: &Machine, sheet: &mut Sheet<'_>, (x, products): (&str, &str)) -> String {
    let width = machine.inputs.intercept.len();
    let two = sheet.floats("two", &[1], vec![2.0]);
    let ones = sheet.floats("ones", &[width as i64, 1], vec![1.0; width]);
    let own = sheet.floats("vector_squares", &[1, machine.squares.len() as i64], machine.squares.clone());
    let gamma = sheet.floats("minus_gamma", &[1], vec![-machine.gamma]);
    let squared = sheet.make("Mul", "squared", &[x, x], vec![]);
    let square = sheet.make("MatMul", "square", &[&squared, &ones], vec![]);
    let both = sheet.make("Add", "squares", &[&square, &own], vec![]);
    let twice = sheet.make("Mul", "twice", &[products, &two], vec![]);
    let distance = sheet.make("Sub", "distance", &[&both, &twice], vec![]);
    let exponent = sheet.make("Mul", "exponent", &[&distance, &gamma], vec![]);
    sheet.make("Exp", "kernels", &[&exponent], vec![])
}

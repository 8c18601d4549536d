//! Functions of one element with parameters, and those that are rarely met. Computed in f64.

use std::fmt;
use std::sync::Arc;

use super::{Inputs, Op, Operator, need, need_value};
use crate::attrs::Node;
use crate::error::Result;
use crate::program::{Kind, Lower, Value};
use crate::tensor::{Data, Tensor};

struct Curve(Arc<dyn Fn(f64) -> f64 + Send + Sync>);

impl fmt::Debug for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Curve")
    }
}

/// The operator of this node, when it is one of these.
pub(super) fn build(node: &Node<'_>) -> Result<Option<Op>> {
    let curve = match with_parameters(node)? {
        Some(curve) => curve,
        None => match plain(node.op()) {
            Some(f) => Curve(Arc::new(f)),
            None => return Ok(None),
        },
    };
    Ok(Some(Box::new(curve)))
}

fn plain(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "Acos" => f64::acos,
        "Acosh" => f64::acosh,
        "Asin" => f64::asin,
        "Asinh" => f64::asinh,
        "Atan" => f64::atan,
        "Atanh" => f64::atanh,
        "Cos" => f64::cos,
        "Cosh" => f64::cosh,
        "Erf" => erf,
        "HardSwish" => |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        "Mish" => |x| x * softplus(x).tanh(),
        "Sin" => f64::sin,
        "Sinh" => f64::sinh,
        "Softsign" => |x| x / (1.0 + x.abs()),
        "Tan" => f64::tan,
        _ => return None,
    })
}

fn with_parameters(node: &Node<'_>) -> Result<Option<Curve>> {
    let number = |name: &str, default: f32| node.float(name).map(|v| f64::from(v.unwrap_or(default)));
    let f: Arc<dyn Fn(f64) -> f64 + Send + Sync> = match node.op() {
        "Celu" => {
            let alpha = number("alpha", 1.0)?;
            // `max` and `min` would drop what is missing.
            let curve = move |x: f64| x.max(0.0) + (alpha * (x / alpha).exp_m1()).min(0.0);
            Arc::new(move |x| if x.is_nan() { x } else { curve(x) })
        }
        "Elu" => {
            let alpha = number("alpha", 1.0)?;
            Arc::new(move |x| if x < 0.0 { alpha * x.exp_m1() } else { x })
        }
        "Gelu" => match node.text("approximate")?.as_deref() {
            None | Some("none") => Arc::new(|x| 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2))),
            Some("tanh") => Arc::new(|x| {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }),
            Some(other) => return Err(node.error(format!("approximate {other:?} is unknown"))),
        },
        "HardSigmoid" => {
            let (alpha, beta) = (number("alpha", 0.2)?, number("beta", 0.5)?);
            Arc::new(move |x| if x.is_nan() { x } else { (alpha * x + beta).clamp(0.0, 1.0) })
        }
        "LeakyRelu" => {
            let alpha = number("alpha", 0.01)?;
            Arc::new(move |x| if x < 0.0 { alpha * x } else { x })
        }
        "Selu" => {
            let (alpha, gamma) = (number("alpha", 1.673_263_2)?, number("gamma", 1.050_701)?);
            Arc::new(move |x| gamma * if x > 0.0 { x } else { alpha * x.exp_m1() })
        }
        "ThresholdedRelu" => {
            let alpha = number("alpha", 1.0)?;
            Arc::new(move |x| if x > alpha { x } else { 0.0 })
        }
        _ => return Ok(None),
    };
    Ok(Some(Curve(f)))
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The error function, from the series e^(-x²) Σ 2ⁿ x²ⁿ⁺¹ / (1·3·…·(2n+1)) · 2/√π, whose terms all have one
/// sign (Abramowitz and Stegun, 7.1.6).
fn erf(x: f64) -> f64 {
    /// From here on it is 1 in f64.
    const END: f64 = 6.0;
    if x.is_nan() || x.abs() >= END {
        return if x.is_nan() { x } else { x.signum() };
    }
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while term.abs() > sum.abs() * f64::EPSILON {
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
        n += 1.0;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

impl Operator for Curve {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let data = match &input.data {
            Data::Float(v) => Data::Float(v.iter().map(|&x| (self.0)(x.into()) as f32).collect()),
            Data::Double(v) => Data::Double(v.iter().map(|&x| (self.0)(x)).collect()),
            other => return Err(format!("does not take {}", other.type_name())),
        };
        Ok(vec![Tensor { dims: input.dims.clone(), data }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        let f = Arc::clone(&self.0);
        let row = lower.map(&row, row.shape.clone(), Kind::Float, move |from, to| {
            to.iter_mut().zip(from).for_each(|(to, &x)| *to = f(x.into()) as f32);
        })?;
        Ok(vec![Value::Row(row)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function() {
        // Abramowitz and Stegun, table 7.1.
        let table = [(0.0, 0.0), (0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9), (2.0, 0.995_322_265_0)];
        for (x, y) in table {
            assert!((erf(x) - y).abs() < 1e-10 && (erf(-x) + y).abs() < 1e-10, "{x}");
        }
        assert_eq!((erf(7.0), erf(f64::NEG_INFINITY)), (1.0, -1.0));
        assert!(erf(f64::NAN).is_nan());
    }
}

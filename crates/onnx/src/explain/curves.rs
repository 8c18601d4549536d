//! Curves of one variable, in f64.

use crate::attrs::Node;
use crate::error::Result;

/// Places that differ by no more, as a share of their size, are the same but for rounding.
const SAME: f64 = 1e-9;
/// How far around such a place the slope is taken.
const NEAR: f64 = 1e-5;

/// A curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Curve {
    Sigmoid,
    Tanh,
    Relu,
    Leaky(f64),
    Elu(f64),
    Softplus,
    Exp,
    Log,
    Sqrt,
    Abs,
    Reciprocal,
    Erf,
    Clip(f64, f64),
}

impl Curve {
    /// The curve of a node; `Clip` gets its ends from its inputs later.
    pub fn read(node: &Node<'_>) -> Result<Option<Self>> {
        let alpha = |default: f32| Ok(f64::from(node.float("alpha")?.unwrap_or(default)));
        Ok(Some(match node.op() {
            "Sigmoid" => Self::Sigmoid,
            "Tanh" => Self::Tanh,
            "Relu" => Self::Relu,
            "LeakyRelu" => Self::Leaky(alpha(0.01)?),
            "Elu" => Self::Elu(alpha(1.0)?),
            "Softplus" => Self::Softplus,
            "Exp" => Self::Exp,
            "Log" => Self::Log,
            "Sqrt" => Self::Sqrt,
            "Abs" => Self::Abs,
            "Reciprocal" => Self::Reciprocal,
            "Erf" => Self::Erf,
            "Clip" => {
                let end = |name: &str, default: f64| Ok(node.float(name)?.map_or(default, f64::from));
                Self::Clip(end("min", f64::NEG_INFINITY)?, end("max", f64::INFINITY)?)
            }
            _ => return Ok(None),
        }))
    }

    /// Its height.
    pub fn at(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => sigmoid(x),
            Self::Tanh => x.tanh(),
            Self::Relu => x.max(0.0),
            Self::Leaky(alpha) => {
                if x < 0.0 {
                    alpha * x
                } else {
                    x
                }
            }
            Self::Elu(alpha) => {
                if x < 0.0 {
                    alpha * x.exp_m1()
                } else {
                    x
                }
            }
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Abs => x.abs(),
            Self::Reciprocal => 1.0 / x,
            Self::Erf => erf(x),
            Self::Clip(low, high) => x.max(low).min(high),
        }
    }

    /// Mean slope between two places.
    pub fn slope(self, from: f64, to: f64) -> f64 {
        let slope = |a: f64, b: f64| (self.at(b) - self.at(a)) / (b - a);
        let size = from.abs().max(1.0);
        if (to - from).abs() > SAME * size {
            return slope(from, to);
        }
        // What differs by rounding at most is looked at with a little around it. At the edge of a curve there may be nothing
        // beyond; then nothing moves either.
        let around = slope(from - NEAR * size, to + NEAR * size);
        if around.is_finite() { around } else { 0.0 }
    }
}

pub(super) fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

/// By the series near 0 and the continued fraction beyond (Abramowitz and Stegun 7.1.6 and 7.1.14).
fn erf(x: f64) -> f64 {
    let size = x.abs();
    let two = 2.0 / std::f64::consts::PI.sqrt();
    let value = if size < 2.5 {
        let (mut term, mut sum, mut n) = (size, size, 0.0);
        while term.abs() > 1e-17 {
            n += 1.0;
            term *= 2.0 * size * size / (2.0 * n + 1.0);
            sum += term;
        }
        two * (-size * size).exp() * sum
    } else {
        let fraction = (1..60).rev().fold(size, |f, k| size + f64::from(k) / 2.0 / f);
        1.0 - two / 2.0 * (-size * size).exp() / fraction
    };
    value.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_and_slopes() {
        assert!((erf(0.5) - 0.520_499_877_813_046_5).abs() < 1e-14);
        assert!((erf(-3.0) + 0.999_977_909_503_001_4).abs() < 1e-14);
        assert_eq!(Curve::Relu.slope(-1.0, 3.0), 0.75);
        assert!((Curve::Sigmoid.slope(0.2, 0.2) - sigmoid(0.2) * (1.0 - sigmoid(0.2))).abs() < 1e-8);
    }
}

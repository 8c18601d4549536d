//! Arithmetic of additive values.

use super::curves::Curve;
use super::value::{Sum, room};
use crate::limits;
use crate::ops::{broadcast_places, broadcast_shape, float};
use crate::tensor::Tensor;

/// Rises of a softmax beyond this are integrated in several panels: so many, or as many as so many products allow.
const PANEL: f64 = 6.0;
const PANELS: f64 = 64.0;
const PRODUCTS: f64 = 2e6;
/// Classes of a softmax at most.
const CLASSES: usize = 300;

impl Sum {
    /// All parts and the base times a number.
    pub fn scaled(&self, factor: f64) -> Self {
        let mut out = self.clone();
        out.base.iter_mut().chain(&mut out.parts).for_each(|x| *x *= factor);
        out
    }

    /// The same elements in another shape.
    pub fn shaped(mut self, dims: Vec<usize>) -> Self {
        self.dims = dims;
        self
    }

    /// The values in f32.
    pub fn tensor(&self) -> Tensor {
        float(self.dims.clone(), (0..self.len()).map(|e| self.value(e) as f32).collect())
    }

    fn values(&self) -> Vec<f64> {
        (0..self.len()).map(|e| self.value(e)).collect()
    }

    fn is_constant(&self) -> bool {
        self.parts.iter().all(|&p| p == 0.0)
    }

    fn broadcast(&self, dims: &[usize]) -> Self {
        if self.dims == dims {
            return self.clone();
        }
        self.pick(dims.to_vec(), &broadcast_places(&self.dims, dims))
    }
}

/// Elements of all, one after the other.
pub(super) fn joined(all: &[&Sum]) -> Sum {
    let players = all.iter().map(|s| s.players()).max().unwrap_or(0);
    let base: Vec<f64> = all.iter().flat_map(|s| s.base.iter().copied()).collect();
    let mut parts = Vec::with_capacity(players * base.len());
    for player in 0..players {
        for sum in all {
            match sum.parts.get(player * sum.len()..(player + 1) * sum.len()) {
                Some(row) => parts.extend_from_slice(row),
                // A constant may have no parts at all.
                None => parts.resize(parts.len() + sum.len(), 0.0),
            }
        }
    }
    Sum { dims: vec![base.len()], base, parts, exact: all.iter().all(|s| s.exact) }
}

fn met(all: &[&Sum]) -> Result<Vec<Sum>, String> {
    let shapes: Vec<&[usize]> = all.iter().map(|s| s.dims.as_slice()).collect();
    let dims = broadcast_shape(&shapes, limits::FOLDED_INPUT)?;
    let players = all.iter().map(|s| s.players()).max().unwrap_or(0);
    room(players, dims.iter().product())?;
    Ok(all.iter().map(|s| s.broadcast(&dims)).collect())
}

/// The sum of all, every one after the first times `factor`.
pub(super) fn added(all: &[&Sum], factor: f64) -> Result<Sum, String> {
    let mut all = met(all)?.into_iter();
    let first = all.next().ok_or("has no input")?;
    Ok(all.fold(first, |sum, next| sum.plus(&next, factor)))
}

/// A matrix product with a constant on the right, `turned` when it stands transposed.
pub(super) fn matrix(left: &Sum, right: &Sum, turned: bool) -> Result<Sum, String> {
    if !right.is_constant() {
        return Err("multiplies two values that both depend on the row".to_owned());
    }
    let [a, b] = *right.dims.as_slice() else {
        return Err(format!("multiplies by a tensor of shape {:?}", right.dims));
    };
    let (height, width) = if turned { (b, a) } else { (a, b) };
    if left.len() != height {
        return Err(format!("multiplies {} elements by a matrix of {height} rows", left.len()));
    }
    // The work too: every player has a row of its own.
    room(left.players(), height.saturating_mul(width) / 16)?;
    room(left.players(), width)?;
    let at = |i: usize| if turned { right.base[i % width * height + i / width] } else { right.base[i] };
    let weights: Vec<f64> = (0..height * width).map(at).collect();
    let dims = if left.dims.len() == 1 { vec![width] } else { vec![1, width] };
    Ok(left.times(dims, &weights, width))
}

/// Carries contributions along a curve by its mean slope.
pub(super) fn curved(sum: &Sum, curve: Curve) -> Sum {
    let (mut base, mut slopes) = (Vec::with_capacity(sum.len()), Vec::with_capacity(sum.len()));
    for (&from, to) in sum.base.iter().zip(sum.values()) {
        base.push(curve.at(from));
        slopes.push(curve.slope(from, to));
    }
    let linear = matches!(curve, Curve::Clip(low, high)
        if sum.base.iter().copied().chain(sum.values()).all(|x| low <= x && x <= high));
    Sum { exact: sum.exact && linear, ..sum.rescaled(base, &slopes) }
}

/// The product of two: each gets the other's mean on the straight way, which is exact.
pub(super) fn product(all: &[&Sum]) -> Result<Sum, String> {
    let pair = met(all)?;
    let [a, b] = pair.as_slice() else { return Err("multiplies more than two values".to_owned()) };
    let exact = a.exact && b.exact && (a.is_constant() || b.is_constant());
    let (x, y) = (a.values(), b.values());
    let base: Vec<f64> = a.base.iter().zip(&b.base).map(|(a, b)| a * b).collect();
    let middle = |from: &[f64], to: &[f64]| -> Vec<f64> {
        from.iter().zip(to).map(|(&f, &t)| f64::midpoint(f, t)).collect()
    };
    let left = a.rescaled(base, &middle(&b.base, &y));
    let right = b.rescaled(vec![0.0; b.len()], &middle(&a.base, &x));
    Ok(Sum { exact, ..left.plus(&right, 1.0) })
}

/// A quotient along the straight way.
pub(super) fn quotient(all: &[&Sum], points: &[(f64, f64)]) -> Result<Sum, String> {
    let pair = met(all)?;
    let [a, b] = pair.as_slice() else { return Err("divides more than two values".to_owned()) };
    let (x, y) = (a.values(), b.values());
    let (mut up, mut down) = (vec![0.0; a.len()], vec![0.0; a.len()]);
    for e in 0..a.len() {
        (up[e], down[e]) = quotient_slopes((a.base[e], x[e]), (b.base[e], y[e]), points)?;
    }
    let base = a.base.iter().zip(&b.base).map(|(a, b)| a / b).collect();
    let exact = a.exact && b.is_constant();
    let out = a.rescaled(base, &up).plus(&b.rescaled(vec![0.0; b.len()], &down), 1.0);
    Ok(Sum { exact, ..out })
}

/// Divisors that change by less than this share are integrated by points: there the closed form would lose its digits.
const FLAT: f64 = 1e-2;

/// The means of ∂(n/d)/∂n = 1/d and ∂(n/d)/∂d = −n/d² on the straight way from the first `n` and `d` to the second ones.
fn quotient_slopes(
    (n, to_n): (f64, f64),
    (d, to_d): (f64, f64),
    points: &[(f64, f64)],
) -> Result<(f64, f64), String> {
    if d * to_d <= 0.0 {
        return Err("divides by what passes 0 on the way from the base".to_owned());
    }
    let (rise_n, rise_d) = (to_n - n, to_d - d);
    if rise_d.abs() < FLAT * d.abs() {
        let at = |&(t, w): &(f64, f64)| (w, n + t * rise_n, d + t * rise_d);
        let up = points.iter().map(at).map(|(w, _, d)| w / d).sum();
        let down = points.iter().map(at).map(|(w, n, d)| -w * n / (d * d)).sum();
        return Ok((up, down));
    }
    // With n as a line in d: n = ratio · d + rest.
    let up = (to_d / d).ln() / rise_d;
    let ratio = rise_n / rise_d;
    Ok((up, -(ratio * up + (n - ratio * d) / (d * to_d))))
}

/// The softmax along the straight way: Σⱼ of player's part of zⱼ · ∫ ∂pₖ/∂zⱼ.
pub(super) struct Softmax<'a> {
    pub points: &'a [(f64, f64)],
}

impl Softmax<'_> {
    pub fn apply(&self, sum: &Sum) -> Result<Sum, String> {
        let k = sum.len();
        if k > CLASSES {
            return Err(format!("has {k} classes, explained are {CLASSES} at most"));
        }
        let to = sum.values();
        let rise: Vec<f64> = to.iter().zip(&sum.base).map(|(a, b)| a - b).collect();
        let widest = rise.iter().fold(0.0_f64, |w, r| w.max(r.abs()));
        let most = (PRODUCTS / (k * k * self.points.len()) as f64).max(PANELS).floor();
        let panels = (widest / PANEL).ceil().clamp(1.0, most);
        let mut slopes = vec![0.0; k * k];
        for panel in 0..panels as usize {
            for (t, w) in self.points {
                let t = (panel as f64 + t) / panels;
                let z: Vec<f64> = sum.base.iter().zip(&rise).map(|(b, r)| b + t * r).collect();
                let p = softmax(&z);
                for (j, row) in slopes.chunks_exact_mut(k).enumerate() {
                    for (l, slope) in row.iter_mut().enumerate() {
                        *slope += w / panels * p[l] * (f64::from(u8::from(j == l)) - p[j]);
                    }
                }
            }
        }
        let mut out = sum.times(sum.dims.clone(), &slopes, k);
        out.base = softmax(&sum.base);
        out.exact = false;
        Ok(out)
    }
}

fn softmax(z: &[f64]) -> Vec<f64> {
    let top = z.iter().copied().fold(f64::MIN, f64::max);
    let shares: Vec<f64> = z.iter().map(|x| (x - top).exp()).collect();
    let total: f64 = shares.iter().sum();
    shares.into_iter().map(|s| s / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::quadrature::points;

    #[test]
    fn slopes_of_a_quotient_are_those_of_many_small_steps() {
        let steps = 2_000_000;
        for (n, d) in [
            ((1.0, 3.0), (2.0, 5.0)),
            ((0.5, 1e-5), (1.0, 2e-5)),
            ((-4.0, 4.0), (-1.0, -300.0)),
            ((2.0, 2.0), (7.0, 7.0)),
            ((2.0, 3.0), (1.0, 1.0099)),
            ((2.0, 3.0), (1.0, 1.0101)),
        ] {
            let (up, down) = quotient_slopes(n, d, &points(32)).unwrap();
            // Steps of equal ratio where the divisor changes much, so that each changes it little.
            let (mut want_up, mut want_down) = (0.0, 0.0);
            let at = |i: i32| {
                let share = f64::from(i) / f64::from(steps);
                if d.0 == d.1 { share } else { ((d.1 / d.0).powf(share) * d.0 - d.0) / (d.1 - d.0) }
            };
            let mut from = 0.0;
            for to in (1..=steps).map(at) {
                let (t, w) = (f64::midpoint(from, to), to - from);
                let (x, y) = (n.0 + t * (n.1 - n.0), d.0 + t * (d.1 - d.0));
                want_up += w / y;
                want_down -= w * x / (y * y);
                from = to;
            }
            assert!((up / want_up - 1.0).abs() < 1e-9, "{n:?} {d:?}: {up} {want_up}");
            assert!(
                (down - want_down).abs() < 1e-8 * want_down.abs().max(1.0),
                "{n:?} {d:?}: {down} {want_down}"
            );
            let sum = n.0 / d.0 + up * (n.1 - n.0) + down * (d.1 - d.0);
            assert!((sum - n.1 / d.1).abs() < 1e-9, "{n:?} {d:?}: {sum}");
        }
        for d in [(1.0, -1.0), (0.0, 1.0), (-2.0, 0.0)] {
            assert!(quotient_slopes((1.0, 2.0), d, &points(8)).is_err(), "{d:?}");
        }
    }
}

//! Minimises a smooth convex function plus an L1 penalty: L-BFGS (Nocedal 1980) in the orthant-wise form OWL-QN
//! (Andrew, Gao, "Scalable training of L1-regularized log-linear models", 2007); without a penalty it is L-BFGS.

/// Pairs of steps remembered.
const MEMORY: usize = 10;
/// Backtracking steps of a line search.
const BACKTRACKS: usize = 30;
/// Share of the promised fall a step must give.
const ARMIJO: f64 = 1e-4;

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    pub iterations: usize,
    /// Largest component of the (pseudo-)gradient.
    pub gradient: f64,
}

/// Minimises `smooth(x, gradient) → value` + Σ `l1[i]`·|x[i]| from `x` on; `stopped` ends it early.
pub(super) fn minimize(
    x: &mut [f64],
    l1: &[f64],
    stop: Stop,
    mut smooth: impl FnMut(&[f64], &mut [f64]) -> f64,
    stopped: impl Fn() -> bool,
) {
    let penalty = |x: &[f64]| x.iter().zip(l1).map(|(x, l)| x.abs() * l).sum::<f64>();
    let mut gradient = vec![0.0; x.len()];
    let mut value = smooth(x, &mut gradient) + penalty(x);
    let mut pairs: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    let mut next = vec![0.0; x.len()];
    let mut next_gradient = vec![0.0; x.len()];
    for _ in 0..stop.iterations {
        let pseudo = pseudo_gradient(x, &gradient, l1);
        let steepest = pseudo.iter().fold(0.0f64, |a, g| a.max(g.abs()));
        if steepest <= stop.gradient || stopped() {
            break;
        }
        let mut direction = descent(&pseudo, &pairs);
        // Only components that agree with the pseudo-gradient may move (OWL-QN).
        for ((d, g), l) in direction.iter_mut().zip(&pseudo).zip(l1) {
            if *l > 0.0 && *d * g > 0.0 {
                *d = 0.0;
            }
        }
        let slope = dot(&direction, &pseudo);
        if slope >= 0.0 {
            if pairs.is_empty() {
                break;
            }
            pairs.clear();
            continue;
        }
        let mut step = if pairs.is_empty() { 1.0 / norm(&pseudo).max(1.0) } else { 1.0 };
        let mut moved = false;
        for _ in 0..BACKTRACKS {
            advance(x, &direction, step, (&pseudo, l1), &mut next);
            let next_value = smooth(&next, &mut next_gradient) + penalty(&next);
            if next_value <= value + ARMIJO * step * slope {
                moved = value - next_value > 1e-12 * value.abs();
                value = next_value;
                break;
            }
            step *= 0.5;
        }
        if !moved {
            break;
        }
        remember(&mut pairs, (x, &next), (&gradient, &next_gradient));
        x.copy_from_slice(&next);
        gradient.copy_from_slice(&next_gradient);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// The subgradient of least length.
fn pseudo_gradient(x: &[f64], gradient: &[f64], l1: &[f64]) -> Vec<f64> {
    let each = |((&x, &g), &l): ((&f64, &f64), &f64)| {
        if l == 0.0 {
            g
        } else if x != 0.0 {
            g + l * x.signum()
        } else if g + l < 0.0 {
            g + l
        } else if g - l > 0.0 {
            g - l
        } else {
            0.0
        }
    };
    x.iter().zip(gradient).zip(l1).map(each).collect()
}

/// The two-loop recursion.
fn descent(gradient: &[f64], pairs: &[(Vec<f64>, Vec<f64>)]) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = Vec::with_capacity(pairs.len());
    for (s, y) in pairs.iter().rev() {
        let alpha = dot(s, &q) / dot(s, y);
        q.iter_mut().zip(y).for_each(|(q, y)| *q -= alpha * y);
        alphas.push(alpha);
    }
    if let Some((s, y)) = pairs.last() {
        let scale = dot(s, y) / dot(y, y);
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for ((s, y), alpha) in pairs.iter().zip(alphas.into_iter().rev()) {
        let beta = dot(y, &q) / dot(s, y);
        q.iter_mut().zip(s).for_each(|(q, s)| *q += (alpha - beta) * s);
    }
    q
}

/// One step, kept within the orthant for penalised components.
fn advance(x: &[f64], direction: &[f64], step: f64, (pseudo, l1): (&[f64], &[f64]), next: &mut [f64]) {
    for i in 0..x.len() {
        next[i] = x[i] + step * direction[i];
        if l1[i] > 0.0 {
            let orthant = if x[i] == 0.0 { -pseudo[i] } else { x[i] };
            if next[i] * orthant <= 0.0 {
                next[i] = 0.0;
            }
        }
    }
}

/// Keeps the step and the change of the gradient when the curvature along it is positive.
fn remember(pairs: &mut Vec<(Vec<f64>, Vec<f64>)>, x: (&[f64], &[f64]), gradient: (&[f64], &[f64])) {
    let difference = |(a, b): (&[f64], &[f64])| b.iter().zip(a).map(|(b, a)| b - a).collect::<Vec<f64>>();
    let (s, y) = (difference(x), difference(gradient));
    if dot(&s, &y) > 1e-12 * norm(&s) * norm(&y) {
        if pairs.len() == MEMORY {
            pairs.remove(0);
        }
        pairs.push((s, y));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_thresholds_a_quadratic() {
        let centre = [3.0, -0.5, 0.2, -4.0];
        let mut x = vec![0.0; 4];
        let stop = Stop { iterations: 200, gradient: 1e-9 };
        let smooth = |x: &[f64], g: &mut [f64]| {
            let mut value = 0.0;
            for i in 0..4 {
                let scale = 1.0 + i as f64;
                g[i] = scale * (x[i] - centre[i]);
                value += 0.5 * scale * (x[i] - centre[i]).powi(2);
            }
            value
        };
        minimize(&mut x, &[1.0; 4], stop, smooth, || false);
        let expected = [2.0, 0.0, 0.0, -3.75];
        assert!(x.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{x:?}");
    }

    #[test]
    fn finds_the_valley_of_rosenbrock() {
        let mut x = vec![-1.2, 1.0];
        let smooth = |x: &[f64], g: &mut [f64]| {
            let t = x[1] - x[0] * x[0];
            g[0] = -2.0 * (1.0 - x[0]) - 400.0 * x[0] * t;
            g[1] = 200.0 * t;
            (1.0 - x[0]).powi(2) + 100.0 * t * t
        };
        minimize(&mut x, &[0.0; 2], Stop { iterations: 500, gradient: 1e-9 }, smooth, || false);
        assert!((x[0] - 1.0).abs() < 1e-5 && (x[1] - 1.0).abs() < 1e-5, "{x:?}");
    }
}

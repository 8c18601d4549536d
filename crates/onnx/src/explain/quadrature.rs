//! Gauss–Legendre quadrature over [0, 1].

/// Points and weights: exact for polynomials of degree 2n − 1 (Press et al., *Numerical Recipes*, 4.6).
pub(super) fn points(n: usize) -> Vec<(f64, f64)> {
    let root = |k: usize| {
        let mut x = (std::f64::consts::PI * (k as f64 + 0.75) / (n as f64 + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (mut p, mut before) = (1.0, 0.0);
            for degree in 1..=n {
                let d = degree as f64;
                (p, before) = (((2.0 * d - 1.0) * x * p - (d - 1.0) * before) / d, p);
            }
            slope = n as f64 * (x * p - before) / (x * x - 1.0);
            let step = p / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        (f64::midpoint(1.0, x), 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..n).map(root).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_integrated_exactly() {
        for n in [2, 4, 8, 16, 32] {
            for power in 0..(2 * n) as i32 {
                let sum: f64 = points(n).iter().map(|(t, w)| w * t.powi(power)).sum();
                assert!((sum - 1.0 / f64::from(power + 1)).abs() < 1e-13, "{n} points, power {power}: {sum}");
            }
        }
    }
}

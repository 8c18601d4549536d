//! Probabilities of classes from the margins of pairs of classes.

/// A pair's probability is kept this far from 0 and 1.
const EDGE: f64 = 1e-7;

/// Probability of the first class of a pair (Platt): `1 / (1 + e^(a·margin + b))`, kept off 0 and 1.
pub(super) fn platt(margin: f64, a: f32, b: f32) -> f64 {
    let x = margin * f64::from(a) + f64::from(b);
    (1.0 / (1.0 + x.exp())).clamp(EDGE, 1.0 - EDGE)
}

/// Couples the probabilities of all pairs: the fixed point of Wu, Lin and Weng, "Probability estimates for
/// multi-class classification by pairwise coupling" (2004), section 4, algorithm 2, as LIBSVM runs it: until the
/// largest error is below 0.005 over the number of classes, 100 rounds at most.
///
/// `pairs` is `[classes, classes]`, the probability of the line's class against the column's; `scratch` holds
/// `classes · (classes + 1)` numbers.
pub(super) fn couple(pairs: &[f64], scratch: &mut [f64], p: &mut [f64]) {
    const ROUNDS: usize = 100;
    let classes = p.len();
    let (q, qp) = scratch.split_at_mut(classes * classes);
    let r = |i: usize, j: usize| pairs[i * classes + j];
    for i in 0..classes {
        p[i] = 1.0 / classes as f64;
        for j in 0..classes {
            q[i * classes + j] = match i == j {
                true => (0..classes).filter(|&k| k != i).map(|k| r(k, i) * r(k, i)).sum(),
                false => -r(j, i) * r(i, j),
            };
        }
    }
    let enough = 0.005 / classes as f64;
    for _ in 0..ROUNDS {
        let mut pqp = 0.0;
        for i in 0..classes {
            qp[i] = (0..classes).map(|j| q[i * classes + j] * p[j]).sum();
            pqp += p[i] * qp[i];
        }
        let error = qp[..classes].iter().map(|x| (x - pqp).abs()).fold(0.0, f64::max);
        if error < enough {
            return;
        }
        for i in 0..classes {
            let own = q[i * classes + i];
            let step = (pqp - qp[i]) / own;
            p[i] += step;
            pqp = (pqp + step * (step * own + 2.0 * qp[i])) / (1.0 + step) / (1.0 + step);
            for j in 0..classes {
                qp[j] = (qp[j] + step * q[i * classes + j]) / (1.0 + step);
                p[j] /= 1.0 + step;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_classes_keep_their_pair() {
        let (mut p, mut scratch) = ([0.0; 2], [0.0; 6]);
        couple(&[0.0, 0.8, 0.2, 0.0], &mut scratch, &mut p);
        assert!((p[0] - 0.8).abs() < 0.005 && (p[0] + p[1] - 1.0).abs() < 1e-12, "{p:?}");
    }

    #[test]
    fn a_sure_margin_stays_off_the_edge() {
        assert_eq!(platt(1e9, 1.0, 0.0), EDGE);
        assert_eq!(platt(-1e9, 1.0, 0.0), 1.0 - EDGE);
        assert_eq!(platt(0.0, -2.0, 0.0), 0.5);
    }
}

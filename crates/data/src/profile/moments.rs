//! Mean and deviation of a stream.
//!
//! Source: T. Chan, G. Golub, R. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).

/// Count, extremes, mean and squared deviations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments {
    pub count: f64,
    pub min: f64,
    pub max: f64,
    pub mean: f64,
    squares: f64,
}

/// Sums kept side by side, so that they do not wait for each other.
const LANES: usize = 4;

impl Moments {
    pub const fn new() -> Self {
        Self { count: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, mean: 0.0, squares: 0.0 }
    }

    /// Adds values, in two passes: sums of deviations lose nothing that way.
    pub fn add(&mut self, values: &[f64]) {
        let count = values.len() as f64;
        if values.is_empty() {
            return;
        }
        let mean = sum(values, |v| v) / count;
        let squares = sum(values, |v| (v - mean) * (v - mean));
        let (min, max) = values.iter().fold((self.min, self.max), |(low, high), v| {
            (if *v < low { *v } else { low }, if *v > high { *v } else { high })
        });
        self.merge(count, mean, squares);
        (self.min, self.max) = (min, max);
    }

    /// Adds one value so many times.
    pub fn add_times(&mut self, value: f64, times: u64) {
        self.merge(times as f64, value, 0.0);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    fn merge(&mut self, count: f64, mean: f64, squares: f64) {
        let total = self.count + count;
        let apart = mean - self.mean;
        self.mean += apart * count / total;
        self.squares += squares + apart * apart * self.count * count / total;
        self.count = total;
    }

    /// The standard deviation with divisor count − 1; `None` for fewer than two values.
    pub fn deviation(&self) -> Option<f64> {
        (self.count > 1.0).then(|| (self.squares / (self.count - 1.0)).sqrt())
    }
}

fn sum(values: &[f64], term: impl Fn(f64) -> f64) -> f64 {
    let (chunks, tail) = values.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += term(*value);
        }
    }
    lanes.iter().sum::<f64>() + tail.iter().map(|v| term(*v)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up() {
        let values: Vec<f64> = (0..1000).map(|n| 1e9 + f64::from(n % 37)).collect();
        let (mut whole, mut parts) = (Moments::new(), Moments::new());
        whole.add(&values);
        values.chunks(33).for_each(|part| parts.add(part));
        parts.add(&[]);
        let mut counted = Moments::new();
        values.iter().for_each(|v| counted.add_times(*v, 1));
        for other in [parts, counted] {
            assert!((whole.mean - other.mean).abs() < 1e-5);
            assert!((whole.deviation().unwrap() - other.deviation().unwrap()).abs() < 1e-9);
            assert_eq!((whole.count, whole.min, whole.max), (other.count, other.min, other.max));
        }
        assert!(Moments::new().deviation().is_none());
    }
}

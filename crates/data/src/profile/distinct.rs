//! Estimating distinct values: HyperLogLog.
//!
//! Source: P. Flajolet et al., "HyperLogLog" (2007); the estimator without bias at any size is O. Ertl, "New cardinality
//! estimation algorithms for HyperLogLog sketches" (arXiv:1702.01284), algorithm 6.

/// A sketch of a set of hashes; standard error 1.04 / √(2^precision).
#[derive(Debug)]
pub(crate) struct Distinct {
    registers: Vec<u8>,
    precision: u32,
}

impl Distinct {
    /// A sketch of 2^`precision` bytes (4 to 16).
    pub fn new(precision: u32) -> Self {
        let precision = precision.clamp(4, 16);
        Self { registers: vec![0; 1 << precision], precision }
    }

    /// Adds a hash with well-mixed bits.
    #[inline]
    pub fn add(&mut self, hash: u64) {
        let register = (hash >> (64 - self.precision)) as usize;
        // The bit below the others ends the count at 65 − precision.
        let rank = ((hash << self.precision) | 1 << (self.precision - 1)).leading_zeros() as u8 + 1;
        if let Some(slot) = self.registers.get_mut(register)
            && *slot < rank
        {
            *slot = rank;
        }
    }

    /// The number of distinct hashes.
    pub fn estimate(&self) -> f64 {
        let q = 64 - self.precision as usize;
        let m = self.registers.len() as f64;
        let mut counts = vec![0_u32; q + 2];
        for rank in &self.registers {
            counts[usize::from(*rank)] += 1;
        }
        let mut z = m * tau(1.0 - f64::from(counts[q + 1]) / m);
        for count in counts[1..=q].iter().rev() {
            z = 0.5 * (z + f64::from(*count));
        }
        z += m * sigma(f64::from(counts[0]) / m);
        m * m / (2.0 * std::f64::consts::LN_2 * z)
    }
}

fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::tally::Key;

    #[test]
    fn estimates_stay_within_their_error() {
        for count in [0_u32, 10, 1_000, 20_000, 60_000, 300_000] {
            let mut distinct = Distinct::new(14);
            for n in 0..count {
                distinct.add(Key::of_text(n.to_string().as_bytes()).hash);
                distinct.add(Key::of_text((n / 2).to_string().as_bytes()).hash);
            }
            let estimate = distinct.estimate();
            assert!((estimate - f64::from(count)).abs() <= f64::from(count) * 0.025, "{count}: {estimate}");
        }
    }
}

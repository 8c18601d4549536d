//! Quantiles of a stream in bounded memory.
//!
//! Source: Z. Karnin, K. Lang, E. Liberty, "Optimal quantile approximation in streams" (2016), with their sampler: once the
//! stream is long, one of every 2^shift values is taken, so that the cost a value falls the longer the stream is.

/// How much smaller each lower level is.
const SHRINK: f64 = 2.0 / 3.0;
/// The fewest values a level holds.
const LEAST: usize = 8;
/// Levels above which the lowest becomes part of the sampler.
const LEVELS: usize = 8;

/// A sketch of a stream of numbers. Deterministic: the same stream gives the same sketch.
#[derive(Debug)]
pub(crate) struct Sketch {
    k: usize,
    /// Level h holds values that stand for 2^(shift + h) each.
    levels: Vec<Vec<f64>>,
    shift: u32,
    /// Room of the lowest level.
    lowest: usize,
    sample: Sample,
    random: u64,
}

/// The group of values of which one will be taken.
#[derive(Debug, Default, Clone, Copy)]
struct Sample {
    seen: u64,
    pick: u64,
    value: f64,
}

impl Sketch {
    /// A sketch that is exact up to `k` values and holds about three times as many.
    pub fn new(k: usize) -> Self {
        let k = k.max(LEAST * 2);
        Self {
            k,
            levels: vec![Vec::new()],
            shift: 0,
            lowest: k,
            sample: Sample::default(),
            random: 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// Adds values in order.
    pub fn add(&mut self, values: &[f64]) {
        let mut rest = values;
        while !rest.is_empty() {
            if self.shift == 0 {
                let room = self.lowest.saturating_sub(self.levels[0].len()).max(1);
                let (now, later) = rest.split_at(room.min(rest.len()));
                self.levels[0].extend_from_slice(now);
                rest = later;
            } else {
                rest = self.sample(rest);
            }
            if self.levels[0].len() >= self.lowest {
                self.shrink();
            }
        }
    }

    /// Adds one value so many times.
    pub fn add_times(&mut self, value: f64, times: u64) {
        let (whole, rest) = (times >> self.shift, times & ((1 << self.shift) - 1));
        for level in (0..u64::BITS as usize).filter(|bit| whole >> bit & 1 == 1) {
            while self.levels.len() <= level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(value);
        }
        (0..rest).for_each(|_| self.add(&[value]));
        if self.levels.iter().map(Vec::len).sum::<usize>() > 2 * self.k {
            self.shrink();
        }
    }

    /// Takes values into the current group; gives those after its end.
    fn sample<'v>(&mut self, values: &'v [f64]) -> &'v [f64] {
        let size = 1 << self.shift;
        if self.sample.seen == 0 {
            self.sample.pick = self.bits() & (size - 1);
        }
        let Sample { seen, pick, .. } = self.sample;
        let count = (size - seen).min(values.len() as u64);
        // The picked value when it is here; before it the last one stands in, should the stream end.
        let at = pick.min(seen + count - 1);
        if let Some(value) = at.checked_sub(seen).and_then(|at| values.get(at as usize)) {
            self.sample.value = *value;
        }
        self.sample.seen += count;
        if self.sample.seen == size {
            self.levels[0].push(self.sample.value);
            self.sample.seen = 0;
        }
        &values[count as usize..]
    }

    fn room(&self, level: usize) -> usize {
        let below = (self.levels.len() - 1 - level) as i32;
        ((self.k as f64 * SHRINK.powi(below)) as usize).max(LEAST)
    }

    /// Halves every level that is full into the one above.
    fn shrink(&mut self) {
        let mut level = 0;
        while level < self.levels.len() {
            if self.levels[level].len() >= self.room(level) {
                if level + 1 == self.levels.len() {
                    self.levels.push(Vec::new());
                }
                self.halve(level);
            }
            level += 1;
        }
        while self.levels.len() > LEVELS && self.sample.seen == 0 {
            self.drop_lowest();
        }
        self.lowest = self.room(0);
    }

    /// Every second value of a level, in order of size, goes up; of an odd number one stays.
    fn halve(&mut self, level: usize) {
        let odd = self.bits() as usize & 1;
        let mut values = std::mem::take(&mut self.levels[level]);
        let stays = if values.len() % 2 == 1 { values.pop() } else { None };
        values.sort_unstable_by(f64::total_cmp);
        self.levels[level + 1].extend(values.iter().skip(odd).step_by(2));
        values.clear();
        values.extend(stays);
        self.levels[level] = values;
    }

    fn drop_lowest(&mut self) {
        self.halve(0);
        let left = self.levels.remove(0).pop();
        if let Some(value) = left {
            // It becomes the beginning of the first group of the doubled size.
            let size = 1 << self.shift;
            let pick = self.bits() & (2 * size - 1);
            self.sample = Sample { seen: size, pick, value };
        }
        self.shift += 1;
    }

    /// xorshift64*; seeded alike always.
    fn bits(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    /// Values ascending with the number of stream values each stands for.
    pub fn sorted(&self) -> Vec<(f64, u64)> {
        let mut all: Vec<(f64, u64)> = Vec::new();
        for (level, values) in self.levels.iter().enumerate() {
            all.extend(values.iter().map(|v| (*v, 1 << (self.shift as usize + level))));
        }
        if self.sample.seen > 0 {
            all.push((self.sample.value, self.sample.seen));
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank_errors(k: usize, stream: &[f64]) -> f64 {
        let mut sketch = Sketch::new(k);
        stream.chunks(999).for_each(|part| sketch.add(part));
        let held = sketch.sorted();
        assert_eq!(held.iter().map(|h| h.1).sum::<u64>(), stream.len() as u64);
        assert!(held.len() <= 4 * k, "{}", held.len());
        let mut sorted = stream.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (mut below, mut worst) = (0, 0.0_f64);
        for (value, weight) in held {
            below += weight;
            let truth = sorted.partition_point(|v| *v <= value) as f64;
            worst = worst.max((truth - below as f64).abs() / sorted.len() as f64);
        }
        worst
    }

    #[test]
    fn ranks_stay_within_their_error() {
        let scattered: Vec<f64> =
            (0..1_000_003_u64).map(|n| (n * 2_654_435_761 % 1_000_003) as f64).collect();
        let ascending: Vec<f64> = (0..300_000).map(f64::from).collect();
        let descending: Vec<f64> = ascending.iter().rev().copied().collect();
        for stream in [&scattered, &ascending, &descending] {
            let worst = rank_errors(4096, stream);
            assert!(worst < 0.003, "{worst}");
            let worst = rank_errors(256, stream);
            assert!(worst < 0.03, "{worst}");
        }
    }

    #[test]
    fn few_values_are_exact() {
        let mut sketch = Sketch::new(1000);
        let values: Vec<f64> = (0..999).rev().map(f64::from).collect();
        sketch.add(&values);
        let expected: Vec<(f64, u64)> = (0..999).map(|n| (f64::from(n), 1)).collect();
        assert_eq!(sketch.sorted(), expected);
    }

    #[test]
    fn repeated_values_keep_their_weight() {
        let mut sketch = Sketch::new(64);
        (0..500_u64).for_each(|n| sketch.add_times(n as f64, n));
        assert_eq!(sketch.sorted().iter().map(|h| h.1).sum::<u64>(), 499 * 250);
        sketch.add(&[1.0; 5000]);
        assert_eq!(sketch.sorted().iter().map(|h| h.1).sum::<u64>(), 499 * 250 + 5000);
    }
}

//! The search space as a unit cube: every parameter is a function of a number between 0 and 1.

use definitions::jobs::Choice;
use std::collections::BTreeMap;

/// Values of a trial, as they stand in its command.
pub type Values = BTreeMap<String, String>;

/// A stream of numbers from a seed (SplitMix64: Steele, Lea, Flood, OOPSLA 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// The next number in [0, 1).
    pub const fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// How many values a parameter has; none when they cannot be counted.
pub fn count(choice: &Choice) -> Option<u32> {
    match choice {
        Choice::Choice { values } => u32::try_from(values.len()).ok(),
        Choice::Randint { upper } => Some(*upper),
        _ => None,
    }
}

/// The value of a parameter at a place between 0 and 1.
pub fn value(choice: &Choice, at: f64) -> String {
    let at = at.clamp(0.0, 1.0 - f64::EPSILON);
    let between = |min: f64, max: f64| min + (max - min) * at;
    match choice {
        Choice::Choice { values } => values.get(index(at, values.len())).cloned().unwrap_or_default(),
        Choice::Randint { upper } => index(at, *upper as usize).to_string(),
        Choice::Uniform { min, max, step } => number(between(*min, *max), *step),
        Choice::Loguniform { min, max, step } => number(between(*min, *max).exp(), *step),
        Choice::Normal { mu, sigma, step } => number(mu + sigma * quantile(at), *step),
        Choice::Lognormal { mu, sigma, step } => number((mu + sigma * quantile(at)).exp(), *step),
    }
}

/// The place in a list of a place between 0 and 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the list")]
pub fn index(at: f64, length: usize) -> usize {
    ((at * length as f64) as usize).min(length.saturating_sub(1))
}

/// Shortest text of a number, rounded to a multiple of the step.
fn number(value: f64, step: Option<f64>) -> String {
    let Some(step) = step else { return value.to_string() };
    // Ten decimals hide what binary fractions add to a multiple.
    let text = format!("{:.10}", (value / step).round() * step);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The number below which a standard normal value lies with probability `p` (P. Acklam's rational approximation, relative error
/// below 1.15e-9).
fn quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -39.696_830_286_653_76,
        220.946_098_424_520_5,
        -275.928_510_446_968_7,
        138.357_751_867_269,
        -30.664_798_066_147_16,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -54.476_098_798_224_06,
        161.585_836_858_040_9,
        -155.698_979_859_886_6,
        66.801_311_887_719_72,
        -13.280_681_552_885_72,
    ];
    const C: [f64; 6] = [
        -0.007_784_894_002_430_293,
        -0.322_396_458_041_136_5,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] =
        [0.007_784_695_709_041_462, 0.322_467_129_070_039_8, 2.445_134_137_142_996, 3.754_408_661_907_416];
    let p = p.clamp(1e-12, 1.0 - 1e-12);
    let poly = |terms: &[f64], x: f64| terms.iter().fold(0.0, |sum, term| sum * x + term);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        poly(&C, q) / (poly(&D, q) * q + 1.0)
    };
    if p < 0.02425 {
        tail(p)
    } else if p > 1.0 - 0.02425 {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        let r = q * q;
        poly(&A, r) * q / (poly(&B, r) * r + 1.0)
    }
}

/// The combination of this number; none behind the last.
pub fn combination(space: &BTreeMap<String, Choice>, mut number: u64) -> Option<Values> {
    let mut values = Values::new();
    // The last parameter changes fastest.
    for (name, choice) in space.iter().rev() {
        let length = u64::from(count(choice)?);
        let at = (number % length) as f64 + 0.5;
        values.insert(name.clone(), value(choice, at / length as f64));
        number /= length;
    }
    (number == 0).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(values: &[&str]) -> Choice {
        Choice::Choice { values: values.iter().map(|v| (*v).to_owned()).collect() }
    }

    #[test]
    fn every_kind_of_parameter_has_its_values() {
        let kinds = [
            (choice(&["a", "b"]), "a", "b"),
            (Choice::Randint { upper: 10 }, "2", "7"),
            (Choice::Uniform { min: -1.0, max: 1.0, step: None }, "-0.5", "0.5"),
            (Choice::Uniform { min: 0.0, max: 1.0, step: Some(0.1) }, "0.3", "0.8"),
            (Choice::Loguniform { min: 0.0, max: 4.0, step: Some(1.0) }, "3", "20"),
            (Choice::Normal { mu: 10.0, sigma: 2.0, step: Some(1.0) }, "9", "11"),
            (Choice::Lognormal { mu: 0.0, sigma: 1.0, step: Some(0.5) }, "0.5", "2"),
        ];
        for (kind, low, high) in kinds {
            assert_eq!((value(&kind, 0.25).as_str(), value(&kind, 0.75).as_str()), (low, high), "{kind:?}");
        }
        assert!((quantile(0.975) - 1.959_963_985).abs() < 1e-6);
        assert!(quantile(0.5).abs() < 1e-9);
    }

    #[test]
    fn a_grid_has_every_combination_once() {
        let space = BTreeMap::from([
            ("a".to_owned(), choice(&["x", "y"])),
            ("b".to_owned(), Choice::Randint { upper: 3 }),
        ]);
        let all: std::collections::BTreeSet<Values> = (0..9).filter_map(|n| combination(&space, n)).collect();
        assert_eq!(all.len(), 6);
        assert!(combination(&space, 6).is_none());
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let draw = |seed| (0..5).map(|_| Random::new(seed).unit()).collect::<Vec<_>>();
        assert_eq!(draw(1), draw(1));
        let mut random = Random::new(7);
        let mean = (0..1000).map(|_| random.unit()).sum::<f64>() / 1000.0;
        assert!((mean - 0.5).abs() < 0.05, "{mean}");
    }
}

//! The inputs of linear models, networks and kernels: imputed, optionally logarithmic, standardised numbers;
//! indicators of missing values; piecewise linear parts of numbers; one column a category code. Fitted on training
//! rows only.

use crate::dataset::{Dataset, Matrix, Shape};

/// Numbers with a larger skewness are taken as logarithms when asked for.
const SKEWED: f64 = 1.0;
/// Standardised numbers are kept within ± this, so that an outlier can't blow up a linear model.
pub(crate) const REACH: f32 = 10.0;

/// How one number enters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Number {
    pub column: usize,
    /// Put in place of a missing value: the median.
    pub fill: f32,
    /// ln(max(x − low, 0) + offset) in place of x.
    pub log: Option<(f32, f32)>,
    pub mean: f32,
    /// Multiplied after subtracting the mean.
    pub scale: f32,
    /// Whether an indicator of missing values follows.
    pub indicator: bool,
    /// Parts between neighbouring quantiles, each (low, 1 / length): clamp((x − low) / length, 0, 1). A weighted sum
    /// of them is a linear spline (piecewise linear encoding; Gorishniy, Rubachev, Babenko, "On embeddings for
    /// numerical features in tabular deep learning", 2022).
    pub pieces: Vec<(f32, f32)>,
}

impl Number {
    /// The standardised value; the graph does the same steps in the same precision.
    pub(crate) fn of(&self, x: f32) -> f32 {
        let x = if x.is_nan() { self.fill } else { x };
        ((self.bend(x) - self.mean) * self.scale).clamp(-REACH, REACH)
    }

    /// The part `piece` of a value; the graph does the same steps in the same precision.
    pub(crate) fn piece(&self, x: f32, piece: (f32, f32)) -> f32 {
        let x = if x.is_nan() { self.fill } else { x };
        ((x - piece.0) * piece.1).clamp(0.0, 1.0)
    }

    fn bend(&self, x: f32) -> f32 {
        self.log.map_or(x, |(low, offset)| ((x - low).max(0.0) + offset).ln())
    }
}

/// What is made of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recipe {
    /// Skewed numbers enter as logarithms.
    pub logarithms: bool,
    /// Piecewise linear parts of a number at most; 0 = none.
    pub pieces: usize,
}

/// How all columns enter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Design {
    pub numbers: Vec<Number>,
    /// Category columns, their number of codes and their codes' shares.
    pub categories: Vec<(usize, Vec<f64>)>,
}

/// Rows in the form the objective reads.
pub(super) struct Rows {
    /// Dense part, row-major, [`Design::dense`] wide.
    pub dense: Vec<f32>,
    /// Positions of the one-hot weights, one a category; `u32::MAX` for an unknown code.
    pub hot: Vec<u32>,
}

impl Design {
    /// Learns medians, means and shares from the rows `train`.
    pub(super) fn new(data: &Dataset, train: &[u32], recipe: Recipe) -> Self {
        let mut design = Self { numbers: Vec::new(), categories: Vec::new() };
        for (column, feature) in data.features.iter().enumerate() {
            let values = train.iter().map(|&r| data.matrix.columns[column][r as usize]);
            match feature.codes() {
                Some(codes) => {
                    let mut shares = vec![0.0; codes];
                    values.filter(|x| !x.is_nan()).for_each(|x| shares[x as usize] += 1.0);
                    shares.iter_mut().for_each(|n| *n /= train.len() as f64);
                    design.categories.push((column, shares));
                }
                None => {
                    // A curve through two values is a line.
                    let term = matches!(feature.shape, Shape::Term { .. });
                    let recipe = if term { Recipe { logarithms: false, pieces: 0 } } else { recipe };
                    design.numbers.extend(number(column, &values.collect::<Vec<f32>>(), recipe));
                }
            }
        }
        design
    }

    /// Width of the dense part: numbers, then indicators, then pieces.
    pub(super) fn dense(&self) -> usize {
        self.indicated() + self.numbers.iter().map(|n| n.pieces.len()).sum::<usize>()
    }

    /// Width of the numbers and indicators.
    pub(super) fn indicated(&self) -> usize {
        self.numbers.len() + self.numbers.iter().filter(|n| n.indicator).count()
    }

    /// All weights of one output, without the intercept.
    pub(super) fn width(&self) -> usize {
        self.dense() + self.categories.iter().map(|(_, shares)| shares.len()).sum::<usize>()
    }

    /// Sum of the variances of the inputs: 1 a number, share · (1 − share) a code.
    pub(super) fn variance(&self) -> f64 {
        let codes = self.categories.iter().flat_map(|(_, shares)| shares);
        self.numbers.len() as f64 + codes.map(|s| s * (1.0 - s)).sum::<f64>()
    }

    /// Puts rows into the form of the objective.
    pub(super) fn rows(&self, matrix: &Matrix, rows: &[u32]) -> Rows {
        let mut out = Rows {
            dense: Vec::with_capacity(rows.len() * self.dense()),
            hot: Vec::with_capacity(rows.len() * self.categories.len()),
        };
        for &row in rows {
            let row = row as usize;
            out.dense.extend(self.numbers.iter().map(|n| n.of(matrix.columns[n.column][row])));
            let indicators = self.numbers.iter().filter(|n| n.indicator);
            out.dense.extend(indicators.map(|n| f32::from(u8::from(matrix.columns[n.column][row].is_nan()))));
            for n in &self.numbers {
                let x = matrix.columns[n.column][row];
                out.dense.extend(n.pieces.iter().map(|&piece| n.piece(x, piece)));
            }
            let mut first = self.dense() as u32;
            for (column, shares) in &self.categories {
                let code = matrix.columns[*column][row];
                out.hot.push(if code.is_nan() { u32::MAX } else { first + code as u32 });
                first += shares.len() as u32;
            }
        }
        out
    }
}

/// A number's place in the design; `None` when the training rows hold a single value.
fn number(column: usize, values: &[f32], recipe: Recipe) -> Option<Number> {
    let total = values.len();
    let mut sorted: Vec<f32> = values.iter().copied().filter(|x| !x.is_nan()).collect();
    let indicator = sorted.len() < total;
    sorted.sort_unstable_by(f32::total_cmp);
    let (&low, &fill) = (sorted.first()?, sorted.get(sorted.len() / 2)?);
    let pieces = pieces(&sorted, recipe.pieces);
    let mut number = Number { column, fill, log: None, mean: 0.0, scale: 1.0, indicator, pieces };
    let (_, deviation, skewness) = moments(&values.iter().map(|&x| plain(&number, x)));
    if recipe.logarithms && skewness > SKEWED {
        // The offset makes the logarithm bend around the typical distance from the lowest value.
        let typical = fill - low;
        let offset = if typical > 0.0 { typical } else { deviation as f32 };
        if offset > 0.0 && offset.is_finite() {
            number.log = Some((low, offset));
        }
    }
    let (mean, deviation, _) = moments(&values.iter().map(|&x| plain(&number, x)));
    if deviation > 0.0 && (1.0 / deviation) < f64::from(f32::MAX) {
        number.mean = mean as f32;
        number.scale = (1.0 / deviation) as f32;
        return Some(number);
    }
    // A constant number still matters when its absence does.
    number.scale = 0.0;
    number.mean = fill;
    number.log = None;
    number.pieces.clear();
    indicator.then_some(number)
}

/// Up to `count` parts between quantiles of the sorted values; none when two values or fewer are there.
fn pieces(sorted: &[f32], count: usize) -> Vec<(f32, f32)> {
    let mut knots: Vec<f32> = match count {
        0 => return Vec::new(),
        _ => (0..=count).map(|i| sorted[i * (sorted.len() - 1) / count]).collect(),
    };
    knots.dedup();
    if knots.len() < 3 {
        return Vec::new();
    }
    // A length out of range has no inverse of normal size.
    let part = |pair: &[f32]| Some((pair[0], 1.0 / (pair[1] - pair[0]))).filter(|part| part.1.is_normal());
    knots.windows(2).filter_map(part).collect()
}

fn plain(number: &Number, x: f32) -> f64 {
    f64::from(number.bend(if x.is_nan() { number.fill } else { x }))
}

/// Mean, standard deviation and skewness.
fn moments(values: &(impl Iterator<Item = f64> + Clone)) -> (f64, f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let central = |power: i32| values.clone().map(|x| (x - mean).powi(power)).sum::<f64>() / n;
    let deviation = central(2).sqrt();
    let skewness = if deviation > 0.0 { central(3) / deviation.powi(3) } else { 0.0 };
    (mean, deviation, skewness)
}

//! What a model reads, column by column, as functions of single inputs.
//!
//! Scalers, imputers and encoders in front of a model are not run one after the other: every column they make
//! is kept as a function of one input. Trees then test the input itself: the function only grows, so a
//! threshold on its result is a threshold on the input, found by bisection over all f32 numbers. Every f32
//! input takes the branch it took in the original, and the scaler costs nothing.

use super::Told;

/// One step from an input to a column, in f64; all of them only grow, where the value is no NaN.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Op {
    /// A missing value becomes this.
    Fill(f64),
    /// A missing text becomes this.
    FillText(String),
    Add(f64),
    /// By a number above zero.
    Mul(f64),
    /// By a number above zero.
    Div(f64),
    Clip(f64, f64),
    /// How many of these numbers, which grow, are not above it.
    Steps(Vec<f64>),
}

/// A value a category can have.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Level {
    Text(String),
    Number(f32),
}

/// Refuses numbers that are told apart in double precision only: rows hold single precision.
pub(super) fn told_apart<'a>(levels: impl Iterator<Item = &'a Level>) -> Told<()> {
    let number = |level: &Level| if let Level::Number(n) = level { Some(*n) } else { None };
    let mut numbers: Vec<f32> = levels.filter_map(number).collect();
    numbers.sort_by(f32::total_cmp);
    match numbers.windows(2).find(|w| w[0] == w[1]) {
        Some(w) => Err(format!("two categories are the same number in single precision, {}", w[0])),
        None => Ok(()),
    }
}

/// A column as a function of one input, or one that was computed from several.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Column {
    Number {
        source: usize,
        ops: Vec<Op>,
    },
    /// A number for each of some values, for any other, and for a missing one.
    Table {
        source: usize,
        levels: Vec<(Level, f64)>,
        other: f64,
        missing: f64,
    },
    /// Column `at` of a value of the graph, which was computed from several inputs in f32. Models that add
    /// columns up read it; trees do not, since their branches would not be exact.
    Made {
        of: String,
        at: usize,
        ops: Vec<Op>,
    },
}

impl Op {
    pub(super) fn apply(&self, x: f64) -> f64 {
        match *self {
            Self::Fill(v) if x.is_nan() => v,
            Self::Fill(_) | Self::FillText(_) => x,
            Self::Add(v) => x + v,
            Self::Mul(v) => x * v,
            Self::Div(v) => x / v,
            // `clamp` would refuse bounds that cross.
            Self::Clip(low, high) if !x.is_nan() => x.max(low).min(high),
            Self::Clip(..) => x,
            Self::Steps(ref edges) if !x.is_nan() => edges.partition_point(|&edge| edge <= x) as f64,
            Self::Steps(_) => x,
        }
    }
}

impl Column {
    /// The input as it is.
    pub(super) fn input(source: usize) -> Self {
        Self::Number { source, ops: Vec::new() }
    }

    /// The input it is a function of; of a column computed from several a number that no input has.
    pub(super) fn source(&self) -> usize {
        match self {
            Self::Number { source, .. } | Self::Table { source, .. } => *source,
            Self::Made { .. } => usize::MAX,
        }
    }

    /// The column with a further step.
    pub(super) fn then(mut self, op: Op) -> Told<Self> {
        if let Op::Mul(v) | Op::Div(v) = op
            && !(v > 0.0 && v.is_finite())
        {
            return Err(format!("it scales by {v}, expected a number above zero"));
        }
        match &mut self {
            // In single precision a number next to an edge may fall on its other side.
            Self::Made { .. } if matches!(op, Op::Steps(_)) => {
                return Err("bins of a column that was computed from several are not supported".to_owned());
            }
            Self::Number { ops, .. } | Self::Made { ops, .. } => ops.push(op),
            Self::Table { levels, other, missing, .. } => {
                for value in levels.iter_mut().map(|l| &mut l.1).chain([other, missing]) {
                    *value = op.apply(*value);
                }
            }
        }
        Ok(self)
    }

    /// The largest f32 input for which `yes` still holds of the column's value; `yes` must hold up to some
    /// number and not beyond it. None when it holds for no input.
    pub(super) fn last(ops: &[Op], yes: &dyn Fn(f64) -> bool) -> Option<f32> {
        let holds = |rank: u32| yes(value(ops, f64::from(number(rank))));
        let (mut low, mut high) = (rank(f32::NEG_INFINITY), rank(f32::INFINITY));
        if !holds(low) {
            return None;
        }
        if holds(high) {
            return Some(f32::INFINITY);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            *(if holds(middle) { &mut low } else { &mut high }) = middle;
        }
        Some(number(low))
    }
}

/// The column's value for an input.
pub(super) fn value(ops: &[Op], input: f64) -> f64 {
    ops.iter().fold(input, |x, op| op.apply(x))
}

/// The place of a number among all, from the lowest up; zeros of both signs are neighbours.
fn rank(x: f32) -> u32 {
    let bits = x.to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

fn number(rank: u32) -> f32 {
    f32::from_bits(if rank >> 31 == 1 { rank & !(1 << 31) } else { !rank })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_is_the_last_that_holds() {
        let scaled = [Op::Add(-3.7), Op::Div(0.013)];
        for threshold in [0.1, -5.0e3, 1e-30, 2.0_f64.powi(-40), 0.0, -0.0, f64::from(f32::MAX), 1e300] {
            for ops in [&scaled[..], &[]] {
                let yes = |v: f64| v <= threshold;
                let last = Column::last(ops, &yes).unwrap();
                assert!(yes(value(ops, f64::from(last))), "{threshold}");
                if last < f32::INFINITY {
                    let mut next = last.next_up();
                    if next == 0.0 {
                        next = next.next_up();
                    }
                    assert!(!yes(value(ops, f64::from(next))), "{threshold}: {last} {next}");
                }
            }
        }
        assert_eq!(Column::last(&[], &|v| v <= 0.1), Some(0.1_f32.next_down()));
        assert_eq!(Column::last(&[], &|v| v < f64::NEG_INFINITY), None);
    }

    #[test]
    fn steps_change_the_numbers_of_a_table() {
        let levels = vec![(Level::Number(2.0), 1.0)];
        let table = Column::Table { source: 0, levels, other: 0.0, missing: f64::NAN };
        let Column::Table { levels, other, missing, .. } =
            table.then(Op::Fill(9.0)).unwrap().then(Op::Div(2.0)).unwrap()
        else {
            panic!("a table stays one");
        };
        assert_eq!((levels[0].1, other, missing), (0.5, 0.0, 4.5));
        assert!(Column::input(0).then(Op::Mul(-1.0)).is_err());
    }

    #[test]
    fn bins_are_counted_by_their_lower_edges() {
        let steps = Op::Steps(vec![-1.0, 0.1, 0.1, 2.0]);
        let bins = [-2.0, -1.0, 0.0, 0.1, 1.9, 2.0, f64::INFINITY].map(|x| steps.apply(x));
        assert_eq!(bins, [0.0, 1.0, 1.0, 3.0, 3.0, 4.0, 4.0]);
        assert!(steps.apply(f64::NAN).is_nan());
        assert_eq!(Column::last(std::slice::from_ref(&steps), &|v| v <= 0.5), Some((-1.0_f32).next_down()));
        let made = Column::Made { of: "m".to_owned(), at: 0, ops: Vec::new() };
        assert!(made.clone().then(steps).is_err() && made.then(Op::Add(1.0)).is_ok());
    }
}

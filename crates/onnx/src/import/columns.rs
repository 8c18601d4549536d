//! What a model reads, column by column, as functions of single inputs.
//!
//! Scalers, imputers and encoders in front of a model are not run one after the other: every column they make
//! is kept as a function of one input. Trees then test the input itself: the function only grows, so a
//! threshold on its result is a threshold on the input, found by bisection over all f32 numbers. Every f32
//! input takes the branch it took in the original, and the scaler costs nothing.

use std::hash::{Hash as _, Hasher};
use std::rc::Rc;

use super::Told;

/// Letters that count as much as a category.
const LETTERS: usize = 16;

/// One step from an input to a column, in f64; all of them only grow, where the value is no NaN.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Op {
    /// A missing value becomes this.
    Fill(f64),
    /// A missing text becomes this.
    FillText(Rc<str>),
    Add(f64),
    /// By a number above zero.
    Mul(f64),
    /// By a number above zero.
    Div(f64),
    Clip(f64, f64),
    /// How many of these numbers, which grow, are not above it.
    Steps(Vec<f64>),
}

/// A value a category can have. All columns of an encoder share its texts, which may be long.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Level {
    Text(Rc<str>),
    Number(f32),
}

impl Level {
    /// What it counts.
    pub(super) fn size(&self) -> usize {
        if let Self::Text(text) = self { 1 + text.len() / LETTERS } else { 1 }
    }

    /// What tells it from others; zeros of both signs are one.
    pub(super) fn key(&self) -> (Option<&str>, u32) {
        match self {
            Self::Text(text) => (Some(text), 0),
            Self::Number(number) => (None, (number + 0.0).to_bits()),
        }
    }
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

/// A column as a function of one input, or one that was computed from several. `sparse` are those that scikit-learn
/// keeps in a sparse matrix: some models read what such a matrix leaves out otherwise than a zero.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Column {
    Number {
        source: usize,
        ops: Vec<Op>,
        sparse: bool,
    },
    /// A number for each of some values, for any other, and for a missing one. A value whose number is that of any
    /// other need not be among the levels.
    Table {
        source: usize,
        levels: Vec<(Level, f64)>,
        other: f64,
        missing: f64,
        sparse: bool,
    },
    /// Column `at` of a value of the graph, which was computed from several inputs in f32. Models that add
    /// columns up read it; trees do not, since their branches would not be exact.
    Made {
        of: String,
        at: usize,
        ops: Vec<Op>,
        sparse: bool,
    },
}

/// Refuses columns of a sparse matrix to a model that takes the zeros it leaves out for missing values.
pub(super) fn dense(columns: &[Column]) -> Told<()> {
    if columns.iter().any(Column::is_sparse) {
        return Err(
            "XGBoost behind sparse columns reads zeros as missing values, which is not supported; fit \
             the pipeline with OneHotEncoder(sparse_output=False) or with \
             ColumnTransformer(sparse_threshold=0)"
                .to_owned(),
        );
    }
    Ok(())
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

    /// What it counts.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Steps(edges) => 1 + edges.len(),
            Self::FillText(text) => 1 + text.len() / LETTERS,
            _ => 1,
        }
    }

    fn digest(&self, to: &mut impl Hasher) {
        match self {
            Self::Fill(v) => (0_u8, v.to_bits()).hash(to),
            Self::FillText(text) => (1_u8, text).hash(to),
            Self::Add(v) => (2_u8, v.to_bits()).hash(to),
            Self::Mul(v) => (3_u8, v.to_bits()).hash(to),
            Self::Div(v) => (4_u8, v.to_bits()).hash(to),
            Self::Clip(low, high) => (5_u8, low.to_bits(), high.to_bits()).hash(to),
            Self::Steps(edges) => {
                (6_u8, edges.len()).hash(to);
                for edge in edges {
                    edge.to_bits().hash(to);
                }
            }
        }
    }
}

impl Column {
    /// The input as it is.
    pub(super) fn input(source: usize) -> Self {
        Self::Number { source, ops: Vec::new(), sparse: false }
    }

    /// A table with the numbers of any other value and of a missing one.
    pub(super) fn table(source: usize, levels: Vec<(Level, f64)>, (other, missing): (f64, f64)) -> Self {
        Self::Table { source, levels, other, missing, sparse: false }
    }

    /// A column of a value of the graph.
    pub(super) fn made(of: &str, at: usize) -> Self {
        Self::Made { of: of.to_owned(), at, ops: Vec::new(), sparse: false }
    }

    /// Whether it stands in a sparse matrix.
    pub(super) fn is_sparse(&self) -> bool {
        match self {
            Self::Number { sparse, .. } | Self::Table { sparse, .. } | Self::Made { sparse, .. } => *sparse,
        }
    }

    /// The column in a matrix that is sparse, or in one that is not.
    pub(super) fn within(mut self, matrix: bool) -> Self {
        match &mut self {
            Self::Number { sparse, .. } | Self::Table { sparse, .. } | Self::Made { sparse, .. } => {
                *sparse = matrix;
            }
        }
        self
    }

    /// Tells a hasher all that its values follow from.
    pub(super) fn digest(&self, to: &mut impl Hasher) {
        let ops: &[Op] = match self {
            Self::Number { source, ops, .. } => {
                (0_u8, source, ops.len()).hash(to);
                ops
            }
            Self::Table { source, levels, other, missing, .. } => {
                (1_u8, source, levels.len(), other.to_bits(), missing.to_bits()).hash(to);
                for (level, value) in levels {
                    (level.key(), value.to_bits()).hash(to);
                }
                &[]
            }
            Self::Made { of, at, ops, .. } => {
                (2_u8, of, at, ops.len()).hash(to);
                ops
            }
        };
        for op in ops {
            op.digest(to);
        }
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
        let table = Column::table(0, levels, (0.0, f64::NAN));
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
        let made = Column::made("m", 0);
        assert!(made.clone().then(steps).is_err() && made.then(Op::Add(1.0)).is_ok());
    }

    #[test]
    fn columns_of_other_values_have_other_digests() {
        let digest = |column: &Column| {
            let mut hasher = std::hash::DefaultHasher::new();
            column.digest(&mut hasher);
            hasher.finish()
        };
        let text = |text: &str| vec![(Level::Text(text.into()), 1.0)];
        let columns = [
            Column::input(0),
            Column::input(1),
            Column::input(0).then(Op::Add(1.0)).unwrap(),
            Column::input(0).then(Op::Mul(1.0)).unwrap(),
            Column::input(0).then(Op::Steps(vec![1.0])).unwrap(),
            Column::table(0, text("a"), (0.0, 0.0)),
            Column::table(0, text("b"), (0.0, 0.0)),
            Column::table(0, text("a"), (0.0, 1.0)),
            Column::made("m", 0),
            Column::made("m", 1),
        ];
        for (at, column) in columns.iter().enumerate() {
            let same = |other: &&Column| digest(other) == digest(column);
            assert_eq!(columns.iter().filter(same).count(), 1, "{at}");
            // Whether a matrix is sparse changes none of its values.
            assert_eq!(digest(&column.clone().within(true)), digest(column));
        }
    }
}

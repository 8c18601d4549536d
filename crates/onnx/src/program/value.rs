//! What a name stands for while a graph is compiled.

use std::sync::Arc;

use super::reading::{Casing, Splitting};
use crate::tensor::Tensor;

/// A value of the graph.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// The same for every row and call.
    Const(Arc<Tensor>),
    /// Something per row.
    Row(Row),
    /// The words of one text per row, of which rows may have different numbers.
    Words(Words),
}

impl Value {
    /// The constant; an operator's parameter must be one.
    pub fn constant(&self) -> Result<&Arc<Tensor>, String> {
        match self {
            Self::Const(tensor) => Ok(tensor),
            Self::Row(_) | Self::Words(_) => {
                Err("takes a parameter from a row, expected a constant".to_owned())
            }
        }
    }

    /// The row value.
    pub fn row(&self) -> Result<&Row, String> {
        match self {
            Self::Row(row) => Ok(row),
            Self::Const(_) => Err("takes a constant where a value per row is expected".to_owned()),
            Self::Words(_) => {
                Err("takes the words of texts, of which rows have different numbers".to_owned())
            }
        }
    }
}

/// The words of a text that is read whole.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    /// Place of the text.
    pub place: usize,
    pub casing: Casing,
    pub splitting: Splitting,
    /// Shape of the texts, without the words.
    pub shape: Shape,
}

/// A value per row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub place: usize,
    pub shape: Shape,
    pub kind: Kind,
    /// Nothing but one node reads it, so that node may choose where it is written.
    pub sole: bool,
}

impl Row {
    pub fn width(&self) -> usize {
        self.shape.width()
    }
}

/// Dimensions of a value per row: `before` ones, then the rows, then those of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    pub before: usize,
    pub inner: Vec<usize>,
}

impl Shape {
    /// `[N, width]`.
    pub fn matrix(width: usize) -> Self {
        Self { before: 0, inner: vec![width] }
    }

    /// `[N]`.
    pub fn column() -> Self {
        Self { before: 0, inner: Vec::new() }
    }

    pub fn width(&self) -> usize {
        self.inner.iter().fold(1, |width, &d| width.saturating_mul(d))
    }

    pub fn rank(&self) -> usize {
        self.before + 1 + self.inner.len()
    }

    /// Position in `inner` of an axis of the tensor.
    pub fn inner_axis(&self, axis: i64) -> Result<usize, String> {
        let axis = crate::ops::axis(axis, self.rank())?;
        axis.checked_sub(self.before + 1).ok_or_else(|| format!("axis {axis} goes across rows"))
    }

    /// Width of a matrix (`[N, width]`), or of `[N]`.
    pub fn matrix_width(&self) -> Result<usize, String> {
        match (self.before, self.inner.as_slice()) {
            (0, [width]) => Ok(*width),
            _ => Err(format!("takes a matrix with one line per row, got {self}")),
        }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ones = std::iter::repeat_n("1".to_owned(), self.before);
        let dims = ones.chain(["N".to_owned()]).chain(self.inner.iter().map(ToString::to_string));
        write!(f, "[{}]", dims.collect::<Vec<_>>().join(", "))
    }
}

/// What the numbers of a place mean.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Float,
    Int,
    Bool,
    Code(Arc<Dict>),
}

impl Kind {
    /// Texts that are read whole.
    pub fn texts(casing: Casing) -> Self {
        Self::Code(Arc::new(Dict { levels: Levels::Whole(casing), open: true }))
    }

    /// What became of the letters of texts that are read whole; none for everything else.
    pub fn whole(&self) -> Option<Casing> {
        match self {
            Self::Code(dict) => match dict.levels {
                Levels::Whole(casing) => Some(casing),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Meaning of codes: the levels in order, and for an open dictionary one more for any other text.
#[derive(Debug)]
pub(crate) struct Dict {
    pub levels: Levels,
    pub open: bool,
}

impl PartialEq for Dict {
    /// Many inputs share one, and many nodes join them: most need no look at the levels.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || (self.open == other.open && self.levels == other.levels)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Levels {
    Text(Vec<String>),
    Integer(Vec<i64>),
    /// No codes: a text's number in its batch.
    Whole(Casing),
}

impl Dict {
    /// A number for each code of texts; `f` gets none for the code of other texts.
    pub fn text_table(&self, f: impl Fn(Option<&str>) -> f32) -> Result<Vec<f32>, String> {
        let Levels::Text(levels) = &self.levels else {
            return Err("looks up what are no codes of texts".to_owned());
        };
        let mut table: Vec<f32> = levels.iter().map(|l| f(Some(l))).collect();
        table.extend(self.open.then(|| f(None)));
        Ok(table)
    }
}

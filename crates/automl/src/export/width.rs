//! How wide a row of the file gets when it is compiled: all numbers that its nodes make of one row and the constants beside them,
//! of which there may be [`onnx::limits::ROW_WIDTH`]. What is chosen has to fit before it is written.

use crate::learners::{LinearModel, Number};

/// Numbers that linear nodes make of one number with their constants: when it is standardised, and beside that when it is a
/// logarithm, has an indicator, has parts, and of each part.
const STANDARD: usize = 7;
const LOGARITHM: usize = 6;
const INDICATOR: usize = 3;
const PARTED: usize = 2;
const PART: usize = 6;
/// Of a category's code, when all are compared.
const CODE: usize = 4;
/// Of the look-up of a category. It is a node of its own, of which a file may have fewer than numbers: it counts for more than
/// it takes.
const LOOKUP: usize = 3;
/// Outputs from which a category is one-hot encoded in place of a look-up an output.
pub(crate) const MANY: usize = 4;

/// Numbers a row that the members of a model may take beside so many features.
pub(crate) fn most(features: usize) -> usize {
    (onnx::limits::ROW_WIDTH / 8 * 7).saturating_sub(2 * features)
}

/// Numbers a row that look-ups of categories take.
pub(crate) fn lookups(count: usize) -> usize {
    LOOKUP * count
}

/// Columns of a table as linear nodes read them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inputs {
    pub numbers: usize,
    pub categories: usize,
    /// Codes of all categories.
    pub codes: usize,
}

impl Inputs {
    /// Numbers a row that a linear model of so many outputs takes at most.
    pub(crate) fn linear(self, (logarithms, pieces): (bool, usize), outputs: usize) -> usize {
        number(logarithms, true, pieces) * self.numbers + categories(self.categories, self.codes, outputs)
    }
}

fn number(logarithm: bool, indicator: bool, pieces: usize) -> usize {
    let where_so = |so: bool, numbers: usize| if so { numbers } else { 0 };
    let parts = where_so(pieces > 0, PARTED + PART * pieces);
    STANDARD + where_so(logarithm, LOGARITHM) + where_so(indicator, INDICATOR) + parts
}

fn categories(count: usize, codes: usize, outputs: usize) -> usize {
    if outputs < MANY { LOOKUP * outputs * count } else { CODE * (codes + count) }
}

impl LinearModel {
    /// Numbers a row that the model takes.
    pub(crate) fn row_numbers(&self) -> usize {
        let outputs = self.intercept.len();
        let of = |term: &Number| number(term.log.is_some(), term.indicator, term.pieces.len());
        let codes =
            self.categories.iter().filter_map(|outputs| outputs.first()).map(|d| d.values.len()).sum();
        self.terms.iter().map(of).sum::<usize>()
            + categories(self.categories.len(), codes, outputs)
            + 8 * outputs
    }
}

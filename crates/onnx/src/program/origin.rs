//! Where the columns of a row come from. A column that operators made of one number or one code, each by itself,
//! tells how; what reads such columns can take the number or code itself, and the steps between fall away.

use std::sync::Arc;

/// Most codes that [`index`] tells apart.
pub(crate) const CODES: usize = 1 << 22;

/// A code as an index. In the arena it is a whole number, and below 2²³ the sum with 2²³ ends in its bits, which takes
/// fewer steps than a cast that has to think of all other numbers.
#[inline(always)]
pub(crate) fn index(code: f32) -> usize {
    const SHIFT: f32 = 8_388_608.0;
    ((code + SHIFT).to_bits() & 0x7f_ffff) as usize
}

/// A number or a code in the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Source {
    pub place: usize,
    pub column: usize,
}

/// A column: what the maps make, one after the other, of what its way makes of the source.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub source: Source,
    pub way: Way,
    pub maps: Vec<Map>,
}

/// The way from a source to a number.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    /// It is the number.
    Itself,
    /// It is a code: the code's entry.
    Entry(Arc<[f32]>),
    /// It is a code: 1 where the code's entry is this number, else 0.
    Hot(Arc<[u32]>, u32),
}

/// A function of one number, computed in f32 as the operator does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Map {
    Sub(f32),
    Mul(f32),
    /// One value in the place of another, which may be NaN.
    Fill {
        replaced: f32,
        value: f32,
    },
}

impl Map {
    #[inline(always)]
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Self::Sub(c) => x - c,
            Self::Mul(c) => x * c,
            Self::Fill { replaced, value } => {
                if x == replaced || (replaced.is_nan() && x.is_nan()) {
                    value
                } else {
                    x
                }
            }
        }
    }

    /// Whether a larger number never gives a smaller one, and only NaN may give NaN.
    pub fn rises(self) -> bool {
        match self {
            Self::Sub(c) => c.is_finite(),
            Self::Mul(c) => c.is_finite() && c > 0.0,
            Self::Fill { replaced, .. } => replaced.is_nan(),
        }
    }

    /// Whether numbers stay what they are.
    pub fn keeps_numbers(self) -> bool {
        matches!(self, Self::Fill { replaced, .. } if replaced.is_nan())
    }
}

impl Origin {
    /// The number itself.
    pub fn itself(place: usize, column: usize) -> Self {
        Self { source: Source { place, column }, way: Way::Itself, maps: Vec::new() }
    }

    /// Whether nothing lies between the source and the column.
    pub fn is_itself(&self) -> bool {
        matches!(self.way, Way::Itself) && self.maps.is_empty()
    }

    /// Number of codes of the source; none when it is a number.
    pub fn codes(&self) -> Option<usize> {
        match &self.way {
            Way::Itself => None,
            Way::Entry(table) => Some(table.len()),
            Way::Hot(table, _) => Some(table.len()),
        }
    }

    /// What the maps make of a number.
    pub fn mapped(&self, x: f32) -> f32 {
        self.maps.iter().fold(x, |x, map| map.apply(x))
    }

    /// The column for a code of the source.
    pub fn of_code(&self, code: usize) -> f32 {
        self.mapped(match &self.way {
            Way::Itself => code as f32,
            Way::Entry(table) => table.get(code).copied().unwrap_or(f32::NAN),
            Way::Hot(table, hot) => f32::from(u8::from(table.get(code) == Some(hot))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_indices() {
        assert!([0, 1, 2, 77, CODES - 1, CODES].into_iter().all(|code| index(code as f32) == code));
    }

    #[test]
    fn columns_of_codes() {
        let source = Source { place: 0, column: 3 };
        let maps = vec![Map::Sub(1.0), Map::Mul(2.0)];
        let entry = Origin { source, way: Way::Entry([4.0, f32::NAN].into()), maps: maps.clone() };
        assert_eq!((entry.codes(), entry.of_code(0)), (Some(2), 6.0));
        assert!(entry.of_code(1).is_nan());
        let hot = Origin { source, way: Way::Hot([7, 5, 7].into(), 7), maps };
        assert_eq!([0, 1, 2].map(|code| hot.of_code(code)), [0.0, -2.0, 0.0]);
    }

    #[test]
    fn fills_replace_numbers_and_nan() {
        let fill = |replaced| Map::Fill { replaced, value: 5.0 };
        assert_eq!([fill(f32::NAN).apply(f32::NAN), fill(f32::NAN).apply(1.0)], [5.0, 1.0]);
        assert_eq!([fill(0.0).apply(-0.0), fill(0.0).apply(1.0)], [5.0, 1.0]);
        assert!(fill(0.0).apply(f32::NAN).is_nan());
        assert!(fill(f32::NAN).rises() && !fill(0.0).rises() && !Map::Mul(-1.0).rises());
    }
}

//! Remembers and tells where columns come from.

use super::{Lower, PlaceDef};
use crate::program::origin::{Origin, Source, Way};
use crate::program::steps::Gather;
use crate::program::value::{Kind, Row, Shape};

/// Most columns traced for those who ask, and numbers made of them, all together.
const TRACED: usize = 1 << 22;

/// Most maps one after the other that are remembered of a column.
const MAPS: usize = 16;

impl Lower {
    /// Where each column of a value comes from; none when too much was asked.
    pub fn origins(&mut self, row: &Row) -> Option<Vec<Origin>> {
        self.spend(row.width())?;
        Some(self.trace(row))
    }

    /// Whether every column is known to be a whole number: an entry of a table that holds nothing else.
    pub fn is_whole(&mut self, row: &Row) -> bool {
        let whole = |origin: &Origin| match &origin.way {
            Way::Entry(table) => origin.maps.is_empty() && table.iter().all(|x| x.fract() == 0.0),
            Way::Itself | Way::Hot(..) => false,
        };
        self.origins(row).is_some_and(|origins| origins.iter().all(whole))
    }

    /// Asks for work of about this many numbers.
    pub fn spend(&mut self, numbers: usize) -> Option<()> {
        self.traced = self.traced.saturating_add(numbers);
        (self.traced <= TRACED).then_some(())
    }

    /// A source as a place of its own.
    pub fn source(&mut self, source: Source) -> usize {
        self.place(PlaceDef::Part { parent: source.place, column: source.column })
    }

    pub(super) fn trace(&self, row: &Row) -> Vec<Origin> {
        (0..row.width()).map(|column| self.origin(row.place, column)).collect()
    }

    /// Where a column of a place comes from.
    pub(super) fn origin(&self, mut place: usize, mut column: usize) -> Origin {
        loop {
            if let Some(origin) = self.origins.get(&place).and_then(|o| o.get(column)) {
                return origin.clone();
            }
            match self.places[place] {
                PlaceDef::Part { parent, column: first } => (place, column) = (parent, column + first),
                PlaceDef::Input { column: first } => return Origin::itself(super::INPUTS, column + first),
                PlaceDef::Constant { .. } | PlaceDef::Root { .. } => return Origin::itself(place, column),
            }
        }
    }

    /// Sources side by side.
    pub fn gather(&mut self, sources: &[Source]) -> Result<usize, String> {
        let from = sources.iter().map(|&source| self.source(source)).collect();
        // No output of the node in work has this number: nothing moves it elsewhere.
        let to = self.make(usize::MAX, Shape::matrix(sources.len()), Kind::Float)?.place;
        self.push(Gather { from, to });
        Ok(to)
    }

    /// Tells where the columns of a value come from, which was just made.
    pub fn originate(&mut self, row: &Row, origins: Vec<Origin>) {
        self.origins.insert(row.place, origins);
    }

    /// Tells that a value was made of `from`, column by column. A column that went through very many maps is one of its own:
    /// no converter writes such chains, and each link would hold all before it.
    pub fn derive(&mut self, from: &Row, to: &Row, change: impl Fn(usize, &mut Origin)) {
        let mut origins = self.trace(from);
        origins.iter_mut().enumerate().for_each(|(column, origin)| change(column, origin));
        if origins.iter().all(|origin| origin.maps.len() <= MAPS) {
            self.originate(to, origins);
        }
    }

    /// Tells that each column of codes became these columns.
    pub fn decode(&mut self, from: &Row, to: &Row, ways: &[Way]) {
        let codes = self.trace(from);
        if !codes.iter().all(Origin::is_itself) {
            return;
        }
        let made = |code: &Origin| {
            ways.iter().map(|way| Origin { way: way.clone(), ..code.clone() }).collect::<Vec<_>>()
        };
        self.originate(to, codes.iter().flat_map(made).collect());
    }
}

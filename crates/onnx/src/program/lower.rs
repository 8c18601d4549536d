//! Builds a program: makes places, adds steps, keeps constants.

mod budget;
mod layout;
mod trace;

use std::collections::HashMap;
use std::sync::Arc;

use super::Step;
use super::origin::{Origin, Way};
use super::reading::Desk;
use super::steps::{Copy, Listing, Reading, RowFn, Rowwise, Zip};
use super::value::{Dict, Kind, Levels, Row, Shape, Value};
use crate::limits;
use crate::ops;
use crate::tensor::Tensor;

/// Largest integer f32 holds exactly together with all smaller ones.
pub(crate) const EXACT: i64 = 1 << 24;
/// The place of all inputs.
pub(super) const INPUTS: usize = 0;
/// Steps that a column takes which is put elsewhere.
const PICK: usize = 16;

#[derive(Debug, Clone, Copy)]
enum PlaceDef {
    Input {
        column: usize,
    },
    Constant {
        at: usize,
    },
    /// Room of its own.
    Root {
        width: usize,
    },
    Part {
        parent: usize,
        column: usize,
    },
}

/// A program in the making.
#[derive(Debug, Default)]
pub(crate) struct Lower {
    places: Vec<PlaceDef>,
    constants: Vec<f32>,
    input_width: usize,
    width: usize,
    steps: Vec<Box<dyn Step>>,
    words: usize,
    sums: usize,
    tables: usize,
    folded: usize,
    /// Steps of work asked for, and how many more there may be than for any file.
    charged: usize,
    allowed: usize,
    /// Answers of tests on codes asked for.
    asked: usize,
    /// Whether a limit stands against the node in work.
    beyond: bool,
    /// By place, where its columns come from.
    origins: HashMap<usize, Vec<Origin>>,
    /// Columns traced so far.
    traced: usize,
    /// Columns of the inputs whose integers must be told apart.
    whole: Vec<usize>,
    /// By place, below what its numbers lie, which are whole and never below 0.
    bounds: HashMap<usize, usize>,
    uses: HashMap<String, usize>,
    /// Whether the outputs of the node in work are each read once.
    sole: Vec<bool>,
    /// Whether they are read at all.
    used: Vec<bool>,
}

impl Lower {
    /// `uses` counts the readers of each name.
    pub fn new(input_width: usize, uses: HashMap<String, usize>) -> Self {
        Self { input_width, uses, places: vec![PlaceDef::Input { column: 0 }], ..Self::default() }
    }

    /// Prepares for a node with these outputs.
    pub fn enter(&mut self, outputs: &[String]) {
        self.beyond = false;
        self.used = outputs.iter().map(|o| self.uses.contains_key(o)).collect();
        self.sole = outputs.iter().map(|o| self.uses.get(o).is_some_and(|&n| n == 1)).collect();
    }

    /// Whether anything reads output `output` of the node in work.
    pub fn reads(&self, output: usize) -> bool {
        self.used.get(output).copied().unwrap_or(false)
    }

    /// Notes that a limit stands against the node in work, for this reason: no other engine shall get such a graph.
    pub fn beyond(&mut self, reason: impl Into<String>) -> String {
        self.beyond = true;
        reason.into()
    }

    /// Whether a limit stands against the node in work.
    pub fn is_beyond(&self) -> bool {
        self.beyond
    }

    /// The columns of a graph input.
    pub fn input(&mut self, column: usize, width: usize, kind: Kind) -> Row {
        let place = self.place(PlaceDef::Input { column });
        Row { place, shape: Shape::matrix(width), kind, sole: false }
    }

    /// Room for output `output` of the node in work.
    pub fn make(&mut self, output: usize, shape: Shape, kind: Kind) -> Result<Row, String> {
        let width = shape.width();
        self.width = self.width.saturating_add(width);
        if self.width > limits::ROW_WIDTH {
            let told = format!("rows of more than {} numbers can't be compiled", limits::ROW_WIDTH);
            return Err(self.beyond(told));
        }
        if width == 0 {
            return Err("rows of no numbers can't be compiled".to_owned());
        }
        let place = self.place(PlaceDef::Root { width });
        Ok(Row { place, shape, kind, sole: self.sole.get(output).copied().unwrap_or(false) })
    }

    /// Adds a step.
    pub fn push(&mut self, step: impl Step + 'static) {
        self.steps.push(Box::new(step));
    }

    /// Asks for scratch memory.
    pub fn scratch(&mut self, words: usize, sums: usize) {
        self.words = self.words.max(words);
        self.sums = self.sums.max(sums);
    }

    /// Asks for a look-up table of this many entries.
    pub fn table(&mut self, entries: usize) -> Result<(), String> {
        self.tables = self.tables.saturating_add(entries);
        if self.tables <= limits::TABLES {
            Ok(())
        } else {
            Err(self.beyond("makes the look-up tables too large"))
        }
    }

    /// Asks for a node that computes with constants of this many elements.
    pub fn fold(&mut self, elements: usize) -> Result<(), String> {
        self.folded = self.folded.saturating_add(elements);
        if elements <= limits::FOLDED_INPUT && self.folded <= limits::FOLDED_TOTAL {
            return Ok(());
        }
        Err(self.beyond("computes with constants too large to do it when the model is loaded"))
    }

    /// The same numbers under another shape or meaning.
    pub fn view(&self, row: &Row, shape: Shape, kind: Kind) -> Row {
        let sole = row.sole && self.sole.first().copied().unwrap_or(false);
        Row { place: row.place, shape, kind, sole }
    }

    /// A value of numbers: looks integers up that so far are codes.
    pub fn number(&mut self, value: &Value) -> Result<Row, String> {
        let row = value.row()?;
        let Kind::Code(dict) = &row.kind else {
            return Ok(row.clone());
        };
        let Levels::Integer(levels) = &dict.levels else {
            return Err("takes numbers, got texts".to_owned());
        };
        let table: Vec<f32> = levels.iter().map(|&v| exact(v)).collect::<Result<_, _>>()?;
        self.lookup(row, table, Kind::Int)
    }

    /// A number for each code.
    pub fn lookup(&mut self, row: &Row, table: Vec<f32>, kind: Kind) -> Result<Row, String> {
        self.table(table.len())?;
        let last = table.len().saturating_sub(1);
        let bound = matches!(kind, Kind::Int).then(|| bound_of(&table)).flatten();
        let table: Arc<[f32]> = table.into();
        let entries = Arc::clone(&table);
        let to = self.map(row, row.shape.clone(), kind, move |from, to| {
            for (to, &code) in to.iter_mut().zip(from) {
                *to = table[(code as usize).min(last)];
            }
        })?;
        self.decode(row, &to, &[Way::Entry(entries)]);
        self.bind(&to, bound);
        Ok(to)
    }

    /// Asks that integers of the inputs that come here as they are be told apart, which f32 does only below [`EXACT`].
    pub fn tell_apart(&mut self, value: &Value) {
        if let Value::Row(row) = value
            && matches!(row.kind, Kind::Int)
            && let Some(origins) = self.origins(row)
        {
            let inputs = origins.iter().filter(|origin| origin.source.place == INPUTS);
            self.whole.extend(inputs.map(|origin| origin.source.column));
        }
    }

    /// Tells below what the numbers of a value lie, which are whole and never below 0. Of inputs that is not known.
    pub fn bind(&mut self, row: &Row, bound: Option<usize>) {
        let (root, _) = self.root(row.place);
        if let (Some(bound), PlaceDef::Root { .. }) = (bound, self.places[root]) {
            self.bounds.insert(row.place, bound);
        }
    }

    /// Below what the numbers of a value lie, when they are known to be whole and never below 0.
    pub fn bound(&self, row: &Row) -> Option<usize> {
        let mut at = row.place;
        loop {
            if let Some(&bound) = self.bounds.get(&at) {
                return Some(bound);
            }
            let PlaceDef::Part { parent, .. } = self.places[at] else { return None };
            at = parent;
        }
    }

    /// A function of one row.
    pub fn map(
        &mut self,
        from: &Row,
        shape: Shape,
        kind: Kind,
        f: impl Fn(&[f32], &mut [f32]) + Send + Sync + 'static,
    ) -> Result<Row, String> {
        let to = self.make(0, shape, kind)?;
        let step =
            Rowwise { from: (from.place, from.width()), to: (to.place, to.width()), f: RowFn(Box::new(f)) };
        self.push(step);
        Ok(to)
    }

    /// A function of the text at `place`, which is read whole, into `to`.
    pub fn read(
        &mut self,
        place: usize,
        to: &Row,
        f: impl Fn(&str, &mut Desk, &mut [f32]) + Send + Sync + 'static,
    ) {
        self.push(Reading { from: place, to: (to.place, to.width()), f: Box::new(f) });
    }

    /// A function of a row that needs room, into `to`.
    pub fn read_numbers(
        &mut self,
        from: &Row,
        to: &Row,
        f: impl Fn(&[f32], &mut Desk, &mut [f32]) + Send + Sync + 'static,
    ) {
        let from = (from.place, from.width());
        self.push(Listing { from, to: (to.place, to.width()), f: Box::new(f) });
    }

    /// A function of two values, element by element.
    pub fn zip(
        &mut self,
        inputs: [&Value; 2],
        kind: Kind,
        f: impl Fn(f32, f32) -> f32 + Send + Sync + 'static,
    ) -> Result<Row, String> {
        let (places, shape) = self.align(&inputs)?;
        let to = self.make(0, shape, kind)?;
        let step = Zip::two([places[0], places[1]], (to.place, to.width()), f);
        self.push(step);
        Ok(to)
    }

    /// A function of three values, element by element.
    pub fn zip3(
        &mut self,
        inputs: [&Value; 3],
        kind: Kind,
        f: impl Fn(f32, f32, f32) -> f32 + Send + Sync + 'static,
    ) -> Result<Row, String> {
        let (places, shape) = self.align(&inputs)?;
        let to = self.make(0, shape, kind)?;
        let step = Zip::three([places[0], places[1], places[2]], (to.place, to.width()), f);
        self.push(step);
        Ok(to)
    }

    /// Brings values to one shape; constants become places that are the same for every row.
    fn align(&mut self, values: &[&Value]) -> Result<(Vec<usize>, Shape), String> {
        let mut rows = Vec::new();
        for value in values {
            rows.push(if let Value::Const(_) = value { None } else { Some(self.number(value)?) });
        }
        let mut ranks = rows.iter().flatten().map(|r| r.shape.inner.len());
        let rank = ranks.next().ok_or("takes only constants")?;
        if ranks.any(|r| r != rank) {
            return Err("combines values whose rows stand on different axes".to_owned());
        }
        let mut inners = Vec::new();
        let mut before = 0;
        for (value, row) in values.iter().zip(&rows) {
            let (ones, inner) = match (value, row) {
                (_, Some(row)) => (row.shape.before, row.shape.inner.clone()),
                (Value::Const(tensor), _) => constant_shape(&tensor.dims, rank)?,
                (Value::Row(_) | Value::Words(_), None) => return Err("lost a value".to_owned()),
            };
            before = before.max(ones);
            inners.push(inner);
        }
        let shapes: Vec<&[usize]> = inners.iter().map(Vec::as_slice).collect();
        // What does not fit together is broken, what does not fit a row grows: neither is for another engine.
        let out = ops::broadcast_shape(&shapes, limits::ROW_WIDTH).map_err(|e| self.beyond(e))?;
        let mut places = Vec::new();
        for ((value, row), inner) in values.iter().zip(rows).zip(&inners) {
            let columns = ops::broadcast_places(inner, &out);
            places.push(match (value, row) {
                (_, Some(row)) if *inner == out => row.place,
                (_, Some(row)) => self.pick(&row, &columns, Shape { before, inner: out.clone() })?.place,
                (Value::Const(tensor), _) => self.constant(tensor, &columns)?,
                (Value::Row(_) | Value::Words(_), None) => return Err("lost a value".to_owned()),
            });
        }
        Ok((places, Shape { before, inner: out }))
    }

    /// Puts elements of a constant into the arena.
    fn constant(&mut self, tensor: &Tensor, columns: &[usize]) -> Result<usize, String> {
        let values = ops::told_apart(tensor)?;
        let at = self.constants.len();
        self.width += columns.len();
        if self.width > limits::ROW_WIDTH {
            return Err(self.beyond("has constants too large to be compiled"));
        }
        self.constants.extend(columns.iter().map(|&c| values[c]));
        Ok(self.place(PlaceDef::Constant { at }))
    }

    /// Some columns of a value, as a view when they stand side by side.
    pub fn pick(&mut self, row: &Row, columns: &[usize], shape: Shape) -> Result<Row, String> {
        self.charge(columns.len().saturating_mul(PICK))?;
        if columns.iter().any(|&c| c >= row.width()) {
            return Err(format!("picks beyond the {} columns there are", row.width()));
        }
        let first = *columns.first().ok_or("picks no column")?;
        if columns.iter().enumerate().all(|(i, &c)| c == first + i) {
            let known = self.origins.contains_key(&row.place) || self.bounds.contains_key(&row.place);
            let (parent, column) = match self.places[row.place] {
                // A part of a part is one of the whole: chains would be followed again and again.
                PlaceDef::Part { parent, column } if !known => (parent, column + first),
                _ => (row.place, first),
            };
            let place = self.place(PlaceDef::Part { parent, column });
            return Ok(Row { place, shape, kind: row.kind.clone(), sole: false });
        }
        let origins = columns.iter().map(|&c| self.origin(row.place, c)).collect();
        let columns = columns.to_vec();
        let picked = self.map(row, shape, row.kind.clone(), move |from, to| {
            for (to, &column) in to.iter_mut().zip(&columns) {
                *to = from[column];
            }
        })?;
        self.originate(&picked, origins);
        Ok(picked)
    }

    /// Rows side by side.
    pub fn concat(&mut self, rows: &[Row], shape: Shape, kind: Kind) -> Result<Row, String> {
        let whole = self.make(0, shape, kind)?;
        let origins = rows.iter().flat_map(|row| self.trace(row)).collect();
        self.originate(&whole, origins);
        let mut column = 0;
        for row in rows {
            let part = PlaceDef::Part { parent: whole.place, column };
            if row.sole && matches!(self.places[row.place], PlaceDef::Root { .. }) {
                self.places[row.place] = part;
            } else {
                let to = self.place(part);
                self.push(Copy { from: row.place, to, width: row.width() });
            }
            column += row.width();
        }
        Ok(whole)
    }

    fn place(&mut self, def: PlaceDef) -> usize {
        self.places.push(def);
        self.places.len() - 1
    }
}

/// The shape of a constant within one row.
fn constant_shape(dims: &[usize], rank: usize) -> Result<(usize, Vec<usize>), String> {
    let split = dims.len().saturating_sub(rank);
    let (outer, inner) = dims.split_at(split);
    if outer.iter().any(|&d| d != 1) {
        return Err(format!("combines rows with a constant of shape {dims:?}, which has rows of its own"));
    }
    let mut padded = vec![1; rank - inner.len()];
    padded.extend(inner);
    Ok((outer.len().saturating_sub(1), padded))
}

/// Below what whole numbers lie, none of which is below 0.
fn bound_of(table: &[f32]) -> Option<usize> {
    table.iter().try_fold(0_usize, |bound, &x| (x >= 0.0).then(|| bound.max(x as usize + 1)))
}

/// An integer as f32, when that loses nothing.
pub(crate) fn exact(value: i64) -> Result<f32, String> {
    if value.unsigned_abs() <= EXACT.unsigned_abs() {
        Ok(value as f32)
    } else {
        Err(format!("integer {value} is too large to be compiled"))
    }
}

/// The kind of texts with these levels.
pub(crate) fn texts(levels: Vec<String>, open: bool) -> Kind {
    Kind::Code(Arc::new(Dict { levels: Levels::Text(levels), open }))
}

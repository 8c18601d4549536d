//! The only visitor from JSON to a model's slots: straight from the bytes into a [`Batch`], no tree of values between, and
//! nothing allocated per row or cell once the buffers are warm (but the names of members that are no columns, until the end
//! of their row).
//!
//! Members may come in any order. The order of the row before is tried first, which costs one comparison a member; else a
//! small hash table finds the column.

mod cell;
mod columns;
pub mod refusal;
mod row;
mod skip;
mod take;
pub mod value;

pub(crate) use columns::Stop;
pub use row::{List, Row};
pub use skip::Skip;
pub use take::{Seed, Take};

use crate::plan::{Column, Plan};
use engines::{Batch, Engine};
use refusal::{Expected, Found, Refusal, Wrong};
use serde::de;
use std::collections::HashSet;

/// The most faults one answer lists.
const REFUSALS_MAX: usize = 100;
/// The most unknown member names whose set is kept between rows.
const STRANGERS_KEPT: usize = 1024;

/// What is kept from call to call so that reading does not allocate.
#[derive(Debug, Default)]
pub struct Memory {
    /// Columns in the order the members of the last row came in; [`NO_COLUMN`] for unknown members.
    order: Vec<u16>,
    /// Columns in the order of a positional row; empty for signature order.
    header: Vec<u16>,
    /// By column: the stamp of the last row that brought it.
    seen: Vec<u64>,
    /// The present row's stamp; never repeats.
    stamp: u64,
    /// Unknown members of the present object.
    strangers: HashSet<Box<str>>,
}

/// Stands for a member or a position without a column.
const NO_COLUMN: u16 = u16::MAX;

/// Reads the rows of one call.
pub struct Reader<'a> {
    pub(crate) plan: &'a Plan,
    model: &'a Engine,
    batch: &'a mut Batch,
    memory: &'a mut Memory,
    max_rows: usize,
    pub(crate) max_depth: usize,
    /// Whether reading goes on after a fault to list them all.
    collect: bool,
    /// Levels of nesting around a row's members.
    pub(crate) level: usize,
    /// Whether text is no number, and a whole number has no fraction: what a typed schema demands.
    pub(crate) strict: bool,
    /// The column being read.
    at: Option<u16>,
    /// Columns the present row brought.
    present: usize,
    /// Whether a row is open.
    in_row: bool,
    /// Cells with a category not seen in training.
    pub unknown: u32,
    /// The faults found.
    pub refusals: Vec<Refusal>,
}

/// What a [`Reader`] reads into, and how far.
pub struct Target<'a> {
    /// Columns and where they go.
    pub plan: &'a Plan,
    /// The model the batch belongs to.
    pub model: &'a Engine,
    /// Filled with the rows.
    pub batch: &'a mut Batch,
    /// Buffers kept from call to call.
    pub memory: &'a mut Memory,
}

impl<'a> Reader<'a> {
    /// A reader over an emptied batch. `collect` lists all faults of the first row instead of the first one.
    pub fn new(target: Target<'a>, limits: &crate::Limits, collect: bool) -> Self {
        let Target { plan, model, batch, memory } = target;
        batch.clear();
        memory.header.clear();
        memory.strangers.clear();
        memory.seen.resize(plan.columns.len(), 0);
        Self {
            plan,
            model,
            batch,
            memory,
            max_rows: limits.rows,
            max_depth: limits.depth,
            collect,
            level: 1,
            strict: false,
            at: None,
            present: 0,
            in_row: false,
            unknown: 0,
            refusals: Vec::new(),
        }
    }

    /// Rows read so far.
    pub fn rows(&self) -> usize {
        self.batch.rows()
    }

    /// Notes a fault at the present place and gives the error that ends reading.
    pub fn refuse<E: de::Error>(&mut self, wrong: Wrong) -> E {
        let place = self.place(wrong);
        if self.refusals.len() < REFUSALS_MAX {
            self.refusals.push(place);
        }
        E::custom("refused")
    }

    /// A fault with the row and field being read.
    pub fn place(&self, wrong: Wrong) -> Refusal {
        let name = |at: u16| self.plan.columns.get(usize::from(at)).map(|c| c.name.clone());
        Refusal {
            row: self.in_row.then(|| self.batch.rows().saturating_sub(1)),
            field: self.at.and_then(name),
            wrong,
        }
    }

    /// Notes a fault in a value; an error unless all faults are collected.
    fn refuse_value<E: de::Error>(&mut self, expected: Expected, found: Found<'_>) -> Result<(), E> {
        let found = found.words();
        let error = self.refuse(Wrong::Value { expected, found });
        if self.collect { Ok(()) } else { Err(error) }
    }

    fn begin_row<E: de::Error>(&mut self) -> Result<(), E> {
        if self.batch.rows() >= self.max_rows {
            return Err(self.refuse(Wrong::TooManyRows(self.max_rows)));
        }
        self.batch.push_row();
        self.memory.stamp += 1;
        self.present = 0;
        self.in_row = true;
        Ok(())
    }

    fn end_row<E: de::Error>(&mut self) -> Result<(), E> {
        self.at = None;
        if self.present < self.plan.columns.len() {
            self.check_required()?;
        }
        self.in_row = false;
        self.forget_strangers();
        Ok(())
    }

    /// Refuses the required columns that the present stamp has not seen.
    fn check_required<E: de::Error>(&mut self) -> Result<(), E> {
        for (at, column) in (0_u16..).zip(&self.plan.columns) {
            if column.required && self.memory.seen[usize::from(at)] != self.memory.stamp {
                self.at = Some(at);
                let error = self.refuse(Wrong::Missing);
                self.at = None;
                if !self.collect {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The column of a member; `position` counts the members of the row.
    fn member<E: de::Error>(&mut self, name: &str, position: usize) -> Result<Option<u16>, E> {
        let expected = self.memory.order.get(position).copied();
        let column = match expected.and_then(|at| Some((at, self.plan.columns.get(usize::from(at))?))) {
            Some((at, column)) if *column.name == *name => Some(at),
            _ => self.look_up(name, position),
        };
        match column {
            Some(at) => self.mark(at, name)?,
            None => self.stranger(name)?,
        }
        self.at = column;
        Ok(column)
    }

    /// Finds a column by its name and remembers where it came.
    fn look_up(&mut self, name: &str, position: usize) -> Option<u16> {
        let column = self.plan.find(name);
        // Twice the columns is plenty for rows with unknown members; more is not worth remembering.
        if position < 2 * self.plan.columns.len() {
            if self.memory.order.len() <= position {
                self.memory.order.resize(position + 1, NO_COLUMN);
            }
            self.memory.order[position] = column.unwrap_or(NO_COLUMN);
        }
        column
    }

    /// Marks a column as brought by the present row or header.
    fn mark<E: de::Error>(&mut self, at: u16, name: &str) -> Result<(), E> {
        let seen = &mut self.memory.seen[usize::from(at)];
        if *seen == self.memory.stamp {
            self.at = None;
            return Err(self.refuse(Wrong::Duplicate(refusal::clip(name).into())));
        }
        *seen = self.memory.stamp;
        self.present += 1;
        Ok(())
    }

    /// Notes an unknown member of the present object; twice the same is refused like any duplicate.
    pub(crate) fn stranger<E: de::Error>(&mut self, name: &str) -> Result<(), E> {
        self.at = None;
        if self.memory.strangers.insert(name.into()) {
            Ok(())
        } else {
            Err(self.refuse(Wrong::Duplicate(refusal::clip(name).into())))
        }
    }

    /// Forgets the unknown members at the end of an object.
    pub(crate) fn forget_strangers(&mut self) {
        if self.memory.strangers.capacity() > STRANGERS_KEPT {
            self.memory.strangers = HashSet::new();
        } else if !self.memory.strangers.is_empty() {
            self.memory.strangers.clear();
        }
    }

    /// Starts the list of column names of positional rows.
    pub(crate) fn begin_header(&mut self) {
        self.memory.stamp += 1;
        self.memory.header.clear();
        self.present = 0;
    }

    /// Takes the next column name of positional rows.
    pub(crate) fn header<E: de::Error>(&mut self, name: &str) -> Result<(), E> {
        let column = self.plan.find(name);
        match column {
            Some(at) => self.mark(at, name)?,
            None => self.stranger(name)?,
        }
        self.memory.header.push(column.unwrap_or(NO_COLUMN));
        Ok(())
    }

    /// Ends the list of column names: every required column must be among them.
    pub(crate) fn end_header<E: de::Error>(&mut self) -> Result<(), E> {
        self.forget_strangers();
        self.check_required()
    }

    fn column(&self, at: u16) -> Option<&'a Column> {
        self.plan.columns.get(usize::from(at))
    }
}

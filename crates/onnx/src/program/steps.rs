//! The general steps.

use std::fmt;

use super::reading::Desk;
use super::{Block, Span, Step};

/// A function from one row to another.
pub(super) struct RowFn(pub Box<Function>);

type Function = dyn Fn(&[f32], &mut [f32]) + Send + Sync;

impl fmt::Debug for RowFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RowFn")
    }
}

/// Hands each row's columns of one place, and the room for those of another, to a function.
fn each_row(block: &mut Block<'_>, from: Span, to: Span, f: impl Fn(&[f32], &mut Desk, &mut [f32])) {
    let (source, target) = (block.places[from.0], block.places[to.0]);
    let (read, write) = block.arena.split_at_mut(target.offset);
    for row in 0..block.rows {
        f(&read[source.row(row)..][..from.1], block.desk, &mut write[row * target.stride..][..to.1]);
    }
}

/// Applies a function to every row.
#[derive(Debug)]
pub(super) struct Rowwise {
    pub from: Span,
    pub to: Span,
    pub f: RowFn,
}

impl Step for Rowwise {
    fn reads(&self) -> Vec<Span> {
        vec![self.from]
    }

    fn writes(&self) -> Vec<Span> {
        vec![self.to]
    }

    fn run(&self, block: &mut Block<'_>) {
        each_row(block, self.from, self.to, |source, _, target| (self.f.0)(source, target));
    }
}

type ReadFn<S> = dyn Fn(&S, &mut Desk, &mut [f32]) + Send + Sync;

/// Reads the text of every row.
pub(super) struct Reading {
    pub from: usize,
    pub to: Span,
    pub f: Box<ReadFn<str>>,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("from", &self.from).field("to", &self.to).finish_non_exhaustive()
    }
}

impl Step for Reading {
    fn reads(&self) -> Vec<Span> {
        vec![(self.from, 1)]
    }

    fn writes(&self) -> Vec<Span> {
        vec![self.to]
    }

    fn run(&self, block: &mut Block<'_>) {
        let (from, to) = (block.places[self.from], block.places[self.to.0]);
        for row in 0..block.rows {
            let text = block.texts.get(block.arena[from.row(row)]);
            (self.f)(text, block.desk, &mut block.arena[to.row(row)..][..self.to.1]);
        }
    }
}

/// Reads the codes of every row.
pub(super) struct Listing {
    pub from: Span,
    pub to: Span,
    pub f: Box<ReadFn<[f32]>>,
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").field("from", &self.from).field("to", &self.to).finish_non_exhaustive()
    }
}

impl Step for Listing {
    fn reads(&self) -> Vec<Span> {
        vec![self.from]
    }

    fn writes(&self) -> Vec<Span> {
        vec![self.to]
    }

    fn run(&self, block: &mut Block<'_>) {
        each_row(block, self.from, self.to, &self.f);
    }
}

/// Copies columns into their place in a concatenation.
#[derive(Debug)]
pub(super) struct Copy {
    pub from: usize,
    pub to: usize,
    pub width: usize,
}

impl Step for Copy {
    fn reads(&self) -> Vec<Span> {
        vec![(self.from, self.width)]
    }

    fn writes(&self) -> Vec<Span> {
        vec![(self.to, self.width)]
    }

    fn run(&self, block: &mut Block<'_>) {
        let (from, to) = (block.places[self.from], block.places[self.to]);
        let (read, write) = block.arena.split_at_mut(to.offset);
        for row in 0..block.rows {
            let source = &read[from.row(row)..][..self.width];
            write[row * to.stride..][..self.width].copy_from_slice(source);
        }
    }
}

/// Brings columns of several places together.
#[derive(Debug)]
pub(super) struct Gather {
    pub from: Vec<usize>,
    pub to: usize,
}

impl Step for Gather {
    fn reads(&self) -> Vec<Span> {
        self.from.iter().map(|&place| (place, 1)).collect()
    }

    fn writes(&self) -> Vec<Span> {
        vec![(self.to, self.from.len())]
    }

    fn run(&self, block: &mut Block<'_>) {
        let to = block.places[self.to];
        let (read, write) = block.arena.split_at_mut(to.offset);
        for (column, from) in self.from.iter().map(|&from| block.places[from]).enumerate() {
            for row in 0..block.rows {
                write[row * to.stride + column] = read[from.row(row)];
            }
        }
    }
}

type ZipFn = dyn Fn(&[&[f32]; 3], &mut [f32]) + Send + Sync;

/// Combines two or three values of one width, element by element.
pub(super) struct Zip {
    from: [usize; 3],
    to: Span,
    f: Box<ZipFn>,
}

impl fmt::Debug for Zip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zip").field("from", &self.from).field("to", &self.to).finish_non_exhaustive()
    }
}

impl Zip {
    pub fn two(from: [usize; 2], to: Span, f: impl Fn(f32, f32) -> f32 + Send + Sync + 'static) -> Self {
        let each = move |from: &[&[f32]; 3], to: &mut [f32]| {
            for ((to, &a), &b) in to.iter_mut().zip(from[0]).zip(from[1]) {
                *to = f(a, b);
            }
        };
        Self { from: [from[0], from[1], from[1]], to, f: Box::new(each) }
    }

    pub fn three(
        from: [usize; 3],
        to: Span,
        f: impl Fn(f32, f32, f32) -> f32 + Send + Sync + 'static,
    ) -> Self {
        let each = move |from: &[&[f32]; 3], to: &mut [f32]| {
            for (((to, &a), &b), &c) in to.iter_mut().zip(from[0]).zip(from[1]).zip(from[2]) {
                *to = f(a, b, c);
            }
        };
        Self { from, to, f: Box::new(each) }
    }
}

impl Step for Zip {
    fn reads(&self) -> Vec<Span> {
        self.from.map(|place| (place, self.to.1)).to_vec()
    }

    fn writes(&self) -> Vec<Span> {
        vec![self.to]
    }

    fn run(&self, block: &mut Block<'_>) {
        let from = self.from.map(|p| block.places[p]);
        let to = block.places[self.to.0];
        let (read, write) = block.arena.split_at_mut(to.offset);
        for row in 0..block.rows {
            let sources = from.map(|p| &read[p.row(row)..][..self.to.1]);
            (self.f)(&sources, &mut write[row * to.stride..][..self.to.1]);
        }
    }
}

//! A graph compiled for rows: a list of steps over one arena of f32 numbers.
//!
//! Every value of the graph is a place in the arena: `width` numbers per row, for a block of rows. Texts are
//! codes of a dictionary, integers and booleans are numbers. The arena holds the constants, then the inputs,
//! then what the steps compute, in the order in which places were made; a step therefore writes behind
//! everything it reads. Concatenation costs nothing for values made for it alone: they are written straight
//! into its place.

mod lower;
mod origin;
mod outputs;
mod reading;
mod steps;
mod sums;
mod texts;
mod value;

pub(crate) use lower::{EXACT, Lower, exact, texts};
pub(crate) use origin::{CODES, Map, Origin, Source, Way, index};
pub(crate) use outputs::Ending;
pub(crate) use reading::{Casing, Desk, Splitting, Texts, UNKNOWN, read};
pub(crate) use sums::Sums;
pub(crate) use texts::{Dictionary, Groups, Seeded};
pub(crate) use value::{Dict, Kind, Levels, Row, Shape, Value, Words};

use crate::forest::BLOCK;
use crate::work::Work;

/// Where a value lies: row `r` begins at `offset + r · stride`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub offset: usize,
    pub stride: usize,
}

impl Place {
    pub fn row(self, row: usize) -> usize {
        self.offset + row * self.stride
    }
}

/// One block of rows in work.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    pub rows: usize,
    pub arena: &'a mut [f32],
    pub places: &'a [Place],
    /// Scratch of the forests.
    pub words: &'a mut [u32],
    pub sums: &'a mut [f64],
    /// What the numbers of texts stand for.
    pub texts: &'a Texts,
    pub desk: &'a mut Desk,
}

/// A place and how many columns of it.
pub(crate) type Span = (usize, usize);

/// One step: reads some places, writes others.
pub(crate) trait Step: std::fmt::Debug + Send + Sync {
    /// What it reads.
    fn reads(&self) -> Vec<Span>;

    /// What it writes; a step is dropped when nobody reads that.
    fn writes(&self) -> Vec<Span>;

    /// What a row takes; of most steps that is what they write.
    fn work(&self) -> Work {
        Work { numbers: self.writes().iter().map(|span| span.1 as f64).sum(), ..Work::default() }
    }

    fn run(&self, block: &mut Block<'_>);
}

/// Memory one program works in; made once, used for every block.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    arena: Vec<f32>,
    words: Vec<u32>,
    sums: Vec<f64>,
    desk: Desk,
}

/// A compiled graph.
#[derive(Debug)]
pub(crate) struct Program {
    steps: Vec<Box<dyn Step>>,
    places: Vec<Place>,
    constants: Vec<f32>,
    inputs: Place,
    arena: usize,
    words: usize,
    sums: usize,
    /// Columns of the inputs whose integers must be told apart.
    pub whole: Vec<usize>,
    pub ending: Ending,
}

impl Program {
    /// Number of steps.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// What a row takes.
    pub fn work(&self) -> Work {
        let mut work = Work::default();
        self.steps.iter().for_each(|step| work += step.work());
        work
    }

    /// Memory for one block.
    pub fn memory(&self) -> Memory {
        let mut arena = vec![0.0; self.arena];
        arena[..self.constants.len()].copy_from_slice(&self.constants);
        Memory { arena, words: vec![0; self.words], sums: vec![0.0; self.sums], desk: Desk::default() }
    }

    /// Runs all rows of `inputs` (row by row, as wide as the slots together; with the texts they number) and hands
    /// each block's outputs to `ending`.
    pub fn run(
        &self,
        (inputs, texts): (&[f32], &Texts),
        memory: &mut Memory,
        mut ending: impl FnMut(&Block<'_>),
    ) {
        let width = self.inputs.stride;
        for rows in inputs.chunks(BLOCK * width) {
            memory.arena[self.inputs.offset..][..rows.len()].copy_from_slice(rows);
            let mut block = Block {
                rows: rows.len() / width,
                arena: &mut memory.arena,
                places: &self.places,
                words: &mut memory.words,
                sums: &mut memory.sums,
                texts,
                desk: &mut memory.desk,
            };
            for step in &self.steps {
                step.run(&mut block);
            }
            ending(&block);
        }
    }
}

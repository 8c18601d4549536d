//! Weighted sums of columns, taken from the sources of the columns. A code adds the sum of all that the columns
//! made of it would add, which is looked up: no one-hot vector is built, and each text column costs one addition
//! however many levels it has. A number is mapped on the way by the functions of the graph, in f32 as in the graph:
//! moving scales and offsets into the weights would save little and change what overflows.
//!
//! Products and sums are f64, as in the sums over whole rows; only the order of the additions differs.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::origin::{CODES, Map, Origin, Source, Way, index};
use super::{Block, Kind, Lower, Row, Shape, Span, Step};
use crate::forest::BLOCK;
use crate::work::Work;

/// Most sums a row.
const OUTPUTS: usize = 4096;

/// A number with its weight in each sum.
#[derive(Debug)]
struct Number {
    place: usize,
    maps: Maps,
    weights: Vec<f64>,
}

/// What becomes of a number.
#[derive(Debug)]
enum Maps {
    /// Less the first, times the second: a scaler, or with 0 and 1 nothing.
    Scale(f32, f32),
    All(Vec<Map>),
}

impl Maps {
    fn new(maps: &[Map]) -> Self {
        match *maps {
            [] => Self::Scale(0.0, 1.0),
            [Map::Sub(offset), Map::Mul(scale)] => Self::Scale(offset, scale),
            _ => Self::All(maps.to_vec()),
        }
    }
}

/// Columns added together where there is one sum a row.
const TOGETHER: usize = 4;

/// A code, and what it adds to each sum, code by code.
#[derive(Debug)]
struct Codes {
    place: usize,
    count: usize,
    added: Vec<f64>,
}

/// Sums over the columns of a row.
#[derive(Debug)]
pub(crate) struct Sums {
    outputs: usize,
    numbers: Vec<Number>,
    codes: Vec<Codes>,
}

impl Lower {
    /// The sums of a row's columns under these weights (those of each output side by side), where the columns are
    /// made of numbers and codes that can be read instead.
    pub fn weigh(&mut self, row: &Row, weights: &[f32], outputs: usize) -> Option<Sums> {
        if outputs > OUTPUTS || weights.len() != outputs * row.width() {
            return None;
        }
        let origins = self.origins(row)?;
        if origins.iter().all(Origin::is_itself)
            || origins.iter().filter_map(Origin::codes).any(|n| n > CODES)
        {
            return None;
        }
        let mut places: BTreeMap<Source, usize> = BTreeMap::new();
        let mut codes: BTreeMap<Source, usize> = BTreeMap::new();
        for origin in &origins {
            places.entry(origin.source).or_insert_with(|| self.source(origin.source));
            if let Some(count) = origin.codes() {
                codes.entry(origin.source).and_modify(|most| *most = count.max(*most)).or_insert(count);
            }
        }
        let columns = |o: &Origin| codes.get(&o.source).filter(|_| !is_plain(o)).map_or(0, |&c| c);
        let work = origins.iter().map(columns).chain(codes.values().copied());
        self.spend(work.fold(0, usize::saturating_add).saturating_mul(outputs))?;
        self.scratch(0, outputs * BLOCK);
        let mut sums = Sums { outputs, numbers: Vec::new(), codes: Vec::new() };
        let tables = codes.into_iter().map(|(source, count)| {
            (source, Codes { place: places[&source], count, added: vec![0.0; count * outputs] })
        });
        sums.fill(&origins, weights, (&places, tables.collect()));
        Some(sums)
    }

    /// The sums in f32, after `finish`.
    pub fn total(
        &mut self,
        sums: Sums,
        shape: Shape,
        finish: impl Fn(&mut [f32]) + Send + Sync + 'static,
    ) -> Result<Row, String> {
        let to = self.make(0, shape, Kind::Float)?;
        self.push(Total { sums, to: (to.place, to.width()), finish: Box::new(finish) });
        Ok(to)
    }
}

type Finish = dyn Fn(&mut [f32]) + Send + Sync;

/// Rounds sums to f32 and hands them on.
struct Total {
    sums: Sums,
    to: Span,
    finish: Box<Finish>,
}

impl fmt::Debug for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Total").field("sums", &self.sums).field("to", &self.to).finish_non_exhaustive()
    }
}

impl Step for Total {
    fn reads(&self) -> Vec<Span> {
        self.sums.reads()
    }

    fn writes(&self) -> Vec<Span> {
        vec![self.to]
    }

    fn work(&self) -> Work {
        self.sums.work()
    }

    fn run(&self, block: &mut Block<'_>) {
        self.sums.run(block);
        let (to, width) = (block.places[self.to.0], self.to.1);
        for (row, sums) in block.sums.chunks_exact(width).take(block.rows).enumerate() {
            let to = &mut block.arena[to.row(row)..][..width];
            to.iter_mut().zip(sums).for_each(|(to, sum)| *to = *sum as f32);
            (self.finish)(to);
        }
    }
}

/// Whether the column is 1 for some codes and 0 for the others.
fn is_plain(origin: &Origin) -> bool {
    matches!(origin.way, Way::Hot(..)) && origin.maps.is_empty()
}

impl Sums {
    /// `weights` as for [`Lower::weigh`].
    fn fill(
        &mut self,
        origins: &[Origin],
        weights: &[f32],
        (places, mut codes): (&BTreeMap<Source, usize>, BTreeMap<Source, Codes>),
    ) {
        let (width, outputs) = (origins.len(), self.outputs);
        let column = |c: usize| (0..outputs).map(move |output| f64::from(weights[output * width + c]));
        let mut hot: Vec<HotColumns<'_>> = Vec::new();
        let mut found: HashMap<(Source, usize), usize> = HashMap::new();
        for (at, origin) in origins.iter().enumerate() {
            let weights: Vec<f64> = column(at).collect();
            match (&origin.way, codes.get_mut(&origin.source)) {
                (Way::Hot(table, level), _) if is_plain(origin) && weights.iter().all(|w| w.is_finite()) => {
                    let of = *found.entry((origin.source, table.as_ptr().addr())).or_insert_with(|| {
                        hot.push((origin.source, table, HashMap::new()));
                        hot.len() - 1
                    });
                    hot[of].2.entry(*level).or_default().push(at);
                }
                (Way::Itself, _) | (_, None) => {
                    let place = places[&origin.source];
                    self.numbers.push(Number { place, maps: Maps::new(&origin.maps), weights });
                }
                (_, Some(codes)) => codes.add(origin, &weights),
            }
        }
        for (source, table, columns) in hot {
            let Some(codes) = codes.get_mut(&source) else { continue };
            for (added, level) in codes.added.chunks_exact_mut(outputs).zip(table) {
                for &at in columns.get(level).into_iter().flatten() {
                    added.iter_mut().zip(column(at)).for_each(|(sum, weight)| *sum += weight);
                }
            }
        }
        self.codes = codes.into_values().collect();
    }

    /// What it reads.
    pub fn reads(&self) -> Vec<Span> {
        self.numbers
            .iter()
            .map(|n| n.place)
            .chain(self.codes.iter().map(|c| c.place))
            .map(|p| (p, 1))
            .collect()
    }

    /// What a row takes.
    pub fn work(&self) -> Work {
        let added: usize = self.codes.iter().map(|codes| codes.added.len()).sum();
        let terms = (self.numbers.len() + self.codes.len()) * self.outputs;
        Work { terms: terms as f64, table_bytes: (added * size_of::<f64>()) as f64, ..Work::default() }
    }

    /// Writes the sums of all rows to the scratch of the block, row by row.
    pub fn run(&self, block: &mut Block<'_>) {
        let Block { rows, arena, places, sums, .. } = block;
        let column = |place: usize| (&arena[places[place].offset..], places[place].stride);
        let sums = &mut sums[..*rows * self.outputs];
        sums.fill(0.0);
        if self.outputs == 1 {
            self.run_one(column, sums);
            return;
        }
        for number in &self.numbers {
            number.add(column(number.place), sums);
        }
        for codes in &self.codes {
            codes.add_all(column(codes.place), sums, self.outputs);
        }
    }

    /// One sum a row: some columns in one pass, so that sums are read and written less often.
    fn run_one<'a>(&self, column: impl Fn(usize) -> (&'a [f32], usize), sums: &mut [f64]) {
        let (fours, rest) = self.numbers.as_chunks::<TOGETHER>();
        for four in fours {
            let from = four.each_ref().map(|number| column(number.place));
            add_columns(from, sums, |at, x| four[at].term(x));
        }
        for number in rest {
            add_columns([column(number.place)], sums, |_, x| number.term(x));
        }
        let (fours, rest) = self.codes.as_chunks::<TOGETHER>();
        for four in fours {
            let from = four.each_ref().map(|codes| column(codes.place));
            add_columns(from, sums, |at, x| four[at].term(x));
        }
        for codes in rest {
            add_columns([column(codes.place)], sums, |_, x| codes.term(x));
        }
    }
}

/// Adds what `term` makes of columns to the sum of each row.
#[inline(always)]
fn add_columns<const N: usize>(
    from: [(&[f32], usize); N],
    sums: &mut [f64],
    term: impl Fn(usize, f32) -> f64,
) {
    for (row, sum) in sums.iter_mut().enumerate() {
        for (at, (from, stride)) in from.iter().enumerate() {
            *sum += term(at, from[row * stride]);
        }
    }
}

/// A code, its table of hot numbers, and the columns that are hot for each.
type HotColumns<'a> = (Source, &'a [u32], HashMap<u32, Vec<usize>>);

impl Number {
    #[inline(always)]
    fn mapped(&self, x: f32) -> f64 {
        f64::from(match &self.maps {
            Maps::Scale(offset, scale) => (x - offset) * scale,
            Maps::All(maps) => maps.iter().fold(x, |x, map| map.apply(x)),
        })
    }

    /// What it adds to the only sum.
    #[inline(always)]
    fn term(&self, x: f32) -> f64 {
        self.weights[0] * self.mapped(x)
    }

    /// Adds a column to the sums of its rows.
    fn add(&self, (from, stride): (&[f32], usize), sums: &mut [f64]) {
        for (row, sums) in sums.chunks_exact_mut(self.weights.len()).enumerate() {
            let x = self.mapped(from[row * stride]);
            sums.iter_mut().zip(&self.weights).for_each(|(sum, weight)| *sum += weight * x);
        }
    }
}

impl Codes {
    /// Adds what a column adds for each code.
    fn add(&mut self, origin: &Origin, weights: &[f64]) {
        for (code, added) in self.added.chunks_exact_mut(weights.len()).enumerate() {
            let x = f64::from(origin.of_code(code));
            added.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight * x);
        }
    }

    /// What it adds to the only sum.
    #[inline(always)]
    fn term(&self, x: f32) -> f64 {
        self.added[index(x).min(self.count - 1)]
    }

    /// Adds a column to the sums of its rows.
    fn add_all(&self, (from, stride): (&[f32], usize), sums: &mut [f64], outputs: usize) {
        for (row, sums) in sums.chunks_exact_mut(outputs).enumerate() {
            let code = index(from[row * stride]).min(self.count - 1);
            let added = &self.added[code * outputs..][..outputs];
            sums.iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
        }
    }
}

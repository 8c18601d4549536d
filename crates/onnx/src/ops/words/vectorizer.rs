//! Counts of n-grams.

use super::grams::{Grams, Reach};
use super::{Inputs, Lower, Node, Op, Operator, Tensor, Value, need, need_value, strings};
use crate::error::Result;
use crate::limits;
use crate::ops::{float, integers};
use crate::program::{Dictionary, Kind, Levels, Row, Shape, UNKNOWN, Words, read};
use std::collections::HashMap;
use std::sync::Arc;

/// Most looks one node takes at a tensor, and steps of one.
const LOOKS: usize = 1 << 30;
const LOOK: usize = 8;
/// Most codes that may stand between two of an n-gram in a compiled row.
const SKIPS: usize = 16;

/// What the codes of the pool stand for.
#[derive(Debug)]
enum Pool {
    Texts(Dictionary),
    Numbers(HashMap<i64, u32>),
}

impl Pool {
    fn text(&self, text: &str) -> u32 {
        match self {
            Self::Texts(dictionary) => dictionary.known(text).unwrap_or(UNKNOWN),
            Self::Numbers(_) => UNKNOWN,
        }
    }

    fn number(&self, number: i64) -> u32 {
        match self {
            Self::Numbers(codes) => codes.get(&number).copied().unwrap_or(UNKNOWN),
            Self::Texts(_) => UNKNOWN,
        }
    }
}

/// How hits become numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Count,
    Presence,
}

/// What rows are counted by.
#[derive(Debug)]
struct Counting {
    pool: Pool,
    grams: Grams,
    reach: Reach,
    mode: Mode,
    /// Column of each n-gram of the pool.
    columns: Vec<usize>,
    /// What a hit of each n-gram counts.
    weights: Vec<f32>,
    width: usize,
}

#[derive(Debug)]
struct Vectorizer(Arc<Counting>);

pub(super) fn build(node: &Node<'_>) -> Result<Op> {
    let (mode, weighted) = match node.text("mode")?.as_deref() {
        Some("TF") => (Mode::Count, false),
        Some("IDF") => (Mode::Presence, true),
        Some("TFIDF") => (Mode::Count, true),
        other => return Err(node.error(format!("mode {other:?} is none of TF, IDF and TFIDF"))),
    };
    let size = |name: &str| -> Result<usize> {
        let given = node.int(name)?.unwrap_or(-1);
        usize::try_from(given).map_err(|_| node.error(format!("{name} {given} is out of range")))
    };
    let reach = Reach {
        shortest: size("min_gram_length")?,
        longest: size("max_gram_length")?,
        skips: size("max_skip_count")?,
    };
    let (pool, codes) = pool(node)?;
    let columns = columns(node)?;
    let grams = grams(node, (&codes, columns.len()), reach)?;
    let given = node.floats("weights")?;
    if !given.is_empty() && given.len() != columns.len() {
        let reason = format!("has {} weights for {} ngram_indexes", given.len(), columns.len());
        return Err(node.error(reason));
    }
    let weights = if weighted && !given.is_empty() { given.to_vec() } else { vec![1.0; columns.len()] };
    let width = columns.iter().max().map_or(0, |&c| c + 1);
    Ok(Box::new(Vectorizer(Arc::new(Counting { pool, grams, reach, mode, columns, weights, width }))))
}

/// The pool, and its elements as codes.
fn pool(node: &Node<'_>) -> Result<(Pool, Vec<u32>)> {
    let (texts, numbers) = (node.texts("pool_strings")?, node.ints("pool_int64s")?);
    match (texts.is_empty(), numbers.is_empty()) {
        (false, true) => {
            let dictionary = Dictionary::new(texts.iter().cloned());
            let codes = texts.iter().map(|t| dictionary.code(t)).collect();
            Ok((Pool::Texts(dictionary), codes))
        }
        (true, false) => {
            let mut known = HashMap::new();
            let code = |&n: &i64| {
                let fresh = known.len() as u32;
                *known.entry(n).or_insert(fresh)
            };
            let codes = numbers.iter().map(code).collect();
            Ok((Pool::Numbers(known), codes))
        }
        (true, true) => Err(node.error("has neither pool_strings nor pool_int64s")),
        (false, false) => Err(node.error("has both pool_strings and pool_int64s")),
    }
}

fn columns(node: &Node<'_>) -> Result<Vec<usize>> {
    let column = |&index: &i64| {
        let column = usize::try_from(index).ok().filter(|&c| c < limits::ROW_WIDTH);
        column.ok_or_else(|| node.error(format!("ngram_indexes has {index}, which is out of range")))
    };
    node.ints("ngram_indexes")?.iter().map(column).collect()
}

/// The n-grams of the pool; those of lengths that are not counted keep their numbers.
fn grams(node: &Node<'_>, (codes, indexes): (&[u32], usize), reach: Reach) -> Result<Grams> {
    let starts = node.ints("ngram_counts")?;
    let Reach { shortest, longest, .. } = reach;
    if shortest == 0 || shortest > longest || longest > starts.len() {
        let reason = format!("counts n-grams of {shortest} to {longest}, with {} ngram_counts", starts.len());
        return Err(node.error(reason));
    }
    let mut grams = Grams::new();
    let mut number = 0;
    for (at, &start) in starts.iter().enumerate() {
        let length = at + 1;
        let end = starts.get(at + 1).copied().unwrap_or(codes.len() as i64);
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let part = range.and_then(|(start, end)| codes.get(start..end));
        let part = part.filter(|part| part.len() % length == 0).ok_or_else(|| {
            let pool = codes.len();
            node.error(format!("ngram_counts puts the {length}-grams at {start}..{end} of a pool of {pool}"))
        })?;
        for gram in part.chunks_exact(length) {
            let counted = (shortest..=longest).contains(&length);
            if counted && !grams.add(gram, number) {
                return Err(node.error(format!("its pool has the {length}-gram {number} twice")));
            }
            number += 1;
        }
    }
    if number as usize <= indexes {
        return Ok(grams);
    }
    Err(node.error(format!("has {number} n-grams and {indexes} ngram_indexes")))
}

impl Counting {
    /// Counts the n-grams of a row.
    fn count(&self, codes: &[u32], to: &mut [f32]) {
        to.fill(0.0);
        self.grams.find(codes, self.reach, |number| {
            let (column, weight) = (self.columns[number as usize], self.weights[number as usize]);
            match self.mode {
                Mode::Count => to[column] += weight,
                Mode::Presence => to[column] = weight,
            }
        });
    }

    /// Elements as codes.
    fn codes(&self, tensor: &Tensor) -> Result<Vec<u32>, String> {
        match self.pool {
            Pool::Texts(_) => Ok(strings(tensor)?.iter().map(|t| self.pool.text(t)).collect()),
            Pool::Numbers(_) => Ok(integers(tensor)?.iter().map(|&n| self.pool.number(n)).collect()),
        }
    }
}

/// Axes before the last one, how many lists there are, and how long each is.
fn lists(dims: &[usize]) -> Result<(&[usize], usize, usize), String> {
    match dims {
        [length] => Ok((&[], 1, *length)),
        [rows, length] => Ok((&dims[..1], *rows, *length)),
        dims => Err(format!("takes [C] or [N, C], got {dims:?}")),
    }
}

impl Operator for Vectorizer {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let counting = &*self.0;
        let input = need(inputs, 0)?;
        let (leading, rows, length) = lists(&input.dims)?;
        if rows.saturating_mul(counting.reach.looks(length)) > LOOKS {
            return Err(format!("looks for n-grams more than {LOOKS} times: max_skip_count is too large"));
        }
        let codes = counting.codes(input)?;
        let dims = [leading, &[counting.width]].concat();
        inputs.count(&dims)?;
        let mut out = vec![0.0; rows * counting.width];
        for (row, to) in out.chunks_exact_mut(counting.width.max(1)).enumerate() {
            counting.count(&codes[row * length..(row + 1) * length], to);
        }
        Ok(vec![float(dims, out)])
    }

    fn work(&self, inputs: &Inputs<'_>) -> usize {
        let found = inputs.get(0).and_then(|tensor| lists(&tensor.dims).ok());
        let looks = found.map_or(0, |(_, rows, length)| rows.saturating_mul(self.0.reach.looks(length)));
        looks.saturating_mul(LOOK)
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        if self.0.reach.skips > SKIPS {
            return Err(format!("skips more than {SKIPS} words, which a compiled row does not"));
        }
        let row = match need_value(inputs, 0)? {
            Value::Words(words) => self.lower_words(lower, words)?,
            value => self.lower_row(lower, value.row()?)?,
        };
        Ok(vec![Value::Row(row)])
    }

    fn levels(&self) -> Option<Vec<String>> {
        match &self.0.pool {
            Pool::Texts(dictionary) => Some(dictionary.levels.clone()),
            Pool::Numbers(_) => None,
        }
    }
}

impl Vectorizer {
    /// Counts the words of a text.
    fn lower_words(&self, lower: &mut Lower, words: &Words) -> Result<Row, String> {
        if words.shape != Shape::column() {
            return Err(format!("takes the words of one text a row, got {}", words.shape));
        }
        let counting = Arc::clone(&self.0);
        let Pool::Texts(pool) = &counting.pool else {
            return Err("takes integers, not texts".to_owned());
        };
        if pool.known("").is_some_and(|empty| counting.grams.has(empty)) {
            return Err("counts the empty words that fill shorter rows up".to_owned());
        }
        lower.table(counting.columns.len())?;
        let to = lower.make(0, Shape::matrix(counting.width), Kind::Float)?;
        let (casing, splitting) = (words.casing, words.splitting.clone());
        lower.read(words.place, &to, move |text, desk, to| {
            if let Pool::Texts(pool) = &counting.pool {
                read(text, (casing, &splitting), pool, desk);
                counting.count(&desk.codes, to);
            }
        });
        Ok(to)
    }

    /// Counts the elements of a row.
    fn lower_row(&self, lower: &mut Lower, row: &Row) -> Result<Row, String> {
        row.shape.matrix_width()?;
        let counting = Arc::clone(&self.0);
        let table: Option<Vec<u32>> = match (&row.kind, &counting.pool) {
            (Kind::Int, Pool::Numbers(_)) => None,
            (Kind::Code(dict), pool) => Some(match (&dict.levels, pool) {
                (Levels::Text(levels), Pool::Texts(_)) => levels.iter().map(|l| pool.text(l)).collect(),
                (Levels::Integer(levels), Pool::Numbers(_)) => {
                    levels.iter().map(|&l| pool.number(l)).collect()
                }
                _ => return Err("its pool is of another type".to_owned()),
            }),
            _ => return Err("its pool is of another type".to_owned()),
        };
        lower.table(counting.columns.len() + table.as_ref().map_or(0, Vec::len))?;
        let to = lower.make(0, Shape::matrix(counting.width), Kind::Float)?;
        let code = move |pool: &Pool, x: f32| match &table {
            Some(table) => table.get(x as usize).copied().unwrap_or(UNKNOWN),
            None => pool.number(x as i64),
        };
        lower.read_numbers(row, &to, move |numbers, desk, to| {
            desk.codes.clear();
            desk.codes.extend(numbers.iter().map(|&x| code(&counting.pool, x)));
            counting.count(&desk.codes, to);
        });
        Ok(to)
    }
}

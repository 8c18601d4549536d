//! One column: facts, decision, cast.

use crate::calendar::Part;
use crate::dataset::{Coding, Feature, Shape};
use crate::outcome::ColumnRole;
use crate::table::{Column, Kind, MISSING_CODE, Values};
use crate::vocabulary::{self, TERMS, Vocabulary};
use std::collections::HashMap;
use std::sync::Arc;

/// Distinct share above which texts are taken for identifiers.
const UNIQUE_SHARE: f64 = 0.99;
/// A free text is taken for a category when its distinct values are at most this share of the rows …
const TEXT_SHARE: f64 = 0.2;
/// … and at most this many, or when this share of them comes again.
const TEXT_LEVELS: usize = 2000;
const AGAIN_SHARE: f64 = 0.9;
/// Codes of a category, missing and rare included; boosting and the forests bin by bytes.
const MAX_CODES: usize = 250;
/// Texts that have a place of their own at most, where there are more than codes.
const MAX_PLACES: usize = 20_000;
/// … and where at least this share of the rows holds texts without a code of their own.
const PLACED_SHARE: f64 = 0.05;
/// A text on fewer rows than rows / this (and fewer than [`RARE_ROWS`]) is merged with its like.
const RARE_PER_ROWS: usize = 2000;
/// Texts on fewer rows than this are always merged.
const RARE_ROWS: usize = 2;
/// Texts are read word by word when half of them have so many words, and there are so many texts.
const PROSE_WORDS: usize = 2;
const PROSE_ROWS: usize = 20;
/// Rows from which a serial number is looked for.
const SERIAL_ROWS: usize = 10;
/// Whole numbers without a gap that lie between these are taken for years, one a row, and not for serial numbers.
const YEARS: (f64, f64) = (1500.0, 2200.0);
/// Names that identify a row when every value is different.
const ID_NAMES: [&str; 8] = ["id", "sno", "index", "rowid", "row", "uuid", "guid", "key"];

/// What counting tells about a column.
#[derive(Debug)]
pub(super) struct Facts {
    pub missing: usize,
    pub distinct: usize,
    /// Rows whose text stands in another row too; of numbers 0.
    again: usize,
    /// Whether the numbers are n different whole numbers without a gap, and no calendar years.
    serial: bool,
}

/// The kept rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    /// The trainable ones: everything is decided by them.
    pub fit: &'a [u32],
    /// These and the rows of the validation table: all are cast.
    pub all: &'a [u32],
}

/// What becomes of a column.
pub(super) enum Decision {
    /// Left out, with the reason.
    Drop(String),
    /// A feature and its values, one a kept row; the places of a category with more texts than codes, else none.
    Use { feature: Feature, values: Vec<f32>, places: Vec<f32>, note: Option<String> },
    /// A text that is read word by word, one a kept row.
    Read { feature: Feature, texts: Vec<Arc<str>> },
}

/// Counts missing and distinct values of the kept rows.
pub(super) fn facts(column: &Column, rows: &[u32]) -> Facts {
    match &column.values {
        Values::Numbers(v) => {
            let mut present: Vec<f64> = rows.iter().map(|&r| v[r as usize]).filter(|x| !x.is_nan()).collect();
            present.sort_unstable_by(f64::total_cmp);
            let missing = rows.len() - present.len();
            let span = present.first().zip(present.last()).map_or(0.0, |(a, b)| b - a + 1.0);
            let whole = present.iter().all(|x| x.fract() == 0.0);
            let count = present.len();
            present.dedup();
            let years =
                present.first().zip(present.last()).is_some_and(|(a, b)| *a >= YEARS.0 && *b <= YEARS.1);
            let gapless = whole && present.len() == count && span == count as f64;
            let serial = missing == 0 && gapless && !years;
            Facts { missing, distinct: present.len(), again: 0, serial }
        }
        Values::Texts { .. } => {
            let counts = counts(column, rows);
            let missing = rows.len() - counts.iter().map(|&(_, n)| n).sum::<usize>();
            let again = counts.iter().filter(|(_, n)| *n >= RARE_ROWS).map(|(_, n)| n).sum();
            Facts { missing, distinct: counts.len(), again, serial: false }
        }
    }
}

/// Texts of the kept rows with their counts, most frequent first, then by text.
fn counts<'a>(column: &'a Column, rows: &[u32]) -> Vec<(&'a str, usize)> {
    let Values::Texts { codes, levels } = &column.values else {
        return Vec::new();
    };
    let mut by_level = vec![0usize; levels.len()];
    for &r in rows {
        let code = codes[r as usize];
        if code != MISSING_CODE && !levels[code as usize].is_empty() {
            by_level[code as usize] += 1;
        }
    }
    let mut by_text = std::collections::BTreeMap::new();
    for (level, n) in levels.iter().zip(by_level).filter(|&(_, n)| n > 0) {
        *by_text.entry(level.as_str()).or_insert(0) += n;
    }
    let mut counts: Vec<(&str, usize)> = by_text.into_iter().collect();
    counts.sort_by_key(|&(_, n)| std::cmp::Reverse(n));
    counts
}

/// Decides what becomes of a column.
pub(super) fn decide(column: &Column, rows: Rows<'_>, facts: &Facts) -> Decision {
    if let Values::Texts { codes, levels } = &column.values
        && is_prose((codes, levels), (rows.fit, facts), column.kind)
        && let Some(decision) = prose(column, (codes, levels), rows)
    {
        return decision;
    }
    if let Some(reason) = useless(column, rows.fit.len(), facts) {
        return Decision::Drop(reason);
    }
    match &column.values {
        Values::Numbers(v) => number(column, v, rows.all),
        Values::Texts { codes, levels } => category(column, codes, levels, rows),
    }
}

/// The text of a row; a missing one is empty.
fn text<'a>((codes, levels): (&[u32], &'a [String]), row: u32) -> &'a str {
    match codes[row as usize] {
        MISSING_CODE => "",
        code => &levels[code as usize],
    }
}

/// Whether texts are to be read word by word: too many differ for a category (of free texts, more than there are codes),
/// and half of them or more have several words, as no identifier has.
fn is_prose(texts: (&[u32], &[String]), (rows, facts): (&[u32], &Facts), kind: Kind) -> bool {
    let present = rows.len() - facts.missing;
    let beyond = kind == Kind::Text && facts.distinct > MAX_CODES;
    let many = beyond || facts.distinct as f64 > TEXT_SHARE * rows.len() as f64;
    let several = || rows.iter().filter(|&&r| vocabulary::real(text(texts, r)) >= PROSE_WORDS).count();
    many && present >= PROSE_ROWS && 2 * several() >= present
}

/// A text that is read word by word, when there are words that come again.
fn prose(column: &Column, levels: (&[u32], &[String]), rows: Rows<'_>) -> Option<Decision> {
    let vocabulary = Vocabulary::choose(rows.fit.iter().map(|&r| text(levels, r)), TERMS)?;
    let shared: Vec<Arc<str>> = levels.1.iter().map(|level| Arc::from(level.as_str())).collect();
    let empty: Arc<str> = Arc::from("");
    let read = |&r: &u32| match levels.0[r as usize] {
        MISSING_CODE => Arc::clone(&empty),
        code => Arc::clone(&shared[code as usize]),
    };
    let example = rows.fit.iter().map(|&r| text(levels, r)).find(|t| !t.is_empty()).unwrap_or_default();
    let feature = Feature {
        name: column.name.clone(),
        kind: Kind::Text,
        shape: Shape::Text(Arc::new(vocabulary)),
        example: example.into(),
    };
    Some(Decision::Read { feature, texts: rows.all.iter().map(read).collect() })
}

/// Why a column can't help, if it can't.
fn useless(column: &Column, rows: usize, facts: &Facts) -> Option<String> {
    let present = rows - facts.missing;
    if present == 0 {
        return Some("every value is missing".into());
    }
    if facts.distinct == 1 && facts.missing == 0 {
        return Some("every row has the same value".into());
    }
    let every_different = facts.distinct == present;
    match column.kind {
        Kind::Integer | Kind::Float if facts.serial && rows >= SERIAL_ROWS => {
            Some("a serial number: whole numbers without gap or repetition".into())
        }
        Kind::Integer if every_different && present >= SERIAL_ROWS && names_id(&column.name) => {
            Some("an identifier by its name, every value is different".into())
        }
        Kind::Category | Kind::Text
            if facts.distinct as f64 > UNIQUE_SHARE * present as f64 && present > 2 =>
        {
            Some("nearly every value is different".into())
        }
        Kind::Text
            if (facts.distinct > TEXT_LEVELS || facts.distinct as f64 > TEXT_SHARE * rows as f64)
                && (facts.again as f64) < AGAIN_SHARE * present as f64 =>
        {
            Some(format!("free text with {} different values", facts.distinct))
        }
        _ => None,
    }
}

/// Whether a name is one of those people give to identifiers: `id`, `Sno`, `customer_id`, `customerId`, `customerID`, but
/// not `AMOUNT_PAID` or `BID`.
fn names_id(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ID_NAMES.contains(&lower.as_str())
        || lower.ends_with("_id")
        || lower.ends_with(" id")
        || lower.ends_with("-id")
        || name.ends_with("Id")
        || name.strip_suffix("ID").is_some_and(|stem| !stem.ends_with(|c: char| c.is_uppercase()))
}

/// A finite 32-bit number, or NaN.
fn cast(x: f64) -> f32 {
    if x.is_nan() { f32::NAN } else { x.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32 }
}

fn number(column: &Column, values: &[f64], rows: &[u32]) -> Decision {
    let cast: Vec<f32> = rows.iter().map(|&r| cast(values[r as usize])).collect();
    let first = rows.iter().map(|&r| values[r as usize]).find(|x| x.is_finite()).unwrap_or(0.0);
    let example = match column.kind {
        Kind::Boolean => (first != 0.0).into(),
        Kind::Integer | Kind::Timestamp if first.abs() < 9e15 && first.fract() == 0.0 => {
            (first as i64).into()
        }
        _ => first.into(),
    };
    let note =
        (column.kind == Kind::Timestamp).then(|| "used as seconds since 1970 and calendar parts".to_owned());
    let feature = Feature { name: column.name.clone(), kind: column.kind, shape: Shape::Number, example };
    Decision::Use { feature, values: cast, places: Vec::new(), note }
}

fn category(column: &Column, codes: &[u32], levels: &[String], rows: Rows<'_>) -> Decision {
    let counts = counts(column, rows.fit);
    let coding = coding(&counts, rows.fit.len());
    let index = coding.index();
    let by_level: Vec<f32> = levels
        .iter()
        .map(|l| {
            if l.is_empty() {
                coding.absent()
            } else {
                index.get(l.as_str()).copied().unwrap_or(coding.unknown())
            }
        })
        .collect();
    let of = |by_level: &[f32], absent: f32| -> Vec<f32> {
        let value = |&r: &u32| match codes[r as usize] {
            MISSING_CODE => absent,
            code => by_level[code as usize],
        };
        rows.all.iter().map(value).collect()
    };
    let values = of(&by_level, coding.absent());
    let places = match coding.placed {
        0 => Vec::new(),
        _ => of(&places(levels, &coding), coding.absent_place()),
    };
    let first = rows
        .fit
        .iter()
        .map(|&r| codes[r as usize])
        .find(|&c| c != MISSING_CODE && !levels[c as usize].is_empty());
    let example = first.map_or("", |c| levels[c as usize].as_str()).into();
    let merged = counts.len() - coding.levels.len();
    let mut note = (column.kind == Kind::Text).then(|| "text with few values, used as a category".to_owned());
    if coding.placed > 0 {
        note = Some(format!(
            "{merged} values share a code; {} have a mean of the target of their own",
            coding.placed
        ));
    } else if merged > 0 {
        note = Some(format!("{merged} rare values are treated as one"));
    }
    drop(index);
    let feature =
        Feature { name: column.name.clone(), kind: column.kind, shape: Shape::Category(coding), example };
    Decision::Use { feature, values, places, note }
}

/// The place of each text of a table.
fn places(levels: &[String], coding: &Coding) -> Vec<f32> {
    let by_text: HashMap<&str, usize> =
        coding.seen[..coding.placed].iter().enumerate().map(|(place, text)| (text.as_str(), place)).collect();
    let place = |text: &String| match text.as_str() {
        "" => coding.absent_place(),
        text => by_text.get(text).map_or(f32::NAN, |&place| place as f32),
    };
    levels.iter().map(place).collect()
}

/// Gives the frequent texts a code each, the rare ones and the missing one a code together.
fn coding(counts: &[(&str, usize)], rows: usize) -> Coding {
    let least = RARE_ROWS.max(rows / RARE_PER_ROWS);
    let present: usize = counts.iter().map(|&(_, n)| n).sum();
    let frequent = counts.iter().take_while(|&&(_, n)| n >= least).count().min(MAX_CODES - 2);
    // One rare text alone keeps its code: merging it would only rename it.
    let kept = if counts.len() - frequent == 1 && frequent < MAX_CODES - 2 { counts.len() } else { frequent };
    let text = |&(t, _): &(&str, usize)| t.to_owned();
    let mut next = kept as u32;
    let mut code = |wanted: bool| {
        let code = wanted.then_some(next);
        next += u32::from(wanted);
        code
    };
    let missing = code(present < rows);
    let rare = code(kept < counts.len());
    let again = counts.iter().take_while(|&&(_, n)| n >= RARE_ROWS).count();
    let merged: usize = counts[kept..].iter().map(|&(_, n)| n).sum();
    let worth = again > MAX_CODES - 2 && merged as f64 >= PLACED_SHARE * present as f64;
    let placed = if worth { again.min(MAX_PLACES) } else { 0 };
    Coding {
        placed,
        levels: counts[..kept].iter().map(text).collect(),
        seen: counts.iter().map(text).collect(),
        missing,
        rare,
    }
}

/// The calendar parts of a moment, feature `of`, that differ between rows; only the first `fit` rows decide.
pub(super) fn moments(of: usize, feature: &Feature, values: &[f32], fit: usize) -> Vec<(Feature, Vec<f32>)> {
    let differs = |values: &[f32]| {
        let mut present = values[..fit].iter().filter(|x| !x.is_nan());
        let first = present.next();
        present.any(|x| Some(x) != first)
    };
    let make = |part: Part| {
        let values: Vec<f32> = values.iter().map(|&x| part.of(x)).collect();
        let name = format!("{} ({})", feature.name, part.name());
        let example = values.first().map_or(0.into(), |&x| f64::from(x).into());
        let shape = Shape::Moment { of, part };
        (Feature { name, kind: Kind::Integer, shape, example }, values)
    };
    Part::ALL.into_iter().map(make).filter(|(_, values)| differs(values)).collect()
}

/// The terms of texts, feature `of`: whether each stands in a row's text.
pub(super) fn terms(of: usize, feature: &Feature, texts: &[Arc<str>]) -> Vec<(Feature, Vec<f32>)> {
    let Shape::Text(vocabulary) = &feature.shape else { return Vec::new() };
    let mut columns = vec![vec![0.0f32; texts.len()]; vocabulary.terms.len()];
    for (row, text) in texts.iter().enumerate() {
        vocabulary.find(text, |term| columns[term][row] = 1.0);
    }
    let make = |(term, values): (usize, Vec<f32>)| {
        let name = format!("{} ({:?})", feature.name, vocabulary.terms[term]);
        let shape = Shape::Term { of, term };
        (Feature { name, kind: Kind::Boolean, shape, example: false.into() }, values)
    };
    columns.into_iter().enumerate().map(make).collect()
}

/// The role shown in reports.
pub(super) fn role(feature: &Feature) -> ColumnRole {
    match feature.shape {
        Shape::Number | Shape::Moment { .. } | Shape::Term { .. } => ColumnRole::Number,
        Shape::Category(_) => ColumnRole::Category,
        Shape::Text(_) => ColumnRole::Text,
    }
}

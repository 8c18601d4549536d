//! From what was counted to a column's profile.

use crate::error::shorten;
use crate::limits::{CATEGORY_REPEATS, CATEGORY_VALUES, HISTOGRAM_BINS, TOP_VALUES};
use crate::profile::column::{Column, Odd, State, reading};
use crate::profile::few::Few;
use crate::profile::many::Many;
use crate::profile::moments::Moments;
use crate::profile::tally::Tally;
use crate::profile::{ColumnProfile, Extreme, Histogram, TopValue};
use crate::read::parquet::Want;
use crate::values::{Kinds, Layout, Reading, iso, kinds, trim};
use domain::ColumnType;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The quantiles told.
const QUANTILES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];
/// The longest frequent value told, in characters.
const VALUE_SHOWN: usize = 100;
/// Whole numbers up to here are exact in a double.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Values from which on "all different" says something.
const MANY_ROWS: u64 = 20;

/// A column's profile, and how its timestamps are written.
pub(crate) fn of(column: &Column) -> (ColumnProfile, Option<Layout>) {
    let mut profile = match &column.state {
        State::Few(few) => of_few(column, few),
        State::Many(many) => of_many(column, many),
    };
    profile.missing += column.absent;
    let (known, odd) = match &column.state {
        State::Few(few) => (few.kinds, &few.odd),
        State::Many(many) => (many.kinds, &many.odd),
    };
    let layout = match reading(column.want, known) {
        Some(Reading::Timestamp(layout)) if profile.count > 0 => Some(layout),
        // Nothing tells how a column without values writes them.
        _ if profile.kind == ColumnType::Timestamp => Some(Layout::Iso),
        _ => None,
    };
    note(&mut profile, known, odd.as_ref(), layout);
    (profile, layout)
}

fn empty(column: &Column, kind: ColumnType) -> ColumnProfile {
    ColumnProfile {
        name: column.name.clone(),
        kind,
        count: 0,
        missing: 0,
        distinct: 0,
        distinct_exact: true,
        exact: true,
        min: None,
        max: None,
        mean: None,
        deviation: None,
        quantiles: BTreeMap::new(),
        histogram: None,
        top: Vec::new(),
        notes: Vec::new(),
    }
}

fn of_few(column: &Column, few: &Few) -> ColumnProfile {
    let count = few.values().map(|e| e.count).sum();
    let distinct = few.values().count() as u64;
    let reading = if count == 0 { None } else { reading(column.want, few.kinds) };
    let kind = match (column.want, reading) {
        (Want::Exactly(kind), _) => kind,
        (_, Some(Reading::Boolean)) => ColumnType::Boolean,
        (_, Some(Reading::Integer)) => ColumnType::Integer,
        (_, Some(Reading::Float)) => ColumnType::Float,
        (_, Some(Reading::Timestamp(_))) => ColumnType::Timestamp,
        (_, None) if is_category(distinct, count) => ColumnType::Category,
        (_, None) => ColumnType::Text,
    };
    let mut profile = empty(column, kind);
    profile.count = count;
    profile.missing = few.missing_count();
    profile.distinct = distinct;
    profile.top = top(&few.tally, |entry| few.is_value(entry), distinct);
    if let Some(reading) = reading {
        let value = |text: &[u8]| reading.value(trim(text)).unwrap_or(f64::NAN);
        let mut values: Vec<(f64, u64)> = few.values().map(|e| (value(few.tally.text(e)), e.count)).collect();
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        values.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            kept.1 += if same { later.1 } else { 0 };
            same
        });
        profile.distinct = values.len() as u64;
        let mut moments = Moments::new();
        values.iter().for_each(|(value, times)| moments.add_times(*value, *times));
        spread(&mut profile, &values, &moments);
    }
    profile
}

fn of_many(column: &Column, many: &Many) -> ColumnProfile {
    let estimate = many.distinct.estimate().round() as u64;
    let mut profile = empty(column, many.kind());
    profile.count = many.count;
    profile.missing = many.missing;
    profile.distinct = estimate.min(many.count);
    profile.distinct_exact = false;
    profile.top = top(&many.frequent, |_| true, u64::MAX);
    if many.reading.is_some() {
        let values = many.sketch.sorted();
        profile.exact = values.iter().all(|(_, weight)| *weight == 1);
        spread(&mut profile, &values, &many.moments);
    } else {
        profile.exact = false;
    }
    profile
}

/// Few distinct texts, or each often enough.
fn is_category(distinct: u64, count: u64) -> bool {
    distinct <= CATEGORY_VALUES || distinct * CATEGORY_REPEATS <= count
}

/// Spread of numbers and moments from values ascending with their weights.
fn spread(profile: &mut ColumnProfile, values: &[(f64, u64)], moments: &Moments) {
    if values.is_empty() {
        return;
    }
    if profile.kind == ColumnType::Boolean {
        profile.mean = Some(moments.mean);
        return;
    }
    let moment = profile.kind == ColumnType::Timestamp;
    let extreme = |value: f64| match iso(value) {
        Some(text) if moment => Extreme::Moment(text),
        _ => Extreme::Number(value),
    };
    profile.min = Some(extreme(moments.min));
    profile.max = Some(extreme(moments.max));
    if !moment {
        profile.mean = Some(moments.mean);
        profile.deviation = moments.deviation();
    }
    profile.quantiles = QUANTILES.iter().map(|q| (q.to_string(), quantile(values, *q))).collect();
    profile.histogram = Some(histogram(values, moments.min, moments.max));
}

/// The value below which a share of all lies, linear between neighbours.
fn quantile(values: &[(f64, u64)], share: f64) -> f64 {
    let total: u64 = values.iter().map(|v| v.1).sum();
    let place = share * (total - 1) as f64;
    let at = |rank: f64| {
        let mut below = 0;
        let found = values.iter().find(|(_, weight)| {
            below += weight;
            below as f64 > rank
        });
        found.or(values.last()).map_or(f64::NAN, |(value, _)| *value)
    };
    let (low, high) = (at(place.floor()), at(place.ceil()));
    low + (high - low) * place.fract()
}

fn histogram(values: &[(f64, u64)], min: f64, max: f64) -> Histogram {
    // Why halves: max − min may overflow.
    let width = (max / 2.0 - min / 2.0) / HISTOGRAM_BINS as f64 * 2.0;
    if width <= 0.0 || !width.is_finite() {
        return Histogram { edges: vec![min, max], counts: vec![values.iter().map(|v| v.1).sum()] };
    }
    let mut edges: Vec<f64> = (0..HISTOGRAM_BINS).map(|bin| min + width * bin as f64).collect();
    edges.push(max);
    let mut counts = vec![0; HISTOGRAM_BINS];
    for (value, weight) in values {
        let bin = ((value - min) / width) as usize;
        counts[bin.min(HISTOGRAM_BINS - 1)] += weight;
    }
    Histogram { edges, counts }
}

/// Frequent texts; of many different ones only those that repeat.
fn top(tally: &Tally, is_value: impl Fn(usize) -> bool, distinct: u64) -> Vec<TopValue> {
    let mut order: Vec<usize> = (0..tally.entries().len()).filter(|at| is_value(*at)).collect();
    let entries = tally.entries();
    let text = |at: usize| tally.text(&entries[at]);
    if distinct > TOP_VALUES as u64 {
        order.retain(|at| entries[*at].count > 1);
    }
    order.sort_by(|a, b| (Reverse(entries[*a].count), text(*a)).cmp(&(Reverse(entries[*b].count), text(*b))));
    order.truncate(TOP_VALUES);
    order
        .into_iter()
        .map(|at| {
            let whole = String::from_utf8_lossy(text(at));
            let mut value: String = whole.chars().take(VALUE_SHOWN).collect();
            if value.len() < whole.len() {
                value.push('…');
            }
            TopValue { value, count: entries[at].count }
        })
        .collect()
}

/// Says what is worth knowing.
fn note(profile: &mut ColumnProfile, known: Kinds, odd: Option<&Odd>, layout: Option<Layout>) {
    let mut notes = Vec::new();
    let (count, distinct) = (profile.count, profile.distinct);
    if count == 0 {
        notes.push("every value is missing".to_owned());
    } else if distinct == 1 && profile.distinct_exact {
        notes.push("constant".to_owned());
    }
    if count > 0 && profile.missing > count {
        let share = profile.missing as f64 / (profile.missing + count) as f64;
        notes.push(format!("{:.0} % missing", share * 100.0));
    }
    let identifies = matches!(profile.kind, ColumnType::Integer | ColumnType::Text | ColumnType::Category);
    if identifies && profile.distinct_exact && distinct == count && count >= MANY_ROWS {
        notes.push("every value is different: an identifier?".to_owned());
    }
    // A word among very few numbers is no surprise.
    if let Some(odd) = odd.filter(|odd| odd.before >= MANY_ROWS) {
        let (line, text, before) = (odd.line, shorten(&odd.text), odd.before);
        let was = if kinds(&odd.text) == Kinds::NONE {
            "reads as neither number nor date"
        } else {
            "reads otherwise"
        };
        notes.push(format!(
            "text because of '{text}' on line {line}: it {was}, the {before} values before it did; list it as missing or state the type"
        ));
    }
    if layout == Some(Layout::MonthDay) && known.has(Kinds::layout(Layout::DayMonth)) {
        notes.push("dates read as month/day/year; day/month/year would also fit".to_owned());
    }
    let large = |e: &Option<Extreme>| matches!(e, Some(Extreme::Number(n)) if n.abs() > EXACT);
    if profile.kind == ColumnType::Integer && (large(&profile.min) || large(&profile.max)) {
        notes.push("whole numbers beyond 2^53 are rounded when a model reads them".to_owned());
    }
    profile.notes = notes;
}

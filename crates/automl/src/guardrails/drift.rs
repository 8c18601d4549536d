//! Columns that are distributed differently in other data, by the population stability index
//! Σ (a − b) · ln(a / b) over the shares a and b of groups of values.

use super::{Groups, Guard, Guardrail, Severity, feature, list};
use crate::outcome::ColumnRole;
use crate::prepare::Prepared;
use crate::table::{Column, MISSING_CODE, Table, Values};
use std::collections::{BTreeMap, HashMap};

/// Indexes from which a shift is moderate and large (the usual rule of thumb).
const MODERATE: f64 = 0.1;
const LARGE: f64 = 0.25;
/// The standard normal's quantile at 99.9 %: a table has many columns.
const NORMAL: f64 = 3.09;
/// Groups of a number's values, and texts counted one by one.
const GROUPS: usize = 10;
/// Rows of other data below which shares say nothing.
const LEAST_ROWS: usize = 50;
/// Counted into every share, so that none is zero.
const FLOOR: f64 = 0.5;

/// Compares the columns that are learned from.
pub(super) fn inspect(
    training: &Table,
    other: &Table,
    (what, prepared): (&str, &Prepared),
) -> Option<Guardrail> {
    if other.rows() < LEAST_ROWS {
        return None;
    }
    let mut figures = BTreeMap::new();
    // Of texts that are read word by word nearly all differ.
    let compared = |role: ColumnRole| feature(role) && role != ColumnRole::Text;
    for report in prepared.columns.iter().filter(|c| compared(c.role)) {
        let find = |table: &Table| table.position(&report.name);
        let (Some(a), Some(b)) = (find(training), find(other)) else { continue };
        let Some((shift, groups)) = shift(&training.columns[a], &other.columns[b]) else { continue };
        if shift >= MODERATE.max(by_chance(groups, training.rows(), other.rows())) {
            figures.insert(report.name.clone(), shift);
        }
    }
    let most = figures.values().copied().fold(0.0, f64::max);
    (!figures.is_empty()).then(|| Guardrail {
        guard: Guard::Drift,
        severity: if most >= LARGE { Severity::Serious } else { Severity::Warning },
        columns: figures.keys().cloned().collect(),
        found: format!(
            "{} columns are distributed differently in the {what} data, with a population stability index up to \
             {most:.2} ({MODERATE} is moderate, {LARGE} large): {}",
            figures.len(),
            list(figures.keys())
        ),
        figures,
        done: "they are used; metrics of the two may differ, and of new data too".into(),
    })
}

/// What the index of columns without a shift hardly ever exceeds: it is distributed as (1/n + 1/m) · χ² with one degree of
/// freedom less than there are groups (Yurdakul, Naranjo, "Statistical properties of the population stability index",
/// 2020); the quantile is Wilson and Hilferty's.
fn by_chance(groups: usize, rows: usize, others: usize) -> f64 {
    let freedom = groups.saturating_sub(1).max(1) as f64;
    let step = 2.0 / (9.0 * freedom);
    let quantile = freedom * (1.0 - step + NORMAL * step.sqrt()).powi(3);
    quantile * (1.0 / rows.max(1) as f64 + 1.0 / others.max(1) as f64)
}

/// The index of two columns and the groups it sums over; `None` when they are of different types.
fn shift(a: &Column, b: &Column) -> Option<(f64, usize)> {
    match (&a.values, &b.values) {
        (Values::Numbers(x), Values::Numbers(y)) => {
            let groups = Groups::new(x.iter().copied(), GROUPS);
            let count = |values: &[f64]| {
                let mut counts = vec![0.0f64; groups.len()];
                values.iter().for_each(|&v| counts[groups.of(v)] += 1.0);
                counts
            };
            Some(index(&count(x), &count(y)))
        }
        (Values::Texts { .. }, Values::Texts { .. }) => {
            let (x, y) = (texts(a), texts(b));
            let mut order: Vec<(&str, f64)> = x.iter().map(|(&t, &n)| (t, n)).collect();
            order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
            order.truncate(2 * GROUPS);
            // What is not frequent in the training data is one group.
            let count = |counts: &HashMap<&str, f64>| {
                let mut groups: Vec<f64> =
                    order.iter().map(|(t, _)| counts.get(t).copied().unwrap_or(0.0)).collect();
                groups.push(counts.values().sum::<f64>() - groups.iter().sum::<f64>());
                groups
            };
            Some(index(&count(&x), &count(&y)))
        }
        _ => None,
    }
}

/// Rows of each text; a missing one is the empty text.
fn texts(column: &Column) -> HashMap<&str, f64> {
    let mut counts = HashMap::new();
    if let Values::Texts { codes, levels } = &column.values {
        for &code in codes {
            let text = if code == MISSING_CODE { "" } else { levels[code as usize].as_str() };
            *counts.entry(text).or_insert(0.0) += 1.0;
        }
    }
    counts
}

/// The index, and the groups that have a row.
fn index(a: &[f64], b: &[f64]) -> (f64, usize) {
    let total = |counts: &[f64]| counts.iter().map(|n| n + FLOOR).sum::<f64>();
    let (ta, tb) = (total(a), total(b));
    let part = |(x, y): (&f64, &f64)| {
        let (x, y) = ((x + FLOOR) / ta, (y + FLOOR) / tb);
        (x - y) * (x / y).ln()
    };
    let filled = a.iter().zip(b).filter(|(x, y)| **x + **y > 0.0).count();
    (a.iter().zip(b).map(part).sum(), filled)
}

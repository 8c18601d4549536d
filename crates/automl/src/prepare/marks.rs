//! Columns that are no features: weights, groups, time, the user's splits, and what is left out by wish.

use crate::dataset::Marks;
use crate::table::{Column, Table, Values};
use crate::{Error, Spec};
use std::collections::HashMap;

/// The kept rows.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub all: &'a [u32],
    /// What a row is called in an error.
    pub place: &'a dyn Fn(u32) -> String,
}

/// Which columns are no features, and why.
pub(super) struct Roles<'a> {
    spec: &'a Spec,
    reasons: HashMap<&'a str, &'static str>,
}

impl<'a> Roles<'a> {
    /// Refuses columns that the table lacks, the target, and one column in two roles.
    pub(super) fn new(table: &Table, spec: &'a Spec) -> Result<Self, Error> {
        let single = [
            ("weight_column", &spec.weight_column, "it holds the weight of each row"),
            ("group_column", &spec.group_column, "it holds the group of each row"),
            ("time_column", &spec.time_column, "it holds the order of the rows"),
        ];
        let mut wishes: Vec<(&'static str, &str, &'static str)> = single
            .into_iter()
            .filter_map(|(setting, name, why)| Some((setting, name.as_deref()?, why)))
            .collect();
        let splits = spec.cv_split_columns.iter();
        wishes.extend(splits.map(|name| ("cv_split_columns", name.as_str(), "it holds a split of the rows")));
        let left_out = spec.exclude.iter();
        wishes.extend(left_out.map(|name| ("exclude", name.as_str(), "excluded by the specification")));
        let mut reasons = HashMap::new();
        for (setting, name, why) in wishes {
            let fail = |detail: String| Err(Error::Spec { setting, detail });
            if table.position(name).is_none() {
                return fail(format!("the table has no column {name:?}"));
            }
            if name == spec.target && setting != "exclude" {
                return fail(format!("{name:?} is the target"));
            }
            let before = reasons.insert(name, why);
            if before.is_some_and(|before| before != why || setting == "cv_split_columns") {
                return fail(format!("{name:?} has another role already"));
            }
        }
        Ok(Self { spec, reasons })
    }

    /// Why a column is no feature, if it is none.
    pub(super) fn reason(&self, name: &str) -> Option<&'static str> {
        self.reasons.get(name).copied()
    }

    /// Whether a column has a role other than being left out.
    pub(super) fn is_read(&self, name: &str) -> bool {
        let Spec { weight_column, group_column, time_column, cv_split_columns, .. } = self.spec;
        let single = [weight_column, group_column, time_column];
        single.into_iter().flatten().chain(cv_split_columns).any(|column| column == name)
    }

    /// Reads the marks of the kept rows, of which the first `trainable` may be learned from.
    pub(super) fn read(&self, table: &Table, trainable: usize, rows: Rows<'_>) -> Result<Marks, Error> {
        let column = |name: &String| table.position(name).map(|at| &table.columns[at]);
        let mut marks = Marks { validation: rows.all.len() - trainable, ..Marks::default() };
        if let Some(column) = self.spec.weight_column.as_ref().and_then(column) {
            marks.weights = weights(column, trainable, rows)?;
        }
        if let Some(column) = self.spec.group_column.as_ref().and_then(column) {
            marks.groups = groups(column, rows.all);
        }
        if let Some(column) = self.spec.time_column.as_ref().and_then(column) {
            marks.times = numbers(column, "time_column", rows)?;
        }
        for column in self.spec.cv_split_columns.iter().filter_map(column) {
            marks.held.push(held(column, rows)?);
        }
        Ok(marks)
    }
}

/// The numbers of a column, none missing.
fn numbers(
    column: &Column,
    setting: &'static str,
    Rows { all: rows, place }: Rows<'_>,
) -> Result<Vec<f64>, Error> {
    let fail = |detail: String| Err(Error::Spec { setting, detail });
    let Values::Numbers(values) = &column.values else {
        return fail(format!("{:?} holds texts, numbers or times are needed", column.name));
    };
    if let Some(&row) = rows.iter().find(|&&r| !values[r as usize].is_finite()) {
        return fail(format!("{:?} has no value in {}", column.name, place(row)));
    }
    Ok(rows.iter().map(|&r| values[r as usize]).collect())
}

/// Weights divided by their mean over the trainable rows, so that a learner's settings mean the same at any scale; none
/// when all are equal.
pub(super) fn weights(column: &Column, trainable: usize, rows: Rows<'_>) -> Result<Vec<f32>, Error> {
    let setting = "weight_column";
    let values = numbers(column, setting, rows)?;
    if let Some(at) = values.iter().position(|&w| w < 0.0) {
        let detail = format!("{:?} is negative in {}", column.name, (rows.place)(rows.all[at]));
        return Err(Error::Spec { setting, detail });
    }
    let mean = values[..trainable].iter().sum::<f64>() / trainable as f64;
    if mean <= 0.0 || !mean.is_finite() {
        return Err(Error::Spec { setting, detail: format!("every weight in {:?} is 0", column.name) });
    }
    if values.iter().all(|&w| w == values[0]) {
        return Ok(Vec::new());
    }
    Ok(values.iter().map(|w| (w / mean) as f32).collect())
}

/// Numbers of the groups by first appearance; a missing value is a group of its own.
fn groups(column: &Column, rows: &[u32]) -> Vec<u32> {
    let mut index: HashMap<u64, u32> = HashMap::new();
    let mut next = 0;
    let mut fresh = || {
        next += 1;
        next - 1
    };
    rows.iter()
        .map(|&r| {
            let row = r as usize;
            if column.values.is_missing(row) {
                return fresh();
            }
            let key = match &column.values {
                Values::Numbers(v) => v[row].to_bits(),
                Values::Texts { codes, .. } => u64::from(codes[row]),
            };
            *index.entry(key).or_insert_with(&mut fresh)
        })
        .collect()
}

/// A split: 0 is validated on, 1 is learned from.
fn held(column: &Column, rows: Rows<'_>) -> Result<Vec<bool>, Error> {
    let setting = "cv_split_columns";
    let values = numbers(column, setting, rows)?;
    let fail = |detail: String| Err(Error::Spec { setting, detail });
    if let Some(at) = values.iter().position(|&x| x != 0.0 && x != 1.0) {
        return fail(format!("{:?} is neither 0 nor 1 in {}", column.name, (rows.place)(rows.all[at])));
    }
    let held: Vec<bool> = values.iter().map(|&x| x == 0.0).collect();
    if held.iter().all(|&h| h) || !held.iter().any(|&h| h) {
        return fail(format!("{:?} needs rows with 1 (learned from) and with 0 (validated on)", column.name));
    }
    Ok(held)
}

//! From a table to a dataset: which column is what, which is left out and why.

mod columns;
mod marks;
mod target;
mod twins;

use crate::dataset::{Dataset, Feature, Matrix, Shape, Target};
use crate::outcome::{ColumnReport, ColumnRole};
use crate::table::{Column, Kind, Table, Tables};
use crate::{Error, Spec, vocabulary};
use columns::Decision;
use std::borrow::Cow;
use std::sync::Arc;

/// A dataset and what was decided on the way.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// What the learners see.
    pub data: Dataset,
    /// One report a column of the table, in its order.
    pub columns: Vec<ColumnReport>,
    /// Sentences for the user.
    pub notes: Vec<String>,
}

/// Fewest rows with a target a search starts with.
pub(crate) const MIN_ROWS: usize = 10;

/// How errors call the tables beside the training table.
const VALIDATION: &str = "validation data";
pub(crate) const TEST: &str = "test data";

/// Terms of all texts together at most, and the values they may take in memory; the second asks for no fewer terms than
/// the third.
const ALL_TERMS: usize = 512;
const CELLS: usize = 32 << 20;
const LEAST_TERMS: usize = 16;

/// Decides the roles, reads the target and casts the features. Everything is decided by the training table; rows of
/// the validation table follow its rows.
pub(crate) fn prepare(tables: Tables<'_>, spec: &Spec) -> Result<Prepared, Error> {
    let table = joined(tables)?;
    let table = table.as_ref();
    let position = table.position(&spec.target).ok_or_else(|| Error::Target {
        target: spec.target.clone(),
        detail: "the table has no such column".into(),
    })?;
    let roles = marks::Roles::new(table, spec)?;
    if let Some(validation) = tables.validation {
        labelled_alike(&table.columns[position], validation)?;
    }
    let all = target::present(&table.columns[position]);
    let fit = &all[..all.partition_point(|&r| (r as usize) < tables.training.rows())];
    if tables.validation.is_some() && fit.len() == all.len() {
        let detail = format!("no row of the {VALIDATION} has a value");
        return Err(Error::Target { target: spec.target.clone(), detail });
    }
    let (target, mut notes) = target::read(&table.columns[position], (fit, &all), spec.task)?;
    let missing_target = table.rows() - all.len();
    if missing_target > 0 {
        notes.push(format!("{missing_target} rows without a value in {:?} were left out", spec.target));
    }
    let rows = columns::Rows { fit, all: &all };
    let (mut reports, features, matrix) = decided(table, (position, missing_target), rows, &roles);
    if features.is_empty() {
        return Err(Error::NoFeatures(reasons(&reports)));
    }
    let alike = |counts: &dyn Fn(&str) -> bool| match tables.validation {
        Some(validation) => tables.training.alike(validation, counts, VALIDATION),
        None => Ok(()),
    };
    alike(&|name| roles.is_read(name))?;
    let place = |row: u32| match (row as usize).checked_sub(tables.training.rows()) {
        Some(row) => format!("row {} of the {VALIDATION}", row + 1),
        None => format!("row {}", row + 1),
    };
    let marks = roles.read(table, fit.len(), marks::Rows { all: &all, place: &place })?;
    let mut data = Dataset { features, matrix, target, marks };
    drop_twins(&mut data, &mut reports);
    alike(&|name| data.features.iter().any(|f| f.name == name))?;
    add_moments(&mut data, fit.len());
    add_terms(&mut data, &mut reports);
    Ok(Prepared { data, columns: reports, notes })
}

/// Decides about every column; the target, from which rows are missing, is `position`.
fn decided(
    table: &Table,
    (position, missing_target): (usize, usize),
    rows: columns::Rows<'_>,
    roles: &marks::Roles<'_>,
) -> (Vec<ColumnReport>, Vec<Feature>, Matrix) {
    let mut reports = Vec::with_capacity(table.columns.len());
    let mut features: Vec<Feature> = Vec::new();
    let mut matrix = Matrix { rows: rows.all.len(), ..Matrix::default() };
    for (i, column) in table.columns.iter().enumerate() {
        let facts = columns::facts(column, rows.fit);
        let mut report = ColumnReport {
            name: column.name.clone(),
            kind: column.kind.name().into(),
            role: ColumnRole::Target,
            missing: facts.missing,
            distinct: facts.distinct,
            note: None,
        };
        if i == position {
            report.note = (missing_target > 0).then(|| format!("{missing_target} rows without it left out"));
            reports.push(report);
            continue;
        }
        let decision = match roles.reason(&column.name) {
            Some(reason) => Decision::Drop(reason.into()),
            None => columns::decide(column, rows, &facts),
        };
        take(decision, &mut report, (&mut features, &mut matrix));
        reports.push(report);
    }
    (reports, features, matrix)
}

/// Puts what is decided about a column into its report, and its values with the others.
fn take(decision: Decision, report: &mut ColumnReport, (features, matrix): (&mut Vec<Feature>, &mut Matrix)) {
    let (feature, values) = match decision {
        Decision::Drop(reason) => {
            report.role = ColumnRole::Dropped;
            report.note = Some(reason);
            return;
        }
        Decision::Use { feature, values, places, note } => {
            report.note = note;
            if !places.is_empty() {
                matrix.places.insert(matrix.columns.len(), places);
            }
            (feature, values)
        }
        Decision::Read { feature, texts } => {
            let counts = texts.iter().map(|text| vocabulary::count(text)).collect();
            matrix.texts.insert(feature.name.clone(), texts);
            (feature, counts)
        }
    };
    report.role = columns::role(&feature);
    features.push(feature);
    matrix.columns.push(values);
}

/// Takes out features that repeat an earlier one.
fn drop_twins(data: &mut Dataset, reports: &mut [ColumnReport]) {
    let twins = twins::find(&data.features, &data.matrix, data.trainable());
    for &(later, earlier) in &twins {
        let name = &data.features[later].name;
        if let Some(report) = reports.iter_mut().find(|r| r.name == *name) {
            report.role = ColumnRole::Dropped;
            report.note = Some(format!("says the same as {:?}", data.features[earlier].name));
        }
    }
    let gone: Vec<usize> = twins.into_iter().map(|(later, _)| later).collect();
    twins::remove(data, &gone);
}

/// Adds the calendar parts of timestamps after the features they are made of.
fn add_moments(data: &mut Dataset, fit: usize) {
    for of in 0..data.features.len() {
        if data.features[of].kind == Kind::Timestamp {
            let parts = columns::moments(of, &data.features[of], &data.matrix.columns[of], fit);
            for (feature, values) in parts {
                data.features.push(feature);
                data.matrix.columns.push(values);
            }
        }
    }
}

/// Adds the terms of texts after all other features, as many as there is room for.
fn add_terms(data: &mut Dataset, reports: &mut [ColumnReport]) {
    let room = (CELLS / data.rows().max(1)).clamp(LEAST_TERMS, ALL_TERMS);
    let share = room / data.matrix.texts.len().max(1);
    for of in 0..data.features.len() {
        let feature = &mut data.features[of];
        let Some(texts) = data.matrix.texts.get(&feature.name) else { continue };
        let Shape::Text(vocabulary) = &mut feature.shape else { continue };
        Arc::make_mut(vocabulary).truncate(share.max(1));
        if let Some(report) = reports.iter_mut().find(|r| r.name == feature.name) {
            let (terms, first) = (vocabulary.terms.len(), vocabulary.terms.first());
            let often = first.map_or(String::new(), |term| format!(", most often {term:?}"));
            report.note = Some(format!("read word by word: {terms} terms{often}"));
        }
        let feature = &data.features[of];
        for (feature, values) in columns::terms(of, feature, texts) {
            data.features.push(feature);
            data.matrix.columns.push(values);
        }
    }
}

/// The rows of another table that have a target, and their targets in the classes of the training table.
pub(crate) fn labels(
    table: &Table,
    target: &Target,
    what: &'static str,
) -> Result<(Vec<u32>, Vec<f32>), Error> {
    let fail = |detail: String| Err(Error::Target { target: target.name.clone(), detail });
    let Some(position) = table.position(&target.name) else {
        return fail(format!("the {what} has no such column"));
    };
    let rows = target::present(&table.columns[position]);
    if rows.is_empty() {
        return fail(format!("no row of the {what} has a value"));
    }
    let values = target::lookup(&table.columns[position], target, &rows, what)?;
    Ok((rows, values))
}

/// The weights of some rows of another table.
pub(crate) fn row_weights(table: &Table, name: &str, rows: &[u32]) -> Result<Vec<f32>, Error> {
    let setting = "weight_column";
    let Some(position) = table.position(name) else {
        return Err(Error::Spec { setting, detail: format!("the {TEST} has no column {name:?}") });
    };
    let place = |row: u32| format!("row {} of the {TEST}", row + 1);
    marks::weights(&table.columns[position], rows.len(), marks::Rows { all: rows, place: &place })
}

/// The checked training table, with the rows of the validation table after its own.
fn joined(tables: Tables<'_>) -> Result<Cow<'_, Table>, Error> {
    tables.training.check()?;
    let Some(validation) = tables.validation else { return Ok(Cow::Borrowed(tables.training)) };
    validation.check()?;
    Ok(Cow::Owned(tables.training.followed_by(validation)))
}

/// Refuses a target that holds other values in the validation data.
fn labelled_alike(target: &Column, validation: &Table) -> Result<(), Error> {
    let found = validation.position(&target.name).map(|at| &validation.columns[at]);
    if found.is_none_or(|found| found.is_of(target)) {
        return Ok(());
    }
    let detail = format!("the {VALIDATION} holds values of another type there");
    Err(Error::Target { target: target.name.clone(), detail })
}

/// The reasons of all dropped columns in one line.
fn reasons(reports: &[ColumnReport]) -> String {
    let dropped = reports.iter().filter_map(|r| r.note.as_ref().map(|n| format!("{}: {n}", r.name)));
    let text = dropped.collect::<Vec<_>>().join("; ");
    if text.is_empty() { "the table has no column besides the target".into() } else { text }
}

#[cfg(test)]
mod tests;

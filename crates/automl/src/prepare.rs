//! From a table to a dataset: which column is what, which is left out and why.

mod columns;
mod target;

use crate::dataset::{Dataset, Feature, Matrix};
use crate::outcome::{ColumnReport, ColumnRole};
use crate::{Error, Spec, Table};
use columns::Decision;

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

/// Decides the roles, reads the target and casts the features.
pub(crate) fn prepare(table: &Table, spec: &Spec) -> Result<Prepared, Error> {
    table.check()?;
    let position = table.position(&spec.target).ok_or_else(|| Error::Target {
        target: spec.target.clone(),
        detail: "the table has no such column".into(),
    })?;
    for name in &spec.exclude {
        if table.position(name).is_none() {
            let detail = format!("the table has no column {name:?}");
            return Err(Error::Spec { setting: "exclude", detail });
        }
    }
    let rows = target::present(&table.columns[position]);
    let (target, mut notes) = target::read(&table.columns[position], &rows, spec.task)?;
    let missing_target = table.rows() - rows.len();
    if missing_target > 0 {
        notes.push(format!("{missing_target} rows without a value in {:?} were left out", spec.target));
    }
    let mut reports = Vec::with_capacity(table.columns.len());
    let mut features: Vec<Feature> = Vec::new();
    let mut matrix = Matrix { rows: rows.len(), columns: Vec::new() };
    for (i, column) in table.columns.iter().enumerate() {
        let facts = columns::facts(column, &rows);
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
        } else {
            let excluded = spec.exclude.contains(&column.name);
            match columns::decide(column, &rows, &facts, excluded) {
                Decision::Drop(reason) => {
                    report.role = ColumnRole::Dropped;
                    report.note = Some(reason);
                }
                Decision::Use { feature, values, note } => {
                    report.role = columns::role(&feature);
                    report.note = note;
                    features.push(feature);
                    matrix.columns.push(values);
                }
            }
        }
        reports.push(report);
    }
    if features.is_empty() {
        return Err(Error::NoFeatures(reasons(&reports)));
    }
    Ok(Prepared { data: Dataset { features, matrix, target }, columns: reports, notes })
}

/// The reasons of all dropped columns in one line.
fn reasons(reports: &[ColumnReport]) -> String {
    let dropped = reports.iter().filter_map(|r| r.note.as_ref().map(|n| format!("{}: {n}", r.name)));
    let text = dropped.collect::<Vec<_>>().join("; ");
    if text.is_empty() { "the table has no column besides the target".into() } else { text }
}

#[cfg(test)]
mod tests;

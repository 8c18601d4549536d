//! All columns of a table on their way through it.

use crate::batch::Batch;
use crate::error::{Error, Near, Result};
use crate::names;
use crate::profile::Profile;
use crate::profile::column::{Budget, Column};
use crate::profile::summary;
use crate::read::parquet::Want;
use crate::values::{Layout, Missing};
use domain::ColumnType;
use std::collections::BTreeMap;

/// Watches batches go by.
pub(crate) struct Surveyor {
    types: BTreeMap<String, ColumnType>,
    wants: Vec<Want>,
    missing: Missing,
    columns: Vec<Column>,
    rows: u64,
}

/// What was found.
pub(crate) struct Surveyed {
    pub rows: u64,
    pub columns: Vec<domain::Column>,
    pub profile: Profile,
    pub timestamps: BTreeMap<String, Layout>,
}

impl Surveyor {
    /// A survey under stated types; `wants`: what the file itself says of its columns.
    pub fn new(types: &BTreeMap<String, ColumnType>, wants: Vec<Want>, missing: &[String]) -> Self {
        Self { types: types.clone(), wants, missing: Missing::new(missing), columns: Vec::new(), rows: 0 }
    }

    /// Looks at a batch. Of several faults the one on the first line is told.
    pub fn push(&mut self, batch: &Batch) -> Result<()> {
        if !batch.new_names.is_empty() {
            self.add_columns(&batch.new_names);
            if !batch.may_grow {
                self.check_types()?;
            }
        }
        let mut first: Option<Error> = None;
        for (at, column) in self.columns.iter_mut().enumerate() {
            match column.push(batch, at, &self.missing) {
                Err(error) if first.as_ref().is_none_or(|f| line(&error) < line(f)) => first = Some(error),
                _ => {}
            }
        }
        self.rows += batch.rows() as u64;
        first.map_or(Ok(()), Err)
    }

    fn add_columns(&mut self, new: &[String]) {
        let total = self.columns.len() + new.len();
        // Why four times: others may follow these.
        let budget = Budget::of(if self.columns.is_empty() { total } else { total * 4 });
        for name in new {
            let own = self.wants.get(self.columns.len()).copied().unwrap_or(Want::Infer);
            let want = self.types.get(name).map_or(own, |kind| Want::Exactly(*kind));
            self.columns.push(Column::new(name.clone(), want, self.rows, budget));
        }
    }

    fn check_types(&self) -> Result<()> {
        let known: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
        match self.types.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                let near = Near(names::near(name, known.iter().copied()));
                Err(Error::UnknownColumn { name: name.clone(), near })
            }
            None => Ok(()),
        }
    }

    /// Sums up.
    pub fn finish(self) -> Result<Surveyed> {
        self.check_types()?;
        let mut found = Surveyed {
            rows: self.rows,
            columns: Vec::with_capacity(self.columns.len()),
            profile: Profile { rows: self.rows, columns: Vec::with_capacity(self.columns.len()) },
            timestamps: BTreeMap::new(),
        };
        for column in self.columns {
            let (profile, layout) = summary::of(&column);
            found.columns.push(domain::Column { name: column.name.clone(), kind: profile.kind });
            if let Some(layout) = layout {
                found.timestamps.insert(column.name, layout);
            }
            found.profile.columns.push(profile);
        }
        Ok(found)
    }
}

fn line(error: &Error) -> u64 {
    match error {
        Error::Type { place, .. } => place.line,
        _ => 0,
    }
}

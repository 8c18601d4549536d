//! The finished model on a table of its own: measured by the exported file, as callers will score it.

use crate::dataset::{Dataset, Target};
use crate::decision::Decision;
use crate::export;
use crate::metrics::{self, Metrics};
use crate::prepare;
use crate::table::{MISSING_CODE, Table, Values};
use crate::{Error, Spec};

/// The test table with its target in the classes of the training table.
pub(super) struct Test<'a> {
    table: &'a Table,
    /// Rows with a target.
    rows: Vec<u32>,
    target: Target,
    /// Of those rows; empty when all are equal.
    weights: Vec<f32>,
}

impl<'a> Test<'a> {
    /// Reads the target; it must be there, its labels must be known, and columns must hold what they held in training.
    pub(super) fn read(
        table: &'a Table,
        training: &Table,
        spec: &Spec,
        Dataset { features, target, .. }: &Dataset,
    ) -> Result<Self, Error> {
        table.check()?;
        let input = |name: &str| features.iter().any(|f| f.is_input() && f.name == name);
        training.alike(table, input, prepare::TEST)?;
        let (rows, values) = prepare::labels(table, target, prepare::TEST)?;
        let weights = match &spec.weight_column {
            Some(name) => prepare::row_weights(table, name, &rows)?,
            None => Vec::new(),
        };
        Ok(Self { table, rows, target: Target { values, ..target.clone() }, weights })
    }

    /// All metrics of the file's answers; its labels follow `decision`.
    pub(super) fn measure(
        &self,
        bytes: &[u8],
        target: &Target,
        decision: &Decision,
    ) -> Result<Metrics, Error> {
        let model = onnx::Model::from_bytes(bytes)?;
        let slots: Vec<_> =
            self.table.columns.iter().filter_map(|c| Some((model.slot(&c.name)?, c))).collect();
        let mut batch = model.batch();
        for &row in &self.rows {
            batch.push_row();
            for (slot, column) in &slots {
                match &column.values {
                    Values::Numbers(v) => batch.set_number(*slot, 0, v[row as usize] as f32),
                    Values::Texts { codes, levels } if codes[row as usize] != MISSING_CODE => {
                        batch.set_text(&model, *slot, 0, &levels[codes[row as usize] as usize]);
                    }
                    Values::Texts { .. } => {}
                }
            }
        }
        model.predict(&mut batch)?;
        let predictions = export::answers(&model, &batch, self.rows.len(), target.width());
        let all: Vec<u32> = (0..self.rows.len() as u32).collect();
        let weights = (!self.weights.is_empty()).then_some(self.weights.as_slice());
        Ok(metrics::weighted(&self.target, &all, &predictions, weights, decision))
    }
}

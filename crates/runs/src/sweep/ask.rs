//! What a user asks for when submitting a sweep.

use super::sobol::DIMENSIONS;
use super::space::{self, Values};
use crate::command::SubmitCommand;
use crate::error::{Error, Result};
use definitions::jobs::{Choice, EarlyTermination, Objective, Sampling, SweepLimits};
use definitions::{Expression, resolve};
use domain::{Fault, JobStatus, Lineage, RunId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::Store;
use utoipa::ToSchema;

/// Trials of a sweep at most.
const TRIALS_MAX: u32 = 1000;
/// Parameters of a search space at most.
const PARAMETERS_MAX: usize = 64;

/// A sweep as submitted; kept as the job's `spec`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitSweep {
    /// What is tried; `${{search_space.NAME}}` in its command and variables becomes a value.
    pub trial: SubmitCommand,
    /// The values to draw from, by parameter.
    #[schema(value_type = Object)]
    pub search_space: BTreeMap<String, Choice>,
    /// How they are drawn: `random`, `sobol`, `grid` or `bayesian`.
    #[schema(value_type = String)]
    pub sampling: Sampling,
    /// Seed of the drawing; 0 when left out.
    #[serde(default)]
    pub seed: u64,
    /// What is made best: a metric that the script logs, and which way.
    #[schema(value_type = Object)]
    pub objective: Objective,
    /// How much is tried.
    #[schema(value_type = Object)]
    pub limits: SweepLimits,
    /// When a trial is stopped that falls behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub early_termination: Option<EarlyTermination>,
}

/// A trial of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SweepTrial {
    /// Its job and run.
    pub run: RunId,
    /// Where it stands.
    pub status: JobStatus,
    /// The values it tries.
    pub parameters: BTreeMap<String, String>,
    /// The best it has logged of the primary metric.
    pub metric: Option<f64>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl SubmitSweep {
    /// Pins data versions and refuses what cannot be.
    pub(crate) async fn settle(&mut self, store: &Store) -> Result<Option<Lineage>> {
        let wrong = |text: String| Err(Error::Submission(text));
        let count = self.search_space.len();
        if count == 0 || count > PARAMETERS_MAX {
            return wrong(format!("search_space: give 1 to {PARAMETERS_MAX} parameters, not {count}"));
        }
        if self.sampling == Sampling::Sobol && count > DIMENSIONS {
            return wrong(format!(
                "sampling: sobol reaches {DIMENSIONS} parameters, there are {count}: write random"
            ));
        }
        for (name, choice) in &self.search_space {
            let values = space::count(choice);
            if values == Some(0) || (self.sampling == Sampling::Grid && values.is_none()) {
                return wrong(format!("search_space.{name}: the sampling needs values that can be counted"));
            }
        }
        if !(1..=TRIALS_MAX).contains(&self.limits.max_total_trials) {
            return wrong(format!("limits.max_total_trials: write 1 to {TRIALS_MAX}"));
        }
        // Any values will do to see whether every expression has one.
        let values: Values = self
            .search_space
            .iter()
            .map(|(name, choice)| (name.clone(), space::value(choice, 0.5)))
            .collect();
        let mut trial = self.trial(&values)?;
        let lineage = trial.settle(store).await?;
        self.trial.inputs = trial.inputs;
        Ok(lineage)
    }

    /// The command with the values of a trial in their places.
    pub(crate) fn trial(&self, values: &Values) -> Result<SubmitCommand> {
        let placed = |text: &str| {
            resolve(text, |expression| match expression {
                Expression::SearchSpace(name) => values.get(name).cloned().ok_or_else(|| {
                    Fault::invalid(format!("search_space.{name} is no parameter of the search space"))
                }),
                Expression::Input(name) => Ok(format!("${{{{inputs.{name}}}}}")),
                Expression::Output(name) => Ok(format!("${{{{outputs.{name}}}}}")),
                Expression::Name => Ok("${{name}}".to_owned()),
                other => Err(Fault::invalid(format!("{other:?} has no meaning in a sweep"))),
            })
            .map_err(|fault| Error::Submission(format!("trial: {}", fault.message)))
        };
        let mut trial = self.trial.clone();
        trial.command = placed(&trial.command)?;
        for value in trial.environment_variables.values_mut() {
            *value = placed(value)?;
        }
        trial.display_name = None;
        trial.tags.extend(values.iter().map(|(name, value)| (format!("search_space.{name}"), value.clone())));
        Ok(trial)
    }
}

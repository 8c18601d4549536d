//! What a search is asked to do.

use crate::Error;
use serde::{Deserialize, Serialize};

/// What the model predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// One of two classes.
    Binary,
    /// One of three or more classes.
    Multiclass,
    /// A number.
    Regression,
}

impl Task {
    /// The name used in signatures.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Multiclass => "multiclass",
            Self::Regression => "regression",
        }
    }
}

/// The specification of a search: plain data, so that it can be stored and run again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The column to predict.
    pub target: String,
    /// The task; inferred from the target when absent.
    #[serde(default)]
    pub task: Option<Task>,
    /// The primary metric; `AUC_weighted` or `normalized_root_mean_squared_error` when absent.
    #[serde(default)]
    pub metric: Option<String>,
    /// Number of configurations to try, 1 to [`Spec::MAX_TRIALS`].
    pub max_trials: u32,
    /// Seconds after which no new work starts; absent = only `max_trials` counts.
    #[serde(default)]
    pub time_limit_seconds: Option<f64>,
    /// Seed of everything random.
    pub seed: u64,
    /// Worker threads; 0 = one a core. Does not change the result.
    #[serde(default)]
    pub threads: usize,
    /// Columns to leave out.
    #[serde(default)]
    pub exclude: Vec<String>,
}

impl Spec {
    /// Largest accepted number of trials.
    pub const MAX_TRIALS: u32 = 1000;

    /// A specification with nothing but the essentials: task and metric inferred, no time limit, one thread a core.
    #[must_use]
    pub fn new(target: impl Into<String>, max_trials: u32, seed: u64) -> Self {
        Self {
            target: target.into(),
            task: None,
            metric: None,
            max_trials,
            time_limit_seconds: None,
            seed,
            threads: 0,
            exclude: Vec::new(),
        }
    }

    /// Refuses values out of range.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let fail = |setting, detail: String| Err(Error::Spec { setting, detail });
        if self.max_trials == 0 || self.max_trials > Self::MAX_TRIALS {
            return fail(
                "max_trials",
                format!("{} is not within 1 and {}", self.max_trials, Self::MAX_TRIALS),
            );
        }
        if let Some(limit) = self.time_limit_seconds
            && !(limit.is_finite() && limit > 0.0)
        {
            return fail("time_limit_seconds", format!("{limit} is not a positive number of seconds"));
        }
        Ok(())
    }

    /// Worker threads really used.
    pub(crate) fn workers(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n.min(MAX_THREADS),
        }
    }
}

/// More workers than this never help a search.
const MAX_THREADS: usize = 256;

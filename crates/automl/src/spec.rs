//! What a search is asked to do.

use crate::Error;
use crate::folds::LEAST_ROWS;
use serde::{Deserialize, Serialize};
use std::time::Duration;

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

/// The algorithms of the learners, by Azure's names where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Algorithm {
    /// The constant baseline: it has no name in the lists, and is tried unless one says what is allowed.
    Constant,
    /// Logistic and multinomial regression; for numbers the elastic net.
    Linear,
    /// Boosted trees, leaf by leaf.
    LightGbm,
    /// Boosted trees, level by level.
    XgBoost,
    /// Boosted oblivious trees.
    GradientBoosting,
    RandomForest,
    ExtremeRandomTrees,
    /// Support vectors with a curved kernel.
    Svm,
    /// Support vectors with a linear kernel.
    LinearSvm,
    /// A small neural network.
    NeuralNetwork,
    /// A single tree.
    DecisionTree,
}

impl Algorithm {
    /// Names for classification, for regression, and the algorithm.
    const NAMES: [(&'static str, &'static str, Self); 10] = [
        ("LogisticRegression", "ElasticNet", Self::Linear),
        ("LightGBM", "LightGBM", Self::LightGbm),
        ("XGBoostClassifier", "XGBoostRegressor", Self::XgBoost),
        ("GradientBoosting", "GradientBoosting", Self::GradientBoosting),
        ("RandomForest", "RandomForest", Self::RandomForest),
        ("ExtremeRandomTrees", "ExtremeRandomTrees", Self::ExtremeRandomTrees),
        ("SVM", "SVM", Self::Svm),
        ("LinearSVM", "LinearSVM", Self::LinearSvm),
        ("NeuralNetwork", "NeuralNetwork", Self::NeuralNetwork),
        ("DecisionTree", "DecisionTree", Self::DecisionTree),
    ];

    /// The algorithm of a name; case and underscores do not matter.
    fn named(name: &str, task: Task) -> Option<Self> {
        let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
        let of = |&(classes, numbers, _): &(&'static str, &'static str, Self)| {
            if task == Task::Regression { numbers } else { classes }
        };
        Self::NAMES.iter().find(|entry| plain(of(entry)) == plain(name)).map(|entry| entry.2)
    }
}

/// The algorithms of a task that can be allowed and blocked.
#[must_use]
pub fn algorithm_names(task: Task) -> Vec<&'static str> {
    let name = |entry: &(&'static str, &'static str, Algorithm)| {
        if task == Task::Regression { entry.1 } else { entry.0 }
    };
    Algorithm::NAMES.iter().map(name).collect()
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
    /// Number of configurations to try, 1 to [`Spec::MAX_TRIALS`]; absent = as many as the time allows.
    #[serde(default)]
    pub max_trials: Option<u32>,
    /// Seconds after which the search has ended; absent = only `max_trials` counts.
    #[serde(default)]
    pub time_limit_seconds: Option<f64>,
    /// Seconds after which a single configuration is given up, from the begin of its first fit to the end of its last; it
    /// counts as left out ([`crate::Work::left_out`]). The fit on all rows at the end is not bound by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_time_limit_seconds: Option<f64>,
    /// Seed of everything random.
    pub seed: u64,
    /// Worker threads; 0 = one a core. Does not change the result.
    #[serde(default)]
    pub threads: usize,
    /// Columns to leave out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Column with the weight of each row, in fits and in metrics; no feature.
    #[serde(default)]
    pub weight_column: Option<String>,
    /// Column whose equal values are never split between training and validation; no feature.
    #[serde(default)]
    pub group_column: Option<String>,
    /// Column by which rows are ordered: later rows validate what was learned from earlier ones; no feature.
    #[serde(default)]
    pub time_column: Option<String>,
    /// One column a split, 1 = learned from, 0 = validated on; no features.
    #[serde(default)]
    pub cv_split_columns: Vec<String>,
    /// Folds, 2 to [`Spec::MAX_FOLDS`]; by the number of rows when absent.
    #[serde(default)]
    pub n_cross_validations: Option<u32>,
    /// Share of the rows in one hold-out in place of folds, above 0 and below 1.
    #[serde(default)]
    pub validation_size: Option<f64>,
    /// The algorithms that may be tried, by [`crate::algorithm_names`]; all when empty.
    #[serde(default)]
    pub allowed_learners: Vec<String>,
    /// Algorithms that are not tried.
    #[serde(default)]
    pub blocked_learners: Vec<String>,
    /// The search ends when the primary metric is this good.
    #[serde(default)]
    pub exit_score: Option<f64>,
    /// Whether a configuration that is clearly worse is given up after its first folds.
    #[serde(default = "yes")]
    pub early_termination: bool,
    /// Whether a weighted vote may be the model; else it is the best single configuration.
    #[serde(default = "yes")]
    pub vote_ensemble: bool,
    /// Whether a model over the predictions of the others may be the model.
    #[serde(default = "yes")]
    pub stack_ensemble: bool,
    /// Rows that configurations learn from at most, 10,000 at least; all when absent and there is no time limit, else as
    /// many as the limit allows for ([`crate::Work::fit_rows`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit_rows: Option<usize>,
    /// Numbers of trials that are not carried out: those that a time limit left out of the search that is repeated
    /// ([`crate::Work::left_out`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<u32>,
    /// Numbers of members that are not fitted on all rows again, as in the search that is repeated
    /// ([`crate::Work::from_fold`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_fold: Vec<u32>,
}

fn yes() -> bool {
    true
}

impl Spec {
    /// Largest accepted number of trials.
    pub const MAX_TRIALS: u32 = 1000;
    /// Largest accepted number of folds.
    pub const MAX_FOLDS: u32 = 100;

    /// A specification with nothing but the essentials: task and metric inferred, no time limit, one thread a core.
    #[must_use]
    pub fn new(target: impl Into<String>, max_trials: u32, seed: u64) -> Self {
        Self {
            target: target.into(),
            task: None,
            metric: None,
            max_trials: Some(max_trials),
            time_limit_seconds: None,
            trial_time_limit_seconds: None,
            seed,
            threads: 0,
            exclude: Vec::new(),
            weight_column: None,
            group_column: None,
            time_column: None,
            cv_split_columns: Vec::new(),
            n_cross_validations: None,
            validation_size: None,
            allowed_learners: Vec::new(),
            blocked_learners: Vec::new(),
            exit_score: None,
            early_termination: true,
            vote_ensemble: true,
            stack_ensemble: true,
            fit_rows: None,
            left_out: Vec::new(),
            from_fold: Vec::new(),
        }
    }

    /// Refuses what no search of this task can do, before there is a table.
    ///
    /// # Errors
    /// [`Error::Spec`]: values out of range, unknown algorithms, wishes that exclude each other.
    pub fn check_for(&self, task: Task) -> Result<(), Error> {
        self.check()?;
        self.algorithms(task).map(drop)
    }

    /// Refuses values out of range and wishes that exclude each other.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let fail = |setting, detail: String| Err(Error::Spec { setting, detail });
        if let Some(trials) = self.max_trials
            && !(1..=Self::MAX_TRIALS).contains(&trials)
        {
            return fail("max_trials", format!("{trials} is not within 1 and {}", Self::MAX_TRIALS));
        }
        if self.max_trials.is_none() && self.time_limit_seconds.is_none() {
            return fail("max_trials", "give a number of trials, a time limit, or both".into());
        }
        let limits = [
            ("time_limit_seconds", self.time_limit_seconds),
            ("trial_time_limit_seconds", self.trial_time_limit_seconds),
        ];
        for (setting, limit) in limits {
            if let Some(limit) = limit.filter(|limit| !(limit.is_finite() && *limit > 0.0)) {
                return fail(setting, format!("{limit} is not a positive number of seconds"));
            }
        }
        if let Some(folds) = self.n_cross_validations
            && !(2..=Self::MAX_FOLDS).contains(&folds)
        {
            return fail("n_cross_validations", format!("{folds} is not within 2 and {}", Self::MAX_FOLDS));
        }
        if let Some(size) = self.validation_size
            && !(size > 0.0 && size < 1.0)
        {
            return fail("validation_size", format!("{size} is no share above 0 and below 1"));
        }
        if let Some(rows) = self.fit_rows
            && rows < LEAST_ROWS
        {
            return fail("fit_rows", format!("{rows} is less than {LEAST_ROWS}, the smallest sample"));
        }
        if self.exit_score.is_some_and(|score| !score.is_finite()) {
            return fail("exit_score", "it is no number".into());
        }
        self.check_splitting()
    }

    /// Refuses two ways of splitting at once.
    fn check_splitting(&self) -> Result<(), Error> {
        let wishes = [
            ("cv_split_columns", !self.cv_split_columns.is_empty()),
            ("n_cross_validations", self.n_cross_validations.is_some()),
            ("validation_size", self.validation_size.is_some()),
        ];
        let mut given = wishes.into_iter().filter(|(_, given)| *given).map(|(name, _)| name);
        if let (Some(first), Some(second)) = (given.next(), given.next()) {
            let detail = format!("{first} splits the rows already; leave one of them out");
            return Err(Error::Spec { setting: second, detail });
        }
        let own = !self.cv_split_columns.is_empty();
        let ordered = self.group_column.is_some() && self.time_column.is_some();
        if ordered || (own && (self.group_column.is_some() || self.time_column.is_some())) {
            let detail = "rows are split by cv_split_columns, by group_column or by time_column, not by two";
            return Err(Error::Spec { setting: "group_column", detail: detail.into() });
        }
        Ok(())
    }

    /// Whether a column is no feature by wish: excluded, or in a role of its own.
    pub(crate) fn sets_apart(&self, column: &str) -> bool {
        let single = [&self.weight_column, &self.group_column, &self.time_column];
        let mut names = single.into_iter().flatten().chain(&self.cv_split_columns).chain(&self.exclude);
        names.any(|name| name == column)
    }

    /// The algorithms that may be tried for `task`: a test for each.
    pub(crate) fn algorithms(
        &self,
        task: Task,
    ) -> Result<impl Fn(Algorithm) -> bool + Send + Sync + use<>, Error> {
        let read = |setting: &'static str, names: &[String]| {
            let one = |name: &String| {
                Algorithm::named(name, task).ok_or_else(|| {
                    let known = algorithm_names(task).join(", ");
                    let detail = format!("{name:?} is no algorithm of a {} task: {known}", task.name());
                    Error::Spec { setting, detail }
                })
            };
            names.iter().map(one).collect::<Result<Vec<Algorithm>, Error>>()
        };
        let allowed = read("allowed_learners", &self.allowed_learners)?;
        let blocked = read("blocked_learners", &self.blocked_learners)?;
        if !allowed.is_empty() && allowed.iter().all(|a| blocked.contains(a)) {
            let detail = "every allowed algorithm is blocked too".into();
            return Err(Error::Spec { setting: "blocked_learners", detail });
        }
        Ok(move |algorithm: Algorithm| {
            let constant = algorithm == Algorithm::Constant;
            let listed = allowed.contains(&algorithm) || (constant && allowed.is_empty());
            (allowed.is_empty() || listed) && !blocked.contains(&algorithm)
        })
    }

    /// Time that one configuration may take; none when there is no limit that a clock could count.
    pub(crate) fn trial_limit(&self) -> Option<Duration> {
        self.trial_time_limit_seconds.and_then(|limit| Duration::try_from_secs_f64(limit).ok())
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

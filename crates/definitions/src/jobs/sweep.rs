//! `sweepJob`: a command tried with values out of a search space.

use super::command::{TIMEOUT_MAX, check, command, distribution, variables};
use super::{About, MACHINE, resources};
use crate::assets::{EnvironmentUse, environment_use};
use crate::error::Result;
use crate::fields::{Field, Value, quiet, told, used};
use crate::inputs::{Input, Output, inputs, outputs};
use crate::kinds::Kind;
use crate::read::Definition;
use crate::references::{Reference, reference};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Trials of a sweep at most.
const TRIALS_MAX: u32 = 1000;
/// Values of a choice at most.
const CHOICES_MAX: usize = 1000;

/// A sweep job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepJob {
    /// Name, experiment, tags.
    pub about: About,
    /// What is tried.
    pub trial: Trial,
    /// Inputs of every trial.
    pub inputs: BTreeMap<String, Input>,
    /// Outputs of every trial.
    pub outputs: BTreeMap<String, Output>,
    /// How values are drawn.
    pub sampling: Sampling,
    /// Seed of the drawing.
    pub seed: Option<u32>,
    /// The values to draw from.
    pub search_space: BTreeMap<String, Choice>,
    /// What is made best.
    pub objective: Objective,
    /// How much is tried.
    pub limits: SweepLimits,
    /// When a trial is stopped that falls behind.
    pub early_termination: Option<EarlyTermination>,
}

/// The command of a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The command line, with expressions.
    pub command: String,
    /// The folder with the code.
    pub code: Option<Reference>,
    /// Interpreter and packages.
    pub environment: Option<EnvironmentUse>,
    /// Variables of the process.
    pub environment_variables: BTreeMap<String, String>,
}

/// How values are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Independently.
    Random,
    /// By a Sobol sequence.
    Sobol,
    /// Every combination.
    Grid,
    /// By what earlier trials showed.
    Bayesian,
}

/// The values of one parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Choice {
    /// One of these, as written.
    Choice {
        /// The values.
        values: Vec<String>,
    },
    /// Between two numbers.
    Uniform {
        /// The least.
        min: f64,
        /// The most.
        max: f64,
        /// Rounded to a multiple of it.
        step: Option<f64>,
    },
    /// e to the power of a uniform number.
    Loguniform {
        /// The least exponent.
        min: f64,
        /// The largest exponent.
        max: f64,
        /// Rounded to a multiple of it.
        step: Option<f64>,
    },
    /// By the normal distribution.
    Normal {
        /// Mean.
        mu: f64,
        /// Standard deviation.
        sigma: f64,
        /// Rounded to a multiple of it.
        step: Option<f64>,
    },
    /// e to the power of a normal number.
    Lognormal {
        /// Mean of the exponent.
        mu: f64,
        /// Standard deviation of the exponent.
        sigma: f64,
        /// Rounded to a multiple of it.
        step: Option<f64>,
    },
    /// A whole number from 0, below this.
    Randint {
        /// The first number that is too large.
        upper: u32,
    },
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Larger is better.
    Maximize,
    /// Smaller is better.
    Minimize,
}

/// What a sweep makes best: a metric that the script logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// Which way.
    pub goal: Goal,
    /// The metric's name.
    pub primary_metric: String,
}

/// How much a sweep tries. Times in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepLimits {
    /// Trials in all.
    pub max_total_trials: u32,
    /// Trials at the same time.
    pub max_concurrent_trials: Option<u32>,
    /// The whole sweep.
    pub timeout: Option<u32>,
    /// One trial.
    pub trial_timeout: Option<u32>,
}

/// When a trial is stopped that falls behind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum EarlyTermination {
    /// Behind the best by more than a part or an amount of it.
    Bandit {
        /// Values of the metric between two looks.
        evaluation_interval: u32,
        /// Values before the first look.
        delay_evaluation: u32,
        /// Allowed part of the best.
        slack_factor: Option<f64>,
        /// Allowed distance from the best.
        slack_amount: Option<f64>,
    },
    /// Behind the median of the others.
    MedianStopping {
        /// Values of the metric between two looks.
        evaluation_interval: u32,
        /// Values before the first look.
        delay_evaluation: u32,
    },
    /// Among the worst so many percent.
    TruncationSelection {
        /// Values of the metric between two looks.
        evaluation_interval: u32,
        /// Values before the first look.
        delay_evaluation: u32,
        /// Percent that are stopped at each look.
        truncation_percentage: u32,
    },
}

const JOB: &[Field] = &[
    quiet("$schema"),
    quiet("type"),
    used("name"),
    used("display_name"),
    used("description"),
    used("experiment_name"),
    used("tags"),
    used("properties"),
    used("trial"),
    used("inputs"),
    used("outputs"),
    used("sampling_algorithm"),
    used("search_space"),
    used("objective"),
    used("limits"),
    used("early_termination"),
    used("resources"),
    told("compute", MACHINE),
    told("identity", "jobs run as this server's user, in a sandbox"),
    told("queue_settings", "jobs wait in one queue"),
];

impl Definition for SweepJob {
    const KINDS: &'static [Kind] = &[Kind::SweepJob];

    fn from_root(value: &Value<'_>) -> Result<Self> {
        let fields = value.open("a sweep job", JOB)?;
        fields.opt("resources", resources)?;
        let (sampling, seed) =
            fields.opt("sampling_algorithm", sampling)?.unwrap_or((Sampling::Random, None));
        let search_space = fields.need("search_space").and_then(|v| space(&v, sampling))?;
        let job = Self {
            about: About::read(&fields)?,
            trial: trial(&fields.need("trial")?)?,
            inputs: fields.or_default("inputs", inputs)?,
            outputs: fields.or_default("outputs", outputs)?,
            sampling,
            seed,
            search_space,
            objective: objective(&fields.need("objective")?)?,
            limits: fields.opt("limits", limits)?.unwrap_or(NO_LIMITS),
            early_termination: fields.opt("early_termination", early)?.flatten(),
        };
        let names: BTreeSet<&str> = job.search_space.keys().map(String::as_str).collect();
        check(&fields.need("trial")?.open("a trial", TRIAL)?, &job.inputs, &job.outputs, &names)?;
        Ok(job)
    }
}

const TRIAL: &[Field] = &[
    quiet("$schema"),
    quiet("type"),
    used("command"),
    used("code"),
    used("environment"),
    used("environment_variables"),
    used("distribution"),
    used("resources"),
];

fn trial(value: &Value<'_>) -> Result<Trial> {
    let fields = value.open("a trial", TRIAL)?;
    fields.opt("distribution", distribution)?;
    fields.opt("resources", resources)?;
    Ok(Trial {
        command: command(&fields.need("command")?)?,
        code: fields.opt("code", reference)?,
        environment: fields.opt("environment", environment_use)?,
        environment_variables: fields.or_default("environment_variables", variables)?,
    })
}

const SAMPLING: &[Field] = &[used("type"), used("seed"), used("rule"), quiet("logbase")];
const SAMPLINGS: &[(&str, Sampling)] =
    &[("random", Sampling::Random), ("grid", Sampling::Grid), ("bayesian", Sampling::Bayesian)];

fn sampling(value: &Value<'_>) -> Result<(Sampling, Option<u32>)> {
    if value.raw().is_some() {
        return Ok((value.one_of(SAMPLINGS)?, None));
    }
    let fields = value.open("a sampling algorithm", SAMPLING)?;
    let kind = fields.need("type")?.one_of(SAMPLINGS)?;
    let rule = fields.opt("rule", |v| v.one_of(&[("random", false), ("sobol", true)]))?;
    let kind = if rule == Some(true) && kind == Sampling::Random { Sampling::Sobol } else { kind };
    Ok((kind, fields.opt("seed", |v| v.count(0..=u32::MAX))?))
}

const PARAMETER: &[Field] = &[
    used("type"),
    used("values"),
    used("min_value"),
    used("max_value"),
    used("q"),
    used("mu"),
    used("sigma"),
    used("upper"),
];

fn space(value: &Value<'_>, sampling: Sampling) -> Result<BTreeMap<String, Choice>> {
    let mut space = BTreeMap::new();
    for (name, value) in value.entries()? {
        let choice = parameter(&value)?;
        let countable = matches!(choice, Choice::Choice { .. } | Choice::Randint { .. });
        if sampling == Sampling::Grid && !countable {
            return Err(value.wrong("a grid needs values that can be counted: write type choice with values"));
        }
        space.insert(name.to_owned(), choice);
    }
    if space.is_empty() { Err(value.wrong("a sweep needs at least one parameter")) } else { Ok(space) }
}

fn parameter(value: &Value<'_>) -> Result<Choice> {
    const ANY: std::ops::RangeInclusive<f64> = f64::MIN..=f64::MAX;
    let fields = value.open("a parameter of the search space", PARAMETER)?;
    let kind = fields.need("type")?;
    let name = kind.one_of(&[
        ("choice", "choice"),
        ("uniform", "uniform"),
        ("quniform", "uniform"),
        ("loguniform", "loguniform"),
        ("qloguniform", "loguniform"),
        ("normal", "normal"),
        ("qnormal", "normal"),
        ("lognormal", "lognormal"),
        ("qlognormal", "lognormal"),
        ("randint", "randint"),
    ])?;
    let step = if kind.raw().is_some_and(|text| text.starts_with(['q', 'Q'])) {
        Some(fields.need("q")?.number(f64::MIN_POSITIVE..=f64::MAX)?)
    } else {
        None
    };
    let number = |key: &str| fields.need(key)?.number(ANY);
    let ordered = |(min, max): (f64, f64)| {
        if min <= max { Ok((min, max)) } else { Err(value.wrong("min_value is larger than max_value")) }
    };
    Ok(match name {
        "choice" => Choice::Choice { values: values(&fields.need("values")?)? },
        "uniform" => {
            let (min, max) = ordered((number("min_value")?, number("max_value")?))?;
            Choice::Uniform { min, max, step }
        }
        "loguniform" => {
            let (min, max) = ordered((number("min_value")?, number("max_value")?))?;
            Choice::Loguniform { min, max, step }
        }
        "randint" => Choice::Randint { upper: fields.need("upper")?.count(1..=u32::MAX)? },
        name => {
            let sigma = fields.need("sigma")?.number(f64::MIN_POSITIVE..=f64::MAX)?;
            let mu = number("mu")?;
            if name == "normal" {
                Choice::Normal { mu, sigma, step }
            } else {
                Choice::Lognormal { mu, sigma, step }
            }
        }
    })
}

fn values(value: &Value<'_>) -> Result<Vec<String>> {
    let items = value.list()?;
    if items.is_empty() || items.len() > CHOICES_MAX {
        return Err(value.wrong(format!("a choice has 1 to {CHOICES_MAX} values")));
    }
    items.iter().map(Value::free_text).collect()
}

const OBJECTIVE: &[Field] = &[used("goal"), used("primary_metric"), quiet("type")];

fn objective(value: &Value<'_>) -> Result<Objective> {
    let fields = value.open("an objective", OBJECTIVE)?;
    Ok(Objective {
        goal: fields.need("goal")?.one_of(&[("maximize", Goal::Maximize), ("minimize", Goal::Minimize)])?,
        primary_metric: fields.need("primary_metric")?.label()?,
    })
}

const LIMITS: &[Field] = &[
    used("max_total_trials"),
    used("max_concurrent_trials"),
    used("timeout"),
    used("trial_timeout"),
    quiet("type"),
];
const NO_LIMITS: SweepLimits =
    SweepLimits { max_total_trials: 20, max_concurrent_trials: None, timeout: None, trial_timeout: None };

fn limits(value: &Value<'_>) -> Result<SweepLimits> {
    let fields = value.open("the limits of a sweep", LIMITS)?;
    let seconds = |v: &Value<'_>| v.count(1..=TIMEOUT_MAX);
    Ok(SweepLimits {
        max_total_trials: fields
            .opt("max_total_trials", |v| v.count(1..=TRIALS_MAX))?
            .unwrap_or(NO_LIMITS.max_total_trials),
        max_concurrent_trials: fields.opt("max_concurrent_trials", |v| v.count(1..=TRIALS_MAX))?,
        timeout: fields.opt("timeout", seconds)?,
        trial_timeout: fields.opt("trial_timeout", seconds)?,
    })
}

const EARLY: &[Field] = &[
    used("type"),
    used("evaluation_interval"),
    used("delay_evaluation"),
    used("slack_factor"),
    used("slack_amount"),
    used("truncation_percentage"),
    quiet("exclude_finished_jobs"),
];

fn early(value: &Value<'_>) -> Result<Option<EarlyTermination>> {
    let fields = value.open("an early termination", EARLY)?;
    let evaluation_interval = fields.opt("evaluation_interval", |v| v.count(1..=1_000_000))?.unwrap_or(1);
    let delay_evaluation = fields.opt("delay_evaluation", |v| v.count(0..=1_000_000))?.unwrap_or(0);
    let kinds =
        [("bandit", 0), ("median_stopping", 1), ("truncation_selection", 2), ("default", 3), ("none", 3)];
    Ok(Some(match fields.need("type")?.one_of(&kinds)? {
        0 => {
            let slack = |key: &str| fields.opt(key, |v| v.number(0.0..=f64::MAX));
            let (slack_factor, slack_amount) = (slack("slack_factor")?, slack("slack_amount")?);
            if slack_factor.is_some() == slack_amount.is_some() {
                return Err(value.wrong("a bandit needs one of slack_factor and slack_amount"));
            }
            EarlyTermination::Bandit { evaluation_interval, delay_evaluation, slack_factor, slack_amount }
        }
        1 => EarlyTermination::MedianStopping { evaluation_interval, delay_evaluation },
        2 => EarlyTermination::TruncationSelection {
            evaluation_interval,
            delay_evaluation,
            truncation_percentage: fields.need("truncation_percentage")?.count(1..=99)?,
        },
        _ => return Ok(None),
    }))
}

//! Guardrails: what about the data could make a model worse than its metrics, and what was done about it.
//!
//! Each check looks at the training table (drift also at the validation and test tables) and never at a model. The
//! names are those of Azure's guardrails where it has one.

mod drift;
mod leak;

use crate::control::Control;
use crate::outcome::ColumnRole;
use crate::prepare::Prepared;
use crate::table::Tables;
use crate::{Spec, Task, decision, metric_named};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Values in groups of about equal size.
struct Groups(Vec<f64>);

impl Groups {
    /// So many groups of the values that are there, or fewer where many are equal.
    fn new(values: impl Iterator<Item = f64>, count: usize) -> Self {
        let mut sorted: Vec<f64> = values.filter(|x| !x.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut cuts: Vec<f64> =
            (1..count).filter_map(|i| sorted.get(i * sorted.len() / count)).copied().collect();
        cuts.dedup();
        Self(cuts)
    }

    /// The group of a value; missing ones have the first.
    fn of(&self, x: f64) -> usize {
        if x.is_nan() { 0 } else { 1 + self.0.partition_point(|&cut| cut <= x) }
    }

    /// The number of groups, that of the missing values among them.
    fn len(&self) -> usize {
        self.0.len() + 2
    }
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Handled; good to know.
    Note,
    /// May cost accuracy; look at it.
    Warning,
    /// The metrics may not be believed.
    Serious,
}

impl Severity {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Serious => "serious",
        }
    }
}

/// What a guardrail looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// A class is much rarer than the most frequent one.
    ClassImbalance,
    /// A class has too few rows to be learned and validated.
    FewRowsPerClass,
    /// Values are missing.
    MissingValues,
    /// A category has many different values.
    HighCardinality,
    /// One column alone predicts the target nearly perfectly.
    TargetLeak,
    /// A column of the validation or test data is distributed differently.
    Drift,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Guardrail {
    /// What was looked for.
    pub guard: Guard,
    /// How much it matters.
    pub severity: Severity,
    /// The columns concerned (for classes: the target).
    pub columns: Vec<String>,
    /// What was found, in one sentence with the numbers.
    pub found: String,
    /// The numbers by column or class.
    pub figures: BTreeMap<String, f64>,
    /// What was done.
    pub done: String,
}

impl Guardrail {
    /// Both sentences, for an event.
    #[must_use]
    pub fn message(&self) -> String {
        format!("{}; {}", self.found, self.done)
    }
}

/// A class with a smaller share than this of the most frequent one's is rare (Azure's threshold) …
const RARE_CLASS: f64 = 0.2;
/// … and with less than this, very rare.
const VERY_RARE_CLASS: f64 = 0.01;
/// Rows of a class that five folds need for two each.
const CLASS_ROWS: usize = 10;
/// Share of missing values from which a column is a warning.
const MUCH_MISSING: f64 = 0.4;
/// Different texts from which a category is told.
const MANY_LEVELS: usize = 50;
/// Columns named in a sentence.
const NAMED: usize = 5;

/// Looks at the prepared data and the tables it came from; the most severe findings come first.
pub(crate) fn inspect(
    tables: Tables<'_>,
    prepared: &Prepared,
    spec: &Spec,
    control: &Control,
) -> Vec<Guardrail> {
    let mut found = Vec::new();
    classes(prepared, spec, &mut found);
    missing(prepared, &mut found);
    cardinality(prepared, spec, &mut found);
    found.extend(leak::inspect(&prepared.data, spec, control));
    for (table, what) in [(tables.validation, "validation"), (tables.test, "test")] {
        found.extend(table.and_then(|t| drift::inspect(tables.training, t, (what, prepared))));
    }
    found.sort_by_key(|g| std::cmp::Reverse(g.severity));
    found
}

/// Rare classes, and classes with few rows.
fn classes(prepared: &Prepared, spec: &Spec, found: &mut Vec<Guardrail>) {
    let target = &prepared.data.target;
    let Some(classes) = &target.classes else { return };
    let mut counts = vec![0usize; classes.len()];
    target.values[..prepared.data.trainable()].iter().for_each(|&v| counts[v as usize] += 1);
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let names = classes.names();
    let figures = |keep: &dyn Fn(usize) -> bool| -> BTreeMap<String, f64> {
        let pairs = names.iter().cloned().zip(&counts).filter(|(_, n)| keep(**n));
        pairs.map(|(name, &n)| (name, n as f64)).collect()
    };
    let least = counts.iter().copied().min().unwrap_or(0);
    let share = least as f64 / most as f64;
    if share < RARE_CLASS {
        found.push(Guardrail {
            guard: Guard::ClassImbalance,
            severity: if share < VERY_RARE_CLASS { Severity::Serious } else { Severity::Warning },
            columns: vec![target.name.clone()],
            found: format!(
                "the classes of {:?} are imbalanced: {least} rows of the rarest, {most} of the most frequent",
                target.name
            ),
            figures: figures(&|_| true),
            done: weighing(spec.metric.as_deref(), target.task),
        });
    }
    let few = figures(&|n| n < CLASS_ROWS);
    if !few.is_empty() {
        found.push(Guardrail {
            guard: Guard::FewRowsPerClass,
            severity: if least < 2 { Severity::Serious } else { Severity::Warning },
            columns: vec![target.name.clone()],
            found: format!(
                "{} of {} classes have fewer than {CLASS_ROWS} rows: {}",
                few.len(),
                counts.len(),
                list(few.keys())
            ),
            figures: few,
            done: "they are learned; a class with a single row is never validated".into(),
        });
    }
}

/// What is done about rare classes: their rows count as they are, and labels are weighted where the metric asks for it.
fn weighing(metric: Option<&str>, task: Task) -> String {
    let metric = metric.and_then(|name| metric_named(task, name)).filter(|name| decision::serves(name));
    let rest = match metric {
        Some(metric) => {
            let by = if task == Task::Binary { "a threshold" } else { "weights of the classes" };
            format!("labels are decided by {by}, chosen for {metric} where that helps")
        }
        None => "resampling and class weights would only spoil their probabilities; the metrics balanced_accuracy, \
                 norm_macro_recall and f1_score_macro have labels weighted by class"
            .into(),
    };
    format!("folds keep the shares of the classes and models learn them as they are; {rest}")
}

fn missing(prepared: &Prepared, found: &mut Vec<Guardrail>) {
    let rows = prepared.data.trainable().max(1) as f64;
    let used = prepared.columns.iter().filter(|c| feature(c.role) && c.missing > 0);
    let figures: BTreeMap<String, f64> =
        used.map(|c| (c.name.clone(), (c.missing as f64 / rows).min(1.0))).collect();
    if figures.is_empty() {
        return;
    }
    let most = figures.values().copied().fold(0.0, f64::max);
    found.push(Guardrail {
        guard: Guard::MissingValues,
        severity: if most > MUCH_MISSING { Severity::Warning } else { Severity::Note },
        columns: figures.keys().cloned().collect(),
        found: format!(
            "{} columns miss values, up to {:.1} % of the rows: {}",
            figures.len(),
            most * 100.0,
            list(figures.keys())
        ),
        figures,
        done:
            "trees send missing values their own way, other learners put in the median and an indicator; a \
               missing category is a value of its own"
                .into(),
    });
}

fn cardinality(prepared: &Prepared, spec: &Spec, found: &mut Vec<Guardrail>) {
    let textual = |c: &&crate::ColumnReport| matches!(c.kind.as_str(), "category" | "text");
    let many = prepared.columns.iter().filter(textual).filter(|c| c.distinct > MANY_LEVELS);
    let apart = [ColumnRole::Target, ColumnRole::Text];
    let many: Vec<_> = many.filter(|c| !apart.contains(&c.role) && !spec.sets_apart(&c.name)).collect();
    if many.is_empty() {
        return;
    }
    let dropped = many.iter().filter(|c| c.role == ColumnRole::Dropped).count();
    found.push(Guardrail {
        guard: Guard::HighCardinality,
        severity: if dropped > 0 { Severity::Warning } else { Severity::Note },
        columns: many.iter().map(|c| c.name.clone()).collect(),
        found: format!(
            "{} columns of text have more than {MANY_LEVELS} different values: {}",
            many.len(),
            list(many.iter().map(|c| &c.name))
        ),
        figures: many.iter().map(|c| (c.name.clone(), c.distinct as f64)).collect(),
        done: format!(
            "rare values are treated as one or, where many come again, read by their own mean of the target, learned \
             inside each fold; {dropped} of the columns are left out"
        ),
    });
}

/// Whether a column of this role is learned from.
fn feature(role: ColumnRole) -> bool {
    !matches!(role, ColumnRole::Target | ColumnRole::Dropped)
}

/// The first names of a list.
fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    let more = names.len().saturating_sub(NAMED);
    let shown = names[..names.len() - more].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

#[cfg(test)]
mod tests;

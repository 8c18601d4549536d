//! Plots as data and as pictures: what an ensemble does out of fold, and how the search went.
//!
//! A [`Plot`] holds a bounded number of points ([`LINE_POINTS`] a line, [`LINES`] lines) and is drawn by [`svg`].

mod classes;
mod learning;
mod numbers;
mod svg;

pub(crate) use learning::rounds;
pub use svg::svg;

use crate::Task;
use crate::dataset::Target;
use crate::decision::Decision;
use crate::metrics::{Scored, full};
use crate::outcome::Trial;
use serde::{Deserialize, Serialize};

/// Points of a line at most.
pub const LINE_POINTS: usize = 120;
/// Lines of a plot at most.
pub const LINES: usize = 8;
/// Rows and columns of a matrix at most; further classes are gathered in the last one.
pub const CELLS: usize = 25;

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plot {
    /// Its file's stem: `roc_curve`, `confusion_matrix` …
    pub name: String,
    /// Above the picture.
    pub title: String,
    /// What is seen, in a sentence.
    pub description: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The marks.
    pub marks: Marks,
}

/// An axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// What it measures.
    pub title: String,
    /// Where it begins.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
}

/// What stands between the axes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Marks {
    /// Lines.
    Lines {
        /// One after the other.
        lines: Vec<Line>,
    },
    /// Single points, and a line to compare them with.
    Dots {
        /// `[x, y]` of each.
        points: Vec<[f64; 2]>,
        /// The line.
        lines: Vec<Line>,
    },
    /// Bars beside each other.
    Bars {
        /// `[from, to, height]` of each.
        bars: Vec<[f64; 3]>,
    },
    /// Amounts by row and column.
    Cells {
        /// Names of rows and of columns.
        names: Vec<String>,
        /// Row by row.
        rows: Vec<Vec<f64>>,
    },
}

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// `[x, y]` of each point.
    pub points: Vec<[f64; 2]>,
    /// Whether it is there to be compared with.
    #[serde(default)]
    pub dashed: bool,
}

impl Axis {
    fn new(title: &str, low: f64, high: f64) -> Self {
        let (low, high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
        // An axis without length has no middle to draw in.
        let high = if high > low { high } else { low + f64::max(1.0, low.abs() * 1e-6) };
        Self { title: title.to_owned(), low, high }
    }

    /// From 0 to 1.
    fn share(title: &str) -> Self {
        Self::new(title, 0.0, 1.0)
    }
}

impl Line {
    fn new(name: &str, points: Vec<[f64; 2]>) -> Self {
        Self { name: name.to_owned(), points: thinned(points, LINE_POINTS), dashed: false }
    }

    fn dashed(name: &str, points: Vec<[f64; 2]>) -> Self {
        Self { dashed: true, ..Self::new(name, points) }
    }
}

/// At most so many of the points, evenly taken; the first and the last stay.
fn thinned(points: Vec<[f64; 2]>, most: usize) -> Vec<[f64; 2]> {
    if points.len() <= most {
        return points;
    }
    (0..most).map(|i| points[i * (points.len() - 1) / (most - 1)]).collect()
}

/// Out-of-fold predictions of some rows, as wide as the target, with the rows' weights.
pub(crate) struct Answers<'a> {
    pub target: &'a Target,
    pub rows: &'a [u32],
    pub predictions: &'a [f32],
    /// One a row of the dataset.
    pub weights: Option<&'a [f32]>,
    /// How their probabilities become labels.
    pub decision: &'a Decision,
}

/// All plots of a search: its answers, and its trials in the order they ended.
pub(crate) fn all(answers: &Answers<'_>, trials: &[Trial], metric: (&str, bool)) -> Vec<Plot> {
    let truth: Vec<f64> =
        answers.rows.iter().map(|&r| f64::from(answers.target.values[r as usize])).collect();
    let weights: Option<Vec<f64>> =
        answers.weights.map(|w| answers.rows.iter().map(|&r| f64::from(w[r as usize])).collect());
    let mut plots = if answers.target.task == Task::Regression {
        let predicted: Vec<f64> = answers.predictions.iter().map(|&p| f64::from(p)).collect();
        numbers::all(&truth, &predicted)
    } else {
        let of: Vec<usize> = truth.iter().map(|&t| t as usize).collect();
        let probabilities = full(answers.target, answers.predictions);
        let (k, weights) = (answers.target.class_count(), weights.as_deref());
        let scored = Scored::new(&of, &probabilities, k, weights, answers.decision);
        let names = answers.target.classes.as_ref().map(crate::dataset::Classes::names).unwrap_or_default();
        classes::all(&scored, &names)
    };
    plots.extend(learning::scores(trials, metric));
    plots
}

#[cfg(test)]
mod tests;

//! How a search and its boosted members learned.

use super::{Axis, LINES, Line, Marks, Plot};
use crate::outcome::Trial;

/// The score of each trial that has one, and the best one so far.
pub(super) fn scores(trials: &[Trial], (metric, higher): (&str, bool)) -> Option<Plot> {
    let mut told: Vec<(u32, f64)> =
        trials.iter().filter(|t| t.score.is_finite()).map(|t| (t.number, t.score)).collect();
    told.sort_by_key(|t| t.0);
    let first = told.first()?.1;
    let (mut best, mut bests) = (first, Vec::new());
    for &(number, score) in &told {
        best = if higher { best.max(score) } else { best.min(score) };
        bests.push([f64::from(number), best]);
    }
    let points: Vec<[f64; 2]> = told.iter().map(|&(n, s)| [f64::from(n), s]).collect();
    let (low, high) =
        told.iter().fold((f64::MAX, f64::MIN), |(low, high), &(_, s)| (low.min(s), high.max(s)));
    let room = (high - low) * 0.05;
    Some(Plot {
        name: "learning_curve".into(),
        title: "Score by trial".into(),
        description: format!("{metric} of each trial, out of fold, and the best so far."),
        x: Axis::new("trial", 1.0, f64::from(told.last()?.0)),
        y: Axis::new(metric, low - room, high + room),
        marks: Marks::Dots {
            points: super::thinned(points, 400),
            lines: vec![Line::new("best so far", bests)],
        },
    })
}

/// The loss on held-out rows by boosting round, of each member that has rounds.
pub(crate) fn rounds(curves: &[(String, Vec<f64>)]) -> Option<Plot> {
    let shown: Vec<&(String, Vec<f64>)> =
        curves.iter().filter(|(_, curve)| curve.len() > 1).take(LINES).collect();
    let all = || shown.iter().flat_map(|(_, curve)| curve.iter().copied()).filter(|x| x.is_finite());
    let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(f64::MIN, f64::max));
    let longest = shown.iter().map(|(_, curve)| curve.len()).max()?;
    let line = |(name, curve): &&(String, Vec<f64>)| {
        let points = curve.iter().enumerate().filter(|(_, x)| x.is_finite());
        Line::new(name, points.map(|(round, &loss)| [(round + 1) as f64, loss]).collect())
    };
    Some(Plot {
        name: "boosting_rounds".into(),
        title: "Loss by boosting round".into(),
        description: "Mean loss on held-out rows after each round, of the boosted members.".into(),
        x: Axis::new("round", 1.0, longest as f64),
        y: Axis::new("loss", low, high),
        marks: Marks::Lines { lines: shown.iter().map(line).collect() },
    })
}

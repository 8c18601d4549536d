//! Plots of class probabilities. One class against the rest; of two classes the second one.

use super::{Axis, CELLS, LINES, Line, Marks, Plot};
use crate::metrics::{Ranked, Scored, groups, one_against_rest};

/// Bins of the calibration.
const BINS: usize = 10;

/// ROC, precision–recall, calibration, gain, lift and the confusion matrix.
pub(super) fn all(scored: &Scored<'_>, names: &[String]) -> Vec<Plot> {
    let support = scored.support();
    let total: f64 = support.iter().sum();
    let mut shown: Vec<usize> = (0..scored.k).filter(|&c| support[c] > 0.0 && support[c] < total).collect();
    if scored.k == 2 {
        shown.retain(|&c| c == 1);
    }
    shown.sort_by(|&a, &b| support[b].total_cmp(&support[a]).then(a.cmp(&b)));
    shown.truncate(LINES - 1);
    let ranked: Vec<(&str, Ranked)> = shown
        .iter()
        .map(|&c| (names.get(c).map_or("", String::as_str), one_against_rest(scored, c)))
        .collect();
    let mut plots = Vec::new();
    if !ranked.is_empty() {
        plots.extend([roc(&ranked), recall(&ranked), calibration(&ranked), gain(&ranked), lift(&ranked)]);
    }
    plots.push(confusion(scored, names));
    plots
}

/// Lines of a curve, one a class.
fn lines(ranked: &[(&str, Ranked)], of: impl Fn(&Ranked) -> Vec<[f64; 2]>) -> Vec<Line> {
    ranked.iter().map(|(name, ranked)| Line::new(name, of(ranked))).collect()
}

/// Weight of the positives and of all.
fn totals(ranked: &Ranked) -> (f64, f64) {
    let of = |positive: bool| ranked.iter().filter(|r| r.1 == positive).map(|r| r.2).sum::<f64>();
    (of(true), of(true) + of(false))
}

fn roc(ranked: &[(&str, Ranked)]) -> Plot {
    let curve = |ranked: &Ranked| {
        let (positives, all) = totals(ranked);
        let (mut hits, mut misses, mut points) = (0.0, 0.0, vec![[0.0, 0.0]]);
        groups(ranked, |_, p, n| {
            hits += p;
            misses += n;
            points.push([misses / (all - positives), hits / positives]);
        });
        points
    };
    let mut lines = lines(ranked, curve);
    lines.push(Line::dashed("chance", vec![[0.0, 0.0], [1.0, 1.0]]));
    Plot {
        name: "roc_curve".into(),
        title: "Receiver operating characteristic".into(),
        description: "True positive rate against false positive rate over all thresholds, out of fold."
            .into(),
        x: Axis::share("false positive rate"),
        y: Axis::share("true positive rate"),
        marks: Marks::Lines { lines },
    }
}

fn recall(ranked: &[(&str, Ranked)]) -> Plot {
    let curve = |ranked: &Ranked| {
        let (positives, _) = totals(ranked);
        let (mut hits, mut taken, mut points) = (0.0, 0.0, Vec::new());
        groups(ranked, |_, p, n| {
            hits += p;
            taken += p + n;
            if taken > 0.0 {
                points.push([hits / positives, hits / taken]);
            }
        });
        points
    };
    Plot {
        name: "precision_recall_curve".into(),
        title: "Precision and recall".into(),
        description: "Precision against recall over all thresholds, out of fold.".into(),
        x: Axis::share("recall"),
        y: Axis::share("precision"),
        marks: Marks::Lines { lines: lines(ranked, curve) },
    }
}

fn calibration(ranked: &[(&str, Ranked)]) -> Plot {
    let curve = |ranked: &Ranked| {
        let mut bins = [(0.0, 0.0, 0.0); BINS];
        for &(p, hit, weight) in ranked {
            let bin = &mut bins[((p * BINS as f64) as usize).min(BINS - 1)];
            *bin = (bin.0 + weight * p, bin.1 + weight * f64::from(u8::from(hit)), bin.2 + weight);
        }
        bins.iter().filter(|b| b.2 > 0.0).map(|b| [b.0 / b.2, b.1 / b.2]).collect()
    };
    let mut lines = lines(ranked, curve);
    lines.push(Line::dashed("perfect", vec![[0.0, 0.0], [1.0, 1.0]]));
    Plot {
        name: "calibration_curve".into(),
        title: "Calibration".into(),
        description:
            "How often a class really occurs where it was given this probability, in ten equal bins.".into(),
        x: Axis::share("mean predicted probability"),
        y: Axis::share("share that occurred"),
        marks: Marks::Lines { lines },
    }
}

/// Share of rows taken and share of positives among them, most probable rows first.
fn gains(ranked: &Ranked) -> Vec<[f64; 2]> {
    let (positives, all) = totals(ranked);
    let (mut hits, mut taken, mut points) = (0.0, 0.0, vec![[0.0, 0.0]]);
    groups(ranked, |_, p, n| {
        hits += p;
        taken += p + n;
        points.push([taken / all, hits / positives]);
    });
    points
}

fn gain(ranked: &[(&str, Ranked)]) -> Plot {
    let mut lines = lines(ranked, gains);
    lines.push(Line::dashed("chance", vec![[0.0, 0.0], [1.0, 1.0]]));
    Plot {
        name: "cumulative_gain".into(),
        title: "Cumulative gain".into(),
        description: "Share of a class found among the rows that are most probably of it.".into(),
        x: Axis::share("share of rows"),
        y: Axis::share("share of the class found"),
        marks: Marks::Lines { lines },
    }
}

fn lift(ranked: &[(&str, Ranked)]) -> Plot {
    let curve = |ranked: &Ranked| {
        gains(ranked).into_iter().filter(|p| p[0] > 0.0).map(|p| [p[0], p[1] / p[0]]).collect()
    };
    let mut lines = lines(ranked, curve);
    let top = lines.iter().flat_map(|l| &l.points).map(|p| p[1]).fold(1.0, f64::max);
    lines.push(Line::dashed("chance", vec![[0.0, 1.0], [1.0, 1.0]]));
    Plot {
        name: "lift_curve".into(),
        title: "Lift".into(),
        description:
            "How many times more of a class is found than by chance among the rows most probably of it."
                .into(),
        x: Axis::share("share of rows"),
        y: Axis::new("times chance", 0.0, top * 1.05),
        marks: Marks::Lines { lines },
    }
}

fn confusion(scored: &Scored<'_>, names: &[String]) -> Plot {
    let support = scored.support();
    let mut order: Vec<usize> = (0..scored.k).collect();
    if scored.k > CELLS {
        order.sort_by(|&a, &b| support[b].total_cmp(&support[a]).then(a.cmp(&b)));
    }
    let size = scored.k.min(CELLS);
    let place = |class: usize| order.iter().position(|&c| c == class).map_or(0, |at| at.min(size - 1));
    let mut rows = vec![vec![0.0; size]; size];
    for (class, row) in scored.confusion().iter().enumerate() {
        for (decided, amount) in row.iter().enumerate() {
            rows[place(class)][place(decided)] += amount;
        }
    }
    let mut shown: Vec<String> =
        order.iter().take(size).map(|&c| names.get(c).cloned().unwrap_or_default()).collect();
    if scored.k > CELLS
        && let Some(last) = shown.last_mut()
    {
        *last = format!("{} others", scored.k - size + 1);
    }
    Plot {
        name: "confusion_matrix".into(),
        title: "Confusion matrix".into(),
        description: "Rows by true class (down) and decided class (across), out of fold.".into(),
        x: Axis::new("decided", 0.0, size as f64),
        y: Axis::new("true", 0.0, size as f64),
        marks: Marks::Cells { names: shown, rows },
    }
}

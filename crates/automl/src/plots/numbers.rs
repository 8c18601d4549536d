//! Plots of predicted numbers.

use super::{Axis, Line, Marks, Plot, thinned};

/// Points shown at most.
const DOTS: usize = 400;
/// Bars of the histogram.
const BARS: usize = 30;

/// Predicted against true, and the residuals.
pub(super) fn all(truth: &[f64], predicted: &[f64]) -> Vec<Plot> {
    vec![against(truth, predicted), residuals(truth, predicted)]
}

fn span<'a>(values: impl Iterator<Item = &'a f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN), |(low, high), &x| (low.min(x), high.max(x)))
}

fn against(truth: &[f64], predicted: &[f64]) -> Plot {
    let (low, high) = span(truth.iter().chain(predicted));
    let points = truth.iter().zip(predicted).map(|(&t, &p)| [t, p]).collect();
    Plot {
        name: "predicted_true".into(),
        title: "Predicted and true".into(),
        description: "The prediction of a row against its true value, out of fold.".into(),
        x: Axis::new("true", low, high),
        y: Axis::new("predicted", low, high),
        marks: Marks::Dots {
            points: thinned(points, DOTS),
            lines: vec![Line::dashed("perfect", vec![[low, low], [high, high]])],
        },
    }
}

fn residuals(truth: &[f64], predicted: &[f64]) -> Plot {
    let errors: Vec<f64> = truth.iter().zip(predicted).map(|(t, p)| p - t).collect();
    let (low, high) = span(errors.iter());
    let width = ((high - low) / BARS as f64).max(f64::MIN_POSITIVE);
    let mut counts = [0.0; BARS];
    for error in &errors {
        counts[(((error - low) / width) as usize).min(BARS - 1)] += 1.0;
    }
    let bar = |(i, &count): (usize, &f64)| [low + i as f64 * width, low + (i + 1) as f64 * width, count];
    Plot {
        name: "residuals".into(),
        title: "Residuals".into(),
        description: "How many rows were predicted too high (right) or too low (left), and by how much."
            .into(),
        x: Axis::new("predicted − true", low, high),
        y: Axis::new("rows", 0.0, counts.iter().copied().fold(0.0, f64::max) * 1.05),
        marks: Marks::Bars { bars: counts.iter().enumerate().map(bar).collect() },
    }
}

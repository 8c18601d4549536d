//! Plots of answers whose curves are known.

use super::*;
use crate::dataset::Classes;

fn target(values: Vec<f32>, classes: Option<Classes>) -> Target {
    let task = match &classes {
        None => Task::Regression,
        Some(c) if c.len() == 2 => Task::Binary,
        Some(_) => Task::Multiclass,
    };
    Target { name: "y".into(), task, classes, values }
}

fn lines<'a>(plots: &'a [Plot], name: &str) -> &'a [Line] {
    let plot = plots.iter().find(|p| p.name == name).unwrap();
    match &plot.marks {
        Marks::Lines { lines } | Marks::Dots { lines, .. } => lines,
        other => panic!("{other:?}"),
    }
}

fn plots(target: &Target, predictions: &[f32]) -> Vec<Plot> {
    let rows: Vec<u32> = (0..target.values.len() as u32).collect();
    all(
        &Answers {
            target,
            rows: &rows,
            predictions,
            weights: None,
            decision: &crate::decision::Decision::Largest,
        },
        &[],
        ("accuracy", true),
    )
}

#[test]
fn curves_of_two_classes_are_those_of_the_second() {
    let t = target(vec![0.0, 0.0, 1.0, 1.0], Some(Classes::Text(vec!["no".into(), "y<s".into()])));
    let plots = plots(&t, &[0.1, 0.6, 0.4, 0.9]);
    let names: Vec<&str> = plots.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "roc_curve",
            "precision_recall_curve",
            "calibration_curve",
            "cumulative_gain",
            "lift_curve",
            "confusion_matrix"
        ]
    );
    let roc = &lines(&plots, "roc_curve")[0];
    assert_eq!(roc.name, "y<s");
    assert_eq!(roc.points, [[0.0, 0.0], [0.0, 0.5], [0.5, 0.5], [0.5, 1.0], [1.0, 1.0]]);
    let recall = &lines(&plots, "precision_recall_curve")[0].points;
    assert_eq!(recall[..3], [[0.5, 1.0], [0.5, 0.5], [1.0, 2.0 / 3.0]]);
    assert_eq!(lines(&plots, "lift_curve")[0].points[0], [0.25, 2.0]);
    let Marks::Cells { rows, .. } = &plots[5].marks else { panic!() };
    assert_eq!(rows, &[vec![1.0, 1.0], vec![1.0, 1.0]]);
    for plot in &plots {
        let picture = svg(plot);
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>"), "{picture}");
        assert!(!picture.contains("y<s") && !picture.contains("NaN") && picture.contains("<desc"));
    }
}

#[test]
fn plots_are_bounded() {
    let (n, k) = (20_000_usize, 40_usize);
    let t = target((0..n).map(|i| (i % k) as f32).collect(), Some(Classes::Integer((0..40).collect())));
    let p: Vec<f32> = (0..n * k).map(|i| ((i * 7919 % 1000) as f32) / 1000.0 / k as f32).collect();
    let plots = plots(&t, &p);
    for plot in &plots {
        match &plot.marks {
            Marks::Lines { lines } => {
                assert!(lines.len() <= LINES && lines.iter().all(|l| l.points.len() <= LINE_POINTS));
            }
            Marks::Cells { names, rows } => {
                assert_eq!((names.len(), rows.len()), (CELLS, CELLS));
                assert_eq!(names[CELLS - 1], "16 others");
                assert_eq!(rows.iter().flatten().sum::<f64>(), n as f64);
            }
            other => panic!("{other:?}"),
        }
        assert!(svg(plot).len() < 120_000);
    }
}

#[test]
fn numbers_have_residuals_and_a_constant_is_drawn_too() {
    let t = target((0..50).map(|i| i as f32).collect(), None);
    let p: Vec<f32> = (0..50).map(|i| i as f32 + if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let made = plots(&t, &p);
    let Marks::Bars { bars } = &made[1].marks else { panic!() };
    assert_eq!((bars[0][2], bars[29][2]), (25.0, 25.0));
    for values in [vec![3.0; 5], vec![0.0; 5]] {
        let t = target(values.clone(), None);
        plots(&t, &values).iter().for_each(|p| assert!(!svg(p).contains("NaN")));
    }
}

#[test]
fn every_axis_can_be_drawn() {
    for (low, high) in [(1e17, 1e17), (-1e300, -1e300), (f64::NAN, 1.0), (0.0, f64::INFINITY), (2.0, 2.0)] {
        let axis = Axis::new("x", low, high);
        assert!(axis.high > axis.low && (axis.high - axis.low).is_finite(), "{low} {high}: {axis:?}");
        let marks = Marks::Lines { lines: vec![Line::new("a\u{1}b", vec![[0.0, low], [1.0, high]])] };
        let drawn = svg(&Plot {
            name: "n".into(),
            title: "t\u{0}\u{FFFF}".into(),
            description: String::new(),
            x: Axis::share("x"),
            y: axis,
            marks,
        });
        assert!(drawn.chars().all(|c| c >= ' ' || c == '\n') && !drawn.contains('\u{FFFF}'));
    }
}

#[test]
fn learning_curves_keep_the_best() {
    let trial = |number, score| Trial {
        number,
        learner: "l".into(),
        score,
        metrics: Default::default(),
        weight: 0.0,
        seconds: 1.0,
    };
    let plot = learning::scores(
        &[trial(2, 0.6), trial(1, 0.7), trial(3, f64::NEG_INFINITY), trial(4, 0.9)],
        ("AUC", true),
    );
    let plot = plot.unwrap();
    let Marks::Dots { points, lines } = &plot.marks else { panic!() };
    assert_eq!(points, &[[1.0, 0.7], [2.0, 0.6], [4.0, 0.9]]);
    assert_eq!(lines[0].points, [[1.0, 0.7], [2.0, 0.7], [4.0, 0.9]]);
    assert!(learning::scores(&[], ("AUC", true)).is_none());
    let rounds = rounds(&[("a".into(), vec![0.7, 0.5, 0.4]), ("b".into(), vec![])]).unwrap();
    assert_eq!(rounds.y, Axis { title: "loss".into(), low: 0.4, high: 0.7 });
}

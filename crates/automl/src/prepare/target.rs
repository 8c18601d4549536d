//! The target: which rows have one, which task it is, its labels.

use crate::dataset::{Classes, Target};
use crate::prepare::MIN_ROWS;
use crate::table::{Column, Kind, Values};
use crate::{Error, Task};

/// Whole numbers with at most this many distinct values are classes.
const FEW_VALUES: usize = 20;
/// More classes than this are refused.
const MAX_CLASSES: usize = 200;

/// The rows whose target is present; an empty text is missing, an infinite number too.
pub(super) fn present(column: &Column) -> Vec<u32> {
    let there = |r: usize| match &column.values {
        Values::Numbers(v) => v[r].is_finite(),
        Values::Texts { codes, levels } => {
            !column.values.is_missing(r) && !levels[codes[r] as usize].is_empty()
        }
    };
    (0..column.values.len()).filter(|&r| there(r)).map(|r| r as u32).collect()
}

/// Reads the target of the kept rows (the trainable ones, and all), inferring the task when it is not given.
pub(super) fn read(
    column: &Column,
    (fit, all): (&[u32], &[u32]),
    wish: Option<Task>,
) -> Result<(Target, Vec<String>), Error> {
    let (mut target, notes) = read_fit(column, fit, wish)?;
    if all.len() > fit.len() {
        let values = lookup(column, &target, &all[fit.len()..], "validation data")?;
        target.values.extend(values);
    }
    Ok((target, notes))
}

/// The target of further rows in the classes of the training table.
pub(super) fn lookup(
    column: &Column,
    target: &Target,
    rows: &[u32],
    what: &'static str,
) -> Result<Vec<f32>, Error> {
    let unknown = |label: String| Error::Target {
        target: column.name.clone(),
        detail: format!("the {what} has the label {label}, which the training data lacks"),
    };
    let value = |&r: &u32| match (&column.values, &target.classes) {
        (Values::Texts { codes, levels }, Some(Classes::Text(labels))) => {
            let label = &levels[codes[r as usize] as usize];
            let found = labels.binary_search(label).map_err(|_| unknown(format!("{label:?}")))?;
            Ok(found as f32)
        }
        (Values::Numbers(v), Some(Classes::Integer(labels))) => {
            let x = v[r as usize];
            let found = labels.iter().position(|&l| l as f64 == x).ok_or_else(|| unknown(x.to_string()))?;
            Ok(found as f32)
        }
        (Values::Numbers(v), Some(Classes::Boolean)) => {
            let x = v[r as usize];
            if x == 0.0 || x == 1.0 { Ok(x as f32) } else { Err(unknown(x.to_string())) }
        }
        (Values::Numbers(v), Some(Classes::Text(_))) => {
            Err(unknown(format!("{}, a number where there were texts", v[r as usize])))
        }
        (Values::Numbers(v), None) if v[r as usize].abs() > f64::from(f32::MAX) => {
            Err(Error::Target { target: column.name.clone(), detail: too_large(v[r as usize]) })
        }
        (Values::Numbers(v), None) => Ok(v[r as usize] as f32),
        (Values::Texts { .. }, _) => Err(unknown("that is a text".into())),
    };
    rows.iter().map(value).collect()
}

/// Reads the target of the trainable rows.
fn read_fit(column: &Column, rows: &[u32], wish: Option<Task>) -> Result<(Target, Vec<String>), Error> {
    let fail = |detail: String| Err(Error::Target { target: column.name.clone(), detail });
    if rows.is_empty() {
        return fail("every value is missing".into());
    }
    if rows.len() < MIN_ROWS {
        return fail(format!("only {} rows have a value, at least {MIN_ROWS} are needed", rows.len()));
    }
    let (task, classes, values) = match &column.values {
        Values::Texts { codes, levels } => texts(column, rows, (codes, levels), wish)?,
        Values::Numbers(v) => {
            let kept: Vec<f64> = rows.iter().map(|&r| v[r as usize]).collect();
            numbers(column, &kept, wish)?
        }
    };
    let mut notes = Vec::new();
    if let Some(classes) = &classes {
        singletons(classes, &values, &mut notes);
    }
    Ok((Target { name: column.name.clone(), task, classes, values }, notes))
}

/// What is said of a number that `f32` does not hold.
fn too_large(x: f64) -> String {
    format!("the value {x:e} is beyond {:e}, the largest that models hold; divide the column first", f32::MAX)
}

type Parts = (Task, Option<Classes>, Vec<f32>);

fn texts(
    column: &Column,
    rows: &[u32],
    (codes, levels): (&[u32], &[String]),
    wish: Option<Task>,
) -> Result<Parts, Error> {
    let fail = |detail: &str| Err(Error::Target { target: column.name.clone(), detail: detail.into() });
    if wish == Some(Task::Regression) {
        return fail("its values are texts, regression needs numbers");
    }
    let mut labels: Vec<&str> = rows.iter().map(|&r| levels[codes[r as usize] as usize].as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    let index: std::collections::HashMap<&str, f32> =
        labels.iter().enumerate().map(|(i, &l)| (l, i as f32)).collect();
    let values = rows.iter().map(|&r| index[levels[codes[r as usize] as usize].as_str()]).collect();
    let task = class_task(column, labels.len(), wish)?;
    Ok((task, Some(Classes::Text(labels.into_iter().map(str::to_owned).collect())), values))
}

fn numbers(column: &Column, kept: &[f64], wish: Option<Task>) -> Result<Parts, Error> {
    let mut distinct = kept.to_vec();
    distinct.sort_unstable_by(f64::total_cmp);
    distinct.dedup();
    let whole = distinct.iter().all(|x| x.fract() == 0.0 && x.abs() < 9e15);
    let boolean = column.kind == Kind::Boolean;
    let classes_likely = column.kind != Kind::Timestamp && whole && distinct.len() <= FEW_VALUES;
    let classify = match wish {
        Some(Task::Regression) => false,
        Some(_) => true,
        None => boolean || classes_likely,
    };
    let fail = |detail: String| Err(Error::Target { target: column.name.clone(), detail });
    if !classify {
        if distinct.len() < 2 {
            return fail("every row has the same value".into());
        }
        if let Some(&x) = kept.iter().find(|x| x.abs() > f64::from(f32::MAX)) {
            return fail(too_large(x));
        }
        if let Some(lost) = blurred(kept) {
            return fail(lost);
        }
        return Ok((Task::Regression, None, kept.iter().map(|&x| x as f32).collect()));
    }
    if !whole {
        return fail("its values are not whole numbers, so they can't be class labels".into());
    }
    let task = class_task(column, distinct.len(), wish)?;
    if boolean && distinct == [0.0, 1.0] {
        return Ok((task, Some(Classes::Boolean), kept.iter().map(|&x| x as f32).collect()));
    }
    let position = |x: f64| distinct.partition_point(|&d| d < x) as f32;
    let values = kept.iter().map(|&x| position(x)).collect();
    Ok((task, Some(Classes::Integer(distinct.iter().map(|&x| x as i64).collect())), values))
}

/// Largest rounding to single precision that numbers to predict may suffer, as a share of their deviation.
const BLUR: f64 = 1e-3;

/// Why numbers can't be predicted in single precision: they differ by too little for their size.
fn blurred(values: &[f64]) -> Option<String> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    let rounding = values.iter().map(|&x| (x - f64::from(x as f32)).abs()).fold(0.0, f64::max);
    (rounding > BLUR * deviation).then(|| {
        format!(
            "its values differ by about {deviation:.3} around {mean:.3e}, which single precision rounds by up to {rounding:.3}: \
             subtract an offset from them first"
        )
    })
}

/// Binary or multi-class by the number of classes; refuses none, one, and too many.
fn class_task(column: &Column, count: usize, wish: Option<Task>) -> Result<Task, Error> {
    let fail = |detail: String| Err(Error::Target { target: column.name.clone(), detail });
    match (count, wish) {
        (0 | 1, _) => fail("every row has the same value".into()),
        (2, _) => Ok(Task::Binary),
        (n, Some(Task::Binary)) => fail(format!("a binary task needs two classes, it has {n}")),
        (n, _) if n > MAX_CLASSES => fail(format!(
            "{n} classes are more than {MAX_CLASSES}; is it an identifier or a number to predict?"
        )),
        _ => Ok(Task::Multiclass),
    }
}

/// Warns about classes with a single row: they can be learned from but not validated.
fn singletons(classes: &Classes, values: &[f32], notes: &mut Vec<String>) {
    let mut counts = vec![0usize; classes.len()];
    for &v in values {
        counts[v as usize] += 1;
    }
    let single = counts.iter().filter(|&&n| n == 1).count();
    if single > 0 {
        notes.push(format!("{single} classes have a single row: they are learned but not validated"));
    }
}

//! Guardrails on tables with known faults.

use super::*;
use crate::prepare;
use crate::table::{Column, Kind, MISSING_CODE, Table, Values};

fn numbers(name: &str, values: impl IntoIterator<Item = f64>) -> Column {
    Column { name: name.into(), kind: Kind::Float, values: Values::Numbers(values.into_iter().collect()) }
}

fn noise(i: usize, salt: usize) -> f64 {
    crate::random::Random::new(i as u64, salt as u64).unit()
}

/// Two columns of noise and a target with one row in `rare` of the second class.
fn table(rows: usize, rare: usize) -> Table {
    Table {
        columns: vec![
            numbers("a", (0..rows).map(|i| noise(i, 1))),
            numbers("b", (0..rows).map(|i| noise(i, 2))),
            Column {
                name: "y".into(),
                kind: Kind::Integer,
                values: Values::Numbers((0..rows).map(|i| f64::from(u8::from(i % rare == 0))).collect()),
            },
        ],
    }
}

fn look(training: &Table, test: Option<&Table>) -> Vec<Guardrail> {
    look_for(Tables { training, validation: None, test }, None)
}

fn look_for(tables: Tables<'_>, metric: Option<&str>) -> Vec<Guardrail> {
    let spec = Spec { metric: metric.map(Into::into), ..Spec::new("y", 1, 1) };
    let prepared = prepare::prepare(tables, &spec).unwrap();
    let (send, _told) = std::sync::mpsc::channel();
    inspect(tables, &prepared, &spec, &Control::new(1, send))
}

fn of(found: &[Guardrail], guard: Guard) -> Option<&Guardrail> {
    found.iter().find(|g| g.guard == guard)
}

#[test]
fn clean_data_has_no_finding() {
    assert_eq!(look(&table(400, 2), Some(&table(200, 2))), []);
}

#[test]
fn few_rows_do_not_pass_for_a_shift() {
    let many = |rows: usize, of: usize| {
        let mut table = table(rows, 2);
        table.columns.extend((0..30).map(|c| {
            let levels = (0..20).map(|l| format!("level {l}")).collect();
            let code = |i: usize| (noise(i, of + c) * 20.0) as u32;
            let values = Values::Texts { codes: (0..rows).map(code).collect(), levels };
            Column { name: format!("c{c}"), kind: Kind::Category, values }
        }));
        table
    };
    let found = look(&many(500, 40), Some(&many(50, 140)));
    assert!(of(&found, Guard::Drift).is_none(), "{found:?}");
}

#[test]
fn rare_classes_are_told_with_their_rows() {
    let found = look(&table(400, 10), None);
    let imbalance = of(&found, Guard::ClassImbalance).unwrap();
    assert_eq!(imbalance.severity, Severity::Warning);
    assert_eq!(imbalance.figures["1"], 40.0);
    assert!(of(&found, Guard::FewRowsPerClass).is_none());
    let found = look(&table(400, 80), None);
    assert_eq!(of(&found, Guard::FewRowsPerClass).unwrap().figures["1"], 5.0);
    assert!(imbalance.message().contains("40 rows of the rarest, 360"), "{}", imbalance.message());
    assert!(imbalance.done.contains("balanced_accuracy"), "{}", imbalance.done);
    let training = &table(400, 10);
    let found = look_for(Tables { training, validation: None, test: None }, Some("NormMacroRecall"));
    let done = &of(&found, Guard::ClassImbalance).unwrap().done;
    assert!(done.contains("a threshold, chosen for norm_macro_recall"), "{done}");
}

#[test]
fn columns_that_are_set_apart_have_not_too_many_values() {
    let mut table = table(400, 2);
    for (name, of) in [("city", 70), ("household", 100)] {
        let levels = (0..of).map(|l| format!("{name} {l}")).collect();
        let codes = (0..400).map(|i| i as u32 % of).collect();
        let values = Values::Texts { codes, levels };
        table.columns.push(Column { name: name.into(), kind: Kind::Category, values });
    }
    let spec = Spec { group_column: Some("household".into()), ..Spec::new("y", 1, 1) };
    let prepared = prepare::prepare(Tables::from(&table), &spec).unwrap();
    let mut found = Vec::new();
    cardinality(&prepared, &spec, &mut found);
    assert_eq!((found[0].severity, &found[0].columns), (Severity::Note, &vec!["city".to_owned()]));
}

#[test]
fn a_column_that_tells_the_target_is_serious() {
    let mut table = table(400, 3);
    let Values::Numbers(y) = table.columns[2].values.clone() else { panic!("no numbers") };
    table.columns.push(numbers("later", y.iter().enumerate().map(|(i, y)| y * 10.0 + noise(i, 3))));
    let found = look(&table, None);
    assert_eq!((found[0].guard, found[0].severity), (Guard::TargetLeak, Severity::Serious));
    assert_eq!(found[0].columns, ["later"]);
}

#[test]
fn a_missing_value_hides_no_column_that_tells_the_number() {
    let y = |i: usize| (3.0 * noise(i, 4)).exp().powi(3);
    let copy = (0..400).map(|i| if i == 5 { f64::NAN } else { 1.1 * y(i) });
    let table = Table {
        columns: vec![
            numbers("a", (0..400).map(|i| noise(i, 1))),
            numbers("copy", copy),
            numbers("y", (0..400).map(y)),
        ],
    };
    let found = look(&table, None);
    assert_eq!(of(&found, Guard::TargetLeak).unwrap().columns, ["copy"]);
}

#[test]
fn a_shifted_column_of_the_test_data_is_told() {
    let (training, mut test) = (table(500, 2), table(300, 2));
    test.columns[1] = numbers("b", (0..300).map(|i| noise(i, 2) + 0.4));
    let found = look(&training, Some(&test));
    let drift = of(&found, Guard::Drift).unwrap();
    assert_eq!((drift.columns.as_slice(), drift.severity), (&["b".to_owned()][..], Severity::Serious));
    assert!(drift.found.contains("test data"));
}

#[test]
fn missing_and_many_values_are_told() {
    let mut table = table(400, 2);
    table.columns[0] = numbers("a", (0..400).map(|i| if i % 2 == 0 { f64::NAN } else { noise(i, 1) }));
    let levels: Vec<String> = (0..80).map(|l| format!("level {l}")).collect();
    let codes = (0..400u32).map(|i| if i == 7 { MISSING_CODE } else { i % 80 }).collect();
    table.columns.push(Column {
        name: "c".into(),
        kind: Kind::Category,
        values: Values::Texts { codes, levels },
    });
    let found = look(&table, None);
    let missing = of(&found, Guard::MissingValues).unwrap();
    assert_eq!((missing.severity, missing.figures["a"]), (Severity::Warning, 0.5));
    assert_eq!(of(&found, Guard::HighCardinality).unwrap().figures["c"], 80.0);
}

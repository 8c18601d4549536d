//! Roles and targets on small tables.

use super::*;
use crate::dataset::{Classes, Shape};
use crate::table::{Column, Kind, MISSING_CODE, Table, Values};
use crate::{Task, outcome::ColumnRole};

fn numbers(name: &str, kind: Kind, values: impl IntoIterator<Item = f64>) -> Column {
    Column { name: name.into(), kind, values: Values::Numbers(values.into_iter().collect()) }
}

fn texts(name: &str, kind: Kind, values: &[&str]) -> Column {
    let mut levels: Vec<String> = Vec::new();
    let mut code = |v: &str| {
        if v.is_empty() {
            return MISSING_CODE;
        }
        let found = levels.iter().position(|l| l == v);
        found.unwrap_or_else(|| {
            levels.push(v.into());
            levels.len() - 1
        }) as u32
    };
    let codes = values.iter().map(|v| code(v)).collect();
    Column { name: name.into(), kind, values: Values::Texts { codes, levels } }
}

fn target(n: usize) -> Column {
    numbers("y", Kind::Integer, (0..n).map(|i| (i % 2) as f64))
}

fn read(columns: Vec<Column>) -> Prepared {
    prepare((&Table { columns }).into(), &Spec::new("y", 1, 0)).unwrap()
}

fn fails(columns: Vec<Column>, spec: &Spec) -> String {
    prepare((&Table { columns }).into(), spec).unwrap_err().to_string()
}

#[test]
fn useless_columns_are_dropped_with_a_reason() {
    let n = 40;
    let unique: Vec<String> = (0..n).map(|i| format!("name {i}")).collect();
    let unique: Vec<&str> = unique.iter().map(String::as_str).collect();
    let prose: Vec<String> = (0..n).map(|i| format!("text {}", i % 30)).collect();
    let prose: Vec<&str> = prose.iter().map(String::as_str).collect();
    let p = read(vec![
        numbers("Sno", Kind::Integer, (0..n).map(|i| i as f64)),
        numbers("mixed", Kind::Float, (0..n).map(|i| 1000.0 + ((i * 7) % n) as f64)),
        numbers("customer_id", Kind::Integer, (0..n).map(|i| (i * i) as f64)),
        numbers("empty", Kind::Float, vec![f64::NAN; n]),
        numbers("same", Kind::Integer, vec![3.0; n]),
        texts("name", Kind::Category, &unique),
        texts("prose", Kind::Text, &prose),
        numbers("kept", Kind::Float, (0..n).map(|i| (i * i) as f64)),
        numbers("now and then", Kind::Float, (0..n).map(|i| if i % 3 == 0 { 1.0 } else { f64::NAN })),
        target(n),
    ]);
    let names: Vec<&str> = p.data.features.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["kept", "now and then"]);
    let note = |i: usize| p.columns[i].note.as_deref().unwrap_or("");
    for (i, part) in ["serial", "serial", "identifier", "missing", "same value", "different", "free text"]
        .iter()
        .enumerate()
    {
        assert!(note(i).contains(part), "{} not in {}", part, note(i));
        assert_eq!(p.columns[i].role, ColumnRole::Dropped);
    }
    assert_eq!(p.columns[9].role, ColumnRole::Target);
}

#[test]
fn years_and_words_that_end_like_id_are_no_identifiers() {
    let n = 40;
    let whole = |name: &str, of: fn(usize) -> f64| numbers(name, Kind::Integer, (0..n).map(of));
    let holes = |i: usize| if i == 3 { f64::NAN } else { (i * i) as f64 };
    let p = read(vec![
        whole("year", |i| 1980.0 + i as f64),
        whole("AMOUNT_PAID", |i| (i * i) as f64),
        whole("customerID", |i| (i * i * i) as f64),
        numbers("client_id", Kind::Integer, (0..n).map(holes)),
        whole("ORDER_ID", |i| (i * i + 7 * i) as f64),
        whole("n", |i| 2190.0 + i as f64),
        target(n),
    ]);
    let used = |c: &&crate::ColumnReport| c.role == ColumnRole::Number;
    let names: Vec<&str> = p.columns.iter().filter(used).map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["year", "AMOUNT_PAID"]);
}

#[test]
fn rare_missing_and_unknown_texts_have_their_codes() {
    let mut values = vec!["a"; 20];
    values.extend(["b"; 15]);
    values.extend(["c", "d", "", ""]);
    let n = values.len();
    let p = read(vec![texts("c", Kind::Category, &values), target(n)]);
    let Shape::Category(coding) = &p.data.features[0].shape else { panic!("no category") };
    assert_eq!(coding.levels, ["a", "b"]);
    assert_eq!(coding.seen, ["a", "b", "c", "d"]);
    assert_eq!((coding.missing, coding.rare, coding.size()), (Some(2), Some(3), 4));
    assert_eq!(coding.unknown(), 3.0);
    let column = &p.data.matrix.columns[0];
    assert_eq!((column[0], column[20], column[35], column[37]), (0.0, 1.0, 3.0, 2.0));
    assert!(p.columns[0].note.as_deref().unwrap().contains("2 rare"));
}

#[test]
fn more_texts_than_codes_have_places_that_move_with_their_columns() {
    let n = 3_000;
    let names = |stem: &str, of: usize| (0..n).map(|i| format!("{stem}{}", i * 7 % of)).collect::<Vec<_>>();
    let (street, copy, town) = (names("s", 500), names("c", 500), names("t", 300));
    let text = |name: &str, values: &[String]| {
        let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
        values[5] = "";
        values[6] = "once";
        texts(name, Kind::Category, &values)
    };
    let p = read(vec![
        numbers("x", Kind::Float, (0..n).map(|i| (i * i % 1013) as f64)),
        numbers("x again", Kind::Float, (0..n).map(|i| (i * i % 1013) as f64)),
        text("street", &street),
        text("copy", &copy),
        text("town", &town),
        target(n),
    ]);
    let used: Vec<&str> = p.data.features.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(used, ["x", "street", "town"]);
    let matrix = p.data.matrix.take(&[0, 500, 5, 6, 1]);
    assert_eq!(matrix.places.keys().copied().collect::<Vec<_>>(), [1, 2]);
    let streets = &matrix.places[&1];
    assert!(streets[0] == streets[1] && streets[2] == 500.0 && streets[3].is_nan());
    assert!(streets[4] != streets[0] && streets[4] < 500.0);
    assert_eq!(matrix.places[&2][2], 300.0);
    assert!(p.columns[2].note.as_deref().unwrap().ends_with("500 have a mean of the target of their own"));
}

#[test]
fn without_rare_texts_an_unknown_one_is_no_code() {
    let values: Vec<&str> = (0..30).map(|i| if i % 2 == 0 { "x" } else { "y" }).collect();
    let p = read(vec![texts("c", Kind::Category, &values), target(30)]);
    let Shape::Category(coding) = &p.data.features[0].shape else { panic!("no category") };
    assert!(coding.unknown().is_nan() && coding.absent().is_nan());
    assert_eq!(coding.levels, ["x", "y"]);
}

#[test]
fn tasks_are_told_apart() {
    let n = 60;
    let feature = || numbers("x", Kind::Float, (0..n).map(|i| f64::from(i * i)));
    let task = |column: Column| read(vec![feature(), column]).data.target;
    let two = task(numbers("y", Kind::Integer, (0..n).map(|i| f64::from(1 + i % 2))));
    assert_eq!((two.task, two.classes), (Task::Binary, Some(Classes::Integer(vec![1, 2]))));
    let five = task(numbers("y", Kind::Integer, (0..n).map(|i| f64::from(i % 5))));
    assert_eq!((five.task, five.width()), (Task::Multiclass, 5));
    let many = task(numbers("y", Kind::Integer, (0..n).map(f64::from)));
    assert_eq!((many.task, many.classes), (Task::Regression, None));
    let decimal = task(numbers("y", Kind::Float, (0..n).map(|i| 0.5 + f64::from(i % 2))));
    assert_eq!(decimal.task, Task::Regression);
    let boolean = task(numbers("y", Kind::Boolean, (0..n).map(|i| f64::from(i % 2))));
    assert_eq!((boolean.task, boolean.classes), (Task::Binary, Some(Classes::Boolean)));
    let text: Vec<&str> = (0..n).map(|i| ["no", "yes", "maybe"][i as usize % 3]).collect();
    let text = task(texts("y", Kind::Category, &text));
    let labels = ["maybe", "no", "yes"].map(String::from).to_vec();
    assert_eq!((text.task, text.classes), (Task::Multiclass, Some(Classes::Text(labels))));
    assert_eq!(text.values[..3], [1.0, 2.0, 0.0]);
}

#[test]
fn rows_without_a_target_are_left_out_and_counted() {
    let n = 30;
    let y = (0..n).map(|i| if i < 5 { f64::NAN } else { f64::from(i % 2) });
    let p = read(vec![
        numbers("x", Kind::Float, (0..n).map(|i| f64::from(i * i))),
        numbers("y", Kind::Integer, y),
    ]);
    assert_eq!(p.data.rows(), 25);
    assert_eq!(p.data.matrix.columns[0][0], 25.0);
    assert!(p.notes[0].starts_with("5 rows"));
}

#[test]
fn impossible_targets_are_refused() {
    let x = || numbers("x", Kind::Float, (0..30).map(|i| f64::from(i * i)));
    let y = |v: f64| numbers("y", Kind::Integer, vec![v; 30]);
    let spec = Spec::new("y", 1, 0);
    assert!(fails(vec![x()], &spec).contains("no such column"));
    assert!(fails(vec![x(), y(1.0)], &spec).contains("same value"));
    assert!(fails(vec![x(), y(f64::NAN)], &spec).contains("every value is missing"));
    let few = (0..30).map(|i| if i < 8 { f64::from(i % 2) } else { f64::NAN });
    assert!(fails(vec![x(), numbers("y", Kind::Integer, few)], &spec).contains("only 8 rows"));
    let wish = |task| Spec { task: Some(task), ..Spec::new("y", 1, 0) };
    let three = || numbers("y", Kind::Integer, (0..30).map(|i| f64::from(i % 3)));
    assert!(fails(vec![x(), three()], &wish(Task::Binary)).contains("two classes"));
    let text = texts("y", Kind::Category, &["a", "b"].repeat(15));
    assert!(fails(vec![x(), text], &wish(Task::Regression)).contains("needs numbers"));
    assert!(fails(vec![three()], &spec).contains("no usable feature"));
    let bad = Spec { exclude: vec!["z".into()], ..Spec::new("y", 1, 0) };
    assert!(fails(vec![x(), three()], &bad).contains("no column \"z\""));
}

#[test]
fn malformed_tables_are_refused() {
    let spec = Spec::new("y", 1, 0);
    let short = numbers("x", Kind::Float, [1.0]);
    assert!(fails(vec![target(20), short], &spec).contains("1 values"));
    assert!(fails(vec![target(20), target(20)], &spec).contains("twice"));
    let codes = Values::Texts { codes: vec![3; 20], levels: vec!["a".into()] };
    let column = Column { name: "c".into(), kind: Kind::Category, values: codes };
    assert!(fails(vec![target(20), column], &spec).contains("without a level"));
}

#[test]
fn columns_that_say_the_same_are_dropped_once() {
    let n = 60;
    let value = |i: usize| ((i * 37) % 41) as f64;
    let colour: Vec<&str> = (0..n).map(|i| ["red", "green", "blue"][i % 3]).collect();
    let farbe: Vec<&str> = colour.iter().map(|c| if *c == "red" { "rot" } else { "andere" }).collect();
    let couleur: Vec<&str> = colour.iter().map(|c| &c[..1]).collect();
    let p = read(vec![
        numbers("metres", Kind::Float, (0..n).map(value)),
        numbers("feet", Kind::Float, (0..n).map(|i| value(i) * 3.28084 + 1.0)),
        numbers("nearly", Kind::Float, (0..n).map(|i| value(i) + if i == 7 { 0.1 } else { 0.0 })),
        texts("colour", Kind::Category, &colour),
        texts("farbe", Kind::Category, &farbe),
        texts("couleur", Kind::Category, &couleur),
        target(n),
    ]);
    let names: Vec<&str> = p.data.features.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["metres", "nearly", "colour", "farbe"]);
    assert_eq!(p.columns[1].note.as_deref(), Some("says the same as \"metres\""));
    assert_eq!(p.columns[5].role, ColumnRole::Dropped);
}

#[test]
fn an_outlier_that_columns_share_makes_them_no_copies() {
    let n = 200;
    let value = |i: usize, step: usize, most: usize| {
        if i % 50 == 7 { 999_999_999.0 } else { ((i * step) % most) as f64 }
    };
    let p = read(vec![
        numbers("a", Kind::Float, (0..n).map(|i| value(i, 37, 101))),
        numbers("b", Kind::Float, (0..n).map(|i| value(i, 61, 97))),
        numbers("a2", Kind::Float, (0..n).map(|i| 2.0 * value(i, 37, 101))),
        target(n),
    ]);
    let names: Vec<&str> = p.data.features.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn a_timestamp_has_its_calendar_parts() {
    let n = 400;
    let when =
        (0..n).map(|i| 1_600_000_000.0 + f64::from(i) * 7.0 * 3600.0 * 5.0 + f64::from(i % 3) * 3600.0);
    let p = read(vec![numbers("when", Kind::Timestamp, when), target(n as usize)]);
    let names: Vec<&str> = p.data.features.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["when", "when (year)", "when (month)", "when (day)", "when (weekday)", "when (hour)"]);
    let columns = &p.data.matrix.columns;
    assert_eq!((columns[1][0], columns[2][0], columns[3][0]), (2020.0, 9.0, 13.0));
    assert_eq!((columns[4][0], columns[5][0]), (6.0, 12.0));
    assert_eq!(p.data.features.iter().filter(|f| f.is_input()).count(), 1);
}

/// Texts of several words, all different, of which some words come again.
fn sentences(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("Room {i} was {}, we think", ["good", "bad", "not good"][i % 3])).collect()
}

#[test]
fn texts_of_several_words_are_read_word_by_word() {
    let n = 60;
    let prose = sentences(n);
    let prose: Vec<&str> = prose.iter().map(String::as_str).collect();
    let mut gaps = prose.clone();
    gaps[..10].fill("");
    let names: Vec<String> = (0..n).map(|i| format!("x{i:05}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let few: Vec<&str> = (0..n).map(|i| ["very good", "very bad", "so so"][i % 3]).collect();
    let p = read(vec![
        texts("prose", Kind::Text, &prose),
        texts("with gaps", Kind::Category, &gaps),
        texts("id", Kind::Text, &names),
        texts("few", Kind::Text, &few),
        target(n),
    ]);
    let roles: Vec<ColumnRole> = p.columns.iter().map(|c| c.role).collect();
    let expected =
        [ColumnRole::Text, ColumnRole::Text, ColumnRole::Dropped, ColumnRole::Category, ColumnRole::Target];
    assert_eq!(roles, expected);
    assert_eq!(p.columns[0].note.as_deref(), Some("read word by word: 4 terms, most often \"good\""));
    let inputs: Vec<&str> =
        p.data.features.iter().filter(|f| f.is_input()).map(|f| f.name.as_str()).collect();
    assert_eq!(inputs, ["prose", "with gaps", "few"]);
    let Shape::Text(vocabulary) = &p.data.features[0].shape else { panic!("no text") };
    assert_eq!(vocabulary.terms, ["good", "bad", "not", "was good"]);
    let names: Vec<&str> = p.data.features[3..7].iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["prose (\"good\")", "prose (\"bad\")", "prose (\"not\")", "prose (\"was good\")"]);
    assert_eq!(p.data.matrix.columns[0][..3], [6.0, 6.0, 7.0]);
    assert_eq!((3..7).map(|c| p.data.matrix.columns[c][2]).collect::<Vec<_>>(), [1.0, 0.0, 1.0, 0.0]);
    assert_eq!(p.data.matrix.columns[1][0], 0.0);
    assert_eq!(p.data.matrix.texts["with gaps"][..1], ["".into()]);
    assert!(p.data.features[7..].iter().all(|f| f.made_of() == Some(1)));
}

#[test]
fn only_training_rows_choose_the_terms() {
    let n = 60;
    let all = sentences(n);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let training = Table { columns: vec![texts("t", Kind::Text, &all), target(n)] };
    let other: Vec<String> = (0..n).map(|i| format!("unheard of {i} good")).collect();
    let other: Vec<&str> = other.iter().map(String::as_str).collect();
    let validation = Table { columns: vec![texts("t", Kind::Text, &other), target(n)] };
    let alone = prepare((&training).into(), &Spec::new("y", 1, 0)).unwrap();
    let tables = Tables { training: &training, validation: Some(&validation), test: None };
    let both = prepare(tables, &Spec::new("y", 1, 0)).unwrap();
    assert_eq!(alone.data.features[0].shape, both.data.features[0].shape);
    assert_eq!(both.data.matrix.columns[1].len(), 2 * n);
    assert!(both.data.matrix.columns[1][n..].iter().all(|&x| x == 1.0), "good stands in every one");
}

#[test]
fn many_texts_share_the_room_for_terms() {
    let n = 4_000;
    let column = |name: &str, by: usize| {
        let texts: Vec<String> = (0..n)
            .map(|i| {
                (0..4).map(|w| format!("w{}", (i * (w + by) + i / 7) % 300)).collect::<Vec<_>>().join(" ")
            })
            .collect();
        let codes = (0..n as u32).collect();
        Column { name: name.into(), kind: Kind::Text, values: Values::Texts { codes, levels: texts } }
    };
    let p = read(vec![column("a", 3), column("b", 5), column("c", 11), target(n)]);
    let of = |input: usize| p.data.features.iter().filter(|f| f.made_of() == Some(input)).count();
    assert_eq!([of(0), of(1), of(2)], [170; 3]);
}

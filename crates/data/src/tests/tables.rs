//! The shipped tables, as they are described.

use super::*;
use crate::{Extreme, Values};
use ColumnType::{Category, Float, Integer, Timestamp};

fn taken(test: &str, name: &str) -> Option<(Ingested, Frame)> {
    shared(test, name).map(|bytes| frame_of(&bytes, &ReadOptions::default()))
}

fn numbers<'f>(frame: &'f Frame, name: &str) -> &'f [f64] {
    match &frame.column(name).unwrap().values {
        Values::Numbers(numbers) => numbers,
        Values::Texts { .. } => panic!("{name} holds texts"),
    }
}

#[test]
fn german_credit() {
    let Some((found, frame)) = taken("german_credit", "german_credit_data.csv") else { return };
    assert_eq!(found.digest.hex(), "0eb5e4b3beade418c774282c9973d384bb6e36f4416506b7b76d22f303412e62");
    assert_eq!((found.rows, frame.rows()), (1000, 1000));
    assert_eq!(
        kinds(&found),
        [
            Integer, Integer, Category, Integer, Category, Category, Category, Integer, Integer, Category,
            Category
        ]
    );
    let column = |name: &str| found.profile.columns.iter().find(|c| c.name == name).unwrap();
    assert_eq!(column("Saving accounts").missing, 183);
    assert_eq!(column("Checking account").missing, 394);
    assert_eq!(
        (column("Age").min.clone(), column("Age").max.clone()),
        (Some(Extreme::Number(19.0)), Some(Extreme::Number(75.0)))
    );
    let purposes: Vec<(&str, u64)> =
        column("Purpose").top.iter().map(|t| (t.value.as_str(), t.count)).collect();
    assert_eq!(purposes[..2], [("car", 337), ("radio/TV", 280)]);
    assert!(column("Sno").notes.iter().any(|n| n.contains("identifier")));
    assert!(found.profile.columns.iter().all(|c| c.exact && c.distinct_exact));
    assert!(found.profile.check_target("Risk").is_ok());
    // NA as a category, when so stated.
    let bytes = shared("german_credit", "german_credit_data.csv").unwrap();
    let options = ReadOptions { missing: Some(Vec::new()), ..ReadOptions::default() };
    let (stated, _) = frame_of(&bytes, &options);
    assert!(stated.profile.columns.iter().all(|c| c.missing == 0));
    assert_eq!(stated.profile.columns[5].distinct, found.profile.columns[5].distinct + 1);
}

#[test]
fn bank_marketing() {
    let Some((found, frame)) = taken("bank_marketing", "bankmarketing_train.csv") else { return };
    assert_eq!((found.rows, found.columns.len()), (32_950, 21));
    let column = |name: &str| found.profile.columns.iter().find(|c| c.name == name).unwrap();
    for (name, mean) in [
        ("age", 40.0402),
        ("duration", 257.3352),
        ("campaign", 2.5617),
        ("pdays", 962.1748),
        ("previous", 0.1748),
    ] {
        assert!((column(name).mean.unwrap() - mean).abs() < 5e-5, "{name}");
        let plain = numbers(&frame, name).iter().sum::<f64>() / 32_950.0;
        assert!((column(name).mean.unwrap() - plain).abs() < 1e-9, "{name}");
    }
    assert!(found.profile.columns.iter().all(|c| c.missing == 0));
    assert_eq!(column("y").top[1].count, 3692);
    assert_eq!(numbers(&frame, "euribor3m")[0], 1.299_000_000_000_000_2);
    for (name, rows) in [
        ("bank_marketing_train_data.csv", 29_999),
        ("bank_marketing_validation_data.csv", 1_999),
        ("bank_marketing_test_data.csv", 952),
    ] {
        let (part, _) = taken("bank_marketing", name).unwrap();
        assert_eq!(part.rows, rows, "{name}");
    }
}

#[test]
fn banknotes() {
    let Some((found, frame)) = taken("banknotes", "banknote_authentication.csv") else { return };
    assert_eq!((found.rows, kinds(&found)), (1372, vec![Float, Float, Float, Float, Integer]));
    assert_eq!(numbers(&frame, "class").iter().sum::<f64>(), 610.0);
    assert_eq!(numbers(&frame, "variance")[0], 3.6216);
}

#[test]
fn bike_sharing() {
    let Some((found, frame)) = taken("bike_sharing", "bike-no.csv") else { return };
    assert_eq!((found.rows, found.columns[1].kind), (731, Timestamp));
    let date = &found.profile.columns[1];
    assert_eq!(date.min, Some(Extreme::Moment("2011-01-01T00:00:00".to_owned())));
    assert_eq!(date.max, Some(Extreme::Moment("2012-12-31T00:00:00".to_owned())));
    assert!(date.notes.is_empty(), "{:?}", date.notes);
    let days = numbers(&frame, "date");
    assert!(days.windows(2).all(|pair| pair[1] - pair[0] == 86_400.0));
    let (casual, registered) = (numbers(&frame, "casual"), numbers(&frame, "registered"));
    assert!(numbers(&frame, "cnt").iter().zip(casual.iter().zip(registered)).all(|(c, (a, b))| *c == a + b));
}

#[test]
fn the_same_bytes_give_the_same_result() {
    let Some((first, _)) = taken("the_same_bytes", "bankmarketing_train.csv") else { return };
    let (second, _) = taken("the_same_bytes", "bankmarketing_train.csv").unwrap();
    assert_eq!(
        serde_json::to_string(&first.profile).unwrap(),
        serde_json::to_string(&second.profile).unwrap()
    );
    assert_eq!(first, second);
}

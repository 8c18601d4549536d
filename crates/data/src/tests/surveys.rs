//! Types and profiles against plain computation.

use super::*;
use crate::Extreme;

fn numbers(columns: &[ColumnProfile], name: &str) -> ColumnProfile {
    columns.iter().find(|c| c.name == name).unwrap().clone()
}

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{a} is not {b}");
}

#[test]
fn types_are_inferred() {
    let text = "b,i,f,c,t,d,us,eu,mixed,void,word\n\
        TRUE,1,1,x,2020-01-01,01.02.2020,1/13/2020,31/12/2020,1,,yes\n\
        false,-2,2.5,y,2020-01-02T10:00:00Z,02.02.2020,2/1/2020,1/2/2020,a,NA,no\n\
        ,NA,1e3,,?,,,,,null,yes\n";
    let (format, columns) = profile_of(text);
    use ColumnType::{Boolean, Category, Float, Integer, Timestamp};
    let kinds: Vec<ColumnType> = columns.iter().map(|c| c.kind).collect();
    let expected = [
        Boolean, Integer, Float, Category, Timestamp, Timestamp, Timestamp, Timestamp, Category, Category,
        Category,
    ];
    assert_eq!(kinds, expected);
    assert!(columns[..9].iter().all(|c| c.missing == 1 || c.kind == Float), "{columns:?}");
    use crate::Layout::{DayMonth, DayMonthDot, Iso, MonthDay};
    let layouts: Vec<_> = format.timestamps.into_iter().collect();
    let expected = [("d", DayMonthDot), ("eu", DayMonth), ("t", Iso), ("us", MonthDay)];
    assert_eq!(layouts, expected.map(|(name, layout)| (name.to_owned(), layout)));
    assert_eq!(columns[9].notes, ["every value is missing"]);
}

#[test]
fn a_small_profile_is_exact() {
    let (_, columns) = profile_of("x,c\n4,a\n1,b\n2,a\n3,\nNA,a\n2.0,a\n");
    let x = numbers(&columns, "x");
    assert_eq!((x.count, x.missing, x.distinct, x.exact, x.distinct_exact), (5, 1, 4, true, true));
    assert_eq!((x.min, x.max, x.mean), (Some(Extreme::Number(1.0)), Some(Extreme::Number(4.0)), Some(2.4)));
    close(x.deviation.unwrap(), 1.3_f64.sqrt(), 1e-12);
    assert_eq!((x.quantiles["0.25"], x.quantiles["0.5"], x.quantiles["0.95"]), (2.0, 2.0, 3.8));
    let histogram = x.histogram.unwrap();
    assert_eq!((histogram.edges.len(), histogram.counts.iter().sum::<u64>()), (21, 5));
    let c = numbers(&columns, "c");
    let top: Vec<(&str, u64)> = c.top.iter().map(|t| (t.value.as_str(), t.count)).collect();
    assert_eq!((top, c.missing), (vec![("a", 4), ("b", 1)], 1));
}

/// More distinct values than are counted: sums still exact, sketches within their error.
#[test]
fn a_large_profile_is_within_its_error() {
    let rows = 300_000_u64;
    let value = |n: u64| ((n * 2_654_435_761 % 1_000_003) as f64).powi(2) / 1e6;
    let mut text = "x,id,half,word,when\n".to_owned();
    for n in 0..rows {
        let half = if n % 2 == 0 { "0".to_owned() } else { n.to_string() };
        text.push_str(&format!(
            "{},{n},{half},word number {},2020-01-01T{:02}:{:02}:{:02}.{:03}\n",
            value(n),
            n * 7,
            n / 3600 % 24,
            n / 60 % 60,
            n % 60,
            n % 1000
        ));
    }
    let (_, columns) = profile_of(&text);
    let mut sorted: Vec<f64> = (0..rows).map(value).collect();
    sorted.sort_by(f64::total_cmp);
    let mean = sorted.iter().sum::<f64>() / rows as f64;
    let variance = sorted.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (rows - 1) as f64;
    let x = numbers(&columns, "x");
    assert_eq!(x.kind, ColumnType::Float);
    close(x.mean.unwrap(), mean, 1e-12);
    close(x.deviation.unwrap(), variance.sqrt(), 1e-12);
    assert_eq!(x.min, Some(Extreme::Number(sorted[0])));
    assert_eq!(x.max, Some(Extreme::Number(sorted[sorted.len() - 1])));
    assert!(!x.exact && !x.distinct_exact);
    for (share, value) in &x.quantiles {
        let share: f64 = share.parse().unwrap();
        let rank = sorted.partition_point(|v| v < value) as f64 / rows as f64;
        assert!((rank - share).abs() < 0.005, "{share}: {rank}");
    }
    assert_eq!(x.histogram.unwrap().counts.iter().sum::<u64>(), rows);
    let id = numbers(&columns, "id");
    close(id.distinct as f64, rows as f64, 0.03);
    assert_eq!((id.kind, id.mean), (ColumnType::Integer, Some((rows - 1) as f64 / 2.0)));
    let half = numbers(&columns, "half");
    assert_eq!((half.top[0].value.as_str(), half.top[0].count), ("0", rows / 2));
    assert_eq!(half.quantiles["0.25"], 0.0);
    let word = numbers(&columns, "word");
    assert_eq!(word.kind, ColumnType::Text);
    close(word.distinct as f64, rows as f64, 0.03);
    assert_eq!(numbers(&columns, "when").kind, ColumnType::Timestamp);
}

/// What a column turns out to be late.
#[test]
fn late_values_change_a_type() {
    let table = |last: &str| {
        let mut text = "x\n".to_owned();
        (0..50_000).for_each(|n| text.push_str(&format!("{n}\n")));
        text + last
    };
    let column = |last: &str| profile_of(&table(last)).1.remove(0);
    assert_eq!(column("7\n").kind, ColumnType::Integer);
    let float = column("7.5\n");
    assert_eq!((float.kind, float.max), (ColumnType::Float, Some(Extreme::Number(49_999.0))));
    let text = column("A7\n");
    assert_eq!((text.kind, text.mean, text.count), (ColumnType::Text, None, 50_001));
    assert!(
        text.notes[0].contains("'A7' on line 50002") && text.notes[0].contains("50000 values"),
        "{:?}",
        text.notes
    );
    let few = profile_of(&("x\n".to_owned() + &"1\n2\n".repeat(50) + "n/k\n")).1.remove(0);
    assert_eq!(few.kind, ColumnType::Category);
    assert!(few.notes[0].contains("'n/k' on line 102"), "{:?}", few.notes);
}

#[test]
fn notes_say_what_to_look_at() {
    let mut text = "id,same,day,big\n".to_owned();
    (0..30)
        .for_each(|n| text.push_str(&format!("{},k,1/{}/2020,{}\n", n + 100, 1 + n % 12, u64::MAX / 2 - n)));
    let (_, columns) = profile_of(&text);
    let notes = |name: &str| numbers(&columns, name).notes.join("; ");
    assert!(notes("id").contains("identifier"));
    assert!(notes("same").contains("constant"));
    assert!(notes("day").contains("day/month/year would also fit"));
    assert!(notes("big").contains("2^53"));
}

/// A category with more values than are counted is text; repeated ones below that are categories.
#[test]
fn categories_repeat() {
    let table = |distinct: u32, rows: u32| {
        let mut text = "c\n".to_owned();
        (0..rows).for_each(|n| text.push_str(&format!("v{}\n", n % distinct)));
        profile_of(&text).1.remove(0).kind
    };
    assert_eq!(table(20, 20), ColumnType::Category);
    assert_eq!(table(21, 21), ColumnType::Text);
    assert_eq!(table(500, 1000), ColumnType::Category);
    assert_eq!(table(501, 1000), ColumnType::Text);
    assert_eq!(table(20_000, 100_000), ColumnType::Text);
}
